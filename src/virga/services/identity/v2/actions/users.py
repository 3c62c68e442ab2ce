# SPDX-License-Identifier: Apache-2.0
"""Users of the default domain, and the roles they have in tenants."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlencode

from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import UNSET, given
from virga.services.identity import model, store
from virga.services.identity import wire as v3
from virga.services.identity.actions import grants, login, projects, roles, users
from virga.services.identity.tokens import roles_on_project
from virga.services.identity.v2 import wire
from virga.services.identity.v2.actions import tenants
from virga.services.identity.v2.adapter import DOMAIN, as_v3

PLACE = grants.GrantTarget("project", "user", inherited=False)


def found(act: Act, id: str) -> model.User:
    """The user of this id, of the default domain. Raises NotFound."""
    user = users.show(act, id)
    if user.domain_id != DOMAIN:
        raise NotFound(f"Could not find user: {id}.", type="UserNotFound")
    return user


def index(call: Call) -> list[model.User] | model.User:
    """GET /v2.0/users; `name` asks for one. Raises NotFound."""
    name = call.query.get("name")
    if name is None:
        return users.index(as_v3(call, domain_id=DOMAIN)).items
    rows = users.index(as_v3(call, domain_id=DOMAIN, name=name)).items
    if not rows:
        raise NotFound(f"Could not find user: {name}.", type="UserNotFound")
    return rows[0]


def create(call: Call, body: wire.WriteUser) -> model.User:
    """POST /v2.0/users; with `tenantId` the user also becomes a member of that tenant. Raises Invalid."""
    name = body.name if isinstance(body.name, str) else body.username if isinstance(body.username, str) else None
    if name is None:
        raise Invalid("Name field is required and cannot be empty", field="name")
    tenant = body.tenant_id if isinstance(body.tenant_id, str) else None
    if tenant is not None:
        with call.db.read() as tx:
            projects.found(tx, tenant)
    made = users.create(
        call,
        v3.CreateUser(
            name=name,
            domain_id=DOMAIN,
            password=body.password if isinstance(body.password, str) else None,
            enabled=body.enabled is not False,
            default_project_id=tenant,
            extra=body.extra,
        ),
    )
    if tenant is not None:
        _join(call, tenant, made.id)
    return made


def _join(call: Call, tenant_id: str, user_id: str) -> None:
    with call.db.write() as tx:
        call.open = tx
        try:
            grants.put(call, PLACE, tenant_id, user_id, _member(tx).id)
        finally:
            call.open = None


def _member(tx: Tx) -> model.Role:
    """The role that membership of a tenant means: `member`, however it is written; `_member_` where there is none."""
    known = {r.name.lower(): r for r in store.ROLES.find(tx, store.ROLES.c.domain_id.is_(None))}
    role = known.get("member") or known.get("_member_")
    return role or store.ROLES.insert(tx, **_role("_member_"))


def _role(name: str) -> dict[str, Any]:
    return {"id": uuid.uuid4().hex, "name": name, "domain_id": None, "description": None, "extra": {}, "options": {}}


def update(call: Call, id: str, body: wire.WriteUser) -> model.User:
    """PUT /v2.0/users/{id} and its OS-KSADM parts (password, enabled, tenant): only what is sent changes.
    Raises Invalid."""
    if body.id not in (UNSET, id):
        raise Invalid("Cannot change user ID", field="id")
    with call.db.read() as tx:
        call.open = tx
        try:
            before = found(call, id)
            if isinstance(body.tenant_id, str):
                projects.found(tx, body.tenant_id)
        finally:
            call.open = None
    sent = given(body)
    change: dict[str, Any] = {k: sent[k] for k in ("name", "password", "enabled", "extra") if k in sent}
    if "name" not in change and "username" in sent:
        change["name"] = sent["username"]
    if "tenant_id" in sent:
        change["default_project_id"] = sent["tenant_id"]
    after = users.update(call, id, v3.UpdateUser(**change))
    if isinstance(body.tenant_id, str) and body.tenant_id != before.default_project_id:
        _join(call, body.tenant_id, id)
    return after


def delete(act: Act, id: str) -> None:
    """DELETE /v2.0/users/{id}"""
    found(act, id)
    users.delete(act, id)


def grant(call: Call, tenant_id: str, user_id: str, role_id: str) -> model.Role:
    """PUT /v2.0/tenants/{tenant}/users/{user}/roles/OS-KSADM/{role}"""
    found(call, user_id)
    grants.put(call, PLACE, tenant_id, user_id, role_id)
    return roles.found(call.tx, role_id)


def take(call: Call, tenant_id: str, user_id: str, role_id: str) -> None:
    """DELETE /v2.0/tenants/{tenant}/users/{user}/roles/OS-KSADM/{role}"""
    found(call, user_id)
    grants.take(call, PLACE, tenant_id, user_id, role_id)


def granted(call: Call, tenant_id: str, user_id: str) -> list[model.Role]:
    """GET /v2.0/tenants/{tenant}/users/{user}/roles: those that a token of the tenant would carry."""
    user, tenant = found(call, user_id), tenants.found(call, tenant_id)
    return roles_on_project(call.tx, user.id, tenant)


def no_tenant(act: Act, *_: str) -> None:
    """Roles of a user without a tenant: 2013's Keystone did not have them either. Raises Invalid."""
    raise Invalid("User roles not supported: tenant ID required", field="tenant")


def references(act: Act, user_id: str) -> list[tuple[str, str, str, str]]:
    """GET /v2.0/users/{id}/roleRefs: role, tenant, user, and an id that names the three, of each role in each tenant."""
    user, out = found(act, user_id), []
    for tenant in login.projects_of(act.tx, user.id):
        if tenant.domain_id == DOMAIN:
            for role in roles_on_project(act.tx, user.id, tenant):
                ref = {"roleId": role.id, "tenantId": tenant.id, "userId": user.id}
                out.append((role.id, tenant.id, user.id, urlencode(ref)))
    return out


def unrefer(call: Call, user_id: str, ref: str) -> None:
    """DELETE /v2.0/users/{id}/roleRefs/{ref}. Raises NotFound."""
    params = parse_qs(ref)
    if not params.get("tenantId") or not params.get("roleId"):
        raise NotFound(f"Could not find role reference: {ref}.")
    take(call, params["tenantId"][0], user_id, params["roleId"][0])
