# SPDX-License-Identifier: Apache-2.0
"""Quotas of projects, and the limits that a project sees."""

from __future__ import annotations

from typing import NamedTuple

from virga.authority import limits as limit_checks
from virga.authority import store as authority_store
from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Invalid
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.compute import limits, policy, wire

Limits = dict[str, int]
"""Limits of a project by their names; -1 is none."""


class Used(NamedTuple):
    """What of a project's limits is used."""

    instances: int
    cores: int
    ram: int
    server_groups: int


def absolute_limits(call: Call) -> tuple[Limits, Used]:
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
        server_groups=limits.SERVER_GROUPS.count(call.tx, project),
    )
    return _limits(call, project), used


def _limits(act: Act, project: str) -> Limits:
    return {x.name: limit_checks.value(act.tx, x, project) for x in limits.ALL}


def show(act: Act, id: str) -> tuple[str, Limits]:
    """GET /os-quota-sets/{project}: the project, and its limits."""
    allow(act, policy.QUOTAS_SHOW, project_id=id)
    return id, _limits(act, id)


def defaults(act: Act, id: str) -> tuple[str, Limits]:
    """GET /os-quota-sets/{project}/defaults"""
    allow(act, policy.QUOTAS_DEFAULTS)
    return id, {x.name: x.default for x in limits.ALL}


def detail(act: Act, id: str) -> tuple[str, Limits, dict[str, int]]:
    """GET /os-quota-sets/{project}/detail: the project, its limits, and what is used of each."""
    allow(act, policy.QUOTAS_DETAIL, project_id=id)
    return id, _limits(act, id), {x.name: x.count(act.tx, id) for x in limits.ALL}


def update(act: Act, id: str, body: wire.Quota) -> Limits:
    """PUT /os-quota-sets/{project}: not below what is used, unless forced. Raises Invalid."""
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
    return _limits(act, id)


def reset(act: Act, id: str) -> None:
    """DELETE /os-quota-sets/{project}"""
    allow(act, policy.QUOTAS_DELETE)
    authority_store.clear(act.tx, id, "compute")
