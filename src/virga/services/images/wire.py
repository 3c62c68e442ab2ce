# SPDX-License-Identifier: Apache-2.0
"""Images' shapes on the wire (Image API v2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from virga.ground.wire import UNSET, Meta, Open, UnsetType, Wire

Tag = Annotated[str, Meta(max_length=255)]
ImageId = Annotated[str, Meta(pattern="^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")]


class Settled(Open):
    """What may stand in an image after a patch: checked as a whole."""

    name: Annotated[str, Meta(max_length=255)] | None = None
    owner: Annotated[str, Meta(max_length=64)] | None = None
    visibility: Literal["public", "private", "shared", "community"] = "shared"
    disk_format: Literal["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"] | None = (
        None
    )
    container_format: Literal["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"] | None = None
    min_disk: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    min_ram: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    protected: bool = False
    os_hidden: bool = False
    tags: Annotated[list[Tag], Meta(max_length=128)] = []


class CreateImage(Settled, kw_only=True):
    """The same, and an id that the caller may choose."""

    id: ImageId | UnsetType = UNSET


PATCH = "application/openstack-images-v2.1-json-patch"
PATCH_OLD = "application/openstack-images-v2.0-json-patch"


class AddMember(Wire):
    member: Annotated[str, Meta(min_length=1, max_length=255)]


class SetMember(Open):
    status: str


class Method(Open):
    """How the bytes come. `uri` is for web-download, the rest for glance-download."""

    name: str
    uri: str | None = None
    glance_image_id: str | None = None
    glance_region: str | None = None
    glance_service_interface: str = "public"


class Import(Open):
    """POST …/import."""

    method: Method
    stores: list[str] | UnsetType = UNSET
    all_stores: bool = False
    all_stores_must_succeed: bool = True


class Validation(Wire):
    """What the caller knows of the bytes: nothing, or an algorithm and its value; `checksum` only in the older form, by PATCH."""

    os_hash_algo: Literal["sha256", "sha384", "sha512"] | UnsetType = UNSET
    os_hash_value: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    checksum: Annotated[str, Meta(max_length=32)] | None = None


class AddLocation(Wire):
    """POST …/locations."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    validation_data: Validation | None = None


class OldLocation(Wire):
    """A location in a PATCH of an image."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    metadata: dict[str, Any] = {}
    validation_data: Validation | None = None


class CreateTask(Open):
    """POST /v2/tasks: what it asks is not looked at."""
