# SPDX-License-Identifier: Apache-2.0
"""Image bytes: upload and stage while hashing, download with ranges. Streams in constant memory; the row changes in short
transactions."""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from virga.authority.rules import is_admin
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NoSpace,
    NotFound,
    Problem,
    RangeUnsatisfiable,
    Unavailable,
    UnsupportedMedia,
)
from virga.ground.http.call import Answer, Call, repeated
from virga.services.images import events, limits, model, policy, store
from virga.services.images.actions.images import found, permit
from virga.services.images.driver import Store, Stores, Writer
from virga.services.images.inspect import Inspection, Inspector, refuse
from virga.services.images.intake import Intake, Stored
from virga.services.images.settings import Images
from virga.services.images.signature import Signature

BATCH = 2 << 20
LEASE = 120.0


@dataclass
class PendingUpload:
    """An upload under way: the image, the id that fences it, where its bytes go."""

    image: model.Image
    upload: str
    key: str
    place: Store | None
    intake: Intake


async def upload(call: Call, id: str, checksum: str | None = None, size: int | None = None) -> Answer:
    """PUT /v2/images/{id}/file: 204 when the bytes are on the disk, their format known and their hashes kept. `checksum` (MD5) and
    `size` are what a client of v1 says of them beforehand: other bytes are not kept."""

    def finish(call: Call, upload: PendingUpload, writer: Writer, stored: Stored) -> None:
        if checksum and checksum != stored.checksum:
            raise Invalid(
                f"The bytes have the checksum {stored.checksum}, not {checksum[:40]}", field="x-image-meta-checksum"
            )
        if size is not None and size != stored.size:
            raise Invalid(f"The body is {stored.size} bytes long, not {size}", field="x-image-meta-size")
        _finish(call, upload, writer, stored)

    return await receive(call, id, _begin, finish)


async def stage(call: Call, id: str) -> Answer:
    """PUT /v2/images/{id}/stage: 204 when the bytes wait for their import (`uploading`)."""
    return await receive(call, id, _begin_stage, _finish_stage)


async def receive(
    call: Call,
    id: str,
    begin: Callable[[Call, str], PendingUpload],
    finish: Callable[[Call, PendingUpload, Writer, Stored], None],
) -> Answer:
    """The body into a store. Whatever goes wrong, and if the caller vanishes: nothing is kept and the image is queued again.
    Raises UnsupportedMedia, Invalid, NotFound, NoSpace, Unavailable."""
    loop = asyncio.get_running_loop()
    run, threads = loop.run_in_executor, call.use(Stores).threads
    upload = await run(threads, begin, call, id)
    writer: Writer | None = None
    stores, settings, length = call.use(Stores), call.use(Images), call.request.headers.get("content-length", "")
    try:
        kind = call.request.headers.get("content-type", "").partition(";")[0].strip()
        if kind and kind != "application/octet-stream":
            raise UnsupportedMedia(
                f"The format {kind[:80]} of the body is not supported; send application/octet-stream",
                field="Content-Type",
            )
        blobs = upload.place.blobs if upload.place is not None else stores.staging
        intake = upload.intake
        if length.isdecimal():
            intake.expect(int(length))
        writer = await run(threads, blobs.create, upload.key, int(length) if length.isdecimal() else None)
        renewed, before = call.now(), None
        async for batch in _batches(call, settings.upload_idle):
            intake.count(batch)
            if before is not None:
                await before
            # three threads at once: the hashes and the disk do not wait for each other
            before = asyncio.gather(
                run(threads, intake.weak, batch), run(threads, intake.strong, batch), run(threads, writer.write, batch)
            )
            if call.now() - renewed > LEASE / 4:
                renewed = call.now()
                await run(threads, _renew, call, id, upload.upload)
        if before is not None:
            await before
        if length.isdecimal() and intake.size != int(length):
            raise Invalid(f"The body ended after {intake.size} of {length} bytes", field="body")
        stored = await run(threads, intake.finish)
        await run(threads, finish, call, upload, writer, stored)
    except BaseException as e:
        if writer is not None:
            await asyncio.shield(run(threads, writer.abort))
        there = await asyncio.shield(run(threads, _give_up, call, upload, _reason(e)))
        if not there and isinstance(e, (OSError, Problem)):
            raise NotFound(f"Image {id} was deleted while its bytes arrived.") from e
        if isinstance(e, OSError) and e.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NoSpace("The image store's disk is full; nothing was kept.") from e
        if isinstance(e, OSError):
            raise Unavailable(f"The image store does not take the bytes: {e.strerror or e}; nothing was kept.") from e
        raise
    return Answer(code=204)


def _reason(e: BaseException) -> str:
    if isinstance(e, Problem):
        return e.message
    if isinstance(e, OSError):
        return f"The store failed: {e.strerror or e}"
    return "The upload was broken off before its end."


@repeated
def _begin(call: Call, id: str) -> PendingUpload:
    stores, upload_id = call.use(Stores), call.world.uuid()
    place = stores.get(call.request.headers.get("x-image-meta-store") or stores.default.id)
    if place.read_only:
        raise Conflict(f"Store {place.id} is read-only")
    with call.db.write() as tx:
        image = found(call, tx, id)
        permit(call, policy.UPLOAD_IMAGE, image)
        _formats(image)
        signature = signed(call, image)
        limits.check_arriving(tx, image.owner)
        most, why = _room(call, tx, limits.IMAGE_SIZE, image.owner)
        where = (store.c.id == id, store.c.status == model.QUEUED)
        lease = {"upload": upload_id, "upload_lease": call.now() + LEASE, "reason": None}
        if not store.IMAGES.change(tx, *where, status=model.SAVING, **lease):
            raise Conflict(
                f"Image status transition from {image.status} to saving is not allowed: the image has its bytes, or another upload is under way."
            )
    return PendingUpload(image, upload_id, store.key(id, upload_id), place, Intake(most, why, signature=signature))


def _formats(image: model.Image) -> None:
    missing = [n for n in ("disk_format", "container_format") if getattr(image, n) is None]
    if missing and image.status == model.QUEUED:
        raise Invalid(f"Properties {', '.join(missing)} must be set prior to saving data.", field=missing[0])


def signed(act: Act, image: model.Image) -> Signature | None:
    """The check of an image that says it is signed; any of the properties is enough to say so."""
    if not any(name in image.properties for name in model.SIGNATURE):
        return None
    return Signature(image.properties, act.use(Images).trusted_certificates, act.now())


def _room(act: Act, tx: Any, limit: Any, project: str) -> tuple[int, str]:
    """How many bytes may come, and whose limit that is."""
    most, left = act.use(Images).max_bytes, limits.room(tx, limit, project)
    return left if left is not None and left[0] < most else (most, "that is images.max_bytes")


async def _batches(call: Call, idle: int) -> AsyncIterator[bytes]:
    """The body in pieces of about 2 MiB; an upload that stands still is given up."""
    assert call.request.stream is not None
    stream, held, size = call.request.stream.__aiter__(), [], 0
    while True:
        try:
            async with asyncio.timeout(idle):
                chunk = await stream.__anext__()
        except StopAsyncIteration:
            break
        except TimeoutError:
            raise Invalid(f"No byte of the image arrived for {idle} seconds", field="body") from None
        held.append(chunk)
        size += len(chunk)
        if size >= BATCH:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


@repeated
def _renew(act: Act, id: str, upload_id: str) -> None:
    with act.db.write() as tx:
        if not store.IMAGES.change(tx, store.c.id == id, store.c.upload == upload_id, upload_lease=act.now() + LEASE):
            raise NotFound(f"Image {id} was deleted, or its upload given up, while the bytes arrived.")


def _finish(act: Act, upload: PendingUpload, writer: Writer, stored: Stored) -> None:
    """Look at the bytes, make them durable, then say that they are there."""
    place, image = upload.place, upload.image
    assert place is not None
    seen = look(act, image, writer, stored.size)
    writer.commit()

    def active(tx: Tx) -> None:
        limits.check_bytes(tx, image.owner, stored.size)
        where = (store.c.id == image.id, store.c.upload == upload.upload)
        changed = store.activate(
            tx,
            where,
            image.id,
            stored=stored,
            detected=seen.format,
            virtual=seen.virtual_size,
            keys_by_store={place.id: upload.key},
            now=act.now(),
            mint=act.world.uuid,
        )
        if not changed:
            raise NotFound(f"Image {image.id} was deleted while its bytes arrived.")
        act.open = tx
        act.emit(events.ImageActive(image_id=image.id))

    try:
        act.db.run(active)
    except BaseException:
        place.blobs.remove(upload.key)
        raise
    finally:
        act.open = None


def look(act: Act, image: model.Image, writer: Writer, size: int) -> Inspection:
    """What the bytes are. What they claim to be in the request is compared, never believed. Raises Unavailable."""
    fd = writer.fd()
    if fd is None:
        raise Unavailable("The store gives no way to look at the bytes")
    seen = act.use(Inspector).look(fd, size)
    refuse(seen, image, act.use(Images))
    return seen


@repeated
def _begin_stage(act: Act, id: str) -> PendingUpload:
    upload_id = act.world.uuid()
    with act.db.write() as tx:
        image = found(act, tx, id)
        permit(act, policy.MODIFY_IMAGE, image)
        _formats(image)
        limits.check_arriving(tx, image.owner)
        most, why = _room(act, tx, limits.IMAGE_STAGE, image.owner)
        where = (store.c.id == id, store.c.status == model.QUEUED)
        lease = {"upload": upload_id, "upload_lease": act.now() + LEASE, "reason": None}
        if not store.IMAGES.change(tx, *where, status=model.UPLOADING, **lease):
            raise Conflict(f"Image status transition from {image.status} to uploading is not allowed.")
    return PendingUpload(image, upload_id, store.key(id, upload_id), None, Intake(most, why))


def _finish_stage(act: Act, upload: PendingUpload, writer: Writer, stored: Stored) -> None:
    writer.commit()
    lease = act.now() + act.use(Images).stage_seconds
    where = (store.c.id == upload.image.id, store.c.upload == upload.upload)
    kept_row = {
        "staged": upload.key,
        "staged_size": stored.size,
        "size": stored.size,
        "upload": None,
        "upload_lease": lease,
    }
    changed = act.db.run(lambda tx: store.IMAGES.change(tx, *where, **kept_row, updated=act.now()))
    if not changed:
        act.use(Stores).staging.remove(upload.key)
        raise NotFound(f"Image {upload.image.id} was deleted while its bytes arrived.")


@repeated
def _give_up(act: Act, upload: PendingUpload, reason: str) -> bool:
    """Queued again, with the reason; whether the image is still there."""
    try:
        with act.db.write() as tx:
            where = (store.c.id == upload.image.id, store.c.upload == upload.upload)
            store.IMAGES.change(tx, *where, status=model.QUEUED, upload=None, upload_lease=0.0, reason=reason[:1000])
            return store.IMAGES.get(tx, upload.image.id) is not None
    except Problem:
        return True  # the loop gives it up when the lease is over


RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


async def download(call: Call, id: str) -> Answer:
    """GET /v2/images/{id}/file, whole or one range; 204 while there are no bytes."""
    loop = asyncio.get_running_loop()
    threads: Executor = call.use(Stores).threads
    image, locations = await loop.run_in_executor(threads, _readable, call, id)
    if not locations or image.size is None:
        return Answer(code=204)
    start, length, code = _range(_asked(call), image.size)
    headers = {"content-length": str(length), "content-type": "application/octet-stream", "accept-ranges": "bytes"}
    if code == 206:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{image.size}"
    elif image.checksum:
        headers["content-md5"] = image.checksum
    if call.request.method == "HEAD":
        return Answer(code=code, headers=headers, body=b"")
    threads = call.use(Stores).reading(p.store for p in locations)
    chunks = await loop.run_in_executor(threads, open_any, call.use(Stores), locations, start, length)
    return Answer(code=code, headers=headers, stream=_out(threads, chunks))


def _readable(act: Act, id: str) -> tuple[model.Image, list[model.Location]]:
    with act.db.read() as tx:
        image = found(act, tx, id)
        permit(act, policy.DOWNLOAD_IMAGE, image)
        if image.status == model.DEACTIVATED and not is_admin(act.actor):
            raise Forbidden(f"Image {id} is deactivated: its bytes are not given out.")
        ready = image.status in {model.ACTIVE, model.DEACTIVATED}
        return image, store.locations(tx, id) if ready else []


def open_any(
    stores: Stores, locations: list[model.Location], start: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """The bytes from the first place that gives them, the preferred first. Raises Unavailable when none does."""
    order = {id: n for n, id in enumerate(stores.ordered([p.store for p in locations]))}
    why = "no store of this cloud has it"
    for place in sorted(locations, key=lambda p: order[p.store]):
        known = stores.by_id.get(place.store)
        if known is None:
            continue
        chunks = known.blobs.read(place.key, start, length)
        try:
            first = next(chunks, b"")
        except (OSError, Problem) as e:
            why = f"store {place.store}: {e}"
            continue
        return _chain(first, chunks)
    raise Unavailable(f"The image's bytes cannot be read now: {why}")


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _range(header: str | None, size: int) -> tuple[int, int, int]:
    """(start, length, code). As Glance: one range; several are a 400, what is none or lies outside a 416."""
    if not header:
        return 0, size, 200
    if "," in header:
        raise Invalid("Several ranges in one request are not supported; make one request for each.", field="Range")
    match = RANGE.fullmatch(header.strip())
    if match is None or not any(match.groups()):
        raise RangeUnsatisfiable(f"The range '{header[:80]}' is not one of bytes=first-last")
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start >= size or end < start:
        raise RangeUnsatisfiable(f"The range '{header[:80]}' lies outside of the {size} bytes of the image")
    return start, end - start + 1, 206


CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


def _asked(call: Call) -> str | None:
    """The range in the request: `Range`, or `Content-Range`, which clients of old send and Glance takes."""
    older = call.request.headers.get("content-range")
    if "range" in call.request.headers or older is None:
        return call.request.headers.get("range")
    match = CONTENT_RANGE.fullmatch(older.strip())
    if match is None:
        raise RangeUnsatisfiable(f"The range '{older[:80]}' is not one of bytes first-last/size")
    return f"bytes={match[1]}-{match[2]}"


async def _out(threads: Executor, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """One chunk is read while the one before is on its way to the caller."""
    loop = asyncio.get_running_loop()
    ahead = loop.run_in_executor(threads, next, chunks, None)
    while True:
        chunk = await ahead
        if chunk is None:
            return
        ahead = loop.run_in_executor(threads, next, chunks, None)
        yield chunk
