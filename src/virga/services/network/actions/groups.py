# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules."""

from __future__ import annotations

from typing import Any

from virga.authority import limits as limit_checks
from virga.authority.rules import allow, is_admin
from virga.ground.errors import Conflict, Invalid
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import owning

FILTERS = {
    "id": "id",
    "name": "name",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "description": "description",
    "stateful": "stateful",
    "created_at": "created",
    "updated_at": "updated",
}
RULE_FILTERS = {
    "id": "id",
    "security_group_id": "group_id",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "direction": "direction",
    "ethertype": "ethertype",
    "protocol": "protocol",
    "port_range_min": "port_min",
    "port_range_max": "port_max",
    "remote_ip_prefix": "remote_ip_prefix",
    "remote_group_id": "remote_group_id",
    "description": "description",
    "created_at": "created",
    "updated_at": "updated",
}


def seen(call: Call, id: str) -> model.Group:
    return owning.found(
        call,
        store.GROUPS,
        store.owned(store.GROUPS, *owning.sight(call, policy.GET_SECURITY_GROUP)),
        "security group",
        id,
    )


def default(call: Call, project: str) -> model.Group:
    """The project's default group, made when it is first needed: out is open, in is open among its members."""
    call.tx.hold(f"default-group:{project}")
    group = store.GROUPS.one(call.tx, store.GROUPS.c.project_id == project, store.GROUPS.c.is_default.is_(True))
    if group is not None:
        return group
    group = _insert(call, project, "default", "Default security group", True, is_default=True)
    for ethertype in ("IPv4", "IPv6"):
        _rule(call, group, "ingress", ethertype, remote_group_id=group.id)
    return group


def _insert(call: Call, project: str, name: str, description: str, stateful: bool, is_default: bool) -> model.Group:
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
    for ethertype in ("IPv4", "IPv6"):
        _rule(call, group, "egress", ethertype)
    store.touch(call.tx, call.doors, "group", group.id)
    return group


def _rule(call: Call, group: model.Group, direction: str, ethertype: str, **more: Any) -> model.GroupRule:
    now = call.now()
    values = {
        "id": call.world.uuid(),
        "group_id": group.id,
        "project_id": group.project_id,
        "description": "",
        "direction": direction,
        "ethertype": ethertype,
        "protocol": None,
        "port_min": None,
        "port_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": None,
        "revision": 0,
        "created": now,
        "updated": now,
    }
    return store.RULES.insert(call.tx, **(values | more))


def create(call: Call, body: wire.CreateGroup | list[wire.CreateGroup]) -> Any:
    """POST /v2.0/security-groups: with the two rules that let everything out."""
    if isinstance(body, list):
        return [create(call, each) for each in body]
    project = owning.project_of(call, body)
    allow(call, policy.CREATE_SECURITY_GROUP, project_id=project)
    name = body.name if isinstance(body.name, str) else ""
    default(call, project)
    if name.lower() == "default":
        raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")
    limit_checks.check(call.tx, project, {limits.GROUPS: 1})
    return _insert(
        call,
        project,
        name,
        body.description if isinstance(body.description, str) else "",
        body.stateful,
        is_default=False,
    )


def show(call: Call, id: str) -> model.Group:
    """GET /v2.0/security-groups/{id}"""
    return seen(call, id)


def index(call: Call) -> Page[model.Group]:
    """GET /v2.0/security-groups: a project that never had one sees its default group."""
    project = call.actor.project_id
    if project is not None:
        with call.db.read() as tx:
            there = (
                store.GROUPS.one(tx, store.GROUPS.c.project_id == project, store.GROUPS.c.is_default.is_(True))
                is not None
            )
        if not there:
            with call.db.write() as call.open:
                default(call, project)
    with call.db.read() as call.open:
        return owning.listed(
            call, store.GROUPS, store.owned(store.GROUPS, *owning.sight(call, policy.GET_SECURITY_GROUP)), FILTERS
        )


def update(call: Call, id: str, body: wire.UpdateGroup) -> model.Group:
    """PUT /v2.0/security-groups/{id}"""
    group = seen(call, id)
    allow(call, policy.UPDATE_SECURITY_GROUP, project_id=group.project_id)
    change = owning.sent(body, {"name": "name", "description": "description", "stateful": "stateful"})
    if group.is_default and change.get("name", group.name) != group.name:
        raise Conflict("Updating default security group not allowed.", type="SecurityGroupCannotUpdateDefault")
    if (
        "stateful" in change
        and change["stateful"] != group.stateful
        and store.PORT_GROUPS.count(call.tx, store.PORT_GROUPS.c.group_id == id)
    ):
        raise _in_use(call, id)
    owning.newer(call, store.GROUPS, id, change)
    store.touch(call.tx, call.doors, "group", id)
    return seen(call, id)


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
    for rule in store.RULES.find(call.tx, store.RULES.c.remote_group_id == id, store.RULES.c.group_id != id):
        store.RULES.delete(call.tx, store.RULES.c.id == rule.id)
        store.touch(call.tx, call.doors, "group", rule.group_id)
    store.RULES.delete(call.tx, store.RULES.c.group_id == id)
    store.GROUPS.delete(call.tx, store.GROUPS.c.id == id)
    store.touch(call.tx, call.doors, "group", id)


def create_rule(call: Call, body: wire.CreateRule | list[wire.CreateRule]) -> Any:
    """POST /v2.0/security-group-rules"""
    if isinstance(body, list):
        return [create_rule(call, each) for each in body]
    group = seen(call, body.security_group_id)
    allow(call, policy.CREATE_SECURITY_GROUP_RULE, project_id=group.project_id)
    values = _checked(call, body)
    if body.remote_group_id is not None:
        seen(call, body.remote_group_id)
    c = store.RULES.c
    twin = store.RULES.one(call.tx, c.group_id == group.id, *(c[k].is_not_distinct_from(v) for k, v in values.items()))
    if twin is not None:
        raise Conflict(
            f"Security group rule already exists. Rule id is {twin.id}.",
            type="SecurityGroupRuleExists",
            blocking=[twin.id],
        )
    limit_checks.check(call.tx, group.project_id, {limits.RULES: 1})
    rule = _rule(call, group, **values, description=body.description)
    owning.newer(call, store.GROUPS, group.id, {})
    store.touch(call.tx, call.doors, "group", group.id)
    return rule


def _checked(call: Call, body: wire.CreateRule) -> dict[str, Any]:
    """Neutron's rules of rules: protocols, port ranges, one remote, one IP version."""
    protocol = model.protocol_of(body.protocol)
    ethertype = {"ipv4": "IPv4", "ipv6": "IPv6"}[body.ethertype.lower()]
    low, high = body.port_range_min, body.port_range_max
    if body.remote_ip_prefix is not None and body.remote_group_id is not None:
        raise Invalid(
            "Only remote_ip_prefix or remote_group_id may be provided.",
            field="remote_group_id",
            type="SecurityGroupRemoteGroupAndRemoteIpPrefix",
        )
    if protocol in {"icmp", "1", "ipv6-icmp", "58"}:
        if (low is not None and low > 255) or (high is not None and high > 255):
            raise Invalid(
                f"Invalid value for ICMP type or code: {low}, {high}; each is 0 to 255.",
                field="port_range_min",
                type="SecurityGroupInvalidIcmpValue",
            )
        if low is None and high is not None:
            raise Invalid(
                f"ICMP code (port-range-max) {high} is provided but ICMP type (port-range-min) is missing.",
                field="port_range_min",
                type="SecurityGroupMissingIcmpType",
            )
    elif protocol in {
        "tcp",
        "udp",
        "sctp",
        "6",
        "17",
        "132",
    }:  # the switch knows no ports of dccp and udplite: a rule with
        # them would open all (OSSA-2019-001 is about rules that cannot be made)
        if (low is None) != (high is None):
            raise Invalid(
                "For TCP/UDP protocols, both port_range_min and port_range_max are needed, or neither.",
                field="port_range_min",
                type="SecurityGroupInvalidPortRange",
            )
        if low is not None and high is not None and (low > high or low == 0):
            raise Invalid(
                "For TCP/UDP protocols, port_range_min must be <= port_range_max, and at least 1.",
                field="port_range_min",
                type="SecurityGroupInvalidPortRange",
            )
    elif low is not None or high is not None:
        raise Invalid(
            f"Must also specify protocol (one of TCP, UDP, SCTP, ICMP) if port range is given; it is {protocol}.",
            field="protocol",
            type="SecurityGroupProtocolRequiredWithPorts",
        )
    if protocol == "ipv6-icmp" and ethertype == "IPv4":
        raise Invalid(
            "Invalid ethertype IPv4 for protocol ipv6-icmp.",
            field="ethertype",
            type="SecurityGroupEthertypeConflictWithProtocol",
        )
    prefix = None
    if body.remote_ip_prefix is not None:
        net = model.network_of(body.remote_ip_prefix, "remote_ip_prefix", hosts=True)
        if f"IPv{net.version}" != ethertype:
            raise Invalid(
                f"Conflicting value ethertype {ethertype} for CIDR {body.remote_ip_prefix}.",
                field="ethertype",
                type="SecurityGroupRuleParameterConflict",
            )
        prefix = str(net)
    return {
        "direction": body.direction,
        "ethertype": ethertype,
        "protocol": protocol,
        "port_min": low,
        "port_max": high,
        "remote_ip_prefix": prefix,
        "remote_group_id": body.remote_group_id,
    }


def seen_rule(call: Call, id: str) -> model.GroupRule:
    return owning.found(
        call,
        store.RULES,
        store.owned(store.RULES, *owning.sight(call, policy.GET_SECURITY_GROUP_RULE)),
        "security group rule",
        id,
    )


def show_rule(call: Call, id: str) -> model.GroupRule:
    """GET /v2.0/security-group-rules/{id}"""
    return seen_rule(call, id)


def index_rules(call: Call) -> Page[model.GroupRule]:
    """GET /v2.0/security-group-rules"""
    return owning.listed(
        call, store.RULES, store.owned(store.RULES, *owning.sight(call, policy.GET_SECURITY_GROUP_RULE)), RULE_FILTERS
    )


def delete_rule(call: Call, id: str) -> None:
    """DELETE /v2.0/security-group-rules/{id}"""
    rule = seen_rule(call, id)
    allow(call, policy.DELETE_SECURITY_GROUP_RULE, project_id=rule.project_id)
    store.RULES.delete(call.tx, store.RULES.c.id == id)
    owning.newer(call, store.GROUPS, rule.group_id, {})
    store.touch(call.tx, call.doors, "group", rule.group_id)
