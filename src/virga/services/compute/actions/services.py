# SPDX-License-Identifier: Apache-2.0
"""Compute services: the node agent of each host, as nova-compute."""

from __future__ import annotations

from typing import Any

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.compute import hosts, model, policy, store, wire


def index(call: Call) -> list[model.Host]:
    """GET /os-services: one nova-compute per host."""
    allow(call, policy.SERVICES)
    q = call.query
    if q.get("binary") not in (None, "nova-compute"):
        return []
    where = [store.HOSTS.c.name == q.get("host")] if "host" in q else []
    return store.HOSTS.find(call.tx, *where, order=store.HOSTS.c.number)


def update(act: Act, id: str, body: wire.UpdateService) -> model.Host:
    """PUT /os-services/{id}, since 2.53: enable, disable with a reason, force down. Raises NotFound, Invalid."""
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
