# SPDX-License-Identifier: Apache-2.0
"""Network's stories."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from sim_cloud import SimCloud, Tenant, make
from virga.ground.bus import Bus
from virga.ground.loops.loop import LEASES
from virga.services.network import driver, store
from virga.services.network.kinds import KINDS, Kind


def router(sim: SimCloud, who: Tenant, subnet: str) -> tuple[Any, Any]:
    external = who.get("/network/v2.0/networks?router:external=true")["networks"][0]
    body = {"name": "r", "external_gateway_info": {"network_id": external["id"]}}
    r = who.post("/network/v2.0/routers", {"router": body}, 201)["router"]
    who.put(f"/network/v2.0/routers/{r['id']}/add_router_interface", {"subnet_id": subnet}, 200)
    return r, external


def test_addresses_are_given_out_once(sim: SimCloud) -> None:
    t = sim.tenant("nora")
    net, _ = sim.network(t, "10.0.0.0/29")
    ips = [
        t.post("/network/v2.0/ports", {"port": {"network_id": net["id"]}}, 201)["port"]["fixed_ips"][0]["ip_address"]
        for _ in range(4)
    ]
    assert ips == ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"], "the gateway has .1, metadata .2"
    full = t.ask("POST", "/network/v2.0/ports", {"port": {"network_id": net["id"]}})
    assert full.code == 409 and full.json["NeutronError"]["type"] == "IpAddressGenerationFailure"
    taken = t.ask(
        "POST", "/network/v2.0/ports", {"port": {"network_id": net["id"], "fixed_ips": [{"ip_address": "10.0.0.4"}]}}
    )
    assert taken.code == 409 and "10.0.0.4" in taken.json["NeutronError"]["message"]


def test_what_is_in_use_names_its_users(sim: SimCloud) -> None:
    t = sim.tenant("olga")
    net, subnet = sim.network(t)
    r, external = router(sim, t, subnet["id"])
    port = t.post("/network/v2.0/ports", {"port": {"network_id": net["id"]}})["port"]
    fip = t.post(
        "/network/v2.0/floatingips", {"floatingip": {"floating_network_id": external["id"], "port_id": port["id"]}}, 201
    )["floatingip"]
    assert (
        fip["status"] == "ACTIVE"
        and fip["router_id"] == r["id"]
        and fip["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    )
    for path, names in (
        (f"networks/{net['id']}", port["id"]),
        (f"subnets/{subnet['id']}", port["id"]),
        (f"routers/{r['id']}", subnet["id"]),
        (f"security-groups/{port['security_groups'][0]}", ""),
    ):
        got = t.ask("DELETE", f"/network/v2.0/{path}")
        assert got.code == 409, path
        assert names in got.json["NeutronError"]["message"]
    got = t.ask("PUT", f"/network/v2.0/routers/{r['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert got.code == 409 and fip["floating_ip_address"] in got.json["NeutronError"]["message"]
    t.delete(f"/network/v2.0/ports/{port['id']}", 204)
    assert t.get(f"/network/v2.0/floatingips/{fip['id']}")["floatingip"]["status"] == "DOWN"
    t.put(f"/network/v2.0/routers/{r['id']}/remove_router_interface", {"subnet_id": subnet["id"]}, 200)
    for path in (f"floatingips/{fip['id']}", f"routers/{r['id']}", f"networks/{net['id']}"):
        t.delete(f"/network/v2.0/{path}", 204)
    sim.cloud.loops.once("network.sync")
    from virga.services.network.driver import Switch

    seen = sim.cloud.registry.use(Switch).observe()
    assert net["id"] not in seen["network"] and r["id"] not in seen["router"] and port["id"] not in seen["port"]


def test_equal_subnets_for_everyone(shared: SimCloud) -> None:
    a, b = shared.tenant("na"), shared.tenant("nb")
    (net_a, _), (net_b, _) = shared.network(a), shared.network(b)
    assert b.ask("GET", f"/network/v2.0/networks/{net_a['id']}").code == 404
    assert net_a["id"] not in {n["id"] for n in b.get("/network/v2.0/networks")["networks"]}
    clash = a.ask(
        "POST", "/network/v2.0/subnets", {"subnet": {"network_id": net_a["id"], "cidr": "10.0.0.0/16", "ip_version": 4}}
    )
    assert clash.code == 400 and "overlaps" in clash.json["NeutronError"]["message"]
    assert b.ask("POST", "/network/v2.0/ports", {"port": {"network_id": net_a["id"]}}).code == 404
    assert net_b["id"] != net_a["id"]


ADMIN_ONLY = [
    ("networks", {"network": {"shared": True}}),
    ("networks", {"network": {"router:external": True}}),
    ("networks", {"network": {"provider:network_type": "flat", "provider:physical_network": "physnet1"}}),
]


@pytest.mark.parametrize(("noun", "body"), ADMIN_ONLY)
def test_administrators_attributes(shared: SimCloud, noun: str, body: dict[str, Any]) -> None:
    t = shared.tenant(f"nx{abs(hash(str(body))) % 1000}")
    got = t.ask("POST", f"/network/v2.0/{noun}", body)
    assert got.code == 403 and got.json["NeutronError"]["type"] == "PolicyNotAuthorized"


def test_port_tricks(shared: SimCloud) -> None:
    """A tenant on a shared network takes what it gets."""
    net, _ = shared.network(shared.admin, "10.9.0.0/24", "common")
    shared.admin.put(f"/network/v2.0/networks/{net['id']}", {"network": {"shared": True}})
    t = shared.tenant("trick")
    for more in (
        {"mac_address": "fa:16:3e:00:00:01"},
        {"port_security_enabled": False},
        {"device_owner": "network:dhcp"},
        {"allowed_address_pairs": [{"ip_address": "10.9.0.9"}]},
        {"binding:host_id": "x"},
        {"fixed_ips": [{"ip_address": "10.9.0.77"}]},
    ):
        got = t.ask("POST", "/network/v2.0/ports", {"port": {"network_id": net["id"]} | more})
        assert got.code == 403, f"{more}: {got.text}"
    port = t.post("/network/v2.0/ports", {"port": {"network_id": net["id"]}})["port"]
    got = t.ask("PUT", f"/network/v2.0/ports/{port['id']}", {"port": {"device_owner": "network:router_interface"}})
    assert got.code == 403


def test_rules(shared: SimCloud) -> None:
    t = shared.tenant("rules")
    default = t.get("/network/v2.0/security-groups")["security_groups"]
    assert [g["name"] for g in default] == ["default"]
    assert len(default[0]["security_group_rules"]) == 4
    group = t.post("/network/v2.0/security-groups", {"security_group": {"name": "web"}}, 201)["security_group"]
    assert len(group["security_group_rules"]) == 2

    def rule(**more: Any) -> Any:
        return t.ask(
            "POST",
            "/network/v2.0/security-group-rules",
            {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress"} | more},
        )

    made = rule(protocol="tcp", port_range_min=80, port_range_max=81, remote_ip_prefix="10.1.2.3/8")
    assert made.code == 201 and made.json["security_group_rule"]["remote_ip_prefix"] == "10.0.0.0/8"
    assert rule(protocol="tcp", port_range_min=80, port_range_max=81, remote_ip_prefix="10.0.0.0/8").code == 409
    for bad in (
        {"protocol": "tcp", "port_range_min": 90, "port_range_max": 80},
        {"protocol": "tcp", "port_range_min": 1},
        {"port_range_min": 1, "port_range_max": 2},
        {"protocol": "nonsense"},
        {"protocol": "300"},
        {"remote_ip_prefix": "fe80::/10"},
        {"remote_ip_prefix": "1.2.3.4; drop"},
        {"protocol": "icmp", "port_range_max": 3},
        {"protocol": "icmp", "port_range_min": 256},
        {"remote_group_id": group["id"], "remote_ip_prefix": "10.0.0.0/8"},
    ):
        got = rule(**bad)
        assert got.code == 400, f"{bad}: {got.text}"


def test_bulk_and_tags_and_fields(shared: SimCloud) -> None:
    t = shared.tenant("bulk")
    made = t.post("/network/v2.0/networks", {"networks": [{"name": "x"}, {"name": "y"}]}, 201)["networks"]
    assert [n["name"] for n in made] == ["x", "y"]
    t.put(f"/network/v2.0/networks/{made[0]['id']}/tags/red", None, 201)
    assert [n["name"] for n in t.get("/network/v2.0/networks?tags=red")["networks"]] == ["x"]
    assert t.get("/network/v2.0/networks?fields=name&name=y")["networks"] == [{"name": "y"}]
    page = t.get("/network/v2.0/networks?limit=1&sort_key=name&sort_dir=desc&name=x&name=y")
    assert page["networks"][0]["name"] == "y"
    again = t.get(page["networks_links"][0]["href"].removeprefix("http://127.0.0.1:8700"))
    assert again["networks"][0]["name"] == "x"


def test_quota_says_how_much(shared: SimCloud) -> None:
    t = shared.tenant("small")
    shared.admin.put(f"/network/v2.0/quotas/{t.project}", {"quota": {"network": 1}})
    t.post("/network/v2.0/networks", {"network": {"name": "1"}}, 201)
    got = t.ask("POST", "/network/v2.0/networks", {"network": {"name": "2"}})
    assert got.code == 409 and got.json["NeutronError"]["type"] == "OverQuota"
    assert "1 of 1 network" in got.json["NeutronError"]["message"]


def test_a_quota_below_what_is_used(shared: SimCloud) -> None:
    """`openstack quota set` asks for the check, with `--force` it does not."""
    t = shared.tenant("below")
    for _ in range(2):
        t.post("/network/v2.0/networks", {"network": {}}, 201)
    path = f"/network/v2.0/quotas/{t.project}"
    got = shared.admin.ask("PUT", path, {"quota": {"network": 1, "check_limit": True}})
    assert got.code == 400 and "already used 2" in got.json["NeutronError"]["message"]
    assert shared.admin.get(path)["quota"]["network"] == 100
    assert shared.admin.put(path, {"quota": {"network": 2, "check_limit": True}})["quota"]["network"] == 2
    assert shared.admin.put(path, {"quota": {"network": 1, "force": True}})["quota"]["network"] == 1
    assert shared.admin.put(path, {"quota": {"network": -1, "check_limit": True}})["quota"]["network"] == -1


def test_addresses_that_make_themselves(sim: SimCloud) -> None:
    """A SLAAC subnet gives every port an address of its MAC, whatever else was asked for, and nobody chooses one there."""
    t = sim.tenant("six")
    net, four = sim.network(t)
    early = t.post("/network/v2.0/ports", {"port": {"network_id": net["id"], "mac_address": "fa:16:3e:00:00:11"}})[
        "port"
    ]
    assert [i["subnet_id"] for i in early["fixed_ips"]] == [four["id"]]
    body = {
        "network_id": net["id"],
        "cidr": "fd00:7::/64",
        "ip_version": 6,
        "ipv6_ra_mode": "slaac",
        "ipv6_address_mode": "slaac",
    }
    six = t.post("/network/v2.0/subnets", {"subnet": body})["subnet"]
    assert {i["ip_address"] for i in t.get(f"/network/v2.0/ports/{early['id']}")["port"]["fixed_ips"]} == {
        early["fixed_ips"][0]["ip_address"],
        "fd00:7::f816:3eff:fe00:11",
    }
    requested = {
        "network_id": net["id"],
        "fixed_ips": [{"ip_address": "10.0.0.77"}],
        "mac_address": "fa:16:3e:00:00:12",
    }
    port = t.post("/network/v2.0/ports", {"port": requested})["port"]
    assert {i["ip_address"] for i in port["fixed_ips"]} == {"10.0.0.77", "fd00:7::f816:3eff:fe00:12"}
    refused = t.ask(
        "POST", "/network/v2.0/ports", {"port": {"network_id": net["id"], "fixed_ips": [{"ip_address": "fd00:7::5"}]}}
    )
    assert refused.code == 400 and refused.json["NeutronError"]["type"] == "AllocationOnAutoAddressSubnet"
    moved = t.put(f"/network/v2.0/ports/{port['id']}", {"port": {"fixed_ips": [{"ip_address": "10.0.0.78"}]}})["port"]
    assert {i["ip_address"] for i in moved["fixed_ips"]} == {"10.0.0.78", "fd00:7::f816:3eff:fe00:12"}
    again = t.put(f"/network/v2.0/ports/{port['id']}", {"port": {"fixed_ips": moved["fixed_ips"]}})["port"]
    assert again["fixed_ips"] == moved["fixed_ips"], "what was read may be written"
    renamed = t.put(f"/network/v2.0/ports/{port['id']}", {"port": {"mac_address": "fa:16:3e:00:00:13"}})["port"]
    assert {i["ip_address"] for i in renamed["fixed_ips"]} == {"10.0.0.78", "fd00:7::f816:3eff:fe00:13"}
    t.delete(f"/network/v2.0/subnets/{six['id']}", 204)
    assert [i["ip_address"] for i in t.get(f"/network/v2.0/ports/{port['id']}")["port"]["fixed_ips"]] == ["10.0.0.78"]


def test_who_sees_what(sim: SimCloud) -> None:
    """Readers see and write nothing; a role that may not read sees what is shared; a token without a project sees no port of the network's own."""
    owner = sim.tenant("eve")
    net, subnet = sim.network(owner)
    r, _ = router(sim, owner, subnet["id"])
    path = f"/network/v2.0/networks/{net['id']}"
    owner.put(f"{path}/tags/red", None, 201)
    owner.get(f"{path}/tags/red", 204)
    assert owner.ask("GET", f"{path}/tags/blue").code == 404

    def with_role(name: str, role: str) -> Tenant:
        a = sim.admin
        user = a.post("/identity/v3/users", {"user": {"name": name, "password": "pw"}})["user"]["id"]
        role_id = a.get(f"/identity/v3/roles?name={role}")["roles"][0]["id"]
        a.put(f"/identity/v3/projects/{owner.project}/users/{user}/roles/{role_id}")
        return sim.login(name, "pw", "eve-project")

    reader = with_role("rita", "reader")
    assert reader.get(path)["network"]["tags"] == ["red"]
    for method, what in (("PUT", "/tags/x"), ("DELETE", "/tags/red"), ("DELETE", "/tags"), ("DELETE", "")):
        refused = reader.ask(method, path + what)
        assert refused.code == 403 and refused.json["NeutronError"]["type"] == "PolicyNotAuthorized", (method, what)
    sim.admin.post("/identity/v3/roles", {"role": {"name": "gardener"}}, 201)
    gardener = with_role("gus", "gardener")
    assert gardener.ask("GET", path).code == 404 and gardener.ask("GET", f"/network/v2.0/routers/{r['id']}").code == 404
    assert [n["name"] for n in gardener.get("/network/v2.0/networks")["networks"]] == ["public"]
    assert gardener.get("/network/v2.0/ports")["ports"] == []
    assert gardener.ask("GET", f"/network/v2.0/quotas/{owner.project}").code == 403
    reader.get(f"/network/v2.0/quotas/{owner.project}", 200)
    unscoped = Tenant(sim.http, sim.auth("rita", "pw", None, unscoped={}).headers["x-subject-token"], "", "")
    for noun in ("ports", "routers", "floatingips", "subnets", "security-groups"):
        assert unscoped.get(f"/network/v2.0/{noun}")[noun.replace("-", "_")] == [], noun


class Meter(driver.Spec, frozen=True):
    """A thing of a kind that there is not."""

    kind: ClassVar[str] = "meter"


def test_one_more_kind_is_one_value(sim: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marked, told, compared and forgotten like the others, and its topic hears of it, without a line anywhere else."""
    meters = Kind(
        name="meter",
        order=4,
        rows=store.NETWORKS,
        spec=lambda tx, id, _: Meter(id) if store.NETWORKS.get(tx, id) is not None else None,
        told="meter.changed",
    )
    monkeypatch.setitem(KINDS, "meter", meters)
    heard: list[str] = []
    sim.cloud.registry.use(Bus).subscribe("meter.changed", lambda answer: heard.append(answer["meter"]))
    t = sim.tenant("meters")
    net, _ = sim.network(t)

    def told() -> set[str]:
        sim.cloud.loops.once("network.repair")
        sim.cloud.loops.once("network.sync")
        return sim.cloud.registry.use(driver.Switch).observe()["meter"]  # type: ignore[type-abstract]

    assert net["id"] in told() and net["id"] in heard
    t.delete(f"/network/v2.0/networks/{net['id']}", 204)
    assert net["id"] not in told() and heard.count(net["id"]) > 1


def test_a_mark_of_a_kind_that_is_not_known_waits(sim: SimCloud) -> None:
    """What a newer program marked is left for it, and holds nothing up."""
    with sim.cloud.db.write() as tx:
        store.touch(tx, sim.cloud.registry, "unheard", "x")
    t = sim.tenant("waits")
    net, _ = sim.network(t)
    sim.cloud.loops.once("network.sync")
    assert net["id"] in sim.cloud.registry.use(driver.Switch).observe()["network"]  # type: ignore[type-abstract]
    with sim.cloud.db.read() as tx:
        assert [(m.kind, m.id) for m in store.DIRTY.find(tx)] == [("unheard", "x")]


def test_a_bulk_body_is_one_thing(sim: SimCloud) -> None:
    """All of it or nothing, the quota counts the whole of it, and what it makes meets itself: addresses, MACs, prefixes, rules."""
    t = sim.tenant("whole")
    net, subnet = sim.network(t, "10.0.0.0/28")
    on = {"network_id": net["id"]}

    def ports() -> list[str]:
        return sorted(p["id"] for p in t.get(f"/network/v2.0/ports?network_id={net['id']}")["ports"])

    before = ports()
    sim.admin.put(f"/network/v2.0/quotas/{t.project}", {"quota": {"port": 5}})
    over = t.ask("POST", "/network/v2.0/ports", {"ports": [on] * 6})
    assert over.code == 409 and "Requested 6, but already used 0 of 5" in over.json["NeutronError"]["message"]
    sim.admin.put(f"/network/v2.0/quotas/{t.project}", {"quota": {"port": -1}})
    fixed = on | {"fixed_ips": [{"ip_address": "10.0.0.9"}]}
    mac = on | {"mac_address": "fa:16:3e:00:00:55"}
    for many, type in (
        ([on, fixed, fixed], "IpAddressAlreadyAllocated"),
        ([mac, on, mac], "MacAddressInUse"),
        ([on] * 13, "IpAddressGenerationFailure"),
        ([on, on | {"security_groups": ["00000000-0000-4000-8000-000000000000"]}], "SecurityGroupNotFound"),
        ([on, {"network_id": "00000000-0000-4000-8000-000000000000"}], "NetworkNotFound"),
    ):
        got = t.ask("POST", "/network/v2.0/ports", {"ports": many})
        assert got.json["NeutronError"]["type"] == type, got.text
    assert ports() == before, "nothing of a body that was refused is there"
    made = t.post("/network/v2.0/ports", {"ports": [fixed, *[on] * 10]}, 201)["ports"]
    assert made[0]["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.9"}]
    assert len({p["fixed_ips"][0]["ip_address"] for p in made}) == 11 and len({p["mac_address"] for p in made}) == 11
    for port in made:
        assert t.get(f"/network/v2.0/ports/{port['id']}")["port"] == port, "what was answered is what is there"
    clash = [{**on, "cidr": "10.1.0.0/24"}, {**on, "cidr": "10.2.0.0/24"}, {**on, "cidr": "10.1.0.128/25"}]
    got = t.ask("POST", "/network/v2.0/subnets", {"subnets": clash})
    assert got.code == 400 and "10.1.0.0/24" in got.json["NeutronError"]["message"]
    subnets = t.post("/network/v2.0/subnets", {"subnets": clash[:2]}, 201)["subnets"]
    assert t.get(f"/network/v2.0/networks/{net['id']}")["network"]["subnets"] == [
        subnet["id"],
        *(s["id"] for s in subnets),
    ]
    group = t.post("/network/v2.0/security-groups", {"security_group": {"name": "g"}}, 201)["security_group"]
    assert t.get(f"/network/v2.0/security-groups/{group['id']}")["security_group"] == group
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    twice = t.ask("POST", "/network/v2.0/security-group-rules", {"security_group_rules": [rule, rule]})
    assert twice.code == 409 and twice.json["NeutronError"]["type"] == "SecurityGroupRuleExists"
    both = [rule, rule | {"port_range_min": 1, "port_range_max": 2}]
    rules = t.post("/network/v2.0/security-group-rules", {"security_group_rules": both}, 201)["security_group_rules"]
    now = t.get(f"/network/v2.0/security-groups/{group['id']}")["security_group"]
    assert {r["id"] for r in rules} < {r["id"] for r in now["security_group_rules"]}
    assert now["revision_number"] == group["revision_number"] + 1


def test_who_lost_the_lease_tells_the_switch_nothing(database: str | None) -> None:
    """A process that slept through its lease finds marks, which another works off now."""
    cloud = make(database)  # not started: nothing happens by itself
    sim = SimCloud(cloud)
    net = sim.admin.post("/network/v2.0/networks", {"network": {"name": "late"}})["network"]["id"]
    runner, switch = sim.cloud.loops, sim.cloud.registry.use(driver.Switch)  # type: ignore[type-abstract]
    sim.cloud.process.beat()
    epoch = runner.take("network.sync")
    assert epoch is not None
    with sim.cloud.db.write() as tx:
        tx.conn.execute(LEASES.update().values(epoch=epoch + 1, owner="another"))
    assert not runner.once("network.sync", epoch)
    assert "Fenced" in str(runner.status["network.sync"].error)
    assert net not in switch.observe().get("network", set())
    assert runner.once("network.sync", epoch + 1)
    assert net in switch.observe()["network"]
    cloud.stop()


def test_a_rule_is_refused_in_neutrons_words(shared: SimCloud) -> None:
    t = shared.tenant("words")
    group = t.post("/network/v2.0/security-groups", {"security_group": {"name": "g"}})["security_group"]["id"]

    def refused(code: int, says: str, **rule: Any) -> None:
        body = {"security_group_rule": {"security_group_id": group, "direction": "ingress"} | rule}
        got = t.ask("POST", "/network/v2.0/security-group-rules", body)
        assert got.code == code and says in got.text, got.text

    refused(400, "Invalid value for port -16", protocol="tcp", port_range_min=-16, port_range_max=80)
    refused(400, "Invalid value for port 65536", protocol="tcp", port_range_min=80, port_range_max=65536)
    refused(400, "port_range_min must be <= port_range_max", protocol="tcp", port_range_max=6)
    refused(400, "Invalid value for ICMP code", protocol="icmp", port_range_min=1, port_range_max=256)
    refused(400, "Invalid value for ICMP type", protocol="icmp", port_range_min=300, port_range_max=1)
    refused(404, "no-such-group", protocol="tcp", remote_group_id="no-such-group")
    renamed = t.ask("PUT", f"/network/v2.0/security-groups/{group}", {"security_group": {"name": "default"}})
    assert renamed.code == 409 and renamed.json["NeutronError"]["type"] == "SecurityGroupDefaultAlreadyExists"


def test_lists_may_be_null(shared: SimCloud) -> None:
    """Neutron takes null for an empty list: clients clear routes and nameservers so."""
    t = shared.tenant("nulls")
    net = t.post("/network/v2.0/networks", {"network": {}})["network"]["id"]
    body = {"network_id": net, "cidr": "10.9.0.0/24", "ip_version": 4, "dns_nameservers": None, "host_routes": None}
    subnet = t.post("/network/v2.0/subnets", {"subnet": body})["subnet"]
    assert subnet["dns_nameservers"] == subnet["host_routes"] == []
    t.put(f"/network/v2.0/subnets/{subnet['id']}", {"subnet": {"dns_nameservers": ["9.9.9.9"]}})
    cleared = {"dns_nameservers": None, "host_routes": None}
    assert t.put(f"/network/v2.0/subnets/{subnet['id']}", {"subnet": cleared})["subnet"]["dns_nameservers"] == []
    router = t.post("/network/v2.0/routers", {"router": {}})["router"]["id"]
    t.put(f"/network/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet["id"]})
    routes = [{"destination": "10.8.0.0/24", "nexthop": "10.9.0.5"}]
    assert t.put(f"/network/v2.0/routers/{router}", {"router": {"routes": routes}})["router"]["routes"] == routes
    assert t.put(f"/network/v2.0/routers/{router}", {"router": {"routes": None}})["router"]["routes"] == []


def test_ipv6_modes_that_do_not_go_together(shared: SimCloud) -> None:
    t = shared.tenant("modes")
    net = t.post("/network/v2.0/networks", {"network": {}})["network"]["id"]
    body = {"network_id": net, "cidr": "2001:db8::/64", "ip_version": 6}
    for more in (
        {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"},
        {"ipv6_address_mode": "slaac", "enable_dhcp": False},
        {"ipv6_address_mode": "slaac", "cidr": "2001:db8::/80"},
    ):
        t.post("/network/v2.0/subnets", {"subnet": body | more}, 400)


def test_an_external_network_goes_with_its_unused_floating_ips(sim: SimCloud) -> None:
    admin = sim.admin
    net = admin.post("/network/v2.0/networks", {"network": {"router:external": True}})["network"]["id"]
    admin.post("/network/v2.0/subnets", {"subnet": {"network_id": net, "cidr": "192.0.2.0/24", "ip_version": 4}})
    fip = admin.post("/network/v2.0/floatingips", {"floatingip": {"floating_network_id": net}})["floatingip"]["id"]
    admin.delete(f"/network/v2.0/networks/{net}", 204)
    admin.get(f"/network/v2.0/floatingips/{fip}", 404)


def test_addresses_that_are_asked_for_are_of_their_subnets(sim: SimCloud) -> None:
    """By the very address: in the subnet that it is in, spelled as it should be, once; and several at a time are looked up together."""
    t = sim.tenant("addressed")
    net, four = sim.network(t, cidr="10.0.1.0/28")
    other = t.post("/network/v2.0/subnets", {"subnet": {"network_id": net["id"], "cidr": "10.0.0.0/28"}})["subnet"]
    body = {"network_id": net["id"], "cidr": "fd00:1::/64", "ip_version": 6}
    six = t.post("/network/v2.0/subnets", {"subnet": body})["subnet"]

    def ask(*ports: list[str]) -> Any:
        many = [{"network_id": net["id"], "fixed_ips": [{"ip_address": ip} for ip in ips]} for ips in ports]
        return t.ask("POST", "/network/v2.0/ports", {"ports": many})

    made = ask(["10.0.1.9", "10.0.0.9", "FD00:1:0:0::9"], ["10.0.1.8"])
    assert made.code == 201, made.text
    shown = {(ip["subnet_id"], ip["ip_address"]) for ip in made.json["ports"][0]["fixed_ips"]}
    assert shown == {(four["id"], "10.0.1.9"), (other["id"], "10.0.0.9"), (six["id"], "fd00:1::9")}
    holder = made.json["ports"][0]["id"]
    assert {ip["ip_address"] for ip in t.get(f"/network/v2.0/ports/{holder}")["port"]["fixed_ips"]} == {
        ip for _, ip in shown
    }
    for ips, type in (
        (["10.0.1.0"], "InvalidIpForSubnet"),
        (["10.0.0.15"], "InvalidIpForSubnet"),
        (["10.0.1.16"], "InvalidIpForNetwork"),
        (["9.255.255.255"], "InvalidIpForNetwork"),
        (["fd00:2::1"], "InvalidIpForNetwork"),
        (["10.0.1.010"], "HTTPBadRequest"),
        (["10.0.1.7%1"], "HTTPBadRequest"),
        (["fd00:1::9"], "IpAddressAlreadyAllocated"),
        (["10.0.1.7", "10.0.1.7"], "InvalidInput"),
    ):
        got = ask(["10.0.1.6"], ips)
        assert got.json["NeutronError"]["type"] == type, (ips, got.text)
    assert ask(["10.0.1.6"]).code == 201, "nothing of what was refused is there"
