# SPDX-License-Identifier: Apache-2.0
"""Images' shapes on the wire (Image API v2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from virga.ground.wire import UNSET, Meta, Open, UnsetType, Wire, free, refers, times

Tag = Annotated[str, Meta(max_length=255)]
ImageId = Annotated[str, Meta(pattern="^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")]


class Settled(Open):
    """What may stand in an image after a patch: checked as a whole."""

    name: Annotated[str, Meta(max_length=255)] | None = None
    owner: Annotated[str, Meta(max_length=64), refers("project", may="set_image_owner")] | None = None
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


OPERATIONS, POINTER = 300, 1024
"""How many operations one patch has, and how long their pointers are: an image has 128 properties, whose names have 255 characters."""


class AddMember(Wire):
    """The project need not exist, as in Glance: whom one offers an image is no question about who there is."""

    member: Annotated[str, Meta(min_length=1, max_length=255)]


class SetMember(Open):
    status: Annotated[str, Meta(max_length=64)]


class Method(Open):
    """How the bytes come. `uri` is for web-download, the rest for glance-download."""

    name: Annotated[str, Meta(max_length=255)]
    uri: Annotated[str, Meta(max_length=2048)] | None = None
    glance_image_id: Annotated[str, Meta(max_length=255)] | None = None
    glance_region: Annotated[str, Meta(max_length=255)] | None = None
    glance_service_interface: Annotated[str, Meta(max_length=255)] = "public"


class Import(Open):
    """POST …/import."""

    method: Method
    stores: Annotated[list[Annotated[str, Meta(max_length=255)]], Meta(max_length=64)] | UnsetType = UNSET
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
    metadata: Annotated[dict[str, Any], free(size=4096, depth=4)] = {}
    validation_data: Validation | None = None


class CreateTask(Open):
    """POST /v2/tasks: what it asks is not looked at."""


# -- what queries and headers may hold ---------------------------------------------------------------------------------

Word = Annotated[str, Meta(max_length=64)]
Many = Annotated[str, Meta(max_length=4000)]
"""A value, or `in:` and a list of them."""
SORT = {
    "limit": Word,
    "sort": Annotated[str, Meta(max_length=1024)],
    "sort_key": Annotated[Word, times(490)],
    "sort_dir": Annotated[Word, times(490)],
}
IMAGES = SORT | {
    "marker": Annotated[Word, refers("image")],
    **dict.fromkeys(("name", "status", "disk_format", "container_format", "id"), Many),
    "owner": Annotated[Word, refers("project")],
    "checksum": Word,
    "os_hash_value": Annotated[str, Meta(max_length=128)],
    "os_hash_algo": Word,
    **dict.fromkeys(("size", "size_min", "size_max", "min_disk", "min_ram", "protected", "os_hidden"), Word),
    "tag": Annotated[str, Meta(max_length=255)],
    **dict.fromkeys(("visibility", "member_status", "changes-since", "created_at", "updated_at"), Word),
    "*": Annotated[str, Meta(max_length=2048)],
}
"""What has no name of its own is a property."""
TASKS = SORT | {"marker": Annotated[Word, refers("task")], "status": Word, "type": Word, "page_reverse": Word}
STORE = {"x-image-meta-store": Annotated[str, Meta(max_length=255)]}
