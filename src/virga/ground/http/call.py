# SPDX-License-Identifier: Apache-2.0
"""One request as actions see it: who, which version, what was asked, and the open transaction."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from virga.ground.act import Act, Actor
from virga.ground.errors import Invalid
from virga.ground.wire import Shape, Version, holds, making, since, until

T = TypeVar("T")
P = ParamSpec("P")
S = TypeVar("S", bound=Shape)


class Cold(Exception):
    """The answer is not in memory: ask again in a thread, where the database may be read."""


class Authenticator(Protocol):
    """Turns a token into an actor. `hot` reads memory only (raises Cold); `cold` may read the database."""

    def hot(self, token: str) -> Actor | None: ...

    def cold(self, token: str) -> Actor | None: ...


def undeclared(name: str) -> None:
    """Called when an action reads a query parameter that its route does not declare, so that nothing bounds it. Tests put a
    failure here."""


class Query:
    """The query string. Values come as lists; the readers name the parameter when a value is wrong. `declared`: what the route
    says that it reads (None: it says nothing)."""

    __slots__ = ("declared", "items")

    def __init__(self, items: Mapping[str, Sequence[str]], declared: Container[str] | None = None) -> None:
        self.items = items
        self.declared = declared

    def _known(self, name: str) -> None:
        if self.declared is not None and name not in self.declared and "*" not in self.declared:
            undeclared(name)

    def __contains__(self, name: str) -> bool:
        self._known(name)
        return name in self.items

    def all(self, name: str) -> Sequence[str]:
        self._known(name)
        return self.items.get(name, ())

    def get(self, name: str, default: str | None = None) -> str | None:
        self._known(name)
        values = self.items.get(name)
        return values[-1] if values else default

    def whole(self, name: str, default: int | None = None, low: int = 0, high: int = 2**31 - 1) -> int | None:
        """A whole number between the bounds; `default` when the query has none. Raises Invalid."""
        text = self.get(name)
        if text is None:
            return default
        try:
            value = int(text)
        except ValueError:
            raise Invalid(
                f"Invalid input for query parameter '{name}': '{text[:64]}' is not an integer", field=name
            ) from None
        if not low <= value <= high:
            raise Invalid(
                f"Invalid input for query parameter '{name}': {value} is not between {low} and {high}", field=name
            )
        return value

    def yes(self, name: str, default: bool | None = None) -> bool | None:
        """A boolean, in the spellings that oslo's `strutils` takes; `default` when the query has none. Raises Invalid."""
        text = self.get(name)
        if text is None:
            return default
        low = text.strip().lower()
        if low in {"1", "true", "yes", "on", "t", "y", ""}:
            return True
        if low in {"0", "false", "no", "off", "f", "n"}:
            return False
        raise Invalid(f"Invalid input for query parameter '{name}': '{text[:64]}' is not a boolean", field=name)


@dataclass(slots=True)
class Request:
    """The raw facts of a request. `base` is the address that the caller used (`http://host:port`), safe to print in links."""

    id: str
    method: str
    path: str
    service_path: str
    query: Query
    raw_query: str
    headers: Mapping[str, str]
    base: str
    client: str
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None

    def link(self, path: str) -> str:
        """An absolute address of `path` inside the service."""
        return f"{self.base}{self.service_path}{path}"


@dataclass(slots=True, kw_only=True)
class Call(Act):
    """An action that a request asks for, with what only a request has. `hot`: it must be answered from memory."""

    version: Version
    request: Request
    hot: bool = False

    @property
    def query(self) -> Query:
        return self.request.query

    def making(self, shape: type[S]) -> type[S]:
        """The constructor of `shape` as the caller's version shows it (`wire.making`)."""
        return making(shape, self.version)

    def has(self, mark: since | until) -> bool:
        """Whether the caller's version has what a shape declares with `mark` (`wire.varies`)."""
        return holds(mark, self.version)


@dataclass(slots=True)
class Answer:
    """An answer that says more than a body: status, headers, or a stream of bytes. `version` is the application's: what the call spoke."""

    body: Any = None
    code: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    content_type: str = "application/json"
    version: Version | None = None


View = Callable[[Any, Call], Any]


def repeated(do: Callable[Concatenate[Call, P], T]) -> Callable[Concatenate[Call, P], T]:
    """`do(call, …)`, begun again when the database asks: for what streams run in threads. `ApiApp` does it for other rows, and cannot
    for these, whose body comes only once."""

    @functools.wraps(do)
    def begun(call: Call, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return call.db.again(lambda: do(call, *args, **kwargs))

    return begun
