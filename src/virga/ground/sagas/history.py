# SPDX-License-Identifier: Apache-2.0
"""How long it is remembered what a saga did: long enough to be asked why something failed, not for ever."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.loops.loop import Loop, Round
from virga.ground.processes import Process
from virga.ground.sagas.table import TABLE

KEEP = 30 * 86400.0
"""Seconds that an ended saga is kept."""
BATCH = 500
"""How many are removed in one transaction."""


def forget(round: Round) -> int:
    """Remove sagas that ended longer than KEEP ago, the oldest first. A child stays as long as its parent lives, who may still undo it."""
    before = round.registry.use(Process).now() - KEEP
    parent = TABLE.alias("parent")
    needed = sa.exists().where(parent.c.id == TABLE.c.parent, parent.c.ended.is_(None))
    old = sa.select(TABLE.c.id).where(TABLE.c.ended < before, ~needed).order_by(TABLE.c.ended).limit(BATCH)
    forgotten = 0
    while True:
        with round.db.write() as tx:
            ids = list(tx.conn.execute(old).scalars())
            tx.conn.execute(sa.delete(TABLE).where(TABLE.c.id.in_(ids)))
        forgotten += len(ids)
        if len(ids) < BATCH:
            return forgotten


FORGET = Loop("sagas.forget", forget, every=3600)
