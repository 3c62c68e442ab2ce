# SPDX-License-Identifier: Apache-2.0
"""Security groups."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from virga.authority.rules import allow, is_admin
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import ownership


def seen(act: Act, id: str) -> model.Group:
    """The security group if the caller may see it. Raises NotFound."""
    return ownership.found(
        act,
        store.GROUPS,
        store.owned(store.GROUPS, *ownership.visibility(act, policy.GET_SECURITY_GROUP)),
        "security group",
        id,
    )


def seen_all(act: Act, ids: Iterable[str]) -> dict[str, model.Group]:
    """As `seen`, of many: id → group. Raises NotFound."""
    return ownership.found_all(
        act,
        store.GROUPS,
        store.owned(store.GROUPS, *ownership.visibility(act, policy.GET_SECURITY_GROUP)),
        "security group",
        ids,
    )


def there(tx: Tx, project: str) -> model.Group | None:
    """The project's default group, if it was ever needed."""
    return store.GROUPS.by(tx, project_id=project, is_default=True)


def default(act: Act, project: str) -> model.Group:
    """The project's default group, made when it is first needed: out is open, in is open among its members."""
    act.tx.hold(f"default-group:{project}")
    group = there(act.tx, project)
    if group is not None:
        return group
    group = _insert(act, project, "default", "Default security group", True, is_default=True).group
    for ethertype in ("IPv4", "IPv6"):
        insert_rule(act, group, direction="ingress", ethertype=ethertype, remote_group_id=group.id)
    return group


def _insert(
    act: Act, project: str, name: str, description: str, stateful: bool, *, is_default: bool
) -> model.GroupDetails:
    now = act.now()
    group = store.GROUPS.insert(
        act.tx,
        id=act.world.uuid(),
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
    rules = [insert_rule(act, group, direction="egress", ethertype=version) for version in ("IPv4", "IPv6")]
    store.touch(act.tx, act.registry, "group", group.id)
    return model.GroupDetails(group, rules)


def insert_rule(act: Act, group: model.Group, **says: Any) -> model.GroupRule:
    """Write a rule of a group: `direction`, `ethertype`, and what else it says. The switch is for the caller to tell."""
    now = act.now()
    values = {
        "id": act.world.uuid(),
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
    return store.RULES.insert(act.tx, **(values | says))


def create(act: Act, body: wire.CreateGroup | list[wire.CreateGroup]) -> model.GroupDetails | list[model.GroupDetails]:
    """POST /v2.0/security-groups, one or many in one transaction: each with the two rules that let everything out."""
    if isinstance(body, list):
        return make(act, body)
    return make(act, [body])[0]


def make(act: Act, bodies: list[wire.CreateGroup]) -> list[model.GroupDetails]:
    """Security groups with their first rules. Raises Forbidden, Conflict (there is one default), OverQuota."""
    first = functools.cache(lambda project: default(act, project))
    wanted = []
    for body in bodies:
        project = ownership.project_of(act, body)
        allow(act, policy.CREATE_SECURITY_GROUP, project_id=project)
        name = body.name if isinstance(body.name, str) else ""
        first(project)
        if name.lower() == "default":
            raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")
        description = body.description if isinstance(body.description, str) else ""
        wanted.append((project, name, description, body.stateful))
    ownership.room(act, limits.GROUPS, (project for project, *_ in wanted))
    return [_insert(act, *each, is_default=False) for each in wanted]


def show(act: Act, id: str) -> model.GroupDetails:
    """GET /v2.0/security-groups/{id}"""
    return store.group_details(act.tx, [seen(act, id)])[0]


def with_default(act: Act) -> None:
    """Make the default group of the caller's project if it is not there: who lists the groups sees it. Opens its own transactions, for
    mostly nothing is written."""
    project = act.actor.project_id
    if project is None:
        return
    with act.db.read() as tx:
        made = there(tx, project) is not None
    if not made:
        with act.db.write() as act.open:
            default(act, project)


def index(call: Call) -> Page[model.GroupDetails]:
    """GET /v2.0/security-groups: a project that never had one sees its default group."""
    with_default(call)
    with call.db.read() as call.open:
        seen = store.owned(store.GROUPS, *ownership.visibility(call, policy.GET_SECURITY_GROUP))
        page = ownership.listed(call, store.GROUPS, seen, store.GROUP_FILTERS)
        return Page(store.group_details(call.tx, page.items), page.marker)


def update(act: Act, id: str, body: wire.UpdateGroup) -> model.GroupDetails:
    """PUT /v2.0/security-groups/{id}. Raises Conflict."""
    group = seen(act, id)
    allow(act, policy.UPDATE_SECURITY_GROUP, project_id=group.project_id)
    change = ownership.given(body, {"name": "name", "description": "description", "stateful": "stateful"})
    if group.is_default and change.get("name", group.name) != group.name:
        raise Conflict("Updating default security group not allowed.", type="SecurityGroupCannotUpdateDefault")
    if not group.is_default and change.get("name", "").lower() == "default":
        raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")
    if (
        "stateful" in change
        and change["stateful"] != group.stateful
        and store.PORT_GROUPS.count(act.tx, store.PORT_GROUPS.c.group_id == id)
    ):
        raise _in_use(act, id)
    ownership.bump_revision(act, store.GROUPS, id, change)
    store.touch(act.tx, act.registry, "group", id)
    return show(act, id)


def _in_use(act: Act, id: str) -> Conflict:
    ports = [r.port_id for r in store.PORT_GROUPS.find(act.tx, store.PORT_GROUPS.c.group_id == id, limit=20)]
    return Conflict(
        f"Security Group {id} in use by ports {', '.join(ports)}.", type="SecurityGroupInUse", blocking=ports
    )


def delete(act: Act, id: str) -> None:
    """DELETE /v2.0/security-groups/{id}: neither the default one nor one in use. Raises Conflict."""
    group = seen(act, id)
    allow(act, policy.DELETE_SECURITY_GROUP, project_id=group.project_id)
    if group.is_default and not is_admin(act.actor):
        raise Conflict(
            "Insufficient rights for removing default security group.", type="SecurityGroupCannotRemoveDefault"
        )
    if store.PORT_GROUPS.count(act.tx, store.PORT_GROUPS.c.group_id == id):
        raise _in_use(act, id)
    letting = store.RULES.find(act.tx, store.RULES.c.remote_group_id == id)
    store.RULES.delete(act.tx, store.RULES.c.remote_group_id == id)
    store.RULES.delete(act.tx, store.RULES.c.group_id == id)
    store.GROUPS.delete(act.tx, store.GROUPS.c.id == id)
    store.touch(act.tx, act.registry, "group", id, *(rule.group_id for rule in letting))
