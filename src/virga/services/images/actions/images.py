# SPDX-License-Identifier: Apache-2.0
"""Images: create, list, show, patch, delete."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from virga.authority.rules import allow, is_admin
from virga.ground import wire as ground_wire
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, UnsupportedMedia
from virga.ground.http.call import Call
from virga.ground.http.pages import Page, asked, cut
from virga.ground.wire import given
from virga.services.images import events, limits, model, policy, store, wire

SORTABLE = {
    "name": "name", "status": "status", "container_format": "container_format", "disk_format": "disk_format", "size": "size", "id": "id",
    "created_at": "created", "updated_at": "updated", "min_disk": "min_disk", "min_ram": "min_ram", "owner": "owner", "visibility": "visibility",
    "protected": "protected",
}  # fmt: skip
PROPERTY = re.compile(r"[^\x00-\x1f]{1,255}")


def found(call: Call, tx: Tx, id: str) -> model.Image:
    image = store.seen(tx, id, call.actor.project_id, is_admin(call.actor))
    if image is None:
        raise NotFound(f"No image found with ID {id[:64]}")
    return image


def _properties(extra: dict[str, Any]) -> dict[str, Any]:
    for name, value in extra.items():
        if name in model.READ_ONLY:
            raise Forbidden(f"Attribute '{name}' is read-only.", field=name)
        if not PROPERTY.fullmatch(name) or name.startswith("os_glance_"):
            raise Invalid(f"Invalid input for field '{name[:64]}': not a property's name", field=name[:64])
        if not isinstance(value, str) or len(value) > 65535:
            raise Invalid(
                f"Invalid input for field '{name[:64]}': an additional property is a string of at most 65535 characters", field=name[:64]
            )
    if len(extra) > 128:
        raise Invalid("The limit of 128 properties per image is passed", field="properties")
    return extra


def create(call: Call, body: wire.CreateImage) -> model.Image:
    """POST /v2/images: a record that waits for its bytes (`queued`)."""
    owner = body.owner or call.actor.project_id or ""
    allow(call, policy.ADD_IMAGE, project_id=call.actor.project_id)
    if owner != call.actor.project_id:
        allow(call, policy.SET_OWNER)
    if body.visibility == "public":
        allow(call, policy.PUBLICIZE_IMAGE)
    properties = _properties(body.extra)
    id = body.id.lower() if isinstance(body.id, str) else call.world.uuid()
    if store.IMAGES.get(call.tx, id) is not None:
        raise Conflict(f"Image ID {id} already exists!")
    limits.check_images(call.tx, owner)
    now = call.now()
    return store.IMAGES.insert(
        call.tx, id=id, name=body.name, owner=owner, status=model.QUEUED, visibility=body.visibility, disk_format=body.disk_format,
        container_format=body.container_format, detected=None, min_disk=body.min_disk, min_ram=body.min_ram, size=None, virtual_size=None, checksum=None,
        os_hash_algo=None, os_hash_value=None, protected=body.protected, os_hidden=body.os_hidden, tags=sorted(set(body.tags)), properties=properties,
        upload=None, upload_lease=0.0, created=now, updated=now,
    )  # fmt: skip


def show(call: Call, id: str) -> model.Image:
    """GET /v2/images/{id}"""
    return found(call, call.tx, id)


def index(call: Call) -> Page[model.Image]:
    """GET /v2/images with Glance's filters; properties that are not columns are compared as strings."""
    allow(call, policy.GET_IMAGES, project_id=call.actor.project_id)
    ask = asked(call, sortable=SORTABLE, default=(("created", "desc"),), most=1000)
    q, c = call.query, store.c
    visibility = q.get("visibility")
    if visibility is not None and visibility not in (*model.VISIBILITIES, "all"):
        raise Invalid(f"Invalid visibility value: {visibility[:40]}", field="visibility")
    where = [store.listed_to(call.actor.project_id, is_admin(call.actor), visibility)]
    hidden = q.yes("os_hidden", False)
    where.append(c.os_hidden.is_(bool(hidden)))
    for name in ("name", "status", "disk_format", "container_format", "id", "owner", "checksum", "os_hash_value", "os_hash_algo"):
        if name in q:
            where.append(_compare(c[name], q.get(name) or ""))
    for name, column, least in (("size_min", c.size, True), ("size_max", c.size, False)):
        number = q.whole(name, high=2**62)
        if number is not None:
            where.append(column >= number if least else column <= number)
    for name in ("min_disk", "min_ram"):
        number = q.whole(name)
        if number is not None:
            where.append(c[name] == number)
    if "protected" in q:
        where.append(c.protected.is_(bool(q.yes("protected"))))
    tags = set(q.all("tag"))
    known = {
        "name", "status", "disk_format", "container_format", "id", "owner", "checksum", "size_min", "size_max", "min_disk", "min_ram", "protected", "tag",
        "visibility", "os_hidden", "limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "created_at", "updated_at", "os_hash_value",
        "os_hash_algo",
    }  # fmt: skip
    asked_properties = {k: v[-1] for k, v in q.items.items() if k not in known}
    if not tags and not asked_properties:
        return cut(store.IMAGES.page(call.tx, *where, sort=ask.sort, marker=ask.marker, limit=ask.limit + 1), ask)
    rows = [
        i for i in store.IMAGES.page(call.tx, *where, sort=ask.sort, marker=ask.marker)
        if tags <= set(i.tags) and all(str(i.properties.get(k)) == v for k, v in asked_properties.items())
    ]  # fmt: skip
    return cut(rows[: ask.limit + 1], ask)


def _compare(column: Any, text: str) -> Any:
    if text.startswith("in:"):
        return column.in_([part.strip().strip('"') for part in text[3:].split(",")])
    return column == text


def update(call: Call, id: str) -> model.Image:
    """PATCH /v2/images/{id}: JSON patch over the image's attributes."""
    image = found(call, call.tx, id)
    allow(call, policy.MODIFY_IMAGE, project_id=image.owner)
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip()
    if kind not in {wire.PATCH, wire.PATCH_OLD}:
        raise UnsupportedMedia(
            f"The format {kind[:80] or 'of nothing'} of the body is not supported; send {wire.PATCH}", field="Content-Type"
        )
    try:
        operations = msgspec.json.decode(call.request.body, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError) as e:
        raise Invalid(f"Request body must be a JSON array of operation objects: {e}", field="body") from None
    doc: dict[str, Any] = {
        "name": image.name, "owner": image.owner, "visibility": image.visibility, "disk_format": image.disk_format,
        "container_format": image.container_format, "min_disk": image.min_disk, "min_ram": image.min_ram, "protected": image.protected,
        "os_hidden": image.os_hidden, "tags": list(image.tags),
    } | image.properties  # fmt: skip
    for operation in operations:
        _apply(doc, operation, image)
    shape = ground_wire.decode(wire.Settled, msgspec.json.encode(doc))
    assert isinstance(shape, wire.Settled)
    if shape.owner != image.owner:
        allow(call, policy.SET_OWNER)
    if shape.visibility == "public" and image.visibility != "public":
        allow(call, policy.PUBLICIZE_IMAGE)
    change = given(shape)
    change["properties"] = _properties(change.pop("extra"))
    change["tags"] = sorted(set(change["tags"]))
    change["owner"] = change["owner"] or image.owner
    store.IMAGES.put(call.tx, id, **change, updated=call.now())
    return found(call, call.tx, id)


def _apply(doc: dict[str, Any], operation: dict[str, Any], image: model.Image) -> None:
    """One operation (RFC 6902: add, replace, remove; the v2.0 form names the path under the verb)."""
    verb, path = operation.get("op"), operation.get("path")
    if verb is None:
        verb = next((v for v in ("add", "replace", "remove") if v in operation), None)
        path = operation.get(verb) if verb is not None else None
    if verb not in {"add", "replace", "remove"}:
        raise Invalid(f"Operations must be add, replace or remove, not {str(verb)[:40]}", field="op")
    if not isinstance(path, str) or not path.startswith("/") or "//" in path or path.endswith("/"):
        raise Invalid(f"Pointer {str(path)[:80]!r} is not a path of an attribute", field="path")
    parts = [p.replace("~1", "/").replace("~0", "~") for p in path[1:].split("/")]
    name = parts[0]
    if name in model.READ_ONLY:
        raise Forbidden(f"Attribute '{name}' is read-only.", field=name)
    if len(parts) > 1 and name != "tags":
        raise Invalid(f"Pointer '{path[:80]}' goes into a value that is not a document", field="path")
    if verb != "remove" and "value" not in operation:
        raise Invalid(f"Operation '{verb}' requires a member named 'value'.", field="value")
    if name in {"disk_format", "container_format"} and image.status != model.QUEUED:
        raise Forbidden(f"Attribute '{name}' is read-only once the image has its bytes.", field=name)
    if name == "tags" and len(parts) > 1:
        tags = doc["tags"]
        if verb == "remove":
            if parts[1] not in tags:
                raise Conflict(f"The image has no tag '{parts[1][:64]}'")
            tags.remove(parts[1])
        else:
            tags.append(operation["value"])
    elif verb == "remove":
        if name in model.BASE:
            raise Forbidden(f"Property '{name}' may not be removed.", field=name)
        if name not in doc:
            raise Conflict(f"Unable to remove '{name[:64]}': the image has no such property")
        del doc[name]
    else:
        if verb == "replace" and name not in doc:
            raise Conflict(f"Unable to replace '{name[:64]}': the image has no such property")
        doc[name] = operation["value"]


def delete(call: Call, id: str) -> None:
    """DELETE /v2/images/{id}: the row now, the bytes after the commit (the sweeper finds what is left)."""
    image = found(call, call.tx, id)
    allow(call, policy.DELETE_IMAGE, project_id=image.owner)
    if image.protected:
        raise Forbidden(f"Image {id} is protected and cannot be deleted.")
    store.IMAGES.delete(call.tx, store.c.id == id)
    call.emit(events.ImageDeleted(image_id=id))


def add_tag(call: Call, id: str, tag: str) -> None:
    """PUT /v2/images/{id}/tags/{tag}"""
    image = found(call, call.tx, id)
    allow(call, policy.MODIFY_IMAGE, project_id=image.owner)
    if len(tag) > 255 or len(image.tags) >= 128:
        raise Invalid("Invalid input for field 'tag': at most 128 tags of at most 255 characters", field="tag")
    store.IMAGES.put(call.tx, id, tags=sorted({*image.tags, tag}), updated=call.now())


def remove_tag(call: Call, id: str, tag: str) -> None:
    """DELETE /v2/images/{id}/tags/{tag}"""
    image = found(call, call.tx, id)
    allow(call, policy.MODIFY_IMAGE, project_id=image.owner)
    if tag not in image.tags:
        raise NotFound(f"Could not find tag {tag[:64]} of image {id}.")
    store.IMAGES.put(call.tx, id, tags=[t for t in image.tags if t != tag], updated=call.now())


def document(_: Call, *__: str) -> None:
    """Version documents and schemas: everything is in the view."""
    return
