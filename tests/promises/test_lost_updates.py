# SPDX-License-Identifier: Apache-2.0
"""No update is lost: whatever two requests do to one thing at the same moment, the end and both answers are those of one after the
other. For each noun every pair of its requests is tried, the second beginning when the first is about to write; what is right is not
written here but asked of the cloud, by running the two in both orders. So a refusal that only the crowd brings (409, 503) fails, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from overtaking import Road, plain
from sim_cloud import SimCloud, Tenant

C, I, N, K, P = "/compute/v2.1", "/image/v2/images", "/network/v2.0", "/identity/v3", "/placement"  # noqa: E741
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
PLACEMENT = {"OpenStack-API-Version": "placement 1.39"}
COMPUTE = {"OpenStack-API-Version": "compute 2.79"}
Names = dict[str, str]
Ask = tuple[str, str, Any]


@dataclass(frozen=True)
class Noun:
    """`make` gives the ids that paths and bodies name in braces. `reset` brings the thing back to where each pair begins."""

    make: Callable[[SimCloud, Tenant], Names]
    asks: tuple[Ask, ...]
    looks: tuple[str, ...]
    reset: tuple[Ask, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    admin: bool = True


def step(op: str, path: str, value: Any = None) -> list[Any]:
    return [{"op": op, "path": path} | ({"value": value} if op != "remove" else {})]


def server(sim: SimCloud, t: Tenant) -> Names:
    net, _ = sim.network(t)
    id = sim.server(t, sim.image()["id"], net["id"])["id"]
    assert sim.settled(t, id)["status"] == "ACTIVE"
    return {"server": id}


def flavor(sim: SimCloud, t: Tenant) -> Names:
    sim.admin.post(f"{C}/flavors", {"flavor": {"id": "specs", "name": "specs", "ram": 64, "vcpus": 1, "disk": 1}})
    return {"project": t.project, "admin": sim.admin.project}


def image(sim: SimCloud, t: Tenant) -> Names:
    return {"image": sim.admin.post(I, {"name": "i", "visibility": "shared"})["id"]}


def project(sim: SimCloud, t: Tenant) -> Names:
    a = sim.admin
    names = {"project": a.post(f"{K}/projects", {"project": {"name": "raced"}})["project"]["id"]}
    for name in ("u1", "u2"):
        names[name] = a.post(f"{K}/users", {"user": {"name": name, "password": "pw"}})["user"]["id"]
    names["group"] = a.post(f"{K}/groups", {"group": {"name": "g"}})["group"]["id"]
    for name in ("member", "reader"):
        names[name] = a.get(f"{K}/roles?name={name}")["roles"][0]["id"]
    names["domain"] = a.post(f"{K}/domains", {"domain": {"name": "d"}})["domain"]["id"]
    names["service"] = a.post(f"{K}/services", {"service": {"type": "raced", "name": "s"}})["service"]["id"]
    return names


def network(sim: SimCloud, t: Tenant) -> Names:
    net, subnet = sim.network(t)
    names = {"project": t.project, "net": net["id"], "subnet": subnet["id"]}
    for n in "12":
        names[f"g{n}"] = t.post(f"{N}/security-groups", {"security_group": {"name": f"g{n}"}})["security_group"]["id"]
    names["port"] = t.post(f"{N}/ports", {"port": {"network_id": net["id"]}})["port"]["id"]
    names["ext"] = t.get(f"{N}/networks?router:external=true")["networks"][0]["id"]
    names["router"] = t.post(f"{N}/routers", {"router": {"name": "r"}})["router"]["id"]
    other = t.post(f"{N}/subnets", {"subnet": {"network_id": net["id"], "cidr": "10.7.0.0/24", "ip_version": 4}})
    names["other"] = other["subnet"]["id"]
    names["fip"] = t.post(f"{N}/floatingips", {"floatingip": {"floating_network_id": names["ext"]}})["floatingip"]["id"]
    t.put(f"{N}/routers/{names['router']}", {"router": {"external_gateway_info": {"network_id": names["ext"]}}})
    return names


def provider(sim: SimCloud, t: Tenant) -> Names:
    sim.admin.ask("PUT", f"{P}/traits/CUSTOM_A", headers=PLACEMENT)
    made = sim.admin.ask("POST", f"{P}/resource_providers", {"name": "raced"}, headers=PLACEMENT)
    return {"provider": made.json["uuid"]}


def group_rule(port: int) -> Ask:
    rule = {
        "security_group_id": "{g1}",
        "direction": "ingress",
        "protocol": "tcp",
        "port_range_min": port,
        "port_range_max": port,
    }
    return ("POST", f"{N}/security-group-rules", {"security_group_rule": rule})


NOUNS: dict[str, Noun] = {
    "server": Noun(
        server,
        (
            ("POST", f"{C}/servers/{{server}}/metadata", {"metadata": {"a": "1"}}),
            ("POST", f"{C}/servers/{{server}}/metadata", {"metadata": {"b": "2"}}),
            ("PUT", f"{C}/servers/{{server}}/metadata", {"metadata": {"c": "3"}}),
            ("PUT", f"{C}/servers/{{server}}/tags/x", None),
            ("PUT", f"{C}/servers/{{server}}/tags", {"tags": ["y"]}),
            ("PUT", f"{C}/servers/{{server}}", {"server": {"name": "renamed"}}),
        ),
        (f"{C}/servers/{{server}}",),
        (
            ("PUT", f"{C}/servers/{{server}}", {"server": {"name": "vm", "description": "none"}}),
            ("PUT", f"{C}/servers/{{server}}/metadata", {"metadata": {"k": "0"}}),
            ("PUT", f"{C}/servers/{{server}}/tags", {"tags": []}),
        ),
        headers=COMPUTE,
        admin=False,
    ),
    "flavor": Noun(
        flavor,
        (
            ("POST", f"{C}/flavors/specs/os-extra_specs", {"extra_specs": {"hw:a": "1"}}),
            ("POST", f"{C}/flavors/specs/os-extra_specs", {"extra_specs": {"hw:b": "2"}}),
            ("POST", f"{C}/flavors/specs/os-extra_specs", {"extra_specs": {"hw:k": "3"}}),
            ("PUT", f"{C}/flavors/specs/os-extra_specs/hw:k", {"hw:k": "4"}),
            ("DELETE", f"{C}/flavors/specs/os-extra_specs/hw:k", None),
            ("PUT", f"{C}/flavors/specs", {"flavor": {"description": "said"}}),
        ),
        (f"{C}/flavors/specs", f"{C}/flavors/specs/os-extra_specs"),
        (
            ("POST", f"{C}/flavors/specs/os-extra_specs", {"extra_specs": {"hw:k": "0", "hw:a": "0", "hw:b": "0"}}),
            ("PUT", f"{C}/flavors/specs", {"flavor": {"description": None}}),
        ),
        headers=COMPUTE,
    ),
    "quota": Noun(
        flavor,
        (
            ("PUT", f"{C}/os-quota-sets/{{project}}", {"quota_set": {"instances": 3}}),
            ("PUT", f"{C}/os-quota-sets/{{project}}", {"quota_set": {"cores": 4}}),
            ("DELETE", f"{C}/os-quota-sets/{{project}}", None),
            ("PUT", f"{N}/quotas/{{project}}", {"quota": {"network": 7}}),
            ("PUT", f"{N}/quotas/{{project}}", {"quota": {"port": 8}}),
            ("DELETE", f"{N}/quotas/{{project}}", None),
        ),
        (f"{C}/os-quota-sets/{{project}}", f"{N}/quotas/{{project}}"),
        (("DELETE", f"{C}/os-quota-sets/{{project}}", None), ("DELETE", f"{N}/quotas/{{project}}", None)),
    ),
    "image": Noun(
        image,
        (
            ("PATCH", f"{I}/{{image}}", step("add", "/pa", "1")),
            ("PATCH", f"{I}/{{image}}", step("add", "/pb", "2")),
            ("PATCH", f"{I}/{{image}}", step("remove", "/k")),
            ("PATCH", f"{I}/{{image}}", step("replace", "/name", "renamed")),
            ("PUT", f"{I}/{{image}}/tags/x", None),
            ("POST", f"{I}/{{image}}/members", {"member": "m1"}),
        ),
        (f"{I}/{{image}}", f"{I}/{{image}}/members"),
        (
            ("PATCH", f"{I}/{{image}}", step("remove", "/pa")),
            ("PATCH", f"{I}/{{image}}", step("remove", "/pb")),
            ("PATCH", f"{I}/{{image}}", step("add", "/k", "0")),
            ("PATCH", f"{I}/{{image}}", step("replace", "/name", "i")),
            ("DELETE", f"{I}/{{image}}/tags/x", None),
            ("PUT", f"{I}/{{image}}/tags/old", None),
            ("DELETE", f"{I}/{{image}}/members/m1", None),
            ("POST", f"{I}/{{image}}/members", {"member": "m0"}),
        ),
        headers=PATCH,
    ),
    "network": Noun(
        network,
        (
            ("PUT", f"{N}/networks/{{net}}", {"network": {"name": "renamed"}}),
            ("PUT", f"{N}/networks/{{net}}", {"network": {"description": "said"}}),
            ("PUT", f"{N}/networks/{{net}}/tags/x", None),
            ("PUT", f"{N}/networks/{{net}}/tags", {"tags": ["z"]}),
            ("PUT", f"{N}/subnets/{{subnet}}", {"subnet": {"dns_nameservers": ["10.0.0.2"]}}),
            ("PUT", f"{N}/subnets/{{subnet}}", {"subnet": {"name": "renamed"}}),
        ),
        (f"{N}/networks/{{net}}", f"{N}/subnets/{{subnet}}"),
        (
            ("PUT", f"{N}/networks/{{net}}", {"network": {"name": "net", "description": ""}}),
            ("PUT", f"{N}/networks/{{net}}/tags", {"tags": []}),
            ("PUT", f"{N}/subnets/{{subnet}}", {"subnet": {"name": "", "dns_nameservers": []}}),
        ),
        admin=False,
    ),
    "port": Noun(
        network,
        (
            ("PUT", f"{N}/ports/{{port}}", {"port": {"name": "renamed"}}),
            ("PUT", f"{N}/ports/{{port}}", {"port": {"description": "said"}}),
            ("PUT", f"{N}/ports/{{port}}", {"port": {"security_groups": ["{g1}"]}}),
            ("PUT", f"{N}/ports/{{port}}", {"port": {"security_groups": ["{g2}"]}}),
            (
                "PUT",
                f"{N}/ports/{{port}}",
                {"port": {"fixed_ips": [{"subnet_id": "{other}", "ip_address": "10.7.0.9"}]}},
            ),
            ("PUT", f"{N}/ports/{{port}}", {"port": {"allowed_address_pairs": [{"ip_address": "10.9.0.1"}]}}),
            ("PUT", f"{N}/ports/{{port}}/tags/x", None),
        ),
        (f"{N}/ports/{{port}}",),
        (
            (
                "PUT",
                f"{N}/ports/{{port}}",
                {
                    "port": {
                        "name": "",
                        "description": "",
                        "security_groups": [],
                        "allowed_address_pairs": [],
                        "fixed_ips": [{"subnet_id": "{subnet}", "ip_address": "10.0.0.77"}],
                    }
                },
            ),
            ("PUT", f"{N}/ports/{{port}}/tags", {"tags": []}),
        ),
        admin=False,
    ),
    "router": Noun(
        network,
        (
            ("PUT", f"{N}/routers/{{router}}", {"router": {"name": "renamed"}}),
            ("PUT", f"{N}/routers/{{router}}", {"router": {"description": "said"}}),
            ("PUT", f"{N}/routers/{{router}}/add_router_interface", {"subnet_id": "{other}"}),
            ("PUT", f"{N}/routers/{{router}}/remove_router_interface", {"subnet_id": "{subnet}"}),
            (
                "PUT",
                f"{N}/routers/{{router}}",
                {"router": {"routes": [{"destination": "10.99.0.0/24", "nexthop": "10.0.0.5"}]}},
            ),
            ("PUT", f"{N}/floatingips/{{fip}}", {"floatingip": {"port_id": "{port}"}}),
            ("PUT", f"{N}/floatingips/{{fip}}", {"floatingip": {"description": "said"}}),
        ),
        (f"{N}/routers/{{router}}", f"{N}/floatingips/{{fip}}"),
        (
            ("PUT", f"{N}/floatingips/{{fip}}", {"floatingip": {"port_id": None, "description": ""}}),
            ("PUT", f"{N}/routers/{{router}}", {"router": {"name": "r", "description": "", "routes": []}}),
            ("PUT", f"{N}/routers/{{router}}/remove_router_interface", {"subnet_id": "{other}"}),
            ("PUT", f"{N}/routers/{{router}}/add_router_interface", {"subnet_id": "{subnet}"}),
        ),
        admin=False,
    ),
    "security group": Noun(
        network,
        (
            group_rule(1),
            group_rule(2),
            ("PUT", f"{N}/security-groups/{{g1}}", {"security_group": {"name": "renamed"}}),
            ("PUT", f"{N}/security-groups/{{g1}}", {"security_group": {"description": "said"}}),
        ),
        (f"{N}/security-groups/{{g1}}",),
        (("PUT", f"{N}/security-groups/{{g1}}", {"security_group": {"name": "g1", "description": ""}}),),
        admin=False,
    ),
    "project": Noun(
        project,
        (
            ("PATCH", f"{K}/projects/{{project}}", {"project": {"description": "said"}}),
            ("PATCH", f"{K}/projects/{{project}}", {"project": {"colour": "red"}}),
            ("PATCH", f"{K}/projects/{{project}}", {"project": {"shape": "round"}}),
            ("PUT", f"{K}/projects/{{project}}/tags/x", None),
            ("PUT", f"{K}/projects/{{project}}/tags", {"tags": ["y"]}),
            ("DELETE", f"{K}/projects/{{project}}/tags/old", None),
        ),
        (f"{K}/projects/{{project}}",),
        (
            ("PATCH", f"{K}/projects/{{project}}", {"project": {"description": "", "colour": "none", "shape": "none"}}),
            ("PUT", f"{K}/projects/{{project}}/tags", {"tags": ["old"]}),
        ),
    ),
    "user": Noun(
        project,
        (
            ("PATCH", f"{K}/users/{{u1}}", {"user": {"description": "said"}}),
            ("PATCH", f"{K}/users/{{u1}}", {"user": {"colour": "red"}}),
            ("PATCH", f"{K}/users/{{u1}}", {"user": {"default_project_id": "{project}"}}),
            ("PATCH", f"{K}/users/{{u1}}", {"user": {"options": {"ignore_password_expiry": True}}}),
            ("PUT", f"{K}/groups/{{group}}/users/{{u1}}", None),
            ("DELETE", f"{K}/groups/{{group}}/users/{{u1}}", None),
        ),
        (f"{K}/users/{{u1}}", f"{K}/groups/{{group}}/users"),
        (
            (
                "PATCH",
                f"{K}/users/{{u1}}",
                {
                    "user": {
                        "description": "",
                        "colour": "none",
                        "default_project_id": None,
                        "email": "none",
                        "options": {"ignore_password_expiry": None},
                    }
                },
            ),
            ("PUT", f"{K}/groups/{{group}}/users/{{u1}}", None),
        ),
    ),
    "password": Noun(
        project,
        (
            ("POST", f"{K}/users/{{u1}}/password", {"user": {"original_password": "pw", "password": "one"}}),
            ("POST", f"{K}/users/{{u1}}/password", {"user": {"original_password": "pw", "password": "two"}}),
            ("PATCH", f"{K}/users/{{u1}}", {"user": {"options": {"lock_password": True}}}),
            ("PATCH", f"{K}/users/{{u1}}", {"user": {"options": {"ignore_password_expiry": True}}}),
        ),
        (f"{K}/users/{{u1}}",),
        (
            (
                "PATCH",
                f"{K}/users/{{u1}}",
                {"user": {"options": {"lock_password": None, "ignore_password_expiry": None}}},
            ),
            ("PATCH", f"{K}/users/{{u1}}", {"user": {"password": "pw"}}),
        ),
    ),
    "assignments": Noun(
        project,
        (
            ("PUT", f"{K}/projects/{{project}}/users/{{u1}}/roles/{{member}}", None),
            ("PUT", f"{K}/projects/{{project}}/users/{{u1}}/roles/{{reader}}", None),
            ("DELETE", f"{K}/projects/{{project}}/users/{{u1}}/roles/{{reader}}", None),
            ("PUT", f"{K}/projects/{{project}}/groups/{{group}}/roles/{{member}}", None),
            ("PUT", f"{K}/domains/{{domain}}/users/{{u2}}/roles/{{member}}", None),
        ),
        (f"{K}/role_assignments?scope.project.id={{project}}", f"{K}/role_assignments?scope.domain.id={{domain}}"),
        (
            ("DELETE", f"{K}/projects/{{project}}/users/{{u1}}/roles/{{member}}", None),
            ("PUT", f"{K}/projects/{{project}}/users/{{u1}}/roles/{{reader}}", None),
            ("DELETE", f"{K}/projects/{{project}}/groups/{{group}}/roles/{{member}}", None),
            ("DELETE", f"{K}/domains/{{domain}}/users/{{u2}}/roles/{{member}}", None),
        ),
    ),
    "domain": Noun(
        project,
        (
            ("PATCH", f"{K}/domains/{{domain}}", {"domain": {"description": "said"}}),
            ("PATCH", f"{K}/domains/{{domain}}", {"domain": {"colour": "red"}}),
            ("PATCH", f"{K}/services/{{service}}", {"service": {"description": "said"}}),
            ("PATCH", f"{K}/services/{{service}}", {"service": {"colour": "red"}}),
            ("PUT", f"{K}/domains/{{domain}}/config", {"config": {"identity": {"driver": "sql"}}}),
            ("PATCH", f"{K}/domains/{{domain}}/config", {"config": {"ldap": {"url": "ldap://127.0.0.1:9"}}}),
            ("PATCH", f"{K}/domains/{{domain}}/config", {"config": {"ldap": {"user_tree_dn": "ou=u"}}}),
        ),
        (f"{K}/domains/{{domain}}", f"{K}/services/{{service}}", f"{K}/domains/{{domain}}/config"),
        (
            ("PATCH", f"{K}/domains/{{domain}}", {"domain": {"description": "", "colour": "none"}}),
            ("PATCH", f"{K}/services/{{service}}", {"service": {"description": "", "colour": "none"}}),
            ("DELETE", f"{K}/domains/{{domain}}/config", None),
            ("PUT", f"{K}/domains/{{domain}}/config", {"config": {"ldap": {"query_scope": "sub"}}}),
        ),
    ),
    "provider": Noun(
        provider,
        (
            ("PUT", f"{P}/resource_providers/{{provider}}", {"name": "renamed"}),
            ("POST", f"{P}/resource_providers/{{provider}}/inventories", {"resource_class": "VCPU", "total": 4}),
            ("POST", f"{P}/resource_providers/{{provider}}/inventories", {"resource_class": "DISK_GB", "total": 4}),
            ("DELETE", f"{P}/resource_providers/{{provider}}/traits", None),
        ),
        (f"{P}/resource_providers/{{provider}}", f"{P}/resource_providers/{{provider}}/inventories"),
        (
            ("PUT", f"{P}/resource_providers/{{provider}}", {"name": "raced"}),
            ("DELETE", f"{P}/resource_providers/{{provider}}/inventories", None),
        ),
        headers=PLACEMENT,
    ),
}


class Race:
    """One noun in one cloud."""

    def __init__(self, sim: SimCloud, noun: Noun) -> None:
        tenant = sim.tenant("racer")
        self.noun, self.names = noun, noun.make(sim, tenant)
        self.who = sim.admin if noun.admin else tenant
        self.road = Road(sim)

    def named(self, text: str) -> str:
        for name, id in self.names.items():
            text = text.replace(f"{{{name}}}", id)
        return text

    def ask(self, ask: Ask) -> Any:
        method, path, body = ask
        raw = None if body is None else self.named(json.dumps(body)).encode()
        headers = self.noun.headers if self.noun.headers is not PATCH or method == "PATCH" else {}
        return self.who.ask(method, self.named(path), raw=raw, headers=dict(headers))

    def look(self) -> list[Any]:
        return [self.ask(("GET", path, None)).json for path in self.noun.looks]

    def reset(self) -> list[Any]:
        for ask in self.noun.reset:
            self.ask(ask)
        if self.noun is NOUNS["security group"]:
            for rule in self.look()[0]["security_group"]["security_group_rules"]:
                if rule["port_range_min"] is not None:
                    self.ask(("DELETE", f"{N}/security-group-rules/{rule['id']}", None))
        return self.look()

    def end(self, base: list[Any], *codes: int) -> str:
        """Both codes and what is there now, as text that two runs can be compared by."""
        seen = [plain(now, self.names, before) for now, before in zip(self.look(), base, strict=True)]
        # a service's revisions stand one level down, in {"router": {…}}
        return json.dumps([codes, seen], sort_keys=True, indent=1)

    def one_after_the_other(self, first: Ask, second: Ask) -> tuple[int, int, str]:
        base = self.reset()
        one, other = self.ask(first).code, self.ask(second).code
        return one, other, self.end(base)

    def overtaken(self, first: Ask, second: Ask) -> tuple[int, int, str]:
        base = self.reset()
        one, other = self.road.overtaken_by(lambda: self.ask(first), lambda: self.ask(second))
        return one.code, other.code, self.end(base)


@pytest.fixture
def race(sim: SimCloud, request: pytest.FixtureRequest) -> Iterator[Race]:
    made = Race(sim, NOUNS[request.param])
    yield made
    made.road.close()


@pytest.mark.parametrize("race", NOUNS, indirect=True)
def test_two_requests_end_as_one_after_the_other(race: Race) -> None:
    asks = race.noun.asks
    worked = [any(race.ask(ask).code < 300 for _ in (race.reset(),)) for ask in asks]
    assert all(worked), [(ask, race.ask(ask).text) for ask, ok in zip(asks, worked, strict=True) if not ok]
    pairs = [(n, m) for n in range(len(asks)) for m in range(len(asks))]
    right = {(n, m): race.one_after_the_other(asks[n], asks[m]) for n, m in pairs}
    failures = []
    for n, m in pairs:
        first, second = asks[n], asks[m]
        ahead, (other, one, end) = right[n, m], right[m, n]
        got = race.overtaken(first, second)
        if got not in (ahead, (one, other, end)):
            failures.append(
                f"{first}\n  overtaken by {second}:\n{got}\n  is neither\n{ahead}\n  nor\n{(one, other, end)}"
            )
    assert not failures, f"{len(failures)} of {len(asks) ** 2}:\n" + "\n".join(failures[:4])
    assert race.road.overtaken > len(asks) if not race.road.db.sqlite else race.road.overtaken, "nobody was overtaken"
