# SPDX-License-Identifier: Apache-2.0
"""Network's references (see the package)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from references import Case
from sim_cloud import SimCloud, Tenant

N = "/network/v2.0"


def network(sim: SimCloud, who: Tenant) -> str:
    return str(who.post(f"{N}/networks", {"network": {"name": "n"}})["network"]["id"])


def subnet(sim: SimCloud, who: Tenant) -> str:
    body = {"subnet": {"network_id": network(sim, who), "cidr": "10.77.0.0/24", "ip_version": 4}}
    return str(who.post(f"{N}/subnets", body)["subnet"]["id"])


def port(sim: SimCloud, who: Tenant) -> str:
    net = who.get(f"{N}/subnets/{subnet(sim, who)}")["subnet"]["network_id"]
    return str(who.post(f"{N}/ports", {"port": {"network_id": net}})["port"]["id"])


def router(sim: SimCloud, who: Tenant) -> str:
    return str(who.post(f"{N}/routers", {"router": {"name": "r"}})["router"]["id"])


def security_group(sim: SimCloud, who: Tenant) -> str:
    return str(who.post(f"{N}/security-groups", {"security_group": {"name": "g"}})["security_group"]["id"])


def remover(noun: str) -> Callable[[SimCloud, Tenant, str], None]:
    return lambda sim, who, id: who.delete(f"{N}/{noun}/{id}")


def floatingip(sim: SimCloud, who: Tenant) -> str:
    on = who.get(f"{N}/networks?router:external=true")["networks"][0]["id"]
    return str(who.post(f"{N}/floatingips", {"floatingip": {"floating_network_id": on}})["floatingip"]["id"])


def rule(sim: SimCloud, who: Tenant) -> str:
    body = {"security_group_id": security_group(sim, who), "direction": "ingress", "protocol": "tcp"}
    return str(who.post(f"{N}/security-group-rules", {"security_group_rule": body})["security_group_rule"]["id"])


MAKE = {
    "floating ip": floatingip,
    "security group rule": rule,
    "network": network,
    "subnet": subnet,
    "port": port,
    "router": router,
    "security group": security_group,
}
DROP = {
    "floating ip": remover("floatingips"),
    "security group rule": remover("security-group-rules"),
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


def room(case: Case) -> None:
    """The sweep makes more than a project's default quota."""
    unbounded = {"router": -1, "security_group": -1, "floatingip": -1, "port": -1, "network": -1, "subnet": -1}
    case.sim.admin.put(f"{N}/quotas/{case.me.project}", {"quota": unbounded})


def ext(case: Case) -> str:
    room(case)
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
    on = case.sim.admin.get(f"{N}/subnets?network_id={ext(case)}")["subnets"][0]["id"]
    whole = {"floating_network_id": ext(case), "port_id": behind(case), "subnet_id": on}
    return [{"floatingip": whole}]


def create_rule(case: Case) -> list[dict[str, Any]]:
    room(case)
    own = case.fresh("security group")
    return [{"security_group_rule": {"security_group_id": own, "direction": "ingress", "remote_group_id": own}}]


def update_port(case: Case) -> list[dict[str, Any]]:
    own = case.me.get(f"{N}/ports/{case.own('port')}")["port"]["fixed_ips"][0]["subnet_id"]
    return [{"port": {"fixed_ips": [{"subnet_id": own}], "security_groups": [case.own("security group")]}}]


def with_gateway(case: Case) -> list[dict[str, Any]]:
    return [{"router": {"external_gateway_info": {"network_id": ext(case)}}}]


def joined(case: Case) -> str:
    """A router of which an own subnet and an own port are legs."""
    room(case)
    made = case.fresh("router")
    case.me.put(f"{N}/routers/{made}/add_router_interface", {"subnet_id": case.fresh("subnet")})
    return made


def leg(case: Case, router: str) -> dict[str, Any]:
    ports = case.me.get(f"{N}/ports?device_id={router}")["ports"]
    return {"port_id": ports[0]["id"], "subnet_id": ports[0]["fixed_ips"][0]["subnet_id"]}


class Joined:
    """The router whose leg a request takes away is made when the body is, and named again by the path."""

    router = ""

    @classmethod
    def body(cls, case: Case) -> list[dict[str, Any]]:
        cls.router = joined(case)
        held = leg(case, cls.router)
        return [{"port_id": held["port_id"]}, {"subnet_id": held["subnet_id"]}]

    @classmethod
    def path(cls, case: Case) -> str:
        return f"/v2.0/routers/{cls.router or joined(case)}/remove_router_interface"


GOOD: dict[str, Callable[[Case], list[dict[str, Any]]]] = {
    "POST /v2.0/routers": with_gateway,
    "PUT /v2.0/routers/{id}": with_gateway,
    "PUT /v2.0/routers/{id}/add_router_interface": lambda case: [
        {"subnet_id": case.fresh("subnet")},
        {"port_id": case.fresh("port")},
    ],
    "PUT /v2.0/routers/{id}/remove_router_interface": Joined.body,
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
    "PUT /v2.0/routers/{id}": lambda case: f"/v2.0/routers/{case.fresh('router')}",
    "PUT /v2.0/routers/{id}/add_router_interface": lambda case: (
        f"/v2.0/routers/{case.fresh('router')}/add_router_interface"
    ),
    "PUT /v2.0/routers/{id}/remove_router_interface": Joined.path,
    "PUT /v2.0/ports/{id}": lambda case: f"/v2.0/ports/{case.own('port')}",
    "PUT /v2.0/floatingips/{id}": lambda case: f"/v2.0/floatingips/{floating(case)}",
}
ALIKE: dict[str, str] = {}
REFUSED = {
    f"{method} body router.external_gateway_info.external_fixed_ips.0.subnet_id → subnet": (
        "members choose no outer addresses: refused by rule before anything is looked up"
    )
    for method in ("POST /v2.0/routers", "PUT /v2.0/routers/{id}")
} | {"POST /v2.0/floatingips body floatingip.subnet_id → subnet": "the outer subnet is everybody's to name"}
