# SPDX-License-Identifier: Apache-2.0
"""Lists of servers, with Nova's filters."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from virga.authority.rules import Rule, allow, is_admin
from virga.ground.db.rows import like_any, tagged
from virga.ground.errors import Invalid
from virga.ground.http.call import Call
from virga.ground.http.pages import Page, page_request, paginate
from virga.services.compute import model, policy, store
from virga.services.compute.actions import neighbours
from virga.services.compute.actions.neighbours import Neighbours
from virga.services.network import api as network

SORTABLE = {
    "created_at": "created",
    "updated_at": "updated",
    "display_name": "name",
    "name": "name",
    "uuid": "id",
    "id": "id",
    "vm_state": "vm_state",
    "task_state": "task_state",
    "host": "host",
    "key_name": "key_name",
    "user_id": "user_id",
    "project_id": "project_id",
    "launched_at": "launched",
    "power_state": "power_state",
    "image_ref": "image_id",
    "instance_type_id": "flavor_id",
    "display_description": "description",
    "availability_zone": "zone",
    "created": "created",
    "updated": "updated",
    "status": "vm_state",
}
STATUSES = {
    "ACTIVE": (model.ACTIVE,),
    "BUILD": (model.BUILDING,),
    "SHUTOFF": (model.STOPPED,),
    "ERROR": (model.ERROR,),
    "REBOOT": (model.ACTIVE,),
    "HARD_REBOOT": (model.ACTIVE,),
}


def index(call: Call) -> Page[model.ListedServer]:
    """GET /servers"""
    return _listed(call, policy.SERVERS_INDEX, policy.SERVERS_ALL)


def detail(call: Call) -> tuple[Page[model.ListedServer], Neighbours]:
    """GET /servers/detail"""
    page = _listed(call, policy.SERVERS_DETAIL, policy.SERVERS_DETAIL_ALL)
    return page, neighbours.of(call.tx, page.items)


def _listed(call: Call, rule: Rule, all_rule: Rule) -> Page[model.ListedServer]:
    """With Nova's filters."""
    allow(call, rule, project_id=call.actor.project_id)
    page = page_request(call, sortable=SORTABLE, default=(("created", "desc"), ("id", "desc")), most=1000)
    q, c = call.query, store.c
    every = any(q.yes(name, False) for name in ("all_tenants", "all_projects") if name in q)
    where, seen = [], None
    if every:
        allow(call, all_rule)
        for name in ("project_id", "tenant_id"):
            if name in q:
                where.append(c.project_id == q.get(name))
    else:
        seen = c.project_id == (call.actor.project_id or "")
    if "name" in q:
        where.append(_named(q.get("name") or ""))
    pairs = {
        "flavor": c.flavor_id,
        "image": c.image_id,
        "key_name": c.key_name,
        "user_id": c.user_id,
        "reservation_id": c.reservation_id,
        "uuid": c.id,
    }
    if is_admin(call.actor):
        pairs |= {"host": c.host, "node": c.host, "availability_zone": c.zone}
    where += [column == q.get(name) for name, column in pairs.items() if name in q]
    if "status" in q:
        states = {s for value in q.all("status") for s in STATUSES.get(value.upper(), ())}
        where.append(c.vm_state.in_(states or {"none"}))
    if "vm_state" in q:
        where.append(c.vm_state == q.get("vm_state"))
    if "task_state" in q and is_admin(call.actor):
        where.append(c.task_state == q.get("task_state"))
    if "changes-since" in q:
        where.append(c.updated >= _moment(q.get("changes-since") or ""))
    if q.yes("deleted", False) if "deleted" in q else False:
        return Page([])
    if call.version >= (2, 26):
        where += tagged(call.tx, c.tags, q.items)
    if "ip" in q:
        pattern = re.escape(q.get("ip") or "")
        rows = store.LISTED.page(call.tx, *where, seen=seen, sort=page.sort)
        have, _ = network.server_addresses(call.tx, {r.id: r.project_id for r in rows})
        return paginate([r for r in rows if any(re.match(pattern, a.ip) for a in have.get(r.id, ()))], page)
    return paginate(
        store.LISTED.page(call.tx, *where, seen=seen, sort=page.sort, marker=page.marker, limit=page.limit + 1), page
    )


def _named(text: str) -> Any:
    """Nova takes a pattern; a plain part of the name is what people send. Anchors are understood, nothing else is."""
    start, end = text.startswith("^"), text.endswith("$")
    plain = text.removeprefix("^").removesuffix("$").replace("\\", "")
    if start and end:
        return store.c.name == plain
    if start:
        return store.c.name.startswith(plain, autoescape=True)
    if end:
        return store.c.name.endswith(plain, autoescape=True)
    return like_any(store.c.name, plain)


def _moment(text: str) -> float:
    try:
        when = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Invalid(
            f"Invalid input for query parameter 'changes-since': '{text[:40]}' is not a time", field="changes-since"
        ) from None
    return (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()
