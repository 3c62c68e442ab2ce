# SPDX-License-Identifier: Apache-2.0
"""Housekeeping: bodies that no row names any more, what has expired, accounts that were deleted, counters, and bytes that rot."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from typing import Any

from virga.ground import metrics
from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, NotFound
from virga.ground.loops.loop import Loop, Round
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.desk import Desk
from virga.services.objects.driver import BlobStore, Rotten
from virga.services.objects.store import objects as rows
from virga.services.objects.store import places


def trash(round: Round) -> int:
    """Remove the bodies of objects that were replaced or deleted."""
    desk = round.doors.use(Desk)
    done = 0
    while True:
        with round.db.read() as tx:
            found = rows.trash(tx)
        for t in found:
            desk.blobs.remove(t.body)
            if desk.bodies.replica is not None:
                desk.bodies.replica.remove(t.body)
        if not found:
            break
        desk.commits.write_now(lambda tx, f=found: rows.forget_trash(tx, [t.body for t in f]))  # type: ignore[misc]
        done += len(found)
    desk.usage.removed += done
    return done


def expirer(round: Round) -> int:
    """Delete what has passed its X-Delete-At."""
    desk = round.doors.use(Desk)
    done = 0
    while True:
        now = desk.now()
        with round.db.read() as tx:
            found = rows.expired(tx, now)

        def end(tx: Tx, found: list[model.Object] = found, now: float = now) -> int:
            count = 0
            for o in found:
                current = rows.row(tx, o.container_id, o.name)
                if current is None or current.delete_at is None or current.delete_at > now:
                    continue
                try:
                    actions.expire(tx, current, now, desk.wake_trash)
                    count += 1
                except (Forbidden, NotFound):
                    continue
            return count

        changed = desk.commits.write_now(end) if found else 0
        done += changed
        if len(found) < 200 or not changed:
            break
    desk.usage.expired += done
    return done


def reaper(round: Round) -> int:
    """Empty accounts that were deleted, object by object."""
    desk = round.doors.use(Desk)
    done = 0
    with round.db.read() as tx:
        accounts = places.deleted_accounts(tx, desk.now())
    for account in accounts:
        done += reap(desk, account.name)
    desk.usage.reaped += done
    return done


def reap(desk: Desk, account: str) -> int:
    done = 0
    while True:
        containers = desk.commits.read_now(lambda tx: places.containers(tx, account, limit=50))
        if not containers:
            break
        for c in containers:
            while True:
                count = desk.commits.write_now(lambda tx, c=c: _empty(tx, desk, c.id))  # type: ignore[misc]
                done += count
                if not count:
                    break
            desk.commits.write_now(lambda tx, c=c: places.delete_container(tx, c.id))  # type: ignore[misc]
    desk.commits.write_now(lambda tx: places.forget_account(tx, account))
    return done


def _empty(tx: Tx, desk: Desk, container_id: int) -> int:
    """Take a slice of a container's rows away for good, locks or not: its account is gone."""
    now, count = desk.now(), 0
    for o in rows.first_names(tx, container_id, 200):
        rows.drop_body(tx, o.body, now, desk.wake_trash)
        rows.remove(tx, container_id, o.name)
        count += 1
    for o in rows.old_versions(tx, container_id, 200):
        rows.drop_body(tx, o.body, now, desk.wake_trash)
        rows.forget_version(tx, o)
        count += 1
    for u in rows.uploads(tx, container_id, "", ("", ""), 50):
        for p in rows.parts(tx, u.id):
            rows.drop_body(tx, p.body, now, desk.wake_trash)
        rows.forget_upload(tx, u.id)
        count += 1
    return count


def updater(round: Round) -> int:
    """Count every container's rows and repair counters that drifted (they never should: each repair is told)."""
    desk = round.doors.use(Desk)
    after, wrong = 0, 0
    while True:
        with round.db.read() as tx:
            page = places.all_containers(tx, after)
        if not page:
            break
        for c in page:
            wrong += desk.commits.write_now(lambda tx, c=c: places.recount(tx, [c.id]))  # type: ignore[misc]
        after = page[-1].id
    desk.usage.recounted += wrong
    return wrong


def orphans(round: Round) -> int:
    """Remove bodies that no row names, once they are old enough that no upload can still be on its way to its row."""
    desk = round.doors.use(Desk)
    done, batch = 0, []

    def settle(ids: list[str]) -> int:
        known = desk.commits.read_now(lambda tx: rows.known_bodies(tx, ids))
        gone = [i for i in ids if i not in known]
        for id in gone:
            desk.blobs.remove(id)
        return len(gone)

    for id, _ in desk.blobs.ids(desk.settings.orphan_seconds):
        batch.append(id)
        if len(batch) >= 1000:
            done += settle(batch)
            batch = []
    done += settle(batch) if batch else 0
    desk.usage.swept += done
    return done


def auditor(round: Round, seconds: float = 20.0) -> int:
    """Read bodies at a bounded rate, a slice a round; what rots is put aside and told."""
    desk = round.doors.use(Desk)
    budget = int(desk.settings.audit_bytes * seconds)
    cursor = desk.usage.cursor.get("audit", "")
    bad = 0
    while budget > 0:
        if cursor < "c":
            with round.db.read() as tx:
                page = rows.bodies_after(tx, cursor)
            for body, size, etag in page:
                cursor = body
                budget -= size
                why = examine(desk, body, size, etag)
                desk.usage.audited += 1
                desk.usage.audited_bytes += size
                if why:
                    desk.bodies.log.error("body_rotten", body=body, why=why)
                    desk.bodies.set_aside(body, why)
                    bad += 1
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
                desk.usage.audited += 1
                desk.usage.audited_bytes += len(data)
                plain = data if desk.bodies.seal is None else desk.bodies.seal.stream(body).update(data)
                if len(etag) == 32 and hashlib.md5(plain, usedforsecurity=False).hexdigest() != etag:
                    desk.commits.write_now(lambda tx, b=body: rows.mark_rotten(tx, b, desk.now(), "its MD5 is not the row's"))  # type: ignore[misc]
                    bad += 1
            if not smalls:
                cursor = ""
                break
    desk.usage.cursor["audit"] = cursor
    desk.usage.rotten += bad
    return bad


def examine(desk: Desk, body: str, size: int, etag: str) -> str | None:
    """Why the body is not what was written; None when it is."""
    md5, got = hashlib.md5(usedforsecurity=False), 0
    try:
        for chunk in desk.blobs.read(body):
            md5.update(chunk)
            got += len(chunk)
    except Rotten as e:
        return str(e)
    except FileNotFoundError:
        known = desk.commits.read_now(lambda tx: rows.known_bodies(tx, [body]) - {t.body for t in rows.trash(tx, 100000)})
        return "it is not there" if body in known else None
    if got != size:
        return f"it has {got} bytes, its row says {size}"
    if len(etag) == 32 and "-" not in etag and md5.hexdigest() != etag:
        return "its MD5 is not the row's"
    return None


def replicator(round: Round) -> int:
    """Copy bodies to the second store, and back what the first one lost. Nothing without one."""
    desk = round.doors.use(Desk)
    second = desk.bodies.replica
    if second is None:
        return 0
    cursor, done = "", 0
    while True:
        with round.db.read() as tx:
            page = rows.bodies_after(tx, cursor)
        for body, size, _ in page:
            cursor = body
            for source, target in ((desk.blobs, second), (second, desk.blobs)):
                done += carry(source, target, body, size)
        if not page:
            break
    desk.usage.replicated += done
    return done


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
    except (FileNotFoundError, Rotten):
        if writer is not None:
            writer.abort()
        return 0
    return 1


def lifecycle(round: Round) -> int:
    """S3's expiry rules: old objects, old versions, uploads that nobody completes, markers with nothing beneath."""
    desk = round.doors.use(Desk)
    after, done = 0, 0
    while True:
        with round.db.read() as tx:
            page = places.all_containers(tx, after)
        if not page:
            break
        after = page[-1].id
        for c in page:
            for rule in c.control.get("lifecycle") or ():
                if rule["on"]:
                    done += _apply(desk, c, rule)
    desk.usage.expired += done
    return done


def _apply(desk: Desk, c: model.Container, rule: dict[str, Any]) -> int:
    now, done = desk.now(), 0
    before = None
    if rule.get("days") is not None:
        before = now - rule["days"] * 86400
    elif rule.get("date"):
        at = dt.datetime.fromisoformat(rule["date"].replace("Z", "+00:00"))
        before = now if (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp() <= now else None

    def objects(tx: Tx) -> int:
        count = 0
        for o in rows.first_names(tx, c.id, 200, rule["prefix"], older_than=before):
            try:
                actions.delete(tx, c.id, o.name, now, desk.wake_trash)
                count += 1
            except (Forbidden, NotFound):
                continue
        return count

    def versions(tx: Tx) -> int:
        count = 0
        for o in rows.stale_versions(tx, c.id, rule["prefix"], now - rule["old_days"] * 86400):
            try:
                actions.delete_version(tx, c.id, o.name, "null" if o.unversioned else o.version, now, desk.wake_trash)
                count += 1
            except (Forbidden, NotFound):
                continue
        return count

    def uploads(tx: Tx) -> int:
        count = 0
        for u in rows.old_uploads(tx, c.id, now - rule["abort_days"] * 86400):
            if u.name.startswith(rule["prefix"]):
                for p in rows.parts(tx, u.id):
                    rows.drop_body(tx, p.body, now, desk.wake_trash)
                rows.forget_upload(tx, u.id)
                count += 1
        return count

    work = (
        ([objects] if before is not None else [])
        + ([versions] if rule.get("old_days") else [])
        + ([uploads] if rule.get("abort_days") else [])
    )
    for step in work:
        while True:
            count = desk.commits.write_now(step)
            done += count
            if count < 200:
                break
    return done


def counted(loop: Loop) -> Loop:
    """The same loop, whose work shows in the metrics."""

    def run(round: Round) -> int:
        done = loop.run(round)
        if done:
            metrics.OBJECTS.labels(loop.name.partition(".")[2]).inc(done)
        metrics.ROTTEN.set(round.doors.use(Desk).usage.rotten + round.doors.use(Desk).bodies.rotten_found)
        return done

    return dataclasses.replace(loop, run=run)


_LOOPS = (
    Loop("objects.replicator", replicator, every=60),
    Loop("objects.lifecycle", lifecycle, every=3600),
    Loop("objects.trash", trash, every=10, topic="objects.trash"),
    Loop("objects.expirer", expirer, every=30),
    Loop("objects.reaper", reaper, every=60),
    Loop("objects.updater", updater, every=600),
    Loop("objects.orphans", orphans, every=3600),
    Loop("objects.auditor", auditor, every=60),
)
LOOPS = tuple(counted(loop) for loop in _LOOPS)
