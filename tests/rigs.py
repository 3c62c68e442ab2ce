# SPDX-License-Identifier: Apache-2.0
"""The ground floor alone: a database, processes, sagas and loops of a test's own, without a cloud around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from virga.ground import events, processes
from virga.ground.bus import Bus, LocalBus
from virga.ground.db.engine import Database, metadata
from virga.ground.db.migrate import _partial_too
from virga.ground.loops import loop as loops
from virga.ground.loops.loop import Loop, LoopRunner
from virga.ground.processes import Process
from virga.ground.registry import Registry
from virga.ground.sagas import progress, resources, table
from virga.ground.sagas.runner import Runner
from virga.ground.sagas.saga import Saga, SagaRegistry, start
from virga.ground.sagas.testing import Killed, die
from virga.ground.world import Clock, VirtualClock, World

OURS = [processes.TABLE, table.TABLE, resources.TABLE, loops.LEASES, events.TABLE]


class Rig:
    """One process. Several on one `url` (or `db`, in memory) are several processes of one cloud."""

    def __init__(
        self,
        url: str | None,
        kinds: Iterable[Saga],
        *,
        clock: Clock | None = None,
        db: Database | None = None,
        loops: Iterable[Loop] = (),
    ) -> None:
        self.db = db or Database(url or "sqlite://")
        if not self.db.sqlite:
            _partial_too()
        with self.db.write() as tx:
            tx.hold("schema")
            metadata.create_all(tx.conn, tables=OURS)
        kinds = list(kinds)
        self.kinds = {k.name: k for k in kinds}
        self.registry = Registry()
        self.world = self.registry.put(World, World(clock or VirtualClock(1_800_000_000.0)))
        self.bus = LocalBus()
        self.registry.put(Bus, self.bus)
        self.registry.put(Database, self.db)
        self.process = self.registry.put(Process, Process(self.db, self.world, "rig"))
        self.book = self.registry.put(SagaRegistry, SagaRegistry(kinds))
        self.runner = Runner(self.db, self.registry, kinds)
        self.loops = LoopRunner(self.db, self.registry, loops)

    def start(self, name: str, args: dict[str, Any] | None = None, **more: Any) -> str:
        with self.db.write() as tx:
            return start(tx, self.registry, name, args or {}, **more)

    def row(self, id: str) -> table.SagaRow:
        with self.db.read() as tx:
            found = table.SAGAS.get(tx, id)
        assert found is not None
        return found

    def progress(self, resource: str) -> list[progress.Progress]:
        with self.db.read() as tx:
            return progress.of(tx, resource)

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        with self.db.read() as tx:
            return list(tx.conn.execute(query).all())

    def drain(self, most: int = 400) -> None:
        """Everything that is due, as time passes, until no saga lives. A kill is a death: somebody else takes over."""
        assert isinstance(self.world.clock, VirtualClock)
        for _ in range(most):
            if not self.rows(sa.select(table.TABLE.c.id).where(table.TABLE.c.ended.is_(None))):
                return
            try:
                if not self.runner.tick():
                    self.world.clock.advance(1)
            except Killed:
                die(self.process)
        raise AssertionError(f"stuck: {self.rows(sa.select(table.TABLE).where(table.TABLE.c.ended.is_(None)))}")

    def wipe(self) -> None:
        """As new, for the next test."""
        with self.db.write() as tx:
            for each in OURS:
                tx.conn.execute(sa.delete(each))
        self.runner.hook = lambda when, way, step: None

    def close(self) -> None:
        self.runner.stop()
        self.loops.stop()
        self.process.stop()
        self.db.close()


def until(true: Callable[[], Any], seconds: float = 20) -> bool:
    """Whether it becomes true in real time."""
    from virga.client import wait

    return bool(wait(true, seconds, every=0.02))
