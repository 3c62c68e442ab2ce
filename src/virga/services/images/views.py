# SPDX-License-Identifier: Apache-2.0
"""Images as Glance v2 prints them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page
from virga.ground.world import iso
from virga.services.images import model

VERSIONS = ("v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")


def image(i: model.Image, call: Call) -> dict[str, Any]:
    return i.properties | {
        "id": i.id, "name": i.name, "owner": i.owner, "status": i.status, "visibility": i.visibility, "disk_format": i.disk_format,
        "container_format": i.container_format, "min_disk": i.min_disk, "min_ram": i.min_ram, "size": i.size, "virtual_size": i.virtual_size,
        "checksum": i.checksum, "os_hash_algo": i.os_hash_algo, "os_hash_value": i.os_hash_value, "protected": i.protected, "os_hidden": i.os_hidden,
        "tags": i.tags, "created_at": iso(i.created), "updated_at": iso(i.updated), "self": f"/v2/images/{i.id}", "file": f"/v2/images/{i.id}/file",
        "schema": "/v2/schemas/image",
    }  # fmt: skip


def created(i: model.Image, call: Call) -> Answer:
    return Answer(image(i, call), 201, {"location": call.request.link(f"/v2/images/{i.id}")})


def images(page: Page[model.Image], call: Call) -> dict[str, Any]:
    pairs = [(k, v) for k, v in parse_qsl(call.request.raw_query) if k != "marker"]
    first = "/v2/images" + (f"?{urlencode(pairs)}" if pairs else "")
    body: dict[str, Any] = {"images": [image(i, call) for i in page.items], "first": first, "schema": "/v2/schemas/images"}
    if page.marker:
        body["next"] = "/v2/images?" + urlencode([*pairs, ("marker", page.marker)])
    return body


def versions(_: None, call: Call) -> Answer:
    link = [{"rel": "self", "href": call.request.link("/v2/")}]
    rows = [{"id": v, "status": "CURRENT" if v == VERSIONS[0] else "SUPPORTED", "links": link} for v in VERSIONS]
    return Answer({"versions": rows}, 300)


def versions_ok(_: None, call: Call) -> Answer:
    answer = versions(None, call)
    answer.code = 200
    return answer


_TYPES: dict[str, Any] = {
    "id": {"type": "string", "pattern": "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"},
    "name": {"type": ["null", "string"], "maxLength": 255}, "owner": {"type": ["null", "string"], "maxLength": 255},
    "status": {"type": "string", "readOnly": True, "enum": ["queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"]},
    "visibility": {"type": "string", "enum": ["community", "public", "private", "shared"]}, "protected": {"type": "boolean"}, "os_hidden": {"type": "boolean"},
    "checksum": {"type": ["null", "string"], "readOnly": True, "maxLength": 32}, "os_hash_algo": {"type": ["null", "string"], "readOnly": True, "maxLength": 64},
    "os_hash_value": {"type": ["null", "string"], "readOnly": True, "maxLength": 128}, "size": {"type": ["null", "integer"], "readOnly": True},
    "virtual_size": {"type": ["null", "integer"], "readOnly": True}, "container_format": {"type": ["null", "string"], "enum": [None, *model.CONTAINER_FORMATS]},
    "disk_format": {"type": ["null", "string"], "enum": [None, *model.DISK_FORMATS]}, "created_at": {"type": "string", "readOnly": True},
    "updated_at": {"type": "string", "readOnly": True}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}},
    "min_ram": {"type": "integer", "minimum": 0}, "min_disk": {"type": "integer", "minimum": 0}, "self": {"type": "string", "readOnly": True},
    "file": {"type": "string", "readOnly": True}, "schema": {"type": "string", "readOnly": True},
}  # fmt: skip


def image_schema(_: None, call: Call) -> dict[str, Any]:
    return {"name": "image", "properties": _TYPES, "additionalProperties": {"type": "string"}, "links": [{"rel": "self", "href": "{self}"}]}


def images_schema(_: None, call: Call) -> dict[str, Any]:
    each = image_schema(None, call)
    return {
        "name": "images",
        "properties": {
            "images": {"type": "array", "items": each},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, {"rel": "describedby", "href": "{schema}"}],
    }
