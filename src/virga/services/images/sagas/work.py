# SPDX-License-Identifier: Apache-2.0
"""The slow parts of an import: looking at bytes, unpacking, converting, writing to several stores at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from virga.ground.errors import Invalid, NotFound, Problem, UnsupportedMedia
from virga.ground.sagas import Context
from virga.ground.sandbox import SandboxFailed, converted, unpacked
from virga.services.images import model, store
from virga.services.images.actions.data import open_any
from virga.services.images.driver import BlobStore, Stores, Writer
from virga.services.images.inspect import Inspection, Inspector, refuse
from virga.services.images.intake import Intake
from virga.services.images.settings import Images
from virga.services.images.signature import Signature
from virga.services.images.transfers import Stopped, TransferProgress

PACKED = (b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh", b"PK\3\4")
QEMU = {
    "raw": "raw",
    "gpt": "raw",
    "qcow2": "qcow2",
    "vmdk": "vmdk",
    "vdi": "vdi",
    "vhd": "vpc",
    "vhdx": "vhdx",
    "iso": "raw",
}


def descriptor(blobs: BlobStore, key: str) -> int:
    """A readable descriptor on a blob, at its start; the caller closes it."""
    path = blobs.path(key)
    if path is not None:
        return os.open(path, os.O_RDONLY)
    fd = os.memfd_create("image")
    for chunk in blobs.read(key):
        view = memoryview(chunk)
        while view:
            view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def look(ctx: Context, blobs: BlobStore, key: str) -> Inspection:
    fd = descriptor(blobs, key)
    return ctx.registry.use(Inspector).look(fd, os.fstat(fd).st_size)


def examine(
    ctx: Context,
    own: Images,
    key: str,
    *,
    fresh: str,
    declared: tuple[str | None, str | None],
    may_change: bool,
    progress: TransferProgress,
) -> dict[str, Any]:
    """{key, format, virtual} of what will be delivered, with `changed` and the new formats if it was unpacked or converted."""
    staging = ctx.registry.use(Stores).staging
    disk, container = declared
    out: dict[str, Any] = {}
    signed = any(n in image_properties(ctx) for n in model.SIGNATURE)
    if may_change and own.decompress and not signed and _head(staging, key).startswith(PACKED):
        key = _unpack(ctx, staging, key, f"{fresh}1", progress)
        out["changed"] = True
        if container == "compressed":
            container = out["container_format"] = "bare"
    seen = look(ctx, staging, key)
    refuse(seen, _declared(disk, container), own)
    plain = container == "bare" and seen.format in QEMU and seen.format != "iso" and not signed
    if may_change and own.convert_to and plain and QEMU[seen.format] != own.convert_to:
        key = _convert(staging, key, f"{fresh}2", QEMU[seen.format], own.convert_to, progress)
        seen = look(ctx, staging, key)
        refuse(seen, _declared(own.convert_to, container), own)
        out |= {"changed": True, "disk_format": own.convert_to}
    elif disk:
        out["disk_format"] = disk
    return out | {"key": key, "format": seen.format, "virtual": seen.virtual_size, "container_format": container}


class _Said:
    """The formats that bytes are said to have."""

    def __init__(self, disk: str | None, container: str | None) -> None:
        self.disk_format, self.container_format = disk, container


def _declared(disk: str | None, container: str | None) -> Any:
    return _Said(disk, container)


def image_properties(ctx: Context) -> dict[str, Any]:
    with ctx.db.read() as tx:
        row = store.IMAGES.get(tx, ctx.args["image"])
    return row.properties if row is not None else {}


def _head(blobs: BlobStore, key: str) -> bytes:
    return next(iter(blobs.read(key, 0, 8)), b"")


def _unpack(ctx: Context, staging: BlobStore, key: str, fresh: str, progress: TransferProgress) -> str:
    fd, writer = descriptor(staging, key), staging.create(fresh)
    intake = Intake(ctx.args["most"], ctx.args["why"])

    def sink(piece: bytes) -> None:
        intake.count(piece)
        writer.write(piece)
        progress.update(intake.size, 0, "unpack")

    try:
        unpacked(fd, sink)
        writer.commit()
    except SandboxFailed as e:
        writer.abort()
        raise Invalid(f"The image cannot be unpacked: {e}") from e
    except BaseException:
        writer.abort()
        raise
    finally:
        os.close(fd)
    return fresh


def _convert(staging: BlobStore, key: str, fresh: str, source: str, target: str, progress: TransferProgress) -> str:
    fd, writer = descriptor(staging, key), staging.create(fresh)
    try:
        converted(fd, writer.raw(), source, target, lambda percent: progress.update(int(percent), 100, "convert"))
        writer.commit()
    except SandboxFailed as e:
        writer.abort()
        raise UnsupportedMedia(f"The image cannot be converted to {target}: {e}") from e
    except BaseException:
        writer.abort()
        raise
    finally:
        os.close(fd)
    return fresh


def signature(ctx: Context, row: model.Image) -> Signature | None:
    if not any(name in row.properties for name in model.SIGNATURE):
        return None
    return Signature(row.properties, ctx.registry.use(Images).trusted_certificates, ctx.world.now())


def source(ctx: Context, stores: Stores, row: model.Image, key: str | None) -> Iterator[bytes]:
    """The bytes from the staging area, or from wherever the image has them. Raises NotFound."""
    if key is not None:
        return stores.staging.read(key)
    with ctx.db.read() as tx:
        locations = store.locations(tx, row.id)
    if not locations:
        raise NotFound(f"Image {row.id} has no bytes to copy.")
    return open_any(stores, locations)


def fan_out(
    stores: Stores,
    store_ids: list[str],
    key: str,
    *,
    source: Iterator[bytes],
    intake: Intake,
    must: bool,
    size: int,
    progress: TransferProgress,
) -> dict[str, str]:
    """One reading, every store; the stores that failed, and why. With `must` the first failure ends it all.
    Raises Invalid."""
    writers: dict[str, Writer] = {}
    failed: dict[str, str] = {}

    def each(act: Any) -> None:
        for place in list(writers):
            try:
                act(writers[place])
            except (OSError, Problem) as e:
                failed[place] = str(e)
                writers.pop(place).abort()
                if must:
                    raise Invalid(f"Store {place} did not take the bytes: {e}") from e

    try:
        for place in store_ids:
            try:
                writers[place] = stores.get(place).blobs.create(key, size or None)
            except (OSError, Problem) as e:
                failed[place] = str(e)
                if must:
                    raise Invalid(f"Store {place} did not take the bytes: {e}") from e
        for chunk in source:
            intake.take(chunk)
            each(lambda w, chunk=chunk: w.write(chunk))
            progress.update(intake.size, size, "store")
        each(lambda w: w.commit())
    except (Stopped, Exception):
        for writer in writers.values():
            writer.abort()
        raise
    return failed
