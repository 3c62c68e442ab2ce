# SPDX-License-Identifier: Apache-2.0
"""An extension is a value: what is listed, taken, shown, filtered by and routed is the same, with each of them and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant, make
from virga.ground.http.table import Table
from virga.services.network import nouns, routes
from virga.services.network.extensions import core, offer
from virga.services.network.extensions.extension import Extension
from virga.services.network.nouns import Noun

N = "/network/v2.0"
ALIASES = [e.alias for e in offer.ALL]


def extension(alias: str) -> Extension:
    return next(e for e in offer.ALL if e.alias == alias)


class Without(SimCloud):
    """A cloud of which one thing is asked with some extensions off."""

    def off(self, *aliases: str) -> None:
        service = routes.service(offer.all_but(*aliases))
        self.cloud.api_app.tables["network"] = Table(service.routes)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Without]:
    made = make()
    made.start()
    yield Without(made)
    made.stop()


class Things:
    """One of each noun, of a tenant whose quota has no end."""

    def __init__(self, sim: SimCloud, who: Tenant) -> None:
        self.who = who
        every = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule")
        sim.admin.put(f"{N}/quotas/{who.project}", {"quota": dict.fromkeys(every, -1)})
        outside = who.get(f"{N}/networks?router:external=true")["networks"][0]["id"]
        net, subnet = sim.network(who)
        self.outside, self.network, self.subnet = outside, net["id"], subnet["id"]
        self.port = self.make("port", {"network_id": self.network})
        self.router = self.make("router", {"external_gateway_info": {"network_id": outside}})
        who.put(f"{N}/routers/{self.router}/add_router_interface", {"subnet_id": self.subnet})
        self.floatingip = self.make("floatingip", {"floating_network_id": outside, "port_id": self.port})
        self.security_group = self.make("security_group", {"name": "g"})
        self.security_group_rule = self.make(
            "security_group_rule", {"security_group_id": self.security_group, "direction": "ingress"}
        )

    def make(self, name: str, body: dict[str, Any]) -> str:
        noun = next(n for n in nouns.ALL if n.name == name)
        return str(self.who.post(f"/network{noun.path}", {name: body}, 201)[name]["id"])

    def id(self, noun: Noun) -> str:
        return str(getattr(self, noun.name))

    def bodies(self) -> dict[Noun, Callable[[], dict[str, Any]]]:
        """A good body that makes one more of a noun, with nothing of any extension."""
        return {
            nouns.NETWORK: dict,
            nouns.SUBNET: lambda: {"network_id": self.network, "cidr": "10.50.0.0/24"},
            nouns.PORT: lambda: {"network_id": self.network},
            nouns.ROUTER: dict,
            nouns.FLOATING_IP: lambda: {"floating_network_id": self.outside},
            nouns.GROUP: dict,
            nouns.RULE: lambda: {"security_group_id": self.security_group, "direction": "egress", "protocol": "tcp"},
        }


GOOD: dict[str, Any] = {
    "router:external": False,
    "is_default": False,
    "provider:network_type": "geneve",
    "provider:physical_network": "physnet1",
    "provider:segmentation_id": 7,
    "mtu": 1400,
    "binding:host_id": "h",
    "binding:profile": {},
    "binding:vnic_type": "normal",
    "port_security_enabled": True,
    "allowed_address_pairs": [],
    "security_groups": [],
    "stateful": True,
    "description": "d",
    "routes": [],
    "check_limit": False,
    "project_id": "p",
    "router": -1,
    "floatingip": -1,
    "security_group": -1,
    "security_group_rule": -1,
}
"""A value of each field that a body takes by an extension."""


@pytest.fixture(scope="module")
def things(cloud: Without) -> Things:
    return Things(cloud, cloud.admin)


@pytest.fixture(autouse=True)
def whole_again(cloud: Without) -> Iterator[None]:
    yield
    cloud.off()


def test_all_is_claimed_and_nothing_twice() -> None:
    """A field that no extension and not the core claims is refused when the program starts, as is one that no shape has."""
    offer.check()
    with pytest.raises(TypeError, match="mtu"):
        offer.check(offer.all_but("net-mtu"))
    odd = Extension(alias="odd", name="n", description="d", updated="u", fields={nouns.PORT: ("colour",)})
    with pytest.raises(TypeError, match="colour"):
        offer.check((*offer.ALL, odd))
    twice = Extension(alias="twice", name="n", description="d", updated="u", fields={nouns.PORT: ("name",)})
    with pytest.raises(TypeError, match="name"):
        offer.check((*offer.ALL, twice))


def test_what_is_listed(cloud: Without) -> None:
    found = cloud.admin.get(f"{N}/extensions")["extensions"]
    assert [e["alias"] for e in found] == sorted(ALIASES) and len(set(ALIASES)) == len(ALIASES)
    for each in found:
        assert each == cloud.admin.get(f"{N}/extensions/{each['alias']}")["extension"]
        assert each["name"] and each["description"] and each["updated"] and each["links"] == []
    assert cloud.admin.ask("GET", f"{N}/extensions/qos").code == 404


@pytest.mark.parametrize("alias", ALIASES)
def test_without_one(cloud: Without, things: Things, alias: str) -> None:
    """Switched off, it is not listed, nor are those that need it; its rows are not found; its fields are neither taken nor shown; its
    filters change nothing. The rest is as before."""
    cloud.off(alias)
    gone = [e for e in offer.ALL if e not in offer.all_but(alias)]
    who = things.who
    there = {e["alias"] for e in who.get(f"{N}/extensions")["extensions"]}
    assert there == set(ALIASES) - {e.alias for e in gone} and alias not in there
    assert who.ask("GET", f"{N}/extensions/{alias}").code == 404
    for each in gone:
        _no_rows(who, each)
    for noun, body in things.bodies().items():
        if not _there(noun, gone):
            below = who.ask("GET", f"/network{noun.path}/{things.id(noun)}/tags")
            assert below.code == 404, "what is below it goes along, whose extension it may be"
        else:
            _no_fields(things, noun, body, gone)
            _no_filters(things, noun, gone)


def _there(noun: Noun, gone: list[Extension]) -> bool:
    return all(row.path != noun.path for each in gone for row in each.routes)


def _no_rows(who: Tenant, gone: Extension) -> None:
    for row in gone.routes:
        path = "/network" + row.path.replace("{", "").replace("}", "")
        got = who.ask(row.method, path, {} if row.method in {"POST", "PUT"} else None)
        # `/quotas/tenant` is a project's quota to who knows no better: another row answers
        assert got.code == 404, f"{row.method} {row.path}: {got.code} {got.text[:200]}"


def _no_fields(things: Things, noun: Noun, body: Callable[[], dict[str, Any]], gone: list[Extension]) -> None:
    who, path = things.who, f"/network{noun.path}"
    shown = {name for each in gone for name in each.fields.get(noun, ())}
    taken = shown | {name for each in gone for name in each.takes.get(noun, ())}
    one = who.get(f"{path}/{things.id(noun)}")[noun.name]
    many = who.get(path)[noun.collection]
    whole = [one, *many]
    for name in shown:
        head, _, below = name.partition(".")
        for each in whole:
            assert below not in (each[head] or {}) if below else name not in each, name
    for name in taken & GOOD.keys():
        got = who.ask("POST", path, {noun.name: body() | {name: GOOD[name]}})
        assert got.code == 400 and name in got.json["NeutronError"]["message"], f"{noun.name}.{name}: {got.text}"
    made = who.post(path, {noun.name: body()}, 201)[noun.name]
    assert not shown & made.keys()
    who.delete(f"{path}/{made['id']}", 204)


def _no_filters(things: Things, noun: Noun, gone: list[Extension]) -> None:
    who, path = things.who, f"/network{noun.path}"
    for each in gone:
        filters = set(noun.filters) & set(each.fields.get(noun, ())) | set(each.filters.get(noun, ()))
        for name in filters - {"limit", "marker", "sort", "sort_key", "sort_dir", "page_reverse"}:
            assert len(who.get(f"{path}?{name}=0")[noun.collection]) == len(who.get(path)[noun.collection]), name
        for name in filters & {"sort_key"}:
            assert who.ask("GET", f"{path}?{name}=nonsense").code == 200, "who does not sort reads no key"
        for name in filters & {"limit"}:
            assert f"{noun.collection}_links" not in who.get(f"{path}?{name}=1")


def test_a_field_inside_another(cloud: Without, things: Things) -> None:
    """`enable_snat` is ext-gw-mode's, the gateway is the router's own."""
    body = {"external_gateway_info": {"network_id": things.outside, "enable_snat": False}}
    made = things.who.post(f"{N}/routers", {"router": body}, 201)["router"]
    assert made["external_gateway_info"]["enable_snat"] is False
    cloud.off("ext-gw-mode")
    refused = things.who.ask("POST", f"{N}/routers", {"router": body})
    assert refused.code == 400 and "enable_snat" in refused.json["NeutronError"]["message"]
    body = {"external_gateway_info": {"network_id": things.outside}}
    shown = things.who.post(f"{N}/routers", {"router": body}, 201)["router"]["external_gateway_info"]
    assert set(shown) == {"network_id", "external_fixed_ips"}


def test_quotas_of_nouns_that_come_and_go(cloud: Without, things: Things) -> None:
    path = f"{N}/quotas/{things.who.project}"
    for alias, names in (
        ("router", {"router", "floatingip"}),
        ("security-group", {"security_group", "security_group_rule"}),
        ("quota-check-limit", {"check_limit"}),
    ):
        cloud.off()
        assert things.who.put(path, {"quota": {name: GOOD[name] for name in names}})
        whole = set(things.who.get(f"{path}/details")["quota"])
        cloud.off(alias)
        assert whole - set(things.who.get(f"{path}/details")["quota"]) == names & whole
        assert not names & set(things.who.get(path)["quota"])
        for name in names:
            got = things.who.ask("PUT", path, {"quota": {name: GOOD[name]}})
            assert got.code == 400 and name in got.json["NeutronError"]["message"]


def test_rules_in_groups_say_no_more_than_rules(cloud: Without, things: Things) -> None:
    for aliases in ((), ("security-groups-normalized-cidr", "standard-attr-timestamp")):
        cloud.off(*aliases)
        rule = things.who.get(f"{N}/security-group-rules/{things.security_group_rule}")["security_group_rule"]
        group = things.who.get(f"{N}/security-groups/{things.security_group}")["security_group"]
        inside = next(r for r in group["security_group_rules"] if r["id"] == rule["id"])
        assert inside == rule and ("normalized_cidr" in rule) == (not aliases)


def test_the_bare_core(cloud: Without, things: Things) -> None:
    """With no extension at all there are networks, subnets and ports, and they work."""
    cloud.off(*ALIASES)
    who = things.who
    assert who.get(f"{N}/extensions")["extensions"] == []
    assert {r["name"] for r in who.get(N)["resources"]} == {"network", "subnet", "port", "extension"}
    net = who.post(f"{N}/networks", {"network": {"name": "bare"}}, 201)["network"]
    assert set(net) == set(core.FIELDS[nouns.NETWORK])
    body = {"network_id": net["id"], "cidr": "10.60.0.0/24"}
    subnet = who.post(f"{N}/subnets", {"subnet": body}, 201)["subnet"]
    port = who.post(f"{N}/ports", {"port": {"network_id": net["id"]}}, 201)["port"]
    assert port["fixed_ips"][0]["subnet_id"] == subnet["id"] and set(port) == set(core.FIELDS[nouns.PORT])
    for path in (f"ports/{port['id']}", f"networks/{net['id']}"):
        who.delete(f"{N}/{path}", 204)


def test_nothing_unbuilt_is_shown(cloud: Without, things: Things) -> None:
    """What is shown of a noun are the fields that the core and the extensions claim: no constants for what is not there."""
    for noun in nouns.ALL:
        claimed = {*core.FIELDS[noun], *(name for e in offer.ALL for name in e.fields.get(noun, ()))}
        shown = things.who.get(f"/network{noun.path}/{things.id(noun)}")[noun.name]
        assert set(shown) <= claimed, noun.name
        assert not {"qos_policy_id", "dns_name", "extra_dhcp_opts", "flavor_id", "port_forwardings"} & set(shown)
        chosen = things.who.get(f"/network{noun.path}/{things.id(noun)}?fields=id&fields=tenant_id")[noun.name]
        assert set(chosen) == {"id", "tenant_id"}
