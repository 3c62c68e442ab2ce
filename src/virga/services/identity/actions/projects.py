# SPDX-License-Identifier: Apache-2.0
"""Projects and domains."""

from __future__ import annotations

import uuid

from virga.authority.rules import allow, may
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import given
from virga.services.identity import events, model, policy, store, wire
from virga.services.identity.tokens import Tokens

MAX_DEPTH = 5


def found(tx: Tx, id: str) -> model.Project:
    project = store.PROJECTS.get(tx, id)
    if project is None:
        raise NotFound(f"Could not find project: {id}.")
    return project


def found_domain(tx: Tx, id: str) -> model.Domain:
    domain = store.DOMAINS.get(tx, id)
    if domain is None:
        raise NotFound(f"Could not find domain: {id}.")
    return domain


def create(call: Call, body: wire.CreateProject) -> model.Project:
    """POST /v3/projects: under a parent project, or under its domain."""
    allow(call, policy.CREATE_PROJECT)
    if body.is_domain:
        raise Invalid("Invalid input for field 'project.is_domain': make domains with POST /v3/domains", field="is_domain")
    parent = store.PROJECTS.get(call.tx, str(body.parent_id)) if isinstance(body.parent_id, str) else None
    if parent is not None:
        domain_id, parent_id = parent.domain_id, parent.id
    else:
        own = call.actor.domain_id or call.actor.user_domain_id
        domain_id = body.domain_id if isinstance(body.domain_id, str) else body.parent_id if isinstance(body.parent_id, str) else own
        parent_id = domain_id
    if isinstance(body.domain_id, str) and body.domain_id != domain_id:
        raise Invalid("Invalid input for field 'project.domain_id': the parent is in another domain", field="domain_id")
    found_domain(call.tx, domain_id)
    _free(call.tx, domain_id, body.name)
    depth, at = 1, parent
    while at is not None and at.parent_id != at.domain_id:
        at, depth = store.PROJECTS.get(call.tx, at.parent_id), depth + 1
        if depth >= MAX_DEPTH:
            raise Forbidden(f"Max hierarchy depth of {MAX_DEPTH} reached for the branch of project {body.parent_id}.")
    return store.PROJECTS.insert(
        call.tx, id=uuid.uuid4().hex, name=body.name, domain_id=domain_id, parent_id=parent_id, description=body.description or "",
        enabled=body.enabled, tags=body.tags, extra=body.extra,
    )  # fmt: skip


def _free(tx: Tx, domain_id: str, name: str) -> None:
    if store.PROJECTS.one(tx, store.PROJECTS.c.domain_id == domain_id, store.PROJECTS.c.name == name) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store project - it is not permitted to have two projects with the same name in the same domain: {name}."
        )


def show(call: Call, id: str) -> model.Project:
    """GET /v3/projects/{id}: administrators any, others the one they are in."""
    if call.actor.project_id != id:
        allow(call, policy.GET_PROJECT)
    return found(call.tx, id)


def index(call: Call) -> list[model.Project]:
    """GET /v3/projects, by name, domain_id, parent_id, enabled."""
    allow(call, policy.LIST_PROJECTS)
    q, c = call.query, store.PROJECTS.c
    pairs = (("name", c.name), ("domain_id", c.domain_id), ("parent_id", c.parent_id))
    where = [column == q.get(key) for key, column in pairs if key in q]
    enabled = q.yes("enabled")
    if enabled is not None:
        where.append(c.enabled.is_(enabled))
    if q.yes("is_domain", False):
        return []
    return store.PROJECTS.page(call.tx, *where, sort=(("name", "asc"),), marker=q.get("marker"), limit=q.whole("limit"))


def update(call: Call, id: str, body: wire.UpdateProject) -> model.Project:
    """PATCH /v3/projects/{id}: disabling ends the tokens of the project."""
    allow(call, policy.UPDATE_PROJECT)
    project = found(call.tx, id)
    change = given(body)
    extra = change.pop("extra")
    change.pop("options", None)
    if change.get("domain_id", project.domain_id) != project.domain_id:
        raise Invalid("Cannot change Domain ID", field="domain_id")
    if "name" in change and change["name"] != project.name:
        _free(call.tx, project.domain_id, change["name"])
    if change.get("description", "") is None:
        change["description"] = ""
    if extra:
        change["extra"] = {k: v for k, v in (project.extra | extra).items() if v is not None}
    if change:
        store.PROJECTS.put(call.tx, id, **change)
    if change.get("enabled") is False:
        call.use(Tokens).grew(call.tx)
    return found(call.tx, id)


def delete(call: Call, id: str) -> None:
    """DELETE /v3/projects/{id}: not while it has children. The services clean up after the event."""
    allow(call, policy.DELETE_PROJECT)
    found(call.tx, id)
    children = store.PROJECTS.find(call.tx, store.PROJECTS.c.parent_id == id)
    if children:
        raise Forbidden(
            f"Cannot delete project {id} since it is not a leaf in the hierarchy: its children are {', '.join(c.id for c in children)}."
        )
    store.forget_grants(call.tx, target_id=id)
    store.PROJECTS.delete(call.tx, store.PROJECTS.c.id == id)
    call.use(Tokens).grew(call.tx)
    call.emit(events.ProjectDeleted(project_id=id))


def create_domain(call: Call, body: wire.CreateDomain) -> model.Domain:
    """POST /v3/domains"""
    allow(call, policy.CREATE_DOMAIN)
    _domain_free(call.tx, body.name)
    return store.DOMAINS.insert(
        call.tx, id=uuid.uuid4().hex, name=body.name, description=body.description or "", enabled=body.enabled, extra=body.extra
    )


def _domain_free(tx: Tx, name: str) -> None:
    if store.DOMAINS.one(tx, store.DOMAINS.c.name == name) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store project - it is not permitted to have two projects acting as domains with the same name: {name}."
        )


def show_domain(call: Call, id: str) -> model.Domain:
    """GET /v3/domains/{id}"""
    if call.actor.user_domain_id != id:
        allow(call, policy.GET_DOMAIN)
    return found_domain(call.tx, id)


def index_domains(call: Call) -> list[model.Domain]:
    """GET /v3/domains: administrators all, others their own."""
    q, c = call.query, store.DOMAINS.c
    where = [c.name == q.get("name")] if "name" in q else []
    enabled = q.yes("enabled")
    if enabled is not None:
        where.append(c.enabled.is_(enabled))
    if not may(call.actor, policy.LIST_DOMAINS):
        where.append(c.id == call.actor.user_domain_id)
    return store.DOMAINS.page(call.tx, *where, sort=(("name", "asc"),), marker=q.get("marker"), limit=q.whole("limit"))


def update_domain(call: Call, id: str, body: wire.UpdateDomain) -> model.Domain:
    """PATCH /v3/domains/{id}"""
    allow(call, policy.UPDATE_DOMAIN)
    domain = found_domain(call.tx, id)
    change = given(body)
    extra = change.pop("extra")
    change.pop("options", None)
    if "name" in change and change["name"] != domain.name:
        _domain_free(call.tx, change["name"])
    if extra:
        change["extra"] = {k: v for k, v in (domain.extra | extra).items() if v is not None}
    if change:
        store.DOMAINS.put(call.tx, id, **change)
    if change.get("enabled") is False:
        call.use(Tokens).grew(call.tx)
    return found_domain(call.tx, id)


def delete_domain(call: Call, id: str) -> None:
    """DELETE /v3/domains/{id}: a disabled one, with its users and projects."""
    allow(call, policy.DELETE_DOMAIN)
    domain = found_domain(call.tx, id)
    if domain.enabled:
        raise Forbidden(f"Cannot delete a domain that is enabled, please disable it first: {domain.name}.")
    for project in store.PROJECTS.find(call.tx, store.PROJECTS.c.domain_id == id):
        store.forget_grants(call.tx, target_id=project.id)
        call.emit(events.ProjectDeleted(project_id=project.id))
    for user in store.USERS.find(call.tx, store.USERS.c.domain_id == id):
        store.forget_grants(call.tx, user_id=user.id)
    store.forget_grants(call.tx, target_id=id)
    store.PROJECTS.delete(call.tx, store.PROJECTS.c.domain_id == id)
    store.USERS.delete(call.tx, store.USERS.c.domain_id == id)
    store.DOMAINS.delete(call.tx, store.DOMAINS.c.id == id)
    call.use(Tokens).grew(call.tx)
