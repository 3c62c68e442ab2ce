# SPDX-License-Identifier: Apache-2.0
"""The declaration of a loop and its runner: a timer, a wake-up, and one lease per cloud so that two processes do not both act."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from virga.ground import log, metrics
from virga.ground.bus import Bus
from virga.ground.db.engine import Database, Tx, metadata
from virga.ground.db.fenced import FencedDatabase
from virga.ground.db.isolation import Retry
from virga.ground.errors import Problem
from virga.ground.processes import Fenced, Process, alive
from virga.ground.registry import Registry
from virga.ground.world import World

LEASES = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),  # a process
    sa.Column("epoch", sa.Integer, nullable=False),  # how often it changed hands
)


@dataclass(frozen=True)
class Round:
    """What a loop's function gets: the database, the world and the registry. In a leased round `epoch` says which holder this is (for
    engines that can refuse an older one), and each write on `db` raises Fenced once another process holds the lease."""

    db: Database
    world: World
    registry: Registry
    epoch: int = 0
    proof: Callable[[Tx], None] | None = None

    def prove(self, tx: Tx) -> None:
        """To be asked before something is done outside of the database, by what `tx` reads. Raises Fenced once another process holds
        the lease."""
        if self.proof is not None:
            self.proof(tx)


@dataclass(frozen=True)
class Loop:
    """`run(round)` returns how many things it changed. It runs at start, every `every` seconds, and when `topic` is published.
    `shared` loops run in one process of the cloud at a time; others (caches) in each. `rest`: seconds that pass at least between the end
    of a round and the next, however often it is woken; who wakes it after that does not wait."""

    name: str
    run: Callable[[Round], int]
    every: float
    topic: str | None = None
    shared: bool = True
    rest: float = 0.0


@dataclass
class Status:
    rounds: int = 0
    changed: int = 0
    failed: int = 0
    last: float = 0.0
    error: str | None = None


class LoopRunner:
    """One thread per loop; `once` runs a round in the caller's thread, without a lease (tests, `virga loops`)."""

    def __init__(self, db: Database, registry: Registry, loops: Iterable[Loop]) -> None:
        self.db, self.registry = db, registry
        self.loops = {x.name: x for x in loops}
        self.status = {name: Status() for name in self.loops}
        self.process = registry.use(Process)
        self._wake = {name: threading.Event() for name in self.loops}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.log = log.get("loops")

    def start(self) -> None:
        """Set the loops going; the process must be known (`Process.start`) before it holds a lease."""
        bus = self.registry.use(Bus)
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
            epoch = self.take(loop.name) if loop.shared else 0
            ok = epoch is None or self.once(loop.name, epoch)
            pause = 0.0 if ok else min(30.0, max(0.5, pause * 2))
            if loop.rest:
                self._stop.wait(loop.rest)
            if wake.wait(pause or (min(loop.every, 5.0) if epoch is None else loop.every)) and pause:
                self._stop.wait(min(pause, 0.5))

    def once(self, name: str, epoch: int = 0) -> bool:
        """One round, fenced by `epoch` (from `take`; 0: without a lease); False if it failed: it is logged, counted and tried again
        after a pause."""
        loop, status = self.loops[name], self.status[name]
        status.rounds += 1
        status.last = self.registry.use(World).now()
        try:
            round = self._round(name, epoch)
            status.changed += self.db.again(lambda: loop.run(round))
            status.error = None
        except Exception as e:
            status.failed += 1
            status.error = f"{type(e).__name__}: {e}"
            metrics.LOOPS.labels(name, "failed").inc()
            if isinstance(e, (Problem, Retry, Fenced)):
                self.log.warning("loop_waits", loop=name, why=status.error)
            else:
                self.log.exception("loop_failed", loop=name)
            return False
        metrics.LOOPS.labels(name, "ok").inc()
        return True

    def _round(self, name: str, epoch: int) -> Round:
        world = self.registry.use(World)
        if not epoch:
            return Round(self.db, world, self.registry)
        held = (
            sa.select(LEASES.c.epoch).where(LEASES.c.name == name, LEASES.c.epoch == epoch).with_for_update(read=True)
        )

        def proof(tx: Tx) -> None:
            if tx.conn.execute(held).first() is None:
                raise Fenced(f"another process runs {name} now")

        return Round(FencedDatabase(self.db, proof), world, self.registry, epoch, proof)

    def take(self, name: str) -> int | None:
        """The epoch of this process's lease of the loop: the one that it has, or a new one if nobody alive has it. None: somebody has.
        A lease needs no renewal of its own; it is held while its process lives."""
        row = sa.select(LEASES).where(LEASES.c.name == name)
        try:
            now = self.process.now()
            with self.db.read() as tx:
                there = tx.conn.execute(row).first()
                if there is not None and there.owner == self.process.id:
                    return int(there.epoch)
                if there is not None and alive(tx, there.owner, now):
                    return None
            with self.db.claim() as tx:
                tx.hold(f"lease:{name}")
                there = tx.conn.execute(row).first()
                if there is None:
                    tx.conn.execute(sa.insert(LEASES).values(name=name, owner=self.process.id, epoch=1))
                    return 1
                if alive(tx, there.owner, now):
                    return None
                fresh = int(there.epoch) + 1
                tx.conn.execute(
                    sa.update(LEASES).where(LEASES.c.name == name).values(owner=self.process.id, epoch=fresh)
                )
                return fresh
        except (Problem, Retry):
            return None
