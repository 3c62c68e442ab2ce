# SPDX-License-Identifier: Apache-2.0
"""Quotas of the network."""

from __future__ import annotations

from virga.authority import limits as checks
from virga.authority import store as authority_store
from virga.authority.rules import allow, may, refusal
from virga.ground.act import Act
from virga.ground.errors import Invalid
from virga.ground.wire import UNSET
from virga.services.network import limits, model, policy, wire
from virga.services.network.actions import ownership


def _project(act: Act, id: str) -> str:
    if not may(act.actor, policy.GET_QUOTA, project_id=id):
        raise ownership.missing("quota", id) if id != act.actor.project_id else refusal(act.actor, policy.GET_QUOTA)
    return id


def show(act: Act, id: str) -> dict[str, int]:
    """GET /v2.0/quotas/{project}"""
    project = _project(act, id)
    own = {limit.name: checks.value(act.tx, limit, project) for limit in limits.ALL}
    return limits.UPSTREAM | own


def index(act: Act) -> list[dict[str, int | str]]:
    """GET /v2.0/quotas: of each project that an administrator gave limits of its own."""
    allow(act, policy.GET_QUOTA)
    found = authority_store.projects(act.tx, "network")
    return [show(act, id) | {"project_id": id, "tenant_id": id} for id in found]


def tenant(act: Act) -> str:
    """GET /v2.0/quotas/tenant and /v2.0/quotas/project: whose quota it is that the caller would be shown."""
    return act.actor.project_id or ""


def default(act: Act, id: str) -> dict[str, int]:
    """GET /v2.0/quotas/{project}/default"""
    _project(act, id)
    return limits.UPSTREAM | {limit.name: limit.default for limit in limits.ALL}


def details(act: Act, id: str) -> dict[str, model.Used]:
    """GET /v2.0/quotas/{project}/details: limit and use."""
    project = _project(act, id)
    return {
        each.name: model.Used(limit=checks.value(act.tx, each, project), used=each.count(act.tx, project))
        for each in limits.ALL
    }


def update(act: Act, id: str, body: wire.Quota) -> dict[str, int]:
    """PUT /v2.0/quotas/{project}. With `check_limit` not below what the project has: raises Invalid. Without, as with `force`, it may
    be: then nothing more is made until enough is gone."""
    allow(act, policy.UPDATE_QUOTA)
    for limit in limits.ALL:
        value = getattr(body, limit.name)
        if value is not UNSET:
            used = limit.count(act.tx, id) if body.check_limit else 0
            if 0 <= value < used:
                raise Invalid(
                    f"Quota limit {value} for {limit.name} must be greater than or equal to already used {used}",
                    field=limit.name,
                )
            authority_store.set_limit(act.tx, id, "network", limit.name, value)
    return show(act, id)


def reset(act: Act, id: str) -> None:
    """DELETE /v2.0/quotas/{project}: back to the defaults."""
    allow(act, policy.UPDATE_QUOTA)
    authority_store.clear(act.tx, id, "network")
