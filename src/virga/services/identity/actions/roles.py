# SPDX-License-Identifier: Apache-2.0
"""Roles, a domain's own roles, and what roles imply."""

from __future__ import annotations

import uuid

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import given
from virga.services.identity import filters, model, policy, store, wire
from virga.services.identity.actions import domains
from virga.services.identity.tokens import Tokens

NEVER_IMPLIED = frozenset({"admin"})


def found(tx: Tx, id: str) -> model.Role:
    """The role of this id. Raises NotFound."""
    role = store.ROLES.get(tx, id)
    if role is None:
        raise NotFound(f"Could not find role: {id}.")
    return role


def fits(tx: Tx, role: model.Role, target: str, target_id: str) -> None:
    """A domain's own role is granted on that domain's projects, on domains (Keystone looks at projects only), and not on the system.
    Raises Invalid, Forbidden."""
    if role.domain_id is None or target == "domain":
        return
    if target == "system":
        raise Invalid(
            f"Role {role.id} is a domain-specific role. Unable to use a domain-specific role in a system assignment.",
            field="role_id",
        )
    project = store.PROJECTS.get(tx, target_id)
    if project is not None and project.domain_id != role.domain_id:
        raise Forbidden(
            f"You are not authorized to perform the requested action: project {target_id} must be in the same domain as the role {role.id} being assigned."
        )


def create(act: Act, body: wire.CreateRole) -> model.Role:
    """POST /v3/roles"""
    allow(act, policy.CREATE_ROLE if body.domain_id is None else policy.CREATE_DOMAIN_ROLE)
    if body.domain_id is not None:
        domains.found(act.tx, body.domain_id)
    _free(act.tx, body.domain_id, body.name)
    return store.ROLES.insert(
        act.tx,
        id=uuid.uuid4().hex,
        name=body.name,
        domain_id=body.domain_id,
        description=body.description,
        extra=body.extra,
        options=domains.settled({}, body.options),
    )


def _free(tx: Tx, domain_id: str | None, name: str) -> None:
    if (
        store.ROLES.one(tx, store.ROLES.c.domain_id.is_not_distinct_from(domain_id), store.ROLES.c.name == name)
        is not None
    ):
        raise Conflict(f"Conflict occurred attempting to store role - Duplicate entry found with name {name}.")


def show(act: Act, id: str) -> model.Role:
    """GET /v3/roles/{id}"""
    role = found(act.tx, id)
    allow(act, policy.GET_ROLE if role.domain_id is None else policy.GET_DOMAIN_ROLE, target=policy.on_role(role))
    return role


def index(call: Call) -> Page[model.Role]:
    """GET /v3/roles: the global ones, or those of `domain_id`."""
    q, c = call.query, store.ROLES.c
    allow(call, policy.LIST_DOMAIN_ROLES if q.get("domain_id") else policy.LIST_ROLES)
    where = filters.where(call, store.ROLES, "name", "domain_id")
    if "domain_id" not in q:
        where.append(c.domain_id.is_(None))
    return filters.listed(call, store.ROLES, *where)


def update(act: Act, id: str, body: wire.UpdateRole) -> model.Role:
    """PATCH /v3/roles/{id}. Raises Invalid."""
    role = found(act.tx, id)
    allow(act, policy.UPDATE_ROLE if role.domain_id is None else policy.UPDATE_DOMAIN_ROLE)
    change = given(body)
    domains.hold(role.options, change, "role", id)
    extra = change.pop("extra")
    if extra.get("domain_id", role.domain_id) != role.domain_id:
        raise Invalid("Update of `domain_id` is not allowed.", field="domain_id")
    extra.pop("domain_id", None)
    if "name" in change and change["name"] != role.name:
        _free(act.tx, role.domain_id, change["name"])
    if "options" in change:
        change["options"] = domains.settled(role.options, change["options"])
    store.ROLES.put(act.tx, id, **change, extra=domains.merged(role.extra, extra))
    if "name" in change:
        act.use(Tokens).bump_generation(act.tx)
    return found(act.tx, id)


def delete(act: Act, id: str) -> None:
    """DELETE /v3/roles/{id}, wherever it was granted or implied."""
    role = found(act.tx, id)
    allow(act, policy.DELETE_ROLE if role.domain_id is None else policy.DELETE_DOMAIN_ROLE)
    domains.hold(role.options, None, "role", id)
    store.forget_role(act.tx, id)
    act.use(Tokens).bump_generation(act.tx)


Implies = tuple[model.Role, list[model.Role]]


def _implied(tx: Tx, prior_id: str, implied_id: str) -> tuple[model.Role, model.Role]:
    prior, implied = found(tx, prior_id), found(tx, implied_id)
    c = store.IMPLIED_ROLES.c
    if store.IMPLIED_ROLES.one(tx, c.prior_id == prior_id, c.implied_id == implied_id) is None:
        raise NotFound(f"{prior_id} does not imply {implied_id}")
    return prior, implied


def implies(act: Act, id: str) -> Implies:
    """GET /v3/roles/{id}/implies"""
    allow(act, policy.LIST_IMPLIED_ROLES)
    prior = found(act.tx, id)
    ids = [r.implied_id for r in store.IMPLIED_ROLES.find(act.tx, store.IMPLIED_ROLES.c.prior_id == id)]
    return prior, store.ROLES.within(act.tx, "id", ids)


def inferences(act: Act) -> list[Implies]:
    """GET /v3/role_inferences"""
    allow(act, policy.LIST_ROLE_INFERENCE_RULES)
    known = {r.id: r for r in store.ROLES.find(act.tx)}
    out: dict[str, list[model.Role]] = {}
    for row in store.IMPLIED_ROLES.find(
        act.tx, order=[store.IMPLIED_ROLES.c.prior_id, store.IMPLIED_ROLES.c.implied_id]
    ):
        out.setdefault(row.prior_id, []).append(known[row.implied_id])
    return [(known[prior], implied) for prior, implied in out.items()]


def show_implied(act: Act, id: str, implied_id: str) -> tuple[model.Role, model.Role]:
    """GET /v3/roles/{id}/implies/{implied}"""
    allow(act, policy.GET_IMPLIED_ROLE)
    return _implied(act.tx, id, implied_id)


def check_implied(act: Act, id: str, implied_id: str) -> None:
    """HEAD /v3/roles/{id}/implies/{implied}"""
    allow(act, policy.CHECK_IMPLIED_ROLE)
    _implied(act.tx, id, implied_id)


def imply(act: Act, id: str, implied_id: str) -> tuple[model.Role, model.Role]:
    """PUT /v3/roles/{id}/implies/{implied}: no circle, and nothing brings the administrator's role along.
    Raises Forbidden."""
    allow(act, policy.CREATE_IMPLIED_ROLE)
    prior, implied = found(act.tx, id), found(act.tx, implied_id)
    if implied.name in NEVER_IMPLIED:
        raise Forbidden(
            f"You are not authorized to perform the requested action: Role {implied.name} cannot be an implied role."
        )
    if implied.domain_id is not None and prior.domain_id is None:
        raise Forbidden("Global role cannot imply a domain-specific role")
    act.tx.hold("identity:implied roles")  # two that are made at once make no circle
    if prior.id in store.all_implied(act.tx, {implied_id}):
        raise Forbidden(
            f"You are not authorized to perform the requested action: {implied.name} implies {prior.name} already."
        )
    if store.once(act.tx, store.IMPLIED_ROLES, prior_id=id, implied_id=implied_id):
        act.use(Tokens).bump_generation(act.tx)
    return prior, implied


def imply_no_more(act: Act, id: str, implied_id: str) -> None:
    """DELETE /v3/roles/{id}/implies/{implied}"""
    allow(act, policy.DELETE_IMPLIED_ROLE)
    _implied(act.tx, id, implied_id)
    c = store.IMPLIED_ROLES.c
    store.IMPLIED_ROLES.delete(act.tx, c.prior_id == id, c.implied_id == implied_id)
    act.use(Tokens).bump_generation(act.tx)
