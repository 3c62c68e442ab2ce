# SPDX-License-Identifier: Apache-2.0
"""Identity's loops: see what other processes took away, and forget what has expired."""

from __future__ import annotations

from itertools import pairwise

from virga.authority.overrides import Overrides
from virga.ground.loops.loop import Loop, Round
from virga.services.identity import settings, store
from virga.services.identity.actions import login
from virga.services.identity.catalog import Catalog
from virga.services.identity.tokens import SPREAD, Tokens

KEEP = 7 * 86400.0


def follow(round: Round) -> int:
    """Take over another process's generation: revocations, disabled users, lost roles."""
    round.registry.use(Overrides).refresh()
    with round.db.read() as tx:
        newer = round.registry.use(Tokens).refresh(tx)
    if newer:
        round.registry.use(Catalog).forget()
    return int(newer)


def expire(round: Round) -> int:
    """Revocations of tokens that are over anyway, and what was spent and could not be used any more."""
    now = round.world.now()
    old = (store.REVOCATIONS, store.SPENT)
    with round.db.read() as tx:
        if not any(rows.count(tx, rows.c.expires < now) for rows in old):
            return 0
    with round.db.write() as tx:
        store.REVOKE_EVENTS.delete(tx, store.REVOKE_EVENTS.c.made < now - KEEP)
        return sum(rows.delete(tx, rows.c.expires < now) for rows in old)


def rotate(round: Round) -> int:
    """A new token key when the newest is old enough; keys that no living token was sealed with go."""
    own, now = round.registry.use(settings.Identity), round.world.now()
    with round.db.read() as tx:
        keys = store.KEYS.find(tx, order=store.KEYS.c.number)
    newest = keys[-1].created if keys else now
    done = 0
    if own.rotate_seconds and now - newest >= own.rotate_seconds:
        with round.db.write() as tx:
            round.registry.use(Tokens).rotate(tx)
        done += 1
    lasts = own.token_seconds + own.late_seconds + SPREAD
    dead = [old.number for old, after in pairwise(keys) if now - after.created > lasts]
    if dead:
        with round.db.write() as tx:
            store.KEYS.delete(tx, store.KEYS.c.number.in_(dead))
            round.registry.use(Tokens).bump_generation(tx)
    return done + len(dead)


def idle(round: Round) -> int:
    """Disable users who have been away for longer than the operator allows."""
    own, now, c = round.registry.use(settings.Identity), round.world.now(), store.USERS.c
    if not own.inactive_days:
        return 0
    with round.db.read() as tx:
        away = [
            u
            for u in store.USERS.find(tx, c.enabled.is_(True), c.password_hash.is_not(None))
            if login.idle(own, u, now)
        ]
    for user in away:
        with round.db.write() as tx:
            store.USERS.put(tx, user.id, enabled=False)
            round.registry.use(Tokens).note(tx, {"user_id": user.id})
            round.registry.use(Tokens).bump_generation(tx)
    return len(away)


LOOPS = (
    Loop("identity.follow", follow, every=0.5, shared=False),
    Loop("identity.expire", expire, every=300),
    Loop("identity.rotate", rotate, every=600),
    Loop("identity.idle", idle, every=3600),
)
