# SPDX-License-Identifier: Apache-2.0
"""Networks on OVN: logical switches, their DHCP options, their way to the physical network, and their metadata port."""

from __future__ import annotations

import ipaddress
from typing import Any

from virga.services.network import driver
from virga.services.network.drivers.ovn.operations import (
    dhcp_options,
    drop_switch_port,
    ensure_switch_port,
    insert,
    names,
    update,
    upsert,
)
from virga.services.network.drivers.ovsdb import Op, Ovsdb, ovs_map, plain, uuid_of

METADATA = "169.254.169.254"


def _quoted(text: str) -> str:
    """A DHCP string option carries its own quotes; what could end them early is left out."""
    return '"' + "".join(c for c in text if c.isalnum() or c in ".-_") + '"'


class Networks:
    def __init__(self, nb: Ovsdb) -> None:
        self.nb = nb

    def ensure(self, spec: driver.NetworkSpec) -> None:
        name = f"neutron-{spec.id}"
        row = {
            "external_ids": ovs_map(
                {"neutron:network_name": spec.name, "virga:network": spec.id, "neutron:mtu": str(spec.mtu)}
            )
        }
        ops: list[Op] = [upsert(self.nb, "Logical_Switch", name, row)]
        have = {
            plain(r["external_ids"]).get("virga:subnet", ""): r["_uuid"][1]
            for r in dhcp_options(self.nb, "network", spec.id)
        }
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
            ops.append(update("DHCP_Options", known, values) if known else insert("DHCP_Options", values))
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
            ensure_switch_port(self.nb, name, port_name, values | {"external_ids": ovs_map({"virga:own": spec.id})})
        for row_ in self.nb.rows(
            "Logical_Switch_Port", [["external_ids", "includes", ovs_map({"virga:own": spec.id})]], ["_uuid", "name"]
        ):
            if row_["name"] not in wanted:
                drop_switch_port(self.nb, row_["_uuid"])

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

    def remove(self, id: str) -> None:
        ops: list[Op] = [{"op": "delete", "table": "Logical_Switch", "where": [["name", "==", f"neutron-{id}"]]}]
        ops += [
            {"op": "delete", "table": "DHCP_Options", "where": [["_uuid", "==", r["_uuid"]]]}
            for r in dhcp_options(self.nb, "network", id)
        ]
        self.nb.transact(ops)

    def ids(self) -> set[str]:
        return names(self.nb, "Logical_Switch", "neutron-")
