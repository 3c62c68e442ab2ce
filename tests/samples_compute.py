# SPDX-License-Identifier: Apache-2.0
"""Scenes of compute's operations, for the golden samples. Reads stand before what changes what they read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from samples import Request, Scene, Stage, numbers

V = "/v2.1"
S = "/compute/v2.1/servers"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPu9Hc8wQmLJ2T2bYwZ8yX5sBX0bqYvXQ1Jj7O3k5b1c sample"


# -- what scenes find ---------------------------------------------------------------------------------------------------


def _image(stage: Stage) -> str:
    return str(stage.once("image", lambda: stage.sim.image(name="sample", properties_free="x")["id"]))


def _network(stage: Stage) -> str:
    return str(stage.once("network", lambda: stage.sim.network(stage.admin, name="sample")[0]["id"]))


def _external(stage: Stage) -> str:
    def made() -> str:
        a = stage.admin
        net = a.get("/network/v2.0/networks?router:external=true")["networks"][0]
        router = {"name": "sample", "external_gateway_info": {"network_id": net["id"]}}
        router_id = a.post("/network/v2.0/routers", {"router": router})["router"]["id"]
        inner = a.get(f"/network/v2.0/subnets?network_id={_network(stage)}")["subnets"][0]["id"]
        a.put(f"/network/v2.0/routers/{router_id}/add_router_interface", {"subnet_id": inner})
        return str(net["name"])

    return str(stage.once("external", made))


def _server(stage: Stage, name: str = "sample") -> str:
    """An active server that scenes look at and do not change."""

    def made() -> str:
        stage.admin.put(
            f"/compute/v2.1/os-quota-sets/{stage.admin.project}", {"quota_set": {"instances": 100, "cores": 100}}
        )
        id = stage.sim.server(
            stage.admin, _image(stage), _network(stage), name=name, metadata={"color": "red"}, key_name=_keypair(stage)
        )["id"]
        stage.sim.settled(stage.admin, id)
        return str(id)

    return str(stage.once(f"server {name}", made))


def _keypair(stage: Stage, name: str = "sample") -> str:
    def made() -> str:
        stage.admin.post("/compute/v2.1/os-keypairs", {"keypair": {"name": name, "public_key": KEY}})
        return name

    return str(stage.once(f"keypair {name}", made))


def _flavor(stage: Stage, id: str = "sample") -> str:
    def made() -> str:
        body = {"id": id, "name": id, "ram": 512, "vcpus": 1, "disk": 1}
        stage.admin.post("/compute/v2.1/flavors", {"flavor": body})
        stage.admin.post(f"/compute/v2.1/flavors/{id}/os-extra_specs", {"extra_specs": {"hw:cpu_policy": "shared"}})
        return id

    return str(stage.once(f"flavor {id}", made))


def _server_group(stage: Stage, name: str = "sample") -> str:
    def made() -> str:
        body = {"name": name, "policies": ["anti-affinity"]}
        return str(stage.admin.post("/compute/v2.1/os-server-groups", {"server_group": body})["server_group"]["id"])

    return str(stage.once(f"server group {name}", made))


def _group(stage: Stage, name: str = "sample") -> str:
    def made() -> str:
        body = {"name": name, "description": "for samples"}
        return str(
            stage.admin.post("/compute/v2.1/os-security-groups", {"security_group": body})["security_group"]["id"]
        )

    return str(stage.once(f"group {name}", made))


def _floating(stage: Stage, name: str = "sample") -> dict[str, Any]:
    def made() -> dict[str, Any]:
        body = {"pool": _external(stage)}
        found: dict[str, Any] = stage.admin.post("/compute/v2.1/os-floating-ips", body)["floating_ip"]
        return found

    got: dict[str, Any] = stage.once(f"floating {name}", made)
    return got


# -- requests -----------------------------------------------------------------------------------------------------------


def _read(path: str) -> Scene:
    return lambda stage, version: Request(V + path)


def _of(path: str, thing: Callable[[Stage], str]) -> Scene:
    """A read of what `thing` gives."""
    return lambda stage, version: Request(V + path.format(thing(stage)))


def _beside(path: str, thing: Callable[[Stage], str]) -> Scene:
    """A read that shows what `thing` makes."""
    return lambda stage, version: Request(V + path) if thing(stage) else Request("")


def _ask(path: str, body: Any, thing: Callable[[Stage], str]) -> Scene:
    """A change of what `thing` gives."""
    return lambda stage, version: Request(V + path.format(thing(stage)), body)


def _create(stage: Stage, version: str) -> Request:
    server: dict[str, Any] = {"name": f"created-{version}", "imageRef": _image(stage), "flavorRef": "42"}
    server["networks"] = [{"uuid": _network(stage)}]
    for since, name, value in (
        ((2, 19), "description", "a sample"),
        ((2, 52), "tags", ["sample"]),
        ((2, 90), "hostname", "sample-host"),
    ):
        if numbers(version) >= since:
            server[name] = value
    return Request(f"{V}/servers", {"server": server})


def _update(stage: Stage, version: str) -> Request:
    body: dict[str, Any] = {"name": "changed"}
    if numbers(version) >= (2, 19):
        body["description"] = "changed"
    return Request(f"{V}/servers/{_server(stage, 'changing')}", {"server": body})


def _action(body: dict[str, Any]) -> Scene:
    return _ask("/servers/{}/action", body, lambda stage: _server(stage, "acting"))


def _started(stage: Stage, version: str) -> Request:
    id = _server(stage, "acting")
    stage.admin.post(f"{S}/{id}/action", {"os-stop": None})
    stage.sim.settled(stage.admin, id)
    return Request(f"{V}/servers/{id}/action", {"os-start": None})


def _settled_action(body: dict[str, Any]) -> Scene:
    """An action on a server that has ended what it was doing."""

    def scene(stage: Stage, version: str) -> Request:
        id = _server(stage, "acting")
        stage.sim.settled(stage.admin, id)
        return Request(f"{V}/servers/{id}/action", body)

    return scene


def _lock(stage: Stage, version: str) -> Request:
    body = {"locked_reason": "a sample"} if numbers(version) >= (2, 73) else None
    return Request(f"{V}/servers/{_server(stage, 'locking')}/action", {"lock": body})


def _gone(name: str) -> Callable[[Stage], str]:
    return lambda stage: _server(stage, f"going-{name}")


def _action_log(stage: Stage) -> str:
    id = _server(stage)
    rows = stage.admin.get(f"{S}/{id}/os-instance-actions")["instanceActions"]
    return f"{id}/os-instance-actions/{rows[-1]['request_id']}"


def _new_flavor(stage: Stage, version: str) -> Request:
    id = f"new-{version}"
    return Request(f"{V}/flavors", {"flavor": {"id": id, "name": id, "ram": 512, "vcpus": 1, "disk": 1, "swap": 0}})


def _new_keypair(stage: Stage, version: str) -> Request:
    body = {"name": f"new-{version}", "public_key": KEY}
    if numbers(version) >= (2, 2):
        body["type"] = "ssh"
    if numbers(version) >= (2, 10):
        body["user_id"] = stage.admin.user
    return Request(f"{V}/os-keypairs", {"keypair": body})


def _new_server_group(stage: Stage, version: str) -> Request:
    body: dict[str, Any] = {"name": f"new-{version}"}
    if numbers(version) < (2, 64):
        body["policies"] = ["affinity" if numbers(version) < (2, 15) else "soft-affinity"]
    else:
        body |= {"policy": "anti-affinity", "rules": {"max_server_per_host": 3}}
    return Request(f"{V}/os-server-groups", {"server_group": body})


def _old_keypair(stage: Stage, version: str) -> Request:
    return Request(f"{V}/os-keypairs/{_keypair(stage, f'going-{version}')}")


def _hypervisor(stage: Stage, version: str) -> Request:
    headers = {"OpenStack-API-Version": f"compute {version}"}
    got = stage.admin.ask("GET", "/compute/v2.1/os-hypervisors", headers=headers).json["hypervisors"]
    return Request(f"{V}/os-hypervisors/{got[0]['id']}")


def _service(stage: Stage, version: str) -> Request:
    headers = {"OpenStack-API-Version": f"compute {version}"}
    got = stage.admin.ask("GET", "/compute/v2.1/os-services", headers=headers).json["services"]
    return Request(f"{V}/os-services/{got[0]['id']}", {"status": "enabled"})


def _project(stage: Stage) -> str:
    return str(stage.admin.project)


def _other_project(stage: Stage) -> str:
    return str(stage.once("tenant", lambda: stage.sim.tenant("sampled")).project)


def _rule(stage: Stage) -> dict[str, Any]:
    return {"security_group_rule": {
        "parent_group_id": _group(stage), "ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "192.0.2.0/24",
    }}  # fmt: skip


def _old_rule(stage: Stage) -> str:
    body = _rule(stage)
    body["security_group_rule"]["from_port"] = 21
    return str(stage.admin.post("/compute/v2.1/os-security-group-rules", body)["security_group_rule"]["id"])


def _grouped(stage: Stage) -> str:
    id = _server(stage, "acting")
    stage.admin.post(f"{S}/{id}/action", {"addSecurityGroup": {"name": _group(stage, "second")}})
    return id


def _addressed(verb: str) -> Scene:
    def scene(stage: Stage, version: str) -> Request:
        address = _floating(stage, "given")["ip"]
        return Request(f"{V}/servers/{_server(stage, 'acting')}/action", {verb: {"address": address}})

    return scene


def _name(stage: Stage) -> str:
    return f"%5E{_server(stage) and 'sample'}%24"


# fmt: off
SCENES: dict[str, Scene] = {
    "documents.document": lambda stage, version: Request("/"),
    "documents.document.v2.1": _read("/"),
    "documents.document.extensions": _read("/extensions"),
    "keypairs.index": lambda stage, version: Request(f"{V}/os-keypairs?limit=1" if _keypair(stage) and numbers(version) >= (2, 35) else f"{V}/os-keypairs"),
    "keypairs.show": _of("/os-keypairs/{}", _keypair),
    "proxies.images": _beside("/images?name=sample", _image),
    "proxies.images.detail": _beside("/images/detail?name=sample", _image),
    "proxies.image": _of("/images/{}", _image),
    "proxies.nets": _beside("/os-networks", _network),
    "proxies.net": _of("/os-networks/{}", _network),
    "proxies.nets.os-tenant-networks": _beside("/os-tenant-networks", _network),
    "proxies.net.os-tenant-networks": _of("/os-tenant-networks/{}", _network),
    "flavors.index": _beside("/flavors?minRam=512&sort_key=name&limit=1", _flavor),
    "flavors.index.detail": _beside("/flavors/detail?minRam=512&sort_key=name&limit=1", _flavor),
    "flavors.show": _of("/flavors/{}", _flavor),
    "flavors.extra_specs": _of("/flavors/{}/os-extra_specs", _flavor),
    "flavors.extra_spec": _of("/flavors/{}/os-extra_specs/hw:cpu_policy", _flavor),
    "server_lists.index": _of("/servers?name={}", _name),
    "server_lists.detail": _of("/servers/detail?name={}", _name),
    "servers.show": _of("/servers/{}", _server),
    "server_metadata.metadata": _of("/servers/{}/metadata", _server),
    "server_metadata.show_meta": _of("/servers/{}/metadata/color", _server),
    "instance_actions.actions": _of("/servers/{}/os-instance-actions", _server),
    "instance_actions.action": _of("/servers/{}", _action_log),
    "server_addresses.addresses": _of("/servers/{}/ips", _server),
    "server_addresses.interfaces": _of("/servers/{}/os-interface", _server),
    "proxies.server_groups": _of("/servers/{}/os-security-groups", _server),
    "server_groups.index": _beside("/os-server-groups?limit=1", _server_group),
    "server_groups.show": _of("/os-server-groups/{}", _server_group),
    "services.index": _read("/os-services"),
    "hypervisors.index": _read("/os-hypervisors"),
    "hypervisors.detail": _read("/os-hypervisors/detail"),
    "hypervisors.statistics": _read("/os-hypervisors/statistics"),
    "hypervisors.show": _hypervisor,
    "availability_zones.index": _read("/os-availability-zone"),
    "availability_zones.detail": _read("/os-availability-zone/detail"),
    "quotas.absolute_limits": _read("/limits"),
    "quotas.show": _of("/os-quota-sets/{}", _project),
    "quotas.defaults": _of("/os-quota-sets/{}/defaults", _project),
    "quotas.detail": _of("/os-quota-sets/{}/detail", _other_project),
    "quotas.update": _ask("/os-quota-sets/{}", {"quota_set": {"cores": 21}}, _other_project),
    "quotas.reset": _of("/os-quota-sets/{}", _other_project),
    "services.update": _service,
    "flavors.create": _new_flavor,
    "flavors.update": _ask("/flavors/{}", {"flavor": {"description": "changed"}}, lambda stage: _flavor(stage, "changing")),
    "flavors.set_extra_specs": _ask("/flavors/{}/os-extra_specs", {"extra_specs": {"quota:vif_inbound": "1"}}, lambda stage: _flavor(stage, "changing")),
    "flavors.set_extra_spec": _ask("/flavors/{}/os-extra_specs/quota:vif_outbound", {"quota:vif_outbound": 2}, lambda stage: _flavor(stage, "changing")),
    "flavors.delete_extra_spec": _of("/flavors/{}/os-extra_specs/hw:cpu_policy", lambda stage: _flavor(stage, "changing")),
    "flavors.delete": _of("/flavors/{}", lambda stage: _flavor(stage, "going")),
    "keypairs.create": _new_keypair,
    "keypairs.delete": _old_keypair,
    "create_server.create": _create,
    "server_groups.create": _new_server_group,
    "server_groups.delete": _of("/os-server-groups/{}", lambda stage: _server_group(stage, "going")),
    "servers.update": _update,
    "server_metadata.replace_metadata": _ask("/servers/{}/metadata", {"metadata": {"color": "blue"}}, lambda stage: _server(stage, "changing")),
    "server_metadata.merge_metadata": _ask("/servers/{}/metadata", {"metadata": {"size": "big"}}, lambda stage: _server(stage, "changing")),
    "server_metadata.set_meta": _ask("/servers/{}/metadata/color", {"meta": {"color": "green"}}, lambda stage: _server(stage, "changing")),
    "server_metadata.delete_meta": _of("/servers/{}/metadata/size", lambda stage: _server(stage, "changing")),
    "server_tags.replace_tags": _ask("/servers/{}/tags", {"tags": ["one", "two"]}, lambda stage: _server(stage, "changing")),
    "server_tags.tags": _of("/servers/{}/tags", lambda stage: _server(stage, "changing")),
    "server_tags.has_tag": _of("/servers/{}/tags/one", lambda stage: _server(stage, "changing")),
    "server_tags.add_tag": _of("/servers/{}/tags/three", lambda stage: _server(stage, "changing")),
    "server_tags.remove_tag": _of("/servers/{}/tags/one", lambda stage: _server(stage, "changing")),
    "server_tags.clear_tags": _of("/servers/{}/tags", lambda stage: _server(stage, "changing")),
    "server_console.console_output": _action({"os-getConsoleOutput": {"length": 0}}),
    "server_power.start": _started,
    "server_power.stop": _settled_action({"os-stop": None}),
    "server_power.reboot": _settled_action({"reboot": {"type": "HARD"}}),
    "snapshots.create_image": _settled_action({"createImage": {"name": "an image"}}),
    "snapshots.create_backup": _settled_action({"createBackup": {"name": "a backup", "backup_type": "daily", "rotation": 1}}),
    "servers.reset_state": _settled_action({"os-resetState": {"state": "active"}}),
    "server_locks.lock": _lock,
    "server_locks.unlock": _ask("/servers/{}/action", {"unlock": None}, lambda stage: _server(stage, "locking")),
    "servers.delete": _of("/servers/{}", _gone("deleted")),
    "servers.force_delete": _ask("/servers/{}/action", {"forceDelete": None}, _gone("forced")),
    "proxies.security_group": _of("/os-security-groups/{}", _group),
    "proxies.security_groups": _beside("/os-security-groups", _group),
    "proxies.create_rule": lambda stage, version: Request(f"{V}/os-security-group-rules", _rule(stage)),
    "proxies.delete_rule": _of("/os-security-group-rules/{}", _old_rule),
    "proxies.create_security_group": _ask("/os-security-groups", {"security_group": {"name": "made", "description": "made"}}, _group),
    "proxies.update_security_group": _ask("/os-security-groups/{}", {"security_group": {"name": "changed", "description": "changed"}}, lambda stage: _group(stage, "changing")),
    "proxies.delete_security_group": _of("/os-security-groups/{}", lambda stage: _group(stage, "going")),
    "proxies.add_group": _ask("/servers/{}/action", {"addSecurityGroup": {"name": "sample"}}, lambda stage: _group(stage) and _server(stage, "acting")),
    "proxies.remove_group": _ask("/servers/{}/action", {"removeSecurityGroup": {"name": "second"}}, _grouped),
    "proxies.create_floating_ip": lambda stage, version: Request(f"{V}/os-floating-ips", {"pool": _external(stage)}),
    "proxies.floating_ip": _of("/os-floating-ips/{}", lambda stage: _floating(stage)["id"]),
    "proxies.pools": _beside("/os-floating-ip-pools", _external),
    "proxies.floating_ips": _beside("/os-floating-ips", _external),
    "proxies.add_floating_ip": _addressed("addFloatingIp"),
    "proxies.remove_floating_ip": _addressed("removeFloatingIp"),
    "proxies.delete_floating_ip": _of("/os-floating-ips/{}", lambda stage: _floating(stage, "going")["id"]),
    "proxies.delete_image": _of("/images/{}", lambda stage: stage.once("image going", lambda: stage.sim.image(name="going")["id"])),
}
# fmt: on
