# SPDX-License-Identifier: Apache-2.0
"""Renew the shadows of directories, each when it is due. A directory that is away holds up nobody but its own domain."""

from __future__ import annotations

from virga.ground import log
from virga.ground.errors import Unavailable
from virga.ground.loops.loop import Loop, Round
from virga.services.identity.directories import shadow
from virga.services.identity.directories.registry import Directories
from virga.services.identity.directories.store import ENTRIES
from virga.services.identity.tokens import Tokens

ROUND_SECONDS = 2.0


def renew(round: Round) -> int:
    """One round over all directories that are due; how many rows changed."""
    known = round.registry.use(Directories)
    with round.db.read() as tx:
        known.load(tx)
    changed = 0
    for domain_id, own, directory in known.all():
        now = round.world.now()
        if known.due.get(domain_id, 0.0) > now:
            continue
        known.due[domain_id] = now + own.sync_seconds
        try:
            users, groups = directory.users(), directory.groups()
            with round.db.write() as tx:
                changed += shadow.whole(tx, domain_id, users, groups, now, round.registry.use(Tokens).bump_generation)
        except (Unavailable, ValueError) as e:
            log.get("directories").warning("not_renewed", domain=domain_id, why=str(e))
            known.due[domain_id] = now + min(own.sync_seconds, max(own.retry_seconds, ROUND_SECONDS))
    return changed


def watch(round: Round) -> int:
    """Ask the directories about the users whose tokens this process has in memory: who is disabled or gone there loses them now, and
    not at the next renewal. Nobody holds a token that some process did not look at within the last second."""
    known, tokens = round.registry.use(Directories), round.registry.use(Tokens)
    requested = [
        (id, directory)
        for id, own, directory in known.all()
        if own.check_seconds and known.look(id, round.world.now(), own)
    ]
    if not requested:
        return 0
    with round.db.read() as tx:
        users = [e for e in ENTRIES.within(tx, "id", tokens.users()) if e.kind == "user" and e.gone is None]
    changed = 0
    for domain_id, directory in requested:
        here = {e.local_id: e.id for e in users if e.domain_id == domain_id}
        if not here:
            continue
        try:
            directory_users = directory.among(sorted(here))
            if not directory_users and not directory.users():
                raise ValueError("it has no users at all, which is not believed")
        except (Unavailable, ValueError) as e:
            log.get("directories").warning("not_checked", domain=domain_id, why=str(e))
            known.back_off(domain_id, round.world.now())
            continue
        off = [here[p.local_id] for p in directory_users if not p.enabled and p.local_id in here]
        gone = [id for local, id in here.items() if local not in {p.local_id for p in directory_users}]
        if off or gone:
            with round.db.write() as tx:
                changed += shadow.disabled(tx, round.world.now(), off, gone, tokens.bump_generation)
    return changed


LOOPS = (
    Loop("identity.directories", renew, every=ROUND_SECONDS),
    Loop("identity.watch", watch, every=0.5, shared=False),
)
