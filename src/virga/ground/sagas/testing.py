# SPDX-License-Identifier: Apache-2.0
"""The injector: fails and kills a saga, and the children that it declares, before and after every do, every undo and where it gives
way to another. A cloud's tests give the world around it; whatever happens, the saga must end, and the world must be as if it had run
once or never."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from virga.ground.processes import LEASE, Process
from virga.ground.sagas.saga import Saga, Step
from virga.ground.world import VirtualClock


class Injected(Exception):
    """A step fails."""


class Killed(BaseException):
    """The process ends at this very instruction."""


@dataclass(frozen=True)
class Injection:
    """Places are steps, as `step` (of any saga) or `saga:step`. `fail`: which do raises (so that undo begins), or None; `once`: only the
    first time (a saga without a way back goes on); `kill`: where the process dies once, as (when, way, place), or None; `trip`: which
    undo fails once before it works; `give_way`: before which do the scenario lets another saga take the place."""

    name: str
    fail: tuple[str, str] | None = None
    kill: tuple[str, str, str] | None = None
    trip: str | None = None
    give_way: str | None = None
    once: bool = False


def injections(saga: Saga, kinds: Mapping[str, Saga] | None = None) -> Iterator[Injection]:
    """Every place where the saga can be hurt, and its children (`spawns`, found in `kinds`)."""
    yield Injection("unhurt")
    last = f"{saga.name}:{saga.steps[-1].name}"
    whole = list(family(saga, kinds or {}))
    for kind, step in _steps(whole):
        place, once = f"{kind.name}:{step.name}", kind.endless
        short = step.name if kind is saga else place
        for when in ("before", "after"):
            yield Injection(f"fail-{when}-{short}", fail=(when, place), once=once)
            yield Injection(f"kill-{when}-{short}", kill=(when, "do", place))
    for kind, step in _steps(whole):
        place = f"{kind.name}:{step.name}"
        short = step.name if kind is saga else place
        if step.undo is not None and not saga.endless:
            yield Injection(f"trip-undo-{short}", fail=("after", last), trip=place)
            for when in ("before", "after"):
                yield Injection(f"kill-{when}-undo-{short}", fail=("after", last), kill=(when, "undo", place))


def giving_way(saga: Saga, kinds: Mapping[str, Saga] | None = None) -> Iterator[Injection]:
    """Every step, of it and of its children, at which another saga may take its place; and deaths as it does."""
    whole = list(family(saga, kinds or {}))
    for kind, step in _steps(whole):
        short = step.name if kind is saga else f"{kind.name}:{step.name}"
        yield Injection(f"give-way-at-{short}", give_way=f"{kind.name}:{step.name}")
    for when in ("before", "after"):
        yield Injection(
            f"kill-{when}-superseded",
            give_way=f"{saga.name}:{saga.steps[-1].name}",
            kill=(when, "superseded", f"{saga.name}:superseded"),
        )


def family(saga: Saga, kinds: Mapping[str, Saga]) -> Iterator[Saga]:
    """The saga, then the kinds that it may start, and theirs; each once."""
    seen, queue = {saga.name}, [saga]
    while queue:
        kind = queue.pop(0)
        yield kind
        fresh = [name for name in kind.spawns if name not in seen]
        seen.update(fresh)
        queue += [kinds[name] for name in fresh]


def _steps(whole: list[Saga]) -> Iterator[tuple[Saga, Step]]:
    for kind in whole:
        for step in kind.steps:
            yield kind, step


class Hook:
    """The runner's hook that does what an injection says. `hit`: what of it has happened."""

    def __init__(self, injection: Injection) -> None:
        self.injection = injection
        self.hit: list[str] = []

    def __call__(self, when: str, way: str, place: str) -> None:
        i = self.injection
        step = place.rpartition(":")[2]
        if i.give_way in (place, step) and way == "do" and when == "before" and "stood" not in self.hit:
            self.hit.append("stood")
            raise Killed
        if i.kill in ((when, way, place), (when, way, step)) and "kill" not in self.hit:
            self.hit.append("kill")
            raise Killed
        if way == "do" and i.fail in ((when, place), (when, step)) and not (i.once and "fail" in self.hit):
            self.hit.append("fail")
            raise Injected(f"injected {when} {step}")
        if way == "undo" and i.trip in (place, step) and when == "before" and "trip" not in self.hit:
            self.hit.append("trip")
            raise Injected(f"tripped {step}")


def die(process: Process) -> None:
    """As if the process had been killed and, when everybody has understood that, another had started in its place: a new id, and the
    virtual clock beyond the lease."""
    process.id = process.world.uuid()
    assert isinstance(process.world.clock, VirtualClock)
    process.world.clock.advance(LEASE + 1)
    process.beat()
