# SPDX-License-Identifier: Apache-2.0
"""The declaration of a saga and the table that remembers it. A saga is a named tuple of steps; each step has `do` and, where it
leaves something behind, `undo`; arguments and notes are JSON. Steps are short and repeatable: ids are minted before the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from virga.ground.db.engine import Database, Tx, metadata
from virga.ground.db.rows import Row, Rows
from virga.ground.doors import Doors
from virga.ground.errors import Conflict
from virga.ground.world import World

TABLE = sa.Table(
    "sagas",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("args", sa.JSON, nullable=False),
    sa.Column("notes", sa.JSON, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),  # run | undo | done | failed | superseded
    sa.Column("cursor", sa.Integer, nullable=False),
    sa.Column("exclusive", sa.String(128)),
    sa.Column("owner", sa.String(64)),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("lease", sa.Double, nullable=False),
    sa.Column("wake", sa.Double, nullable=False),
    sa.Column("nudges", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("deadline", sa.Double, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("request_id", sa.String(64)),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("ended", sa.Double),
)
LIVE = sa.text("ended is null")
sa.Index("ix_sagas_due", TABLE.c.wake, TABLE.c.lease, sqlite_where=LIVE)
sa.Index("uq_sagas_exclusive", TABLE.c.exclusive, unique=True, sqlite_where=LIVE)


class SagaRow(Row, frozen=True):
    id: str
    name: str
    args: dict[str, Any]
    notes: dict[str, Any]
    state: str
    cursor: int
    exclusive: str | None
    owner: str | None
    epoch: int
    lease: float
    wake: float
    nudges: int
    attempts: int
    deadline: float
    error: str | None
    request_id: str | None
    created: float
    ended: float | None


SAGAS = Rows(TABLE, SagaRow)


class Again(Exception):
    """The world is not ready: take this step again after `seconds`, or when woken."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


@dataclass
class Context:
    """What a step may touch. `tx` is the checkpoint's own transaction in an atomic step, and absent in the others, which open
    short ones on `db` around their slow calls."""

    db: Database
    world: World
    doors: Doors
    args: dict[str, Any]
    notes: dict[str, Any]
    id: str
    error: str | None = None
    open: Tx | None = None

    @property
    def tx(self) -> Tx:
        if self.open is None:
            raise RuntimeError("this step is not atomic: open a transaction on ctx.db")
        return self.open


@dataclass(frozen=True)
class Step:
    """`do(ctx)` gives a note (JSON or None), kept under the step's name. `atomic` runs do and undo inside the transaction that
    records them, so that they happen exactly once; the others happen at least once."""

    do: Callable[[Context], Any]
    undo: Callable[[Context], None] | None = None
    atomic: bool = False

    @property
    def name(self) -> str:
        return self.do.__name__


def _nothing(_: Context) -> None:
    return None


@dataclass(frozen=True)
class Saga:
    """`done` and `failed` settle the rows in the transaction that ends the saga (`ctx.tx`, `ctx.error`)."""

    name: str
    steps: tuple[Step, ...]
    deadline: float = 600
    done: Callable[[Context], None] = field(default=_nothing)
    failed: Callable[[Context], None] = field(default=_nothing)


class Book:
    """The sagas of this program by name: actions start them by name, because sagas stand above actions."""

    def __init__(self, sagas: Iterable[Saga]) -> None:
        self.sagas = {s.name: s for s in sagas}


class Wakeup:
    """Told whenever a saga may be ready to run in this process."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[], None]] = []

    def __call__(self) -> None:
        for listener in self.listeners:
            listener()


def start(
    tx: Tx,
    doors: Doors,
    name: str,
    args: dict[str, Any],
    *,
    exclusive: str | None = None,
    supersede: bool = False,
    request_id: str | None = None,
) -> str:
    """Write the intent into the caller's transaction; the runner takes it up after the commit. A second saga on the same
    `exclusive` resource is a Conflict, unless it supersedes: then the first one ends where it stands. Returns the saga's id."""
    world = doors.use(World)
    saga = doors.use(Book).sagas[name]
    now = world.now()
    if exclusive is not None:
        tx.hold(f"saga:{exclusive}")
        running = SAGAS.one(tx, TABLE.c.exclusive == exclusive, TABLE.c.ended.is_(None))
        if running is not None:
            if not supersede:
                raise Conflict(
                    f"{running.name} is under way on {exclusive.replace(':', ' ')}; wait until it ends", saga=running.id
                )
            SAGAS.change(tx, TABLE.c.id == running.id, state="superseded", ended=now, epoch=running.epoch + 1)
    id = world.uuid()
    SAGAS.insert(
        tx,
        id=id,
        name=saga.name,
        args=args,
        notes={},
        state="run",
        cursor=0,
        exclusive=exclusive,
        owner=None,
        epoch=0,
        lease=0.0,
        wake=0.0,
        nudges=0,
        attempts=0,
        deadline=now + saga.deadline,
        error=None,
        request_id=request_id,
        created=now,
        ended=None,
    )
    tx.after_commit(doors.use(Wakeup))
    return id


def wake(tx: Tx, doors: Doors, exclusive: str) -> None:
    """Something happened to `exclusive`: the saga that waits for it looks again now."""
    if SAGAS.change(tx, TABLE.c.exclusive == exclusive, TABLE.c.ended.is_(None), wake=0.0, nudges=TABLE.c.nudges + 1):
        tx.after_commit(doors.use(Wakeup))
