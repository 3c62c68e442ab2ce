# SPDX-License-Identifier: Apache-2.0
"""What the clients of 2013 do with images: the verbs of v2 behind headers."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from virga.authority.rules import allow, is_admin
from virga.ground import wire as ground_wire
from virga.ground.act import Act
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Answer, Call, repeated
from virga.ground.http.pages import Page
from virga.services.images import model, policy, properties, store, wire
from virga.services.images.actions import data, images, imports, listing, locations, members
from virga.services.images.driver import Stores
from virga.services.images.fetch import Guard
from virga.services.images.settings import Images
from virga.services.images.v1 import headers

KEYS = {
    "name",
    "disk_format",
    "container_format",
    "status",
    "size_min",
    "size_max",
    "changes-since",
    "is_public",
    "sort_key",
    "sort_dir",
    "limit",
    "marker",
    "protected",
}


def index(call: Call) -> Page[model.Image]:
    """GET /v1/images and /v1/images/detail: what is public and what is the project's own; the newest first.
    Raises Invalid."""
    allow(call, policy.GET_IMAGES)
    q, c = call.query, store.c
    where: list[Any] = [
        c.os_hidden.is_(False),
    ]
    for name in ("name", "disk_format", "container_format", "status"):
        if name in q:
            where.append(c[name] == q.get(name))
    public = (q.get("is_public") or "").lower()
    if public in headers.YES:
        where.append(c.visibility == "public")
    elif public in {"false", "0"}:
        where.append(c.visibility != "public")
    for name, column, least in (("size_min", c.size, True), ("size_max", c.size, False)):
        number = q.whole(name, high=2**62)
        if number is not None:
            where.append(column >= number if least else column <= number)
    where += listing.properties(
        {k.removeprefix("property-"): v[-1] for k, v in q.items.items() if k.startswith("property-")}
    )
    limit = min(q.whole("limit", 25) or 0, 1000)
    key, way = q.get("sort_key", "created_at") or "", q.get("sort_dir", "desc") or ""
    if key not in listing.KEYS or way not in {"asc", "desc"}:
        raise Invalid(f"Unsupported sort_key or sort_dir: {key[:40]} {way[:40]}", field="sort_key")
    return Page(
        store.IMAGES.page(
            call.tx,
            *where,
            seen=store.listed_to(call.actor.project_id, is_admin(call.actor), None, "all"),
            sort=[(listing.KEYS[key], way)],
            marker=q.get("marker"),
            limit=limit,
        )
    )


def show(act: Act, id: str) -> model.Image:
    """HEAD /v1/images/{id}: all of it is in the headers."""
    return images.show(act, id)


async def download(call: Call, id: str) -> Answer:
    """GET /v1/images/{id}: the bytes, and the headers. Raises NotFound."""
    image = await asyncio.get_running_loop().run_in_executor(None, _read, call, id)
    if image.status not in {model.ACTIVE, model.DEACTIVATED}:
        raise NotFound(f"Image {id} has no bytes: it is {image.status}.")
    answer = await data.download(call, id)
    answer.headers |= headers.written(image)
    return answer


def _read(act: Act, id: str) -> model.Image:
    with act.db.read() as tx:
        return images.found(act, tx, id)


async def create(call: Call) -> Answer:
    """POST /v1/images: the record, and its bytes from the body, or from an address (`copy_from`, which is then fetched under the
    same guard as an import), or from where they stay (`location`). Raises Invalid."""
    run = asyncio.get_running_loop().run_in_executor
    declared = headers.read(call.request.headers)
    image = await run(None, _create, call, declared)
    if _has_body(call):
        if declared.copy_from or declared.location:
            raise Invalid(
                "An image's bytes come from the body or from an address, not from both", field="x-glance-api-copy-from"
            )
        try:
            image = await _upload(call, image.id, declared)
        except BaseException:
            await asyncio.shield(run(None, _forget, call, image.id))
            raise
    return Answer(
        ground_wire.encode(headers.document(image)),
        201,
        {"location": call.request.link(f"/v1/images/{image.id}"), "etag": image.checksum or ""},
    )


async def _upload(call: Call, id: str, declared: headers.Described) -> model.Image:
    await data.upload(call, id, declared.checksum, declared.size)
    return await asyncio.get_running_loop().run_in_executor(None, _read, call, id)


def _has_body(call: Call) -> bool:
    sent = call.request.headers
    return "transfer-encoding" in sent or sent.get("content-length", "0") != "0"


@repeated
def _forget(act: Act, id: str) -> None:
    """What could not be uploaded in the request that made it is not left behind."""
    with act.db.write() as tx:
        store.remove(tx, id)


@repeated
def _create(call: Call, declared: headers.Described) -> model.Image:
    body = headers.shape(declared)
    place = _look(call, declared)
    with call.db.write() as tx:
        call.open = tx
        try:
            image = images.create(call, body)
            return _begin(call, image, declared, place)
        finally:
            call.open = None


def _look(act: Act, declared: headers.Described) -> str | None:
    """Whether the addresses are ones that may be fetched from, as far as they say it themselves."""
    if declared.copy_from:
        Guard(act.use(Images)).read(declared.copy_from)
    return locations._place(act, declared.location).id if declared.location else None


def _begin(call: Call, image: model.Image, declared: headers.Described, place: str | None) -> model.Image:
    if declared.copy_from:
        imports._state(image, imports.WEB)
        shown = {
            "import_req": {"method": {"name": imports.WEB, "uri": declared.copy_from}},
            "image_id": image.id,
            "backend": [call.use(Stores).default.id],
        }
        imports.begin(call, image, imports.WEB, shown, [call.use(Stores).default.id])
    elif place is not None:
        imports._state(image, imports.LOCATION)
        where: dict[str, Any] = {"image_id": image.id, "loc_url": declared.location, "validation_data": {}}
        imports.begin(call, image, imports.LOCATION, where, [], url=declared.location, store=place, known={})
    return images.found(call, call.tx, image.id)


async def update(call: Call, id: str) -> Answer:
    """PUT /v1/images/{id}: what the headers say, and the bytes of an image that has none yet. Properties that are not said go,
    unless `x-glance-registry-purge-props` is false."""
    run = asyncio.get_running_loop().run_in_executor
    declared = headers.read(call.request.headers)
    image = await run(None, _update, call, id, declared)
    if _has_body(call):
        image = await _upload(call, id, declared)
    return Answer(ground_wire.encode(headers.document(image)), 200)


@repeated
def _update(call: Call, id: str, declared: headers.Described) -> model.Image:
    place = _look(call, declared)
    with call.db.write() as tx:
        call.open = tx
        try:
            image = images.changing(call, id)
            images.permit(call, policy.MODIFY_IMAGE, image)
            purge = call.request.headers.get("x-glance-registry-purge-props", "true").lower() in headers.YES
            extra = properties.checked(declared.properties if purge else image.properties | declared.properties)
            images.fits_together(call, extra, image.properties)
            change = {k: v for k, v in declared.fields.items() if k != "id"}
            both: dict[str, Any] = {
                k: getattr(image, k)
                for k in (
                    "name",
                    "owner",
                    "visibility",
                    "disk_format",
                    "container_format",
                    "min_disk",
                    "min_ram",
                    "protected",
                )
            } | change
            ground_wire.decode(wire.Settled, msgspec.json.encode(both))
            if image.status != model.QUEUED and any(
                change.get(k, getattr(image, k)) != getattr(image, k) for k in ("disk_format", "container_format")
            ):
                raise Forbidden(
                    "The formats of an image that has its bytes are not changed.", field="x-image-meta-disk_format"
                )
            if both["owner"] != image.owner:
                allow(call, policy.SET_OWNER)
            if both["visibility"] != image.visibility:
                images._may_show(call, image.owner, both["visibility"])
            store.put(tx, id, **change, properties=extra, updated=call.now())
            return _begin(call, images.found(call, tx, id), declared, place)
        finally:
            call.open = None


# a client of 2013 reads the kind of every answer, also of one that has nothing in it
EMPTY = {"content-type": "text/html; charset=UTF-8"}


def delete(act: Act, id: str) -> Answer:
    """DELETE /v1/images/{id}"""
    images.delete(act, id)
    return Answer(b"", 200, dict(EMPTY))


def image_members(act: Act, id: str) -> list[model.Member]:
    """GET /v1/images/{id}/members"""
    return members.index(act, id)


def add_member(act: Act, id: str, member: str) -> Answer:
    """PUT /v1/images/{id}/members/{member}: offered, and pending as in v2; whether it is taken is the member's word alone, which has
    none in v1: its list shows what is pending, too."""
    if store.member(act.tx, id, member) is None:
        members.create(act, id, wire.AddMember(member=member))
    return Answer(b"", 204, dict(EMPTY))


def remove_member(act: Act, id: str, member: str) -> Answer:
    """DELETE /v1/images/{id}/members/{member}"""
    members.delete(act, id, member)
    return Answer(b"", 204, dict(EMPTY))


def shared_images(act: Act, member: str) -> list[model.Member]:
    """GET /v1/shared-images/{member}: for the member itself and administrators. Raises Conflict."""
    allow(act, policy.GET_MEMBERS, project_id=member)
    if member != act.actor.project_id and not is_admin(act.actor):
        raise Conflict("Not for others.")
    return store.MEMBERS.find(act.tx, store.MEMBERS.c.member_id == member, order=store.MEMBERS.c.created)
