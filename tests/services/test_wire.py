# SPDX-License-Identifier: Apache-2.0
"""Shapes on the wire: what a decoder gives back."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from virga.ground import errors, wire


class Leaf(wire.Open):
    name: str
    size: int = 0


class Tree(wire.Open):
    leaf: Leaf
    leaves: list[Leaf] = []


class Branch(wire.Wire):
    leaf: Leaf


@pytest.mark.parametrize("version", [(0, 0), (2, 1)])
def test_an_open_shape_keeps_what_it_does_not_name_wherever_it_stands(version: wire.Version) -> None:
    raw = msgspec.json.encode(
        {
            "color": "red",
            "leaf": {"name": "a", "x": 1},
            "leaves": [{"name": "b"}, {"name": "c", "size": 2, "y": {"z": []}}],
        }
    )
    tree = wire.decode(Tree, raw, version)
    assert isinstance(tree, Tree)
    assert tree.extra == {"color": "red"}
    assert tree.leaf.extra == {"x": 1}
    assert [(each.name, each.size, each.extra) for each in tree.leaves] == [("b", 0, {}), ("c", 2, {"y": {"z": []}})]


def test_an_open_shape_inside_a_strict_one_under_a_key_and_many_at_once() -> None:
    one = wire.decode(Branch, b'{"branch": {"leaf": {"name": "a", "x": null}}}', key="branch")
    assert isinstance(one, Branch)
    assert one.leaf.extra == {"x": None}
    many = wire.decode(Leaf, b'{"leaves": [{"name": "a", "x": 1}, {"name": "b"}]}', key="leaf", bulk="leaves")
    assert isinstance(many, list)
    assert [each.extra for each in many] == [{"x": 1}, {}]
    with pytest.raises(errors.Invalid, match="color"):
        wire.decode(Branch, b'{"branch": {"leaf": {"name": "a"}, "color": "red"}}', key="branch")


class Newer(wire.Wire):
    name: str
    age: Annotated[int | wire.UnsetType, wire.since(1, 38)] = wire.UNSET


class ByName(wire.Wire):
    things: dict[str, Newer]


def test_shapes_inside_maps_are_given_as_declared_with_fields_that_the_version_does_not_have() -> None:
    got = wire.decode(ByName, b'{"things": {"a": {"name": "x"}}}', (1, 30))
    assert isinstance(got, ByName)
    assert isinstance(got.things["a"], Newer) and got.things["a"].age is wire.UNSET


class Part(wire.Shape):
    old: Annotated[str, wire.until(2, 4)]
    new: Annotated[int, wire.since(2, 5)]


class Thing(wire.Shape, kw_only=True):
    id: str
    number: Annotated[int, wire.named("key"), wire.until(2, 9)]
    key: Annotated[str, wire.since(2, 10)]
    part: Part
    parts: dict[str, list[Part]]
    secret: str | wire.UnsetType = wire.field(name="for:admins", default=wire.UNSET)


class Things(wire.Shape):
    things: list[Thing]


class Loose(wire.OpenShape, kw_only=True):
    id: str
    late: Annotated[str | wire.UnsetType, wire.since(2, 5)] = wire.UNSET


def _part() -> Part:
    return Part(old="o", new=1)


def _thing(make: type[Thing] = Thing, **more: str) -> Thing:
    return make(id="a", number=1, key="k", part=_part(), parts={"x": [_part()]}, **more)


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ((2, 1), {"id": "a", "key": 1, "part": {"old": "o"}, "parts": {"x": [{"old": "o"}]}}),
        ((2, 5), {"id": "a", "key": 1, "part": {"new": 1}, "parts": {"x": [{"new": 1}]}}),
        ((2, 10), {"id": "a", "key": "k", "part": {"new": 1}, "parts": {"x": [{"new": 1}]}}),
    ],
)
def test_an_answer_is_made_in_full_and_shown_as_the_version_has_it(version: wire.Version, shown: object) -> None:
    raw = wire.encode(Things(things=[_thing(), _thing(secret="s")]), version)
    assert msgspec.json.decode(raw) == {"things": [shown, {**dict(shown), "for:admins": "s"}]}  # type: ignore[call-overload]
    assert wire.hold(Things, raw, version) is None


def test_what_is_made_for_a_version_at_once_is_the_same_as_what_is_cut_to_it() -> None:
    for version in ((2, 1), (2, 5), (2, 10)):
        part = wire.making(Part, version)
        thing = wire.making(Thing, version)
        at_once = thing(
            id="a", number=1, key="k", part=part(old="o", new=1), parts={"x": [part(old="o", new=1)]}, secret="s"
        )
        cut = wire.encode(Things(things=[_thing(secret="s")]), version)
        assert wire.encode(Things(things=[at_once]), version) == cut
    with pytest.raises(TypeError):
        wire.making(Thing, (2, 1))(id="a")


def test_an_open_answer_shows_what_it_does_not_name_and_its_own_names_win() -> None:
    for version, shown in (((2, 1), {"color": "red", "id": "a"}), ((2, 5), {"color": "red", "id": "a", "late": "x"})):
        extra = {"color": "red", "id": "not this"}
        for make in (Loose, wire.making(Loose, version)):
            raw = wire.encode(make(extra=extra, id="a", late="x"), version)
            assert msgspec.json.decode(raw) == shown
            assert wire.hold(Loose, raw, version) is None
    assert msgspec.json.decode(wire.encode(Loose(id="a"), (2, 5))) == {"id": "a"}


def test_an_answer_that_is_not_as_declared_is_told() -> None:
    assert "unknown field `more`" in str(wire.hold(Part, b'{"new": 1, "more": 2}', (2, 5)))
    assert "missing required field `new`" in str(wire.hold(Part, b"{}", (2, 5)))
    assert "Expected `int`" in str(wire.hold(Part | None, b'{"new": "one"}', (2, 5)))
    assert wire.hold(None, b"{}", (2, 5)) == "the row declares no body"


def test_the_versions_that_change_a_shape_are_those_of_everything_in_it() -> None:
    assert wire.changes(Things) == {(2, 5), (2, 10)}
    marked = Annotated[list[str], wire.varies((wire.since(2, 7), wire.until(2, 8)))]
    assert wire.changes(marked) == {(2, 7), (2, 9)}
    assert wire.changes(None) == frozenset()
