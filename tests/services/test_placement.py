# SPDX-License-Identifier: Apache-2.0
"""Placement: what there is, who uses it, who could give it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant, make

P = "/placement"


class Asker:
    """The administrator at a version of placement."""

    def __init__(self, who: Tenant, version: str = "1.39") -> None:
        self.who, self.version = who, version
        self.service = self
        """The same at a service's token."""

    def __call__(
        self, method: str, path: str, body: Any = None, *, at: str | None = None, code: int | None = None
    ) -> Any:
        got = self.who.ask(method, P + path, body, headers={"OpenStack-API-Version": f"placement {at or self.version}"})
        assert got.code == code if code else got.code < 300, f"{method} {path}: {got.code} {got.text[:600]}"
        return got.json

    def provider(self, name: str, parent: str | None = None, **inventory: int) -> str:
        """A provider with inventories, by class."""
        made = self("POST", "/resource_providers", {"name": name, "parent_provider_uuid": parent})
        if inventory:
            body = {
                "resource_provider_generation": 0,
                "inventories": {k: {"total": v, "max_unit": v} for k, v in inventory.items()},
            }
            self("PUT", f"/resource_providers/{made['uuid']}/inventories", body)
        return str(made["uuid"])

    def traits(self, id: str, *names: str) -> None:
        for name in names:
            if name.startswith("CUSTOM_"):
                self("PUT", f"/traits/{name}")
        generation = self("GET", f"/resource_providers/{id}")["generation"]
        self("PUT", f"/resource_providers/{id}/traits", {"resource_provider_generation": generation, "traits": names})

    def aggregates(self, id: str, *ids: str) -> None:
        generation = self("GET", f"/resource_providers/{id}")["generation"]
        body = {"resource_provider_generation": generation, "aggregates": ids}
        self("PUT", f"/resource_providers/{id}/aggregates", body)

    def use(self, consumer: str, code: int = 204, generation: int | None = None, **amounts: dict[str, int]) -> Any:
        """Set what a consumer uses: provider → class → amount; provider ids with dashes as underscores."""
        body = {
            "allocations": {k.replace("_", "-"): {"resources": v} for k, v in amounts.items()},
            "project_id": "p",
            "user_id": "u",
            "consumer_generation": generation,
            "consumer_type": "INSTANCE",
        }
        return self("PUT", f"/allocations/{consumer}", body, code=code)

    def candidates(self, query: str, **more: Any) -> list[dict[str, dict[str, int]]]:
        """provider → what it gives, of each candidate."""
        found = self("GET", f"/allocation_candidates?{query}", **more)
        return [{k: v["resources"] for k, v in r["allocations"].items()} for r in found["allocation_requests"]]


@pytest.fixture
def ask(database: str | None) -> Iterator[Asker]:
    """Placement of a cloud without a host: the only providers are those that a test makes."""
    cloud = make(database)
    sim = SimCloud(cloud)
    asker = Asker(sim.admin)
    asker.service = Asker(sim.tenant("nova", role="service"))
    yield asker
    cloud.db.close()


def key(id: str) -> str:
    return id.replace("-", "_")


def test_providers_come_change_and_go(ask: Asker) -> None:
    id = str(uuid.uuid4())
    made = ask("POST", "/resource_providers", {"name": "one", "uuid": id}, code=200)
    assert made["generation"] == 0 and made["root_provider_uuid"] == id and made["parent_provider_uuid"] is None
    assert {link["rel"] for link in made["links"]} == {
        "self", "inventories", "usages", "aggregates", "traits", "allocations",
    }  # fmt: skip
    got = ask("POST", "/resource_providers", {"name": "one"}, code=409)
    assert got["errors"][0]["code"] == "placement.duplicate_name" and got["errors"][0]["request_id"].startswith("req-")
    assert ask("PUT", f"/resource_providers/{id}", {"name": "two"})["name"] == "two"
    assert [p["uuid"] for p in ask("GET", "/resource_providers?name=two")["resource_providers"]] == [id]
    ask("GET", "/resource_providers?nonsense=1", code=400)
    ask("GET", f"/resource_providers?in_tree={id}", at="1.13", code=400)
    ask("DELETE", f"/resource_providers/{id}", code=204)
    assert ask("GET", f"/resource_providers/{id}", code=404)["errors"][0]["code"] == (
        "placement.resource_provider.not_found"
    )
    old = ask.who.ask("POST", f"{P}/resource_providers", {"name": "old"}, headers={"OpenStack-API-Version": "placement 1.0"})  # fmt: skip
    assert old.code == 201 and not old.text and old.headers["location"].startswith("http")


def test_inventories_are_held_by_generation_and_use(ask: Asker) -> None:
    id = ask.provider("host", VCPU=8)
    stale = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 4}}}
    got = ask("PUT", f"/resource_providers/{id}/inventories", stale, code=409)
    assert got["errors"][0]["code"] == "placement.concurrent_update"
    ask(
        "PUT",
        f"/resource_providers/{id}/inventories",
        stale | {"resource_provider_generation": 1, "inventories": {"NOTHING": {"total": 1}}},
        code=400,
    )
    me = str(uuid.uuid4())
    ask.use(me, **{key(id): {"VCPU": 6}})
    assert ask("GET", f"/resource_providers/{id}/usages")["usages"] == {"VCPU": 6}
    got = ask("DELETE", f"/resource_providers/{id}/inventories/VCPU", code=409)
    assert got["errors"][0]["code"] == "placement.inventory.inuse"
    generation = ask("GET", f"/resource_providers/{id}")["generation"]
    less = {"resource_provider_generation": generation, "total": 4}
    ask("PUT", f"/resource_providers/{id}/inventories/VCPU", less)  # below what is used: allowed, nothing more is given
    ask.use(str(uuid.uuid4()), 409, **{key(id): {"VCPU": 1}})
    ask("DELETE", f"/allocations/{me}", code=204)
    ask("DELETE", f"/allocations/{me}", code=404)
    assert ask("GET", f"/resource_providers/{id}/usages")["usages"] == {"VCPU": 0}
    ask("DELETE", f"/resource_providers/{id}/inventories", code=204)


def test_an_allocation_is_refused_with_its_reason(ask: Asker) -> None:
    id = ask.provider("host", VCPU=4, DISK_GB=100)
    generation = ask("GET", f"/resource_providers/{id}")["generation"]
    body = {"resource_provider_generation": generation, "total": 100, "min_unit": 10, "max_unit": 50, "step_size": 10}
    ask("PUT", f"/resource_providers/{id}/inventories/DISK_GB", body)
    for amount, why in ((5, "less than"), (60, "more than"), (25, "multiple of 10")):
        assert why in ask.use(str(uuid.uuid4()), 409, **{key(id): {"DISK_GB": amount}})["errors"][0]["detail"]
    assert (
        "more than the greatest amount 4"
        in ask.use(str(uuid.uuid4()), 409, **{key(id): {"VCPU": 5}})["errors"][0]["detail"]
    )
    ask.use(str(uuid.uuid4()), **{key(id): {"VCPU": 3}})
    assert "2 needed, 1 free of 4" in ask.use(str(uuid.uuid4()), 409, **{key(id): {"VCPU": 2}})["errors"][0]["detail"]
    ask.use(str(uuid.uuid4()), 400, **{key(str(uuid.uuid4())): {"VCPU": 1}})
    ask.use(str(uuid.uuid4()), 400, **{key(id): {"CUSTOM_NO": 1}})
    assert ask("GET", f"/resource_providers/{id}/usages")["usages"] == {"VCPU": 3, "DISK_GB": 0}


def test_consumers_have_generations(ask: Asker) -> None:
    id, me = ask.provider("host", VCPU=4), str(uuid.uuid4())
    ask.use(me, **{key(id): {"VCPU": 1}})
    got = ask.use(me, 409, **{key(id): {"VCPU": 2}})
    assert got["errors"][0]["code"] == "placement.concurrent_update"
    shown = ask("GET", f"/allocations/{me}")
    assert shown["consumer_generation"] == 1 and shown["consumer_type"] == "INSTANCE" and shown["project_id"] == "p"
    ask.use(me, generation=1, **{key(id): {"VCPU": 2}})
    ask.use(me, generation=2)
    assert ask("GET", f"/allocations/{me}") == {"allocations": {}}
    old = {"allocations": [{"resource_provider": {"uuid": id}, "resources": {"VCPU": 1}}]}
    ask("PUT", f"/allocations/{me}", old, at="1.0", code=204)
    ask("PUT", f"/allocations/{me}", old, at="1.8", code=400)
    assert ask("GET", f"/resource_providers/{id}/allocations")["allocations"][me]["resources"] == {"VCPU": 1}


def test_many_consumers_change_at_once_or_not_at_all(ask: Asker) -> None:
    id = ask.provider("host", VCPU=4)
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    ask.use(one, **{key(id): {"VCPU": 4}})

    def entry(amount: int, generation: int | None) -> dict[str, Any]:
        parts = {id: {"resources": {"VCPU": amount}}} if amount else {}
        return {"allocations": parts, "project_id": "p", "user_id": "u", "consumer_generation": generation, "consumer_type": "MIGRATION"}  # fmt: skip

    ask("POST", "/allocations", {two: entry(5, None), one: entry(0, 1)}, code=409)
    assert ask("GET", f"/resource_providers/{id}/usages")["usages"] == {"VCPU": 4}
    ask("POST", "/allocations", {two: entry(4, None), one: entry(0, 1)}, code=204)
    usages = ask("GET", "/usages?project_id=p")["usages"]
    assert usages == {"MIGRATION": {"VCPU": 4, "consumer_count": 1}}
    assert ask("GET", "/usages?project_id=p", at="1.9")["usages"] == {"VCPU": 4}


def test_two_threads_never_share_the_last_room(ask: Asker) -> None:
    id = ask.provider("host", VCPU=4)
    codes: list[int] = []

    def take() -> None:
        body = {"allocations": {id: {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u", "consumer_generation": None, "consumer_type": "X"}  # fmt: skip
        got = ask.who.ask("PUT", f"{P}/allocations/{uuid.uuid4()}", body, headers={"OpenStack-API-Version": "placement 1.39"})  # fmt: skip
        codes.append(got.code)

    threads = [threading.Thread(target=take) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [204] * 4 + [409] * 8
    assert ask("GET", f"/resource_providers/{id}/usages")["usages"] == {"VCPU": 4}


def test_candidates_of_plain_hosts(ask: Asker) -> None:
    hosts = [ask.provider(f"h{n}", VCPU=4, SRIOV_NET_VF=10 * n + 10) for n in range(3)]
    ask.traits(hosts[0], "CUSTOM_FAST", "HW_CPU_X86_AVX2")
    ask.traits(hosts[1], "CUSTOM_SLOW")
    group = str(uuid.uuid4())
    ask.aggregates(hosts[2], group)
    want = "resources=SRIOV_NET_VF:5,VCPU:1"

    def who(query: str) -> set[str]:
        return {id for found in ask.candidates(query) for id in found}

    assert who(want) == set(hosts)
    assert who(f"{want}&required=CUSTOM_FAST") == {hosts[0]}
    assert who(f"{want}&required=!CUSTOM_FAST") == set(hosts[1:])
    assert who(f"{want}&required=in:CUSTOM_FAST,CUSTOM_SLOW") == set(hosts[:2])
    assert who(f"{want}&root_required=HW_CPU_X86_AVX2,!CUSTOM_SLOW") == {hosts[0]}
    assert who(f"{want}&member_of={group}") == {hosts[2]}
    assert who(f"{want}&member_of=!{group}") == set(hosts[:2])
    assert who(f"{want}&in_tree={hosts[1]}") == {hosts[1]}
    assert who("resources=SRIOV_NET_VF:25") == {hosts[2]}
    assert len(ask.candidates(f"{want}&limit=2")) == 2
    ask("GET", "/allocation_candidates?resources=NOTHING:1", code=400)
    ask("GET", f"/allocation_candidates?{want}&required=NO_SUCH", code=400)
    ask("GET", "/allocation_candidates?resources=VCPU:0", code=400)
    ask("GET", "/allocation_candidates?required=CUSTOM_FAST", code=400)
    ask("GET", f"/allocation_candidates?{want}&resources1=VCPU:1&resources2=VCPU:1", code=400)
    found = ask("GET", f"/allocation_candidates?{want}&required=CUSTOM_FAST")
    assert found["allocation_requests"][0]["mappings"] == {"": [hosts[0]]}
    summary = found["provider_summaries"][hosts[0]]
    assert summary["resources"]["VCPU"] == {"capacity": 4, "used": 0} and "CUSTOM_FAST" in summary["traits"]


def test_candidates_of_a_tree(ask: Asker) -> None:
    """Two NUMA nodes with a network card each, below a host with the disk."""
    host = ask.provider("host", DISK_GB=100)
    nodes = [ask.provider(f"numa{n}", host, VCPU=4, NUMA_MEMORY_MB=1024) for n in range(2)]
    cards = [ask.provider(f"card{n}", nodes[n], SRIOV_NET_VF=2) for n in range(2)]
    ask.traits(cards[1], "CUSTOM_RED")
    spread = ask.candidates("resources=VCPU:2,DISK_GB:10")
    assert [sorted(c) for c in spread] == [sorted([host, n]) for n in nodes]
    assert ask.candidates("resources=VCPU:2,DISK_GB:10", at="1.28") == []
    two = ask.candidates("resources1=VCPU:3&resources2=VCPU:3&group_policy=none")
    assert all(len(c) == 2 for c in two) and len(two) == 2
    one = ask.candidates("resources1=VCPU:2&resources2=VCPU:2&group_policy=none")
    assert {id: {"VCPU": 4} for id in nodes[:1]} in one and len(one) == 4
    assert len(ask.candidates("resources1=VCPU:2&resources2=VCPU:2&group_policy=isolate")) == 2
    near = "resources_CPU=VCPU:1&resources_NIC=SRIOV_NET_VF:1&required_NIC=CUSTOM_RED&group_policy=none"
    assert len(ask.candidates(near)) == 2
    assert ask.candidates(f"{near}&same_subtree=_CPU,_NIC") == [{nodes[1]: {"VCPU": 1}, cards[1]: {"SRIOV_NET_VF": 1}}]
    assert len(ask.candidates("resources1=VCPU:1&resources2=VCPU:1&group_policy=none&limit=1")) == 1
    ask("DELETE", f"/resource_providers/{nodes[0]}", code=409)
    ask("PUT", f"/resource_providers/{host}", {"name": "host", "parent_provider_uuid": cards[0]}, code=400)
    ask("PUT", f"/resource_providers/{nodes[1]}", {"name": "numa1", "parent_provider_uuid": None}, at="1.36", code=400)
    ask("PUT", f"/resource_providers/{nodes[1]}", {"name": "numa1", "parent_provider_uuid": None})
    assert ask("GET", f"/resource_providers/{cards[1]}")["root_provider_uuid"] == nodes[1]


def test_candidates_of_shared_storage(ask: Asker) -> None:
    hosts = [ask.provider(f"h{n}", VCPU=4) for n in range(2)]
    pool = ask.provider("pool", DISK_GB=1000)
    ask.traits(pool, "MISC_SHARES_VIA_AGGREGATE")
    group = str(uuid.uuid4())
    ask.aggregates(pool, group)
    ask.aggregates(hosts[0], group)
    mine = [c for c in ask.candidates("resources=VCPU:1,DISK_GB:10") if hosts[0] in c or hosts[1] in c]
    assert mine == [{hosts[0]: {"VCPU": 1}, pool: {"DISK_GB": 10}}]


def test_the_reshaper_moves_what_is_used(ask: Asker) -> None:
    host, me = ask.provider("host", VCPU=4), str(uuid.uuid4())
    ask.use(me, **{key(host): {"VCPU": 3}})
    node = ask.provider("numa", host)
    generations = {id: ask("GET", f"/resource_providers/{id}")["generation"] for id in (host, node)}

    def body(amount: int) -> dict[str, Any]:
        return {
            "inventories": {
                host: {"resource_provider_generation": generations[host], "inventories": {}},
                node: {"resource_provider_generation": generations[node], "inventories": {"VCPU": {"total": amount}}},
            },
            "allocations": {
                me: {
                    "allocations": {node: {"resources": {"VCPU": 3}}},
                    "project_id": "p", "user_id": "u", "consumer_generation": 1, "consumer_type": "INSTANCE",
                }
            },
        }  # fmt: skip

    ask("POST", "/reshaper", body(4), code=403)  # a service's alone (placement:reshaper:reshape)
    ask.service("POST", "/reshaper", body(2), code=409)
    assert ask("GET", f"/resource_providers/{host}/usages")["usages"] == {"VCPU": 3}
    ask.service("POST", "/reshaper", body(4), code=204)
    assert ask("GET", f"/resource_providers/{host}/usages")["usages"] == {}
    assert ask("GET", f"/resource_providers/{node}/usages")["usages"] == {"VCPU": 3}
    ask.service("POST", "/reshaper", body(4), code=409)


def test_classes_and_traits(ask: Asker) -> None:
    ask("POST", "/resource_classes", {"name": "CUSTOM_GOLD"}, code=201)
    ask("POST", "/resource_classes", {"name": "CUSTOM_GOLD"}, code=409)
    ask("POST", "/resource_classes", {"name": "GOLD"}, code=400)
    ask("PUT", "/resource_classes/CUSTOM_GOLD", code=204)
    ask("PUT", "/resource_classes/CUSTOM_SILVER", code=201)
    ask("DELETE", "/resource_classes/VCPU", code=400)
    ask.provider("host", CUSTOM_GOLD=3)
    ask("DELETE", "/resource_classes/CUSTOM_GOLD", code=409)
    names = [c["name"] for c in ask("GET", "/resource_classes")["resource_classes"]]
    assert names[:2] == ["VCPU", "MEMORY_MB"] and names[-2:] == ["CUSTOM_GOLD", "CUSTOM_SILVER"]
    ask("PUT", "/traits/CUSTOM_T", code=201)
    ask("PUT", "/traits/CUSTOM_T", code=204)
    ask("PUT", "/traits/custom_t", code=400)
    ask("DELETE", "/traits/HW_CPU_X86_AVX2", code=400)
    assert ask("GET", "/traits?name=startswith:CUSTOM_T")["traits"] == ["CUSTOM_T"]
    assert ask("GET", "/traits?name=in:CUSTOM_T,HW_CPU_X86_AVX2,X&associated=false")["traits"] == ["CUSTOM_T", "HW_CPU_X86_AVX2"]  # fmt: skip
    ask("DELETE", "/traits/CUSTOM_T", code=204)
    ask("GET", "/traits/CUSTOM_T", code=404)


def test_members_see_their_usage_and_nothing_else(sim: SimCloud) -> None:
    t = sim.tenant("user")
    mine = Asker(t)
    mine("GET", "/resource_providers", code=403)
    mine("GET", f"/usages?project_id={t.project}")
    mine("GET", f"/usages?project_id={sim.admin.project}", code=403)
    assert sim.http.get(P + "/").json()["versions"][0]["max_version"] == "1.39"
    bad = t.ask("GET", P + "/usages", headers={"OpenStack-API-Version": "placement 1.99"})
    assert bad.code == 406


def settled(sim: SimCloud, ask: Asker) -> dict[str, dict[str, int]]:
    """What placement says is used of each provider of the cloud's own hosts, after a look that nothing else is counted."""
    found = ask("GET", "/resource_providers")["resource_providers"]
    return {p["name"]: ask("GET", f"/resource_providers/{p['uuid']}/usages")["usages"] for p in found}


def test_the_clouds_own_machines_are_placements_truth(sim: SimCloud) -> None:
    """A host is a provider, a machine its consumer; build, failure and delete leave what servers say."""
    ask, t = Asker(sim.admin), sim.tenant("builder")
    net, _ = sim.network(t)
    image = sim.image()["id"]
    servers = [sim.server(t, image, net["id"], f"vm{n}")["id"] for n in range(3)]
    for id in servers:
        assert sim.settled(t, id)["status"] == "ACTIVE"
    (host,) = sim.admin.get("/compute/v2.1/os-hypervisors")["hypervisors"]
    flavor = t.get("/compute/v2.1/flavors/42")["flavor"]
    used = settled(sim, ask)[host["hypervisor_hostname"]]
    assert (used["VCPU"], used["MEMORY_MB"], used["DISK_GB"]) == (
        3 * flavor["vcpus"],
        3 * flavor["ram"],
        3 * (flavor["disk"] + flavor["OS-FLV-EXT-DATA:ephemeral"]),
    )
    held = ask("GET", f"/allocations/{servers[0]}")
    assert held["project_id"] == t.project and held["user_id"] == t.user and held["consumer_type"] == "INSTANCE"
    for id in servers:
        t.delete(f"/compute/v2.1/servers/{id}", 204)
        assert sim.settled(t, id) is None
    assert set(settled(sim, ask)[host["hypervisor_hostname"]].values()) == {0}


def test_what_others_take_is_not_built_on(sim: SimCloud) -> None:
    """An allocation made by placement's own API leaves that much less room, and the refusal says so."""
    ask, t = Asker(sim.admin), sim.tenant("crowded")
    net, _ = sim.network(t)
    image = sim.image()["id"]
    (host,) = ask("GET", "/resource_providers")["resource_providers"]
    inventory = ask("GET", f"/resource_providers/{host['uuid']}/inventories")["inventories"]["MEMORY_MB"]
    room = int((inventory["total"] - inventory["reserved"]) * inventory["allocation_ratio"])
    ask.use(str(uuid.uuid4()), **{key(host["uuid"]): {"MEMORY_MB": room}})
    id = sim.server(t, image, net["id"])["id"]
    refused = sim.settled(t, id)
    assert refused["status"] == "ERROR" and "memory" in refused["fault"]["message"], refused["fault"]
    with sim.cloud.db.read() as tx:
        from virga.services.placement import api as placement

        assert placement.used_by(tx, id) == {}


def test_what_the_outside_judges_found(ask: Asker) -> None:
    """Placement's own stories (`make gabbits`): what of them was wrong here once."""
    host = ask.provider("host", VCPU=8)
    node = ask.provider("node", host, VGPU=4)
    # a provider below may give alone before 1.29; what several of one tree would give may not
    assert ask.candidates("resources=VGPU:1", at="1.28") == [{node: {"VGPU": 1}}]
    assert ask.candidates("resources=VCPU:1,VGPU:1", at="1.28") == []
    assert len(ask.candidates("resources=VCPU:1,VGPU:1")) == 1
    # in_tree of the group without a suffix leaves out what others share
    disk = ask.provider("disk", DISK_GB=100)
    agg = str(uuid.uuid4())
    ask.traits(disk, "MISC_SHARES_VIA_AGGREGATE")
    ask.aggregates(disk, agg)
    ask.aggregates(host, agg)
    assert len(ask.candidates("resources=VCPU:1,DISK_GB:1")) == 1
    assert ask.candidates(f"resources=VCPU:1,DISK_GB:1&in_tree={host}") == []
    two = f"resources1=VCPU:1&in_tree1={host}&resources2=DISK_GB:1&in_tree2={disk}&group_policy=none"
    assert ask.candidates(two) == [{host: {"VCPU": 1}, disk: {"DISK_GB": 1}}]
    # what only shares is a candidate once, however many trees it is there for
    assert ask.candidates("resources1=DISK_GB:1") == [{disk: {"DISK_GB": 1}}]
    # one request is one change of a provider, and giving back is none
    before = ask("GET", f"/resource_providers/{host}")["generation"]
    me = str(uuid.uuid4())
    ask.use(me, **{key(host): {"VCPU": 1}})
    ask.use(me, generation=1, **{key(host): {"VCPU": 2}})
    assert ask("GET", f"/resource_providers/{host}")["generation"] == before + 2
    ask("DELETE", f"/allocations/{me}", code=204)
    assert ask("GET", f"/resource_providers/{host}")["generation"] == before + 2
    # bodies of versions that have fewer fields
    generation = ask("GET", f"/resource_providers/{host}")["generation"]
    body = {"inventories": {host: {"resource_provider_generation": generation, "inventories": {"VCPU": {"total": 4}}}}}
    ask.service("POST", "/reshaper", body | {"allocations": {}}, at="1.30", code=204)
    allocations = {me: {"allocations": {host: {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u"}}
    body["inventories"][host]["resource_provider_generation"] = ask("GET", f"/resource_providers/{host}")["generation"]
    whole = {"consumer_generation": None}
    ask.service("POST", "/reshaper", body | {"allocations": {me: allocations[me] | whole}}, at="1.30", code=204)
    # aggregates stand once, mappings are not empty, methods have a first version
    generation = ask("GET", f"/resource_providers/{host}")["generation"]
    twice = {"aggregates": [agg, agg], "resource_provider_generation": generation}
    ask("PUT", f"/resource_providers/{host}/aggregates", twice, code=400)
    ask("DELETE", f"/resource_providers/{host}/inventories", at="1.4", code=405)
    ask("GET", "/usages?project_id=p&user_id=", code=400)
    ask("GET", "/usages?project_id=p&dummy=1", code=400)
    ask("GET", "/traits?invalid=abc", code=400)


def test_tokens_of_the_system_are_not_for_placement(sim: SimCloud) -> None:
    got = sim.auth("admin", "admin", None, system={"all": True})
    token = got.headers["x-subject-token"]
    answer = sim.http.get(f"{P}/resource_providers", headers={"X-Auth-Token": token})
    assert answer.status_code == 403, answer.text
