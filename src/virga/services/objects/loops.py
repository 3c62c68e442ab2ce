# SPDX-License-Identifier: Apache-2.0
"""Housekeeping: bodies that no row names any more, what has expired, accounts that were deleted, counters, and bytes that rot."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import time
from typing import Any

from virga.ground import metrics
from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, NotFound
from virga.ground.loops.loop import Loop, Round
from virga.services.objects import model
from virga.services.objects.actions import lifecycle as rules_of
from virga.services.objects.actions import objects as actions
from virga.services.objects.context import ObjectContext
from virga.services.objects.driver import BlobStore, Rotten
from virga.services.objects.drivers.sealed import KeyMissing
from virga.services.objects.settings import Objects
from virga.services.objects.store import containers as containers_store
from virga.services.objects.store import objects as rows
from virga.services.objects.syncer import syncer


def trash(round: Round) -> int:
    """Remove the bodies of objects that were replaced or deleted, a while after: who found the old row must find its bytes, too. What
    is on its way out from this process stays as long as that takes."""
    context = round.registry.use(ObjectContext)
    done, after, since = 0, (-1.0, ""), context.now() - context.settings.trash_seconds
    while True:
        with round.db.read() as tx:
            page = rows.trash(tx, since, after)
        if not page:
            break
        after = (page[-1].since, page[-1].body)
        found = [t.body for t in page if t.body not in context.bodies.reading]
        for body in found:
            context.blobs.remove(body)
            if context.bodies.replica is not None:
                context.bodies.replica.remove(body)
        context.commits.write_now(lambda tx, f=found: rows.forget_trash(tx, f))  # type: ignore[misc]
        done += len(found)
    context.usage.removed += done
    return done


def expirer(round: Round) -> int:
    """Delete what has passed its X-Delete-At."""
    context = round.registry.use(ObjectContext)
    done = 0
    while True:
        now = context.now()
        with round.db.read() as tx:
            found = rows.expired(tx, now)

        def end(tx: Tx, found: list[model.Object] = found, now: float = now) -> int:
            count = 0
            for o in found:
                current = rows.row(tx, o.container_id, o.name)
                if current is None or current.delete_at is None or current.delete_at > now:
                    continue
                try:
                    actions.expire(tx, current, now, context.wake_trash)
                    count += 1
                except (Forbidden, NotFound):
                    continue
            return count

        changed = context.commits.write_now(end) if found else 0
        done += changed
        if len(found) < 200 or not changed:
            break
    context.usage.expired += done
    return done


def reaper(round: Round) -> int:
    """Empty accounts that were deleted, object by object."""
    context = round.registry.use(ObjectContext)
    done = 0
    with round.db.read() as tx:
        accounts = containers_store.deleted_accounts(tx, context.now())
    for account in accounts:
        done += reap(context, account.name)
    context.usage.reaped += done
    return done


def reap(context: ObjectContext, account: str) -> int:
    done = 0
    while True:
        containers = context.commits.read_now(lambda tx: containers_store.containers(tx, account, limit=50))
        if not containers:
            break
        for c in containers:
            while True:
                count = context.commits.write_now(lambda tx, c=c: _empty(tx, context, c.id))  # type: ignore[misc]
                done += count
                if not count:
                    break
            context.commits.write_now(lambda tx, c=c: containers_store.delete_container(tx, c.id))  # type: ignore[misc]
    context.commits.write_now(lambda tx: containers_store.forget_account(tx, account))
    return done


def _empty(tx: Tx, context: ObjectContext, container_id: int) -> int:
    """Take a slice of a container's rows away for good, locks or not: its account is gone."""
    now, count = context.now(), 0
    for o in rows.first_names(tx, container_id, 200):
        rows.drop_body(tx, o.body, now, context.wake_trash)
        rows.remove(tx, container_id, o.name)
        count += 1
    for o in rows.old_versions(tx, container_id, 200):
        rows.drop_body(tx, o.body, now, context.wake_trash)
        rows.forget_version(tx, o)
        count += 1
    for u in rows.uploads(tx, container_id, "", ("", ""), 50):
        rows.drop_upload(tx, u.id, now, context.wake_trash)
        count += 1
    return count


def updater(round: Round) -> int:
    """Count every container's rows and repair counters that drifted (they never should: each repair is told)."""
    context = round.registry.use(ObjectContext)
    after, wrong = 0, 0
    while True:
        with round.db.read() as tx:
            page = containers_store.all_containers(tx, after)
        if not page:
            break
        for c in page:
            wrong += context.commits.write_now(lambda tx, c=c: containers_store.recount(tx, [c.id]))  # type: ignore[misc]
        after = page[-1].id
    context.usage.recounted += wrong
    return wrong


def orphans(round: Round) -> int:
    """Remove bodies that no row names, once they are old enough that no upload can still be on its way to its row."""
    context = round.registry.use(ObjectContext)
    done = sum(sweep(context, store) for store in (context.blobs, context.bodies.replica) if store is not None)
    context.usage.swept += done
    return done


def sweep(context: ObjectContext, store: BlobStore) -> int:
    """One store's; rows are asked first, as there are few bodies whose age must be."""
    oldest, done = time.time() - context.settings.orphan_seconds, 0
    ids = store.ids()
    while batch := list(itertools.islice(ids, 1000)):
        known = context.commits.read_now(lambda tx, b=batch: rows.known_bodies(tx, b))  # type: ignore[misc]
        for id in batch:
            with contextlib.suppress(FileNotFoundError):
                if id not in known and store.made(id) <= oldest:
                    store.remove(id)
                    done += 1
    return done


def auditor(round: Round, seconds: float = 20.0) -> int:
    """Read bodies at a bounded rate, a slice a round; what rots is put aside and told."""
    context = round.registry.use(ObjectContext)
    budget = int(context.settings.audit_bytes * seconds)
    cursor = context.usage.cursor.get("audit", "")
    bad = 0
    while budget > 0:
        if cursor < "c":
            with round.db.read() as tx:
                page = rows.bodies_after(tx, cursor)
            for body, size, etag in page:
                cursor = body
                budget -= size
                why = examine(context, body, size, etag)
                context.usage.audited += 1
                context.usage.audited_bytes += size
                if why:
                    context.bodies.log.error("body_rotten", body=body, why=why)
                    context.bodies.set_aside(body, why)
                    bad += 1
                    if context.bodies.replica is not None:
                        heal(context, context.bodies.replica, body, size)
                if context.bodies.replica is not None:
                    budget -= size
                    audit_copy(context, context.bodies.replica, body, size, etag)
                if budget <= 0:
                    break
            if not page:
                cursor = "h"
        else:
            with round.db.read() as tx:
                smalls = rows.smalls_after(tx, cursor)
            for body, data, etag in smalls:
                cursor = body
                budget -= len(data)
                context.usage.audited += 1
                context.usage.audited_bytes += len(data)
                try:
                    plain = context.bodies.turned(body, data)
                except KeyMissing as e:
                    context.bodies.unread(body, e)
                    continue
                if len(etag) == 32 and hashlib.md5(plain, usedforsecurity=False).hexdigest() != etag:
                    context.commits.write_now(
                        lambda tx, b=body: rows.mark_rotten(tx, b, context.now(), "its MD5 is not the row's")  # type: ignore[misc]
                    )
                    bad += 1
            if not smalls:
                cursor = ""
                break
    context.usage.cursor["audit"] = cursor
    context.usage.rotten += bad
    return bad


def audit_copy(context: ObjectContext, second: BlobStore, body: str, size: int, etag: str) -> None:
    """The same look at the copy: a rotten one is put aside there, and made again from the first store."""
    why = examine(context, body, size, etag, second)
    if why is not None and why != GONE:
        context.usage.replica_rotten += 1
        context.bodies.log.error("copy_rotten", body=body, why=why)
        second.quarantine(body)
    if why is not None:
        context.usage.replicated += carry(context.blobs, second, body, size)


GONE = "it is not there"


def examine(context: ObjectContext, body: str, size: int, etag: str, store: BlobStore | None = None) -> str | None:
    """Why the body in the first (or that) store is not what was written; None when it is."""
    md5, got = hashlib.md5(usedforsecurity=False), 0
    try:
        for chunk in (store or context.blobs).read(body):
            md5.update(chunk)
            got += len(chunk)
    except Rotten as e:
        return str(e)
    except KeyMissing as e:
        context.bodies.unread(body, e)
        return None
    except FileNotFoundError:
        return GONE if context.commits.read_now(lambda tx: rows.named(tx, body)) else None
    if got != size:
        return f"it has {got} bytes, its row says {size}"
    if len(etag) == 32 and "-" not in etag and md5.hexdigest() != etag:
        return "its MD5 is not the row's"
    return None


SLICE = 2000


def replicator(round: Round) -> int:
    """Copy bodies to the second store, and back what the first one lost: the fresh ones at once, then a slice of all, so that a
    whole round comes by and by whatever their number. Nothing without a second store."""
    context = round.registry.use(ObjectContext)
    second = context.bodies.replica
    if second is None:
        return 0
    before = context.usage.replicated + context.usage.healed
    fresh = context.bodies.fresh
    while fresh:
        body = fresh.popleft()
        with contextlib.suppress(FileNotFoundError):  # taken away already
            context.usage.replicated += carry(context.blobs, second, body, context.blobs.size(body))
    cursor, left = context.usage.cursor.get("replicate", ""), SLICE
    while left > 0:
        with round.db.read() as tx:
            page = rows.bodies_after(tx, cursor)
        for body, size, _ in page:
            cursor = body
            context.usage.replicated += carry(context.blobs, second, body, size)
            heal(context, second, body, size)
        left -= len(page)
        if not page:
            cursor = ""
            break
    context.usage.cursor["replicate"] = cursor
    return context.usage.replicated + context.usage.healed - before


def heal(context: ObjectContext, second: BlobStore, body: str, size: int) -> None:
    """Make a body that the first store lost or put aside again from its copy; the copy is checked block by block as it is read."""
    if carry(second, context.blobs, body, size):
        context.usage.healed += 1
        metrics.OBJECTS.labels("healed").inc()
        context.commits.write_now(lambda tx: rows.forget_rotten(tx, body))
        context.bodies.log.warning("body_healed", body=body)


def carry(source: BlobStore, target: BlobStore, body: str, size: int) -> int:
    """Copy a blob that the target lacks; 1 when it did."""
    try:
        target.size(body)
        return 0
    except (FileNotFoundError, Rotten):
        pass
    writer = None
    try:
        chunks = source.read(body)
        writer = target.create(body, size)
        for chunk in chunks:
            writer.write(chunk)
        writer.commit()
    except (FileNotFoundError, Rotten, KeyMissing):
        if writer is not None:
            writer.abort()
        return 0
    return 1


def lifecycle(round: Round) -> int:
    """S3's expiry rules: old objects, old versions, uploads that nobody completes, markers with nothing beneath."""
    context = round.registry.use(ObjectContext)
    after, done = 0, 0
    while True:
        with round.db.read() as tx:
            page = containers_store.all_containers(tx, after)
        if not page:
            break
        after = page[-1].id
        for c in page:
            rules = [r for r in c.control.get("lifecycle") or () if r["on"]]
            if rules:
                done += (
                    _end_objects(context, c, rules) + _end_versions(context, c, rules) + _end_uploads(context, c, rules)
                )
    context.usage.expired += done
    return done


def _end_objects(context: ObjectContext, c: model.Container, rules: list[dict[str, Any]]) -> int:
    now, day, done = context.now(), context.settings.lifecycle_day, 0
    for rule in rules:
        if rule.get("days") is None and not rule.get("date"):
            continue
        before = now - rule["days"] * day if rule.get("days") is not None else None
        after = ""
        while page := context.commits.read_now(
            lambda tx, r=rule, a=after, b=before: rows.names_after(tx, c.id, a, r["prefix"], b)  # type: ignore[misc]
        ):
            after = page[-1].name
            ended = [
                o
                for o in page
                if rules_of.fits(rule, o) and (at := rules_of.ends(rule, o, day)) is not None and at <= now
            ]

            def run(tx: Tx, ended: list[model.Object] = ended) -> int:
                count = 0
                for o in ended:
                    current = rows.row(tx, c.id, o.name)
                    if current is None or current.version != o.version:
                        continue
                    try:
                        actions.delete(tx, c.id, o.name, now, context.wake_trash)
                        count += 1
                    except (Forbidden, NotFound):
                        continue
                return count

            done += context.commits.write_now(run) if ended else 0
    return done


def _end_versions(context: ObjectContext, c: model.Container, rules: list[dict[str, Any]]) -> int:
    """Old versions, and markers that mark nothing. Decided on reads; only what ends is written."""
    now, day, done = context.now(), context.settings.lifecycle_day, 0
    after = ""
    while c.control.get("versioning"):
        names = context.commits.read_now(lambda tx, a=after: rows.history_names(tx, c.id, a))  # type: ignore[misc]
        if not names:
            break
        after = names[-1]
        gone: list[model.Object] = []
        for name in names:
            mine = [r for r in rules if name.startswith(r["prefix"])]
            if mine:
                gone += _ended(context.commits.read_now(lambda tx, n=name: rows.chain(tx, c.id, n)), mine, now, day)  # type: ignore[misc]
        for at in range(0, len(gone), 200):

            def run(tx: Tx, gone: list[model.Object] = gone[at : at + 200]) -> int:
                count = 0
                for o in gone:
                    try:
                        actions.delete_version(
                            tx, c.id, o.name, "null" if o.unversioned else o.version, now, context.wake_trash
                        )
                        count += 1
                    except (Forbidden, NotFound):
                        continue
                return count

            done += context.commits.write_now(run)
    return done


def _ended(chain: list[model.Object], rules: list[dict[str, Any]], now: float, day: int) -> list[model.Object]:
    """Of one name's versions those that some rule ends; with them a marker that then marks nothing."""
    old = {o.version: o for r in rules for o in rules_of.stale(r, chain, now, day)}
    left = [o for o in chain if o.version not in old]
    if any(rules_of.lone_marker(r, left, now, day) for r in rules):
        old |= {o.version: o for o in left}
    return list(old.values())


def _end_uploads(context: ObjectContext, c: model.Container, rules: list[dict[str, Any]]) -> int:
    now, day, done = context.now(), context.settings.lifecycle_day, 0
    for rule in rules:
        if not rule.get("abort_days"):
            continue

        def run(tx: Tx, rule: dict[str, Any] = rule) -> int:
            found = rows.old_uploads(tx, c.id, now - rule["abort_days"] * day, rule["prefix"])
            for u in found:
                rows.drop_upload(tx, u.id, now, context.wake_trash)
            return len(found)

        while count := context.commits.write_now(run):
            done += count
    return done


def counted(loop: Loop) -> Loop:
    """The same loop, whose work shows in the metrics."""

    def run(round: Round) -> int:
        done = loop.run(round)
        if done:
            metrics.OBJECTS.labels(loop.name.partition(".")[2]).inc(done)
        metrics.ROTTEN.set(
            round.registry.use(ObjectContext).usage.rotten + round.registry.use(ObjectContext).bodies.rotten_found
        )
        return done

    return dataclasses.replace(loop, run=run)


_LOOPS = (
    Loop("objects.sync", syncer, every=5),
    Loop("objects.replicator", replicator, every=60, topic="objects.fresh"),
    Loop("objects.lifecycle", lifecycle, every=3600),
    Loop("objects.trash", trash, every=10, topic="objects.trash"),
    Loop("objects.expirer", expirer, every=30),
    Loop("objects.reaper", reaper, every=60),
    Loop("objects.updater", updater, every=600),
    Loop("objects.orphans", orphans, every=3600),
    Loop("objects.auditor", auditor, every=60),
)
LOOPS = tuple(counted(loop) for loop in _LOOPS)


def timed(settings: Objects) -> tuple[Loop, ...]:
    """The loops; where a day is shorter than a day, the life cycle looks more often."""
    often = max(1.0, min(3600.0, settings.lifecycle_day / 4))
    return tuple(dataclasses.replace(x, every=often) if x.name == "objects.lifecycle" else x for x in LOOPS)
