# SPDX-License-Identifier: Apache-2.0
"""Shapes of metadata definitions (Image API v2, `/v2/metadefs`). A property is described in the words of JSON schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from virga.ground.wire import UNSET, Meta, UnsetType, Wire

Title = Annotated[str, Meta(min_length=1, max_length=80)]
Text = Annotated[str, Meta(max_length=500)]
Count = Annotated[int, Meta(ge=0)]


class Described(Wire):
    """What a property may say. `title` and `type` are needed."""

    title: str
    type: Literal["array", "boolean", "integer", "number", "object", "string", "null"]
    description: str | UnsetType = UNSET
    operators: list[str] | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET
    minimum: float | UnsetType = UNSET
    maximum: float | UnsetType = UNSET
    maxLength: Count | UnsetType = UNSET
    minLength: Count | UnsetType = UNSET
    pattern: str | UnsetType = UNSET
    enum: list[Any] | UnsetType = UNSET
    readonly: bool | UnsetType = UNSET
    default: Any | UnsetType = UNSET
    items: dict[str, Any] | UnsetType = UNSET
    uniqueItems: bool | UnsetType = UNSET
    minItems: Count | UnsetType = UNSET
    maxItems: Count | UnsetType = UNSET
    additionalItems: bool | UnsetType = UNSET


class Property(Described, kw_only=True):
    name: Title


class Object(Wire):
    name: Title
    description: Text | UnsetType = UNSET
    required: list[str] = []
    properties: dict[str, Described] | UnsetType = UNSET


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
    owner: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET


class Namespace(SetNamespace, kw_only=True):
    resource_type_associations: list[Association] = []
    properties: dict[str, Described] = {}
    objects: list[Object] = []
    tags: list[Tag] = []
