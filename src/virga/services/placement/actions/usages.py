# SPDX-License-Identifier: Apache-2.0
"""What is used: of a provider, by a project."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.http.call import Call
from virga.services.placement import groups, model, policy, store, wire
from virga.services.placement.actions import inventories, providers


def of_provider(act: Act, id: str) -> tuple[model.Provider, dict[str, int]]:
    """GET /resource_providers/{uuid}/usages"""
    allow(act, policy.PROVIDER_USAGES)
    provider = providers.found(act, id)
    return provider, {row.resource_class: row.used for row in inventories.of(act, provider)}


def total(call: Call) -> list[tuple[str | None, str, int, int]]:
    """GET /usages (1.9) of a project, and of a user in it; from 1.38 by type of consumer."""
    q = call.query
    project = q.get("project_id")
    allow(call, policy.TOTAL_USAGES, project_id=project)
    if not project:
        raise groups.bad("Invalid query string parameters: 'project_id' is a required property", "project_id", "placement.query.missing_value")  # fmt: skip
    groups.only(q.items, wire.USAGES if call.version >= (1, 38) else {"project_id", "user_id"})
    if "user_id" in q and not 1 <= len(q.get("user_id") or "") <= 255:
        raise groups.bad("Invalid query string parameters: 'user_id' has between 1 and 255 characters", "user_id")
    where = [store.c.project_id == project]
    if "user_id" in q:
        where.append(store.c.user_id == q.get("user_id"))
    if "consumer_type" in q and call.version >= (1, 38):
        kind = q.get("consumer_type") or ""
        if kind == model.NO_TYPE:
            where.append(store.c.type.is_(None))
        elif kind != "all":
            where.append(store.c.type == kind)
    return store.usages(call.tx, *where)
