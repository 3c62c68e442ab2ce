# SPDX-License-Identifier: Apache-2.0
"""Images as rows, the states they pass through and what a caller may see."""

from __future__ import annotations

from typing import Any

from virga.ground.db.rows import Row

QUEUED, SAVING, ACTIVE = "queued", "saving", "active"
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


BASE = (
    "id", "name", "owner", "status", "visibility", "disk_format", "container_format", "min_disk", "min_ram", "size", "virtual_size", "checksum",
    "os_hash_algo", "os_hash_value", "protected", "os_hidden", "tags", "created_at", "updated_at", "self", "file", "schema", "direct_url", "locations",
    "stores",
)  # fmt: skip
READ_ONLY = frozenset({
    "id", "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at", "self", "file", "schema",
    "direct_url", "locations", "stores",
})  # fmt: skip


def fits(declared: str | None, detected: str) -> bool:
    """Whether bytes of format `detected` may be called `declared`: a raw disk may begin with a partition table."""
    if declared in (None, detected) or declared in MACHINE_PARTS or declared == "ploop":
        return True
    return declared == "raw" and detected in {"gpt", "raw"}
