# SPDX-License-Identifier: Apache-2.0
"""The plug for a directory: who is in it, whether a password is right, and (where it may be written) changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Person:
    """A user as the directory has it: `local_id` is stable there, `place` is where it lies (a DN)."""

    local_id: str
    name: str
    place: str
    enabled: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Circle:
    """A group, with the local ids of all its users: those of groups inside it too, where nesting is on."""

    local_id: str
    name: str
    place: str
    description: str = ""
    members: frozenset[str] = frozenset()


class Directory(Protocol):
    """Every verb may take as long as the directory's timeouts and raises Unavailable when that is not enough; call it outside of transactions."""

    writable: bool

    def people(self) -> list[Person]: ...

    def circles(self) -> list[Circle]: ...

    def person(self, *, name: str | None = None, local_id: str | None = None) -> Person | None: ...

    def among(self, local_ids: Sequence[str]) -> list[Person]:
        """Those of these users whom the directory has."""
        ...

    def circles_of(self, person: Person) -> list[Circle]:
        """The groups that a user is in, without their members."""
        ...

    def right(self, person: Person | None, password: str) -> bool:
        """Whether the password is the person's. Nobody's is never right, and takes as long."""
        ...

    def add_person(self, name: str, password: str | None, enabled: bool, extra: Mapping[str, Any]) -> Person: ...

    def change_person(self, local_id: str, change: Mapping[str, Any]) -> Person:
        """`change`: of name, password, enabled, email, description."""
        ...

    def remove_person(self, local_id: str) -> None: ...

    def add_circle(self, name: str, description: str) -> Circle: ...

    def change_circle(self, local_id: str, change: Mapping[str, Any]) -> Circle:
        """`change`: of name, description."""
        ...

    def remove_circle(self, local_id: str) -> None: ...

    def join(self, circle_id: str, local_id: str) -> None: ...

    def leave(self, circle_id: str, local_id: str) -> None: ...

    def close(self) -> None: ...
