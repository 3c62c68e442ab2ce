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
