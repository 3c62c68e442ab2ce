# SPDX-License-Identifier: Apache-2.0
"""What must be one stays one when two ask at the same moment: held by the database, on both of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from sim_cloud import SimCloud, Tenant

C = "/compute/v2.1"
I = "/image/v2/images"  # noqa: E741 - images
OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGGPsB1yPGp4Vd9kVdOJh8Fjx7Gm8vX3Jq0xZb5Y6Q1r"
ROUNDS = 6


def together(*calls: Callable[[], Any]) -> list[Any]:
    """What each gives, all begun at one moment."""
    gate, out = threading.Barrier(len(calls)), [None] * len(calls)

    def one(n: int) -> None:
        gate.wait(10)
        out[n] = calls[n]()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    return out


def codes(*calls: Callable[[], Any]) -> list[int]:
    return sorted(got.code for got in together(*calls))


def built(sim: SimCloud, who: Tenant) -> str:
    net, _ = sim.network(who)
    id = str(sim.server(who, sim.image()["id"], net["id"])["id"])
    assert sim.settled(who, id)["status"] == "ACTIVE"
    return id


def test_one_keypair_of_a_name_for_each_user(sim: SimCloud) -> None:
    alice = sim.tenant("alice")
    for n in range(ROUNDS):
        body = {"keypair": {"name": f"k{n}", "public_key": PUBLIC}}
        assert codes(*[lambda body=body: alice.ask("POST", f"{C}/os-keypairs", body)] * 2) == [200, 409]
    assert len(alice.get(f"{C}/os-keypairs")["keypairs"]) == ROUNDS


def test_one_flavor_of_an_id_and_of_a_name(sim: SimCloud) -> None:
    a = sim.admin

    def flavor(id: str, name: str) -> Callable[[], Any]:
        body = {"flavor": {"id": id, "name": name, "ram": 64, "vcpus": 1, "disk": 1}}
        return lambda: a.ask("POST", f"{C}/flavors", body)

    for n in range(ROUNDS):
        assert codes(flavor(f"i{n}", f"a{n}"), flavor(f"i{n}", f"b{n}")) == [200, 409]
        assert codes(flavor(f"x{n}", f"c{n}"), flavor(f"y{n}", f"c{n}")) == [200, 409]
    names = [f["name"] for f in a.get(f"{C}/flavors")["flavors"]]
    assert len(names) == len(set(names)) and len([n for n in names if n[0] in "abc" and len(n) == 2]) == 2 * ROUNDS


def test_tags_and_metadata_of_a_server_are_all_kept(sim: SimCloud) -> None:
    """Each adds one to a list that is written as a whole: neither writes over the other's."""
    alice = sim.tenant("alice")
    id = built(sim, alice)
    alice.version = "2.26"
    for n in range(ROUNDS):
        tags = [lambda t=f"{n}{x}": alice.ask("PUT", f"{C}/servers/{id}/tags/{t}") for x in "ab"]
        assert codes(*tags) == [201, 201]
        items = [
            lambda k=f"{n}{x}": alice.ask("POST", f"{C}/servers/{id}/metadata", {"metadata": {k: "v"}}) for x in "ab"
        ]
        assert codes(*items) == [200, 200]
    want = sorted(f"{n}{x}" for n in range(ROUNDS) for x in "ab")
    assert sorted(alice.get(f"{C}/servers/{id}/tags")["tags"]) == want
    assert sorted(alice.get(f"{C}/servers/{id}/metadata")["metadata"]) == want
    gone = [lambda t=t: alice.ask("DELETE", f"{C}/servers/{id}/tags/{t}") for t in want[:4]]
    assert codes(*gone) == [204] * 4
    assert sorted(alice.get(f"{C}/servers/{id}/tags")["tags"]) == want[4:]


def test_extra_specs_of_a_flavor_are_all_kept(sim: SimCloud) -> None:
    a = sim.admin
    a.post(f"{C}/flavors", {"flavor": {"id": "specs", "name": "specs", "ram": 64, "vcpus": 1, "disk": 1}})
    path = f"{C}/flavors/specs/os-extra_specs"
    for n in range(ROUNDS):
        both = [lambda k=f"hw:{n}{x}": a.ask("POST", path, {"extra_specs": {k: "1"}}) for x in "ab"]
        assert codes(*both) == [200, 200]
    assert len(a.get(path)["extra_specs"]) == 2 * ROUNDS


def test_one_verb_at_a_time_on_a_server(sim: SimCloud) -> None:
    alice = sim.tenant("alice")
    id = built(sim, alice)
    for verb, other in (("os-stop", "SHUTOFF"), ("os-start", "ACTIVE")):
        got = codes(*[lambda verb=verb: alice.ask("POST", f"{C}/servers/{id}/action", {verb: None})] * 2)
        assert got == [202, 409], got
        assert sim.settled(alice, id)["status"] == other


def test_instances_and_cores_are_never_more_than_the_quota(sim: SimCloud) -> None:
    alice = sim.tenant("alice")
    net, image = sim.network(alice)[0]["id"], sim.image()["id"]
    sim.admin.put(f"{C}/os-quota-sets/{alice.project}", {"quota_set": {"instances": 3, "cores": 100}})
    body = {"server": {"name": "vm", "imageRef": image, "flavorRef": "42", "networks": [{"uuid": net}]}}
    got = codes(*[lambda: alice.ask("POST", f"{C}/servers", body)] * 8)
    assert got == [202] * 3 + [403] * 5, got
    sim.admin.put(f"{C}/os-quota-sets/{alice.project}", {"quota_set": {"instances": 100, "cores": 4}})
    got = codes(*[lambda: alice.ask("POST", f"{C}/servers", body)] * 4)
    assert got == [202] + [403] * 3, got


def test_one_image_of_an_id_and_never_one_again(sim: SimCloud) -> None:
    alice, mallory = sim.tenant("alice"), sim.tenant("mallory")
    for n in range(ROUNDS):
        id = f"cccccccc-0000-4000-8000-{n:012d}"
        made = [lambda who=who, id=id: who.ask("POST", I, {"id": id}) for who in (alice, mallory)]
        assert codes(*made) == [201, 409]
        owner = alice if alice.ask("GET", f"{I}/{id}").code == 200 else mallory
        other = mallory if owner is alice else alice
        drop, take = (
            lambda owner=owner, id=id: owner.ask("DELETE", f"{I}/{id}"),
            lambda other=other, id=id: other.ask("POST", I, {"id": id}),
        )
        assert codes(drop, take) == [204, 409]


def test_tags_properties_and_members_of_an_image_are_all_kept(sim: SimCloud) -> None:
    alice = sim.tenant("alice")
    id = alice.post(I, {"visibility": "shared"})["id"]
    for n in range(ROUNDS):
        tags = [lambda t=f"{n}{x}": alice.ask("PUT", f"{I}/{id}/tags/{t}") for x in "ab"]
        assert codes(*tags) == [204, 204]
        steps = [json.dumps([{"op": "add", "path": f"/p{n}{x}", "value": "v"}]).encode() for x in "ab"]
        patches = [lambda s=s: alice.ask("PATCH", f"{I}/{id}", raw=s, headers=PATCH) for s in steps]
        assert codes(*patches) == [200, 200]
        body = {"member": f"project-{n}"}
        assert codes(*[lambda body=body: alice.ask("POST", f"{I}/{id}/members", body)] * 2) == [200, 409]
    image = alice.get(f"{I}/{id}")
    want = sorted(f"{n}{x}" for n in range(ROUNDS) for x in "ab")
    assert sorted(image["tags"]) == want and all(image[f"p{w}"] == "v" for w in want)
    for w in want:  # what lists look for is the same as what is shown
        assert [i["id"] for i in alice.get(f"{I}?tag={w}&p{w}=v")["images"]] == [id]
    assert len(alice.get(f"{I}/{id}/members")["members"]) == ROUNDS


def test_one_upload_claims_an_image(sim: SimCloud) -> None:
    alice = sim.tenant("alice")
    for n in range(ROUNDS):
        id = alice.post(I, {"disk_format": "raw", "container_format": "bare"})["id"]
        ways = [
            lambda d=d, id=id: alice.ask("PUT", f"{I}/{id}/file", raw=d * 70000, headers=OCTETS) for d in (b"a", b"b")
        ]
        got = together(*ways)
        assert sorted(g.code for g in got) == [204, 409], f"{n}: {[(g.code, g.text) for g in got]}"
        first = b"a" if got[0].code == 204 else b"b"
        data = alice.http.get(f"{I}/{id}/file", headers={"X-Auth-Token": alice.token}).content
        assert data == first * 70000
