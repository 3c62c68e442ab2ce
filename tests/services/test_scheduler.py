# SPDX-License-Identifier: Apache-2.0
"""Where a machine goes: what placement is asked, filters and weighers as values, refusals that say why, zones, traits, disabled hosts."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest

from sim_cloud import SimCloud
from virga.ground.bus import LocalConnection
from virga.protocol.reports import Capacity, Hello
from virga.protocol.topics import HELLO, Link
from virga.services.compute import model
from virga.services.compute.scheduler import ask, choose, filters, weighers
from virga.services.compute.scheduler.ask import Companions, Need
from virga.services.placement.model import Inventory, capacity


def stock(**amounts: tuple[int, int]) -> dict[str, Inventory]:
    """resource class → an inventory of (total, used)."""
    return {
        name: Inventory("p", name, total, 0, 1, total, 1, 1.0, used, capacity(total, 0, 1.0) - used, 0.0)
        for name, (total, used) in amounts.items()
    }


def host(name: str, inventories: dict[str, Inventory] | None = None, **more: Any) -> filters.HostState:
    values: dict[str, Any] = {
        "id": name,
        "name": name,
        "zone": "nova",
        "vcpus": 4,
        "memory_mb": 4096,
        "disk_gb": 100,
        "hypervisor": {"type": "QEMU", "version": 7002022, "cpu": {"arch": "x86_64", "features": ["sse", "avx"]}},
        "enabled": True,
        "disabled_reason": None,
        "forced_down": False,
        "seen": 100.0,
        "created": 0.0,
        "number": 1,
    }
    held = inventories or stock(VCPU=(4, 0), MEMORY_MB=(4096, 0), DISK_GB=(100, 0))
    return filters.HostState(model.Host(**(values | more)), held)


def spec(**more: Any) -> filters.Spec:
    return filters.Spec(Need(**({"vcpus": 1, "ram": 512, "disk": 1} | more)), now=110.0)


def names(states: list[filters.HostState]) -> list[str]:
    return [each.host.name for each in states]


def test_filters_are_values_with_reasons() -> None:
    hosts = [
        host("a"),
        host("b", enabled=False, disabled_reason="new roof"),
        host("c", seen=0.0),
        host("d", forced_down=True),
        host("e", zone="z"),
    ]
    want = spec(zone="nova")
    assert names(choose.ranked(hosts, want, "s")) == ["a"]
    why = choose.reasons(hosts, want)
    assert set(why) == {"b", "c", "d", "e"}
    assert "new roof" in why["b"].detail and "new roof" not in why["b"].kind
    assert "last seen 110 s ago" in why["c"].detail and "forced down" in why["d"].detail and "zone z" in why["e"].detail
    only_zone = filters.named(["AvailabilityZoneFilter"])
    assert names(choose.ranked(hosts, want, "s", filters=only_zone)) != [] and set(
        names(choose.ranked(hosts, want, "s", filters=only_zone))
    ) == {"a", "b", "c", "d"}


def test_servers_that_stand_together_or_apart() -> None:
    hosts = [host("a"), host("b"), host("c")]
    assert names(choose.ranked(hosts, spec(same=frozenset({"b"})), "s")) == ["b"]
    assert set(names(choose.ranked(hosts, spec(different=frozenset({"b"})), "s"))) == {"a", "c"}
    assert names(choose.ranked(hosts, spec(group=Companions("affinity", {"c": 1})), "s")) == ["c"]
    assert len(choose.ranked(hosts, spec(group=Companions("affinity", {})), "s")) == 3
    apart = spec(group=Companions("anti-affinity", {"a": 1, "b": 2}, most=2))
    assert set(names(choose.ranked(hosts, apart, "s"))) == {"a", "c"}
    soft = spec(group=Companions("soft-anti-affinity", {"a": 1, "b": 2}))
    assert names(choose.ranked(hosts, soft, "s")) == ["c", "a", "b"]
    soft = spec(group=Companions("soft-affinity", {"a": 1, "b": 2}))
    assert names(choose.ranked(hosts, soft, "s"))[0] == "b"


@pytest.mark.parametrize(
    ("specs", "takes"),
    [
        ({"capabilities:hypervisor_type": "QEMU"}, True),
        ({"capabilities:hypervisor_type": "s!= QEMU"}, False),
        ({"capabilities:hypervisor_version": ">= 6000000"}, True),
        ({"hypervisor_version": "< 6000000"}, False),
        ({"capabilities:cpu_info:arch": "<or> ppc64 <or> x86_64"}, True),
        ({"capabilities:cpu_info:features": "<all-in> sse avx"}, True),
        ({"capabilities:cpu_info:features": "<all-in> sse avx512"}, False),
        ({"capabilities:nothing_known": "1"}, False),
        ({"nothing_known": "1", "hw:cpu_sockets": "1", "quota:cpu_shares": "10"}, True),
    ],
)
def test_capabilities(specs: dict[str, str], takes: bool) -> None:
    assert bool(choose.ranked([host("a")], spec(specs=specs), "s")) == takes


def test_weighers_are_stretched_and_summed() -> None:
    hosts = [
        host("full", stock(VCPU=(8, 7), MEMORY_MB=(8192, 7000), DISK_GB=(100, 90))),
        host("empty", stock(VCPU=(8, 0), MEMORY_MB=(8192, 0), DISK_GB=(100, 0))),
        host("half", stock(VCPU=(8, 4), MEMORY_MB=(8192, 4000), DISK_GB=(100, 50))),
    ]
    assert names(choose.ranked(hosts, spec(), "s")) == ["empty", "half", "full"]
    stacked = {"RAMWeigher": -1.0, "CPUWeigher": -1.0, "DiskWeigher": -1.0}
    assert names(choose.ranked(hosts, spec(), "s", multipliers=stacked)) == ["full", "half", "empty"]
    sums = weighers.weights(hosts, spec(), weighers.WEIGHERS, {})
    assert sums[1] == 3.0 and sums[0] == 0.0 and 1.2 < sums[2] < 1.4
    same = [host(f"h{n}") for n in range(16)]
    firsts = {choose.ranked(same, spec(), seed)[0].host.name for seed in map(str, range(32))}
    assert len(firsts) > 8, "machines that are built at once all try the same host first"
    assert choose.ranked(same, spec(), "x") == choose.ranked(list(reversed(same)), spec(), "x")


def test_a_refusal_counts_for_everybody_and_names_for_administrators() -> None:
    hosts = [host(f"h{n}", stock(VCPU=(4, 0), MEMORY_MB=(512, n), DISK_GB=(1, 0))) for n in range(3)]
    want = spec(ram=512, disk=20)
    text = choose.no_valid_host(choose.reasons(hosts, want), 3)
    first, *rest = text.split("\n")
    assert "h1" not in first and "(2 of 3)" in first and "memory: 512 MiB needed" in first
    assert rest[1] == "h1: memory: 512 MiB needed, 511 MiB free of 512 MiB; disk: 20 GiB needed, 1 GiB free of 1 GiB."
    many = {f"host{n:05}": filters.Reason("down", "x" * 100) for n in range(2000)}
    text = choose.no_valid_host(many, 10_000)
    assert len(text) < 65_536 and text.endswith("hosts more.")
    assert "no node has reported" in choose.no_valid_host({}, 0)


def test_what_placement_is_asked() -> None:
    want = Need(
        2,
        1024,
        20,
        zone="z",
        specs={
            "resources:VGPU": "1",
            "resources:DISK_GB": "0",
            "resources1:SRIOV_NET_VF": "1",
            "trait1:CUSTOM_PHYSNET": "required",
            "trait:HW_CPU_X86_AVX": "required",
            "trait:CUSTOM_OLD": "forbidden",
            "trait_EMPTY:CUSTOM_X": "required",
            "resources:BAD": "-1",
            "group_policy": "isolate",
        },
        properties={"trait:CUSTOM_GOLD": "required", "trait:CUSTOM_NEVER": "forbidden"},
    )
    got = ask.request(want)
    plain = got.groups[""]
    assert plain.resources == {"VCPU": 2, "MEMORY_MB": 1024, "VGPU": 1}
    assert plain.required == [frozenset({"HW_CPU_X86_AVX"}), frozenset({"CUSTOM_GOLD"})]
    assert plain.forbidden == {"COMPUTE_STATUS_DISABLED", "CUSTOM_OLD"}, "an image forbids nothing"
    assert plain.member_of == [frozenset({ask.zone_aggregate("z")})]
    assert got.groups["1"].resources == {"SRIOV_NET_VF": 1} and got.groups["1"].required == [frozenset({"CUSTOM_PHYSNET"})]  # fmt: skip
    assert got.isolate and set(got.groups) == {"", "1"}
    endless = {f"trait{n}:CUSTOM_A": "required" for n in range(9999)} | {f"trait:T{n}": "required" for n in range(999)}
    got = ask.request(Need(1, 1, 1, specs=endless))
    assert len(got.groups) <= ask.MOST_GROUPS and len(got.groups[""].required) <= ask.MOST_TRAITS


# -- stories -------------------------------------------------------------------------------------------------------


def node(sim: SimCloud, name: str, **more: int) -> str:
    """One more host, that nobody runs; its id."""
    capacity = Capacity(**{"vcpus": 8, "memory_mb": 16384, "disk_gb": 200, "type": "QEMU", "version": 1} | more)  # type: ignore[arg-type]
    Link(LocalConnection(sim.cloud.bus, str(uuid.uuid4()))).call(HELLO, Hello(name=name, capacity=capacity))
    found = sim.admin.get("/placement/resource_providers?name=" + name)["resource_providers"]
    return str(found[0]["uuid"])


def placement(sim: SimCloud, method: str, path: str, body: Any = None) -> Any:
    got = sim.admin.ask(method, "/placement" + path, body, headers={"OpenStack-API-Version": "placement 1.39"})
    assert got.code < 300, got.text
    return got.json


def flavor(sim: SimCloud, name: str, **specs: str) -> str:
    made = {"name": name, "id": name, "ram": 64, "vcpus": 1, "disk": 1}
    sim.admin.post("/compute/v2.1/flavors", {"flavor": made})
    sim.admin.post(f"/compute/v2.1/flavors/{name}/os-extra_specs", {"extra_specs": specs})
    return name


def test_traits_of_the_flavor_and_of_the_image_choose_the_host(sim: SimCloud) -> None:
    a = sim.admin
    gold = node(sim, "gold")
    for name in ("CUSTOM_GOLD", "CUSTOM_RARE"):
        placement(sim, "PUT", f"/traits/{name}")
    generation = placement(sim, "GET", f"/resource_providers/{gold}")["generation"]
    body = {"resource_provider_generation": generation, "traits": ["CUSTOM_GOLD"]}
    placement(sim, "PUT", f"/resource_providers/{gold}/traits", body)
    net, _ = sim.network(a)
    image = sim.image()["id"]

    def placed(**more: Any) -> str | None:
        id = sim.server(a, more.pop("image", image), net["id"], **more)["id"]
        for _ in range(500):
            shown = a.get(f"/compute/v2.1/servers/{id}")["server"]
            if shown["OS-EXT-SRV-ATTR:host"] or shown["status"] == "ERROR":
                return shown["OS-EXT-SRV-ATTR:host"] or shown["fault"]["message"]
            threading.Event().wait(0.02)
        raise AssertionError("it was never placed")

    own = sim.admin.get("/compute/v2.1/os-hypervisors")["hypervisors"][0]["hypervisor_hostname"]
    assert placed(flavorRef=flavor(sim, "wants", **{"trait:CUSTOM_GOLD": "required"})) == "gold"
    assert placed(flavorRef=flavor(sim, "shuns", **{"trait:CUSTOM_GOLD": "forbidden"})) == own
    assert placed(image=sim.image(**{"trait:CUSTOM_GOLD": "required"})["id"]) == "gold"
    why = placed(flavorRef=flavor(sim, "rare", **{"trait:CUSTOM_RARE": "required"}))
    assert why is not None and "trait CUSTOM_RARE is required (2 of 2)" in why
    why = placed(flavorRef=flavor(sim, "gpu", **{"resources:VGPU": "1"}))
    assert why is not None and "VGPU: 1 needed (2 of 2)" in why
    assert placed(availability_zone="nova:gold") == "gold"


def test_a_disabled_host_is_no_candidate(sim: SimCloud) -> None:
    a = sim.login("admin", "admin", "admin")
    a.version = "2.53"
    (service,) = a.get("/compute/v2.1/os-services")["services"]
    query = "/allocation_candidates?resources=VCPU:1&required=!COMPUTE_STATUS_DISABLED"
    assert len(placement(sim, "GET", query)["allocation_requests"]) == 1
    a.put(f"/compute/v2.1/os-services/{service['id']}", {"status": "disabled"})
    assert placement(sim, "GET", query)["allocation_requests"] == []
    sim.cloud.node.hello()  # type: ignore[union-attr]
    assert placement(sim, "GET", query)["allocation_requests"] == []
    a.put(f"/compute/v2.1/os-services/{service['id']}", {"status": "enabled"})
    assert len(placement(sim, "GET", query)["allocation_requests"]) == 1


def test_a_zone_is_an_aggregate_of_placement(sim: SimCloud) -> None:
    found = placement(sim, "GET", f"/resource_providers?member_of={ask.zone_aggregate('nova')}")
    assert len(found["resource_providers"]) == 1
    assert placement(sim, "GET", f"/resource_providers?member_of={ask.zone_aggregate('b')}")["resource_providers"] == []  # fmt: skip


def test_builds_in_parallel_take_the_last_rooms_and_none_is_refused_for_another(sim: SimCloud) -> None:
    """Sixteen machines, and room for just as many: whoever loses a host to another tries the next."""
    a = sim.admin
    (own,) = a.get("/compute/v2.1/os-hypervisors")["hypervisors"]
    body = {
        "allocations": {own_id(sim, own): {"resources": {"VCPU": 1}}},
        "project_id": "p",
        "user_id": "u",
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
    }
    placement(sim, "PUT", f"/allocations/{uuid.uuid4()}", body)
    net, _ = sim.network(a)
    image = sim.image()["id"]
    a.put(f"/compute/v2.1/os-quota-sets/{a.project}", {"quota_set": {"instances": -1, "cores": -1, "ram": -1}})
    flavor(sim, "tight", **{"trait:CUSTOM_TIGHT": "required"})
    placement(sim, "PUT", "/traits/CUSTOM_TIGHT")
    for n in range(4):
        id = node(sim, f"tight{n}", vcpus=1, memory_mb=1024 + 256, disk_gb=4)  # room for four of 64 MiB
        generation = placement(sim, "GET", f"/resource_providers/{id}")["generation"]
        placement(
            sim,
            "PUT",
            f"/resource_providers/{id}/traits",
            {"resource_provider_generation": generation, "traits": ["CUSTOM_TIGHT"]},
        )
    ids = [sim.server(a, image, net["id"], f"s{n}", flavorRef="tight")["id"] for n in range(17)]
    hosts: list[str | None] = []
    for id in ids:
        for _ in range(1500):
            shown = a.get(f"/compute/v2.1/servers/{id}")["server"]
            if shown["OS-EXT-SRV-ATTR:host"] or shown["status"] == "ERROR":
                break
            threading.Event().wait(0.02)
        hosts.append(shown["OS-EXT-SRV-ATTR:host"])
    assert sum(each is None for each in hosts) == 1, hosts
    for n in range(4):
        assert hosts.count(f"tight{n}") == 4, hosts


def own_id(sim: SimCloud, hypervisor: Any) -> str:
    name = hypervisor["hypervisor_hostname"]
    return str(placement(sim, "GET", f"/resource_providers?name={name}")["resource_providers"][0]["uuid"])
