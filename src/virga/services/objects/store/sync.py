# SPDX-License-Identifier: Apache-2.0
"""What containers have still to tell the ones that they are kept in step with: a row a name, its newest change only."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import Tx
from virga.services.objects import model
from virga.services.objects.store.tables import OBJECTS, SYNC

_o, _s = OBJECTS.table, SYNC.table
EVERYTHING = ""
"""The name of the row that says: all objects are to be told, from `cursor` on."""


def note(tx: Tx, container_id: int, name: str, at: float, *, deleted: bool) -> None:
    """A name has changed."""
    SYNC.delete(tx, _s.c.container_id == container_id, _s.c.name == name)
    SYNC.insert(
        tx, container_id=container_id, name=name, at=at, deleted=deleted, cursor=None, tries=0, due=0.0, why=None
    )


def note_all(tx: Tx, container_id: int) -> None:
    """Everything that is there is to be told; names are taken up in slices."""
    SYNC.delete(tx, _s.c.container_id == container_id, _s.c.name == EVERYTHING)
    SYNC.insert(
        tx, container_id=container_id, name=EVERYTHING, at=0.0, deleted=False, cursor="", tries=0, due=0.0, why=None
    )


def take_up(tx: Tx, row: model.SyncEntry, limit: int = 1000) -> int:
    """The next slice of "everything" becomes rows of names; how many. The last slice takes the row itself away."""
    q = (
        sa.select(_o.c.name, _o.c.changed)
        .where(_o.c.container_id == row.container_id, _o.c.name > (row.cursor or ""))
        .order_by(_o.c.name)
    )
    found = tx.conn.execute(q.limit(limit)).all()
    known = set(
        tx.conn.execute(
            sa.select(_s.c.name).where(_s.c.container_id == row.container_id, _s.c.name.in_([n for n, _ in found]))
        ).scalars()
    )
    SYNC.insert_many(
        tx,
        [
            {
                "container_id": row.container_id,
                "name": n,
                "at": at,
                "deleted": False,
                "cursor": None,
                "tries": 0,
                "due": 0.0,
                "why": None,
            }
            for n, at in found
            if n not in known
        ],
    )
    if len(found) < limit:
        forget(tx, row)
    else:
        SYNC.change(tx, _s.c.container_id == row.container_id, _s.c.name == EVERYTHING, cursor=found[-1][0])
    return len(found)


def due(tx: Tx, now: float, limit: int = 500) -> list[model.SyncEntry]:
    return SYNC.find(tx, _s.c.due <= now, order=[_s.c.due, _s.c.container_id, _s.c.name], limit=limit)


def forget(tx: Tx, row: model.SyncEntry) -> None:
    """It was told, unless it changed meanwhile."""
    SYNC.delete(tx, _s.c.container_id == row.container_id, _s.c.name == row.name, _s.c.at == row.at)


def forget_container(tx: Tx, container_id: int) -> None:
    SYNC.delete(tx, _s.c.container_id == container_id)


def later(tx: Tx, row: model.SyncEntry, due: float, why: str) -> None:
    SYNC.change(
        tx,
        _s.c.container_id == row.container_id,
        _s.c.name == row.name,
        _s.c.at == row.at,
        tries=row.tries + 1,
        due=due,
        why=why,
    )


def waiting(tx: Tx) -> tuple[int, list[model.SyncEntry]]:
    """How many rows wait, and the first of those that failed."""
    return SYNC.count(tx), SYNC.find(tx, _s.c.tries > 0, order=_s.c.tries.desc(), limit=10)
