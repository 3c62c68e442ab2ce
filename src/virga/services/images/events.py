# SPDX-License-Identifier: Apache-2.0
"""What images tell the others."""

from __future__ import annotations

from typing import ClassVar

from virga.ground.events import Event


class ImageActive(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "images.image.active"
    image_id: str


class ImageDeleted(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "images.image.deleted"
    image_id: str
