# SPDX-License-Identifier: Apache-2.0
"""The JSON schemas that the API shows of metadata definitions (`/v2/schemas/metadefs/…`)."""

from __future__ import annotations

from typing import Any

from virga.services.images.schemas import TEXT, several

NAME: dict[str, Any] = {"type": "string", "maxLength": 80}
TIMES: dict[str, Any] = {
    n: {"type": "string", "format": "date-time", "readOnly": True} for n in ("created_at", "updated_at")
}
LINKS: dict[str, Any] = {"self": TEXT, "schema": TEXT} | TIMES
KINDS = ["array", "boolean", "integer", "number", "object", "string", None]
PROPERTY: dict[str, Any] = {
    "title": TEXT,
    "type": {"type": "string", "enum": KINDS},
    "description": TEXT,
    "operators": {"type": "array", "items": TEXT},
    "required": {"type": "array", "items": TEXT},
    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "maxLength": {"type": "integer", "minimum": 0},
    "minLength": {"type": "integer", "minimum": 0},
    "pattern": {"type": "string", "format": "regex"},
    "enum": {"type": "array"},
    "readonly": {"type": "boolean"},
    "default": {},
    "items": {"type": "object"},
    "uniqueItems": {"type": "boolean"},
    "maxItems": {"type": "integer", "minimum": 0},
    "minItems": {"type": "integer", "minimum": 0},
    "additionalItems": {"type": "boolean"},
}
MANY: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": "object", "required": ["title", "type"], "properties": PROPERTY},
}
TYPE = {
    "name": "resource_type_association",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {"name": NAME, "prefix": NAME, "properties_target": NAME} | TIMES,
}
OBJECT = {
    "name": "object",
    "required": ["name"],
    "properties": {"name": NAME, "description": TEXT, "required": {"type": "array", "items": TEXT}, "properties": MANY}
    | LINKS,
}
NAMESPACE = {
    "name": "namespace",
    "required": ["namespace"],
    "additionalProperties": False,
    "properties": {
        "namespace": NAME,
        "display_name": NAME,
        "description": {"type": "string", "maxLength": 500},
        "visibility": {"type": "string", "enum": ["public", "private"]},
        "protected": {"type": "boolean"},
        "owner": {"type": "string", "maxLength": 255},
        "resource_type_associations": {"type": "array", "items": TYPE},
        "properties": MANY,
        "objects": {"type": "array", "items": OBJECT},
        "tags": {"type": "array", "items": {"type": "object", "properties": {"name": TEXT}}},
    }
    | LINKS,
}
PROPERTY_SCHEMA = {"name": "property", "required": ["name", "title", "type"], "properties": {"name": NAME} | PROPERTY}
TAG = {"name": "tag", "required": ["name"], "additionalProperties": False, "properties": {"name": NAME} | TIMES}
OWN: dict[str, dict[str, Any]] = {
    "namespace": NAMESPACE,
    "namespaces": several("namespaces", NAMESPACE),
    "resource_type": TYPE,
    "resource_types": {
        "name": "resource_type_associations",
        "properties": {"resource_type_associations": {"type": "array", "items": TYPE}},
    },
    "property": PROPERTY_SCHEMA,
    "properties": {"name": "properties", "properties": {"properties": MANY}},
    "object": OBJECT,
    "objects": several("objects", OBJECT),
    "tag": TAG,
    "tags": several("tags", TAG),
}
