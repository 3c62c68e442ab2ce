# SPDX-License-Identifier: Apache-2.0
"""Shapes of metadata definitions (Image API v2, `/v2/metadefs`). A property is described in the words of JSON schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from virga.ground.wire import UNSET, Meta, UnsetType, Wire, free, refers

Title = Annotated[str, Meta(min_length=1, max_length=80)]
Text = Annotated[str, Meta(max_length=500)]
Long = Annotated[str, Meta(max_length=4096)]
Names = Annotated[list[Annotated[str, Meta(max_length=255)]], Meta(max_length=256)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Bound = Annotated[float, Meta(ge=-1e300, le=1e300)]


class Described(Wire):
    """What a property may say. `title` and `type` are needed."""

    title: Annotated[str, Meta(max_length=255)]
    type: Literal["array", "boolean", "integer", "number", "object", "string", "null"]
    description: Long | UnsetType = UNSET
    operators: Names | UnsetType = UNSET
    required: Names | UnsetType = UNSET
    minimum: Bound | UnsetType = UNSET
    maximum: Bound | UnsetType = UNSET
    maxLength: Count | UnsetType = UNSET
    minLength: Count | UnsetType = UNSET
    pattern: Long | UnsetType = UNSET
    enum: Annotated[list[Any], free(size=65536, depth=4)] | UnsetType = UNSET
    readonly: bool | UnsetType = UNSET
    default: Annotated[Any, free(size=65536, depth=4)] | UnsetType = UNSET
    items: Annotated[dict[str, Any], free(size=65536, depth=8)] | UnsetType = UNSET
    uniqueItems: bool | UnsetType = UNSET
    minItems: Count | UnsetType = UNSET
    maxItems: Count | UnsetType = UNSET
    additionalItems: bool | UnsetType = UNSET


Properties = Annotated[dict[Annotated[str, Meta(max_length=255)], Described], Meta(max_length=1000)]


class Property(Described, kw_only=True):
    name: Title


class Object(Wire):
    name: Title
    description: Text | UnsetType = UNSET
    required: Names = []
    properties: Properties | UnsetType = UNSET


class Tag(Wire):
    name: Title


class Tags(Wire):
    tags: Annotated[list[Tag], Meta(max_length=1000)]


class Association(Wire):
    name: Title
    prefix: Annotated[str, Meta(max_length=80)] | UnsetType = UNSET
    properties_target: Annotated[str, Meta(max_length=80)] | UnsetType = UNSET


class SetNamespace(Wire):
    namespace: Title
    display_name: Annotated[str, Meta(max_length=80)] | None = None
    description: Text | None = None
    visibility: Literal["public", "private"] = "private"
    protected: bool = False
    owner: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET  # namespaces are written by administrators alone


class Namespace(SetNamespace, kw_only=True):
    resource_type_associations: Annotated[list[Association], Meta(max_length=100)] = []
    properties: Properties = {}
    objects: Annotated[list[Object], Meta(max_length=1000)] = []
    tags: Annotated[list[Tag], Meta(max_length=1000)] = []


# -- what queries may hold ---------------------------------------------------------------------------------------------

Word = Annotated[str, Meta(max_length=80)]
NAMESPACES = {
    "visibility": Word,
    "resource_types": Annotated[str, Meta(max_length=2048)],
    "limit": Word,
    "sort_key": Word,
    "sort_dir": Word,
    "marker": Annotated[Word, refers("namespace")],
    "resource_type": Word,
}
NAMESPACE = {"resource_type": Word}
ITEMS = {"marker": Word, "limit": Word}
