# SPDX-License-Identifier: Apache-2.0
"""The shape of a role. `a | b` is a process that is both."""

from __future__ import annotations

from dataclasses import dataclass

from virga.ground import events
from virga.ground.loops.loop import Loop
from virga.ground.registry import Registry
from virga.ground.sagas import history
from virga.services.part import Part


@dataclass(frozen=True)
class Role:
    """`parts` are furnished, in this order; those of `serves` (names of parts) answer requests. `control` carries sagas, runs the loops of
    which a cloud needs one, answers nodes, and brings the database up to date. `node` runs machines on this host."""

    name: str
    parts: tuple[Part, ...]
    serves: frozenset[str] = frozenset()
    control: bool = False
    node: bool = False

    def __or__(self, other: Role) -> Role:
        known = {part.name for part in self.parts}
        return Role(
            name=f"{self.name}+{other.name}",
            parts=(*self.parts, *(part for part in other.parts if part.name not in known)),
            serves=self.serves | other.serves,
            control=self.control or other.control,
            node=self.node or other.node,
        )

    @property
    def serving(self) -> tuple[Part, ...]:
        """The parts whose APIs answer here."""
        return tuple(part for part in self.parts if part.name in self.serves)

    def loops(self, registry: Registry) -> tuple[Loop, ...]:
        """What each process keeps up by itself, and for `control` what one process of the cloud does for all."""
        every = tuple(loop for part in self.parts for loop in part.loops(registry))
        return (
            (*events.LOOPS, history.FORGET, *every)
            if self.control
            else tuple(loop for loop in every if not loop.shared)
        )
