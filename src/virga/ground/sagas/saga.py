# SPDX-License-Identifier: Apache-2.0
"""The declaration of a saga, and how one begins, is woken and gives way. A saga is a named tuple of steps; each step has `do` and,
where it leaves something behind, `undo`; arguments and notes are JSON. Steps are repeatable: ids are minted before the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import sqlalchemy as sa

from virga.ground import metrics
from virga.ground.bus import Bus
from virga.ground.db.engine import Database, Tx
from virga.ground.errors import Conflict
from virga.ground.processes import Fenced, Process
from virga.ground.registry import Registry
from virga.ground.sagas import resources
from virga.ground.sagas.table import SAGAS, TABLE, SagaRow
from virga.ground.world import World

__all__ = ["SAGAS", "TABLE", "Again", "Context", "Saga", "SagaRegistry", "SagaRow", "Step", "begin", "start", "wake"]
WAKE = "sagas.wake"
"""The bus's subject that says: a saga may be ready to run. Losing it costs a second."""
FALLBACK = 60.0
"""How long a step that waits to be woken sleeps at most: who wakes it may have died before it could."""
TOLD_EVERY = 1.0
Hook = Callable[[str, str, str], None]
"""Called as (before|after, do|undo|superseded, saga:step): the injector's way in."""


class Again(Exception):
    """The world is not ready: take this step again after `seconds`, or when woken: by `wake` of a resource that the saga holds, or of
    the name `on`. Before it sleeps on a name the step is taken once more, so that nothing is missed between its look and its sleep.
    `why` is shown to whoever asks what the saga waits for."""

    def __init__(self, seconds: float | None = None, *, on: str | None = None, why: str = "") -> None:
        self.seconds = FALLBACK if seconds is None else seconds
        self.on, self.why = on, why
        super().__init__(why or f"again in {self.seconds:g} s")


@dataclass
class Context:
    """What a step may touch. `tx` is the checkpoint's own transaction in an atomic step, and absent in the others, which open
    short ones on `db` around their slow calls."""

    db: Database
    world: World
    registry: Registry
    row: SagaRow
    saga: Saga
    notes: dict[str, Any]
    error: str | None = None
    open: Tx | None = None
    spawned: int = 0
    progress: dict[str, object] = field(default_factory=dict)
    told: float = 0.0

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def args(self) -> dict[str, Any]:
        return self.row.args

    @property
    def tx(self) -> Tx:
        if self.open is None:
            raise RuntimeError("this step is not atomic: open a transaction on ctx.db")
        return self.open

    def say(self, done: int, total: int = 0, what: str = "") -> None:
        """How far the step is, for whoever looks at the saga (`progress.of`): `done` of `total` (bytes, volumes; 0 when nobody knows) of
        `what`. Written at most once a second; a helper of the step may say it from its own thread. Raises Fenced when the step is over:
        nobody wants the work any more."""
        self.progress = {"done": done, "total": total, "what": what[:255] or None}
        now = self.world.now()
        if self.open is not None or (0 <= now - self.told < TOLD_EVERY and done != total):
            return
        self.told = now
        here = (TABLE.c.id == self.id, TABLE.c.ended.is_(None), TABLE.c.state == self.row.state)
        with self.db.write() as tx:
            if not SAGAS.change(tx, *here, TABLE.c.cursor == self.row.cursor, **self.progress):
                raise Fenced

    def spawn(
        self,
        name: str,
        args: dict[str, Any],
        *,
        key: str | None = None,
        exclusive: str | Sequence[str] | None = None,
        shared: Sequence[str] = (),
    ) -> str:
        """Start a saga as a child of this one; its id. The same child is started once, however often the step is repeated: `key` tells
        it from its siblings (default: its name and arguments). The kind must be declared in `Saga.spawns`. If this step is undone, the
        child is undone first. Raises Conflict when somebody else holds what it claims."""
        family = self.registry.use(SagaRegistry).family
        if self.open is not None:
            return family.spawn(self, self.open, name, args, key=key, exclusive=exclusive, shared=shared)
        with self.db.write() as tx:
            return family.spawn(self, tx, name, args, key=key, exclusive=exclusive, shared=shared)

    def join(self, *ids: str) -> list[dict[str, Any]]:
        """The notes of the children (all of them, when none is named), once they have done; Again until then. Raises
        `children.ChildFailed` with the words of the first that failed."""
        family = self.registry.use(SagaRegistry).family
        if self.open is not None:
            return family.join(self, self.open, ids)
        with self.db.read() as tx:
            return family.join(self, tx, ids)


@dataclass(frozen=True)
class Step:
    """`do(ctx)` gives a note (JSON or None), kept under the step's name. `atomic` runs do and undo inside the transaction that
    records them, so that they happen exactly once; the others happen at least once. `within`: the seconds that the step may take,
    all its repetitions together; then the saga fails with that as its reason, and a call that still hangs is left to itself."""

    do: Callable[[Context], Any]
    undo: Callable[[Context], None] | None = None
    atomic: bool = False
    within: float | None = None

    @property
    def name(self) -> str:
        return self.do.__name__


def _nothing(_: Context) -> None:
    return None


@dataclass(frozen=True)
class Saga:
    """`done` and `failed` settle the rows in the transaction that ends the saga (`ctx.tx`, `ctx.error`); `superseded` in the one in
    which another takes its place: no step of it is undone, so what it leaves is the other's, or is given up here. `deadline`: seconds
    from the start after which it fails. An `endless` saga has no way back (a delete): what fails is tried again, and at a deadline it
    does not give up but raises the alarm, with what it waits for, and once more after each further deadline. `spawns` names the
    kinds of its children."""

    name: str
    steps: tuple[Step, ...]
    deadline: float = 600
    done: Callable[[Context], None] = field(default=_nothing)
    failed: Callable[[Context], None] = field(default=_nothing)
    superseded: Callable[[Context], None] = field(default=_nothing)
    endless: bool = False
    spawns: tuple[str, ...] = ()

    def until(self, now: float, cursor: int, deadline: float) -> float:
        """When the step at `cursor`, begun now, passes its limit; of an endless saga that is late already, when it says so again."""
        if self.endless and deadline <= now:
            deadline = now + self.deadline
        within = self.steps[cursor].within if cursor < len(self.steps) else None
        return deadline if within is None else min(deadline, now + within)


class Family(Protocol):
    """How a saga has children: `virga.ground.sagas.children`, which the runner brings along."""

    def spawn(
        self,
        ctx: Context,
        tx: Tx,
        name: str,
        args: dict[str, Any],
        /,
        *,
        key: str | None,
        exclusive: str | Sequence[str] | None,
        shared: Sequence[str],
    ) -> str: ...

    def join(self, ctx: Context, tx: Tx, ids: Sequence[str], /) -> list[dict[str, Any]]: ...


class SagaRegistry:
    """The sagas of this program by name: actions start them by name, because sagas stand above actions."""

    def __init__(self, sagas: Iterable[Saga]) -> None:
        self.sagas = {s.name: s for s in sagas}
        self.hook: Hook = lambda when, way, step: None
        self.family: Family


def context(
    registry: Registry, saga: Saga, row: SagaRow, *, error: str | None = None, open: Tx | None = None
) -> Context:
    """What a step of `row` gets."""
    world = registry.use(World)
    return Context(registry.use(Database), world, registry, row, saga, dict(row.notes), error or row.error, open)


def start(
    tx: Tx,
    registry: Registry,
    name: str,
    args: dict[str, Any],
    *,
    exclusive: str | Sequence[str] | None = None,
    shared: Sequence[str] = (),
    supersede: bool = False,
    request_id: str | None = None,
) -> str:
    """Write the intent into the caller's transaction; the runner takes it up after the commit. It claims each `exclusive` resource
    (`server:ID`; one, or several) for itself and each `shared` one beside others. A claim that another saga's excludes is a Conflict
    that names it, unless this one supersedes: then the others end where they stand. Returns the saga's id."""
    id = registry.use(World).uuid()
    begin(tx, registry, id, name, args, resources.wanted(exclusive, shared), supersede=supersede, request_id=request_id)
    return id


def begin(
    tx: Tx,
    registry: Registry,
    id: str,
    name: str,
    args: dict[str, Any],
    wants: dict[str, str],
    *,
    supersede: bool = False,
    request_id: str | None = None,
    family: Sequence[str] = (),
    parent_step: str | None = None,
) -> None:
    """Write a saga whose id is known. `family`: its ancestors, the nearest first. Raises Conflict."""
    saga, now = registry.use(SagaRegistry).sagas[name], registry.use(Process).now()
    in_the_way, lent = resources.seen(tx, wants, family)
    for claim in in_the_way:
        running = SAGAS.get(tx, claim.saga_id)
        if running is None or running.ended is not None:
            continue  # it gave way together with another
        if not supersede:
            raise Conflict(
                f"{running.name} is under way on {claim.resource.replace(':', ' ')}; wait until it ends",
                saga=running.id,
            )
        give_way(tx, registry, running, f"{saga.name} took its place")
    resources.take(tx, id, wants, lent)
    deadline = now + saga.deadline
    SAGAS.insert(
        tx,
        id=id,
        name=saga.name,
        args=args,
        notes={},
        state="run",
        cursor=0,
        step=saga.steps[0].name,
        parent=family[0] if family else None,
        parent_step=parent_step,
        children=0,
        owner=None,
        epoch=0,
        wake=0.0,
        awaits=None,
        nudges=0,
        attempts=0,
        deadline=deadline,
        until=saga.until(now, 0, deadline),
        waits=None,
        done=0,
        total=0,
        what=None,
        error=None,
        request_id=request_id,
        created=now,
        ended=None,
    )
    poke(tx, registry)


def give_way(tx: Tx, registry: Registry, row: SagaRow, why: str) -> None:
    """End a live saga where it stands, its live children first; each says by its `superseded` what that means. Who waits for it is told
    why."""
    for child in SAGAS.find(tx, TABLE.c.parent == row.id, TABLE.c.ended.is_(None), order=TABLE.c.created):
        give_way(tx, registry, child, why)
    book, now = registry.use(SagaRegistry), registry.use(Process).now()
    change = {"state": "superseded", "ended": now, "epoch": TABLE.c.epoch + 1, "owner": None, "error": why}
    if not SAGAS.change(tx, TABLE.c.id == row.id, TABLE.c.ended.is_(None), **change):
        return  # it came to its own end meanwhile
    saga = book.sagas.get(row.name)
    if saga is not None:
        book.hook("before", "superseded", f"{saga.name}:superseded")
        saga.superseded(context(registry, saga, row, error=why, open=tx))
        book.hook("after", "superseded", f"{saga.name}:superseded")
    over(tx, registry, row, done=False)
    tx.after_commit(lambda: metrics.SAGAS.labels(row.name, "superseded").inc())


def over(tx: Tx, registry: Registry, row: SagaRow, *, done: bool) -> None:
    """A saga has ended: its claims are free, or its parent's; its parent looks again."""
    if row.parent is None:
        resources.release(tx, row.id)
        return
    if done:
        resources.pass_on(tx, row.id, row.parent)
    else:
        resources.release(tx, row.id)
    _look_again(tx, registry, TABLE.c.id == row.parent)


def wake(tx: Tx, registry: Registry, name: str) -> None:
    """Something happened to the resource `name`, or what is called so: the sagas that hold it or wait for it look again now."""
    tx.hold(f"wake:{name}")
    holders = sa.select(resources.TABLE.c.saga_id).where(resources.TABLE.c.resource == name)
    waiting = sa.select(TABLE.c.id).where(TABLE.c.awaits == name, TABLE.c.ended.is_(None))
    _look_again(tx, registry, TABLE.c.id.in_(holders.union(waiting)))


def wake_any(tx: Tx, registry: Registry, names: Iterable[str]) -> None:
    """`wake` for whoever waits (`Again(on=…)`) for one of many names, in one statement."""
    _look_again(tx, registry, TABLE.c.awaits.in_(sorted(set(names))))


def _look_again(tx: Tx, registry: Registry, which: sa.ColumnElement[bool]) -> None:
    if SAGAS.change(tx, which, TABLE.c.ended.is_(None), wake=0.0, nudges=TABLE.c.nudges + 1):
        poke(tx, registry)


def poke(tx: Tx, registry: Registry) -> None:
    """After the commit, say that a saga may be ready."""
    tx.after_commit(lambda: registry.use(Bus).publish(WAKE))
