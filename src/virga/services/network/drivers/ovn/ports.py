# SPDX-License-Identifier: Apache-2.0
"""Ports on OVN: logical switch ports, held to their addresses, in the groups of their rules."""

from __future__ import annotations

from typing import Any

from virga.ground.errors import Unavailable
from virga.services.network import driver
from virga.services.network.drivers.ovn.operations import (
    DROP,
    dhcp_options,
    drop_switch_port,
    ensure_switch_port,
    group_name,
)
from virga.services.network.drivers.ovsdb import Op, Ovsdb, listed, ovs_map, ovs_set, plain


class Ports:
    def __init__(self, nb: Ovsdb) -> None:
        self.nb = nb

    def ensure(self, spec: driver.PortSpec) -> None:
        """Have the logical switch port as the spec says it. Raises Unavailable."""
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
        wanted = {group_name(g) for g in spec.groups} | ({DROP} if spec.security else set())
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

        ensure_switch_port(self.nb, f"neutron-{spec.network_id}", spec.id, values, members)

    def _dhcp_ref(self, subnet_id: str | None) -> list[Any]:
        found = dhcp_options(self.nb, "subnet", subnet_id) if subnet_id is not None else []
        return ovs_set([found[0]["_uuid"]] if found else [])

    def remove(self, id: str) -> None:
        # ports of networks and routers are theirs to remove
        for row in self.nb.rows("Logical_Switch_Port", [["name", "==", id]], ["_uuid", "external_ids"]):
            if "virga:port" in plain(row["external_ids"]):
                drop_switch_port(self.nb, row["_uuid"])

    def ids(self) -> set[str]:
        rows = self.nb.rows("Logical_Switch_Port", [], ["name", "external_ids"])
        return {r["name"] for r in rows if "virga:port" in plain(r["external_ids"])}
