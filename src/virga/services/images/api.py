# SPDX-License-Identifier: Apache-2.0
"""Images' door: what compute and the composition root may ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from virga.ground.db.engine import Tx
from virga.ground.doors import Doors
from virga.services.images import model, store
from virga.services.images.driver import BlobStore


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
    )


def visible(tx: Tx, id: str, project_id: str | None, admin: bool) -> ImageRef | None:
    """The image if the project may use it."""
    found = store.seen(tx, id, project_id, admin)
    return None if found is None else _ref(found)


def ids(tx: Tx, wanted: Iterable[str]) -> set[str]:
    """Those of `wanted` that still exist."""
    return {i.id for i in store.IMAGES.within(tx, "id", wanted)}


def by_name(tx: Tx, name: str, project_id: str) -> ImageRef | None:
    """The newest active image of that name that the project sees."""
    rows = store.IMAGES.find(
        tx, store.c.name == name, store.c.status == model.ACTIVE, store.visible_to(project_id, False), order=store.c.created.desc(), limit=1
    )
    return _ref(rows[0]) if rows else None


def path(doors: Doors, id: str) -> Path | None:
    """The image's file on this machine, if it is one."""
    return doors.use(BlobStore).path(id)


def read(doors: Doors, id: str) -> Iterator[bytes]:
    return doors.use(BlobStore).read(id)
