# SPDX-License-Identifier: Apache-2.0
"""What happened, told to whoever wants to know. An event is written to the outbox in the transaction that made it true; the
outbox loop publishes it on the bus (at least once, in order); it is forgotten after a day."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import sqlalchemy as sa

from virga.ground.bus import Bus
from virga.ground.db.engine import Tx, metadata
from virga.ground.loops.loop import Loop, Round
from virga.ground.registry import Registry
from virga.ground.sagas.saga import wake_any
from virga.ground.world import World

TABLE = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("topic", sa.String(64), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("sent", sa.Double),
)
UNSENT = sa.text("sent is null")
sa.Index("ix_outbox_unsent", TABLE.c.id, sqlite_where=UNSENT)
KEEP = 86400.0
"""Seconds that a published event is kept."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen fact; `topic` is its name on the bus (`compute.server.created`)."""

    topic: ClassVar[str]


def emit(tx: Tx, registry: Registry, event: Event) -> None:
    """Write the event into the caller's transaction."""
    payload: dict[str, Any] = msgspec.to_builtins(event)
    tx.conn.execute(
        sa.insert(TABLE), {"topic": event.topic, "payload": payload, "created": registry.use(World).now(), "sent": None}
    )
    tx.after_commit(lambda: registry.use(Bus).publish("outbox.wake"))


def deliver(round: Round) -> int:
    """Publish what is unsent, oldest first, and wake the sagas that wait for one of them (`Again(on="event.TOPIC")`)."""
    with round.db.read() as tx:
        rows = tx.conn.execute(sa.select(TABLE).where(TABLE.c.sent.is_(None)).order_by(TABLE.c.id).limit(500)).all()
    if not rows:
        return 0
    bus = round.registry.use(Bus)
    for row in rows:
        bus.publish(f"event.{row.topic}", row.payload)
    now = round.world.now()
    with round.db.claim() as tx:
        tx.conn.execute(sa.update(TABLE).where(TABLE.c.id.in_([r.id for r in rows])).values(sent=now))
        wake_any(tx, round.registry, {f"event.{row.topic}" for row in rows})
    return len(rows)


def forget(round: Round) -> int:
    """Remove what was published longer than KEEP ago."""
    with round.db.write() as tx:
        return tx.conn.execute(sa.delete(TABLE).where(TABLE.c.sent < round.world.now() - KEEP)).rowcount


LOOPS = (
    Loop("outbox", deliver, every=5, topic="outbox.wake"),
    Loop("outbox.forget", forget, every=3600),
)
