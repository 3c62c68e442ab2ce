# SPDX-License-Identifier: Apache-2.0
"""The JSON schemas that the API shows of its own shapes (`/v2/schemas/…`)."""

from __future__ import annotations

from typing import Any

from virga.services.images import model

TEXT: dict[str, Any] = {"type": "string"}
UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
STATUSES = [
    "queued",
    "saving",
    "active",
    "killed",
    "deleted",
    "uploading",
    "importing",
    "pending_delete",
    "deactivated",
]


def _or_null(**more: Any) -> dict[str, Any]:
    return {"type": ["null", "string"]} | more


def _described(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description} | more


VALIDATION: dict[str, Any] = {
    "description": "What the bytes at the address hash to",
    "type": "object",
    "writeOnly": True,
    "additionalProperties": False,
    "required": ["os_hash_algo", "os_hash_value"],
    "properties": {
        "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
        "os_hash_algo": {"type": "string", "maxLength": 64},
        "os_hash_value": {"type": "string", "maxLength": 128},
    },
}
IMAGE_PROPERTIES: dict[str, Any] = {
    "id": _described("An identifier for the image", pattern=UUID),
    "name": _or_null(description="Descriptive name for the image", maxLength=255),
    "status": _described("Status of the image", readOnly=True, enum=STATUSES),
    "visibility": _described("Scope of image accessibility", enum=["community", "public", "private", "shared"]),
    "protected": {"type": "boolean", "description": "If true, image will not be deletable."},
    "os_hidden": {"type": "boolean", "description": "If true, image will not appear in default image list response."},
    "checksum": _or_null(description="md5 hash of image contents.", readOnly=True, maxLength=32),
    "os_hash_algo": _or_null(description="Algorithm to calculate os_hash_value", readOnly=True, maxLength=64),
    "os_hash_value": _or_null(
        description="Hexdigest of the image contents by os_hash_algo", readOnly=True, maxLength=128
    ),
    "owner": _or_null(description="Owner of the image", maxLength=255),
    "size": {"type": ["null", "integer"], "description": "Size of image file in bytes", "readOnly": True},
    "virtual_size": {"type": ["null", "integer"], "description": "Virtual size of image in bytes", "readOnly": True},
    "container_format": _or_null(description="Format of the container", enum=[None, *model.CONTAINER_FORMATS]),
    "disk_format": _or_null(description="Format of the disk", enum=[None, *model.DISK_FORMATS]),
    "created_at": _described("Date and time of image registration", readOnly=True),
    "updated_at": _described("Date and time of the last image modification", readOnly=True),
    "tags": {
        "type": "array",
        "description": "List of strings related to the image",
        "items": {"type": "string", "maxLength": 255},
    },
    "direct_url": _described("URL to access the image file kept in external store", readOnly=True),
    "min_ram": {"type": "integer", "description": "Amount of ram (in MB) required to boot image."},
    "min_disk": {"type": "integer", "description": "Amount of disk space (in GB) required to boot image."},
    "self": _described("An image self url", readOnly=True),
    "file": _described("An image file url", readOnly=True),
    "stores": _described(
        "Store in which image data resides. A comma-separated list when there are several.", readOnly=True
    ),
    "schema": _described("An image schema url", readOnly=True),
    "locations": {
        "type": "array",
        "description": "A set of URLs to access the image file kept in external store",
        "items": {
            "type": "object",
            "required": ["url", "metadata"],
            "properties": {
                "url": {"type": "string", "maxLength": 255},
                "metadata": {"type": "object"},
                "validation_data": VALIDATION,
            },
        },
    },
}
IMAGE = {
    "name": "image",
    "properties": IMAGE_PROPERTIES,
    "additionalProperties": {"type": "string"},
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}
MEMBER = {
    "name": "member",
    "properties": {
        "member_id": _described("An identifier for the image member (tenantId)"),
        "image_id": _described("An identifier for the image", pattern=UUID),
        "created_at": _described("Date and time of image member creation"),
        "updated_at": _described("Date and time of last modification of image member"),
        "status": _described("The status of this image member", enum=["pending", "accepted", "rejected"]),
        "schema": {"readOnly": True, "type": "string"},
    },
}
TASK = {
    "name": "task",
    "properties": {
        "id": _described("An identifier for the task", pattern=UUID),
        "type": _described(
            "The type of task represented by this content", enum=["import", "api_image_import", "location_import"]
        ),
        "status": _described("The current status of this task", enum=["pending", "processing", "success", "failure"]),
        "input": {"description": "The parameters required by task, JSON blob", "type": ["null", "object"]},
        "result": {"description": "The result of current task, JSON blob", "type": ["null", "object"]},
        "owner": _described("An identifier for the owner of this task"),
        "message": _described("Human-readable informative message only included when appropriate (usually on failure)"),
        "image_id": _described("Image associated with the task"),
        "request_id": _described("Human-readable informative request-id"),
        "user_id": _described("User associated with the task"),
        "expires_at": _or_null(description="Datetime when this resource would be subject to removal"),
        "created_at": _described("Datetime when this resource was created"),
        "updated_at": _described("Datetime when this resource was updated"),
        "self": {"readOnly": True, "type": "string"},
        "schema": {"readOnly": True, "type": "string"},
    },
}


def several(name: str, each: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list of `each`, in pages."""
    properties: dict[str, Any] = {name: {"type": "array", "items": each}, "first": TEXT, "next": TEXT, "schema": TEXT}
    links = [
        {"rel": "first", "href": "{first}"},
        {"rel": "next", "href": "{next}"},
        {"rel": "describedby", "href": "{schema}"},
    ]
    return {"name": name, "properties": properties, "links": links}


LISTED_TASK = {
    "name": "task",
    "properties": {
        name: shape
        for name, shape in TASK["properties"].items()  # type: ignore[attr-defined]
        if name not in {"input", "result", "message"}
    },
}
OWN: dict[str, dict[str, Any]] = {
    "image": IMAGE,
    "images": several("images", IMAGE),
    "member": MEMBER,
    "members": {
        "name": "members",
        "properties": {"members": {"type": "array", "items": MEMBER}, "schema": TEXT},
        "links": [{"href": "{schema}", "rel": "describedby"}],
    },
    "task": TASK,
    "tasks": {
        "name": "tasks",
        "properties": {"tasks": {"type": "array", "items": LISTED_TASK}, "schema": TEXT},
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    },
}
