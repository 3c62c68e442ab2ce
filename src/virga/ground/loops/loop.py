# SPDX-License-Identifier: Apache-2.0
"""The declaration of a loop and its runner: a timer, a wake-up, and one lease per cloud so that two processes do not both act."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from virga.ground import log, metrics
from virga.ground.bus import Bus
from virga.ground.db.engine import Database, metadata
from virga.ground.db.isolation import Retry
from virga.ground.doors import Doors
from virga.ground.errors import Problem
from virga.ground.owners import alive
from virga.ground.world import World

LEASES = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("until", sa.Double, nullable=False),
)


@dataclass(frozen=True)
class Round:
    """What a loop's function gets: the database, the world and the doors."""

    db: Database
    world: World
    doors: Doors


@dataclass(frozen=True)
class Loop:
    """`run(round)` returns how many things it changed. It runs at start, every `every` seconds, and when `topic` is published.
    `shared` loops run in one process of the cloud at a time; others (caches) in each."""

    name: str
    run: Callable[[Round], int]
    every: float
    topic: str | None = None
    shared: bool = True


@dataclass
class Status:
    rounds: int = 0
    changed: int = 0
    failed: int = 0
    last: float = 0.0
    error: str | None = None


class LoopRunner:
    """One thread per loop; `once` runs a round in the caller's thread (tests, `virga loops`)."""

    def __init__(self, db: Database, doors: Doors, loops: Iterable[Loop]) -> None:
        self.db, self.doors = db, doors
        self.loops = {x.name: x for x in loops}
        self.status = {name: Status() for name in self.loops}
        self.owner = f"{os.uname().nodename}:{os.getpid()}"
        self._wake = {name: threading.Event() for name in self.loops}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._held: dict[str, float] = {}
        self.log = log.get("loops")

    def start(self) -> None:
        bus = self.doors.use(Bus)
        for name, loop in self.loops.items():
            if loop.topic is not None:
                bus.subscribe(loop.topic, self._waker(name))
            thread = threading.Thread(target=self._work, args=(loop,), name=f"loop-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _waker(self, name: str) -> Callable[[object], None]:
        return lambda _: self._wake[name].set()

    def stop(self, timeout: float = 10) -> None:
        self._stop.set()
        for event in self._wake.values():
            event.set()
        for thread in self._threads:
            thread.join(timeout)

    def poke(self, name: str) -> None:
        self._wake[name].set()

    def _work(self, loop: Loop) -> None:
        wake, pause = self._wake[loop.name], 0.0
        while not self._stop.is_set():
            wake.clear()
            held = not loop.shared or self._lease(loop)
            ok = self.once(loop.name) if held else True
            pause = 0.0 if ok else min(30.0, max(0.5, pause * 2))
            if wake.wait(pause or (loop.every if held else min(loop.every, 5.0))) and pause:
                self._stop.wait(min(pause, 0.5))

    def once(self, name: str) -> bool:
        """One round; False if it failed (it is logged, counted and tried again after a pause)."""
        loop, status = self.loops[name], self.status[name]
        status.rounds += 1
        status.last = self.doors.use(World).now()
        try:
            round = Round(self.db, self.doors.use(World), self.doors)
            status.changed += self.db.again(lambda: loop.run(round))
            status.error = None
        except Exception as e:
            status.failed += 1
            status.error = f"{type(e).__name__}: {e}"
            metrics.LOOPS.labels(name, "failed").inc()
            if isinstance(e, (Problem, Retry)):
                self.log.warning("loop_waits", loop=name, why=status.error)
            else:
                self.log.exception("loop_failed", loop=name)
            return False
        metrics.LOOPS.labels(name, "ok").inc()
        return True

    def _lease(self, loop: Loop) -> bool:
        now = self.doors.use(World).now()
        span = max(30.0, loop.every * 3)
        if self._held.get(loop.name, 0.0) - now > span / 2:
            return True
        try:
            with self.db.claim() as tx:
                tx.hold(f"lease:{loop.name}")
                row = tx.conn.execute(sa.select(LEASES).where(LEASES.c.name == loop.name)).first()
                if row is not None and row.owner != self.owner and row.until > now and alive(row.owner, self.owner):
                    return False
                if row is None:
                    tx.conn.execute(sa.insert(LEASES).values(name=loop.name, owner=self.owner, until=now + span))
                else:
                    tx.conn.execute(
                        sa.update(LEASES).where(LEASES.c.name == loop.name).values(owner=self.owner, until=now + span)
                    )
        except (Problem, Retry):
            return False
        self._held[loop.name] = now + span
        return True
