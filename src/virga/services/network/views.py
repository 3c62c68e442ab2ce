# SPDX-License-Identifier: Apache-2.0
"""Network's rows as Neutron v2.0 prints them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from virga.authority.rules import is_admin
from virga.ground.errors import NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page, next_link
from virga.ground.world import iso
from virga.services.network import model, store


def _ends(row: Any) -> dict[str, Any]:
    return {"created_at": iso(row.created), "updated_at": iso(row.updated), "revision_number": row.revision}


def _networks(rows: list[model.Network], call: Call) -> list[dict[str, Any]]:
    subnets: dict[str, list[str]] = {}
    with call.db.read() as tx:
        for s in store.SUBNETS.within(tx, "network_id", [n.id for n in rows]):
            subnets.setdefault(s.network_id, []).append(s.id)
    admin = is_admin(call.actor)
    out = []
    for n in rows:
        body = {
            "id": n.id,
            "name": n.name,
            "tenant_id": n.project_id,
            "project_id": n.project_id,
            "admin_state_up": n.admin_state_up,
            "status": "ACTIVE",
            "shared": n.shared,
            "router:external": n.external,
            "mtu": n.mtu,
            "subnets": subnets.get(n.id, []),
            "description": n.description,
            "port_security_enabled": n.port_security,
            "availability_zone_hints": [],
            "availability_zones": ["nova"],
            "ipv4_address_scope": None,
            "ipv6_address_scope": None,
            "dns_domain": "",
            "l2_adjacency": True,
            "qos_policy_id": None,
            "tags": n.tags,
            **_ends(n),
        }
        if n.external:
            body["is_default"] = n.is_default
        if admin:
            body |= {
                "provider:network_type": "flat" if n.physical else "geneve",
                "provider:physical_network": n.physical,
                "provider:segmentation_id": None,
            }
        out.append(body)
    return out


def _subnets(rows: list[model.Subnet], call: Call) -> list[dict[str, Any]]:
    return [
        {
            "id": s.id,
            "name": s.name,
            "tenant_id": s.project_id,
            "project_id": s.project_id,
            "network_id": s.network_id,
            "ip_version": s.ip_version,
            "cidr": s.cidr,
            "gateway_ip": s.gateway_ip,
            "enable_dhcp": s.enable_dhcp,
            "allocation_pools": s.pools,
            "dns_nameservers": s.dns_nameservers,
            "host_routes": s.host_routes,
            "ipv6_ra_mode": s.ipv6_ra_mode,
            "ipv6_address_mode": s.ipv6_address_mode,
            "subnetpool_id": None,
            "service_types": [],
            "dns_publish_fixed_ip": False,
            "segment_id": None,
            "description": s.description,
            "tags": s.tags,
            **_ends(s),
        }
        for s in rows
    ]


def _pairs(p: model.Port | model.ListedPort) -> list[dict[str, str]]:
    if isinstance(p.pairs, msgspec.Raw):
        if bytes(p.pairs) == b"[]":
            return []
        pairs = msgspec.json.decode(p.pairs)
    else:
        pairs = p.pairs
    return [{"mac_address": p.mac} | pair for pair in pairs]


def _ports(rows: list[model.Port | model.ListedPort], call: Call) -> list[dict[str, Any]]:
    ids = [p.id for p in rows]
    with call.db.read() as tx:
        fixed, groups = store.fixed_ips_of(tx, ids), store.groups_of(tx, ids)
    admin = is_admin(call.actor)
    bound = {"port_filter": True, "connectivity": "l2"}
    out = []
    for p in rows:
        body = {
            "id": p.id,
            "name": p.name,
            "tenant_id": p.project_id,
            "project_id": p.project_id,
            "network_id": p.network_id,
            "mac_address": p.mac,
            "admin_state_up": p.admin_state_up,
            "status": p.status,
            "device_id": p.device_id,
            "device_owner": p.device_owner,
            "fixed_ips": fixed.get(p.id, []),
            "security_groups": groups.get(p.id, []),
            "port_security_enabled": p.port_security,
            "allowed_address_pairs": _pairs(p),
            "extra_dhcp_opts": p.dhcp_options,
            "binding:vnic_type": p.vnic_type,
            "dns_name": "",
            "dns_assignment": [],
            "dns_domain": "",
            "propagate_uplink_status": True,
            "qos_policy_id": None,
            "qos_network_policy_id": None,
            "description": p.description,
            "tags": p.tags,
            "created_at": iso(p.created),
            "updated_at": iso(p.updated),
            "revision_number": p.revision,
        }
        if admin:
            body |= {
                "binding:host_id": p.host,
                "binding:profile": p.profile,
                "binding:vif_type": "ovs" if p.host else "unbound",
                "binding:vif_details": bound if p.host else {},
            }
        out.append(body)
    return out


def _routers(rows: list[model.Router], call: Call) -> list[dict[str, Any]]:
    with call.db.read() as tx:
        ips = store.ips_of(tx, [r.gateway_port_id for r in rows if r.gateway_port_id])
    out = []
    for r in rows:
        info = None
        if r.gateway_network_id and r.gateway_port_id:
            fixed = [{"subnet_id": i.subnet_id, "ip_address": i.ip} for i in ips.get(r.gateway_port_id, ())]
            info = {"network_id": r.gateway_network_id, "external_fixed_ips": fixed, "enable_snat": r.enable_snat}
        body = {
            "id": r.id,
            "name": r.name,
            "tenant_id": r.project_id,
            "project_id": r.project_id,
            "admin_state_up": r.admin_state_up,
            "status": "ACTIVE",
            "external_gateway_info": info,
            "routes": r.routes,
            "availability_zone_hints": [],
            "availability_zones": ["nova"],
            "flavor_id": None,
            "description": r.description,
            "tags": r.tags,
            **_ends(r),
        }
        if is_admin(call.actor):
            body |= {"distributed": False, "ha": False}
        out.append(body)
    return out


def _floating(rows: list[model.FloatingIp], call: Call) -> list[dict[str, Any]]:
    with call.db.read() as tx:
        ports = {p.id: p for p in store.PORTS.within(tx, "id", [f.fixed_port_id for f in rows if f.fixed_port_id])}
    out = []
    for f in rows:
        port = ports.get(f.fixed_port_id or "")
        details = None
        if port is not None:
            details = {
                "name": port.name,
                "network_id": port.network_id,
                "mac_address": port.mac,
                "admin_state_up": port.admin_state_up,
                "status": port.status,
                "device_id": port.device_id,
                "device_owner": port.device_owner,
            }
        out.append(
            {
                "id": f.id,
                "tenant_id": f.project_id,
                "project_id": f.project_id,
                "floating_network_id": f.network_id,
                "floating_ip_address": f.address,
                "port_id": f.fixed_port_id,
                "fixed_ip_address": f.fixed_ip,
                "router_id": f.router_id,
                "status": f.status,
                "description": f.description,
                "dns_name": "",
                "dns_domain": "",
                "qos_policy_id": None,
                "port_details": details,
                "port_forwardings": [],
                "tags": f.tags,
                **_ends(f),
            }
        )
    return out


def _rule(r: model.GroupRule) -> dict[str, Any]:
    return {
        "id": r.id,
        "security_group_id": r.group_id,
        "tenant_id": r.project_id,
        "project_id": r.project_id,
        "direction": r.direction,
        "ethertype": r.ethertype,
        "protocol": r.protocol,
        "port_range_min": r.port_min,
        "port_range_max": r.port_max,
        "remote_ip_prefix": r.remote_ip_prefix,
        "remote_group_id": r.remote_group_id,
        "remote_address_group_id": None,
        "normalized_cidr": r.remote_ip_prefix,
        "description": r.description,
        "belongs_to_default_sg": None,
        **_ends(r),
    }


def _rules(rows: list[model.GroupRule], call: Call) -> list[dict[str, Any]]:
    return [_rule(r) for r in rows]


def _groups(rows: list[model.Group], call: Call) -> list[dict[str, Any]]:
    rules: dict[str, list[dict[str, Any]]] = {}
    with call.db.read() as tx:
        for r in store.RULES.within(tx, "group_id", [g.id for g in rows]):
            rules.setdefault(r.group_id, []).append(_rule(r))
    return [
        {
            "id": g.id,
            "name": g.name,
            "tenant_id": g.project_id,
            "project_id": g.project_id,
            "description": g.description,
            "stateful": g.stateful,
            "shared": False,
            "security_group_rules": rules.get(g.id, []),
            "tags": g.tags,
            **_ends(g),
        }
        for g in rows
    ]


_NOUNS: dict[type[Any], tuple[str, str, Callable[[list[Any], Call], list[dict[str, Any]]]]] = {
    model.Network: ("network", "networks", _networks),
    model.Subnet: ("subnet", "subnets", _subnets),
    model.Port: ("port", "ports", _ports),
    model.ListedPort: ("port", "ports", _ports),
    model.Router: ("router", "routers", _routers),
    model.FloatingIp: ("floatingip", "floatingips", _floating),
    model.Group: ("security_group", "security_groups", _groups),
    model.GroupRule: ("security_group_rule", "security_group_rules", _rules),
}


def _fields(rows: list[dict[str, Any]], call: Call) -> list[dict[str, Any]]:
    wanted = set(call.query.all("fields"))
    return [{k: v for k, v in row.items() if k in wanted} for row in rows] if wanted else rows


def one(row: Any, call: Call) -> dict[str, Any]:
    """`{"port": {…}}`, or the list that a bulk request made."""
    if isinstance(row, list):
        if not row:
            return {}
        _, key, view = _NOUNS[type(row[0])]
        return {key: view(row, call)}
    key, _, view = _NOUNS[type(row)]
    return {key: _fields(view([row], call), call)[0]}


def many(noun: type[Any]) -> Callable[[Page[Any], Call], dict[str, Any]]:
    _, key, view = _NOUNS[noun]

    def page(rows: Page[Any], call: Call) -> dict[str, Any]:
        body: dict[str, Any] = {key: _fields(view(rows.items, call), call)}
        if rows.marker:
            body[f"{key}_links"] = [{"rel": "next", "href": next_link(call, rows.marker)}]
        return body

    return page


def quota(value: dict[str, Any], call: Call) -> dict[str, Any]:
    return {"quota": value}


def quotas(rows: list[dict[str, Any]], _: Call) -> dict[str, Any]:
    return {"quotas": rows}


def quota_tenant(word: str) -> Callable[[dict[str, str], Call], dict[str, Any]]:
    """A view under the word of its time."""
    return lambda row, _: {word: {f"{word}_id": row["id"]}}


EXTENSIONS = {
    "allowed-address-pairs": "Allowed Address Pairs",
    "binding": "Port Binding",
    "external-net": "Neutron external network",
    "ext-gw-mode": "Neutron L3 Configurable external gateway mode",
    "extraroute": "Neutron Extra Route",
    "fip-port-details": "Floating IP Port Details Extension",
    "net-mtu": "Network MTU",
    "net-mtu-writable": "Network MTU (writable)",
    "pagination": "Pagination support",
    "port-security": "Port Security",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "quotas": "Quota management support",
    "quota_details": "Quota details management support",
    "router": "Neutron L3 Router",
    "security-group": "security-group",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-revisions": "Resource revision numbers",
    "standard-attr-tag": "Tag support for resources with standard attribute",
    "standard-attr-timestamp": "Resource timestamps",
    "stateful-security-group": "Stateful security group",
}


def _extension(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": EXTENSIONS[alias],
        "description": EXTENSIONS[alias],
        "updated": "2020-01-01T00:00:00-00:00",
        "links": [],
    }


def extensions(_: None, call: Call) -> dict[str, Any]:
    return {"extensions": [_extension(a) for a in sorted(EXTENSIONS)]}


def extension(alias: str, _: Call) -> dict[str, Any]:
    if alias not in EXTENSIONS:
        raise NotFound(f"Extension with alias {alias[:64]} does not exist", type="HTTPNotFound")
    return {"extension": _extension(alias)}


def zones(_: None, call: Call) -> dict[str, Any]:
    return {
        "availability_zones": [{"name": "nova", "resource": r, "state": "available"} for r in ("network", "router")]
    }


def versions(_: None, call: Call) -> dict[str, Any]:
    return {
        "versions": [
            {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": call.request.link("/v2.0/")}]}
        ]
    }


def resources(_: None, call: Call) -> dict[str, Any]:
    nouns = (
        "networks",
        "subnets",
        "ports",
        "routers",
        "floatingips",
        "security-groups",
        "security-group-rules",
        "quotas",
        "extensions",
    )
    rows = [
        {"name": n.rstrip("s"), "collection": n, "links": [{"rel": "self", "href": call.request.link(f"/v2.0/{n}")}]}
        for n in nouns
    ]
    return {"resources": rows}
