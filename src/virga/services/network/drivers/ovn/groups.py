# SPDX-License-Identifier: Apache-2.0
"""Security groups on OVN: port groups with an ACL for each rule."""

from __future__ import annotations

from virga.services.network import driver, model
from virga.services.network.drivers.ovn.operations import DROP, group_name, insert, names, upsert
from virga.services.network.drivers.ovsdb import Op, Ovsdb, ovs_map, ovs_set


class Groups:
    def __init__(self, nb: Ovsdb) -> None:
        self.nb = nb

    def prepare(self) -> None:
        """The group that drops what no rule allows; DHCP is let through to where it is answered."""
        if self.nb.rows("Port_Group", [["name", "==", DROP]], ["_uuid"]):
            return
        acls = [
            ("from-lport", 1001, f"inport == @{DROP} && ip", "drop"),
            ("to-lport", 1001, f"outport == @{DROP} && ip", "drop"),
            (
                "from-lport",
                1002,
                f"inport == @{DROP} && ip4 && ip4.dst == {{255.255.255.255, 224.0.0.0/4}} && udp && udp.src == 68 && udp.dst == 67",
                "allow",
            ),
            ("from-lport", 1002, f"inport == @{DROP} && ip6 && udp && udp.src == 546 && udp.dst == 547", "allow"),
            ("from-lport", 1002, f"inport == @{DROP} && (nd || nd_rs || nd_ra)", "allow"),
            ("to-lport", 1002, f"outport == @{DROP} && (nd || nd_rs || nd_ra)", "allow"),
        ]
        ops: list[Op] = []
        for n, (direction, priority, match, action) in enumerate(acls):
            ops.append(
                insert("ACL", {"direction": direction, "priority": priority, "match": match, "action": action}, f"a{n}")
            )
        ops.append(
            insert("Port_Group", {"name": DROP, "acls": ovs_set([["named-uuid", f"a{n}"] for n in range(len(acls))])})
        )
        self.nb.transact(ops)

    def ensure(self, spec: driver.GroupSpec) -> None:
        name = group_name(spec.id)
        ops: list[Op] = []
        refs = []
        for n, rule in enumerate(spec.rules):
            values = {
                "direction": "from-lport" if rule.direction == "egress" else "to-lport",
                "priority": 1002,
                "match": acl_match(name, rule),
                "action": "allow-related" if spec.stateful else "allow-stateless",
                "external_ids": ovs_map({"neutron:security_group_rule_id": rule.id}),
            }
            ops.append(insert("ACL", values, f"a{n}"))
            refs.append(["named-uuid", f"a{n}"])
        ops.append(
            upsert(
                self.nb,
                "Port_Group",
                name,
                {"acls": ovs_set(refs), "external_ids": ovs_map({"neutron:security_group_id": spec.id})},
            )
        )
        self.nb.transact(ops)

    def remove(self, id: str) -> None:
        self.nb.transact([{"op": "delete", "table": "Port_Group", "where": [["name", "==", group_name(id)]]}])

    def ids(self) -> set[str]:
        return {name.replace("_", "-") for name in names(self.nb, "Port_Group", "pg_")}


def acl_match(group: str, rule: driver.RuleSpec) -> str:
    """OVN's expression of one rule. Every part is a checked value of ours: numbers, prefixes, our own ids."""
    six = rule.ethertype == "IPv6"
    ip, way = (
        ("ip6", "dst" if rule.direction == "egress" else "src")
        if six
        else ("ip4", "dst" if rule.direction == "egress" else "src")
    )
    parts = [f"{'inport' if rule.direction == 'egress' else 'outport'} == @{group}", ip]
    if rule.remote_ip is not None:
        parts.append(f"{ip}.{way} == {rule.remote_ip}")
    if rule.remote_group is not None:
        parts.append(f"{ip}.{way} == ${group_name(rule.remote_group)}_{ip}")
    if rule.protocol is not None:
        number = int(rule.protocol) if rule.protocol.isdecimal() else model.PROTOCOLS[rule.protocol]
        names = {6: "tcp", 17: "udp", 132: "sctp", 1: "icmp4", 58: "icmp6"}
        if number in names:
            word = names[number]
            parts.append(word)
            if rule.port_min is not None:
                if number in (1, 58):
                    parts.append(f"{word}.type == {rule.port_min}")
                    if rule.port_max is not None:
                        parts.append(f"{word}.code == {rule.port_max}")
                elif rule.port_min == rule.port_max:
                    parts.append(f"{word}.dst == {rule.port_min}")
                else:
                    parts.append(f"{word}.dst >= {rule.port_min} && {word}.dst <= {rule.port_max}")
        else:
            parts.append(f"ip.proto == {number}")
    return " && ".join(parts)
