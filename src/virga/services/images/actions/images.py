# SPDX-License-Identifier: Apache-2.0
"""Images: create, show, delete, tags, taking out of use."""

from __future__ import annotations

from typing import Any, NamedTuple

from virga.authority.rules import Rule, allow, is_admin
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, OverQuota
from virga.ground.http.call import Call
from virga.ground.sagas.saga import SAGAS
from virga.services.images import events, limits, model, policy, properties, store, wire
from virga.services.images.settings import Images

TAGS = 128


class Whole(NamedTuple):
    """An image, and where its bytes lie."""

    image: model.Image
    locations: list[model.Location]


def found(call: Call, tx: Tx, id: str) -> model.Image:
    """The image if the caller may know of it; NotFound otherwise."""
    image = store.seen(tx, id, call.actor.project_id, is_admin(call.actor))
    if image is None:
        raise NotFound(f"No image found with ID {id[:64]}")
    return image


def changing(call: Call, id: str) -> model.Image:
    """The image as it is until this transaction ends: what is changed by what was read is changed by one request at a time."""
    call.tx.hold(f"changed:{id}")
    return found(call, call.tx, id)


def permit(call: Call, rule: Rule, image: model.Image) -> None:
    """Raise Forbidden unless the rule holds for the caller on this image. An operator's policy file may name what Glance's may:
    `project_id` and `owner`, `member_id` (the caller's project, if the image is shared with it), `visibility`, `status`, and the image's
    properties."""
    project = call.actor.project_id
    # who sees a shared image of another project without being an administrator is a member of it
    member = project if image.visibility == "shared" and project != image.owner and not is_admin(call.actor) else None
    facts = {
        "id": image.id,
        "name": image.name,
        "owner": image.owner,
        "visibility": image.visibility,
        "status": image.status,
        "protected": image.protected,
        "member_id": member,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
    }
    allow(call, rule, project_id=image.owner, target=facts, chosen=image.properties)


def create(call: Call, body: wire.CreateImage) -> model.Image:
    """POST /v2/images: a record that waits for its bytes (`queued`)."""
    owner = body.owner or call.actor.project_id or ""
    allow(call, policy.ADD_IMAGE, project_id=call.actor.project_id)
    if owner != call.actor.project_id:
        allow(call, policy.SET_OWNER)
    _may_show(call, owner, body.visibility)
    extra = properties.checked(body.extra)
    fits_together(call, extra, {})
    id = body.id.lower() if isinstance(body.id, str) else call.world.uuid()
    if store.taken(call.tx, id):
        raise Conflict(f"Image ID {id} already exists!")
    limits.check_images(call.tx, owner)
    now = call.now()
    return store.add(
        call.tx,
        id=id,
        name=body.name,
        owner=owner,
        status=model.QUEUED,
        visibility=body.visibility,
        disk_format=body.disk_format,
        container_format=body.container_format,
        detected=None,
        min_disk=body.min_disk,
        min_ram=body.min_ram,
        size=None,
        virtual_size=None,
        checksum=None,
        os_hash_algo=None,
        os_hash_value=None,
        protected=body.protected,
        os_hidden=body.os_hidden,
        tags=sorted(set(body.tags)),
        properties=extra,
        upload=None,
        upload_lease=0.0,
        created=now,
        updated=now,
        stores=[],
        staged=None,
        staged_size=0,
        importing=[],
        failed=[],
        saga_id=None,
        task_id=None,
        reason=None,
    )


def fits_together(call: Call, extra: dict[str, Any], before: dict[str, Any]) -> None:
    """The kernel and the ramdisk that an image names are what they should be, as far as the caller can see them: one that does not exist
    yet may come later, a disk is no kernel. Raises Invalid."""
    for name, format in properties.PARTS.items():
        id = extra.get(name)
        if id is None or id == before.get(name):
            continue
        other = store.seen(call.tx, id.lower(), call.actor.project_id, is_admin(call.actor))
        if other is not None and other.disk_format not in {format, None}:
            raise Invalid(
                f"Invalid input for field '{name}': image {other.id} is of the disk format {other.disk_format}, not {format}",
                field=name,
            )


def _may_show(call: Call, owner: str, visibility: str) -> None:
    if visibility == "public":
        allow(call, policy.PUBLICIZE_IMAGE, project_id=owner)
    if visibility == "community":
        allow(call, policy.COMMUNITIZE_IMAGE, project_id=owner)


def whole(call: Call, image: model.Image) -> Whole:
    """The image with where its bytes lie, if the setting shows that."""
    return Whole(image, store.locations(call.tx, image.id) if call.use(Images).show_locations else [])


def create_whole(call: Call, body: wire.CreateImage) -> Whole:
    """POST /v2/images"""
    return whole(call, create(call, body))


def show_whole(call: Call, id: str) -> Whole:
    """GET /v2/images/{id}"""
    return whole(call, show(call, id))


def show(call: Call, id: str) -> model.Image:
    """GET /v2/images/{id}"""
    image = found(call, call.tx, id)
    permit(call, policy.GET_IMAGE, image)
    return image


def delete(call: Call, id: str) -> None:
    """DELETE /v2/images/{id}: the rows now; the bytes after the commit (the sweeper finds what is without a row), an import that is
    under way meets the missing row and undoes itself."""
    image = found(call, call.tx, id)
    permit(call, policy.DELETE_IMAGE, image)
    if image.protected:
        raise Forbidden(f"Image {id} is protected and cannot be deleted.")
    store.remove(call.tx, id)
    if image.saga_id is not None:
        SAGAS.change(call.tx, SAGAS.c.id == image.saga_id, SAGAS.c.ended.is_(None), wake=0.0)
    call.emit(events.ImageDeleted(image_id=id))


def add_tag(call: Call, id: str, tag: str) -> None:
    """PUT /v2/images/{id}/tags/{tag}"""
    image = changing(call, id)
    permit(call, policy.MODIFY_IMAGE, image)
    if len(tag) > 255:
        raise Invalid("Invalid input for field 'tag': a tag has at most 255 characters", field="tag")
    tags = sorted({*image.tags, tag})
    if len(tags) > TAGS:
        raise OverQuota(
            f"The limit has been exceeded on the number of allowed image tags. Attempted: {len(tags)}, Maximum: {TAGS}"
        )
    store.put(call.tx, id, tags=tags, updated=call.now())


def remove_tag(call: Call, id: str, tag: str) -> None:
    """DELETE /v2/images/{id}/tags/{tag}"""
    image = changing(call, id)
    permit(call, policy.MODIFY_IMAGE, image)
    if tag not in image.tags:
        raise NotFound(f"Could not find tag {tag[:64]} of image {id}.")
    store.put(call.tx, id, tags=[t for t in image.tags if t != tag], updated=call.now())


def deactivate(call: Call, id: str) -> None:
    """POST /v2/images/{id}/actions/deactivate: its bytes are given to nobody until it is reactivated."""
    image = found(call, call.tx, id)
    permit(call, policy.DEACTIVATE, image)
    _settle(call, image, model.ACTIVE, model.DEACTIVATED)


def reactivate(call: Call, id: str) -> None:
    """POST /v2/images/{id}/actions/reactivate"""
    image = found(call, call.tx, id)
    permit(call, policy.REACTIVATE, image)
    _settle(call, image, model.DEACTIVATED, model.ACTIVE)


def _settle(call: Call, image: model.Image, before: str, after: str) -> None:
    if image.status == after:
        return
    if not store.IMAGES.change(
        call.tx, store.c.id == image.id, store.c.status == before, status=after, updated=call.now()
    ):
        raise Forbidden(f"Not allowed to make an image {after} that is {image.status}: it must be {before}.")
    if after == model.ACTIVE:
        call.emit(events.ImageActive(image_id=image.id))


def delete_nothing(call: Call) -> None:
    """DELETE /v2/images/: an image without an id."""
    raise NotFound("The resource could not be found.")


def document(_: Call, *__: str) -> None:
    """Version documents and schemas: everything is in the view."""
    return
