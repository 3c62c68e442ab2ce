# SPDX-License-Identifier: Apache-2.0
"""What compute answers for its neighbours until microversion 2.35, and what old clients write into paths."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sim_cloud import SimCloud, make

C = "/compute/v2.1"
ABSENT = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def place() -> Iterator[SimCloud]:
    cloud = make()
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


def test_things_of_others_are_not_there(place: SimCloud) -> None:
    """A foreign group, rule, address or network reads as one that does not exist, at every proxy that takes its id."""
    alice, mallory = place.tenant("alice-p"), place.tenant("mallory-p")
    group = alice.post(f"{C}/os-security-groups", {"security_group": {"name": "g", "description": "d"}}, 200)
    theirs = group["security_group"]["id"]
    own = mallory.post(f"{C}/os-security-groups", {"security_group": {"name": "m", "description": ""}}, 200)
    mine = own["security_group"]["id"]
    rule = {"parent_group_id": theirs, "ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0"}
    made = alice.post(f"{C}/os-security-group-rules", {"security_group_rule": rule}, 200)["security_group_rule"]
    assert made["ip_range"] == {"cidr": "0.0.0.0/0"} and made["group"] == {} and made["parent_group_id"] == theirs
    fip = alice.post(f"{C}/os-floating-ips", {"pool": None}, 200)["floating_ip"]
    net = alice.post("/network/v2.0/networks", {"network": {"name": "n"}})["network"]["id"]
    body = {"security_group": {"name": "x", "description": "x"}}
    requested = [
        ("GET", "os-security-groups/{}", theirs, None),
        ("PUT", "os-security-groups/{}", theirs, body),
        ("DELETE", "os-security-groups/{}", theirs, None),
        ("DELETE", "os-security-group-rules/{}", made["id"], None),
        ("GET", "os-floating-ips/{}", fip["id"], None),
        ("DELETE", "os-floating-ips/{}", fip["id"], None),
        ("GET", "os-networks/{}", net, None),
        ("GET", "os-tenant-networks/{}", net, None),
    ]
    for method, path, id, sent in requested:
        foreign = mallory.ask(method, f"{C}/{path.format(id)}", sent)
        absent = mallory.ask(method, f"{C}/{path.format(ABSENT)}", sent)
        assert foreign.code == 404, (method, path, foreign.text)
        assert foreign.text.replace(id, ABSENT) == absent.text, (method, path)
    for field, id in (("parent_group_id", theirs), ("group_id", theirs)):
        words = {"parent_group_id": mine, "ip_protocol": "tcp", "from_port": 1, "to_port": 2}
        got = [
            mallory.ask("POST", f"{C}/os-security-group-rules", {"security_group_rule": words | {field: value}})
            for value in (id, ABSENT)
        ]
        assert got[0].code == 404 and got[0].text.replace(id, ABSENT) == got[1].text, (field, got)
    listed = mallory.get(f"{C}/os-security-groups")["security_groups"]
    assert {g["name"] for g in listed} == {"default", "m"}
    assert mallory.get(f"{C}/os-security-groups?all_tenants=1")["security_groups"] == listed
    assert mallory.get(f"{C}/os-floating-ips")["floating_ips"] == []
    assert net not in str(mallory.get(f"{C}/os-networks"))
    assert alice.get(f"{C}/os-security-groups/{theirs}")["security_group"]["rules"] == [made]


def test_the_proxies_end_with_their_microversion(place: SimCloud) -> None:
    who = place.tenant("now")
    for path in (
        "images",
        "images/detail",
        "os-networks",
        "os-floating-ips",
        "os-floating-ip-pools",
        "os-security-groups",
    ):
        assert who.ask("GET", f"{C}/{path}", headers={"OpenStack-API-Version": "compute 2.35"}).code == 200, path
        assert who.ask("GET", f"{C}/{path}", headers={"OpenStack-API-Version": "compute 2.36"}).code == 404, path


def test_paths_as_old_clients_write_them(place: SimCloud) -> None:
    who = place.tenant("old-paths")
    net = who.post("/network/v2.0/networks.json", {"network": {"name": "n", "admin_state_up": "True"}})["network"]["id"]
    assert who.get(f"/network/v2.0/networks/{net}.json")["network"]["id"] == net
    assert net in str(who.get("/network/v2.0/networks.json?name=n"))
    assert who.get("/network/v2.0/quotas/tenant.json") == {"tenant": {"tenant_id": who.project}}
    assert who.ask("GET", "/network/v2.0/quotas").code == 403, "the list is of all projects"
    assert isinstance(place.admin.get("/network/v2.0/quotas.json")["quotas"], list)
    who.ask("PUT", f"/network/v2.0/networks/{net}/tags/x.json")
    assert who.get(f"/network/v2.0/networks/{net}/tags")["tags"] == ["x.json"], "a tag keeps its name"
    for version in ("v1.1", "v2", "v2.1"):
        assert who.get(f"/compute/{version}/{who.project}/servers")["servers"] == []
    assert who.get("/v1/images")["images"] == []
    assert who.ask("GET", "/v1/servers").code == 404, "nothing else lies at the root"
