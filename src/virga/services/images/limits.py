# SPDX-License-Identifier: Apache-2.0
"""Images' limits."""

from __future__ import annotations

from virga.authority.limits import Limit, check
from virga.ground.db.engine import Tx
from virga.services.images import store

IMAGE_COUNT = Limit("image", "image_count_total", 1000, lambda tx, project: store.IMAGES.count(tx, store.c.owner == project))


def check_images(tx: Tx, project_id: str) -> None:
    check(tx, project_id, {IMAGE_COUNT: 1})
