# SPDX-License-Identifier: Apache-2.0
"""Images' loops: uploads whose process died, bytes without a row."""

from __future__ import annotations

from virga.ground.loops.loop import Loop, Round
from virga.services.images import model, store
from virga.services.images.driver import BlobStore


def uploads(round: Round) -> int:
    """An upload without a live lease is given up: the image waits for its bytes again."""
    now = round.world.now()
    where = (store.c.status == model.SAVING, store.c.upload_lease < now)
    with round.db.read() as tx:
        dead = store.IMAGES.find(tx, *where)
    if not dead:
        return 0
    with round.db.write() as tx:
        return store.IMAGES.change(tx, *where, status=model.QUEUED, upload=None, upload_lease=0.0)


def sweep(round: Round) -> int:
    """Remove bytes that no row claims, and unfinished files of uploads that are over."""
    blobs = round.doors.use(BlobStore)
    there = blobs.ids()
    with round.db.read() as tx:
        rows = {i.id for i in store.IMAGES.within(tx, "id", there)}
        live = {i.upload for i in store.IMAGES.find(tx, store.c.status == model.SAVING) if i.upload}
    # an upload renames its file before it changes its row; what a dead one left is replaced by the next
    orphans = there - rows
    for id in orphans:
        blobs.remove(id)
    return len(orphans) + blobs.sweep(live)


LOOPS = (Loop("images.uploads", uploads, every=30), Loop("images.sweep", sweep, every=60, topic="event.images.image.deleted"))
