# SPDX-License-Identifier: Apache-2.0
"""The table that remembers sagas: what was asked, how far it is, who carries it, when it is looked at again, and why it waits."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from virga.ground.db.engine import metadata
from virga.ground.db.rows import Row, Rows

TABLE = sa.Table(
    "sagas",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("args", sa.JSON, nullable=False),
    sa.Column("notes", sa.JSON, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),  # run | undo | done | failed | superseded
    sa.Column("cursor", sa.Integer, nullable=False),  # beyond the last step: waits for its children
    sa.Column("step", sa.String(64), nullable=False),
    sa.Column("parent", sa.String(36)),
    sa.Column("parent_step", sa.String(64)),
    sa.Column("children", sa.Integer, nullable=False),  # how many it ever started
    sa.Column("owner", sa.String(64)),  # the process that carries it at this moment
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("wake", sa.Double, nullable=False),
    sa.Column("awaits", sa.String(128)),  # what wakes it before its time
    sa.Column("nudges", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("deadline", sa.Double, nullable=False),
    sa.Column("until", sa.Double, nullable=False),  # the nearest limit: the step's, or the deadline
    sa.Column("waits", sa.Text),  # why it is not further
    sa.Column("done", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("what", sa.String(255)),
    sa.Column("error", sa.Text),
    sa.Column("request_id", sa.String(64)),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("ended", sa.Double),
)
sa.Index("ix_sagas_due", TABLE.c.wake, sqlite_where=sa.text("ended is null"))
sa.Index("ix_sagas_held", TABLE.c.until, sqlite_where=sa.text("ended is null and owner is not null"))
sa.Index("ix_sagas_awaits", TABLE.c.awaits, sqlite_where=sa.text("ended is null and awaits is not null"))
sa.Index("ix_sagas_ended", TABLE.c.ended, sqlite_where=sa.text("ended is not null"))
sa.Index("ix_sagas_parent", TABLE.c.parent, sqlite_where=sa.text("parent is not null"))


class SagaRow(Row, frozen=True):
    """Times are the database's, in seconds since the epoch (`virga.ground.processes.clock`)."""

    id: str
    name: str
    args: dict[str, Any]
    notes: dict[str, Any]
    state: str
    cursor: int
    step: str
    parent: str | None
    parent_step: str | None
    children: int
    owner: str | None
    epoch: int
    wake: float
    awaits: str | None
    nudges: int
    attempts: int
    deadline: float
    until: float
    waits: str | None
    done: int
    total: int
    what: str | None
    error: str | None
    request_id: str | None
    created: float
    ended: float | None


SAGAS = Rows(TABLE, SagaRow)
