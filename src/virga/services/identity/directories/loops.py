# SPDX-License-Identifier: Apache-2.0
"""Renew the shadows of directories, each when it is due. A directory that is away holds up nobody but its own domain."""

from __future__ import annotations

from virga.ground import log
from virga.ground.errors import Unavailable
from virga.ground.loops.loop import Loop, Round
from virga.services.identity.directories import shadow
from virga.services.identity.directories.registry import Directories
from virga.services.identity.tokens import Tokens

ROUND_SECONDS = 2.0


def renew(round: Round) -> int:
    """One round over all directories that are due; how many rows changed."""
    known = round.doors.use(Directories)
    with round.db.read() as tx:
        known.load(tx)
    changed = 0
    for domain_id, own, directory in known.all():
        now = round.world.now()
        if known.due.get(domain_id, 0.0) > now:
            continue
        known.due[domain_id] = now + own.sync_seconds
        try:
            people, circles = directory.people(), directory.circles()
            with round.db.write() as tx:
                changed += shadow.whole(tx, domain_id, people, circles, now, round.doors.use(Tokens).grew)
        except (Unavailable, ValueError) as e:
            log.get("directories").warning("not_renewed", domain=domain_id, why=str(e))
            known.due[domain_id] = now + min(own.sync_seconds, max(own.retry_seconds, ROUND_SECONDS))
    return changed


LOOPS = (Loop("identity.directories", renew, every=ROUND_SECONDS),)
