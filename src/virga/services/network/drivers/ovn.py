# SPDX-License-Identifier: Apache-2.0
"""The switch on Open Virtual Network: our specs as rows of its northbound database. Each `ensure` reads what is there, writes the
difference in one transaction, and may be repeated. Row names follow Neutron's, so that OVN's own tools read well."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from virga.ground.errors import Unavailable
from virga.services.network import driver, model
from virga.services.network.drivers.ovsdb import Op, Ovsdb, listed, ovs_map, ovs_set, plain, uuid_of

DROP = "neutron_pg_drop"
METADATA = "169.254.169.254"
Named = list[str]


def _quoted(text: str) -> str:
    """A DHCP string option carries its own quotes; what could end them early is left out."""
    return '"' + "".join(c for c in text if c.isalnum() or c in ".-_") + '"'


class OvnSwitch:
    """`nb`: the northbound database. `chassis`: where gateways live."""

    def __init__(self, nb: Ovsdb, chassis: str) -> None:
        self.nb, self.chassis = nb, chassis
        self._tell: Callable[[str, bool], None] | None = None

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
                _insert(
                    "ACL", {"direction": direction, "priority": priority, "match": match, "action": action}, f"a{n}"
                )
            )
        ops.append(
            _insert("Port_Group", {"name": DROP, "acls": ovs_set([["named-uuid", f"a{n}"] for n in range(len(acls))])})
        )
        self.nb.transact(ops)

    # -- networks --------------------------------------------------------------------------------------------------

    def ensure_network(self, spec: driver.NetworkSpec) -> None:
        name = f"neutron-{spec.id}"
        row = {
            "external_ids": ovs_map(
                {"neutron:network_name": spec.name, "virga:network": spec.id, "neutron:mtu": str(spec.mtu)}
            )
        }
        ops: list[Op] = [self._upsert("Logical_Switch", name, row)]
        have = {plain(r["external_ids"]).get("virga:subnet", ""): r["_uuid"][1] for r in self._dhcp(spec.id)}
        four = [s for s in spec.subnets if s.dhcp and ":" not in s.cidr]
        six = [
            s for s in spec.subnets if s.dhcp and ":" in s.cidr and s.ra_mode in {"dhcpv6-stateful", "dhcpv6-stateless"}
        ]
        for subnet in [*four, *six]:
            values = {
                "cidr": subnet.cidr,
                "options": ovs_map(self._options(spec, subnet)),
                "external_ids": ovs_map({"virga:subnet": subnet.id, "virga:network": spec.id}),
            }
            known = have.pop(subnet.id, None)
            ops.append(_update("DHCP_Options", known, values) if known else _insert("DHCP_Options", values))
        ops += [
            {"op": "delete", "table": "DHCP_Options", "where": [["_uuid", "==", uuid_of(gone)]]}
            for gone in have.values()
        ]
        self.nb.transact(ops)
        wanted: dict[str, dict[str, Any]] = {}
        if spec.physical is not None:
            wanted[f"provnet-{spec.id}"] = {
                "type": "localnet",
                "addresses": "unknown",
                "options": ovs_map({"network_name": spec.physical}),
            }
        if spec.metadata is not None:
            port, mac = spec.metadata
            ips = " ".join(s.metadata_ip for s in spec.subnets if s.metadata_ip)
            wanted[port] = {
                "type": "localport",
                "addresses": f"{mac} {ips}".strip(),
                "options": ovs_map({"requested-chassis": ""}),
            }
        for port_name, values in wanted.items():
            self._ensure_lsp(name, port_name, values | {"external_ids": ovs_map({"virga:own": spec.id})})
        for row_ in self.nb.rows(
            "Logical_Switch_Port", [["external_ids", "includes", ovs_map({"virga:own": spec.id})]], ["_uuid", "name"]
        ):
            if row_["name"] not in wanted:
                self._drop_lsp(row_["_uuid"])

    def _dhcp(self, network_id: str) -> list[dict[str, Any]]:
        return self.nb.rows(
            "DHCP_Options",
            [["external_ids", "includes", ovs_map({"virga:network": network_id})]],
            ["_uuid", "external_ids"],
        )

    def _options(self, spec: driver.NetworkSpec, s: driver.SubnetSpec) -> dict[str, str]:
        mac = spec.metadata[1] if spec.metadata is not None else "fa:16:3e:00:00:01"
        if ":" in s.cidr:
            out = {"server_id": mac}
            if s.dns:
                out["dns_server"] = "{" + ", ".join(s.dns) + "}"
            if s.ra_mode == "dhcpv6-stateless":
                out["dhcpv6_stateless"] = "true"
            return out
        out = {
            "server_id": s.gateway or s.metadata_ip or str(ipaddress.ip_network(s.cidr)[1]),
            "server_mac": mac,
            "lease_time": "43200",
            "mtu": str(spec.mtu),
        }
        routes = [(f"{METADATA}/32", s.metadata_ip)] if s.metadata_ip else []
        routes += list(s.routes)
        if s.gateway:
            out["router"] = s.gateway
            routes.append(("0.0.0.0/0", s.gateway))
        if routes:
            out["classless_static_route"] = "{" + ", ".join(f"{to},{via}" for to, via in routes) + "}"
        four = [d for d in s.dns if ":" not in d]
        if four:
            out["dns_server"] = "{" + ", ".join(four) + "}"
        out["domain_name"] = _quoted("openstacklocal")
        return out

    def remove_network(self, id: str) -> None:
        ops: list[Op] = [{"op": "delete", "table": "Logical_Switch", "where": [["name", "==", f"neutron-{id}"]]}]
        ops += [
            {"op": "delete", "table": "DHCP_Options", "where": [["_uuid", "==", r["_uuid"]]]} for r in self._dhcp(id)
        ]
        self.nb.transact(ops)

    # -- ports -----------------------------------------------------------------------------------------------------

    def _ensure_lsp(
        self, switch: str, name: str, values: dict[str, Any], more: Callable[[Any], list[Op]] | None = None
    ) -> None:
        """A switch port as described, on its switch; `more` adds operations that need the port's reference."""
        found = self.nb.rows("Logical_Switch_Port", [["name", "==", name]], ["_uuid"])
        if found:
            ref: Any = found[0]["_uuid"]
            ops = [_update("Logical_Switch_Port", ref[1], values)]
        else:
            ref = ["named-uuid", "p"]
            where = [["name", "==", switch]]
            ops = [
                {
                    "op": "wait",
                    "table": "Logical_Switch",
                    "timeout": 0,
                    "where": where,
                    "columns": ["name"],
                    "until": "==",
                    "rows": [{"name": switch}],
                },
                _insert("Logical_Switch_Port", values | {"name": name}, "p"),
                {
                    "op": "mutate",
                    "table": "Logical_Switch",
                    "where": where,
                    "mutations": [["ports", "insert", ovs_set([ref])]],
                },
            ]
        self.nb.transact(ops + (more(ref) if more is not None else []))

    def ensure_port(self, spec: driver.PortSpec) -> None:
        ips = [ip for ip, _ in spec.ips]
        own = " ".join([spec.mac, *ips])
        extra = [f"{mac} {ip}" for mac, ip in spec.pairs]
        v4, v6 = (next((s for ip, s in spec.ips if (":" in ip) is six), None) for six in (False, True))
        addresses = [own, *(p for p in extra if p.split()[0] != spec.mac and "/" not in p)]
        values: dict[str, Any] = {
            "addresses": ovs_set(addresses if spec.security else [own, "unknown"]),
            "port_security": ovs_set([own, *extra] if spec.security else []),
            "enabled": spec.enabled,
            "dhcpv4_options": self._dhcp_ref(v4),
            "dhcpv6_options": self._dhcp_ref(v6),
            "external_ids": ovs_map(
                {"neutron:device_id": spec.device_id, "neutron:device_owner": spec.device_owner, "virga:port": spec.id}
            ),
        }
        wanted = {f"pg_{g.replace('-', '_')}" for g in spec.groups} | ({DROP} if spec.security else set())
        groups = self.nb.rows("Port_Group", [], ["_uuid", "name", "ports"])
        missing = wanted - {g["name"] for g in groups}
        if missing:
            raise Unavailable(f"port {spec.id} waits for {', '.join(sorted(missing))}")

        def members(ref: Any) -> list[Op]:
            ops: list[Op] = []
            for g in groups:
                inside = ref[0] == "uuid" and ref[1] in listed(g["ports"])
                if (g["name"] in wanted) != inside:
                    verb = "insert" if g["name"] in wanted else "delete"
                    ops.append(
                        {
                            "op": "mutate",
                            "table": "Port_Group",
                            "where": [["_uuid", "==", g["_uuid"]]],
                            "mutations": [["ports", verb, ovs_set([ref])]],
                        }
                    )
            return ops

        self._ensure_lsp(f"neutron-{spec.network_id}", spec.id, values, members)

    def _dhcp_ref(self, subnet_id: str | None) -> list[Any]:
        if subnet_id is None:
            return ovs_set([])
        found = self.nb.rows(
            "DHCP_Options", [["external_ids", "includes", ovs_map({"virga:subnet": subnet_id})]], ["_uuid"]
        )
        return ovs_set([found[0]["_uuid"]] if found else [])

    def remove_port(self, id: str) -> None:
        # ports of networks and routers are theirs to remove
        for row in self.nb.rows("Logical_Switch_Port", [["name", "==", id]], ["_uuid", "external_ids"]):
            if "virga:port" in plain(row["external_ids"]):
                self._drop_lsp(row["_uuid"])

    def _drop_lsp(self, ref: Any) -> None:
        gone = [["ports", "delete", ovs_set([ref])]]
        self.nb.transact(
            [
                {
                    "op": "mutate",
                    "table": "Port_Group",
                    "where": [["ports", "includes", ovs_set([ref])]],
                    "mutations": gone,
                },
                {
                    "op": "mutate",
                    "table": "Logical_Switch",
                    "where": [["ports", "includes", ovs_set([ref])]],
                    "mutations": gone,
                },
            ]
        )

    # -- security groups -------------------------------------------------------------------------------------------

    def ensure_group(self, spec: driver.GroupSpec) -> None:
        name = f"pg_{spec.id.replace('-', '_')}"
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
            ops.append(_insert("ACL", values, f"a{n}"))
            refs.append(["named-uuid", f"a{n}"])
        ops.append(
            self._upsert(
                "Port_Group",
                name,
                {"acls": ovs_set(refs), "external_ids": ovs_map({"neutron:security_group_id": spec.id})},
            )
        )
        self.nb.transact(ops)

    def remove_group(self, id: str) -> None:
        self.nb.transact(
            [{"op": "delete", "table": "Port_Group", "where": [["name", "==", f"pg_{id.replace('-', '_')}"]]}]
        )

    # -- routers ---------------------------------------------------------------------------------------------------

    def ensure_router(self, spec: driver.RouterSpec) -> None:
        name = f"neutron-{spec.id}"
        mark = {"neutron:router_name": spec.name, "virga:router": spec.id}
        self.nb.transact(
            [self._upsert("Logical_Router", name, {"enabled": spec.enabled, "external_ids": ovs_map(mark)})]
        )
        legs: dict[str, tuple[str, dict[str, Any], bool]] = {}
        for leg in spec.interfaces:
            ra = (
                {}
                if leg.ra_mode is None
                else {
                    "address_mode": leg.ra_mode.replace("-", "_"),
                    "send_periodic": "true",
                    "mtu": str(leg.mtu),
                }
            )
            legs[leg.port_id] = (
                leg.network_id,
                {"mac": leg.mac, "networks": ovs_set(leg.cidrs), "ipv6_ra_configs": ovs_map(ra)},
                False,
            )
        if spec.gateway is not None:
            g = spec.gateway
            legs[g.port_id] = (g.network_id, {"mac": g.mac, "networks": ovs_set(g.cidrs)}, True)
        self._legs(spec.id, name, legs)
        self._children(
            name, "static_routes", "Logical_Router_Static_Route", ("ip_prefix", "nexthop"), self._routes(spec)
        )
        self._children(name, "nat", "NAT", ("type", "external_ip", "logical_ip"), self._nat(spec))

    def _legs(self, id: str, router: str, legs: dict[str, tuple[str, dict[str, Any], bool]]) -> None:
        """The router's ports and their peers on the switches."""
        have = {
            r["name"]: r["_uuid"]
            for r in self.nb.rows(
                "Logical_Router_Port", [["external_ids", "includes", ovs_map({"virga:router": id})]], ["_uuid", "name"]
            )
        }
        for row in self.nb.rows(
            "Logical_Switch_Port", [["external_ids", "includes", ovs_map({"virga:router": id})]], ["_uuid", "name"]
        ):
            if row["name"] not in legs:
                self._drop_lsp(row["_uuid"])
        for name, ref in have.items():
            if name.removeprefix("lrp-") not in legs:
                gone = [["ports", "delete", ovs_set([ref])]]
                self.nb.transact(
                    [{"op": "mutate", "table": "Logical_Router", "where": [["name", "==", router]], "mutations": gone}]
                )
        for port, (network, values, gateway) in legs.items():
            name = f"lrp-{port}"
            row = values | {"external_ids": ovs_map({"virga:router": id})}
            ops: list[Op] = []
            if gateway and name not in have:
                ops.append(
                    _insert(
                        "Gateway_Chassis",
                        {"name": f"{name}_{self.chassis}", "chassis_name": self.chassis, "priority": 1},
                        "g",
                    )
                )
                row |= {"gateway_chassis": ovs_set([["named-uuid", "g"]])}
            if name in have:
                ops.append(_update("Logical_Router_Port", have[name][1], row))
            else:
                ops.append(_insert("Logical_Router_Port", row | {"name": name}, "l"))
                add = [["ports", "insert", ovs_set([["named-uuid", "l"]])]]
                ops.append(
                    {"op": "mutate", "table": "Logical_Router", "where": [["name", "==", router]], "mutations": add}
                )
            self.nb.transact(ops)
            options = {"router-port": name} | (
                {"nat-addresses": "router", "exclude-lb-vips-from-garp": "true"} if gateway else {}
            )
            peer = {
                "type": "router",
                "addresses": "router",
                "options": ovs_map(options),
                "external_ids": ovs_map({"virga:router": id}),
            }
            self._ensure_lsp(f"neutron-{network}", port, peer)

    def _routes(self, spec: driver.RouterSpec) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{"ip_prefix": to, "nexthop": via} for to, via in spec.routes]
        if spec.gateway is not None:
            rows += [
                {"ip_prefix": "::/0" if ":" in hop else "0.0.0.0/0", "nexthop": hop} for hop in spec.gateway.next_hops
            ]
        return rows

    def _nat(self, spec: driver.RouterSpec) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        if spec.gateway is not None:
            outer = next((c.partition("/")[0] for c in spec.gateway.cidrs if ":" not in c), None)
            if spec.snat and outer is not None:
                inner = sorted(
                    {
                        str(ipaddress.ip_interface(c).network)
                        for leg in spec.interfaces
                        for c in leg.cidrs
                        if ":" not in c
                    }
                )
                rows += [{"type": "snat", "external_ip": outer, "logical_ip": net} for net in inner]
            rows += [
                {"type": "dnat_and_snat", "external_ip": f.external_ip, "logical_ip": f.fixed_ip} for f in spec.floating
            ]
        return rows

    def _children(
        self, router: str, column: str, table: str, key: tuple[str, ...], wanted: list[dict[str, Any]]
    ) -> None:
        """A router's routes or translations: what is there and right stays untouched."""
        owner = self.nb.rows("Logical_Router", [["name", "==", router]], [column])
        ids = set(listed(owner[0][column])) if owner else set()
        have = {
            tuple(r[k] for k in key): r["_uuid"]
            for r in self.nb.rows(table, [], ["_uuid", *key])
            if r["_uuid"][1] in ids
        }
        keys = {tuple(w[k] for k in key) for w in wanted}
        ops: list[Op] = []
        gone = [ref for k, ref in have.items() if k not in keys]
        fresh = []
        for n, row in enumerate(w for w in wanted if tuple(w[k] for k in key) not in have):
            ops.append(_insert(table, row, f"c{n}"))
            fresh.append(["named-uuid", f"c{n}"])
        mutations = ([[column, "delete", ovs_set(gone)]] if gone else []) + (
            [[column, "insert", ovs_set(fresh)]] if fresh else []
        )
        if mutations:
            ops.append(
                {"op": "mutate", "table": "Logical_Router", "where": [["name", "==", router]], "mutations": mutations}
            )
            self.nb.transact(ops)

    def remove_router(self, id: str) -> None:
        for row in self.nb.rows(
            "Logical_Switch_Port", [["external_ids", "includes", ovs_map({"virga:router": id})]], ["_uuid"]
        ):
            self._drop_lsp(row["_uuid"])
        self.nb.transact([{"op": "delete", "table": "Logical_Router", "where": [["name", "==", f"neutron-{id}"]]}])

    # -- looking ---------------------------------------------------------------------------------------------------

    def observe(self) -> dict[str, set[str]]:
        def names(table: str, prefix: str) -> set[str]:
            return {
                r["name"].removeprefix(prefix)
                for r in self.nb.rows(table, [], ["name"])
                if r["name"].startswith(prefix)
            }

        ports = self.nb.rows("Logical_Switch_Port", [], ["name", "external_ids"])
        return {
            "network": names("Logical_Switch", "neutron-"),
            "router": names("Logical_Router", "neutron-"),
            "group": {g.replace("_", "-") for g in names("Port_Group", "pg_")},
            "port": {r["name"] for r in ports if "virga:port" in plain(r["external_ids"])},
        }

    def watch(self, tell: Callable[[str, bool], None]) -> None:
        def update(tables: dict[str, Any]) -> None:
            for change in tables.get("Logical_Switch_Port", {}).values():
                new, old = change.get("new"), change.get("old")
                if new is None:
                    continue
                up = True in listed(new.get("up"))
                was = old is not None and "up" in old and True in listed(old["up"])
                if (old is None and up) or (old is not None and "up" in old and up != was):
                    tell(new["name"], up)

        self.nb.monitor("ports", {"Logical_Switch_Port": ["name", "up"]}, update)

    # -- operations ------------------------------------------------------------------------------------------------

    def _upsert(self, table: str, name: str, values: dict[str, Any]) -> Op:
        found = self.nb.rows(table, [["name", "==", name]], ["_uuid"])
        return _update(table, found[0]["_uuid"][1], values) if found else _insert(table, values | {"name": name})


def _insert(table: str, row: dict[str, Any], name: str | None = None) -> Op:
    return {"op": "insert", "table": table, "row": row} | ({"uuid-name": name} if name is not None else {})


def _update(table: str, id: str, row: dict[str, Any]) -> Op:
    return {"op": "update", "table": table, "where": [["_uuid", "==", uuid_of(id)]], "row": row}


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
        parts.append(f"{ip}.{way} == $pg_{rule.remote_group.replace('-', '_')}_{ip}")
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
