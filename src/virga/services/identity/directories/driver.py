# SPDX-License-Identifier: Apache-2.0
"""The plug for a directory: who is in it, whether a password is right, and (where it may be written) changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class User:
    """A user as the directory has it: `local_id` is stable there, `place` is where it lies (a DN)."""

    local_id: str
    name: str
    place: str
    enabled: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """A group, with the local ids of all its users: those of groups inside it too, where nesting is on."""

    local_id: str
    name: str
    place: str
    description: str = ""
    members: frozenset[str] = frozenset()


class Directory(Protocol):
    """Every verb may take as long as the directory's timeouts and raises Unavailable when that is not enough; call it outside of transactions."""

    writable: bool

    def users(self) -> list[User]: ...

    def groups(self) -> list[Group]: ...

    def user(self, *, name: str | None = None, local_id: str | None = None) -> User | None: ...

    def among(self, local_ids: Sequence[str]) -> list[User]:
        """Those of these users whom the directory has."""
        ...

    def groups_of(self, user: User) -> list[Group]:
        """The groups that a user is in, without their members."""
        ...

    def right(self, user: User | None, password: str) -> bool:
        """Whether the password is the person's. Nobody's is never right, and takes as long."""
        ...

    def add_user(self, name: str, password: str | None, enabled: bool, extra: Mapping[str, Any]) -> User: ...

    def change_user(self, local_id: str, change: Mapping[str, Any]) -> User:
        """`change`: of name, password, enabled, email, description."""
        ...

    def remove_user(self, local_id: str) -> None: ...

    def add_group(self, name: str, description: str) -> Group: ...

    def change_group(self, local_id: str, change: Mapping[str, Any]) -> Group:
        """`change`: of name, description."""
        ...

    def remove_group(self, local_id: str) -> None: ...

    def join(self, group_id: str, local_id: str) -> None: ...

    def leave(self, group_id: str, local_id: str) -> None: ...

    def close(self) -> None: ...
