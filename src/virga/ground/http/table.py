# SPDX-License-Identifier: Apache-2.0
"""The API as a table: one Route per operation, a trie to find it, the OpenStack idiom of action bodies as a first-class row."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from virga.ground.act import Actor
from virga.ground.errors import MethodNotAllowed, NotFound
from virga.ground.http.call import Call, View
from virga.ground.http.faults import Faults
from virga.ground.wire import BULK, Query, Version, Wire, changes, lives, query_bounds


@dataclass(frozen=True)
class Route:
    """`GET /servers/{id}` → `action(call, id)` → `view(value, call)`. With `body` the decoded shape is the last argument; `key`
    unwraps it, `bulk` also takes a list. `verb` marks an action row: the one key of the body at `…/action`. `tx`: `read` and
    `write` open a transaction around the action (GET reads, others write), `none` leaves it to the action. `inline` rows answer
    from memory on the event loop. `stream` rows are async and get the body as it arrives. `public` rows need no token. `slow`
    rows compute for long (password hashes) and have two threads of their own, so that they starve nobody; those that are `inline`, too,
    are first tried in an ordinary thread with what is remembered, and say Cold before they write anything. `brief` tells of a body
    that it asks for no more than some reads: on an embedded database that is cheaper than a change of threads.

    `query` and `headers` declare the parameters and headers that the action reads, with their bounds and what they refer to
    (`wire.refers`; no `query`: it reads none); `most` bounds the things of one bulk body.

    `answer` is the shape of what is answered, as any version shows it (a union where it may be one of several; `bytes` for a stream;
    None: no body); `sends` are the headers of the answer beside, name → annotated type, of which the caller's version has some;
    `codes` are other codes than `code` that say it went well."""

    method: str
    path: str
    action: Callable[..., Any]
    body: type[Wire] | None = None
    key: str | None = None
    bulk: str | None = None
    view: View | None = None
    answer: Any = None
    sends: Query | None = None
    code: int = 200
    codes: tuple[int, ...] = ()
    verb: str | None = None
    since: Version = (0, 0)
    until: Version = (9999, 0)
    tx: Literal["read", "write", "none"] | None = None
    public: bool = False
    inline: bool = False
    stream: bool = False
    slow: bool = False
    brief: Callable[[Any], bool] | None = None
    accepts: tuple[str, ...] = ("application/json",)
    query: Query | None = None
    headers: Query | None = None
    most: int = BULK

    @property
    def name(self) -> str:
        return f"{self.action.__module__.rpartition('.')[2]}.{self.action.__name__}"

    @property
    def short(self) -> bool:
        """Whether the row reads one thing by its id: on an embedded database that is cheaper than a change of threads."""
        return self.method == "GET" and self.transaction == "read" and self.path.endswith("}")

    @functools.cached_property
    def query_bounds(self) -> dict[str, tuple[int, int]] | None:
        return None if self.query is None else query_bounds(self.query)

    @functools.cached_property
    def header_bounds(self) -> dict[str, tuple[int, int]] | None:
        return None if self.headers is None else query_bounds(self.headers)

    @functools.cached_property
    def _passing(self) -> tuple[tuple[str, Any], ...]:
        """The headers of `sends` that some versions do not have."""
        return tuple((name, kind) for name, kind in (self.sends or {}).items() if changes(kind))

    def unsent(self, version: Version) -> tuple[str, ...]:
        """The headers of `sends` that `version` does not have yet, or has no more."""
        return tuple(name for name, kind in self._passing if not lives(kind, version)) if self._passing else ()

    def changes(self) -> frozenset[Version]:
        """The versions, of those in which the row lives, that change what it takes or answers; the first of them too."""
        parts = (self.body, self.answer, *(self.query or {}).values(), *(self.sends or {}).values())
        found = {version for part in parts for version in changes(part)}
        return frozenset({self.since, *(v for v in found if self.since < v <= self.until)})

    @property
    def transaction(self) -> str:
        return self.tx or ("read" if self.method in {"GET", "HEAD"} else "write")


@dataclass(frozen=True)
class Versions:
    """A service's microversions; `headers` are read in order. (0, 0) for services that have none."""

    low: Version = (0, 0)
    high: Version = (0, 0)
    default: Version = (0, 0)
    service: str = ""
    legacy_header: str | None = None


@dataclass(frozen=True)
class Service:
    """One API: where it lives (`path` under the one address, `ports` of its own), its table, its versions, its faults.
    `tenant_in_path`: `/v2.1/{project}/servers` is the same as `/v2.1/servers` (Nova and Cinder).
    `admit` may know a caller whose token is none of the cloud's, for this service alone. For clients of before: `old_catalog` is what
    the catalogue of Identity v2.0 says in place of `catalog`; `roots` are paths at the root of the one address, for clients that drop the
    endpoint's path; `spelled` puts right the path as they write it."""

    name: str
    type: str
    path: str
    ports: tuple[int, ...]
    catalog: str
    routes: tuple[Route, ...]
    faults: Faults
    versions: Versions = field(default_factory=Versions)
    tenant_in_path: bool = False
    admit: Callable[[Call, str], Actor | None] | None = None
    old_catalog: str = ""
    roots: frozenset[str] = frozenset()
    spelled: Callable[[list[str]], list[str]] | None = None


class _Node:
    __slots__ = ("children", "param", "routes", "verbs")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.param: _Node | None = None
        self.routes: dict[str, list[Route]] = {}
        self.verbs: dict[str, list[Route]] = {}


class Table:
    """Finds the row of a path in time that does not depend on how many rows there are."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for part in filter(None, route.path.split("/")):
                if part.startswith("{"):
                    node.param = node.param or _Node()
                    node = node.param
                else:
                    node = node.children.setdefault(part, _Node())
            if route.verb is not None:
                node.verbs.setdefault(route.verb, []).append(route)
            else:
                node.routes.setdefault(route.method, []).append(route)

    def find(self, method: str, parts: list[str]) -> tuple[list[Route] | dict[str, list[Route]], tuple[str, ...]]:
        """The rows for method and path (or the action rows of the path by verb) and the path's parameters.
        Raises NotFound, or MethodNotAllowed with what is allowed."""
        found = self._walk(self._root, parts, 0)
        if found is None:
            raise NotFound("The resource could not be found.")
        node, params = found
        if method == "POST" and node.verbs:
            return node.verbs, params
        rows = node.routes.get(method) or (node.routes.get("GET") if method == "HEAD" else None)
        if rows:
            return rows, params
        allow = sorted({*node.routes, *(("HEAD",) if "GET" in node.routes else ()), *(("POST",) if node.verbs else ())})
        raise MethodNotAllowed(
            f"The method {method} is not allowed for this resource; allowed: {', '.join(allow)}.",
            allow=", ".join(allow),
        )

    def _walk(self, node: _Node, parts: list[str], at: int) -> tuple[_Node, tuple[str, ...]] | None:
        if at == len(parts):
            return (node, ()) if node.routes or node.verbs else None
        child = node.children.get(parts[at])
        if child is not None:
            found = self._walk(child, parts, at + 1)
            if found is not None:
                return found
        if node.param is not None:
            found = self._walk(node.param, parts, at + 1)
            if found is not None:
                return found[0], (parts[at], *found[1])
        return None


def at_version(rows: list[Route], version: Version) -> Route:
    """The row that lives at `version`; NotFound when none does, as Nova answers."""
    for row in rows:
        if row.since <= version <= row.until:
            return row
    raise NotFound("The resource could not be found.")
