# SPDX-License-Identifier: Apache-2.0
"""Quotas of the network."""

from __future__ import annotations

from virga.authority import limits as checks
from virga.authority import store as authority_store
from virga.authority.rules import allow, may, refusal
from virga.ground.errors import Invalid
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.network import limits, policy, wire
from virga.services.network.actions import ownership


def _project(call: Call, id: str) -> str:
    if not may(call.actor, policy.GET_QUOTA, project_id=id):
        raise ownership.missing("quota", id) if id != call.actor.project_id else refusal(call.actor, policy.GET_QUOTA)
    return id


def show(call: Call, id: str) -> dict[str, int]:
    """GET /v2.0/quotas/{project}"""
    project = _project(call, id)
    own = {limit.name: checks.value(call.tx, limit, project) for limit in limits.ALL}
    return limits.UPSTREAM | own


def index(call: Call) -> list[dict[str, int | str]]:
    """GET /v2.0/quotas: of each project that an administrator gave limits of its own."""
    allow(call, policy.GET_QUOTA)
    found = authority_store.projects(call.tx, "network")
    return [show(call, id) | {"project_id": id, "tenant_id": id} for id in found]


def tenant(call: Call) -> dict[str, str]:
    """GET /v2.0/quotas/tenant and /v2.0/quotas/project: whose quota it is that the caller would be shown."""
    return {"id": call.actor.project_id or ""}


def default(call: Call, id: str) -> dict[str, int]:
    """GET /v2.0/quotas/{project}/default"""
    _project(call, id)
    return limits.UPSTREAM | {limit.name: limit.default for limit in limits.ALL}


def details(call: Call, id: str) -> dict[str, wire.Used]:
    """GET /v2.0/quotas/{project}/details: limit and use."""
    project = _project(call, id)
    return {
        each.name: wire.Used(limit=checks.value(call.tx, each, project), used=each.count(call.tx, project))
        for each in limits.ALL
    }


def update(call: Call, id: str, body: wire.Quota) -> dict[str, int]:
    """PUT /v2.0/quotas/{project}. With `check_limit` not below what the project has: raises Invalid. Without, as with `force`, it may
    be: then nothing more is made until enough is gone."""
    allow(call, policy.UPDATE_QUOTA)
    for limit in limits.ALL:
        value = getattr(body, limit.name)
        if value is not UNSET:
            used = limit.count(call.tx, id) if body.check_limit else 0
            if 0 <= value < used:
                raise Invalid(
                    f"Quota limit {value} for {limit.name} must be greater than or equal to already used {used}",
                    field=limit.name,
                )
            authority_store.set_limit(call.tx, id, "network", limit.name, value)
    return show(call, id)


def reset(call: Call, id: str) -> None:
    """DELETE /v2.0/quotas/{project}: back to the defaults."""
    allow(call, policy.UPDATE_QUOTA)
    authority_store.clear(call.tx, id, "network")
