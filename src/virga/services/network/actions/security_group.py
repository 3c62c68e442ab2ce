# SPDX-License-Identifier: Apache-2.0
"""Security groups."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from virga.authority.rules import allow, is_admin
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import ownership


def seen(call: Call, id: str) -> model.Group:
    """The security group if the caller may see it. Raises NotFound."""
    return ownership.found(
        call,
        store.GROUPS,
        store.owned(store.GROUPS, *ownership.visibility(call, policy.GET_SECURITY_GROUP)),
        "security group",
        id,
    )


def seen_all(call: Call, ids: Iterable[str]) -> dict[str, model.Group]:
    """As `seen`, of many: id → group. Raises NotFound."""
    return ownership.found_all(
        call,
        store.GROUPS,
        store.owned(store.GROUPS, *ownership.visibility(call, policy.GET_SECURITY_GROUP)),
        "security group",
        ids,
    )


def there(tx: Tx, project: str) -> model.Group | None:
    """The project's default group, if it was ever needed."""
    return store.GROUPS.by(tx, project_id=project, is_default=True)


def default(call: Call, project: str) -> model.Group:
    """The project's default group, made when it is first needed: out is open, in is open among its members."""
    call.tx.hold(f"default-group:{project}")
    group = there(call.tx, project)
    if group is not None:
        return group
    group = _insert(call, project, "default", "Default security group", True, is_default=True).group
    for ethertype in ("IPv4", "IPv6"):
        insert_rule(call, group, direction="ingress", ethertype=ethertype, remote_group_id=group.id)
    return group


def _insert(
    call: Call, project: str, name: str, description: str, stateful: bool, *, is_default: bool
) -> model.GroupDetails:
    now = call.now()
    group = store.GROUPS.insert(
        call.tx,
        id=call.world.uuid(),
        name=name,
        project_id=project,
        description=description,
        stateful=stateful,
        is_default=is_default,
        tags=[],
        revision=1,
        created=now,
        updated=now,
    )
    rules = [insert_rule(call, group, direction="egress", ethertype=version) for version in ("IPv4", "IPv6")]
    store.touch(call.tx, call.registry, "group", group.id)
    return model.GroupDetails(group, rules)


def insert_rule(call: Call, group: model.Group, **says: Any) -> model.GroupRule:
    """Write a rule of a group: `direction`, `ethertype`, and what else it says. The switch is for the caller to tell."""
    now = call.now()
    values = {
        "id": call.world.uuid(),
        "group_id": group.id,
        "project_id": group.project_id,
        "description": "",
        "protocol": None,
        "port_min": None,
        "port_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": None,
        "revision": 0,
        "created": now,
        "updated": now,
    }
    return store.RULES.insert(call.tx, **(values | says))


def create(
    call: Call, body: wire.CreateGroup | list[wire.CreateGroup]
) -> model.GroupDetails | list[model.GroupDetails]:
    """POST /v2.0/security-groups, one or many in one transaction: each with the two rules that let everything out."""
    if isinstance(body, list):
        return make(call, body)
    return make(call, [body])[0]


def make(call: Call, bodies: list[wire.CreateGroup]) -> list[model.GroupDetails]:
    """Security groups with their first rules. Raises Forbidden, Conflict (there is one default), OverQuota."""
    first = functools.cache(functools.partial(default, call))
    wanted = []
    for body in bodies:
        project = ownership.project_of(call, body)
        allow(call, policy.CREATE_SECURITY_GROUP, project_id=project)
        name = body.name if isinstance(body.name, str) else ""
        first(project)
        if name.lower() == "default":
            raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")
        description = body.description if isinstance(body.description, str) else ""
        wanted.append((project, name, description, body.stateful))
    ownership.room(call, limits.GROUPS, (project for project, *_ in wanted))
    return [_insert(call, *each, is_default=False) for each in wanted]


def show(call: Call, id: str) -> model.GroupDetails:
    """GET /v2.0/security-groups/{id}"""
    return store.group_details(call.tx, [seen(call, id)])[0]


def with_default(call: Call) -> None:
    """Make the default group of the caller's project if it is not there: who lists the groups sees it. Opens its own transactions, for
    mostly nothing is written."""
    project = call.actor.project_id
    if project is None:
        return
    with call.db.read() as tx:
        made = there(tx, project) is not None
    if not made:
        with call.db.write() as call.open:
            default(call, project)


def index(call: Call) -> Page[model.GroupDetails]:
    """GET /v2.0/security-groups: a project that never had one sees its default group."""
    with_default(call)
    with call.db.read() as call.open:
        seen = store.owned(store.GROUPS, *ownership.visibility(call, policy.GET_SECURITY_GROUP))
        page = ownership.listed(call, store.GROUPS, seen, store.GROUP_FILTERS)
        return Page(store.group_details(call.tx, page.items), page.marker)


def update(call: Call, id: str, body: wire.UpdateGroup) -> model.GroupDetails:
    """PUT /v2.0/security-groups/{id}"""
    group = seen(call, id)
    allow(call, policy.UPDATE_SECURITY_GROUP, project_id=group.project_id)
    change = ownership.given(body, {"name": "name", "description": "description", "stateful": "stateful"})
    if group.is_default and change.get("name", group.name) != group.name:
        raise Conflict("Updating default security group not allowed.", type="SecurityGroupCannotUpdateDefault")
    if (
        "stateful" in change
        and change["stateful"] != group.stateful
        and store.PORT_GROUPS.count(call.tx, store.PORT_GROUPS.c.group_id == id)
    ):
        raise _in_use(call, id)
    ownership.bump_revision(call, store.GROUPS, id, change)
    store.touch(call.tx, call.registry, "group", id)
    return show(call, id)


def _in_use(call: Call, id: str) -> Conflict:
    ports = [r.port_id for r in store.PORT_GROUPS.find(call.tx, store.PORT_GROUPS.c.group_id == id, limit=20)]
    return Conflict(
        f"Security Group {id} in use by ports {', '.join(ports)}.", type="SecurityGroupInUse", blocking=ports
    )


def delete(call: Call, id: str) -> None:
    """DELETE /v2.0/security-groups/{id}: neither the default one nor one in use."""
    group = seen(call, id)
    allow(call, policy.DELETE_SECURITY_GROUP, project_id=group.project_id)
    if group.is_default and not is_admin(call.actor):
        raise Conflict(
            "Insufficient rights for removing default security group.", type="SecurityGroupCannotRemoveDefault"
        )
    if store.PORT_GROUPS.count(call.tx, store.PORT_GROUPS.c.group_id == id):
        raise _in_use(call, id)
    letting = store.RULES.find(call.tx, store.RULES.c.remote_group_id == id)
    store.RULES.delete(call.tx, store.RULES.c.remote_group_id == id)
    store.RULES.delete(call.tx, store.RULES.c.group_id == id)
    store.GROUPS.delete(call.tx, store.GROUPS.c.id == id)
    store.touch(call.tx, call.registry, "group", id, *(rule.group_id for rule in letting))
