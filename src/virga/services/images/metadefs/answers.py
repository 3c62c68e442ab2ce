# SPDX-License-Identifier: Apache-2.0
"""What is answered about metadata definitions, as shapes (Image API v2, `/v2/metadefs`)."""

from __future__ import annotations

from typing import Any

from virga.ground.wire import UNSET, Query, Shape, UnsetType, field

MADE: Query = {"location": str}
"""Headers of a new namespace."""


class Described(Shape, kw_only=True):
    """A property in the words of JSON schema, those that it was given."""

    title: str
    type: str
    description: str | UnsetType = UNSET
    operators: list[str] | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET
    minimum: float | UnsetType = UNSET
    maximum: float | UnsetType = UNSET
    maxLength: int | UnsetType = UNSET
    minLength: int | UnsetType = UNSET
    pattern: str | UnsetType = UNSET
    enum: list[Any] | UnsetType = UNSET
    readonly: bool | UnsetType = UNSET
    default: Any | UnsetType = UNSET
    items: dict[str, Any] | UnsetType = UNSET
    uniqueItems: bool | UnsetType = UNSET
    minItems: int | UnsetType = UNSET
    maxItems: int | UnsetType = UNSET
    additionalItems: bool | UnsetType = UNSET


class Property(Described, kw_only=True):
    name: str


class PropertiesAnswer(Shape):
    """By their names."""

    properties: dict[str, Property]


class Object(Shape, kw_only=True):
    """Properties that belong together."""

    required: list[str]
    description: str | UnsetType = UNSET
    properties: dict[str, Described] | UnsetType = UNSET
    name: str
    self_: str = field(name="self")
    schema: str
    created_at: str
    updated_at: str


class ObjectsAnswer(Shape):
    objects: list[Object]
    schema: str


class TagName(Shape):
    name: str


class Tag(TagName, kw_only=True):
    created_at: str
    updated_at: str


class TagsAnswer(Shape):
    tags: list[TagName]


class Association(Shape, kw_only=True):
    """What a namespace is for, and what stands before the names of its properties there."""

    name: str
    prefix: str | UnsetType = UNSET
    properties_target: str | UnsetType = UNSET
    created_at: str
    updated_at: str


class AssociationsAnswer(Shape):
    resource_type_associations: list[Association]


class ResourceType(Shape):
    name: str
    created_at: str
    updated_at: str


class ResourceTypesAnswer(Shape):
    resource_types: list[ResourceType]


class Namespace(Shape, kw_only=True):
    """A namespace; what it has none of is not said."""

    namespace: str
    visibility: str
    protected: bool
    owner: str
    self_: str = field(name="self")
    schema: str
    created_at: str
    updated_at: str
    display_name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    resource_type_associations: list[Association] | UnsetType = UNSET
    properties: dict[str, Property] | UnsetType = UNSET
    objects: list[Object] | UnsetType = UNSET
    tags: list[TagName] | UnsetType = UNSET


class NamespacesAnswer(Shape, kw_only=True):
    namespaces: list[Namespace]
    schema: str
    first: str
    next: str | UnsetType = UNSET
