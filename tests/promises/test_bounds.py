# SPDX-License-Identifier: Apache-2.0
"""Every list, map, string, number and free form that a body or a query takes has a maximum, and it is written in the shape."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import pytest

from sim_cloud import SimCloud
from virga.ground import wire
from virga.ground.http import call
from virga.ground.http.table import Route, Table

SERVICES = ("identity", "image", "network", "compute", "placement")


def unbounded(kind: Any, path: str, seen: tuple[type, ...] = ()) -> Iterator[str]:
    """Where in `kind` something has no maximum."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    metas: list[msgspec.Meta] = []
    if origin is typing.Annotated:
        kind, marks = args[0], args[1:]
        if any(isinstance(m, wire.free) for m in marks):
            return
        metas = [m for m in marks if isinstance(m, msgspec.Meta)]
        origin, args = typing.get_origin(kind), typing.get_args(kind)
    most = any(m.max_length is not None for m in metas)
    if origin is Literal or kind in (bool, type(None), msgspec.UnsetType, None):
        return
    if origin in (typing.Union, types.UnionType):
        for part in args:
            yield from unbounded(typing.Annotated[part, *metas] if metas else part, path, seen)
    elif kind is str:
        fixed = any(m.pattern is not None and m.pattern[:1] == "^" and not set(m.pattern) & set("*+") for m in metas)
        if not most and not fixed:
            yield f"{path}: a string without max_length"
    elif kind in (int, float):
        if not any(m.ge is not None or m.gt is not None for m in metas):
            yield f"{path}: a number without a minimum"
        if not any(m.le is not None or m.lt is not None for m in metas):
            yield f"{path}: a number without a maximum"
    elif origin in (list, set, tuple, frozenset) or kind in (list, set, tuple):
        if not most:
            yield f"{path}: a list without max_length"
        if not args:
            yield f"{path}: a list of anything"
        for part in args[:1]:
            yield from unbounded(part, f"{path}[]", seen)
    elif origin is dict or kind is dict:
        if not most:
            yield f"{path}: a map without max_length"
        if not args:
            yield f"{path}: a map of anything"
        for part in args:
            yield from unbounded(part, f"{path}{{}}", seen)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in seen:
            hints = typing.get_type_hints(kind, include_extras=True)
            for f in msgspec.structs.fields(kind):
                yield from unbounded(hints[f.name], f"{path}.{f.name}", (*seen, kind))
    else:
        yield f"{path}: {kind} may be anything"


class Inner(wire.Wire):
    text: str
    fine: wire.Name


class Shape(wire.Wire):
    names: list[wire.Name]
    more: typing.Annotated[list[Inner], wire.Meta(max_length=3)]
    count: int
    share: typing.Annotated[float, wire.Meta(ge=0)]
    any: dict[str, Any]
    free: typing.Annotated[dict[str, Any], wire.free()]
    either: str | int | None


class Free(wire.Wire):
    profile: typing.Annotated[dict[str, Any], wire.free(size=100, depth=3)] = {}


def test_the_walk_sees_what_has_no_maximum() -> None:
    found = list(unbounded(Shape, "Shape"))
    assert [f.partition(":")[0] for f in found] == [
        "Shape.names",
        "Shape.more[].text",
        "Shape.count",
        "Shape.count",
        "Shape.share",
        "Shape.any",
        "Shape.any{}",
        "Shape.any{}",
        "Shape.either",
        "Shape.either",
        "Shape.either",
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_every_body_is_bounded(shared: SimCloud, service: str) -> None:
    own = next(s for s in shared.cloud.services if s.name == service)
    found: dict[str, None] = {}
    for route in own.routes:
        if route.body is not None:
            found |= dict.fromkeys(unbounded(route.body, route.body.__name__))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("service", SERVICES)
def test_every_query_is_declared_and_bounded(shared: SimCloud, service: str) -> None:
    """Parameters are strings on their way in: each needs a length, whatever it means."""
    own = next(s for s in shared.cloud.services if s.name == service)
    for route in own.routes:
        assert route.query is None or all(wire.longest(kind) < wire.LONGEST for kind in route.query.values()), (
            f"{route.method} {route.path}: {[n for n, k in route.query.items() if wire.longest(k) >= wire.LONGEST]}"
        )


def corrupting(kind: Any, path: str, seen: tuple[type, ...] = ()) -> Iterator[str]:
    """Where in `kind` a text with a pattern stands beside a list or a map: msgspec 0.22 writes past the end of such a type."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        bare = [(part, typing.get_args(part)[1:]) for part in args if typing.get_origin(part) is typing.Annotated]
        patterned = any(isinstance(m, msgspec.Meta) and m.pattern is not None for _, marks in bare for m in marks)
        plain = [typing.get_args(part)[0] if typing.get_origin(part) is typing.Annotated else part for part in args]
        if patterned and any((typing.get_origin(part) or part) in (list, dict, tuple, set) for part in plain):
            yield path
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in seen:
            hints = typing.get_type_hints(kind, include_extras=True)
            for f in msgspec.structs.fields(kind):
                yield from corrupting(hints[f.name], f"{path}.{f.name}", (*seen, kind))
        return
    for part in args if origin is not Literal else ():
        yield from corrupting(part, path, seen)


class Corrupting(wire.Wire):
    many: list[int] | typing.Annotated[str, wire.Meta(pattern="^a$")]
    named: typing.Annotated[typing.Annotated[str, wire.Meta(pattern="^a$")] | dict[str, int], wire.named("n")]
    fine: list[typing.Annotated[str, wire.Meta(pattern="^a$")]] | str


@pytest.mark.parametrize("service", SERVICES)
def test_no_shape_is_of_a_kind_that_corrupts_memory(shared: SimCloud, service: str) -> None:
    assert [*corrupting(Corrupting, "C")] == ["C.many", "C.named"]
    own = next(s for s in shared.cloud.services if s.name == service)
    found = {where for r in own.routes if r.body is not None for where in corrupting(r.body, r.body.__name__)}
    assert not found


def test_a_query_that_is_too_long_is_refused_by_name() -> None:
    bounds = wire.query_bounds({"name": wire.Name, "tags": typing.Annotated[wire.Name, wire.times(2)]})
    wire.check_query(bounds, {"name": ["x" * 255], "tags": ["a", "b"], "other": ["y" * 5000]})
    for items, word in (({"name": ["x" * 256]}, "name"), ({"tags": ["a", "b", "c"]}, "3 times")):
        with pytest.raises(wire.Invalid, match=word):
            wire.check_query(bounds, items)


def test_a_row_that_declares_no_query_reads_none(shared: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it reads all the same has no bound: that is told, by each of the ways to read it."""
    told: list[str] = []
    monkeypatch.setattr(call, "undeclared", told.append)
    app = shared.cloud.api_app
    for query, names in ((None, ["a", "b", "c"]), ({"a": wire.Name, "b": wire.Name}, ["c"])):

        def read(asked: call.Call) -> None:
            asked.query.get("a")
            asked.query.all("b")
            assert "c" in asked.query

        rows = (Route("GET", "/v2.0/probe", read, query=query, public=True, inline=True),)
        monkeypatch.setitem(app.tables, "network", Table(rows))
        told.clear()
        assert shared.admin.ask("GET", "/network/v2.0/probe?a=1&b=2&c=3").code == 200
        assert told == names


def test_free_json_is_bounded_in_size_and_depth() -> None:
    assert wire.decode(Free, b'{"profile": {"a": {"b": [1]}}}') == Free(profile={"a": {"b": [1]}})
    with pytest.raises(wire.Invalid, match="deeper than 3"):
        wire.decode(Free, b'{"profile": {"a": {"b": [[1]]}}}')
    with pytest.raises(wire.Invalid, match="at most 100"):
        wire.decode(Free, b'{"profile": {"a": "%s"}}' % (b"x" * 200))
