# SPDX-License-Identifier: Apache-2.0
"""Images as rows, the states they pass through and what a caller may see."""

from __future__ import annotations

from typing import Any

from virga.ground.db.rows import Row

QUEUED, SAVING, UPLOADING, IMPORTING, ACTIVE = "queued", "saving", "uploading", "importing", "active"
DEACTIVATED, KILLED = "deactivated", "killed"
STATES = (QUEUED, SAVING, UPLOADING, IMPORTING, ACTIVE, DEACTIVATED, KILLED)
DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
MACHINE_PARTS = frozenset({"ami", "ari", "aki"})
VISIBILITIES = ("public", "private", "shared", "community")


class Image(Row, frozen=True):
    id: str
    name: str | None
    owner: str
    status: str
    visibility: str
    disk_format: str | None
    container_format: str | None
    detected: str | None
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
    properties: dict[str, Any]
    upload: str | None
    upload_lease: float
    created: float
    updated: float
    stores: list[str]
    staged: str | None
    staged_size: int
    importing: list[str]
    failed: list[str]
    saga_id: str | None
    task_id: str | None
    reason: str | None


class Member(Row, frozen=True):
    """A project with whom an image is shared; it decides for itself whether it accepts."""

    image_id: str
    member_id: str
    status: str
    created: float
    updated: float


PENDING, ACCEPTED, REJECTED = "pending", "accepted", "rejected"


class Location(Row, frozen=True):
    """Where bytes of an image lie: `key` names them inside of the store."""

    id: str
    image_id: str
    store: str
    key: str
    meta: dict[str, Any]
    created: float


class Task(Row, frozen=True):
    """What an import did, for those who ask; the saga of the same id does it."""

    id: str
    image_id: str | None
    type: str
    status: str
    owner: str
    user_id: str
    request_id: str
    input: dict[str, Any]
    result: dict[str, Any] | None
    message: str
    created: float
    updated: float
    expires: float | None


WAITING, PROCESSING, SUCCESS, FAILURE = "pending", "processing", "success", "failure"
SIGNATURE = ("img_signature", "img_signature_hash_method", "img_signature_key_type", "img_signature_certificate_uuid")


BASE = (
    "id",
    "name",
    "owner",
    "status",
    "visibility",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "size",
    "virtual_size",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "protected",
    "os_hidden",
    "tags",
    "created_at",
    "updated_at",
    "self",
    "file",
    "schema",
    "direct_url",
    "locations",
    "stores",
)
READ_ONLY = frozenset(
    {
        "id",
        "status",
        "size",
        "virtual_size",
        "checksum",
        "os_hash_algo",
        "os_hash_value",
        "created_at",
        "updated_at",
        "self",
        "file",
        "schema",
        "direct_url",
        "stores",
    }
)
RESERVED = frozenset({"location", "deleted", "deleted_at", "locations"})


def fits(declared: str | None, detected: str) -> bool:
    """Whether bytes of format `detected` may be called `declared`: a raw disk may begin with a partition table."""
    if declared in (None, detected) or declared in MACHINE_PARTS or declared == "ploop":
        return True
    return declared == "raw" and detected in {"gpt", "raw"}
