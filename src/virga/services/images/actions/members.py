# SPDX-License-Identifier: Apache-2.0
"""With whom an image is shared. The owner offers, the member's project decides; to everybody else there is no such image."""

from __future__ import annotations

from virga.authority.rules import allow, is_admin
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, OverQuota
from virga.ground.http.call import Call
from virga.services.images import model, policy, store, wire
from virga.services.images.actions.images import found, permit

MOST = 128


def _shared(call: Call, id: str) -> model.Image:
    image = found(call, call.tx, id)
    if image.visibility != "shared":
        raise Forbidden(f"Only shared images have members; image {id} is {image.visibility}.")
    return image


def index(call: Call, id: str) -> list[model.Member]:
    """GET /v2/images/{id}/members: all of them for the owner, one's own for a member."""
    image = _shared(call, id)
    if is_admin(call.actor) or image.owner == call.actor.project_id:
        permit(call, policy.GET_MEMBERS, image)
        return store.MEMBERS.find(call.tx, store.MEMBERS.c.image_id == id, order=store.MEMBERS.c.created)
    allow(call, policy.GET_MEMBERS, project_id=call.actor.project_id)
    own = store.member(call.tx, id, call.actor.project_id or "")
    return [own] if own is not None else []


def show(call: Call, id: str, member_id: str) -> model.Member:
    """GET /v2/images/{id}/members/{member}"""
    image = found(call, call.tx, id)
    mine = is_admin(call.actor) or call.actor.project_id in {image.owner, member_id}
    member = store.member(call.tx, id, member_id) if mine and image.visibility == "shared" else None
    if member is None:
        raise NotFound(f"{member_id[:64]} not found in the member list of the image {id}.")
    allow(call, policy.GET_MEMBER, project_id=call.actor.project_id)
    return member


def create(call: Call, id: str, body: wire.AddMember) -> model.Member:
    """POST /v2/images/{id}/members: offered, and pending until the other project accepts."""
    image = _shared(call, id)
    permit(call, policy.ADD_MEMBER, image)
    call.tx.hold(f"members:{id}")
    if store.member(call.tx, id, body.member) is not None:
        raise Conflict(f"Member {body.member} is duplicated for image {id}")
    have = store.MEMBERS.count(call.tx, store.MEMBERS.c.image_id == id)
    if have >= MOST:
        raise OverQuota(
            f"The limit has been exceeded on the number of allowed image members for this image. Attempted: {have + 1}, Maximum: {MOST}"
        )
    now = call.now()
    return store.MEMBERS.insert(
        call.tx, image_id=id, member_id=body.member, status=model.PENDING, created=now, updated=now
    )


def update(call: Call, id: str, member_id: str, body: wire.SetMember) -> model.Member:
    """PUT /v2/images/{id}/members/{member}: the member's own word; the owner has none in it."""
    image = _shared(call, id)
    if not is_admin(call.actor) and image.owner == call.actor.project_id:
        raise Forbidden(f"Not allowed to update members for image {id}: whether to accept it is the member's decision.")
    member = show(call, id, member_id)
    allow(call, policy.MODIFY_MEMBER, project_id=member_id)
    if body.status not in {model.PENDING, model.ACCEPTED, model.REJECTED}:
        raise Invalid(
            f"Incorrect request: the status '{body.status[:40]}' is not one of pending, accepted, rejected",
            field="status",
        )
    m = store.MEMBERS.c
    store.MEMBERS.change(
        call.tx, m.image_id == id, m.member_id == member.member_id, status=body.status, updated=call.now()
    )
    return show(call, id, member_id)


def delete(call: Call, id: str, member_id: str) -> None:
    """DELETE /v2/images/{id}/members/{member}"""
    image = _shared(call, id)
    permit(call, policy.DELETE_MEMBER, image)
    m = store.MEMBERS.c
    if not store.MEMBERS.delete(call.tx, m.image_id == id, m.member_id == member_id):
        raise NotFound(f"{member_id[:64]} not found in the member list of the image {id}.")
