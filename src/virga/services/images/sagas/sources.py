# SPDX-License-Identifier: Apache-2.0
"""Where an import's bytes come from: an address of the web, or another cloud's image service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from virga.ground import typed
from virga.ground.errors import Invalid, NotFound, TooLarge
from virga.ground.sagas import Context
from virga.services.identity import api as identity
from virga.services.images import model, store
from virga.services.images.actions.data import open_any
from virga.services.images.driver import Stores
from virga.services.images.fetch import Download, Guard
from virga.services.images.settings import Images
from virga.services.images.transfers import ImageTransfers, TransferProgress

CARRIED = ("hw_", "trait:", "os_distro", "os_secure_boot", "os_type")
DESCRIPTION = 1 << 20


def write_chunks(
    stores: Stores, key: str, chunks: Iterable[bytes], *, total: int, most: int, why: str, progress: TransferProgress
) -> int:
    """The chunks into the staging area, whole or not at all; how many bytes. Raises TooLarge."""
    writer, size = stores.staging.create(key), 0
    try:
        if total > most:
            raise TooLarge(f"The image is longer than {most} bytes: {why}", limit=most)
        for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise TooLarge(f"The image is longer than {most} bytes: {why}", limit=most)
            writer.write(chunk)
            progress.update(size, total, "download")
        writer.commit()
    except BaseException:
        writer.abort()
        raise
    return size


def from_web(
    ctx: Context, stores: Stores, url: str, *, key: str, most: int, why: str, progress: TransferProgress
) -> dict[str, Any]:
    """The URL was read when it was asked for; what its host is, is looked at for every connection."""
    download = Download(Guard(ctx.registry.use(Images), ctx.args["project"]), url)
    try:
        download.open()
        write_chunks(stores, key, download, total=download.size or 0, most=most, why=why, progress=progress)
    finally:
        download.close()
    return {"key": key}


def from_glance(
    ctx: Context, stores: Stores, key: str, most: int, why: str, progress: TransferProgress
) -> dict[str, Any]:
    """An image of another region, with the caller's token; of this cloud, with the caller's rights.
    Raises NotFound, Invalid."""
    requested = ctx.args["from"]
    with ctx.db.read() as tx:
        base = identity.endpoint(tx, "image", requested["glance_region"], requested["glance_service_interface"])
    if base is None:
        raise NotFound(
            f"The catalogue has no {requested['glance_service_interface'][:40]} image endpoint in region {requested['glance_region'][:64]}"
        )
    if base.startswith("/"):
        return _own(ctx, stores, key, most, why, progress)
    token = ctx.registry.use(ImageTransfers).secrets.get(ctx.id)
    if token is None:
        raise Invalid("The import was interrupted, and the token that it may use is gone: ask for it again.")
    return _other(
        ctx, stores, base.rstrip("/").removesuffix("/v2"), token=token, key=key, most=most, why=why, progress=progress
    )


def _own(ctx: Context, stores: Stores, key: str, most: int, why: str, progress: TransferProgress) -> dict[str, Any]:
    id = ctx.args["from"]["glance_image_id"]
    with ctx.db.read() as tx:
        row = store.seen(tx, id, ctx.args["project"], False)
        locations = store.locations(tx, id) if row is not None and row.status == model.ACTIVE else []
    if row is None or not locations:
        raise NotFound(f"Image {id} does not exist there, or has no bytes")
    write_chunks(stores, key, open_any(stores, locations), total=row.size or 0, most=most, why=why, progress=progress)
    return {"key": key} | described(
        {"disk_format": row.disk_format, "container_format": row.container_format} | row.properties
    )


def _other(
    ctx: Context, stores: Stores, base: str, *, token: str, key: str, most: int, why: str, progress: TransferProgress
) -> dict[str, Any]:
    # the operator put this address into the catalogue: it may be reached although it is not a public one
    host = urlsplit(base).hostname or ""
    own = msgspec.structs.replace(ctx.registry.use(Images), import_allow=[host, f"{host}:{urlsplit(base).port or 443}"])
    url, headers = f"{base}/v2/images/{ctx.args['from']['glance_image_id']}", {"X-Auth-Token": token}
    about = Download(Guard(own, ctx.args["project"]), url, headers=headers)
    data = Download(Guard(own, ctx.args["project"]), f"{url}/file", headers=headers)
    try:
        about.open()
        text = b""
        for piece in about:
            text += piece
            if len(text) > DESCRIPTION:
                raise Invalid("The other cloud's description of the image is endless")
        found = typed.decode(text, dict[str, Any])
        data.open()
        write_chunks(stores, key, data, total=data.size or 0, most=most, why=why, progress=progress)
    except msgspec.DecodeError as e:
        raise Invalid(f"The other cloud's description of the image cannot be read: {e}") from None
    finally:
        about.close()
        data.close()
    return {"key": key} | described(found)


def described(found: dict[str, Any]) -> dict[str, Any]:
    """What is taken over besides the bytes: the formats, and the properties that machines are built by."""
    properties = {k: v for k, v in found.items() if k.startswith(CARRIED) and isinstance(v, str)}
    formats = {k: found[k] for k in ("disk_format", "container_format") if isinstance(found.get(k), str)}
    return formats | {"properties": properties}
