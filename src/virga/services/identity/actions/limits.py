# SPDX-License-Identifier: Apache-2.0
"""Unified limits: what a resource of a service may amount to, registered for all and set for single projects and domains. This cloud's
own services count against them (`virga.authority.limits`)."""

from __future__ import annotations

import uuid
from typing import Any

from virga.authority.rules import allow, is_admin, may
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.db.rows import Where
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import given
from virga.services.identity import filters, model, policy, settings, store, wire


def _found_registered(tx: Tx, id: str) -> model.RegisteredLimit:
    row = store.REGISTERED_LIMITS.get(tx, id)
    if row is None:
        raise NotFound(f"Could not find registered limit for {id}.")
    return row


def _found(tx: Tx, id: str) -> model.ProjectLimit:
    row = store.PROJECT_LIMITS.get(tx, id)
    if row is None:
        raise NotFound(f"Could not find limit for {id}.")
    return row


def _exist(tx: Tx, service_id: object, region_id: object) -> None:
    if isinstance(service_id, str) and store.SERVICES.get(tx, service_id) is None:
        raise Invalid(f"Invalid input for field 'service_id': there is no service {service_id}", field="service_id")
    if isinstance(region_id, str) and store.REGIONS.get(tx, region_id) is None:
        raise Invalid(f"Invalid input for field 'region_id': there is no region {region_id}", field="region_id")


def _same(rows: Any, service_id: str, region_id: str | None, name: str) -> list[Where]:
    c = rows.c
    return [c.service_id == service_id, c.region_id.is_not_distinct_from(region_id), c.resource_name == name]


def register(act: Act, body: wire.RegisteredLimits) -> list[model.RegisteredLimit]:
    """POST /v3/registered_limits. Raises Conflict."""
    allow(act, policy.CREATE_REGISTERED_LIMITS)
    act.tx.hold("identity:limits")  # one of each: what is looked up below stays so until it is written
    out = []
    for each in body.registered_limits:
        _exist(act.tx, each.service_id, each.region_id)
        if store.REGISTERED_LIMITS.one(
            act.tx, *_same(store.REGISTERED_LIMITS, each.service_id, each.region_id, each.resource_name)
        ):
            raise Conflict(
                f"Conflict occurred attempting to store registered_limit - Duplicate entry for {each.resource_name}."
            )
        out.append(
            store.REGISTERED_LIMITS.insert(
                act.tx,
                id=uuid.uuid4().hex,
                service_id=each.service_id,
                region_id=each.region_id,
                resource_name=each.resource_name,
                default_limit=each.default_limit,
                description=each.description,
            )
        )
    return out


def registered(call: Call) -> list[model.RegisteredLimit]:
    """GET /v3/registered_limits, by service_id, region_id, resource_name"""
    allow(call, policy.LIST_REGISTERED_LIMITS)
    where = filters.where(call, store.REGISTERED_LIMITS, "service_id", "region_id", "resource_name")
    return store.REGISTERED_LIMITS.find(call.tx, *where, order=store.REGISTERED_LIMITS.c.id)


def show_registered(act: Act, id: str) -> model.RegisteredLimit:
    """GET /v3/registered_limits/{id}"""
    allow(act, policy.GET_REGISTERED_LIMIT)
    return _found_registered(act.tx, id)


def _used(tx: Tx, id: str) -> list[str]:
    return [r.id for r in store.PROJECT_LIMITS.find(tx, store.PROJECT_LIMITS.c.registered_limit_id == id)]


def update_registered(act: Act, id: str, body: wire.UpdateRegisteredLimit) -> model.RegisteredLimit:
    """PATCH /v3/registered_limits/{id}: not what it is about while limits refer to it. Raises Forbidden, Conflict."""
    allow(act, policy.UPDATE_REGISTERED_LIMIT)
    row = _found_registered(act.tx, id)
    change = given(body)
    _exist(act.tx, change.get("service_id"), change.get("region_id"))
    about = {k: change.get(k, getattr(row, k)) for k in ("service_id", "region_id", "resource_name")}
    if any(about[k] != getattr(row, k) for k in about):
        used = _used(act.tx, id)
        if used:
            raise Forbidden(
                f"Unable to update registered limit {id}: limits {', '.join(used)} refer to it.", blocking=used
            )
        if store.REGISTERED_LIMITS.one(act.tx, *_same(store.REGISTERED_LIMITS, *about.values())):
            raise Conflict(
                f"Conflict occurred attempting to store registered_limit - Duplicate entry for {about['resource_name']}."
            )
    if change:
        store.REGISTERED_LIMITS.put(act.tx, id, **change)
    return _found_registered(act.tx, id)


def delete_registered(act: Act, id: str) -> None:
    """DELETE /v3/registered_limits/{id}: not while limits refer to it. Raises Forbidden."""
    allow(act, policy.DELETE_REGISTERED_LIMIT)
    _found_registered(act.tx, id)
    used = _used(act.tx, id)
    if used:
        raise Forbidden(f"Unable to delete registered limit {id}: limits {', '.join(used)} refer to it.", blocking=used)
    store.REGISTERED_LIMITS.delete(act.tx, store.REGISTERED_LIMITS.c.id == id)


MODELS = {
    "flat": "Limit enforcement and validation does not take project hierarchy into consideration.",
    "strict_two_level": "This model requires project hierarchy never exceeds a depth of two, and the limits of a project's children together do not pass its own.",
}


def limit_model(act: Act) -> tuple[str, str]:
    """GET /v3/limits/model"""
    allow(act, policy.GET_LIMIT_MODEL)
    name = act.use(settings.Identity).limit_model
    return name, MODELS[name]


def create(act: Act, body: wire.Limits) -> list[model.ProjectLimit]:
    """POST /v3/limits: each of a project or a domain, for what is registered. Raises Invalid, Forbidden, Conflict."""
    allow(act, policy.CREATE_LIMITS)
    tx, out = act.tx, []
    tx.hold("identity:limits")
    for each in body.limits:
        _exist(tx, each.service_id, each.region_id)
        if (each.project_id is None) == (each.domain_id is None):
            raise Invalid("Invalid input for field 'limits': each is of a project or of a domain", field="limits")
        if each.project_id is not None and store.PROJECTS.get(tx, each.project_id) is None:
            raise Invalid(
                f"Invalid input for field 'project_id': there is no project {each.project_id}", field="project_id"
            )
        if each.domain_id is not None and store.DOMAINS.get(tx, each.domain_id) is None:
            raise Invalid(
                f"Invalid input for field 'domain_id': there is no domain {each.domain_id}", field="domain_id"
            )
        about = (each.service_id, each.region_id, each.resource_name)
        registered = store.REGISTERED_LIMITS.one(tx, *_same(store.REGISTERED_LIMITS, *about))
        if registered is None:
            raise Forbidden(
                f"Unable to create a limit that has no corresponding registered limit: {each.resource_name}."
            )
        c = store.PROJECT_LIMITS.c
        whose = (c.project_id.is_not_distinct_from(each.project_id), c.domain_id.is_not_distinct_from(each.domain_id))
        if store.PROJECT_LIMITS.one(tx, *_same(store.PROJECT_LIMITS, *about), *whose):
            raise Conflict(f"Conflict occurred attempting to store limit - Duplicate entry for {each.resource_name}.")
        row = store.PROJECT_LIMITS.insert(
            tx,
            id=uuid.uuid4().hex,
            project_id=each.project_id,
            domain_id=each.domain_id,
            service_id=each.service_id,
            region_id=each.region_id,
            resource_name=each.resource_name,
            resource_limit=each.resource_limit,
            description=each.description,
            registered_limit_id=registered.id,
        )
        _add_up(act, row)
        out.append(row)
    return out


def _add_up(act: Act, row: model.ProjectLimit) -> None:
    """In the model of two levels a project's limit does not pass that of what is above it, its own or the registered one, and is not
    below that of a project beneath it."""
    if act.use(settings.Identity).limit_model != "strict_two_level":
        return
    c, p = store.PROJECT_LIMITS.c, store.PROJECTS.c
    same = _same(store.PROJECT_LIMITS, row.service_id, row.region_id, row.resource_name)
    project = store.PROJECTS.get(act.tx, row.project_id) if row.project_id is not None else None
    if project is not None:
        above = store.PROJECT_LIMITS.one(
            act.tx, *same, (c.project_id == project.parent_id) | (c.domain_id == project.parent_id)
        )
        registered = store.REGISTERED_LIMITS.get(act.tx, row.registered_limit_id)
        most = (
            above.resource_limit if above is not None else registered.default_limit if registered is not None else None
        )
        if most is not None and row.resource_limit > most:
            raise Forbidden(
                f"Invalid resource limit: {row.resource_limit} of {row.resource_name} is more than the {most} of {project.parent_id} above."
            )
    children = [x.id for x in store.PROJECTS.find(act.tx, p.parent_id == (row.project_id or row.domain_id))]
    for below in store.PROJECT_LIMITS.within(act.tx, "project_id", children, *same):
        if below.resource_limit > row.resource_limit:
            raise Forbidden(
                f"Invalid resource limit: {row.resource_limit} of {row.resource_name} is less than the {below.resource_limit} of {below.project_id} beneath."
            )


def index(call: Call) -> list[model.ProjectLimit]:
    """GET /v3/limits, by service_id, region_id, resource_name, project_id, domain_id: administrators all, others their own."""
    allow(call, policy.LIST_LIMITS)
    actor, c = call.actor, store.PROJECT_LIMITS.c
    where = filters.where(
        call, store.PROJECT_LIMITS, "service_id", "region_id", "resource_name", "project_id", "domain_id"
    )
    if not (is_admin(actor) or may(actor, policy.LIST_TRUSTS)):  # who may read everything of identity's
        if actor.domain_id is not None:
            inside = [p.id for p in store.PROJECTS.find(call.tx, store.PROJECTS.c.domain_id == actor.domain_id)]
            where.append((c.domain_id == actor.domain_id) | c.project_id.in_(inside))
        else:
            where.append(c.project_id == (actor.project_id or ""))
    return store.PROJECT_LIMITS.find(call.tx, *where, order=c.id)


def show(act: Act, id: str) -> model.ProjectLimit:
    """GET /v3/limits/{id}"""
    row = store.PROJECT_LIMITS.get(act.tx, id)
    target: dict[str, str | None] = {}
    if row is not None:
        project = store.PROJECTS.get(act.tx, row.project_id) if row.project_id is not None else None
        target = {
            "target.limit.project_id": row.project_id,
            "target.limit.domain.id": row.domain_id,
            "target.limit.project.domain_id": project.domain_id if project is not None else None,
        }
    allow(act, policy.GET_LIMIT, target=target)
    return _found(act.tx, id)


def update(act: Act, id: str, body: wire.UpdateLimit) -> model.ProjectLimit:
    """PATCH /v3/limits/{id}"""
    allow(act, policy.UPDATE_LIMIT)
    _found(act.tx, id)
    change = given(body)
    if change:
        store.PROJECT_LIMITS.put(act.tx, id, **change)
    row = _found(act.tx, id)
    _add_up(act, row)
    return row


def delete(act: Act, id: str) -> None:
    """DELETE /v3/limits/{id}"""
    allow(act, policy.DELETE_LIMIT)
    _found(act.tx, id)
    store.PROJECT_LIMITS.delete(act.tx, store.PROJECT_LIMITS.c.id == id)
