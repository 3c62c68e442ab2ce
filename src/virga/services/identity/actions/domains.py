# SPDX-License-Identifier: Apache-2.0
"""Domains."""

from __future__ import annotations

import uuid
from typing import Any

from virga.authority.rules import allow, may
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UnsetType, given
from virga.services.identity import events, filters, model, policy, store, wire
from virga.services.identity.tokens import Tokens


def found(tx: Tx, id: str) -> model.Domain:
    """The domain of this id. Raises NotFound."""
    domain = store.DOMAINS.get(tx, id)
    if domain is None:
        raise NotFound(f"Could not find domain: {id}.")
    return domain


def domain_for(act: Act, domain_id: str | UnsetType | None) -> str:
    """The domain of something new: the one that was said, else the one of the caller's token."""
    if isinstance(domain_id, str):
        return domain_id
    return act.actor.domain_id or act.actor.project_domain_id or act.actor.user_domain_id


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Free attributes after a change: null takes one away."""
    return {k: v for k, v in (old | new).items() if v is not None}


def settled(old: dict[str, Any], new: object) -> dict[str, Any]:
    """Options after a change: null takes one away; `immutable` is the only one of domains, projects and roles.
    Raises Invalid."""
    if not isinstance(new, dict):
        return old
    for name, value in new.items():
        if name != "immutable":
            raise Invalid(f"Invalid input for field 'options': there is no option '{str(name)[:64]}'", field="options")
        if value is not None and not isinstance(value, bool):
            raise Invalid("Invalid input for field 'options.immutable': true or false", field="immutable")
    return merged(old, new)


def hold(options: dict[str, Any], change: dict[str, Any] | None, noun: str, id: str) -> None:
    """An immutable thing can only be made mutable again, by a change that does nothing else. `change` None is a deletion.
    Raises Forbidden."""
    if options.get("immutable") is not True:
        return
    if change is None:
        raise Forbidden(f"Cannot delete immutable {noun} {id}: set its option 'immutable' to false first.")
    rest = {k: v for k, v in change.items() if k != "options" and v not in ({}, None)}
    if rest or (change.get("options") or {}).get("immutable", True) is True:
        raise Forbidden(
            f"Cannot change immutable {noun} {id}: set its option 'immutable' to false first, in a change of its own."
        )


def create(act: Act, body: wire.CreateDomain) -> model.Domain:
    """POST /v3/domains. Raises Conflict."""
    allow(act, policy.CREATE_DOMAIN)
    id = body.explicit_domain_id if isinstance(body.explicit_domain_id, str) else uuid.uuid4().hex
    if store.DOMAINS.get(act.tx, id) is not None:
        raise Conflict(f"Conflict occurred attempting to store domain - Duplicate ID, {id}.")
    _free(act.tx, body.name)
    return store.DOMAINS.insert(
        act.tx,
        id=id,
        name=body.name,
        description=body.description or "",
        enabled=body.enabled,
        extra=body.extra,
        options=settled({}, body.options),
        tags=list(dict.fromkeys(body.tags)),
    )


def _free(tx: Tx, name: str) -> None:
    if store.DOMAINS.by(tx, name=name) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store project - it is not permitted to have two projects acting as domains with the same name: {name}."
        )


def show(act: Act, id: str) -> model.Domain:
    """GET /v3/domains/{id}"""
    allow(act, policy.GET_DOMAIN, target=policy.on_domain(id))
    return found(act.tx, id)


def index(call: Call) -> Page[model.Domain]:
    """GET /v3/domains: administrators all, a domain's token its own."""
    own = call.actor.domain_id
    target = policy.on_domain(own)
    allow(call, policy.LIST_DOMAINS, target=target)
    where = filters.where(call, store.DOMAINS, "name", "enabled")
    if own is not None or not may(call.actor, policy.LIST_DOMAINS):
        where.append(store.DOMAINS.c.id == own)
    return filters.listed(call, store.DOMAINS, *where)


def update(act: Act, id: str, body: wire.UpdateDomain) -> model.Domain:
    """PATCH /v3/domains/{id}: disabling ends the tokens of its users and projects."""
    domain = found(act.tx, id)
    allow(act, policy.UPDATE_DOMAIN)
    change = given(body)
    hold(domain.options, change, "domain", id)
    extra = change.pop("extra")
    if "name" in change and change["name"] != domain.name:
        _free(act.tx, change["name"])
    if change.get("description", "") is None:
        change["description"] = ""
    if "options" in change:
        change["options"] = settled(domain.options, change["options"])
    store.DOMAINS.put(act.tx, id, **change, extra=merged(domain.extra, extra))
    if change.get("enabled", domain.enabled) != domain.enabled or "name" in change:
        act.use(Tokens).bump_generation(act.tx)
    return found(act.tx, id)


def delete(act: Act, id: str) -> None:
    """DELETE /v3/domains/{id}: a disabled one, with everything in it. Raises Forbidden."""
    allow(act, policy.DELETE_DOMAIN)
    domain = found(act.tx, id)
    hold(domain.options, None, "domain", id)
    if domain.enabled:
        raise Forbidden(f"Cannot delete a domain that is enabled, please disable it first: {domain.name}.")
    tx = act.tx
    for project in store.PROJECTS.find(tx, store.PROJECTS.c.domain_id == id):
        store.forget_project(tx, project.id)
        act.emit(events.ProjectDeleted(project_id=project.id))
    for user in store.USERS.find(tx, store.USERS.c.domain_id == id):
        store.forget_user(tx, user.id)
    for group in store.GROUPS.find(tx, store.GROUPS.c.domain_id == id):
        store.forget_grants(tx, group_id=group.id)
        store.MEMBERSHIPS.delete(tx, store.MEMBERSHIPS.c.group_id == group.id)
    for role in store.ROLES.find(tx, store.ROLES.c.domain_id == id):
        store.forget_role(tx, role.id)
    store.forget_grants(tx, target_id=id)
    for rows in (store.PROJECTS, store.USERS, store.GROUPS, store.DOMAIN_OPTIONS, store.PROJECT_LIMITS):
        rows.delete(tx, rows.c.domain_id == id)
    store.DOMAINS.delete(tx, store.DOMAINS.c.id == id)
    act.use(Tokens).bump_generation(tx)
