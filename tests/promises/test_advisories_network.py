# SPDX-License-Identifier: Apache-2.0
"""Advisories of Neutron that no other test holds, each as an attack on us. docs/security/advisories.md is the whole list."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from contract.test_drivers import northbound  # noqa: F401 - a fixture
from sim_cloud import SimCloud
from virga.services.network import driver, model
from virga.services.network.drivers.ovn import DROP, OvnSwitch, acl_match
from virga.services.network.drivers.ovsdb import Ovsdb

N = "/network/v2.0"
ODD = ("fe80::1%eth0", "fe80::1%\nserver=6.6.6.6", "fe80::1%{;}", "fe80::1%a,b", 'fe80::1%" || 1')


def test_2012_005_rules_are_counted(shared: SimCloud) -> None:
    """One by one and many at once: no more rules than the quota says."""
    t = shared.tenant("n12005")
    group = t.get(f"{N}/security-groups")["security_groups"][0]["id"]
    shared.admin.put(f"{N}/quotas/{t.project}", {"quota": {"security_group_rule": 10}})
    have = len(t.get(f"{N}/security-group-rules")["security_group_rules"])

    def rule(port: int) -> dict[str, Any]:
        ports = {"port_range_min": port, "port_range_max": port}
        return {"security_group_id": group, "direction": "ingress", "protocol": "tcp", **ports}

    got = t.ask("POST", f"{N}/security-group-rules", {"security_group_rules": [rule(n) for n in range(1, 30)]})
    assert got.code == 409 and got.json["NeutronError"]["type"] == "OverQuota"
    codes = [t.ask("POST", f"{N}/security-group-rules", {"security_group_rule": rule(n)}).code for n in range(1, 15)]
    assert codes.count(201) == 10 - have and set(codes) == {201, 409}
    assert len(t.get(f"{N}/security-group-rules")["security_group_rules"]) == 10


def test_2012_007_a_protocol_in_capitals_is_the_protocol(shared: SimCloud) -> None:
    t = shared.tenant("n12007")
    group = t.get(f"{N}/security-groups")["security_groups"][0]["id"]
    body = {"security_group_id": group, "direction": "ingress", "port_range_min": 22, "port_range_max": 22}
    made = t.post(f"{N}/security-group-rules", {"security_group_rule": body | {"protocol": "TCP"}}, 201)
    made = made["security_group_rule"]
    assert made["protocol"] == "tcp"
    again = t.ask("POST", f"{N}/security-group-rules", {"security_group_rule": body | {"protocol": "tcp"}})
    assert again.code == 409, "it is the same rule"
    spec = driver.RuleSpec(made["id"], "ingress", "IPv4", made["protocol"], 22, 22, None, None)
    assert "tcp.dst == 22" in acl_match("pg", spec) or "tcp.dst >= 22" in acl_match("pg", spec)


def test_2014_014_what_is_no_prefix_makes_no_rule(shared: SimCloud) -> None:
    t = shared.tenant("n14014")
    group = t.get(f"{N}/security-groups")["security_groups"][0]["id"]
    for prefix in (*ODD, "fe80::%x/64", "10.0.0.0/33", "10.0.0/24", "::/129", "1", "", "10.0.0.0/8\n", "10.0.0.0/-1"):
        for ethertype in ("IPv4", "IPv6"):
            body = {
                "security_group_id": group,
                "direction": "ingress",
                "ethertype": ethertype,
                "remote_ip_prefix": prefix,
            }
            got = t.ask("POST", f"{N}/security-group-rules", {"security_group_rule": body})
            assert got.code == 400, f"{prefix!r}: {got.code} {got.text}"


def test_2014_039_what_is_no_address_serves_no_names(shared: SimCloud) -> None:
    """Also gateways, routes, pools and subnets themselves: what goes into the switch's words has one spelling."""
    t = shared.tenant("n14039")
    net, subnet = shared.network(t)
    path = f"{N}/subnets/{subnet['id']}"
    for text in (*ODD, "9.9.9.9\n", "9.9.9.9;x", "999.1.1.1", "dns.example", "", "0x7f.1"):
        for change in (
            {"dns_nameservers": [text]},
            {"gateway_ip": text},
            {"host_routes": [{"destination": "10.7.0.0/16", "nexthop": text}]},
            {"host_routes": [{"destination": text, "nexthop": "10.0.0.9"}]},
            {"allocation_pools": [{"start": text, "end": text}]},
        ):
            got = t.ask("PUT", path, {"subnet": change})
            assert got.code == 400, f"{change}: {got.code} {got.text}"
        six = {"network_id": net["id"], "ip_version": 6, "cidr": "fd00:1::/64", "gateway_ip": text}
        assert t.ask("POST", f"{N}/subnets", {"subnet": six}).code == 400, text
    for cidr in ("fe80::%x/64", "fd00:1::%\n/64", "fd00:1::/64%x"):
        assert t.ask("POST", f"{N}/subnets", {"subnet": {"network_id": net["id"], "cidr": cidr}}).code == 400, cidr
    answer = t.put(path, {"subnet": {"host_routes": [{"destination": "10.7.0.0/255.255.0.0", "nexthop": "10.0.0.9"}]}})
    assert answer["subnet"]["host_routes"] == [{"destination": "10.7.0.0/16", "nexthop": "10.0.0.9"}]
    mixed = {"host_routes": [{"destination": "fd00::/64", "nexthop": "10.0.0.9"}]}
    assert t.ask("PUT", path, {"subnet": mixed}).code == 400


def test_2014_025_pairs_are_few_and_are_addresses(shared: SimCloud) -> None:
    """OSSA-2014-025 and OSSA-2015-012."""
    t = shared.tenant("n14025")
    net, _ = shared.network(t)
    port = t.post(f"{N}/ports", {"port": {"network_id": net["id"]}})["port"]["id"]

    def pairs(*pairs: dict[str, str]) -> Any:
        return t.ask("PUT", f"{N}/ports/{port}", {"port": {"allowed_address_pairs": list(pairs)}})

    assert pairs(*({"ip_address": f"10.0.1.{n}"} for n in range(200))).code == 400
    for text in (*ODD, "0.0.0.0/0", "::/0", "10.0.0.0/33", "10.0.0.0/", "unknown", "", "10.0.0.9\n"):
        assert pairs({"ip_address": text}).code == 400, text
    for mac in ("unknown", "dynamic", "router", 'x" || 1 ||"', "fa:16:3e:00:00:zz", "fa:16:3e:00:00:1", "", "\n"):
        assert pairs({"ip_address": "10.0.0.9", "mac_address": mac}).code == 400, mac
    stored = pairs({"ip_address": "10.0.0.9", "mac_address": "FA:16:3E:00:00:09"}, {"ip_address": "fd00::/64"})
    for pair in stored.json["port"]["allowed_address_pairs"]:
        ipaddress.ip_network(pair["ip_address"])


def test_2014_031_what_an_administrator_set_stays(shared: SimCloud) -> None:
    """A tenant's change of its own network never takes back what is not its own to set: not by the default's value either."""
    t, a = shared.tenant("n14031"), shared.admin
    net, _ = shared.network(t)
    path = f"{N}/networks/{net['id']}"
    a.put(path, {"network": {"shared": True}})
    for change in ({"shared": False}, {"router:external": True}, {"provider:network_type": "flat"}):
        assert t.ask("PUT", path, {"network": change}).code in {400, 403}, change
    t.put(path, {"network": {"name": "renamed", "shared": True}})
    assert a.get(path)["network"]["shared"] is True


def test_2024_005_tags_are_their_networks_owners(shared: SimCloud) -> None:
    owner, t = shared.tenant("n24005"), shared.tenant("n24005b")
    net, subnet = shared.network(owner)
    shared.admin.put(f"{N}/networks/{net['id']}", {"network": {"shared": True}})
    for noun, id in (("networks", net["id"]), ("subnets", subnet["id"])):
        path = f"{N}/{noun}/{id}/tags"
        owner.put(f"{path}/mine", None, 201)
        assert t.get(f"{N}/{noun}/{id}"), "it is seen, being shared"
        for method, where, body in (
            ("PUT", f"{path}/x", None),
            ("PUT", path, {"tags": ["x"]}),
            ("DELETE", path, None),
            ("DELETE", f"{path}/mine", None),
        ):
            assert t.ask(method, where, body).code == 403, f"{method} {where}"
        assert owner.get(path)["tags"] == ["mine"]


def test_2019_001_every_rule_that_is_taken_is_an_expression(shared: SimCloud) -> None:
    """Each protocol with each sort of ports is refused, or has a match that says them: none is taken and left out."""
    t = shared.tenant("n19001")
    shared.admin.put(f"{N}/quotas/{t.project}", {"quota": {"security_group_rule": -1}})
    group = t.get(f"{N}/security-groups")["security_groups"][0]["id"]
    taken = 0
    for protocol in (*model.PROTOCOLS, "6", "112", "255", "0"):
        for low, high in ((None, None), (7, 7), (7, 9), (7, None), (None, 9)):
            for ethertype in ("IPv4", "IPv6"):
                body = {"security_group_id": group, "direction": "ingress", "ethertype": ethertype}
                body |= {"protocol": protocol, "port_range_min": low, "port_range_max": high}
                got = t.ask("POST", f"{N}/security-group-rules", {"security_group_rule": body})
                assert got.code in {201, 400, 409}, got.text
                if got.code != 201:
                    continue
                taken += 1
                r = got.json["security_group_rule"]
                spec = driver.RuleSpec(
                    r["id"], "ingress", ethertype, r["protocol"], r["port_range_min"], r["port_range_max"], None, None
                )
                match = acl_match("pg", spec)
                assert (low is None) or "7" in match, f"{body}: {match}"
                assert (protocol in {"0", "ip", "hopopt"}) or match.count("&&") >= 2, match
    assert taken > 40


def test_2019_002_overlapping_ranges_are_rules_of_their_own(northbound: Ovsdb) -> None:  # noqa: F811
    """Two groups whose ranges overlap, on one port: the switch has every rule of both, and takes more afterwards."""
    switch = OvnSwitch(northbound, "chassis")
    switch.prepare()
    ids = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(6)]

    def rules(*spans: tuple[int, int]) -> tuple[driver.RuleSpec, ...]:
        return tuple(driver.RuleSpec(f"r{a}-{b}", "ingress", "IPv4", "tcp", a, b, None, None) for a, b in spans)

    switch.ensure(driver.GroupSpec(ids[0], True, rules((1, 100), (50, 60), (60, 60))))
    switch.ensure(driver.GroupSpec(ids[1], True, rules((40, 70), (1, 65535))))
    switch.ensure(driver.NetworkSpec(ids[2], "n", 1442, None, (), None))
    card = driver.PortSpec(
        ids[3], ids[2], "fa:16:3e:00:00:03", (), True, True, (), (ids[0], ids[1]), "x", "compute:nova", "h"
    )
    switch.ensure(card)
    group = f"pg_{ids[0].replace('-', '_')}"
    seen = {r["match"] for r in northbound.rows("ACL", [], ["match"])}
    for spec in rules((1, 100), (50, 60), (60, 60)):
        assert acl_match(group, spec) in seen
    switch.ensure(driver.GroupSpec(ids[4], True, rules((1, 2))))
    assert ids[4] in switch.observe()["group"]


@pytest.mark.parametrize("secure", [True, False])
def test_2016_009_a_card_speaks_for_its_own_addresses(northbound: Ovsdb, secure: bool) -> None:  # noqa: F811
    """OSSA-2016-009, 2021-001, 2021-004: the switch is told which MAC and addresses a card may send from (ARP and neighbour discovery
    are checked against the same list), and puts it in the group that drops what no rule allows. Only without port security, not."""
    switch = OvnSwitch(northbound, "chassis")
    switch.prepare()
    net, port = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
    switch.ensure(driver.NetworkSpec(net, "n", 1442, None, (), None))
    ips = (("10.0.0.3", "s"), ("fd00::3", "t"))
    switch.ensure(driver.PortSpec(port, net, "fa:16:3e:00:00:03", ips, True, secure, (), (), "x", "compute:nova", "h"))
    row = northbound.rows("Logical_Switch_Port", [["name", "==", port]], ["_uuid", "port_security", "addresses"])[0]
    group = northbound.rows("Port_Group", [["name", "==", DROP]], ["ports"])[0]
    if secure:
        assert row["port_security"] == "fa:16:3e:00:00:03 10.0.0.3 fd00::3", "one entry, no prefix, nobody else"
        assert "unknown" not in str(row["addresses"]) and row["_uuid"][1] in str(group["ports"])
    else:
        assert row["port_security"] == ["set", []] and row["_uuid"][1] not in str(group["ports"])


def test_2021_005_options_of_dhcp_are_not_taken(shared: SimCloud) -> None:
    """No option of a tenant's own reaches what answers DHCP, and names that it chooses are none of its options."""
    t = shared.tenant("n21005")
    net, _ = shared.network(t, name="x\ndhcp-script=/bin/sh")
    for options in (
        [{"opt_name": "dns-server", "opt_value": "6.6.6.6"}],
        [{"opt_name": "x\ndhcp-script=/bin/sh", "opt_value": "1"}],
    ):
        got = t.ask("POST", f"{N}/ports", {"port": {"network_id": net["id"], "extra_dhcp_opts": options}})
        assert got.code == 400, got.text
        port = t.post(f"{N}/ports", {"port": {"network_id": net["id"], "name": "y\nz"}})["port"]["id"]
        got = t.ask("PUT", f"{N}/ports/{port}", {"port": {"extra_dhcp_opts": options}})
        assert got.code == 400, got.text


def test_2015_021_a_changed_group_reaches_its_cards(northbound: Ovsdb) -> None:  # noqa: F811
    """A rule less and another more, while a card is in the group: the switch has just the new ones, for the card that is in it."""
    switch = OvnSwitch(northbound, "chassis")
    switch.prepare()
    net, port, group = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
    ssh = driver.RuleSpec("r1", "ingress", "IPv4", "tcp", 22, 22, None, None)
    web = driver.RuleSpec("r2", "ingress", "IPv4", "tcp", 80, 80, None, None)
    switch.ensure(driver.GroupSpec(group, True, (ssh,)))
    switch.ensure(driver.NetworkSpec(net, "n", 1442, None, (), None))
    switch.ensure(
        driver.PortSpec(
            port, net, "fa:16:3e:00:00:03", (("10.0.0.3", "s"),), True, True, (), (group,), "x", "compute:nova", "h"
        )
    )
    name = f"pg_{group.replace('-', '_')}"
    for rules in ((web,), (), (ssh, web)):
        switch.ensure(driver.GroupSpec(group, True, rules))
        seen = {r["match"] for r in northbound.rows("ACL", [], ["match"]) if name in r["match"]}
        assert seen == {acl_match(name, r) for r in rules}
        card = northbound.rows("Logical_Switch_Port", [["name", "==", port]], ["_uuid"])[0]["_uuid"][1]
        assert card in str(northbound.rows("Port_Group", [["name", "==", name]], ["ports"]))
