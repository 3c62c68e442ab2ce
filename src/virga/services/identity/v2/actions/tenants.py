# SPDX-License-Identifier: Apache-2.0
"""Tenants: v3's projects of the default domain."""

from __future__ import annotations

from virga.authority.rules import may
from virga.ground.act import Act
from virga.ground.errors import Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.identity import model, policy, store
from virga.services.identity import wire as v3
from virga.services.identity.actions import login, projects, users
from virga.services.identity.v2 import wire
from virga.services.identity.v2.adapter import DOMAIN, as_v3, page_slice


def found(call: Call, id: str) -> model.Project:
    """A tenant that the caller may see: those of other domains are not there for v2.0. Raises NotFound."""
    project = projects.show(as_v3(call), id).project
    if project.domain_id != DOMAIN:
        raise NotFound(f"Could not find project: {id}.")
    return project


def index(call: Call) -> list[model.Project] | model.Project:
    """GET /v2.0/tenants. With a scoped token of an administrator all of them (what port 35357 was for), else those in which the
    caller has a role; `name` asks for one. Raises NotFound."""
    everything = may(call.actor, policy.LIST_PROJECTS) and (call.actor.project_id is not None or not call.actor.user_id)
    name = call.query.get("name")
    if name is not None:
        rows = projects.index(as_v3(call, domain_id=DOMAIN, name=name)).items
        if not rows:
            raise NotFound(f"Could not find project: {name}.")
        return rows[0]
    rows = (
        projects.index(as_v3(call, domain_id=DOMAIN)).items
        if everything
        else login.projects_of(call.tx, call.actor.user_id)
    )
    rows = [p for p in rows if p.domain_id == DOMAIN and (everything or p.enabled)]
    return rows[page_slice(call, [p.id for p in rows])]


def create(act: Act, body: wire.WriteTenant) -> model.Project:
    """POST /v2.0/tenants. Raises Invalid."""
    if not isinstance(body.name, str):
        raise Invalid("Name field is required and cannot be empty", field="name")
    if body.id is not UNSET:
        raise Invalid("Invalid input for field 'tenant.id': ids are given by the cloud", field="id")
    enabled = body.enabled is not False
    description = body.description if isinstance(body.description, str) else None
    return projects.create(
        act,
        v3.CreateProject(name=body.name, domain_id=DOMAIN, description=description, enabled=enabled, extra=body.extra),
    )


def update(call: Call, id: str, body: wire.WriteTenant) -> model.Project:
    """POST or PUT /v2.0/tenants/{id}. Raises Invalid."""
    if body.id not in (UNSET, id):
        raise Invalid("Cannot change project ID", field="id")
    found(call, id)
    change = v3.UpdateProject(name=body.name, description=body.description, enabled=body.enabled, extra=body.extra)
    return projects.update(call, id, change)


def delete(call: Call, id: str) -> None:
    """DELETE /v2.0/tenants/{id}"""
    found(call, id)
    projects.delete(call, id)


def members(call: Call, id: str) -> list[model.User]:
    """GET /v2.0/tenants/{id}/users: who has a role in it."""
    found(call, id)
    ids = store.users_with_role_on(call.tx, "project", id)
    users.index(as_v3(call, domain_id=DOMAIN, name=""))  # the rule of a list of users holds here too
    return sorted((u for u in store.USERS.within(call.tx, "id", ids) if u.domain_id == DOMAIN), key=lambda u: u.name)
