# SPDX-License-Identifier: Apache-2.0
"""With whom an image is shared. The owner offers, the member's project decides; to everybody else there is no such image."""

from __future__ import annotations

from virga.authority.rules import allow, is_admin
from virga.ground.act import Act
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, OverQuota
from virga.services.images import model, policy, store, wire
from virga.services.images.actions.images import found, permit

MOST = 128


def _shared(act: Act, id: str) -> model.Image:
    image = found(act, act.tx, id)
    if image.visibility != "shared":
        raise Forbidden(f"Only shared images have members; image {id} is {image.visibility}.")
    return image


def index(act: Act, id: str) -> list[model.Member]:
    """GET /v2/images/{id}/members: all of them for the owner, one's own for a member."""
    image = _shared(act, id)
    if is_admin(act.actor) or image.owner == act.actor.project_id:
        permit(act, policy.GET_MEMBERS, image)
        return store.MEMBERS.find(act.tx, store.MEMBERS.c.image_id == id, order=store.MEMBERS.c.created)
    allow(act, policy.GET_MEMBERS, project_id=act.actor.project_id)
    own = store.member(act.tx, id, act.actor.project_id or "")
    return [own] if own is not None else []


def show(act: Act, id: str, member_id: str) -> model.Member:
    """GET /v2/images/{id}/members/{member}. Raises NotFound."""
    image = found(act, act.tx, id)
    mine = is_admin(act.actor) or act.actor.project_id in {image.owner, member_id}
    member = store.member(act.tx, id, member_id) if mine and image.visibility == "shared" else None
    if member is None:
        raise NotFound(f"{member_id[:64]} not found in the member list of the image {id}.")
    allow(act, policy.GET_MEMBER, project_id=act.actor.project_id)
    return member


def create(act: Act, id: str, body: wire.AddMember) -> model.Member:
    """POST /v2/images/{id}/members: offered, and pending until the other project accepts.
    Raises Conflict, OverQuota."""
    image = _shared(act, id)
    permit(act, policy.ADD_MEMBER, image)
    act.tx.hold(f"members:{id}")
    if store.member(act.tx, id, body.member) is not None:
        raise Conflict(f"Member {body.member} is duplicated for image {id}")
    have = store.MEMBERS.count(act.tx, store.MEMBERS.c.image_id == id)
    if have >= MOST:
        raise OverQuota(
            f"The limit has been exceeded on the number of allowed image members for this image. Attempted: {have + 1}, Maximum: {MOST}"
        )
    now = act.now()
    return store.MEMBERS.insert(
        act.tx, image_id=id, member_id=body.member, status=model.PENDING, created=now, updated=now
    )


def update(act: Act, id: str, member_id: str, body: wire.SetMember) -> model.Member:
    """PUT /v2/images/{id}/members/{member}: the member's own word; the owner has none in it.
    Raises Forbidden, Invalid."""
    image = _shared(act, id)
    if not is_admin(act.actor) and image.owner == act.actor.project_id:
        raise Forbidden(f"Not allowed to update members for image {id}: whether to accept it is the member's decision.")
    member = show(act, id, member_id)
    allow(act, policy.MODIFY_MEMBER, project_id=member_id)
    if body.status not in {model.PENDING, model.ACCEPTED, model.REJECTED}:
        raise Invalid(
            f"Incorrect request: the status '{body.status[:40]}' is not one of pending, accepted, rejected",
            field="status",
        )
    m = store.MEMBERS.c
    store.MEMBERS.change(
        act.tx, m.image_id == id, m.member_id == member.member_id, status=body.status, updated=act.now()
    )
    return show(act, id, member_id)


def delete(act: Act, id: str, member_id: str) -> None:
    """DELETE /v2/images/{id}/members/{member}. Raises NotFound."""
    image = _shared(act, id)
    permit(act, policy.DELETE_MEMBER, image)
    m = store.MEMBERS.c
    if not store.MEMBERS.delete(act.tx, m.image_id == id, m.member_id == member_id):
        raise NotFound(f"{member_id[:64]} not found in the member list of the image {id}.")
