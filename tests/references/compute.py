# SPDX-License-Identifier: Apache-2.0
"""Compute's references (see the package)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from references import Case, network
from sim_cloud import SimCloud, Tenant

C = "/compute/v2.1"
COUNT = itertools.count()
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGGPsB1yPGp4Vd9kVdOJh8Fjx7Gm8vX3Jq0xZb5Y6Q1r"


def server(sim: SimCloud, who: Tenant) -> str:
    flavor, image = "42", sim.image(who)["id"]
    net = who.get(f"/network/v2.0/subnets/{network.subnet(sim, who)}")["subnet"]["network_id"]
    body = {"name": "vm", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": net}]}
    id = str(who.post(f"{C}/servers", {"server": body})["server"]["id"])
    sim.settled(who, id)
    return id


def flavor(sim: SimCloud, who: Tenant) -> str:
    """One that is nobody's but the operator's: flavors belong to no project."""
    name = f"private-{next(COUNT)}"
    body = {"name": name, "id": name, "ram": 64, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
    sim.admin.post(f"{C}/flavors", {"flavor": body})
    return name


def keypair(sim: SimCloud, who: Tenant) -> str:
    name = f"key-{next(COUNT)}"
    body = {"name": name, "public_key": PUBLIC}
    who.post(f"{C}/os-keypairs", {"keypair": body})
    return name


def server_group(sim: SimCloud, who: Tenant) -> str:
    body = {"name": f"group-{next(COUNT)}", "policies": ["anti-affinity"]}
    sim.admin.put(f"{C}/os-quota-sets/{who.project}", {"quota_set": {"server_groups": -1}})
    return str(who.post(f"{C}/os-server-groups", {"server_group": body})["server_group"]["id"])


def host(sim: SimCloud, who: Tenant) -> str:
    """The name of one: they are the operator's."""
    return str(sim.admin.get(f"{C}/os-services")["services"][0]["host"])


def drop_server(sim: SimCloud, who: Tenant, id: str) -> None:
    who.delete(f"{C}/servers/{id}")
    assert sim.settled(who, id) is None


MAKE: dict[str, Callable[[SimCloud, Tenant], str]] = {
    "server": server,
    "flavor": flavor,
    "keypair": keypair,
    "server group": server_group,
    "host": host,
}
DROP: dict[str, Callable[[SimCloud, Tenant, str], None]] = {
    "server": drop_server,
    "flavor": lambda sim, who, id: sim.admin.delete(f"{C}/flavors/{id}"),
    "keypair": lambda sim, who, name: who.delete(f"{C}/os-keypairs/{name}"),
    "server group": lambda sim, who, id: who.delete(f"{C}/os-server-groups/{id}"),
}


def create_server(case: Case) -> list[dict[str, Any]]:
    unlimited = {"instances": -1, "cores": -1, "server_group_members": -1}
    case.sim.admin.put(f"{C}/os-quota-sets/{case.me.project}", {"quota_set": unlimited})
    case.sim.admin.put(f"/network/v2.0/quotas/{case.me.project}", {"quota": {"network": -1, "subnet": -1, "port": -1}})
    net = case.me.get(f"/network/v2.0/subnets/{case.own('subnet')}")["subnet"]["network_id"]
    common = {"name": "vm", "flavorRef": "42"}
    full = common | {
        "imageRef": case.own("image"),
        "networks": [{"uuid": net}],
        "key_name": case.own("keypair"),
        "security_groups": [{"name": case.own("security group")}],
    }
    by_port = common | {"imageRef": case.own("image"), "networks": [{"port": case.fresh("port")}]}
    device = {"boot_index": 0, "uuid": case.own("image"), "source_type": "image", "destination_type": "local"}
    by_device = common | {"networks": "none", "block_device_mapping_v2": [device]}
    hints = {
        "group": case.own("server group"),
        "same_host": case.own("server"),
        "different_host": case.own("server"),
    }
    several = {name: [id] for name, id in hints.items()}
    hinted = [
        {"server": common | {"imageRef": case.own("image"), "networks": "none"}, key: each}
        for key in ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")
        for each in (hints, several)
    ]
    return [*({"server": body} for body in (full, by_port, by_device)), *hinted]


def _group(case: Case, verb: str) -> list[dict[str, Any]]:
    """A security group for the server or, once it has it, off it."""
    body = {"name": case.own("security group")}
    if verb == "removeSecurityGroup":
        case.me.post(f"{C}/servers/{case.own('server')}/action", {"addSecurityGroup": body})
    return [{verb: body}]


def _group_rule(case: Case) -> list[dict[str, Any]]:
    port, group = next(COUNT) + 1, case.own("security group")
    body = {"parent_group_id": group, "ip_protocol": "tcp", "from_port": port, "to_port": port, "group_id": group}
    return [{"security_group_rule": body}]


GOOD: dict[str, Callable[[Case], list[dict[str, Any]]]] = {}
for base in ("/v2.1", "/v2"):
    GOOD |= {
        f"POST {base}/servers": create_server,
        f"POST {base}/os-keypairs": lambda case: [
            {"keypair": {"name": f"k-{next(COUNT)}", "public_key": PUBLIC, "user_id": case.me.user}}
        ],
        f"POST {base}/servers/{{id}}/action addSecurityGroup": lambda case: _group(case, "addSecurityGroup"),
        f"POST {base}/servers/{{id}}/action removeSecurityGroup": lambda case: _group(case, "removeSecurityGroup"),
        f"POST {base}/os-security-group-rules": _group_rule,
    }
PATHS: dict[str, Callable[[Case], str]] = {}
for base in ("/v2.1", "/v2"):
    PATHS |= {
        f"GET {base}/os-keypairs/{{name}}": lambda case, base=base: f"{base}/os-keypairs/{case.own('keypair')}",  # type: ignore[misc]
        f"DELETE {base}/os-keypairs/{{name}}": lambda case, base=base: f"{base}/os-keypairs/{case.fresh('keypair')}",  # type: ignore[misc]
        **{
            f"POST {base}/servers/{{id}}/action {verb}": lambda case, base=base: (  # type: ignore[misc]
                f"{base}/servers/{case.own('server')}/action"
            )
            for verb in ("addSecurityGroup", "removeSecurityGroup")
        },
    }
ALIKE: dict[str, str] = {}
