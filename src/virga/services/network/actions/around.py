# SPDX-License-Identifier: Apache-2.0
"""What stands around the nouns: extensions, quotas, tags, availability zones, agents."""

from __future__ import annotations

from typing import Any

from virga.authority import limits as limit_checks
from virga.authority import store as authority_store
from virga.authority.rules import Rule, allow, may, refusal
from virga.ground.db.rows import Rows
from virga.ground.errors import Forbidden, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.network import limits, policy, store, wire
from virga.services.network.actions import groups, networks, owning, ports, routers

TAGGED: dict[str, tuple[Rows[Any], Any]] = {
    "networks": (store.NETWORKS, networks.seen_network),
    "subnets": (store.SUBNETS, networks.seen_subnet),
    "ports": (store.PORTS, ports.seen),
    "routers": (store.ROUTERS, routers.seen),
    "floatingips": (store.FLOATING_IPS, routers.seen_fip),
    "security-groups": (store.GROUPS, groups.seen),
}


def tags_of(noun: str) -> dict[str, Any]:
    """The tag verbs of one noun, by name."""
    (rows, seen), (update, delete) = TAGGED[noun], policy.TAGS[noun]

    def allowed(call: Call, id: str, rule: Rule) -> Any:
        row = seen(call, id)
        allow(call, rule, project_id=row.project_id)
        return row

    def index(call: Call, id: str) -> dict[str, Any]:
        return {"tags": seen(call, id).tags}

    def has(call: Call, id: str, tag: str) -> None:
        if tag not in seen(call, id).tags:
            raise NotFound(f"Tag {tag[:64]} could not be found.", type="TagNotFound")

    def put(call: Call, id: str, body: wire.Tags) -> dict[str, Any]:
        allowed(call, id, update)
        owning.newer(call, rows, id, {"tags": sorted(set(body.tags))})
        return {"tags": sorted(set(body.tags))}

    def clear(call: Call, id: str) -> None:
        allowed(call, id, delete)
        owning.newer(call, rows, id, {"tags": []})

    def add(call: Call, id: str, tag: str) -> None:
        row = allowed(call, id, update)
        if len(tag) > 255 or len(row.tags) >= 50:
            raise Forbidden("A thing has at most 50 tags of at most 255 characters.")
        owning.newer(call, rows, id, {"tags": sorted({*row.tags, tag})})

    def remove(call: Call, id: str, tag: str) -> None:
        row = allowed(call, id, delete)
        if tag not in row.tags:
            raise NotFound(f"Tag {tag[:64]} could not be found.", type="TagNotFound")
        owning.newer(call, rows, id, {"tags": [t for t in row.tags if t != tag]})

    verbs = {"index": index, "has": has, "put": put, "clear": clear, "add": add, "remove": remove}
    for name, verb in verbs.items():
        verb.__name__ = f"tags_{name}_{noun}"
    return verbs


def _quota_project(call: Call, id: str) -> str:
    if not may(call.actor, policy.GET_QUOTA, project_id=id):
        raise owning.missing("quota", id) if id != call.actor.project_id else refusal(call.actor, policy.GET_QUOTA)
    return id


def quota(call: Call, id: str) -> dict[str, int]:
    """GET /v2.0/quotas/{project}"""
    project = _quota_project(call, id)
    own = {limit.name: limit_checks.value(call.tx, limit, project) for limit in limits.ALL}
    return limits.UPSTREAM | own


def quotas(call: Call) -> list[dict[str, Any]]:
    """GET /v2.0/quotas: of each project that an administrator gave limits of its own."""
    allow(call, policy.GET_QUOTA)
    found = authority_store.projects(call.tx, "network")
    return [quota(call, id) | {"project_id": id, "tenant_id": id} for id in found]


def quota_tenant(call: Call) -> dict[str, str]:
    """GET /v2.0/quotas/tenant and /v2.0/quotas/project: whose quota it is that the caller would be shown."""
    return {"id": call.actor.project_id or ""}


def default_quota(call: Call, id: str) -> dict[str, int]:
    """GET /v2.0/quotas/{project}/default"""
    _quota_project(call, id)
    return limits.UPSTREAM | {limit.name: limit.default for limit in limits.ALL}


def quota_details(call: Call, id: str) -> dict[str, dict[str, int]]:
    """GET /v2.0/quotas/{project}/details.json: limit, use, nothing reserved ever."""
    project = _quota_project(call, id)
    return {
        x.name: {"limit": limit_checks.value(call.tx, x, project), "used": x.count(call.tx, project), "reserved": 0}
        for x in limits.ALL
    }


def set_quota(call: Call, id: str, body: wire.Quota) -> dict[str, int]:
    """PUT /v2.0/quotas/{project}"""
    allow(call, policy.UPDATE_QUOTA)
    for limit in limits.ALL:
        value = getattr(body, limit.name)
        if value is not UNSET:
            authority_store.set_limit(call.tx, id, "network", limit.name, value)
    return quota(call, id)


def reset_quota(call: Call, id: str) -> None:
    """DELETE /v2.0/quotas/{project}: back to the defaults."""
    allow(call, policy.UPDATE_QUOTA)
    authority_store.clear(call.tx, id, "network")


def extension(_: Call, alias: str) -> str:
    """GET /v2.0/extensions/{alias}: the rest is in the view."""
    return alias


def document(_: Call, *__: str) -> None:
    """Version and extension documents: everything is in the view."""
    return
