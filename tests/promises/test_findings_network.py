# SPDX-License-Identifier: Apache-2.0
"""Attacks on the network that once worked."""

from __future__ import annotations

from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant

N = "/network/v2.0"


@pytest.fixture(scope="module")
def two(shared: SimCloud) -> tuple[Tenant, Tenant]:
    return shared.tenant("alice"), shared.tenant("mallory")


def external(who: Tenant) -> str:
    return str(who.get(f"{N}/networks?router:external=true")["networks"][0]["id"])


def kind(got: Any) -> tuple[int, str]:
    return got.code, got.json["NeutronError"]["type"]


def test_h2_nobody_puts_a_leg_into_a_router_by_a_port(shared: SimCloud, two: tuple[Tenant, Tenant]) -> None:
    """OSSA-2014-008: by POST, by PUT of the owner, by PUT of the device of one's own leg."""
    alice, mallory = two
    victim = alice.post(f"{N}/routers", {"router": {"name": "v"}})["router"]["id"]
    net, subnet = shared.network(mallory, "10.2.0.0/24")
    for owner in ("network:router_interface", "network:router_gateway", "network:distributed", "network:dhcp"):
        body = {"network_id": net["id"], "device_owner": owner, "device_id": victim}
        assert kind(mallory.ask("POST", f"{N}/ports", {"port": body})) == (403, "PolicyNotAuthorized"), owner
    port = mallory.post(f"{N}/ports", {"port": {"network_id": net["id"]}})["port"]["id"]
    plug = {"device_owner": "network:router_interface", "device_id": victim}
    assert kind(mallory.ask("PUT", f"{N}/ports/{port}", {"port": plug})) == (403, "PolicyNotAuthorized")
    named = mallory.ask("PUT", f"{N}/ports/{port}", {"port": {"device_id": victim}})
    assert kind(named) == (409, "DeviceIDNotOwnedByTenant")
    own = mallory.post(f"{N}/routers", {"router": {"name": "m"}})["router"]["id"]
    leg = mallory.put(f"{N}/routers/{own}/add_router_interface", {"subnet_id": subnet["id"]})["port_id"]
    for who in (mallory, shared.admin):
        assert kind(who.ask("PUT", f"{N}/ports/{leg}", {"port": {"device_id": victim}})) == (409, "PortInUse")
        assert kind(who.ask("PUT", f"{N}/ports/{leg}", {"port": {"device_owner": ""}})) == (409, "PortInUse")
    same = {"device_id": own, "device_owner": "network:router_interface", "name": "mine"}
    assert mallory.put(f"{N}/ports/{leg}", {"port": same})["port"]["name"] == "mine", "what was read may be written"
    alice.delete(f"{N}/routers/{victim}", 204)


def test_h2_a_network_s_owner_takes_no_port_of_another_project(shared: SimCloud, two: tuple[Tenant, Tenant]) -> None:
    alice, mallory = two
    net, _ = shared.network(mallory, "10.3.0.0/24")
    body = {"network_id": net["id"], "project_id": alice.project}
    port = shared.admin.post(f"{N}/ports", {"port": body})["port"]["id"]
    own = mallory.post(f"{N}/routers", {"router": {"name": "m2"}})["router"]["id"]
    got = mallory.ask("PUT", f"{N}/routers/{own}/add_router_interface", {"port_id": port})
    assert kind(got) == (404, "PortNotFound")
    assert alice.get(f"{N}/ports/{port}")["port"]["device_id"] == ""


def test_h3_a_claim_takes_no_port_of_another_project(shared: SimCloud, two: tuple[Tenant, Tenant]) -> None:
    """OSSA-2013-033: a port that names another project's server is neither taken for its card nor given back with it."""
    from virga.ground.act import Act
    from virga.services.network import api

    _, mallory = two
    server = "99999999-2222-4333-8444-555555555555"
    net, _ = shared.network(mallory, "10.4.0.0/24")
    planted = {"network_id": net["id"], "device_id": server, "device_owner": "compute:nova"}
    port = mallory.post(f"{N}/ports", {"port": planted})["port"]["id"]
    free = mallory.post(f"{N}/ports", {"port": {"network_id": net["id"]}})["port"]["id"]
    cloud = shared.cloud
    with cloud.db.write() as tx:
        act = Act(api.system_actor("victim"), cloud.registry, cloud.db, open=tx)
        for wanted in (port, free):
            with pytest.raises(api.Conflict):
                api.claim(
                    act,
                    server,
                    "victim",
                    host="h",
                    requested=[api.RequestedNetwork(port_id=wanted)],
                    group_ids=[],
                    zone="nova",
                )
        assert api.nics(tx, server, "victim") == []
        assert api.release(act, server, "victim") == 0
        assert api.release(act, server, None) == 1, "once there is no such server, the port is free again"


def test_h7_pools_are_few_and_compared_in_order(shared: SimCloud, two: tuple[Tenant, Tenant]) -> None:
    _, mallory = two
    net = mallory.post(f"{N}/networks", {"network": {"name": "p"}})["network"]["id"]

    def ask(pools: list[tuple[str, str]]) -> Any:
        body = {"network_id": net, "cidr": "10.0.0.0/8", "ip_version": 4}
        sent = [{"start": a, "end": b} for a, b in pools]
        return mallory.ask("POST", f"{N}/subnets", {"subnet": body | {"allocation_pools": sent}})

    many = [(f"10.1.{n}.1", f"10.1.{n}.9") for n in range(65)]
    got = ask(many)
    assert got.code == 400 and "allocation_pools" in got.text, got.text
    clash = ask([("10.9.0.1", "10.9.0.9"), ("10.5.0.1", "10.5.0.9"), ("10.5.0.9", "10.5.0.20")])
    assert kind(clash) == (409, "OverlappingAllocationPools") and "10.5.0.9-10.5.0.20" in clash.text
    assert ask(many[:64][::-1]).code == 201


def test_h9_m5_outer_addresses_are_the_operator_s(shared: SimCloud, two: tuple[Tenant, Tenant]) -> None:
    _, mallory = two
    ext = external(mallory)
    subnet = shared.admin.get(f"{N}/subnets?network_id={ext}")["subnets"][0]
    for more in (
        {"external_fixed_ips": [{"subnet_id": subnet["id"]}]},
        {"external_fixed_ips": []},
        {"enable_snat": False},
        {"enable_snat": True},
    ):
        info = {"external_gateway_info": {"network_id": ext} | more}
        got = mallory.ask("POST", f"{N}/routers", {"router": info})
        assert kind(got) == (403, "PolicyNotAuthorized"), more
        assert f"create_router:external_gateway_info:{next(iter(more))}" in got.text
    router = mallory.post(f"{N}/routers", {"router": {"external_gateway_info": {"network_id": ext}}})["router"]["id"]
    info = {"external_gateway_info": {"network_id": ext, "enable_snat": False}}
    got = mallory.ask("PUT", f"{N}/routers/{router}", {"router": info})
    assert got.code == 403 and "update_router:external_gateway_info:enable_snat" in got.text
    body = {"floating_network_id": ext, "floating_ip_address": subnet["allocation_pools"][0]["end"]}
    got = mallory.ask("POST", f"{N}/floatingips", {"floatingip": body})
    assert got.code == 403 and "create_floatingip:floating_ip_address" in got.text
    chosen = shared.admin.post(f"{N}/floatingips", {"floatingip": body})["floatingip"]
    assert chosen["floating_ip_address"] == body["floating_ip_address"]


@pytest.mark.parametrize("by", ["subnet", "address"])
def test_h9_a_router_has_one_address_of_a_subnet(shared: SimCloud, by: str) -> None:
    """For administrators too: no quota counts them."""
    ext = external(shared.admin)
    subnet = shared.admin.get(f"{N}/subnets?network_id={ext}")["subnets"][0]
    first = subnet["allocation_pools"][0]["start"].rpartition(".")[0]
    ips = [{"subnet_id": subnet["id"]}] * 2 if by == "subnet" else [{"ip_address": f"{first}.{n}"} for n in (201, 202)]
    info = {"external_gateway_info": {"network_id": ext, "external_fixed_ips": ips}}
    got = shared.admin.ask("POST", f"{N}/routers", {"router": info})
    assert kind(got) == (400, "BadRequest") and "at most one" in got.text, got.text


def test_m6_a_tenant_s_router_is_no_gateway_of_a_shared_subnet(shared: SimCloud, two: tuple[Tenant, Tenant]) -> None:
    """LP 1757482."""
    _, mallory = two
    net, subnet = shared.network(shared.admin, "10.66.0.0/24", "common")
    shared.admin.put(f"{N}/networks/{net['id']}", {"network": {"shared": True}})
    router = mallory.post(f"{N}/routers", {"router": {"name": "m6"}})["router"]["id"]
    got = mallory.ask("PUT", f"{N}/routers/{router}/add_router_interface", {"subnet_id": subnet["id"]})
    assert kind(got) == (400, "BadRequest") and "not owned by project" in got.text, got.text
    port = mallory.post(f"{N}/ports", {"port": {"network_id": net["id"]}})["port"]["id"]
    mallory.put(f"{N}/routers/{router}/add_router_interface", {"port_id": port}, 200)
    shared.admin.put(f"{N}/routers/{router}/remove_router_interface", {"port_id": port}, 200)


def test_l5_a_taken_or_doubled_address_is_named(shared: SimCloud, two: tuple[Tenant, Tenant]) -> None:
    _, mallory = two
    net, subnet = shared.network(mallory, "10.5.0.0/24")

    def ask(method: str, path: str, ips: list[Any], **more: Any) -> Any:
        return mallory.ask(method, f"{N}/ports{path}", {"port": {"fixed_ips": ips} | more})

    on = {"network_id": net["id"]}
    double = ask("POST", "", [{"ip_address": "10.5.0.9"}] * 2, **on)
    assert kind(double) == (400, "InvalidInput") and "10.5.0.9" in double.text
    three = ask("POST", "", [{"subnet_id": subnet["id"]}] * 3, **on)
    assert three.code == 201 and len({i["ip_address"] for i in three.json["port"]["fixed_ips"]}) == 3
    assert ask("POST", "", [{"ip_address": "10.5.0.10"}], **on).code == 201
    other = mallory.post(f"{N}/ports", {"port": on | {"mac_address": "fa:16:3e:00:05:01"}})["port"]["id"]
    taken = ask("PUT", f"/{other}", [{"ip_address": "10.5.0.10"}])
    assert kind(taken) == (409, "IpAddressAlreadyAllocated") and "10.5.0.10" in taken.text
    mac = three.json["port"]["mac_address"]
    taken = mallory.ask("PUT", f"{N}/ports/{other}", {"port": {"mac_address": mac}})
    assert kind(taken) == (409, "MacAddressInUse") and mac in taken.text


def test_l8_a_change_of_mtu_keeps_to_the_underlay(shared: SimCloud, two: tuple[Tenant, Tenant]) -> None:
    _, mallory = two
    net, _ = shared.network(mallory, "10.6.0.0/24")
    got = mallory.ask("PUT", f"{N}/networks/{net['id']}", {"network": {"mtu": 9000}})
    assert got.code == 400 and "underlay" in got.text, got.text
    assert mallory.put(f"{N}/networks/{net['id']}", {"network": {"mtu": 1300}})["network"]["mtu"] == 1300
