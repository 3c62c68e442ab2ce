# SPDX-License-Identifier: Apache-2.0
"""Identity's loops: see what other processes took away, and forget what has expired."""

from __future__ import annotations

from virga.ground.loops.loop import Loop, Round
from virga.services.identity import store
from virga.services.identity.catalog import Catalog
from virga.services.identity.tokens import Tokens


def follow(round: Round) -> int:
    """Take over another process's generation: revocations, disabled users, lost roles."""
    with round.db.read() as tx:
        newer = round.doors.use(Tokens).refresh(tx)
    if newer:
        round.doors.use(Catalog).forget()
    return int(newer)


def expire(round: Round) -> int:
    """Revocations of tokens that are over anyway."""
    now = round.world.now()
    with round.db.read() as tx:
        if not store.REVOCATIONS.count(tx, store.REVOCATIONS.c.expires < now):
            return 0
    with round.db.write() as tx:
        return store.REVOCATIONS.delete(tx, store.REVOCATIONS.c.expires < now)


LOOPS = (Loop("identity.follow", follow, every=0.5, shared=False), Loop("identity.expire", expire, every=300))
