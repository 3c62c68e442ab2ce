# SPDX-License-Identifier: Apache-2.0
"""Network's references (see the package)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from houses import House, Tenant
from references import Case

N = "/network/v2.0"


def network(house: House, who: Tenant) -> str:
    return str(who.post(f"{N}/networks", {"network": {"name": "n"}})["network"]["id"])


def subnet(house: House, who: Tenant) -> str:
    body = {"subnet": {"network_id": network(house, who), "cidr": "10.77.0.0/24", "ip_version": 4}}
    return str(who.post(f"{N}/subnets", body)["subnet"]["id"])


def port(house: House, who: Tenant) -> str:
    net = who.get(f"{N}/subnets/{subnet(house, who)}")["subnet"]["network_id"]
    return str(who.post(f"{N}/ports", {"port": {"network_id": net}})["port"]["id"])


def router(house: House, who: Tenant) -> str:
    return str(who.post(f"{N}/routers", {"router": {"name": "r"}})["router"]["id"])


def security_group(house: House, who: Tenant) -> str:
    return str(who.post(f"{N}/security-groups", {"security_group": {"name": "g"}})["security_group"]["id"])


def remover(noun: str) -> Callable[[House, Tenant, str], None]:
    return lambda house, who, id: who.delete(f"{N}/{noun}/{id}")


MAKE = {
    "network": network,
    "subnet": subnet,
    "port": port,
    "router": router,
    "security group": security_group,
}
DROP = {
    "network": remover("networks"),
    "subnet": remover("subnets"),
    "port": remover("ports"),
    "router": remover("routers"),
    "security group": remover("security-groups"),
}


def create_port(case: Case) -> list[dict[str, Any]]:
    own = case.me.get(f"{N}/subnets/{case.own('subnet')}")["subnet"]
    body = {
        "network_id": own["network_id"],
        "fixed_ips": [{"subnet_id": own["id"]}],
        "security_groups": [case.own("security group")],
    }
    return [{"port": body}]


def ext(case: Case) -> str:
    return str(case.me.get(f"{N}/networks?router:external=true")["networks"][0]["id"])


def behind(case: Case) -> str:
    """A port whose subnet a router joins to the outer network."""
    id = case.fresh("port")
    on = case.me.get(f"{N}/ports/{id}")["port"]["fixed_ips"][0]["subnet_id"]
    info = {"external_gateway_info": {"network_id": ext(case)}}
    made = case.me.post(f"{N}/routers", {"router": info})["router"]["id"]
    case.me.put(f"{N}/routers/{made}/add_router_interface", {"subnet_id": on})
    return id


def floating(case: Case) -> str:
    return str(case.me.post(f"{N}/floatingips", {"floatingip": {"floating_network_id": ext(case)}})["floatingip"]["id"])


def create_floating(case: Case) -> list[dict[str, Any]]:
    on = case.house.admin.get(f"{N}/subnets?network_id={ext(case)}")["subnets"][0]["id"]
    whole = {"floating_network_id": ext(case), "port_id": behind(case), "subnet_id": on}
    return [{"floatingip": whole}]


def create_rule(case: Case) -> list[dict[str, Any]]:
    own = case.fresh("security group")
    return [{"security_group_rule": {"security_group_id": own, "direction": "ingress", "remote_group_id": own}}]


def update_port(case: Case) -> list[dict[str, Any]]:
    own = case.me.get(f"{N}/ports/{case.own('port')}")["port"]["fixed_ips"][0]["subnet_id"]
    return [{"port": {"fixed_ips": [{"subnet_id": own}], "security_groups": [case.own("security group")]}}]


GOOD: dict[str, Callable[[Case], list[dict[str, Any]]]] = {
    "POST /v2.0/ports": create_port,
    "POST /v2.0/floatingips": create_floating,
    "PUT /v2.0/floatingips/{id}": lambda case: [{"floatingip": {"port_id": behind(case)}}],
    "POST /v2.0/security-group-rules": create_rule,
    "PUT /v2.0/ports/{id}": update_port,
    "POST /v2.0/subnets": lambda case: [
        {"subnet": {"network_id": case.fresh("network"), "cidr": "10.78.0.0/24", "ip_version": 4}}
    ],
}
PATHS: dict[str, Callable[[Case], str]] = {
    "PUT /v2.0/ports/{id}": lambda case: f"/v2.0/ports/{case.own('port')}",
    "PUT /v2.0/floatingips/{id}": lambda case: f"/v2.0/floatingips/{floating(case)}",
}
ALIKE: dict[str, str] = {}
