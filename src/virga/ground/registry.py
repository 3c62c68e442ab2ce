# SPDX-License-Identifier: Apache-2.0
"""Where the composition root leaves what actions, sagas and loops may use: one object per type, asked for by type."""

from __future__ import annotations

from typing import Any, TypeVar, cast

T = TypeVar("T")


class Registry:
    """A typed shelf. `put(Kind, thing)` once at start; `use(Kind)` anywhere."""

    def __init__(self) -> None:
        self._things: dict[type[Any], object] = {}

    def put(self, kind: type[T], thing: T) -> T:
        self._things[kind] = thing
        return thing

    def use(self, kind: type[T]) -> T:
        try:
            return cast(T, self._things[kind])
        except KeyError:
            raise LookupError(f"no {kind.__name__} was set up at start") from None

    def has(self, kind: type[Any]) -> bool:
        return kind in self._things
