# SPDX-License-Identifier: Apache-2.0
"""Images that another service makes of a disk. A saga of that service owns the record from its first row on (`saga_id`): what it
leaves behind when it dies, the loops of this service settle; and until it publishes, nobody can boot from it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from virga.authority.rules import allow
from virga.ground import typed
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import NoSpace, NotFound, Problem, Unavailable
from virga.ground.events import emit
from virga.ground.sagas.saga import SAGAS, Again, Context, wake
from virga.services.images import events, limits, model, policy, properties, store
from virga.services.images.driver import Stores
from virga.services.images.inspect import Inspector, refuse
from virga.services.images.intake import Intake, Stored
from virga.services.images.settings import Images
from virga.services.images.signature import Signature
from virga.services.images.transfers import ImageTransfers, TransferProgress


class Refused(Problem):
    """The store, or the look at the bytes, said no; the message says why."""


def begin(
    act: Act,
    id: str,
    saga: str,
    *,
    name: str,
    owner: str,
    member: str | None,
    extra: dict[str, str],
    min_disk: int,
    min_ram: int,
) -> None:
    """A private record that waits for its bytes, owned by `saga`; with `member` it is shared with that project, which need not accept.
    Raises Forbidden, Invalid, OverQuota as creating it by hand would."""
    allow(act, policy.ADD_IMAGE, project_id=act.actor.project_id)
    extra = properties.checked(extra)
    limits.check_images(act.tx, owner)
    limits.check_arriving(act.tx, owner)
    now = act.now()
    store.add(
        act.tx,
        id=id,
        name=name,
        owner=owner,
        status=model.QUEUED,
        visibility="private" if member is None else "shared",
        disk_format=None,
        container_format=None,
        detected=None,
        min_disk=min_disk,
        min_ram=min_ram,
        size=None,
        virtual_size=None,
        checksum=None,
        os_hash_algo=None,
        os_hash_value=None,
        protected=False,
        os_hidden=False,
        tags=[],
        properties=extra,
        upload=None,
        upload_lease=0.0,
        created=now,
        updated=now,
        stores=[],
        staged=None,
        staged_size=0,
        importing=[],
        failed=[],
        saga_id=saga,
        task_id=None,
        reason=None,
    )
    if member is not None:
        store.MEMBERS.insert(act.tx, image_id=id, member_id=member, status=model.ACCEPTED, created=now, updated=now)


def take(
    ctx: Context, id: str, exclusive: str, chunks: Callable[[], Iterator[bytes]], size: int, formats: tuple[str, str]
) -> dict[str, Any]:
    """The bytes into the default store, looked at like everybody's: a note for `publish`. A transfer carries them; until it has, Again.
    Raises Refused; NotFound when the image was deleted meanwhile."""

    def done() -> None:
        with ctx.db.write() as tx:
            wake(tx, ctx.registry, exclusive)

    def job(progress: TransferProgress) -> dict[str, Any]:
        try:
            return _take(ctx, id, chunks(), size, formats, progress)
        except (OSError, Unavailable, NoSpace) as e:
            full = isinstance(e, OSError) and e.errno in {errno.ENOSPC, errno.EDQUOT}
            raise Refused(
                "The image store's disk is full; nothing was kept." if full else f"The image store failed: {e}"
            ) from e

    found: dict[str, Any] = ctx.registry.use(ImageTransfers).ensure(f"{ctx.id}:snapshot", job, done, tell=ctx.say)
    return found


def _take(
    ctx: Context, id: str, chunks: Iterator[bytes], size: int, formats: tuple[str, str], progress: TransferProgress
) -> dict[str, Any]:
    stores, own = ctx.registry.use(Stores), ctx.registry.use(Images)
    place, key = stores.default, store.key(id, ctx.id)
    with ctx.db.write() as tx:
        where = (store.c.id == id, store.c.saga_id == ctx.id, store.c.status.in_((model.QUEUED, model.SAVING)))
        saga = SAGAS.get(tx, ctx.id)
        lease = saga.deadline if saga is not None else ctx.world.now() + 3600
        row = store.IMAGES.get(tx, id)
        if row is None or not store.IMAGES.change(tx, *where, status=model.SAVING, upload=ctx.id, upload_lease=lease):
            raise NotFound(f"Image {id} was deleted while it was made.")
        left = limits.room(tx, limits.IMAGE_SIZE, row.owner)
    most, why = left if left is not None and left[0] < own.max_bytes else (own.max_bytes, "that is images.max_bytes")
    intake = Intake(most, why)
    place.blobs.remove(key)
    writer = place.blobs.create(key, size or None)
    try:
        intake.expect(size)
        for chunk in chunks:
            intake.take(chunk)
            writer.write(chunk)
            progress.update(intake.size, size, "store")
        fd = writer.fd()
        if fd is None:
            raise Unavailable("The store gives no way to look at the bytes")
        seen = ctx.registry.use(Inspector).look(fd, intake.size)
        declared = msgspec.structs.replace(row, disk_format=formats[0], container_format=formats[1])
        refuse(seen, declared, own)
        writer.commit()
    except BaseException:
        writer.abort()
        raise
    stored = msgspec.to_builtins(intake.finish())
    return {
        "kept": stored,
        "places": {place.id: key},
        "format": seen.format,
        "virtual": seen.virtual_size,
        "formats": list(formats),
    }


def untake(ctx: Context, id: str) -> None:
    """No byte of `take` is left; Again while it still works."""
    if not ctx.registry.use(ImageTransfers).cancel(f"{ctx.id}:"):
        raise Again(0.2)
    blobs, key = ctx.registry.use(Stores).default.blobs, store.key(id, ctx.id)
    blobs.remove(key)
    blobs.discard(key)


def publish(ctx: Context, id: str, found: dict[str, Any]) -> None:
    """The image is active, in the transaction that counts what its project has. Raises NotFound, OverQuota."""
    tx, where = ctx.tx, (store.c.id == id, store.c.saga_id == ctx.id)
    row = store.IMAGES.one(tx, *where)
    if row is None:
        raise NotFound(f"Image {id} was deleted while it was made.")
    stored = typed.convert(found["kept"], Stored)
    limits.check_bytes(tx, row.owner, stored.size, len(found["places"]))
    disk, container = found["formats"]
    store.activate(
        tx,
        where,
        id,
        stored=stored,
        detected=found["format"],
        virtual=found["virtual"],
        keys_by_store=found["places"],
        now=ctx.world.now(),
        mint=ctx.world.uuid,
        disk_format=disk,
        container_format=container,
    )
    emit(tx, ctx.registry, events.ImageActive(image_id=id))


def abandon(tx: Tx, registry: Any, id: str, saga: str) -> bool:
    """The record goes, if it still is `saga`'s: what never became an image is none. Its bytes are the sweeper's."""
    row = store.IMAGES.one(tx, store.c.id == id, store.c.saga_id == saga)
    if row is None:
        return False
    store.remove(tx, id)
    emit(tx, registry, events.ImageDeleted(image_id=id))
    return True


def rotate(tx: Tx, registry: Any, owner: str, server: str, kind: str, keep: int) -> list[str]:
    """Of a server's whole backups of one kind the newest `keep` stay; the ids of those that went. What is protected stays, too."""
    rows = store.IMAGES.find(
        tx, store.c.owner == owner, store.having("instance_uuid", server), order=store.c.created.desc()
    )
    mine = [i for i in rows if (i.properties.get("image_type"), i.properties.get("backup_type")) == ("backup", kind)]
    gone = [i.id for i in [i for i in mine if i.status == model.ACTIVE][keep:] if not i.protected]
    for id in gone:
        store.remove(tx, id)
        emit(tx, registry, events.ImageDeleted(image_id=id))
    return gone


def verify(ctx: Context, id: str, exclusive: str) -> str:
    """The image's signature against its bytes, by the certificates that are trusted now: the id of the certificate. A transfer reads;
    until it has, Again. Raises Invalid with what is wrong; an image that is not signed is not verified."""

    def done() -> None:
        with ctx.db.write() as tx:
            wake(tx, ctx.registry, exclusive)

    def job(progress: TransferProgress) -> str:
        from virga.services.images.actions.data import open_any

        with ctx.db.read() as tx:
            image, locations = store.IMAGES.get(tx, id), store.locations(tx, id)
        if image is None or not locations:
            raise NotFound(f"Image {id} is gone, or has no bytes.")
        signature = Signature(image.properties, ctx.registry.use(Images).trusted_certificates, ctx.world.now())
        for chunk in open_any(ctx.registry.use(Stores), locations):
            signature.update(chunk)
            progress.update(0, 0, "verify")
        signature.verify()
        return str(image.properties["img_signature_certificate_uuid"])

    found: str = ctx.registry.use(ImageTransfers).ensure(f"{ctx.id}:verify", job, done, tell=ctx.say)
    return found
