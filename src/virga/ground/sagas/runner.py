# SPDX-License-Identifier: Apache-2.0
"""Carries sagas through. A worker claims a row with a lease and a new epoch, takes steps, and records each in a transaction that
only the holder of the epoch can make. A dead worker loses a lease, not the work."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable

import sqlalchemy as sa

from virga.ground import log, metrics
from virga.ground.db.engine import Database, Retry, Tx
from virga.ground.doors import Doors
from virga.ground.errors import NoSpace, Problem, Unavailable, told
from virga.ground.owners import alive
from virga.ground.sagas.saga import SAGAS, TABLE, Again, Context, Saga, SagaRow, Step, Wakeup
from virga.ground.world import World

LEASE = 60.0
MOST_TOLD = 1 << 16
"""How many characters of a failure are kept."""
NOW = sa.bindparam("now", type_=sa.Double)
DUE = sa.select(TABLE.c.id).where(TABLE.c.ended.is_(None), TABLE.c.wake <= NOW, TABLE.c.lease <= NOW).limit(1)
PICK = DUE.order_by(TABLE.c.wake, TABLE.c.created).with_for_update(skip_locked=True)
Hook = Callable[[str, str, str], None]
"""Called as (before|after, do|undo, step): the injector's way in."""


class Fenced(Exception):
    """Another worker has the saga now; what this one did is repeated by it."""


class Runner:
    """`workers` threads, or none: a test calls `tick` itself."""

    def __init__(
        self, db: Database, doors: Doors, sagas: Iterable[Saga], *, hook: Hook | None = None, owner: str | None = None
    ) -> None:
        self.db, self.doors = db, doors
        self.world = doors.use(World)
        self.sagas = {s.name: s for s in sagas}
        self.hook: Hook = hook or (lambda when, way, step: None)
        self.owner = owner or f"{os.uname().nodename}:{os.getpid()}"
        self._ready = threading.Condition()
        self._poked = False
        self._stop = False
        self._threads: list[threading.Thread] = []
        self.log = log.get("sagas")

    # -- threads ---------------------------------------------------------------------------------------------------

    def start(self, workers: int = 4) -> None:
        self.doors.use(Wakeup).listeners.append(self.poke)
        self.release_dead()
        for n in range(workers):
            thread = threading.Thread(target=self._work, name=f"saga-{n}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def release_dead(self) -> int:
        """Sagas held by processes of this machine that are gone are free at once; others' leases run out by themselves."""
        with self.db.read() as tx:
            owners = {r.owner for r in SAGAS.find(tx, TABLE.c.ended.is_(None), TABLE.c.lease > 0) if r.owner}
        dead = [o for o in owners if o != self.owner and not alive(o, self.owner)]
        if not dead:
            return 0
        with self.db.write() as tx:
            return SAGAS.change(tx, TABLE.c.ended.is_(None), TABLE.c.owner.in_(dead), lease=0.0)

    def stop(self, timeout: float = 10) -> None:
        with self._ready:
            self._stop = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join(timeout)

    def poke(self) -> None:
        with self._ready:
            self._poked = True
            self._ready.notify()

    def _work(self) -> None:
        while not self._stop:
            try:
                worked = self.tick()
            except (Retry, Unavailable, NoSpace):
                worked = False
            except Exception:
                self.log.exception("saga_worker")
                worked = False
            if worked:
                continue
            with self._ready:
                if not self._poked and not self._stop:
                    self._ready.wait(min(1.0, max(0.01, self._next_wake())))
                self._poked = False

    def _next_wake(self) -> float:
        try:
            with self.db.read() as tx:
                due = tx.conn.execute(
                    sa.select(
                        sa.func.min(sa.case((TABLE.c.lease > TABLE.c.wake, TABLE.c.lease), else_=TABLE.c.wake))
                    ).where(TABLE.c.ended.is_(None))
                ).scalar()
        except (Retry, Problem):
            return 1.0
        return 1.0 if due is None else due - self.world.now()

    # -- one claim -------------------------------------------------------------------------------------------------

    def claim(self) -> SagaRow | None:
        now = self.world.now()
        with self.db.read() as tx:
            if tx.conn.execute(DUE, {"now": now}).first() is None:
                return None
        with self.db.write() as tx:
            id = tx.conn.execute(PICK, {"now": now}).scalar()
            if id is None:
                return None
            row = SAGAS.get(tx, id)
            assert row is not None
            return SAGAS.swap(
                tx, {"id": id, "epoch": row.epoch}, owner=self.owner, lease=now + LEASE, epoch=row.epoch + 1
            )

    def tick(self) -> bool:
        """Claim one saga that is due and carry it as far as it goes; False when none is due."""
        row = self.claim()
        if row is None:
            return False
        saga = self.sagas.get(row.name)
        if saga is None:
            self.log.error("unknown_saga", saga=row.name, id=row.id)
            with self.db.write() as tx:
                SAGAS.change(
                    tx, TABLE.c.id == row.id, TABLE.c.epoch == row.epoch, wake=self.world.now() + 60, lease=0.0
                )
            return True
        try:
            carry: SagaRow | None = row
            while carry is not None and not self._stop:
                carry = self._step(saga, carry)
            if carry is not None:
                self._record(carry, {"lease": 0.0})
        except Fenced:
            pass
        return True

    def _step(self, saga: Saga, row: SagaRow) -> SagaRow | None:
        """Take one step in the row's direction; the row as it now is, or None when it rests or ended."""
        now = self.world.now()
        ctx = Context(self.db, self.world, self.doors, row.args, dict(row.notes), row.id, row.error)
        if row.state == "run":
            if now > row.deadline:
                return self._turn(
                    row,
                    f"{saga.name} passed its deadline of {saga.deadline:.0f} s in step {saga.steps[row.cursor].name}",
                )
            step = saga.steps[row.cursor]
            try:
                return self._do(saga, row, step, ctx)
            except Again as again:
                self._rest(row, again.seconds)
                return None
            except (Retry, Unavailable, NoSpace) as e:
                self.log.warning("saga_waits", saga=saga.name, step=step.name, why=str(e))
                self._rest(row, min(30.0, 0.2 * 2**row.attempts), attempts=row.attempts + 1)
                return None
            except Fenced:
                raise
            except Exception as e:
                if not isinstance(e, Problem):
                    self.log.exception("saga_step_failed", saga=saga.name, step=step.name, id=row.id)
                return self._turn(row, told(e))
        step = saga.steps[row.cursor]
        try:
            return self._undo(saga, row, step, ctx)
        except Fenced:
            raise
        except Exception as e:
            # an undo never gives up: it backs off and shows in `virga doctor`
            pause = e.seconds if isinstance(e, Again) else min(300.0, 0.5 * 2**row.attempts)
            if not isinstance(e, Again):
                self.log.warning("saga_undo_waits", saga=saga.name, step=step.name, id=row.id, why=repr(e), again=pause)
            self._rest(row, pause, attempts=row.attempts + 1)
            return None

    def _do(self, saga: Saga, row: SagaRow, step: Step, ctx: Context) -> SagaRow | None:
        self.hook("before", "do", step.name)
        last = row.cursor + 1 == len(saga.steps)
        if not step.atomic:
            note = step.do(ctx)
            self.hook("after", "do", step.name)
        with self.db.write() as tx:
            ctx.open = tx
            if step.atomic:
                note = step.do(ctx)
                self.hook("after", "do", step.name)
            if note is not None:
                ctx.notes[step.name] = note
            change: dict[str, object] = {
                "notes": ctx.notes,
                "cursor": row.cursor + 1,
                "attempts": 0,
                "lease": self.world.now() + LEASE,
            }
            if last:
                saga.done(ctx)
                change |= {"state": "done", "ended": self.world.now(), "lease": 0.0}
            fresh = self._fenced(tx, row, change)
        metrics.SAGA_STEPS.labels(saga.name, step.name, "do").inc()
        if last:
            metrics.SAGAS.labels(saga.name, "done").inc()
            return None
        return fresh

    def _undo(self, saga: Saga, row: SagaRow, step: Step, ctx: Context) -> SagaRow | None:
        if step.undo is not None:
            self.hook("before", "undo", step.name)
            if not step.atomic:
                step.undo(ctx)
                self.hook("after", "undo", step.name)
        last = row.cursor == 0
        with self.db.write() as tx:
            ctx.open = tx
            if step.undo is not None and step.atomic:
                step.undo(ctx)
                self.hook("after", "undo", step.name)
            change: dict[str, object] = {
                "cursor": max(0, row.cursor - 1),
                "attempts": 0,
                "lease": self.world.now() + LEASE,
            }
            if last:
                saga.failed(ctx)
                change |= {"state": "failed", "ended": self.world.now(), "lease": 0.0}
            fresh = self._fenced(tx, row, change)
        metrics.SAGA_STEPS.labels(saga.name, step.name, "undo").inc()
        if last:
            metrics.SAGAS.labels(saga.name, "failed").inc()
            return None
        return fresh

    # -- records ---------------------------------------------------------------------------------------------------

    def _fenced(self, tx: Tx, row: SagaRow, change: dict[str, object]) -> SagaRow:
        fresh = SAGAS.swap(tx, {"id": row.id, "epoch": row.epoch, "ended": None}, **change)
        if fresh is None:
            raise Fenced
        return fresh

    def _record(self, row: SagaRow, change: dict[str, object]) -> SagaRow:
        with self.db.write() as tx:
            return self._fenced(tx, row, change)

    def _turn(self, row: SagaRow, error: str) -> SagaRow:
        """Begin to unwind, from the step that failed."""
        self.log.warning("saga_turns", saga=row.name, id=row.id, cursor=row.cursor, why=error)
        return self._record(row, {"state": "undo", "error": error[:MOST_TOLD], "attempts": 0})

    def _rest(self, row: SagaRow, seconds: float, **more: object) -> None:
        """Let go of the row until `seconds` have passed; at once if it was woken while it was held."""
        at = sa.case((TABLE.c.nudges != row.nudges, 0.0), else_=self.world.now() + seconds)
        self._record(row, {"wake": at, "lease": 0.0, **more})
