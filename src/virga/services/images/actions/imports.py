# SPDX-License-Identifier: Apache-2.0
"""Imports: what an image's bytes come from, in words that a saga then carries out. The request writes the intent and answers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from virga.ground.errors import Conflict, Invalid
from virga.ground.http.call import Answer, Call
from virga.ground.sagas.saga import start
from virga.services.images import limits, model, policy, store, wire
from virga.services.images.actions.data import _room, signed
from virga.services.images.actions.images import found, permit
from virga.services.images.driver import Stores
from virga.services.images.fetch import Guard
from virga.services.images.settings import Images
from virga.services.images.transfers import ImageTransfers

DIRECT, WEB, COPY, GLANCE, LOCATION = "glance-direct", "web-download", "copy-image", "glance-download", "location"


def start_import(call: Call, id: str, body: wire.Import) -> Answer:
    """POST /v2/images/{id}/import: 202, and a task that says how it goes. Raises Invalid."""
    method = body.method
    own = call.use(Images)
    if method.name not in own.import_methods:
        raise Invalid(
            f"Unknown import method name '{method.name[:40]}'; there are: {', '.join(own.import_methods)}.",
            field="method.name",
        )
    uri = method.uri
    if method.name == WEB:
        if not uri:
            raise Invalid("URI is required if using 'web-download' import method.", field="method.uri")
        Guard(own).read(uri)
    elif uri:
        raise Invalid(f"A URI is only for 'web-download', not for '{method.name}'.", field="method.uri")
    if method.name == GLANCE:
        _elsewhere(method)
    with call.db.write() as tx:
        call.open = tx
        try:
            return _intend(call, id, body)
        finally:
            call.open = None


def _elsewhere(method: wire.Method) -> None:
    for name in ("glance_region", "glance_image_id"):
        if getattr(method, name) is None:
            raise Invalid(f"'{name}' needs to be set for glance-download import method", field=f"method.{name}")
    try:
        UUID(method.glance_image_id)
    except ValueError:
        raise Invalid(
            f"Remote image id does not look like a UUID: {method.glance_image_id}", field="method.glance_image_id"
        ) from None


def _intend(call: Call, id: str, body: wire.Import) -> Answer:
    image, name = found(call, call.tx, id), body.method.name
    _state(image, name)
    if name == COPY:
        permit(call, policy.COPY_IMAGE, image)
    else:
        permit(call, policy.MODIFY_IMAGE, image)
    signed(call, image)
    store_ids = _places(call, image, body)
    if not store_ids:
        return Answer(code=202)  # the image is in every store already
    if image.status != model.UPLOADING and name != COPY:
        limits.check_arriving(call.tx, image.owner)
    limits.check_bytes(call.tx, image.owner, image.size or 0, len(store_ids))
    declared = msgspec.json.decode(call.request.body)
    requested = {"method": msgspec.to_builtins(body.method)} | {
        k: declared[k] for k in ("all_stores", "all_stores_must_succeed", "stores") if k in declared
    }
    requested["method"].pop("extra", None)
    requested["method"] = {
        k: v for k, v in requested["method"].items() if v is not None and (k == "name" or name != DIRECT)
    }
    begin(
        call,
        image,
        name,
        {"import_req": requested, "image_id": id, "backend": store_ids},
        store_ids,
        must=body.all_stores_must_succeed,
    )
    return Answer(code=202)


def begin(
    call: Call,
    image: model.Image,
    method: str,
    shown: dict[str, Any],
    store_ids: list[str],
    *,
    must: bool = True,
    **more: Any,
) -> str:
    """Write the task and start the saga of the same image; returns the task's id. Raises Conflict."""
    most, why = _room(call, call.tx, limits.IMAGE_SIZE, image.owner)
    task, now = call.world.uuid(), call.now()
    args = {
        "image": image.id,
        "task": task,
        "method": method,
        "places": store_ids,
        "must": must,
        "staged": image.staged,
        "most": most,
        "why": why,
        "from": {k: v for k, v in shown.get("import_req", {}).get("method", {}).items() if k != "name"},
        "project": call.actor.project_id or "",
    } | more
    saga = start(
        call.tx, call.registry, "images.import", args, exclusive=f"image:{image.id}", request_id=call.request_id
    )
    change: dict[str, Any] = {"saga_id": saga, "task_id": task, "importing": store_ids, "failed": [], "reason": None}
    if method != COPY:
        change |= {"status": model.IMPORTING, "upload_lease": 0.0}
    if not store.IMAGES.change(call.tx, store.c.id == image.id, store.c.status == image.status, **change):
        raise Conflict(f"Image {image.id} changed while it was asked to be imported; try again.")
    store.TASKS.insert(
        call.tx,
        id=task,
        image_id=image.id,
        type="location_import" if method == LOCATION else "api_image_import",
        status=model.WAITING,
        owner=image.owner,
        user_id=call.actor.user_id,
        request_id=call.request_id,
        input=shown,
        result=None,
        message="",
        created=now,
        updated=now,
        expires=None,
    )
    if method == GLANCE:
        call.use(ImageTransfers).secrets[saga] = call.request.headers.get("x-auth-token", "")
    return task


def _state(image: model.Image, method: str) -> None:
    if image.saga_id is not None:
        raise Conflict(f"Image has active task {image.task_id}")
    if image.status == model.ACTIVE and method != COPY:
        raise Conflict("Image with status active cannot be target for import")
    if image.status != model.ACTIVE and method == COPY:
        raise Conflict("Only images with status active can be targeted for copying")
    if image.status != model.QUEUED and method in {WEB, GLANCE}:
        raise Conflict(f"Image needs to be in 'queued' state to use '{method}' method")
    if method == DIRECT and (image.status != model.UPLOADING or image.staged is None):
        raise Conflict("Image needs to be staged before 'glance-direct' method can be used")
    for name in ("container_format", "disk_format"):
        if getattr(image, name) is None:
            raise Conflict(f"'{name}' needs to be set before import")


def _places(call: Call, image: model.Image, body: wire.Import) -> list[str]:
    stores = call.use(Stores)
    writable = [s.id for s in stores.writable()]
    if body.all_stores:
        if not isinstance(body.stores, msgspec.UnsetType):
            raise Invalid(
                "All_stores parameter can't be used with x-image-meta-store header or stores parameter",
                field="all_stores",
            )
        store_ids = writable
    elif not isinstance(body.stores, msgspec.UnsetType):
        store_ids = list(dict.fromkeys(body.stores)) or [stores.default.id]
    else:
        store_ids = [call.request.headers.get("x-image-meta-store") or stores.default.id]
    for place in store_ids:
        if place not in stores.by_id:
            raise Conflict(f"Store for identifier {place[:64]} not found; there are: {', '.join(stores.by_id)}")
        if place not in writable:
            raise Conflict(f"Store {place} is read-only")
    if body.method.name == COPY:
        have = [p for p in store_ids if p in image.stores]
        if have and not body.all_stores:
            raise Invalid(f"Image is already present at store '{have[0]}'", field="stores")
        store_ids = [p for p in store_ids if p not in image.stores]
    return store_ids
