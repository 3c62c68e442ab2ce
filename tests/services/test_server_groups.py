# SPDX-License-Identifier: Apache-2.0
"""Server groups, and the other hints by which a server's builder says where it should be."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from test_scheduler import host, node, spec, stock

from sim_cloud import SimCloud, Tenant, make
from virga.ground.errors import Invalid
from virga.services.compute.scheduler import choose, filters, hints, query
from virga.services.compute.scheduler.ask import Companions

C = "/compute/v2.1"
ABSENT = "11111111-2222-4333-8444-555555555555"


def ask(who: Tenant, version: str, method: str, path: str, body: Any = None) -> Any:
    return who.ask(method, C + path, body, headers={"OpenStack-API-Version": f"compute {version}"})


def group(who: Tenant, policy: str, name: str = "group", **rules: Any) -> str:
    body = {"name": name, "policy": policy} | ({"rules": rules} if rules else {})
    got = ask(who, "2.64", "POST", "/os-server-groups", {"server_group": body})
    assert got.code == 200, got.text
    return str(got.json["server_group"]["id"])


class Builds:
    """Somebody who builds servers on hosts whose nodes never answer: they get a host, and stay in the making."""

    def __init__(self, sim: SimCloud, hosts: int, name: str = "builder", **capacity: int) -> None:
        self.sim, self.me = sim, sim.tenant(name)
        self.image, (self.net, _) = sim.image()["id"], sim.network(self.me)
        a = sim.admin
        a.put(f"{C}/os-quota-sets/{self.me.project}", {"quota_set": {"instances": -1, "cores": -1, "ram": -1}})
        for n in range(hosts):
            node(sim, f"host{n}", **capacity)
        (own,) = (s for s in a.get(f"{C}/os-services")["services"] if not s["host"].startswith("host"))
        found = ask(a, "2.53", "GET", "/os-services").json["services"]
        id = next(s["id"] for s in found if s["host"] == own["host"])
        assert ask(a, "2.53", "PUT", f"/os-services/{id}", {"status": "disabled"}).code == 200

    def start(self, who: Tenant | None = None, key: str = "os:scheduler_hints", **sent: Any) -> Any:
        server = {"name": "vm", "imageRef": self.image, "flavorRef": "42", "networks": [{"uuid": self.net["id"]}]}
        return (who or self.me).ask("POST", f"{C}/servers", {"server": server, key: sent})

    def placed(self, got: Any) -> tuple[str, Any]:
        """The server's host, or None, and the server as an administrator sees it."""
        assert got.code == 202, got.text
        path = f"/servers/{got.json['server']['id']}"
        for _ in range(1500):
            shown = ask(self.sim.admin, "2.71", "GET", path).json["server"]
            if shown["OS-EXT-SRV-ATTR:host"] or shown["status"] == "ERROR":
                return shown["OS-EXT-SRV-ATTR:host"], shown
            threading.Event().wait(0.02)
        raise AssertionError(f"nothing becomes of it: {shown}")


def together(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls give when they are made at once."""
    answers: list[Any] = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def run(n: int) -> None:
        gate.wait()
        answers[n] = calls[n]()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


# -- the noun ----------------------------------------------------------------------------------------------------------


def test_life_of_a_group(sim: SimCloud) -> None:
    t, other = sim.tenant("t"), sim.tenant("other")
    first = ask(t, "2.1", "POST", "/os-server-groups", {"server_group": {"name": "a", "policies": ["affinity"]}})
    assert first.code == 200, first.text
    a = first.json["server_group"]
    assert a == {"id": a["id"], "name": "a", "policies": ["affinity"], "metadata": {}, "members": []}
    rules = {"max_server_per_host": "3"}
    body = {"server_group": {"name": "b", "policy": "anti-affinity", "rules": rules}}
    b = ask(t, "2.64", "POST", "/os-server-groups", body).json["server_group"]
    assert b == {
        "id": b["id"],
        "name": "b",
        "policy": "anti-affinity",
        "rules": {"max_server_per_host": 3},
        "members": [],
        "project_id": t.project,
        "user_id": t.user,
    }
    old = ask(t, "2.13", "GET", f"/os-server-groups/{b['id']}").json["server_group"]
    assert old["policies"] == ["anti-affinity"] and old["metadata"] == {} and old["project_id"] == t.project
    assert [g["name"] for g in ask(t, "2.64", "GET", "/os-server-groups").json["server_groups"]] == ["a", "b"]
    page = ask(t, "2.64", "GET", "/os-server-groups?limit=1&offset=1").json["server_groups"]
    assert [g["name"] for g in page] == ["b"]
    assert t.ask("GET", f"{C}/os-server-groups?limit=-1").code == 400
    assert other.get(f"{C}/os-server-groups")["server_groups"] == []
    assert other.get(f"{C}/os-server-groups?all_projects=1")["server_groups"] == [], "for administrators"
    assert len(sim.admin.get(f"{C}/os-server-groups?all_projects=1")["server_groups"]) == 2
    for verb in ("GET", "DELETE"):
        got = other.ask(verb, f"{C}/os-server-groups/{a['id']}")
        assert got.code == 404 and a["id"] in got.json["itemNotFound"]["message"]
    t.delete(f"{C}/os-server-groups/{a['id']}", 204)
    t.get(f"{C}/os-server-groups/{a['id']}", 404)
    t.delete(f"{C}/os-server-groups/{a['id']}", 404)


@pytest.mark.parametrize(
    ("version", "body", "names"),
    [
        ("2.1", {"name": "g", "policies": ["soft-affinity"]}, "2.15"),
        ("2.1", {"name": "g", "policies": []}, "policies"),
        ("2.15", {"name": "g", "policies": ["affinity", "anti-affinity"]}, "policies"),
        ("2.15", {"name": "g", "policies": ["legacy"]}, "policies"),
        ("2.63", {"name": "g", "policy": "affinity"}, "polic"),
        ("2.64", {"name": "g", "policies": ["affinity"]}, "polic"),
        ("2.64", {"name": "g"}, "policy"),
        ("2.64", {"name": " g", "policy": "affinity"}, "name"),
        ("2.64", {"name": "", "policy": "affinity"}, "name"),
        ("2.64", {"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 2}}, "anti-affinity"),
        ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}, "max_server_per_host"),
        (
            "2.64",
            {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": "x"}},
            "max_server_per_host",
        ),
        ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"min": 1}}, "min"),
    ],
)
def test_what_is_no_group(version: str, body: Any, names: str, shared: SimCloud) -> None:
    got = ask(shared.admin, version, "POST", "/os-server-groups", {"server_group": body})
    assert got.code == 400 and names in got.json["badRequest"]["message"], got.text


def test_quotas_of_groups_and_of_members(sim: SimCloud) -> None:
    b = Builds(sim, 1)
    quota = f"{C}/os-quota-sets/{b.me.project}"
    sim.admin.put(quota, {"quota_set": {"server_groups": 2, "server_group_members": 1}})
    ids = [group(b.me, "soft-affinity") for _ in range(2)]
    got = b.me.ask("POST", f"{C}/os-server-groups", {"server_group": {"name": "x", "policies": ["affinity"]}})
    assert got.code == 403 and "server_groups" in got.text
    assert b.me.get(f"{C}/limits")["limits"]["absolute"]["totalServerGroupsUsed"] == 2
    assert sim.admin.get(f"{quota}/detail")["quota_set"]["server_groups"]["in_use"] == 2
    answers = together(*(lambda: b.start(group=ids[0]) for _ in range(3)))
    assert sorted(each.code for each in answers) == [202, 403, 403], [each.text for each in answers]
    refused = next(each for each in answers if each.code == 403)
    assert "too many servers in group" in refused.text
    b.me.delete(f"{C}/os-server-groups/{ids[1]}")
    group(b.me, "affinity")


# -- builds ------------------------------------------------------------------------------------------------------------


def test_members_stand_apart_however_many_are_built_at_once(sim: SimCloud) -> None:
    b = Builds(sim, 3)
    id = group(b.me, "anti-affinity")
    answers = together(*(lambda: b.start(group=id) for _ in range(5)))
    found = [b.placed(each) for each in answers]
    assert sorted(name for name, _ in found if name) == ["host0", "host1", "host2"]
    failed = [shown for name, shown in found if name is None]
    assert len(failed) == 2
    fault = failed[0]["fault"]
    assert "server group: anti-affinity (3 of 4)" in fault["message"] and "disabled (1 of 4)" in fault["message"]
    for n in range(3):
        assert f"host{n}: it has 1 servers of the group (anti-affinity), at most 1 may be." in fault["details"]
    members = b.me.get(f"{C}/os-server-groups/{id}")["server_group"]["members"]
    assert sorted(members) == sorted(shown["id"] for _, shown in found)
    assert all(shown["server_groups"] == [id] for _, shown in found)
    gone = next(shown for name, shown in found if name == "host1")
    for each in failed:
        b.me.delete(f"{C}/servers/{each['id']}")
        assert sim.settled(b.me, each["id"]) is None
    left = b.me.get(f"{C}/os-server-groups/{id}")["server_group"]["members"]
    assert gone["id"] in left and len(left) == 3
    b.me.delete(f"{C}/os-server-groups/{id}")
    assert ask(b.me, "2.71", "GET", f"/servers/{gone['id']}").json["server"]["server_groups"] == []


def test_a_host_may_have_as_many_members_as_the_rule_says(sim: SimCloud) -> None:
    b = Builds(sim, 2)
    id = group(b.me, "anti-affinity", max_server_per_host=2)
    found = [b.placed(each)[0] for each in together(*(lambda: b.start(group=id) for _ in range(5)))]
    assert Counter(found) == {"host0": 2, "host1": 2, None: 1}


def test_members_stand_together_however_many_are_built_at_once(sim: SimCloud) -> None:
    b = Builds(sim, 3, memory_mb=1024 + 4 * 192)
    id = group(b.me, "affinity")
    found = [b.placed(each) for each in together(*(lambda: b.start(group=id) for _ in range(5)))]
    names = Counter(name for name, _ in found)
    (home,) = (name for name in names if name)
    assert names == {home: 4, None: 1}, "there is room for four on a host, and none may be on another"
    details = next(shown for name, shown in found if name is None)["fault"]["details"]
    assert f"{home}: memory: 192 MiB needed, 0 MiB free of 768 MiB." in details
    for n in range(3):
        if f"host{n}" != home:
            assert f"host{n}: the server's group (affinity) is on another host." in details


def test_rather_together_and_rather_apart(sim: SimCloud) -> None:
    """Where the strict policies would refuse, the soft ones do not; nor do they build against what weighs more."""
    b = Builds(sim, 2)
    near, far = group(b.me, "soft-affinity"), group(b.me, "soft-anti-affinity")
    first, _ = b.placed(b.start(group=near))
    sim.admin.put(f"{C}/os-quota-sets/{b.me.project}", {"quota_set": {"server_group_members": 3}})
    assert {b.placed(b.start(group=near))[0] for _ in range(2)} <= {"host0", "host1"} and first
    assert len([b.placed(b.start(group=far))[0] for _ in range(3)]) == 3


def test_with_and_apart_from_other_servers(sim: SimCloud) -> None:
    b = Builds(sim, 3)
    home, one = b.placed(b.start())
    assert {b.placed(b.start(same_host=one["id"]))[0] for _ in range(3)} == {home}
    away, two = b.placed(b.start(key="OS-SCH-HNT:scheduler_hints", different_host=[one["id"]]))
    assert away != home
    third, three = b.placed(b.start(different_host=[one["id"], two["id"]]))
    assert third not in {home, away}
    everywhere = [one["id"], two["id"], three["id"]]
    none, shown = b.placed(b.start(different_host=everywhere))
    assert none is None
    for n in range(3):
        assert f"host{n}: it has a server that different_host names." in shown["fault"]["details"]
    none, shown = b.placed(b.start(same_host=[one["id"]], different_host=[one["id"]]))
    assert none is None and f"{home}: it has a server that different_host names." in shown["fault"]["details"]
    assert f"{away}: it has none of the servers that same_host names." in shown["fault"]["details"]


def test_hints_name_what_their_sender_sees(sim: SimCloud) -> None:
    b, other = Builds(sim, 1), sim.tenant("other")
    foreign_group, (_, server) = group(other, "affinity"), b.placed(b.start())
    net, _ = sim.network(other)
    for name, foreign in (("group", foreign_group), ("same_host", server["id"]), ("different_host", server["id"])):
        who = b.me if name == "group" else other
        body = {"name": "vm", "imageRef": b.image, "flavorRef": "42", "networks": "none"}
        told = []
        for id in (foreign, ABSENT):
            got = ask(who, "2.37", "POST", "/servers", {"server": body, "os:scheduler_hints": {name: id}})
            assert got.code == 400, got.text
            told.append(got.json["badRequest"]["message"].replace(id, "ID"))
        assert told[0] == told[1] and "could not be found" in told[0]
    assert net["id"] and b.me.get(f"{C}/os-server-groups")["server_groups"] == []


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        ({"group": "web"}, "group"),
        ({"group": [ABSENT, ABSENT]}, "group"),
        ({"same_host": "x"}, "same_host"),
        ({"different_host": ["x"]}, "different_host"),
        ({"different_host": [ABSENT] * 65}, "different_host"),
        ({"build_near_host_ip": "nowhere"}, "build_near_host_ip"),
        ({"build_near_host_ip": "10.0.0.1", "cidr": "24"}, "cidr"),
        ({"build_near_host_ip": "10.0.0.1", "cidr": "/99"}, "cidr"),
        ({"build_near_host_ip": "10.0.0.1"}, "SimpleCIDRAffinityFilter"),
        ({"query": '[">=", "$free_ram_mb", 1024]'}, "JsonFilter"),
        ({"query": "free"}, "query"),
        ({"query": {"a": 1}}, "query"),
        ({"target_cell": ""}, "target_cell"),
    ],
)
def test_hints_that_mean_nothing(sent: Any, names: str, shared: SimCloud) -> None:
    image = shared.image()["id"]
    body = {"name": "vm", "imageRef": image, "flavorRef": "42", "networks": "none"}
    got = ask(shared.admin, "2.37", "POST", "/servers", {"server": body, "os:scheduler_hints": sent})
    assert got.code == 400 and names in got.json["badRequest"]["message"], got.text


def test_hints_that_nobody_reads_are_let_be() -> None:
    """As in Nova: an operator's own filters may read what they like."""
    assert hints.read({"reservation": ABSENT, "target_cell": "cell1"}) == hints.Hints()


def test_an_operator_lets_hosts_be_asked_for() -> None:
    every = [*filters.FILTERS]
    cloud = make(**{"compute.enabled_filters": every})
    cloud.start()
    try:
        b = Builds(SimCloud(cloud), 0)
        node(b.sim, "small", memory_mb=4096)
        node(b.sim, "large", memory_mb=65536)
        assert b.placed(b.start(query='["<", "$total_usable_ram_mb", 8192]'))[0] == "small"
        assert b.placed(b.start(query='["=", "$host", "large"]'))[0] == "large"
        none, shown = b.placed(b.start(query='["=", "$host", "nowhere"]'))
        assert none is None and "not what the query asks for" in shown["fault"]["message"]
        none, shown = b.placed(b.start(build_near_host_ip="192.0.2.7", cidr="/28"))
        assert none is None and "is not in 192.0.2.0/28" in shown["fault"]["details"]
    finally:
        cloud.stop()


# -- pure ---------------------------------------------------------------------------------------------------------------


def test_queries() -> None:
    attributes = {"free_ram_mb": 2048, "host": "a", "cpu_info": {"arch": "x86_64"}}
    for text, holds in (
        ("[]", True),
        ('["=", "$host", "a"]', True),
        ('["=", "$host", "a", "b"]', False),
        ('["=", "$host"]', False),
        ('["in", "$host", "b", "a"]', True),
        ('[">=", "$free_ram_mb", 2048]', True),
        ('["<", "$free_ram_mb", "a lot"]', False),
        ('["=", "$cpu_info.arch", "x86_64"]', True),
        ('["=", "$cpu_info.arch.more", "x86_64"]', False),
        ('["and", ["=", "$host", "a"], [">", "$free_ram_mb", 4096]]', False),
        ('["or", ["=", "$host", "a"], [">", "$free_ram_mb", 4096]]', True),
        ('["not", ["=", "$host", "a"]]', False),
        ('["not", ["=", "$host", "b"]]', True),
    ):
        assert query.holds(query.parse(text), attributes) is holds, text


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '"a"',
        '["like", "$host", "a"]',
        '["=", {"a": 1}]',
        "[" * 9 + "]" * 9,
        '["and"' + ", 1" * 257 + "]",
        "[1, 2]",
    ],
)
def test_what_is_no_query(text: str) -> None:
    deep = text if not text.startswith("[[") else '["not", ' * 9 + '["=", 1, 1]' + "]" * 9
    with pytest.raises(Invalid, match="query"):
        query.parse(deep)


def test_the_hosts_that_may_do_at_all() -> None:
    anywhere = spec().need
    assert anywhere.only is None
    assert spec(host="a").need.only == {"a"}
    assert spec(same=frozenset()).need.only == frozenset()
    assert spec(same=frozenset({"a", "b"}), group=Companions("affinity", {"b": 1, "c": 0})).need.only == {"b"}
    assert spec(group=Companions("anti-affinity", {"b": 1})).need.only is None
    soft = Companions("soft-affinity", {"a": 1, "b": 3, "c": 1})
    assert spec(group=soft).need.only is None and soft.rather == ["b", "a", "c"]


def test_a_group_weighs_beside_what_is_free() -> None:
    """Of hosts that are alike, the one with companions is first, or last."""
    room = stock(VCPU=(8, 0), MEMORY_MB=(8192, 0), DISK_GB=(80, 0))
    hosts = [host(name, room) for name in "abc"]
    near, far = (Companions(policy, {"b": 2}) for policy in ("soft-affinity", "soft-anti-affinity"))
    assert choose.ranked(hosts, spec(group=near), "s")[0].host.name == "b"
    assert choose.ranked(hosts, spec(group=far), "s")[-1].host.name == "b"
