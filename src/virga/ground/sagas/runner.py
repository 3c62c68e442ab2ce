# SPDX-License-Identifier: Apache-2.0
"""Carries sagas through. A worker claims a row for its process with a new epoch, takes steps, and records each in a transaction that
only the holder of the epoch can make. A dead process loses what it holds, not the work."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterable

import sqlalchemy as sa

from virga.ground import log, metrics
from virga.ground.bus import Bus
from virga.ground.db.engine import Database, Tx
from virga.ground.db.isolation import Retry
from virga.ground.errors import NoSpace, Problem, Unavailable, told
from virga.ground.processes import LEASE, Fenced, Process
from virga.ground.processes import TABLE as PROCESSES
from virga.ground.registry import Registry
from virga.ground.sagas import children
from virga.ground.sagas.progress import MANY_TRIES
from virga.ground.sagas.saga import WAKE, Again, Context, Hook, Saga, SagaRegistry, Step, context, over
from virga.ground.sagas.table import SAGAS, TABLE, SagaRow
from virga.ground.world import World

NOW, SINCE, ME = (
    sa.bindparam("now", type_=sa.Double),
    sa.bindparam("since", type_=sa.Double),
    sa.bindparam("me", type_=sa.String),
)
LIVE = TABLE.c.ended.is_(None)
ALIVE = sa.select(PROCESSES.c.id).where(PROCESSES.c.seen > SINCE)
FREE = sa.or_(TABLE.c.owner.is_(None), sa.and_(TABLE.c.owner != ME, TABLE.c.owner.not_in(ALIVE)))
DUE = sa.select(TABLE.c.id).where(LIVE, TABLE.c.wake <= NOW, FREE).order_by(TABLE.c.wake, TABLE.c.created).limit(1)
HUNG = sa.select(TABLE.c.id).where(LIVE, TABLE.c.owner.is_not(None), TABLE.c.until <= NOW).limit(1)
"""A step that is held beyond its limit: by a call that never comes back. It is taken from its worker, who is fenced."""
LOOK = [(query, query.with_for_update(skip_locked=True)) for query in (DUE, HUNG)]
"""How each is looked for, and how it is taken."""
FRESH: dict[str, object] = {"attempts": 0, "awaits": None, "waits": None, "done": 0, "total": 0, "what": None}
"""What a step begins with."""
WAITS_FOR_CHILDREN = "(children)"
MOST_TOLD = 1 << 16
"""How many characters of a failure are kept."""


class Replaced(Exception):
    """The worker hung in a step, and another has its place: it may go."""


class Runner:
    """`workers` threads, or none: a test calls `tick` itself."""

    def __init__(self, db: Database, registry: Registry, sagas: Iterable[Saga], *, hook: Hook | None = None) -> None:
        self.db, self.registry = db, registry
        self.world, self.process, self.book = registry.use(World), registry.use(Process), registry.use(SagaRegistry)
        self.book.family = children
        self.sagas = {s.name: s for s in sagas}
        if hook is not None:
            self.hook = hook
        self._ready = threading.Condition()
        self._poked = False
        self._stop = False
        self._threads: list[threading.Thread] = []
        self._limits: dict[tuple[str, int], float] = {}  # of what workers carry, by saga and epoch
        self._hung: set[tuple[str, int]] = set()
        self._dropped: collections.deque[SagaRow] = collections.deque()
        self.log = log.get("sagas")

    @property
    def hook(self) -> Hook:
        return self.book.hook

    @hook.setter
    def hook(self, hook: Hook) -> None:
        self.book.hook = hook

    # -- threads ---------------------------------------------------------------------------------------------------

    def start(self, workers: int = 4) -> None:
        """Set workers going; the process must be known (`Process.start`) before it holds anything."""
        self.registry.use(Bus).subscribe(WAKE, lambda _: self.poke())
        self.process.each_beat.append(self._relieve)
        for _ in range(workers):
            self._another()

    def _another(self) -> None:
        thread = threading.Thread(target=self._work, name=f"saga-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

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
            except Replaced:
                return
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
                    sa.select(sa.func.min(TABLE.c.wake)).where(LIVE, TABLE.c.owner.is_(None))
                ).scalar()
        except (Retry, Problem):
            return 1.0
        return 1.0 if due is None else due - self.process.now()

    # -- one claim -------------------------------------------------------------------------------------------------

    def claim(self) -> SagaRow | None:
        """Take a saga that is due and that no living process carries, or one whose step hangs beyond its limit."""
        now = self.process.now()
        at = {"now": now, "since": now - LEASE, "me": self.process.id}
        with self.db.read() as tx:
            take = next((take for look, take in LOOK if tx.conn.execute(look, at).first() is not None), None)
        if take is None:
            return None
        with self.db.claim() as tx:
            id = tx.conn.execute(take, at).scalar()
            row = None if id is None else SAGAS.get(tx, id)
            if row is None:
                return None
            return SAGAS.swap(tx, {"id": id, "epoch": row.epoch}, owner=self.process.id, epoch=row.epoch + 1)

    def _relieve(self) -> None:
        """A worker that hangs beyond its step's limit gets a deputy, who may find the saga: all of them may hang at once."""
        now = self.process.now()
        for held, limit in list(self._limits.items()):
            if limit <= now and held not in self._hung:
                self._hung.add(held)
                self._another()

    def tick(self) -> bool:
        """Claim one saga that is due and carry it as far as it goes; False when none is due."""
        self._let_go()
        row = self.claim()
        if row is None:
            return False
        saga = self.sagas.get(row.name)
        if saga is None:
            self.log.error("unknown_saga", saga=row.name, id=row.id)
        held = (row.id, row.epoch)
        try:
            if saga is None:
                why = f"this program knows no saga {row.name}"
                self._record(row, {"wake": self.process.now() + 60, "owner": None, "waits": why})
                return True
            carry: SagaRow | None = row
            while carry is not None and not self._stop:
                self._limits[held] = carry.until
                carry = self._step(saga, carry)
            if carry is not None:
                self._record(carry, {"owner": None})
        except Fenced:
            self._dropped.append(row)  # nothing to let go of, as a rule
        except Exception:  # the database did not take the record: this process holds a row that no thread of it carries
            self._dropped.append(row)
            raise
        finally:
            self._limits.pop(held, None)
        if held in self._hung:
            self._hung.discard(held)
            raise Replaced
        return True

    def _let_go(self) -> None:
        """Give back what a worker still holds by name only."""
        while self._dropped:
            try:
                row = self._dropped.popleft()
            except IndexError:
                return  # another worker does it
            try:
                with self.db.claim() as tx:
                    SAGAS.change(tx, TABLE.c.id == row.id, TABLE.c.epoch == row.epoch, LIVE, owner=None)
            except Exception:
                self._dropped.append(row)
                raise

    def _step(self, saga: Saga, row: SagaRow) -> SagaRow | None:
        """Take one step in the row's direction; the row as it now is, or None when it rests or ended."""
        now = self.process.now()
        if now >= row.until:
            why = self._limit(saga, row)
            if row.state == "run" and not saga.endless:
                return self._turn(saga, row, why)
            return self._alarm(saga, row, why)
        ctx: Context

        def attempt() -> SagaRow | None:
            nonlocal ctx
            ctx = context(self.registry, saga, row)  # nothing of an attempt that the database took back
            if row.state == "undo":
                return self._undo(saga, row, saga.steps[row.cursor], ctx)
            if row.cursor == len(saga.steps):
                self._join(saga, row, ctx)
                return None
            return self._do(saga, row, saga.steps[row.cursor], ctx)

        try:
            return self.db.again(attempt)
        except Again as again:
            return self._wait(row, ctx, again)
        except Fenced:
            raise
        except (Retry, Unavailable, NoSpace) as e:
            self.log.warning("saga_waits", saga=saga.name, step=row.step, way=row.state, why=str(e))
            self._back_off(row, 30.0 if row.state == "run" else 300.0, told(e))
        except Exception as e:
            if not isinstance(e, Problem):
                self.log.exception("saga_step_failed", saga=saga.name, step=row.step, way=row.state, id=row.id)
            if row.state == "run" and not saga.endless:
                return self._turn(saga, row, told(e))
            # no way but on: it backs off, and shows in `virga sagas` and `virga doctor`
            self._back_off(row, 300.0, told(e))
        return None

    def _do(self, saga: Saga, row: SagaRow, step: Step, ctx: Context) -> SagaRow | None:
        place = f"{saga.name}:{step.name}"
        ctx.open, ctx.spawned = None, 0
        self.hook("before", "do", place)
        if not step.atomic:
            note = step.do(ctx)
            self.hook("after", "do", place)
        fresh: SagaRow | None = None
        with self.db.write() as tx:
            ctx.open = tx
            if step.atomic:
                note = step.do(ctx)
                self.hook("after", "do", place)
            if note is not None:
                ctx.notes[step.name] = note
            cursor = row.cursor + 1
            if cursor < len(saga.steps) or self._has_live_children(tx, saga, row, ctx):
                now = self.process.now()
                name = saga.steps[cursor].name if cursor < len(saga.steps) else WAITS_FOR_CHILDREN
                change = FRESH | {"notes": ctx.notes, "cursor": cursor, "step": name}
                change["until"] = saga.until(now, cursor, row.deadline)
                fresh = self._fenced(tx, row, change)
            else:
                self._end(tx, saga, row, ctx, "done")
        metrics.SAGA_STEPS.labels(saga.name, step.name, "do").inc()
        return fresh

    @staticmethod
    def _has_live_children(tx: Tx, saga: Saga, row: SagaRow, ctx: Context) -> bool:
        """Whether the saga must wait for children before it ends. Raises ChildFailed."""
        if not row.children + ctx.spawned:
            return False
        try:
            children.ended(children.of(tx, row.id), saga)
        except Again:
            return True
        return False

    def _join(self, saga: Saga, row: SagaRow, ctx: Context) -> None:
        """All steps are done; the children that nobody joined are waited for."""
        with self.db.write() as tx:
            ctx.open = tx
            children.ended(children.of(tx, row.id), saga)
            self._end(tx, saga, row, ctx, "done")

    def _undo(self, saga: Saga, row: SagaRow, step: Step, ctx: Context) -> SagaRow | None:
        place = f"{saga.name}:{step.name}"
        if row.children:
            with self.db.write() as tx:
                self._fenced(tx, row, {"owner": row.owner})
                live = children.unwind(tx, self.registry, row, f"{saga.name} is undone: {row.error}")
            if live:
                raise Again(why=f"{len(live)} children are being undone, {live[0].name} first")
        if step.undo is not None:
            self.hook("before", "undo", place)
            if not step.atomic:
                step.undo(ctx)
                self.hook("after", "undo", place)
        fresh: SagaRow | None = None
        with self.db.write() as tx:
            ctx.open = tx
            if step.undo is not None and step.atomic:
                step.undo(ctx)
                self.hook("after", "undo", place)
            if row.cursor:
                cursor, until = row.cursor - 1, self.process.now() + saga.deadline
                change = FRESH | {"cursor": cursor, "step": saga.steps[cursor].name, "until": until}
                fresh = self._fenced(tx, row, change)
            else:
                self._end(tx, saga, row, ctx, "failed")
        metrics.SAGA_STEPS.labels(saga.name, step.name, "undo").inc()
        return fresh

    def _end(self, tx: Tx, saga: Saga, row: SagaRow, ctx: Context, state: str) -> None:
        (saga.done if state == "done" else saga.failed)(ctx)
        cursor = len(saga.steps) if state == "done" else 0
        change = {"state": state, "ended": self.process.now(), "owner": None, "notes": ctx.notes, "cursor": cursor}
        self._fenced(tx, row, FRESH | change)
        over(tx, self.registry, row, done=state == "done")
        tx.after_commit(lambda: metrics.SAGAS.labels(saga.name, state).inc())

    # -- limits ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _limit(saga: Saga, row: SagaRow) -> str:
        """Which limit was passed, and what the step waited for when it was."""
        within = saga.steps[row.cursor].within if row.cursor < len(saga.steps) and row.state == "run" else None
        if row.until < row.deadline and within is not None:
            text = f"{saga.name}: step {row.step} was not done within {within:g} s"
        elif row.state == "run":
            text = f"{saga.name} passed its deadline of {saga.deadline:.0f} s in step {row.step}"
        else:
            text = f"{saga.name}: the undo of step {row.step} was not done within {saga.deadline:.0f} s"
        return text + (f"; it waits: {row.waits}" if row.waits else "")

    def _alarm(self, saga: Saga, row: SagaRow, why: str) -> SagaRow:
        """What has no way but on goes on, loudly: the reason is on the row, in the log and in the metrics, at every limit anew."""
        self.log.error("saga_late", saga=saga.name, id=row.id, step=row.step, why=why)
        metrics.SAGAS_LATE.labels(saga.name, row.step).inc()
        change: dict[str, object] = {"until": self.process.now() + saga.deadline}
        if row.state == "run":
            change["error"] = why[:4000]
        else:
            change["attempts"] = max(row.attempts, MANY_TRIES) + 1
        return self._record(row, change)

    # -- records ---------------------------------------------------------------------------------------------------

    def _fenced(self, tx: Tx, row: SagaRow, change: dict[str, object]) -> SagaRow:
        fresh = SAGAS.swap(tx, {"id": row.id, "epoch": row.epoch, "ended": None}, **change)
        if fresh is None:
            raise Fenced
        return fresh

    def _record(self, row: SagaRow, change: dict[str, object]) -> SagaRow:
        """Compare-and-set of the row and of nothing else."""
        with self.db.claim() as tx:
            return self._fenced(tx, row, change)

    def _turn(self, saga: Saga, row: SagaRow, error: str) -> SagaRow:
        """Begin to unwind, from the step that failed."""
        self.log.warning("saga_turns", saga=row.name, id=row.id, step=row.step, why=error)
        cursor = min(row.cursor, len(saga.steps) - 1)
        change = {"state": "undo", "error": error[:MOST_TOLD], "cursor": cursor, "step": saga.steps[cursor].name}
        return self._record(row, FRESH | change | {"until": self.process.now() + saga.deadline})

    def _wait(self, row: SagaRow, ctx: Context, again: Again) -> SagaRow | None:
        """Rest; or, before the first sleep on a name, take the step once more, now that the call would be heard."""
        if again.on is not None and again.on != row.awaits:
            with self.db.write() as tx:
                tx.hold(f"wake:{again.on}")
                return self._fenced(tx, row, {"awaits": again.on})
        self._rest(row, again.seconds, waits=again.why[:4000] or None, **ctx.progress)
        return None

    def _back_off(self, row: SagaRow, most: float, why: str) -> None:
        self._rest(row, min(most, 0.25 * 2 ** min(row.attempts, 20)), attempts=row.attempts + 1, waits=why[:4000])

    def _rest(self, row: SagaRow, seconds: float, **more: object) -> None:
        """Let go of the row until `seconds` have passed or its limit has come; at once if it was woken while it was held."""
        at = min(self.process.now() + seconds, row.until)
        woken = sa.case((TABLE.c.nudges != row.nudges, 0.0), else_=at)
        self._record(row, {"wake": woken, "owner": None, **more})
