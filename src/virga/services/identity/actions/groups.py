# SPDX-License-Identifier: Apache-2.0
"""Groups and who is in them."""

from __future__ import annotations

import uuid

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import given
from virga.services.identity import external_grants, filters, model, policy, store, wire
from virga.services.identity.actions import domains, users
from virga.services.identity.tokens import Tokens


def found(tx: Tx, id: str) -> model.Group:
    """The group of this id. Raises NotFound."""
    group = store.GROUPS.get(tx, id)
    if group is None:
        raise NotFound(f"Could not find group: {id}.")
    return group


def _free(tx: Tx, domain_id: str, name: str) -> None:
    if store.GROUPS.by(tx, domain_id=domain_id, name=name) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store group - Duplicate entry found with name {name} at domain ID {domain_id}."
        )


def create(act: Act, body: wire.CreateGroup) -> model.Group:
    """POST /v3/groups"""
    domain_id = domains.domain_for(act, body.domain_id)
    allow(act, policy.CREATE_GROUP, target={"target.group.domain_id": domain_id})
    domains.found(act.tx, domain_id)
    _free(act.tx, domain_id, body.name)
    return store.GROUPS.insert(
        act.tx,
        id=uuid.uuid4().hex,
        name=body.name,
        domain_id=domain_id,
        description=body.description or "",
        extra=body.extra,
    )


def show(act: Act, id: str) -> model.Group:
    """GET /v3/groups/{id}"""
    allow(act, policy.GET_GROUP, target=policy.on_group(store.GROUPS.get(act.tx, id)))
    return found(act.tx, id)


def index(call: Call) -> Page[model.Group]:
    """GET /v3/groups, by name and domain_id; a domain's token sees its own."""
    own = call.actor.domain_id
    allow(call, policy.LIST_GROUPS, target={"target.group.domain_id": own} if own else None)
    c = store.GROUPS.c
    return filters.listed(
        call,
        store.GROUPS,
        *filters.where(call, store.GROUPS, "name", "domain_id"),
        *([c.domain_id == own] if own else []),
    )


def update(act: Act, id: str, body: wire.UpdateGroup) -> model.Group:
    """PATCH /v3/groups/{id}. Raises Invalid."""
    allow(act, policy.UPDATE_GROUP, target=policy.on_group(store.GROUPS.get(act.tx, id)))
    group = found(act.tx, id)
    change = given(body)
    extra = change.pop("extra")
    if change.get("domain_id", group.domain_id) != group.domain_id:
        raise Invalid("Cannot change Domain ID", field="domain_id")
    if "name" in change and change["name"] != group.name:
        _free(act.tx, group.domain_id, change["name"])
    if change.get("description", "") is None:
        change["description"] = ""
    store.GROUPS.put(act.tx, id, **change, extra=domains.merged(group.extra, extra))
    return found(act.tx, id)


def delete(act: Act, id: str) -> None:
    """DELETE /v3/groups/{id}: what its members had by it is gone."""
    allow(act, policy.DELETE_GROUP, target=policy.on_group(found(act.tx, id)))
    erase(act.tx, id)
    act.use(Tokens).bump_generation(act.tx)


def erase(tx: Tx, id: str) -> None:
    store.forget_grants(tx, group_id=id)
    store.MEMBERSHIPS.delete(tx, store.MEMBERSHIPS.c.group_id == id)
    store.GROUPS.delete(tx, store.GROUPS.c.id == id)


def _pair(act: Act, group_id: str, user_id: str) -> policy.Target:
    return {**policy.on_group(store.GROUPS.get(act.tx, group_id)), **policy.on_user(store.USERS.get(act.tx, user_id))}


def _inside(tx: Tx, group_id: str, user_id: str) -> bool:
    return store.MEMBERSHIPS.by(tx, group_id=group_id, user_id=user_id) is not None


def members(call: Call, id: str) -> Page[model.User]:
    """GET /v3/groups/{id}/users"""
    allow(call, policy.LIST_USERS_IN_GROUP, target=policy.on_group(store.GROUPS.get(call.tx, id)))
    found(call.tx, id)
    mine = store.USERS.c.id.in_(store.member_ids(id))
    own = [store.USERS.c.domain_id == call.actor.domain_id] if call.actor.domain_id else []
    return filters.listed(
        call, store.USERS, mine, *filters.where(call, store.USERS, "name", "enabled", "domain_id"), *own
    )


def of_user(call: Call, user_id: str) -> tuple[Page[model.Group], dict[str, float]]:
    """GET /v3/users/{id}/groups; beside them, by group, the end of what an identity provider lent."""
    user = store.USERS.get(call.tx, user_id)
    allow(call, policy.LIST_GROUPS_FOR_USER, user_id=user_id, target=policy.on_user(user))
    users.found(call.tx, user_id)
    mine = store.GROUPS.c.id.in_(store.group_ids(user_id))
    own = [store.GROUPS.c.domain_id == call.actor.domain_id] if call.actor.domain_id else []
    page = filters.listed(call, store.GROUPS, mine, *filters.where(call, store.GROUPS, "name"), *own)
    return page, external_grants.ends(call.tx, user_id)


def add(act: Act, id: str, user_id: str) -> None:
    """PUT /v3/groups/{id}/users/{user}"""
    allow(act, policy.ADD_USER_TO_GROUP, target=_pair(act, id, user_id))
    found(act.tx, id)
    users.found(act.tx, user_id)
    if store.once(act.tx, store.MEMBERSHIPS, group_id=id, user_id=user_id):
        act.use(Tokens).bump_generation(act.tx)


def check(act: Act, id: str, user_id: str) -> None:
    """HEAD /v3/groups/{id}/users/{user}. Raises NotFound."""
    allow(act, policy.CHECK_USER_IN_GROUP, target=_pair(act, id, user_id))
    found(act.tx, id)
    users.found(act.tx, user_id)
    if not _inside(act.tx, id, user_id):
        raise NotFound(f"User '{user_id}' not found in group '{id}'.")


def remove(act: Act, id: str, user_id: str) -> None:
    """DELETE /v3/groups/{id}/users/{user}. Raises NotFound."""
    allow(act, policy.REMOVE_USER_FROM_GROUP, target=_pair(act, id, user_id))
    found(act.tx, id)
    users.found(act.tx, user_id)
    c = store.MEMBERSHIPS.c
    if not store.MEMBERSHIPS.delete(act.tx, c.group_id == id, c.user_id == user_id):
        raise NotFound(f"User '{user_id}' not found in group '{id}'.")
    act.use(Tokens).bump_generation(act.tx)
