# SPDX-License-Identifier: Apache-2.0
"""What stands around machines: services, hypervisors, zones, limits, quotas, version documents."""

from __future__ import annotations

from typing import Any, NamedTuple

from virga.authority import limits as limit_checks
from virga.authority import store as authority_store
from virga.authority.rules import Rule, allow
from virga.ground.act import Act
from virga.ground.errors import Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.compute import hosts, limits, model, policy, store, wire


def services(call: Call) -> list[model.Host]:
    """GET /os-services: one nova-compute per host."""
    allow(call, policy.SERVICES)
    q = call.query
    if q.get("binary") not in (None, "nova-compute"):
        return []
    where = [store.HOSTS.c.name == q.get("host")] if "host" in q else []
    return store.HOSTS.find(call.tx, *where, order=store.HOSTS.c.number)


def update_service(act: Act, id: str, body: wire.UpdateService) -> model.Host:
    """PUT /os-services/{id}, since 2.53: enable, disable with a reason, force down."""
    allow(act, policy.SERVICES_UPDATE)
    host = store.HOSTS.get(act.tx, id)
    if host is None:
        raise NotFound(f"Service {id[:64]} not found.")
    change: dict[str, Any] = {}
    if body.status is not UNSET:
        change["enabled"] = body.status == "enabled"
        change["disabled_reason"] = (
            body.disabled_reason if body.status == "disabled" and isinstance(body.disabled_reason, str) else None
        )
    elif body.disabled_reason is not UNSET:
        raise Invalid("Specifying disabled_reason requires that status is set to 'disabled'.", field="disabled_reason")
    if body.forced_down is not UNSET:
        change["forced_down"] = body.forced_down
    if not change:
        raise Invalid(
            "No updates were requested. Fields 'status' or 'forced_down' should be specified.", field="status"
        )
    store.HOSTS.put(act.tx, id, **change)
    updated = store.HOSTS.get(act.tx, id)
    assert updated is not None
    hosts.mark(act.tx, act.now(), updated)
    return updated


def hypervisors(call: Call) -> list[tuple[model.Host, model.Used]]:
    """GET /os-hypervisors"""
    return _hypervisors(call, policy.HYPERVISORS)


def hypervisors_detail(call: Call) -> list[tuple[model.Host, model.Used]]:
    """GET /os-hypervisors/detail, with what is used of each."""
    return _hypervisors(call, policy.HYPERVISORS_DETAIL)


def _hypervisors(call: Call, rule: Rule) -> list[tuple[model.Host, model.Used]]:
    allow(call, rule)
    used = store.used(call.tx)
    pattern = call.query.get("hypervisor_hostname_pattern")
    hosts = store.HOSTS.find(call.tx, order=store.HOSTS.c.number)
    if pattern is not None:
        hosts = [h for h in hosts if pattern in h.name]
        if not hosts and call.version < (2, 53):
            raise NotFound(f"No hypervisor matching '{pattern[:64]}' could be found.")
    return [(h, used.get(h.name, model.Used())) for h in hosts]


def hypervisor(call: Call, id: str) -> tuple[model.Host, model.Used]:
    """GET /os-hypervisors/{id}, by number, or by uuid since 2.53."""
    for host, used in _hypervisors(call, policy.HYPERVISORS_SHOW):
        if id in {host.id, str(host.number)}:
            return host, used
    raise NotFound(f"Hypervisor with ID '{id[:64]}' could not be found.")


def statistics(call: Call) -> list[tuple[model.Host, model.Used]]:
    """GET /os-hypervisors/statistics"""
    return [(h, u) for h, u in _hypervisors(call, policy.HYPERVISORS_SUM) if h.enabled]


def zones(act: Act) -> list[model.Host]:
    """GET /os-availability-zone"""
    allow(act, policy.ZONES)
    return store.HOSTS.find(act.tx, order=store.HOSTS.c.name)


def zones_detail(act: Act) -> list[model.Host]:
    """GET /os-availability-zone/detail: which hosts there are is the operator's business."""
    allow(act, policy.ZONES_DETAIL)
    return store.HOSTS.find(act.tx, order=store.HOSTS.c.name)


Kept = dict[str, int]
"""Limits of a project by their names; -1 is none."""


class Used(NamedTuple):
    """What of a project's limits is used."""

    instances: int
    cores: int
    ram: int


def limits_shown(call: Call) -> tuple[Kept, Used]:
    """GET /limits: absolute limits and their use."""
    allow(call, policy.LIMITS)
    project = call.actor.project_id or ""
    requested = call.query.get("tenant_id")
    if requested is not None and requested != project:
        allow(call, policy.LIMITS_OTHER)
        project = requested
    used = Used(
        instances=limits.INSTANCES.count(call.tx, project),
        cores=limits.CORES.count(call.tx, project),
        ram=limits.RAM.count(call.tx, project),
    )
    return _kept(call, project), used


def _kept(act: Act, project: str) -> Kept:
    return {x.name: limit_checks.value(act.tx, x, project) for x in limits.ALL}


def quota(act: Act, id: str) -> tuple[str, Kept]:
    """GET /os-quota-sets/{project}: the project, and its limits."""
    allow(act, policy.QUOTAS_SHOW, project_id=id)
    return id, _kept(act, id)


def default_quota(act: Act, id: str) -> tuple[str, Kept]:
    """GET /os-quota-sets/{project}/defaults"""
    allow(act, policy.QUOTAS_DEFAULTS)
    return id, {x.name: x.default for x in limits.ALL}


def quota_detail(act: Act, id: str) -> tuple[str, Kept, dict[str, int]]:
    """GET /os-quota-sets/{project}/detail: the project, its limits, and what is used of each."""
    allow(act, policy.QUOTAS_DETAIL, project_id=id)
    return id, _kept(act, id), {x.name: x.count(act.tx, id) for x in limits.ALL}


def set_quota(act: Act, id: str, body: wire.Quota) -> Kept:
    """PUT /os-quota-sets/{project}: not below what is used, unless forced."""
    allow(act, policy.QUOTAS_UPDATE)
    for x in limits.ALL:
        value = getattr(body, x.name)
        if value is UNSET:
            continue
        used = x.count(act.tx, id)
        if -1 < value < used and not wire.true(body.force):
            raise Invalid(
                f"Quota limit {value} for {x.name} must be greater than or equal to already used and reserved {used}.",
                field=x.name,
            )
        authority_store.set_limit(act.tx, id, "compute", x.name, value)
    return _kept(act, id)


def reset_quota(act: Act, id: str) -> None:
    """DELETE /os-quota-sets/{project}"""
    allow(act, policy.QUOTAS_DELETE)
    authority_store.clear(act.tx, id, "compute")


def document(_: Act, *__: str) -> None:
    """Version and extension documents: everything is in the view."""
    return
