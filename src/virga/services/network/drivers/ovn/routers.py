# SPDX-License-Identifier: Apache-2.0
"""Routers on OVN: logical routers, their legs on the switches, their gateway, routes and translations."""

from __future__ import annotations

import ipaddress
from typing import Any

from virga.services.network import driver
from virga.services.network.drivers.ovn.operations import (
    drop_switch_port,
    ensure_switch_port,
    insert,
    names,
    update,
    upsert,
)
from virga.services.network.drivers.ovsdb import Op, Ovsdb, listed, ovs_map, ovs_set


class Routers:
    """`chassis`: where gateways live."""

    def __init__(self, nb: Ovsdb, chassis: str) -> None:
        self.nb, self.chassis = nb, chassis

    def ensure(self, spec: driver.RouterSpec) -> None:
        name = f"neutron-{spec.id}"
        mark = {"neutron:router_name": spec.name, "virga:router": spec.id}
        self.nb.transact(
            [upsert(self.nb, "Logical_Router", name, {"enabled": spec.enabled, "external_ids": ovs_map(mark)})]
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
                drop_switch_port(self.nb, row["_uuid"])
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
                    insert(
                        "Gateway_Chassis",
                        {"name": f"{name}_{self.chassis}", "chassis_name": self.chassis, "priority": 1},
                        "g",
                    )
                )
                row |= {"gateway_chassis": ovs_set([["named-uuid", "g"]])}
            if name in have:
                ops.append(update("Logical_Router_Port", have[name][1], row))
            else:
                ops.append(insert("Logical_Router_Port", row | {"name": name}, "l"))
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
            ensure_switch_port(self.nb, f"neutron-{network}", port, peer)

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
            ops.append(insert(table, row, f"c{n}"))
            fresh.append(["named-uuid", f"c{n}"])
        mutations = ([[column, "delete", ovs_set(gone)]] if gone else []) + (
            [[column, "insert", ovs_set(fresh)]] if fresh else []
        )
        if mutations:
            ops.append(
                {"op": "mutate", "table": "Logical_Router", "where": [["name", "==", router]], "mutations": mutations}
            )
            self.nb.transact(ops)

    def remove(self, id: str) -> None:
        for row in self.nb.rows(
            "Logical_Switch_Port", [["external_ids", "includes", ovs_map({"virga:router": id})]], ["_uuid"]
        ):
            drop_switch_port(self.nb, row["_uuid"])
        self.nb.transact([{"op": "delete", "table": "Logical_Router", "where": [["name", "==", f"neutron-{id}"]]}])

    def ids(self) -> set[str]:
        return names(self.nb, "Logical_Router", "neutron-")
