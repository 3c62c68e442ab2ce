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


GOOD: dict[str, Callable[[Case], list[dict[str, Any]]]] = {
    "POST /v2.0/ports": create_port,
    "POST /v2.0/subnets": lambda case: [
        {"subnet": {"network_id": case.fresh("network"), "cidr": "10.78.0.0/24", "ip_version": 4}}
    ],
}
PATHS: dict[str, Callable[[Case], str]] = {}
ALIKE: dict[str, str] = {}
