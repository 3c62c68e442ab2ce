# SPDX-License-Identifier: Apache-2.0
"""Images' API inside the program: what compute and the composition root may ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from virga.authority.rules import allow, is_admin
from virga.ground.act import Act
from virga.ground.db.engine import Database, Tx
from virga.ground.errors import NotFound
from virga.ground.registry import Registry
from virga.services.images import model, policy, stock, store
from virga.services.images.actions import images, snapshots
from virga.services.images.actions.data import open_any
from virga.services.images.cache import ImageCache
from virga.services.images.driver import Stores
from virga.services.images.drivers import stores
from virga.services.images.metadefs import defaults
from virga.services.images.settings import Images

first_image = stock.first


class ImageRef(msgspec.Struct, frozen=True):
    """What others need to know of an image."""

    id: str
    name: str | None
    status: str
    format: str
    size: int
    virtual_size: int
    min_disk: int
    min_ram: int
    properties: dict[str, Any]
    disk_format: str | None = None
    container_format: str | None = None


def _ref(i: model.Image) -> ImageRef:
    format = i.detected or i.disk_format or "raw"
    return ImageRef(
        i.id,
        i.name,
        i.status,
        "raw" if format == "gpt" else format,
        i.size or 0,
        i.virtual_size or i.size or 0,
        i.min_disk,
        i.min_ram,
        i.properties,
        i.disk_format,
        i.container_format,
    )


def visible(tx: Tx, id: str, project_id: str | None, admin: bool) -> ImageRef | None:
    """The image if the project may use it."""
    found = store.seen(tx, id, project_id, admin)
    return None if found is None else _ref(found)


class Proxied(msgspec.Struct, frozen=True):
    """An image as Nova's API lists it."""

    id: str
    name: str | None
    status: str
    size: int
    min_disk: int
    min_ram: int
    properties: dict[str, Any]
    created: float
    updated: float


def _proxied(i: model.Image) -> Proxied:
    return Proxied(i.id, i.name, i.status, i.size or 0, i.min_disk, i.min_ram, i.properties, i.created, i.updated)


def listed(act: Act, *, name: str | None, marker: str | None, limit: int) -> list[Proxied]:
    """The images that the caller sees, newest first. Raises Invalid for a marker that is not among them."""
    allow(act, policy.GET_IMAGES)
    own, admin = act.actor.project_id, is_admin(act.actor)
    where: list[Any] = [store.c.os_hidden.is_(False)]
    if name is not None:
        where.append(store.c.name == name)
    seen = store.listed_to(own, admin, None, "accepted")
    rows = store.IMAGES.page(act.tx, *where, seen=seen, sort=[("created", "desc")], marker=marker, limit=limit)
    return [_proxied(i) for i in rows]


def shown(act: Act, id: str) -> Proxied:
    """Raises NotFound."""
    return _proxied(images.show(act, id))


def deleted(act: Act, id: str) -> None:
    """What `DELETE /v2/images/{id}` does."""
    images.delete(act, id)


def ids(tx: Tx, wanted: Iterable[str]) -> set[str]:
    """Those of `wanted` that still exist."""
    return {i.id for i in store.IMAGES.within(tx, "id", wanted)}


def by_name(tx: Tx, name: str, project_id: str) -> ImageRef | None:
    """The newest active image of that name that the project sees."""
    listed = store.listed_to(project_id, False, "all", "accepted")
    rows = store.IMAGES.find(
        tx, store.c.name == name, store.c.status == model.ACTIVE, listed, order=store.c.created.desc(), limit=1
    )
    return _ref(rows[0]) if rows else None


def path(registry: Registry, id: str) -> Path | None:
    """The image's file on this machine: the store's own, or the cache's, fetched if need be (once, however many ask). None when the
    image is gone, or when there are no files here."""
    try:
        _, local, _ = _opened(registry, id)
        return local or registry.use(ImageCache).fetch(id)
    except NotFound:
        return None


def read(registry: Registry, id: str) -> Iterator[bytes]:
    """The image's bytes, from wherever they are."""
    return _opened(registry, id)[2]()


def urls(registry: Registry, id: str) -> list[str]:
    """How the image's bytes are called in each of its stores: `file:///…`, `rbd://fsid/pool/image/snap`."""
    with registry.use(Database).read() as tx:
        locations = store.locations(tx, id)
    stores = registry.use(Stores)
    return [stores.by_id[p.store].blobs.url(p.key) for p in locations if p.store in stores.by_id]


def _opened(registry: Registry, id: str) -> tuple[model.Image, Path | None, Callable[[], Iterator[bytes]]]:
    with registry.use(Database).read() as tx:
        image, locations = store.IMAGES.get(tx, id), store.locations(tx, id)
    if image is None or not locations:
        raise NotFound(f"Image {id} is gone, or has no bytes.")
    stores = registry.use(Stores)
    known = [stores.by_id[p.store].blobs.path(p.key) for p in locations if p.store in stores.by_id]
    return image, next((p for p in known if p is not None), None), lambda: open_any(stores, locations)


def cache(registry: Registry, folder: Path | None) -> ImageCache:
    """The cache of this node."""
    return ImageCache(folder, registry.use(Images).cache_bytes, lambda id: _opened(registry, id))


def stores_tried(settings: Images) -> list[tuple[str, str, str]]:
    """(id, kind, what is wrong or nothing) of each store at the other end of a network, asked what it holds. For `virga doctor`."""
    out = []
    for word in settings.stores:
        if word.partition("=")[2].partition(":")[0] not in {"rbd", "s3", "swift"}:
            continue
        try:
            store = stores.image_store(word, settings, None)
        except ValueError as e:
            out.append((word.partition("=")[0], "", str(e)))
            continue
        try:
            store.blobs.ids()
            out.append((store.id, store.type, ""))
        except OSError as e:
            out.append((store.id, store.type, str(e)))
    return out


def first_definitions(tx: Tx, now: float, mint: Any) -> int:
    """The metadata definitions that a new cloud begins with."""
    return defaults.begin(tx, now, mint)


begin_snapshot = snapshots.begin
take_snapshot = snapshots.take
untake_snapshot = snapshots.untake
publish_snapshot = snapshots.publish
abandon_snapshot = snapshots.abandon
rotate_backups = snapshots.rotate
verify = snapshots.verify
