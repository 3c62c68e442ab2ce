# SPDX-License-Identifier: Apache-2.0
"""What images answer, as shapes (Image API v2)."""

from __future__ import annotations

from typing import Annotated, Any

from virga.ground.wire import UNSET, OpenShape, Query, Shape, UnsetType, field, named

MADE: Query = {"location": str, "openstack-image-import-methods": str, "openstack-image-store-ids": str}
"""Headers of a new image."""


class Location(Shape):
    url: str
    metadata: dict[str, Any]


class Image(OpenShape, kw_only=True):
    """Beside the properties that its owner gave it."""

    id: str
    name: str | None
    owner: str
    status: str
    visibility: str
    disk_format: str | None
    container_format: str | None
    min_disk: int
    min_ram: int
    size: int | None
    virtual_size: int | None
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    protected: bool
    os_hidden: bool
    tags: list[str]
    created_at: str
    updated_at: str
    self_: str = field(name="self")
    file: str
    schema: str
    stores: str | UnsetType = UNSET
    task: str | UnsetType = field(name="os_glance_import_task", default=UNSET)
    importing: str | UnsetType = field(name="os_glance_importing_to_stores", default=UNSET)
    failed: str | UnsetType = field(name="os_glance_failed_import", default=UNSET)
    reason: str | UnsetType = field(name="os_glance_reason", default=UNSET)
    locations: list[Location] | UnsetType = UNSET
    """Where a setting shows them."""
    direct_url: str | UnsetType = UNSET


class ImagesAnswer(Shape):
    images: list[Image]
    first: str
    schema: str
    next: str | UnsetType = UNSET


class Member(Shape):
    member_id: str
    image_id: str
    status: str
    schema: str
    created_at: str
    updated_at: str


class MembersAnswer(Shape):
    members: list[Member]
    schema: str


class ListedTask(Shape):
    id: str
    type: str
    status: str
    owner: str
    created_at: str
    updated_at: str
    expires_at: str | None
    self_: Annotated[str, named("self")]
    schema: str


class Task(ListedTask, kw_only=True):
    input: Any
    result: Any
    message: str
    image_id: str | None
    request_id: str
    user_id: str


class TasksAnswer(Shape):
    tasks: list[ListedTask]
    first: str
    schema: str
    next: str | UnsetType = UNSET


class ImageTask(Shape):
    """A task as a part of its image: without links of its own."""

    id: str
    type: str
    status: str
    owner: str
    created_at: str
    updated_at: str
    expires_at: str | None
    input: Any
    result: Any
    message: str
    image_id: str | None
    request_id: str
    user_id: str


class ImageTasksAnswer(Shape):
    tasks: list[ImageTask]


class Methods(Shape):
    description: str
    type: str
    value: list[str]


class MethodsAnswer(Shape):
    methods: Annotated[Methods, named("import-methods")]


class Store(Shape, kw_only=True):
    id: str
    description: str | UnsetType = UNSET
    default: str | UnsetType = UNSET
    """The word `true`, or nothing."""
    read_only: Annotated[str | UnsetType, named("read-only")] = UNSET


class StoreDetail(Store, kw_only=True):
    type: str
    weight: int
    properties: dict[str, Any]


class StoresAnswer(Shape):
    stores: list[Store]


class StoresDetailAnswer(Shape):
    stores: list[StoreDetail]


class Usage(Shape):
    usage: int
    limit: int


class UsageAnswer(Shape):
    usage: dict[str, Usage]


class CachedImage(Shape):
    image_id: str
    hits: int
    last_accessed: float
    last_modified: float
    size: int


class CacheAnswer(Shape):
    cached_images: list[CachedImage]
    queued_images: list[str]


class PrunedAnswer(Shape):
    total_files_pruned: int
    total_bytes_pruned: int


class Link(Shape):
    rel: str
    href: str


class ApiVersion(Shape):
    id: str
    status: str
    links: list[Link]


class VersionsAnswer(Shape):
    versions: list[ApiVersion]
