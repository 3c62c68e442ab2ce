# SPDX-License-Identifier: Apache-2.0
"""Compute's stories."""

from __future__ import annotations

import base64

import pytest

from sim_cloud import SimCloud
from virga.protocol.guests import MetadataRequest
from virga.protocol.machines import AssignmentRequest
from virga.protocol.topics import ASSIGNMENT, METADATA
from virga.services.compute import metadata
from virga.services.compute.driver import Hypervisor
from virga.services.compute.drivers.fake import FailureRates


def test_life_of_a_server(sim: SimCloud) -> None:
    t = sim.tenant("vera")
    image = sim.image()
    net, _ = sim.network(t)
    made = sim.server(t, image["id"], net["id"], metadata={"a": "b"}, user_data=base64.b64encode(b"#!/bin/sh").decode())
    assert set(made) >= {"id", "links", "adminPass", "OS-DCF:diskConfig"}
    id = made["id"]
    s = sim.settled(t, id)
    assert s["status"] == "ACTIVE" and s["metadata"] == {"a": "b"}
    assert s["addresses"]["net"][0]["addr"] == "10.0.0.3"
    assert "OS-EXT-SRV-ATTR:host" not in s, "tenants do not see hosts"
    assert sim.admin.get(f"/compute/v2.1/servers/{id}")["server"]["OS-EXT-SRV-ATTR:host"]
    for verb, status in (
        ({"os-stop": None}, "SHUTOFF"),
        ({"os-start": None}, "ACTIVE"),
        ({"reboot": {"type": "SOFT"}}, "ACTIVE"),
        ({"reboot": {"type": "HARD"}}, "ACTIVE"),
    ):
        t.post(f"/compute/v2.1/servers/{id}/action", verb, 202)
        assert sim.settled(t, id)["status"] == status
    again = t.ask("POST", f"/compute/v2.1/servers/{id}/action", {"os-start": None})
    assert again.code == 409 and "vm_state active" in again.json["conflictingRequest"]["message"]
    log = [a["action"] for a in t.get(f"/compute/v2.1/servers/{id}/os-instance-actions")["instanceActions"]]
    assert log == ["reboot", "reboot", "start", "stop", "create"]
    out = t.post(f"/compute/v2.1/servers/{id}/action", {"os-getConsoleOutput": {"length": 1}})["output"]
    assert "boot finished" in out and out.count("\n") == 1
    t.delete(f"/compute/v2.1/servers/{id}", 204)
    assert sim.settled(t, id) is None
    assert [p for p in t.get("/network/v2.0/ports")["ports"] if p["device_owner"].startswith("compute")] == []


def test_no_valid_host_names_what_lacks(sim: SimCloud) -> None:
    a = sim.admin
    image, (net, _) = sim.image(), sim.network(a)
    a.post("/compute/v2.1/flavors", {"flavor": {"name": "huge", "id": "huge", "ram": 2**30, "vcpus": 1, "disk": 1}})
    a.put(f"/compute/v2.1/os-quota-sets/{a.project}", {"quota_set": {"ram": -1}})
    s = sim.settled(a, sim.server(a, image["id"], net["id"], flavorRef="huge")["id"])
    assert s["status"] == "ERROR"
    assert (
        "No valid host was found." in s["fault"]["message"] and "memory: 1073741824 MiB needed" in s["fault"]["message"]
    )
    services = a.get("/compute/v2.1/os-services")["services"]
    admin = sim.login("admin", "admin", "admin")
    admin.version = "2.53"
    id = admin.get("/compute/v2.1/os-services")["services"][0]["id"]
    admin.put(f"/compute/v2.1/os-services/{id}", {"status": "disabled", "disabled_reason": "new roof"})
    s = sim.settled(a, sim.server(a, image["id"], net["id"])["id"])
    assert "disabled (new roof)" in s["fault"]["details"] and services[0]["host"] in s["fault"]["details"]
    assert s["fault"]["message"] == "No valid host was found. disabled (1 of 1)."
    got = a.ask("POST", f"/compute/v2.1/servers/{s['id']}/action", {"os-start": None})
    assert got.code == 409 and "No valid host" in got.json["conflictingRequest"]["message"]
    a.delete(f"/compute/v2.1/servers/{s['id']}", 204)
    assert sim.settled(a, s["id"]) is None


def test_a_hypervisor_that_fails_says_so(sim: SimCloud) -> None:
    a = sim.admin
    sim.cloud.registry.use(FailureRates).set("compute.spawn", 1.0)
    image, (net, _) = sim.image(), sim.network(a)
    s = sim.settled(a, sim.server(a, image["id"], net["id"])["id"])
    assert s["status"] == "ERROR" and s["fault"]["message"] == "SimulatedFailure"
    assert "simulated failure at compute.spawn" in s["fault"]["details"], "the words are for administrators"
    assert [p for p in a.get("/network/v2.0/ports")["ports"] if p["device_owner"].startswith("compute")] == []
    assert sim.cloud.registry.use(Hypervisor).disks.there == {}, "nor is its disk left"  # type: ignore[attr-defined]


def test_the_empty_disk_counts(sim: SimCloud) -> None:
    """OS-FLV-EXT-DATA:ephemeral is a disk beside the root disk, and takes room on the host."""
    a = sim.admin
    a.post(
        "/compute/v2.1/flavors",
        {"flavor": {"name": "two", "id": "two", "ram": 64, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 5}},
    )
    image, (net, _) = sim.image(), sim.network(a)
    id = sim.server(a, image["id"], net["id"], flavorRef="two")["id"]
    assert sim.settled(a, id)["status"] == "ACTIVE"
    shown = a.get("/compute/v2.1/os-hypervisors/detail")["hypervisors"][0]
    assert shown["local_gb_used"] == 6
    answer = sim.cloud.local.link().call(ASSIGNMENT, AssignmentRequest(id))
    assert answer.machine is not None and answer.machine.ephemeral == 5


def test_quota_counts_what_is_there(sim: SimCloud) -> None:
    t = sim.tenant("quinn")
    image, (net, _) = sim.image(), sim.network(t)
    sim.admin.put(f"/compute/v2.1/os-quota-sets/{t.project}", {"quota_set": {"instances": 2}})
    body = {"name": "m", "imageRef": image["id"], "flavorRef": "42", "networks": [{"uuid": net["id"]}]}
    got = t.ask("POST", "/compute/v2.1/servers", {"server": body | {"min_count": 3}})
    assert got.code == 403 and "Requested 3, but already used 0 of 2 instances" in got.json["forbidden"]["message"]
    assert t.get("/compute/v2.1/servers")["servers"] == []
    t.post("/compute/v2.1/servers", {"server": body | {"min_count": 2}}, 202)
    assert t.ask("POST", "/compute/v2.1/servers", {"server": body}).code == 403
    assert t.get("/compute/v2.1/limits")["limits"]["absolute"]["totalInstancesUsed"] == 2


def test_strangers_and_ports(sim: SimCloud) -> None:
    anna, boris = sim.tenant("sanna"), sim.tenant("sboris")
    image, (net, _) = sim.image(), sim.network(anna)
    port = anna.post("/network/v2.0/ports", {"port": {"network_id": net["id"]}})["port"]
    body = {"name": "x", "imageRef": image["id"], "flavorRef": "42", "networks": [{"port": port["id"]}]}
    got = boris.ask("POST", "/compute/v2.1/servers", {"server": body})
    assert got.code == 400 and port["id"] in got.json["badRequest"]["message"]
    id = anna.post("/compute/v2.1/servers", {"server": body})["server"]["id"]
    assert sim.settled(anna, id)["status"] == "ACTIVE"
    assert boris.ask("GET", f"/compute/v2.1/servers/{id}").code == 404
    assert boris.ask("DELETE", f"/compute/v2.1/servers/{id}").code == 404
    assert boris.ask("POST", f"/compute/v2.1/servers/{id}/action", {"os-stop": None}).code == 404
    busy = anna.ask("POST", "/compute/v2.1/servers", {"server": body})
    assert busy.code == 409 and id in busy.json["conflictingRequest"]["message"]
    anna.delete(f"/compute/v2.1/servers/{id}", 204)
    assert sim.settled(anna, id) is None
    freed = anna.get(f"/network/v2.0/ports/{port['id']}")["port"]
    assert freed["device_id"] == "" and freed["fixed_ips"] == port["fixed_ips"], "the caller's own port survives"


def test_locked(sim: SimCloud) -> None:
    t = sim.tenant("lock")
    image, (net, _) = sim.image(), sim.network(t)
    id = sim.server(t, image["id"], net["id"])["id"]
    sim.settled(t, id)
    sim.admin.version = "2.73"
    sim.admin.post(f"/compute/v2.1/servers/{id}/action", {"lock": {"locked_reason": "audit"}}, 202)
    got = t.ask("DELETE", f"/compute/v2.1/servers/{id}")
    assert got.code == 409 and "audit" in got.json["conflictingRequest"]["message"]


VERSIONED = {
    "2.1": {"flavor": ["id", "links"]},
    "2.9": {"locked": None},
    "2.19": {"description": None},
    "2.26": {"tags": None},
    "2.73": {"locked_reason": None},
}


def test_microversions(sim: SimCloud) -> None:
    a = sim.admin
    image, (net, _) = sim.image(), sim.network(a)
    id = sim.server(a, image["id"], net["id"])["id"]
    sim.settled(a, id)
    for version in (
        "2.1",
        "2.3",
        "2.8",
        "2.9",
        "2.16",
        "2.19",
        "2.26",
        "2.46",
        "2.47",
        "2.63",
        "2.71",
        "2.73",
        "2.90",
        "2.96",
    ):
        a.version = version
        number = tuple(int(x) for x in version.split("."))
        s = a.get(f"/compute/v2.1/servers/{id}")["server"]
        for field, since in (
            ("locked", (2, 9)),
            ("description", (2, 19)),
            ("tags", (2, 26)),
            ("locked_reason", (2, 73)),
            ("host_status", (2, 16)),
            ("server_groups", (2, 71)),
        ):
            assert (field in s) == (number >= since), f"{field} at {version}"
        assert ("original_name" in s["flavor"]) == (number >= (2, 47))
    a.version = "2.97"
    got = a.ask("GET", "/compute/v2.1/servers")
    assert got.code == 406 and "2.96" in got.text
    a.version = "2.x"
    assert a.ask("GET", "/compute/v2.1/servers").code == 400
    a.version = "2.36"
    assert a.ask(
        "POST",
        "/compute/v2.1/servers",
        {"server": {"name": "x", "imageRef": image["id"], "flavorRef": "42", "networks": "auto"}},
    ).code in {202, 409}


def test_lists_say_what_show_says(sim: SimCloud) -> None:
    """Lists read narrow rows: what they print is what the single reads print, on each database; tags choose across pages."""
    a = sim.admin
    image, (net, _) = sim.image(), sim.network(a)
    ids = [sim.server(a, image["id"], net["id"], name=f"s{n}", metadata={"n": str(n)})["id"] for n in range(3)]
    for id in ids:
        sim.settled(a, id)
    a.version = "2.96"
    for id, tags in zip(ids, (["red"], ["red", "blue"], []), strict=True):
        a.put(f"/compute/v2.1/servers/{id}/tags", {"tags": tags})
    for version in ("2.1", "2.46", "2.96"):
        a.version = version
        for listed in a.get("/compute/v2.1/servers/detail")["servers"]:
            single = a.get(f"/compute/v2.1/servers/{listed['id']}")["server"]
            assert listed == {k: v for k, v in single.items() if k != "server_groups"}
    for query, names in {
        "tags=red": {"s0", "s1"},
        "tags=red,blue": {"s1"},
        "tags-any=blue,green": {"s1"},
        "not-tags=red": {"s2"},
        "not-tags=red,blue": {"s0", "s2"},
        "not-tags-any=blue": {"s0", "s2"},
        "tags=red&not-tags=blue": {"s0"},
        "tags=r%25": set(),
    }.items():
        assert {s["name"] for s in a.get(f"/compute/v2.1/servers?{query}")["servers"]} == names, query
    page = a.get("/compute/v2.1/servers?tags=red&limit=1&sort_key=display_name&sort_dir=asc")
    assert [s["name"] for s in page["servers"]] == ["s0"] and page["servers_links"], (
        "the filter comes before the page is cut"
    )
    ports = a.get("/network/v2.0/ports?device_owner=compute:nova")["ports"]
    assert len(ports) == 3
    a.put(f"/network/v2.0/ports/{ports[0]['id']}", {"port": {"allowed_address_pairs": [{"ip_address": "10.9.9.9"}]}})
    a.put(f"/network/v2.0/ports/{ports[0]['id']}/tags/x", None, 201)
    for listed in a.get("/network/v2.0/ports")["ports"]:
        assert listed == a.get(f"/network/v2.0/ports/{listed['id']}")["port"]
    assert [p["id"] for p in a.get("/network/v2.0/ports?tags=x&limit=1")["ports"]] == [ports[0]["id"]]
    assert ports[0]["id"] not in {p["id"] for p in a.get("/network/v2.0/ports?not-tags=x")["ports"]}


def test_answers_name_the_version_they_speak(shared: SimCloud) -> None:
    a = shared.login("admin", "admin", "admin")
    for path, requested, spoken in (
        ("/compute/v2.1/flavors", "2.60", "2.60"),
        ("/compute/v2.1/flavors", None, "2.1"),
        ("/compute/v2/flavors", "2.60", "2.1"),
    ):
        a.version = requested
        got = a.ask("GET", path)
        assert (
            got.headers["openstack-api-version"] == f"compute {spoken}"
            and got.headers["x-openstack-nova-api-version"] == spoken
        )


def test_list_filters(shared: SimCloud) -> None:
    t = shared.tenant("lister")
    image, (net, _) = shared.image(), shared.network(t)
    ids = [shared.server(t, image["id"], net["id"], name=n)["id"] for n in ("web-1", "web-2", "db")]
    for id in ids:
        shared.settled(t, id)
    assert {s["name"] for s in t.get("/compute/v2.1/servers?name=web")["servers"]} == {"web-1", "web-2"}
    assert {s["name"] for s in t.get("/compute/v2.1/servers?name=^db$")["servers"]} == {"db"}
    assert t.get("/compute/v2.1/servers?name=%25")["servers"] == [], "a wildcard is a character"
    assert len(t.get("/compute/v2.1/servers/detail?status=ACTIVE")["servers"]) == 3
    page = t.get("/compute/v2.1/servers?limit=2&sort_key=display_name&sort_dir=asc")
    assert [s["name"] for s in page["servers"]] == ["db", "web-1"]
    rest = t.get(page["servers_links"][0]["href"].removeprefix("http://127.0.0.1:8700"))
    assert [s["name"] for s in rest["servers"]] == ["web-2"]
    assert t.ask("GET", "/compute/v2.1/servers?all_tenants=1").code == 403
    assert t.ask("GET", f"/compute/v2.1/{t.project}/servers").code == 200, "the project may stand in the path"
    other = t.ask("GET", f"/compute/v2.1/{'0' * 32}/servers")
    assert other.code == 400 and f"'{t.project}'" in other.text, "another project's is not one's own"


def test_keypairs(shared: SimCloud) -> None:
    t = shared.tenant("keys")
    made = t.post("/compute/v2.1/os-keypairs", {"keypair": {"name": "gen"}})["keypair"]
    assert made["private_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert len(made["fingerprint"].split(":")) == 16
    again = t.post("/compute/v2.1/os-keypairs", {"keypair": {"name": "imp", "public_key": made["public_key"]}})[
        "keypair"
    ]
    assert again["fingerprint"] == made["fingerprint"] and "private_key" not in again
    for bad in (
        "ssh-rsa AAAA",
        "nonsense",
        "ssh-ed25519 " + "A" * 90,
        made["public_key"].replace("ssh-ed25519", "ssh-rsa"),
    ):
        assert t.ask("POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "bad", "public_key": bad}}).code == 400
    t.version = "2.92"
    assert t.ask("POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "no"}}).code == 400
    t.delete("/compute/v2.1/os-keypairs/gen", 204)


def test_one_extra_spec(shared: SimCloud) -> None:
    a, t = shared.admin, shared.tenant("specs")
    specs = "/compute/v2.1/flavors/one-spec/os-extra_specs"
    a.post(
        "/compute/v2.1/flavors", {"flavor": {"id": "one-spec", "name": "one-spec", "ram": 64, "vcpus": 1, "disk": 1}}
    )
    assert a.put(f"{specs}/quota:vif", {"quota:vif": "1"}, 200) == {"quota:vif": "1"}
    assert a.put(f"{specs}/quota:vif", {"quota:vif": 2}, 200) == {"quota:vif": 2}, "what was sent comes back"
    a.put(f"{specs}/other", {"other": "x"}, 200)
    assert a.get(specs)["extra_specs"] == {"quota:vif": "2", "other": "x"}
    assert a.get(f"{specs}/other") == {"other": "x"}
    for key, body in (
        ("other", {"quota:vif": "1"}),
        ("other", {"other": "1", "quota:vif": "1"}),
        ("other", {}),
        ("other", {"other": None}),
        ("other", {"other": True}),
        ("other", {"other": ["x"]}),
        ("other", {"other": "x" * 256}),
        ("o%24her", {"o$her": "x"}),
        ("x" * 256, {"x" * 256: "x"}),
        ("other", {"extra_specs": {"other": "1"}}),
        ("other", []),
    ):
        assert a.ask("PUT", f"{specs}/{key}", body).code == 400, (key, body)
    assert t.ask("PUT", f"{specs}/other", {"other": "x"}).code == 403
    gone = a.ask("PUT", "/compute/v2.1/flavors/nowhere/os-extra_specs/other", {"other": "x"})
    assert gone.code == 404 and "nowhere" in gone.text
    a.delete(f"{specs}/other", 200)
    for verb, body in (("GET", None), ("DELETE", None)):
        assert a.ask(verb, f"{specs}/other", body).code == 404
    assert a.get(specs)["extra_specs"] == {"quota:vif": "2"}


def test_metadata_documents(sim: SimCloud) -> None:
    t = sim.tenant("meta")
    image, (net, _) = sim.image(), sim.network(t)
    id = sim.server(
        t,
        image["id"],
        net["id"],
        name="Some Name!",
        user_data=base64.b64encode(b"\x00\xffdata").decode(),
        metadata={"role": "web"},
    )["id"]
    sim.settled(t, id)

    def ask(path: str, ip: str = "10.0.0.3", network: str = net["id"]) -> tuple[int, bytes]:
        answer = sim.cloud.local.link().call(METADATA, MetadataRequest(network, ip, path))
        return answer.status, answer.body

    import json

    code, body = ask("/openstack/latest/meta_data.json")
    doc = json.loads(body)
    assert code == 200 and doc["uuid"] == id and doc["hostname"] == "some-name" and doc["meta"] == {"role": "web"}
    assert ask("/openstack/latest/user_data") == (200, b"\x00\xffdata") == ask("/latest/user-data")
    assert ask("/latest/meta-data/local-ipv4") == (200, b"10.0.0.3")
    assert b"placement/" in ask("/latest/meta-data/")[1]
    assert ask("/openstack/latest/network_data.json")[0] == 200
    assert ask("/openstack/latest/meta_data.json", ip="10.0.0.99")[0] == 404
    assert ask("/../../etc/passwd")[0] == 404
    assert ask("/")[0] == 200
    assert "latest" in metadata.VERSIONS


@pytest.mark.parametrize("name", ["compute.spawn", "compute.stop"])
def test_dial_reads_percent(name: str, sim: SimCloud) -> None:
    failure_rates = sim.cloud.registry.use(FailureRates)
    with pytest.raises(ValueError, match="between"):
        failure_rates.set(name, 2.0)
