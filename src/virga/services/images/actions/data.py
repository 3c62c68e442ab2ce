# SPDX-License-Identifier: Apache-2.0
"""Image bytes: upload while hashing, download with ranges. Streams in constant memory; the row changes in short transactions."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from virga.authority.rules import allow
from virga.ground.errors import Conflict, Invalid, NoSpace, NotFound, Problem, RangeUnsatisfiable, TooLarge, UnsupportedMedia
from virga.ground.http.call import Answer, Call
from virga.services.images import events, model, policy, store
from virga.services.images.actions.images import found
from virga.services.images.driver import BlobStore, Writer
from virga.services.images.inspect import Inspection, Inspector
from virga.services.images.settings import Images

BATCH = 1 << 20
LEASE = 120.0


async def upload(call: Call, id: str) -> Answer:
    """PUT /v2/images/{id}/file: 204 when the bytes are on the disk, their format known and their hashes kept."""
    loop = asyncio.get_running_loop()
    image, upload_id = await loop.run_in_executor(None, _begin, call, id)
    blobs, settings = call.use(BlobStore), call.use(Images)
    writer: Writer | None = None
    try:
        kind = call.request.headers.get("content-type", "").partition(";")[0].strip()
        if kind and kind != "application/octet-stream":
            raise UnsupportedMedia(
                f"The format {kind[:80]} of the body is not supported; send application/octet-stream", field="Content-Type"
            )
        writer = await loop.run_in_executor(None, blobs.create, id, upload_id)
        hashes = (hashlib.md5(usedforsecurity=False), hashlib.sha512())
        size, renewed = 0, call.now()
        async for batch in _batches(call, settings.upload_idle):
            size += len(batch)
            if size > settings.max_bytes:
                raise TooLarge(f"The image is longer than {settings.max_bytes} bytes", limit=settings.max_bytes)
            await loop.run_in_executor(None, _take, writer, hashes, batch)
            if call.now() - renewed > LEASE / 4:
                renewed = call.now()
                await loop.run_in_executor(None, _renew, call, id, upload_id)
        seen = await loop.run_in_executor(None, _inspect, call, image, writer, size)
        await loop.run_in_executor(None, writer.commit)
        checksum, value = (h.hexdigest() for h in hashes)
        await loop.run_in_executor(None, _finish, call, id, upload_id, size, checksum, value, seen)
    except BaseException as e:
        if writer is not None:
            await asyncio.shield(loop.run_in_executor(None, writer.abort))
        await asyncio.shield(loop.run_in_executor(None, _give_up, call, id, upload_id))
        if isinstance(e, OSError) and e.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NoSpace("The image store's disk is full; nothing was kept.") from e
        raise
    return Answer(code=204)


def _begin(call: Call, id: str) -> tuple[model.Image, str]:
    upload_id = call.world.uuid()
    with call.db.write() as tx:
        image = found(call, tx, id)
        allow(call, policy.UPLOAD_IMAGE, project_id=image.owner)
        if image.disk_format is None or image.container_format is None:
            raise Invalid("Properties disk_format, container_format must be set prior to saving data.", field="disk_format")
        where = (store.c.id == id, store.c.status == model.QUEUED)
        if not store.IMAGES.change(tx, *where, status=model.SAVING, upload=upload_id, upload_lease=call.now() + LEASE):
            raise Conflict(
                f"Image status transition from {image.status} to saving is not allowed: the image has its bytes, or another upload is under way."
            )
    return image, upload_id


async def _batches(call: Call, idle: int) -> AsyncIterator[bytes]:
    """The body in pieces of about a MiB; an upload that stands still is given up."""
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


def _take(writer: Writer, hashes: tuple[Any, ...], batch: bytes) -> None:
    for h in hashes:
        h.update(batch)
    writer.write(batch)


def _inspect(call: Call, image: model.Image, writer: Writer, size: int) -> Inspection:
    """What the bytes are. What they claim to be in the request is compared, never believed."""
    seen = call.use(Inspector).look(writer.fd(), size)
    if seen.unsafe:
        raise UnsupportedMedia(f"The image is refused: {seen.unsafe}", field="body")
    if not model.fits(image.disk_format, seen.format):
        raise UnsupportedMedia(f"The image was declared as {image.disk_format} and its bytes are {seen.format}", field="disk_format")
    return seen


def _renew(call: Call, id: str, upload_id: str) -> None:
    with call.db.write() as tx:
        if not store.IMAGES.change(tx, store.c.id == id, store.c.upload == upload_id, upload_lease=call.now() + LEASE):
            raise NotFound(f"Image {id} was deleted, or its upload given up, while the bytes arrived.")


def _finish(call: Call, id: str, upload_id: str, size: int, checksum: str, value: str, seen: Inspection) -> None:
    with call.db.write() as tx:
        changed = store.IMAGES.change(
            tx, store.c.id == id, store.c.upload == upload_id, status=model.ACTIVE, size=size, virtual_size=seen.virtual_size or size, checksum=checksum,
            os_hash_algo="sha512", os_hash_value=value, detected=seen.format, upload=None, updated=call.now(),
        )  # fmt: skip
        if changed:
            call.open = tx
            call.emit(events.ImageActive(image_id=id))
            call.open = None
    if not changed:
        call.use(BlobStore).remove(id)
        raise NotFound(f"Image {id} was deleted while its bytes arrived.")


def _give_up(call: Call, id: str, upload_id: str) -> None:
    try:
        with call.db.write() as tx:
            store.IMAGES.change(tx, store.c.id == id, store.c.upload == upload_id, status=model.QUEUED, upload=None, upload_lease=0.0)
    except Problem:
        pass  # the loop gives it up when the lease is over


RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


async def download(call: Call, id: str) -> Answer:
    """GET /v2/images/{id}/file, whole or one range; 204 while there are no bytes."""
    loop = asyncio.get_running_loop()
    image = await loop.run_in_executor(None, _readable, call, id)
    if image.status != model.ACTIVE or image.size is None:
        return Answer(code=204)
    start, length, code = _range(call.request.headers.get("range"), image.size)
    headers = {"content-length": str(length), "content-type": "application/octet-stream", "accept-ranges": "bytes"}
    if code == 206:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{image.size}"
    elif image.checksum:
        headers["content-md5"] = image.checksum
    if call.request.method == "HEAD":
        return Answer(code=code, headers=headers, body=b"")
    blobs = call.use(BlobStore)
    return Answer(code=code, headers=headers, stream=_out(blobs.read(id, start, length)))


def _readable(call: Call, id: str) -> model.Image:
    with call.db.read() as tx:
        image = found(call, tx, id)
        allow(call, policy.DOWNLOAD_IMAGE, project_id=image.owner)
    return image


def _range(header: str | None, size: int) -> tuple[int, int, int]:
    if not header:
        return 0, size, 200
    match = RANGE.fullmatch(header.strip())
    if match is None or not any(match.groups()):
        raise RangeUnsatisfiable(f"The range '{header[:80]}' is not one of bytes=first-last")
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start >= size or end < start:
        raise RangeUnsatisfiable(f"The range '{header[:80]}' lies outside of the {size} bytes of the image")
    return start, end - start + 1, 206


async def _out(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    while True:
        chunk = await loop.run_in_executor(None, next, chunks, None)
        if chunk is None:
            return
        yield chunk
