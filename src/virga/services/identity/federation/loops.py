# SPDX-License-Identifier: Apache-2.0
"""Take back the memberships that logins lent."""

from __future__ import annotations

from virga.ground.loops.loop import Loop, Round
from virga.services.identity import store as identity
from virga.services.identity.federation import store
from virga.services.identity.tokens import Tokens


def take_back(round: Round) -> int:
    """Memberships whose time is over; how many."""
    now, c = round.world.now(), store.LENT.c
    with round.db.read() as tx:
        if not store.LENT.count(tx, c.expires <= now):
            return 0
    with round.db.write() as tx:
        over = store.LENT.find(tx, c.expires <= now, limit=1000)
        for each in over:
            m = identity.MEMBERSHIPS.c
            identity.MEMBERSHIPS.delete(tx, m.group_id == each.group_id, m.user_id == each.user_id)
            store.LENT.delete(tx, c.group_id == each.group_id, c.user_id == each.user_id)
        round.registry.use(Tokens).bump_generation(tx)
    return len(over)


LOOPS = (Loop("identity.lent", take_back, every=5),)
