# SPDX-License-Identifier: Apache-2.0
"""Images: create, show, delete, tags, taking out of use."""

from __future__ import annotations

from typing import Any, NamedTuple

from virga.authority.rules import Rule, allow, is_admin
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, OverQuota
from virga.ground.sagas.saga import SAGAS
from virga.services.images import events, limits, model, policy, properties, store, wire
from virga.services.images.settings import Images

TAGS = 128


class Whole(NamedTuple):
    """An image, and where its bytes lie."""

    image: model.Image
    locations: list[model.Location]


def found(act: Act, tx: Tx, id: str) -> model.Image:
    """The image if the caller may know of it; NotFound otherwise."""
    image = store.seen(tx, id, act.actor.project_id, is_admin(act.actor))
    if image is None:
        raise NotFound(f"No image found with ID {id[:64]}")
    return image


def changing(act: Act, id: str) -> model.Image:
    """The image as it is until this transaction ends: what is changed by what was read is changed by one request at a time."""
    act.tx.hold(f"changed:{id}")
    return found(act, act.tx, id)


def permit(act: Act, rule: Rule, image: model.Image) -> None:
    """Raise Forbidden unless the rule holds for the caller on this image. An operator's policy file may name what Glance's may:
    `project_id` and `owner`, `member_id` (the caller's project, if the image is shared with it), `visibility`, `status`, and the image's
    properties."""
    project = act.actor.project_id
    # who sees a shared image of another project without being an administrator is a member of it
    member = project if image.visibility == "shared" and project != image.owner and not is_admin(act.actor) else None
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
    allow(act, rule, project_id=image.owner, target=facts, chosen=image.properties)


def create(act: Act, body: wire.CreateImage) -> model.Image:
    """POST /v2/images: a record that waits for its bytes (`queued`). Raises Conflict."""
    owner = body.owner or act.actor.project_id or ""
    allow(act, policy.ADD_IMAGE, project_id=act.actor.project_id)
    if owner != act.actor.project_id:
        allow(act, policy.SET_OWNER)
    _may_show(act, owner, body.visibility)
    extra = properties.checked(body.extra)
    fits_together(act, extra, {})
    id = body.id.lower() if isinstance(body.id, str) else act.world.uuid()
    if store.taken(act.tx, id):
        raise Conflict(f"Image ID {id} already exists!")
    limits.check_images(act.tx, owner)
    now = act.now()
    return store.add(
        act.tx,
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


def fits_together(act: Act, extra: dict[str, Any], before: dict[str, Any]) -> None:
    """The kernel and the ramdisk that an image names are what they should be, as far as the caller can see them: one that does not exist
    yet may come later, a disk is no kernel. Raises Invalid."""
    for name, format in properties.PARTS.items():
        id = extra.get(name)
        if id is None or id == before.get(name):
            continue
        other = store.seen(act.tx, id.lower(), act.actor.project_id, is_admin(act.actor))
        if other is not None and other.disk_format not in {format, None}:
            raise Invalid(
                f"Invalid input for field '{name}': image {other.id} is of the disk format {other.disk_format}, not {format}",
                field=name,
            )


def _may_show(act: Act, owner: str, visibility: str) -> None:
    if visibility == "public":
        allow(act, policy.PUBLICIZE_IMAGE, project_id=owner)
    if visibility == "community":
        allow(act, policy.COMMUNITIZE_IMAGE, project_id=owner)


def whole(act: Act, image: model.Image) -> Whole:
    """The image with where its bytes lie, if the setting shows that."""
    return Whole(image, store.locations(act.tx, image.id) if act.use(Images).show_locations else [])


def create_whole(act: Act, body: wire.CreateImage) -> Whole:
    """POST /v2/images"""
    return whole(act, create(act, body))


def show_whole(act: Act, id: str) -> Whole:
    """GET /v2/images/{id}"""
    return whole(act, show(act, id))


def show(act: Act, id: str) -> model.Image:
    """GET /v2/images/{id}"""
    image = found(act, act.tx, id)
    permit(act, policy.GET_IMAGE, image)
    return image


def delete(act: Act, id: str) -> None:
    """DELETE /v2/images/{id}: the rows now; the bytes after the commit (the sweeper finds what is without a row), an import that is
    under way meets the missing row and undoes itself. Raises Forbidden."""
    image = found(act, act.tx, id)
    permit(act, policy.DELETE_IMAGE, image)
    if image.protected:
        raise Forbidden(f"Image {id} is protected and cannot be deleted.")
    store.remove(act.tx, id)
    if image.saga_id is not None:
        SAGAS.change(act.tx, SAGAS.c.id == image.saga_id, SAGAS.c.ended.is_(None), wake=0.0)
    act.emit(events.ImageDeleted(image_id=id))


def add_tag(act: Act, id: str, tag: str) -> None:
    """PUT /v2/images/{id}/tags/{tag}. Raises Invalid, OverQuota."""
    image = changing(act, id)
    permit(act, policy.MODIFY_IMAGE, image)
    if len(tag) > 255:
        raise Invalid("Invalid input for field 'tag': a tag has at most 255 characters", field="tag")
    tags = sorted({*image.tags, tag})
    if len(tags) > TAGS:
        raise OverQuota(
            f"The limit has been exceeded on the number of allowed image tags. Attempted: {len(tags)}, Maximum: {TAGS}"
        )
    store.put(act.tx, id, tags=tags, updated=act.now())


def remove_tag(act: Act, id: str, tag: str) -> None:
    """DELETE /v2/images/{id}/tags/{tag}. Raises NotFound."""
    image = changing(act, id)
    permit(act, policy.MODIFY_IMAGE, image)
    if tag not in image.tags:
        raise NotFound(f"Could not find tag {tag[:64]} of image {id}.")
    store.put(act.tx, id, tags=[t for t in image.tags if t != tag], updated=act.now())


def deactivate(act: Act, id: str) -> None:
    """POST /v2/images/{id}/actions/deactivate: its bytes are given to nobody until it is reactivated."""
    image = found(act, act.tx, id)
    permit(act, policy.DEACTIVATE, image)
    _settle(act, image, model.ACTIVE, model.DEACTIVATED)


def reactivate(act: Act, id: str) -> None:
    """POST /v2/images/{id}/actions/reactivate"""
    image = found(act, act.tx, id)
    permit(act, policy.REACTIVATE, image)
    _settle(act, image, model.DEACTIVATED, model.ACTIVE)


def _settle(act: Act, image: model.Image, before: str, after: str) -> None:
    if image.status == after:
        return
    if not store.IMAGES.change(
        act.tx, store.c.id == image.id, store.c.status == before, status=after, updated=act.now()
    ):
        raise Forbidden(f"Not allowed to make an image {after} that is {image.status}: it must be {before}.")
    if after == model.ACTIVE:
        act.emit(events.ImageActive(image_id=image.id))


def delete_nothing(act: Act) -> None:
    """DELETE /v2/images/: an image without an id. Raises NotFound."""
    raise NotFound("The resource could not be found.")


def document(_: Act, *__: str) -> None:
    """Version documents and schemas: everything is in the view."""
    return
