# SPDX-License-Identifier: Apache-2.0
"""Metadata definitions as Glance prints them, and their schemas."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page
from virga.ground.world import iso
from virga.services.images.metadefs import model
from virga.services.images.schemas import TEXT, several

BASE = "/v2/metadefs/namespaces"
NamespaceWithItems = tuple[model.Namespace, list[model.Item]]
One = tuple[model.Namespace, model.Item]


def _path(*parts: str) -> str:
    return "/".join([BASE, *(quote(p, safe=":") for p in parts)])


def _times(row: Any) -> dict[str, str]:
    return {"created_at": iso(row.created), "updated_at": iso(row.updated)}


def _of(items: list[model.Item], kind: str) -> list[model.Item]:
    return [i for i in items if i.kind == kind]


def namespace(both: NamespaceWithItems, call: Call) -> dict[str, Any]:
    row, items = both
    out: dict[str, Any] = {
        "namespace": row.namespace,
        "visibility": row.visibility,
        "protected": row.protected,
        "owner": row.owner,
        "self": _path(row.namespace),
        "schema": "/v2/schemas/metadefs/namespace",
    } | _times(row)
    out |= {k: v for k, v in (("display_name", row.display_name), ("description", row.description)) if v is not None}
    types = [_association(i) for i in _of(items, model.ASSOCIATION)]
    prefix = ""
    wanted = call.query.get("resource_type")
    if wanted is not None:
        prefix = next((t.get("prefix") or "" for t in types if t["name"] == wanted), "")
    parts: dict[str, Any] = {
        "resource_type_associations": types,
        "properties": {prefix + i.name: i.body | {"name": prefix + i.name} for i in _of(items, model.PROPERTY)},
        "objects": [_object(row, i, prefix) for i in _of(items, model.OBJECT)],
        "tags": [{"name": i.name} for i in _of(items, model.TAG)],
    }
    return out | {k: v for k, v in parts.items() if v}


def created(both: NamespaceWithItems, call: Call) -> Answer:
    return Answer(namespace(both, call), 201, {"location": _path(both[0].namespace)})


def namespaces(page: Page[NamespaceWithItems], call: Call) -> dict[str, Any]:
    pairs = [(k, v) for k, v in parse_qsl(call.request.raw_query) if k != "marker"]
    body: dict[str, Any] = {
        "namespaces": [namespace(b, call) for b in page.items],
        "schema": "/v2/schemas/metadefs/namespaces",
    }
    body["first"] = BASE + (f"?{urlencode(pairs)}" if pairs else "")
    if page.marker:
        body["next"] = f"{BASE}?" + urlencode([*pairs, ("marker", page.marker)])
    return body


def _object(row: model.Namespace, i: model.Item, prefix: str = "") -> dict[str, Any]:
    body = dict(i.body)
    if prefix and "properties" in body:
        body["properties"] = {prefix + k: v for k, v in body["properties"].items()}
    more = {"name": i.name, "self": _path(row.namespace, "objects", i.name), "schema": "/v2/schemas/metadefs/object"}
    return body | more | _times(i)


def object_(both: One, _: Call) -> dict[str, Any]:
    return _object(*both)


def objects(both: NamespaceWithItems, _: Call) -> dict[str, Any]:
    return {
        "objects": [_object(both[0], i) for i in both[1]],
        "schema": "/v2/schemas/metadefs/objects",
    }


def property_(both: One, _: Call) -> dict[str, Any]:
    return both[1].body | {"name": both[1].name}


def properties(both: NamespaceWithItems, _: Call) -> dict[str, Any]:
    return {"properties": {i.name: i.body | {"name": i.name} for i in both[1]}}


def tag(both: One, _: Call) -> dict[str, Any]:
    return {"name": both[1].name} | _times(both[1])


def tags(both: NamespaceWithItems, _: Call) -> dict[str, Any]:
    return {"tags": [{"name": i.name} for i in both[1]]}


def _association(i: model.Item) -> dict[str, Any]:
    return {"name": i.name} | i.body | _times(i)


def association(both: One, _: Call) -> dict[str, Any]:
    return _association(both[1])


def associations(both: NamespaceWithItems, _: Call) -> dict[str, Any]:
    return {"resource_type_associations": [_association(i) for i in both[1]]}


def types(rows: list[model.ResourceType], _: Call) -> dict[str, Any]:
    return {"resource_types": [{"name": t.name} | _times(t) for t in rows]}


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
SCHEMAS: dict[str, dict[str, Any]] = {
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
