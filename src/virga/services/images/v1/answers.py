# SPDX-License-Identifier: Apache-2.0
"""What the Image API of 2013 answers, as shapes."""

from __future__ import annotations

from typing import Any

from virga.ground.wire import Query, Shape


class V1BriefImage(Shape):
    id: str
    name: str | None
    disk_format: str | None
    container_format: str | None
    size: int
    checksum: str | None


class V1BriefImagesAnswer(Shape):
    images: list[V1BriefImage]


class V1Image(Shape):
    """An image, whose owner's properties stand apart."""

    id: str
    name: str | None
    status: str
    is_public: bool
    disk_format: str | None
    container_format: str | None
    size: int
    virtual_size: int | None
    checksum: str | None
    owner: str
    min_disk: int
    min_ram: int
    protected: bool
    deleted: bool
    deleted_at: str | None
    created_at: str
    updated_at: str
    properties: dict[str, Any]


class V1ImageAnswer(Shape):
    """To a write."""

    image: V1Image


class V1ImagesAnswer(Shape):
    images: list[V1Image]


class V1Member(Shape):
    """A project that an image is shared with."""

    member_id: str
    can_share: bool


class V1MembersAnswer(Shape):
    members: list[V1Member]


class SharedImage(Shape):
    image_id: str
    can_share: bool


class SharedImagesAnswer(Shape):
    shared_images: list[SharedImage]


META, PROPERTY = "x-image-meta-", "x-image-meta-property-"
MADE: Query = {"location": str, "etag": str}
"""Headers of a new image."""
HELD: Query = {"etag": str} | {f"{META}{name}": str for name in V1Image.__struct_fields__ if name != "properties"}
"""Headers that hold an image, beside one of PROPERTY for each property."""
