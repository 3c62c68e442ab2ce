# SPDX-License-Identifier: Apache-2.0
"""Images' shapes on the wire (Image API v2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from virga.ground.wire import UNSET, Meta, Open, UnsetType

Tag = Annotated[str, Meta(max_length=255)]
ImageId = Annotated[str, Meta(pattern="^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")]


class Settled(Open):
    """What may stand in an image after a patch: checked as a whole."""

    name: Annotated[str, Meta(max_length=255)] | None = None
    owner: Annotated[str, Meta(max_length=255)] | None = None
    visibility: Literal["public", "private", "shared", "community"] = "shared"
    disk_format: Literal["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"] | None = None
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
Operation = dict[str, Any]
