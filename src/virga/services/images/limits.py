# SPDX-License-Identifier: Apache-2.0
"""Images' limits, by Glance's names. Sizes are in MiB."""

from __future__ import annotations

from virga.authority.limits import Limit, check, value
from virga.ground.db.engine import Tx
from virga.services.images import model, store

MIB = 1 << 20


def _mib(size: int) -> int:
    return -(-size // MIB)


def _arriving(tx: Tx, project: str) -> int:
    return store.IMAGES.count(
        tx, store.c.owner == project, store.c.status.in_((model.SAVING, model.UPLOADING, model.IMPORTING))
    )


IMAGE_COUNT = Limit(
    "image", "image_count_total", 1000, lambda tx, project: store.IMAGES.count(tx, store.c.owner == project)
)
IMAGE_UPLOADING = Limit("image", "image_count_uploading", 100, _arriving)
IMAGE_SIZE = Limit("image", "image_size_total", -1, lambda tx, project: _mib(store.used_bytes(tx, project)))
IMAGE_STAGE = Limit("image", "image_stage_total", -1, lambda tx, project: _mib(store.staged_bytes(tx, project)))
ALL = (IMAGE_COUNT, IMAGE_UPLOADING, IMAGE_SIZE, IMAGE_STAGE)


def check_images(tx: Tx, project_id: str) -> None:
    check(tx, project_id, {IMAGE_COUNT: 1})


def check_arriving(tx: Tx, project_id: str) -> None:
    check(tx, project_id, {IMAGE_UPLOADING: 1})


def check_bytes(tx: Tx, project_id: str, size: int, copies: int = 1) -> None:
    """Raise OverQuota unless `copies` of `size` bytes fit; held until the transaction that keeps them ends."""
    check(tx, project_id, {IMAGE_SIZE: _mib(size) * copies})


def room(tx: Tx, limit: Limit, project_id: str) -> tuple[int, str] | None:
    """How many bytes still fit into a limit that is in MiB, and the limit and its use in words; None without a limit."""
    most = value(tx, limit, project_id)
    if most < 0:
        return None
    used = limit.count(tx, project_id)
    return max(0, most - used) * MIB, f"the quota {limit.name} is {most} MiB, and {used} MiB of it are used"


def usage(tx: Tx, project_id: str) -> dict[str, tuple[int, int]]:
    """Each limit's name → (use, most); -1 is no limit."""
    return {limit.name: (limit.count(tx, project_id), value(tx, limit, project_id)) for limit in ALL}
