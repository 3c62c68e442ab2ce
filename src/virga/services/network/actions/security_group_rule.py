# SPDX-License-Identifier: Apache-2.0
"""Rules of security groups."""

from __future__ import annotations

from typing import Any

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import ownership, security_group


def seen(act: Act, id: str) -> model.GroupRule:
    """The rule if the caller may see it. Raises NotFound."""
    return ownership.found(
        act,
        store.RULES,
        store.owned(store.RULES, *ownership.visibility(act, policy.GET_SECURITY_GROUP_RULE)),
        "security group rule",
        id,
    )


def create(act: Act, body: wire.CreateRule | list[wire.CreateRule]) -> model.GroupRule | list[model.GroupRule]:
    """POST /v2.0/security-group-rules, one or many in one transaction."""
    if isinstance(body, list):
        return make(act, body)
    return make(act, [body])[0]


def make(act: Act, bodies: list[wire.CreateRule]) -> list[model.GroupRule]:
    """Rules of groups that the caller sees: what is looked up is looked up once a group. Raises NotFound, Forbidden, Invalid, Conflict
    (a rule that says the same is there), OverQuota."""
    remote = [body.remote_group_id for body in bodies if body.remote_group_id is not None]
    seen = security_group.seen_all(act, (*(body.security_group_id for body in bodies), *remote))
    wanted = []
    for body in bodies:
        group = seen[body.security_group_id]
        allow(act, policy.CREATE_SECURITY_GROUP_RULE, project_id=group.project_id)
        wanted.append((group, _says(body), body.description))
    groups = {group.id: group for group, *_ in wanted}
    answer = store.rules_said(act.tx, groups)
    for group, says, _ in wanted:
        key = (group.id, *(says[name] for name in store.SAYS))
        if key in answer:
            raise Conflict(
                f"Security group rule already exists. Rule id is {answer[key]}."
                if answer[key]
                else "Security group rule already exists: two of the request say the same.",
                type="SecurityGroupRuleExists",
                blocking=[answer[key]] if answer[key] else [],
            )
        answer[key] = ""
    ownership.room(act, limits.RULES, (group.project_id for group, *_ in wanted))
    made = [security_group.insert_rule(act, group, **says, description=text) for group, says, text in wanted]
    ownership.newer_all(act, store.GROUPS, groups)
    store.touch(act.tx, act.registry, "group", *groups)
    return made


def _says(body: wire.CreateRule) -> dict[str, Any]:
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
    for field, value in (("port_range_min", low), ("port_range_max", high)):
        if value is not None and not 0 <= value <= 65535:
            raise Invalid(f"Invalid value for port {value}", field=field, type="SecurityGroupInvalidPortValue")
    if protocol in {"icmp", "1", "ipv6-icmp", "58"}:
        for field, word, value in (("port_range_min", "type", low), ("port_range_max", "code", high)):
            if value is not None and value > 255:
                raise Invalid(
                    f"Invalid value for ICMP {word} ({field}) {value}. It must be 0 to 255.",
                    field=field,
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
        if 0 in {low, high}:
            raise Invalid("Invalid value for port 0", field="port_range_min", type="SecurityGroupInvalidPortValue")
        if (low is None) != (high is None) or (low is not None and high is not None and low > high):
            raise Invalid(
                "For TCP/UDP protocols, port_range_min must be <= port_range_max",
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


def show(act: Act, id: str) -> model.GroupRule:
    """GET /v2.0/security-group-rules/{id}"""
    return seen(act, id)


def index(call: Call) -> Page[model.GroupRule]:
    """GET /v2.0/security-group-rules"""
    seen = store.owned(store.RULES, *ownership.visibility(call, policy.GET_SECURITY_GROUP_RULE))
    return ownership.listed(call, store.RULES, seen, store.RULE_FILTERS)


def delete(act: Act, id: str) -> None:
    """DELETE /v2.0/security-group-rules/{id}"""
    rule = seen(act, id)
    allow(act, policy.DELETE_SECURITY_GROUP_RULE, project_id=rule.project_id)
    store.RULES.delete(act.tx, store.RULES.c.id == id)
    ownership.bump_revision(act, store.GROUPS, rule.group_id, {})
    store.touch(act.tx, act.registry, "group", rule.group_id)
