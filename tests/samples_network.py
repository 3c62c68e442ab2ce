# SPDX-License-Identifier: Apache-2.0
"""Scenes of network's operations, for the golden samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from samples import Request, Scene, Stage

N = "/network/v2.0"


# -- what scenes find ---------------------------------------------------------------------------------------------------


def _made(stage: Stage, key: str, collection: str, name: str, body: Callable[[], dict[str, Any]]) -> str:
    """The id of a thing, made the first time that it is asked for."""
    return str(
        stage.once(
            f"{key} {name}",
            lambda: stage.admin.post(f"{N}/{collection}", {key: body() | {"description": name}})[key]["id"],
        )
    )


def _network(stage: Stage, name: str = "sample") -> str:
    return _made(stage, "network", "networks", name, lambda: {"name": name})


def _subnet(stage: Stage, name: str = "sample") -> str:
    def body() -> dict[str, Any]:
        return {
            "name": name,
            "network_id": _network(stage, name),
            "cidr": "10.0.0.0/24",
            "ip_version": 4,
            "dns_nameservers": ["192.0.2.53"],
            "host_routes": [{"destination": "198.51.100.0/24", "nexthop": "10.0.0.254"}],
        }

    return _made(stage, "subnet", "subnets", name, body)


def _port(stage: Stage, name: str = "sample") -> str:
    def body() -> dict[str, Any]:
        subnet = {"subnet_id": _subnet(stage)}
        pair = {"ip_address": "192.0.2.10"}
        return {"name": name, "network_id": _network(stage), "fixed_ips": [subnet], "allowed_address_pairs": [pair]}

    return _made(stage, "port", "ports", name, body)


def _external(stage: Stage) -> str:
    return str(stage.admin.get(f"{N}/networks?router:external=true")["networks"][0]["id"])


def _router(stage: Stage, name: str = "sample") -> str:
    gateway = {"network_id": _external(stage)}
    return _made(stage, "router", "routers", name, lambda: {"name": name, "external_gateway_info": gateway})


def _routed(stage: Stage) -> str:
    """A router with a leg in the sample subnet."""

    def made() -> str:
        id = _router(stage, "routed")
        stage.admin.put(f"{N}/routers/{id}/add_router_interface", {"subnet_id": _subnet(stage)})
        return id

    return str(stage.once("routed", made))


def _floating(stage: Stage, name: str = "sample") -> str:
    return _made(stage, "floatingip", "floatingips", name, lambda: {"floating_network_id": _external(stage)})


def _group(stage: Stage, name: str = "sample") -> str:
    return _made(stage, "security_group", "security-groups", name, lambda: {"name": name})


def _rule_body(stage: Stage, port: int) -> dict[str, Any]:
    return {
        "security_group_id": _group(stage),
        "direction": "ingress",
        "protocol": "tcp",
        "port_range_min": port,
        "port_range_max": port,
        "remote_ip_prefix": "192.0.2.0/24",
    }


def _rule(stage: Stage, name: str = "sample", port: int = 22) -> str:
    return _made(stage, "security_group_rule", "security-group-rules", name, lambda: _rule_body(stage, port))


def _project(stage: Stage) -> str:
    return str(stage.once("network's project", lambda: stage.sim.tenant("quoted").project))


# -- what they ask ------------------------------------------------------------------------------------------------------

Found = Callable[[Stage, str], str]
"""The id of the thing of a name."""


def _read(path: str) -> Scene:
    return lambda stage, version: Request(path)


def _of(collection: str, thing: Found, name: str = "sample", path: str = "", body: Any = None) -> Scene:
    """About one thing: what stands at `path` below it."""
    return lambda stage, version: Request(f"/v2.0/{collection}/{thing(stage, name)}{path}", body)


def _named(collection: str, thing: Found) -> Scene:
    """The list in which the sample stands."""
    return lambda stage, version: Request(f"/v2.0/{collection}?description=sample&limit=1&id={thing(stage, 'sample')}")


def _new(collection: str, key: str, body: Callable[[Stage], dict[str, Any]]) -> Scene:
    return lambda stage, version: Request(f"/v2.0/{collection}", {key: body(stage)})


def _interface(verb: str, router: Callable[[Stage], str], subnet: str) -> Scene:
    return lambda stage, version: Request(
        f"/v2.0/routers/{router(stage)}/{verb}", {"subnet_id": _subnet(stage, subnet)}
    )


def _going_rule(stage: Stage, version: str) -> Request:
    return Request(f"/v2.0/security-group-rules/{_rule(stage, 'going', 25)}")


def _associate(stage: Stage, version: str) -> Request:
    _routed(stage)
    return Request(f"/v2.0/floatingips/{_floating(stage)}", {"floatingip": {"port_id": _port(stage)}})


def _quota(path: str = "", body: Any = None) -> Scene:
    return lambda stage, version: Request(f"/v2.0/quotas/{_project(stage)}{path}", body)


def _tags(collection: str, thing: Found) -> dict[str, Scene]:
    """The verbs of the tags of a noun, in the order in which one can see something."""
    at = f"tag.tags_{{}}_{collection}".format

    def about(path: str = "", body: Any = None) -> Scene:
        return _of(collection, thing, "tagged", f"/tags{path}", body)

    return {
        at("put"): about(body={"tags": ["red", "blue"]}),
        at("index"): about(),
        at("has"): about("/red"),
        at("add"): about("/green"),
        at("remove"): about("/red"),
        at("clear"): about(),
    }


# fmt: off
SCENES: dict[str, Scene] = {
    "documents.document": _read("/"),
    "documents.document.v2.0": _read("/v2.0"),
    "documents.document.extensions": _read("/v2.0/extensions"),
    "documents.document.availability_zones": _read("/v2.0/availability_zones"),
    "documents.extension": _read("/v2.0/extensions/router"),
    "network.create": _new("networks", "network", lambda stage: {"name": "new"}),
    "network.index": _named("networks", _network),
    "network.show": _of("networks", _network),
    "network.update": _of("networks", _network, "changing", body={"network": {"name": "changed", "admin_state_up": False}}),
    "network.delete": _of("networks", _network, "going"),
    "subnet.create": _new("subnets", "subnet", lambda stage: {"network_id": _network(stage, "new"), "cidr": "10.0.0.0/24", "ip_version": 4}),
    "subnet.index": _named("subnets", _subnet),
    "subnet.show": _of("subnets", _subnet),
    "subnet.update": _of("subnets", _subnet, "changing", body={"subnet": {"name": "changed", "dns_nameservers": []}}),
    "subnet.delete": _of("subnets", _subnet, "going-subnet"),
    "port.create": lambda stage, version: Request("/v2.0/ports", {"ports": [{"network_id": _network(stage), "fixed_ips": [{"subnet_id": _subnet(stage)}]}]}),
    "port.index": _named("ports", _port),
    "port.show": _of("ports", _port),
    "port.update": _of("ports", _port, "changing", body={"port": {"name": "changed", "security_groups": []}}),
    "port.delete": _of("ports", _port, "going"),
    "router.create": _new("routers", "router", lambda stage: {"name": "new"}),
    "router.index": _named("routers", _router),
    "router.show": _of("routers", _router),
    "router.update": _of("routers", _router, "changing", body={"router": {"name": "changed", "external_gateway_info": {}}}),
    "router.delete": _of("routers", _router, "going"),
    "interface.add": _interface("add_router_interface", lambda stage: _router(stage, "changing"), "joined"),
    "interface.remove": _interface("remove_router_interface", lambda stage: _router(stage, "changing"), "joined"),
    "floatingip.create": _new("floatingips", "floatingip", lambda stage: {"floating_network_id": _external(stage)}),
    "floatingip.update": _associate,
    "floatingip.index": _named("floatingips", _floating),
    "floatingip.show": _of("floatingips", _floating),
    "floatingip.delete": _of("floatingips", _floating, "going"),
    "security_group.create": _new("security-groups", "security_group", lambda stage: {"name": "new"}),
    "security_group.index": _named("security-groups", _group),
    "security_group.show": _of("security-groups", _group),
    "security_group.update": _of("security-groups", _group, "changing", body={"security_group": {"name": "changed"}}),
    "security_group.delete": _of("security-groups", _group, "going"),
    "security_group_rule.create": _new("security-group-rules", "security_group_rule", lambda stage: _rule_body(stage, 80)),
    "security_group_rule.index": _named("security-group-rules", _rule),
    "security_group_rule.show": _of("security-group-rules", _rule),
    "security_group_rule.delete": _going_rule,
    "quota.update": _quota(body={"quota": {"network": 7}}),
    "quota.index": _read("/v2.0/quotas"),
    "quota.show": _quota(),
    "quota.details": _quota("/details"),
    "quota.reset": _quota(),
    "quota.default": _quota("/default"),
    "quota.tenant": _read("/v2.0/quotas/tenant"),
    "quota.tenant.project": _read("/v2.0/quotas/project"),
    **_tags("networks", _network),
    **_tags("subnets", _subnet),
    **_tags("ports", _port),
    **_tags("routers", _router),
    **_tags("floatingips", _floating),
    **_tags("security-groups", _group),
}
# fmt: on
