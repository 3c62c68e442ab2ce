# SPDX-License-Identifier: Apache-2.0
"""Roles and who has them where."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from virga.authority.rules import Rule, allow
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import given
from virga.services.identity import model, policy, store, wire
from virga.services.identity.actions import projects, users
from virga.services.identity.tokens import Tokens, roles_on_project


def found(tx: Tx, id: str) -> model.Role:
    role = store.ROLES.get(tx, id)
    if role is None:
        raise NotFound(f"Could not find role: {id}.")
    return role


def create(call: Call, body: wire.CreateRole) -> model.Role:
    """POST /v3/roles"""
    allow(call, policy.CREATE_ROLE)
    _free(call.tx, body.domain_id, body.name)
    return store.ROLES.insert(
        call.tx, id=uuid.uuid4().hex, name=body.name, domain_id=body.domain_id, description=body.description, extra=body.extra
    )


def _free(tx: Tx, domain_id: str | None, name: str) -> None:
    if store.ROLES.one(tx, store.ROLES.c.domain_id.is_not_distinct_from(domain_id), store.ROLES.c.name == name) is not None:
        raise Conflict(f"Conflict occurred attempting to store role - Duplicate entry found with name {name}.")


def show(call: Call, id: str) -> model.Role:
    """GET /v3/roles/{id}"""
    allow(call, policy.GET_ROLE)
    return found(call.tx, id)


def index(call: Call) -> list[model.Role]:
    """GET /v3/roles: the global ones, or those of `domain_id`."""
    allow(call, policy.LIST_ROLES)
    q, c = call.query, store.ROLES.c
    where = [c.domain_id == q.get("domain_id") if "domain_id" in q else c.domain_id.is_(None)]
    if "name" in q:
        where.append(c.name == q.get("name"))
    return store.ROLES.page(call.tx, *where, sort=(("name", "asc"),), marker=q.get("marker"), limit=q.whole("limit"))


def update(call: Call, id: str, body: wire.UpdateRole) -> model.Role:
    """PATCH /v3/roles/{id}"""
    allow(call, policy.UPDATE_ROLE)
    role = found(call.tx, id)
    change = given(body)
    extra = change.pop("extra")
    change.pop("options", None)
    if "name" in change and change["name"] != role.name:
        _free(call.tx, role.domain_id, change["name"])
    if extra:
        change["extra"] = {k: v for k, v in (role.extra | extra).items() if v is not None}
    if change:
        store.ROLES.put(call.tx, id, **change)
        call.use(Tokens).grew(call.tx)
    return found(call.tx, id)


def delete(call: Call, id: str) -> None:
    """DELETE /v3/roles/{id}, wherever it was granted."""
    allow(call, policy.DELETE_ROLE)
    found(call.tx, id)
    store.forget_grants(call.tx, role_id=id)
    store.ROLES.delete(call.tx, store.ROLES.c.id == id)
    call.use(Tokens).grew(call.tx)


def _target(tx: Tx, target: str, target_id: str) -> None:
    if target == "project":
        projects.found(tx, target_id)
    elif target == "domain":
        projects.found_domain(tx, target_id)


def _put(call: Call, target: str, target_id: str, user_id: str, role_id: str, inherited: bool) -> None:
    allow(call, policy.CREATE_GRANT)
    _target(call.tx, target, target_id)
    users.found(call.tx, user_id)
    found(call.tx, role_id)
    if not _granted(call.tx, target, target_id, user_id, role_id, inherited):
        store.GRANTS.insert(call.tx, role_id=role_id, user_id=user_id, target=target, target_id=target_id, inherited=inherited)
        call.use(Tokens).grew(call.tx)


def _granted(tx: Tx, target: str, target_id: str, user_id: str, role_id: str, inherited: bool) -> bool:
    return any(g.role_id == role_id for g in store.grants_of(tx, user_id, target, target_id, inherited))


def _check(call: Call, target: str, target_id: str, user_id: str, role_id: str, inherited: bool) -> None:
    allow(call, policy.CHECK_GRANT)
    if not _granted(call.tx, target, target_id, user_id, role_id, inherited):
        raise NotFound(
            f"Could not find role assignment with role: {role_id}, user or group: {user_id}, project, domain, or system: {target_id}."
        )


def _take(call: Call, target: str, target_id: str, user_id: str, role_id: str, inherited: bool) -> None:
    allow(call, policy.REVOKE_GRANT)
    c = store.GRANTS.c
    where = (c.role_id == role_id, c.user_id == user_id, c.target == target, c.target_id == target_id, c.inherited.is_(inherited))
    if not store.GRANTS.delete(call.tx, *where):
        raise NotFound(
            f"Could not find role assignment with role: {role_id}, user or group: {user_id}, project, domain, or system: {target_id}."
        )
    call.use(Tokens).grew(call.tx)


def _of(call: Call, target: str, target_id: str, user_id: str, inherited: bool) -> list[model.Role]:
    allow(call, policy.LIST_GRANTS)
    _target(call.tx, target, target_id)
    users.found(call.tx, user_id)
    return [found(call.tx, g.role_id) for g in store.grants_of(call.tx, user_id, target, target_id, inherited)]


def on(target: str, way: Callable[..., object], inherited: bool = False) -> Callable[..., object]:
    """`way` for one kind of target, with the parameters as the path has them."""

    def on_system(call: Call, user_id: str, *role: str) -> object:
        return way(call, "system", "system", user_id, *role, inherited)

    def on_target(call: Call, target_id: str, user_id: str, *role: str) -> object:
        return way(call, target, target_id, user_id, *role, inherited)

    chosen = on_system if target == "system" else on_target
    chosen.__name__ = f"{way.__name__.strip('_')}_on_{target}"
    return chosen


put, check, take, of = _put, _check, _take, _of


def assignments(call: Call) -> list[model.Grant]:
    """GET /v3/role_assignments, with its filters; `effective` opens inheritance and implied roles."""
    q, c = call.query, store.GRANTS.c
    rule: Rule = policy.LIST_ROLE_ASSIGNMENTS
    own = q.get("user.id") == call.actor.user_id
    if not own:
        allow(call, rule)
    pairs = (
        ("user.id", c.user_id, None),
        ("role.id", c.role_id, None),
        ("scope.project.id", c.target_id, "project"),
        ("scope.domain.id", c.target_id, "domain"),
    )
    effective = "effective" in q and q.yes("effective")
    where = []
    for key, column, target in pairs:
        if key in q and not (effective and key in {"role.id", "scope.project.id"}):
            where.append(column == q.get(key))
            if target:
                where.append(c.target == target)
    if "scope.system" in q:
        where.append(c.target == "system")
    if "group.id" in q:
        return []
    grants = store.GRANTS.find(call.tx, *where, order=[c.target, c.target_id, c.user_id, c.role_id])
    if not effective:
        return grants
    return _effective(call.tx, grants, q.get("role.id"), q.get("scope.project.id"))


def _effective(tx: Tx, grants: list[model.Grant], role_id: str | None, project_id: str | None) -> list[model.Grant]:
    pairs: set[tuple[str, str, str]] = set()
    for g in grants:
        if g.inherited:
            inside = store.PROJECTS.c.domain_id if g.target == "domain" else store.PROJECTS.c.parent_id
            pairs |= {(g.user_id, "project", p.id) for p in store.PROJECTS.find(tx, inside == g.target_id)}
        else:
            pairs.add((g.user_id, g.target, g.target_id))
    out = []
    names = {r.id: r for r in store.ROLES.find(tx)}
    by_name = {r.name: r for r in names.values() if r.domain_id is None}
    for user_id, target, target_id in sorted(pairs):
        if project_id is not None and (target, target_id) != ("project", project_id):
            continue
        if target == "project":
            project = store.PROJECTS.get(tx, target_id)
            roles = roles_on_project(tx, user_id, project) if project is not None else []
        else:
            direct = {
                names[g.role_id].name
                for g in grants
                if (g.user_id, g.target, g.target_id) == (user_id, target, target_id) and g.role_id in names
            }
            roles = [by_name[n] for n in sorted(model.implied(direct)) if n in by_name]
        out += [model.Grant(r.id, user_id, target, target_id, False) for r in roles if role_id in (None, r.id)]
    return out
