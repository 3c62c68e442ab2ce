# SPDX-License-Identifier: Apache-2.0
"""Images' loops: uploads whose process died, states whose saga is over, bytes without a row, tasks that are old."""

from __future__ import annotations

from collections.abc import Callable

from virga.ground import log, metrics
from virga.ground.loops.loop import Loop, Round
from virga.ground.sagas.saga import SAGAS
from virga.services.images import model, store
from virga.services.images.cache import ImageCache
from virga.services.images.driver import BlobStore, Store, Stores

LOG = log.get("images")


def uploads(round: Round) -> int:
    """An upload without a live lease, and staged bytes that nobody imported in time, are given up: the image waits for its bytes
    again, and says why."""
    where = (store.c.status.in_((model.SAVING, model.UPLOADING)), store.c.upload_lease < round.world.now())
    with round.db.read() as tx:
        dead = store.IMAGES.find(tx, *where)
    done = 0
    for row in dead:
        why = (
            "The staged bytes were not imported in time."
            if row.staged
            else "The upload was broken off: its process ended."
        )
        change = {
            "status": model.QUEUED,
            "upload": None,
            "upload_lease": 0.0,
            "staged": None,
            "staged_size": 0,
            "size": None,
            "reason": why,
        }
        with round.db.write() as tx:
            done += store.IMAGES.change(tx, store.c.id == row.id, *where, **change)
    return done


def settle(round: Round) -> int:
    """No image stays in an import whose saga is over, and we hear of it as a bug."""
    with round.db.read() as tx:
        rows = store.IMAGES.find(tx, store.c.saga_id.is_not(None))
        live = {s.id for s in SAGAS.within(tx, "id", [r.saga_id for r in rows if r.saga_id], SAGAS.c.ended.is_(None))}
    settled = 0
    for row in rows:
        if row.saga_id in live:
            continue
        reason = "The import ended without a result."
        change: dict[str, object] = {"saga_id": None, "task_id": None, "importing": [], "reason": reason}
        if row.status == model.IMPORTING:
            change |= {"status": model.QUEUED, "staged": None, "staged_size": 0, "size": None, "upload_lease": 0.0}
        with round.db.write() as tx:
            settled += store.IMAGES.change(tx, store.c.id == row.id, store.c.saga_id == row.saga_id, **change)
            if row.task_id:
                open = store.TASKS.c.status.in_((model.WAITING, model.PROCESSING))
                store.TASKS.change(tx, store.TASKS.c.id == row.task_id, open, status=model.FAILURE, message=reason)
        metrics.KEEPER.labels("image").inc()
        LOG.error("settled", image=row.id, saga=row.saga_id)
    return settled


def _seen(store: Store) -> tuple[BlobStore, set[str], set[str]] | None:
    """What lies in a store; None when it does not answer, which is no reason not to sweep the others."""
    try:
        return store.blobs, store.blobs.ids(), store.blobs.unfinished()
    except OSError as e:
        LOG.warning("store_silent", store=store.id, why=str(e))
        return None


def _gone(take: Callable[[str], None], key: str) -> int:
    """1 when it was taken away; 0 when it is still held: the next round tries again."""
    try:
        take(key)
    except OSError as e:
        LOG.warning("blob_held", key=key, why=str(e))
        return 0
    return 1


def sweep(round: Round) -> int:
    """Remove bytes that no row claims, and unfinished files of writes that are over. First the stores are looked at, then the rows:
    a key is used by one write only, and its row is there before it, so what has no row by then will never have one."""
    stores = round.registry.use(Stores)
    there = {s.id: seen for s in stores.writable() if (seen := _seen(s)) is not None}
    staged, staging = stores.staging.ids(), stores.staging.unfinished()
    with round.db.read() as tx:
        claimed = {(p.store, p.key) for p in store.LOCATIONS.within(tx, "store", there)}
        busy = store.IMAGES.find(
            tx, (store.c.upload.is_not(None)) | (store.c.saga_id.is_not(None)) | (store.c.staged.is_not(None))
        )
    live = {store.key(i.id, w) for i in busy for w in (i.upload, i.saga_id) if w}
    waiting = {i.staged for i in busy if i.staged} | {f"{k}{end}" for k in live for end in ("", "-x1", "-x2")}
    done = 0
    for id, (blobs, keys, open) in there.items():
        dead = {k for k in keys if (id, k) not in claimed and k not in live}
        done += sum(_gone(blobs.remove, key) for key in dead) + sum(_gone(blobs.discard, key) for key in open - live)
    for key in staged - waiting:
        stores.staging.remove(key)
        done += 1
    for key in staging - waiting:
        stores.staging.discard(key)
        done += 1
    return done


def tasks(round: Round) -> int:
    """Tasks that ended go away when they expire."""
    with round.db.read() as tx:
        old = store.TASKS.find(tx, store.TASKS.c.expires < round.world.now(), limit=1000)
    if not old:
        return 0
    with round.db.write() as tx:
        return store.TASKS.delete(tx, store.TASKS.c.id.in_([t.id for t in old]))


def cache(round: Round) -> int:
    """This node keeps nothing of images that are gone, and not more than it should."""
    cache = round.registry.use(ImageCache)
    there = {e.image_id for e in cache.cached()}
    with round.db.read() as tx:
        rows = {i.id for i in store.IMAGES.within(tx, "id", there)}
    return sum(cache.drop(id) for id in there - rows) + cache.prune()[0]


LOOPS = (
    Loop("images.cache", cache, every=300, topic="event.images.image.deleted", shared=False),
    Loop("images.uploads", uploads, every=30),
    Loop("images.keep", settle, every=10),
    Loop("images.sweep", sweep, every=60, topic="event.images.image.deleted"),
    Loop("images.tasks", tasks, every=3600),
)
