# SPDX-License-Identifier: Apache-2.0
"""Where shapes and queries refer to things, and how a test makes things to refer to.

Each service has a module here, with
  MAKE: noun → how somebody makes one, giving its id (or name, where the API refers by name)
  DROP: noun → how its owner makes it go away
  GOOD: "POST /v2.0/ports" (method and path of a route; " key" behind it for an action row) → a function of a `Case`, giving one or
        several good bodies that together hold every reference of the shape
  PATHS: the same key → a function of a `Case` giving the path to ask, where it has parameters
  REFUSED: references that a member may not send at all, with the rule or reason: the sweep is a member's
  ALIKE: references whose answer for a foreign thing differs from that for an absent one by upstream's own word, with the reason."""

from __future__ import annotations

import importlib
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sim_cloud import SimCloud, Tenant
from virga.ground import wire
from virga.ground.http.table import Route, Service

SERVICES = ("identity", "image", "network", "compute")
ABSENT = "11111111-2222-4333-8444-555555555555"
MALFORMED = "..%2f' OR 1=1 --\U0001f4a5"


@dataclass(frozen=True)
class Reference:
    """Where one id stands: `place` is `body`, `query` or `header`; `path` the names and indices that lead to it."""

    place: str
    path: tuple[str | int, ...]
    noun: str
    may: str

    def __str__(self) -> str:
        return f"{self.place} {'.'.join(map(str, self.path))} → {self.noun}"


def _within(kind: Any, version: wire.Version, path: tuple[str | int, ...]) -> Iterator[Reference]:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        inner, *marks = args
        for mark in marks:
            if isinstance(mark, wire.refers):
                yield Reference("body", path, mark.noun, mark.may)
        yield from _within(inner, version, path)
    elif origin in (typing.Union, types.UnionType):
        for part in args:
            yield from _within(part, version, path)
    elif origin in (list, tuple, set, frozenset):
        for part in args[:1]:
            yield from _within(part, version, (*path, 0))
    elif origin is dict:
        yield from _within(args[1], version, (*path, "*"))
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind, include_extras=True)
        for f in msgspec.structs.fields(kind):
            marks = wire._marks(hints[f.name])
            if wire._live(marks, version):
                name = next((m.name for m in marks if isinstance(m, wire.named)), f.encode_name)
                yield from _within(hints[f.name], version, (*path, name))


def references(route: Route, version: wire.Version) -> list[Reference]:
    """Every reference that the route's body, query and headers declare."""
    out: dict[Reference, None] = {}
    version = min(version, route.until)
    if route.body is not None:
        head: tuple[str | int, ...] = ()
        if route.verb is not None:
            head = (route.verb,)
        elif route.key is not None:
            head = (route.key,)
        out |= dict.fromkeys(_within(route.body, version, head))
    for place, declared in (("query", route.query), ("header", route.headers)):
        for name, kind in (declared or {}).items():
            for mark in wire._marks(kind):
                if isinstance(mark, wire.refers):
                    out[Reference(place, (name,), mark.noun, mark.may)] = None
    return list(out)


def key(route: Route) -> str:
    """What a route is called in GOOD and PATHS."""
    return f"{route.method} {route.path}" + (f" {route.verb}" if route.verb else "")


@dataclass
class Case:
    """Who asks (`me`), whose things are foreign (`other`), and the things made so far."""

    sim: SimCloud
    me: Tenant
    other: Tenant
    make: dict[str, Callable[[SimCloud, Tenant], str]]
    drop: dict[str, Callable[[SimCloud, Tenant, str], None]]
    kept: dict[tuple[str, str], str] = field(default_factory=dict)

    def own(self, noun: str) -> str:
        """The id of one that `me` made; the same each time."""
        return self._one(noun, "own", self.me)

    def fresh(self, noun: str) -> str:
        """The id of one that `me` makes now."""
        return self.make[noun](self.sim, self.me)

    def foreign(self, noun: str) -> str:
        """The id of one that is `other`'s."""
        return self._one(noun, "foreign", self.other)

    def deleted(self, noun: str) -> str | None:
        """The id of one that was `me`'s and is gone; None where its kind cannot be deleted."""
        if noun not in self.drop:
            return None
        if (noun, "deleted") not in self.kept:
            id = self.make[noun](self.sim, self.me)
            self.drop[noun](self.sim, self.me, id)
            self.kept[noun, "deleted"] = id
        return self.kept[noun, "deleted"]

    def _one(self, noun: str, whose: str, who: Tenant) -> str:
        if (noun, whose) not in self.kept:
            self.kept[noun, whose] = self.make[noun](self.sim, who)
        return self.kept[noun, whose]


def module(service: str) -> Any:
    """The tables of one service."""
    return importlib.import_module(f"references.{service}")


def nouns() -> tuple[dict[str, Any], dict[str, Any]]:
    """MAKE and DROP of all services together: one refers to the things of another."""
    make: dict[str, Any] = {}
    drop: dict[str, Any] = {}
    for service in SERVICES:
        try:
            found = module(service)
        except ModuleNotFoundError:
            continue
        make |= found.MAKE
        drop |= found.DROP
    return make, drop


def holds(body: Any, path: tuple[str | int, ...]) -> bool:
    """Whether `body` has a value at `path`."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(body, list) or len(body) <= step:
                return False
            body = body[step]
        else:
            if step == "*" and isinstance(body, dict) and body:
                step = next(iter(body))
            if not isinstance(body, dict) or step not in body:
                return False
            body = body[step]
    return body is not None


def put(body: Any, path: tuple[str | int, ...], value: str) -> None:
    """Set what `path` leads to."""
    *way, last = path
    for step in way:
        body = body[next(iter(body)) if step == "*" else step]
    body[next(iter(body)) if last == "*" else last] = value


def spoken(service: Service) -> wire.Version:
    """The version that the sweep speaks: the newest."""
    return service.versions.high
