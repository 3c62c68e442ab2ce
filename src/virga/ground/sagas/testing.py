# SPDX-License-Identifier: Apache-2.0
"""The injector: fails and kills a saga before and after every do and every undo. A cloud's tests give the world around it; whatever
happens, the saga must end, and the world must be as if it had run once or never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from virga.ground.sagas.saga import Saga


class Injected(Exception):
    """A step fails."""


class Killed(BaseException):
    """The process ends at this very instruction."""


@dataclass(frozen=True)
class Injection:
    """`fail`: which do raises (so that undo begins), or None; `kill`: where the process dies once, as (when, way, step), or None;
    `trip`: which undo fails once before it works."""

    name: str
    fail: tuple[str, str] | None = None
    kill: tuple[str, str, str] | None = None
    trip: str | None = None


def injections(saga: Saga) -> Iterator[Injection]:
    """Every place where the saga can be hurt."""
    yield Injection("unhurt")
    for step in saga.steps:
        for when in ("before", "after"):
            yield Injection(f"fail-{when}-{step.name}", fail=(when, step.name))
            yield Injection(f"kill-{when}-{step.name}", kill=(when, "do", step.name))
    last = saga.steps[-1].name
    for step in saga.steps:
        if step.undo is not None:
            yield Injection(f"trip-undo-{step.name}", fail=("after", last), trip=step.name)
            for when in ("before", "after"):
                yield Injection(f"kill-{when}-undo-{step.name}", fail=("after", last), kill=(when, "undo", step.name))


class Hook:
    """The runner's hook that does what an injection says."""

    def __init__(self, injection: Injection) -> None:
        self.injection = injection
        self.hit: list[str] = []

    def __call__(self, when: str, way: str, step: str) -> None:
        i = self.injection
        if i.kill == (when, way, step) and "kill" not in self.hit:
            self.hit.append("kill")
            raise Killed
        if way == "do" and i.fail == (when, step):
            self.hit.append("fail")
            raise Injected(f"injected {when} {step}")
        if way == "undo" and i.trip == step and when == "before" and "trip" not in self.hit:
            self.hit.append("trip")
            raise Injected(f"tripped {step}")
