# SPDX-License-Identifier: Apache-2.0
"""What an attacker found in compute and images, on each database where it is about rows."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant, make
from virga.authority.language import parse
from virga.authority.rules import Facts
from virga.client import wait
from virga.ground.act import Actor
from virga.ground.errors import Invalid, Unavailable
from virga.protocol.guests import MetadataRequest
from virga.protocol.machines import AssignmentRequest
from virga.protocol.topics import ASSIGNMENT, METADATA
from virga.services.images import names as image_names
from virga.services.images import transfers
from virga.services.images.driver import Stores
from virga.services.images.fetch import Guard
from virga.services.images.names import Names
from virga.services.images.settings import Images
from virga.services.network import store as network_store

I = "/image/v2/images"  # noqa: E741 - images
V1 = "/image/v1/images"
S = "/compute/v2.1/servers"
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


# -- H3: ports of others on a server ---------------------------------------------------------------------------------


def intrude(sim: SimCloud, mallory: Tenant, server: str) -> tuple[dict[str, Any], str]:
    """A port of mallory's, on her network, that calls itself the server's; and its address."""
    net, _ = sim.network(mallory, "10.2.0.0/24", "evil")
    group = mallory.post("/network/v2.0/security-groups", {"security_group": {"name": "evil"}})["security_group"]
    port = mallory.post("/network/v2.0/ports", {"port": {"network_id": net["id"], "security_groups": [group["id"]]}})[
        "port"
    ]
    with sim.cloud.db.write() as tx:  # whatever the network API lets through
        network_store.PORTS.put(tx, port["id"], device_id=server, device_owner="compute:nova")
    return port, port["fixed_ips"][0]["ip_address"]


def test_h3_a_port_of_another_project_is_no_card_of_a_server(sim: SimCloud) -> None:
    alice, mallory = sim.tenant("alice"), sim.tenant("mallory")
    net, _ = sim.network(alice)
    secret = base64.b64encode(b"alice's secret").decode()
    id = sim.server(alice, sim.image()["id"], net["id"], user_data=secret, config_drive=True)["id"]
    before = sim.settled(alice, id)
    port, ip = intrude(sim, mallory, id)
    after = sim.settled(alice, id)
    assert after["addresses"] == before["addresses"] and after["security_groups"] == before["security_groups"]
    assert [s["addresses"] for s in alice.get(f"{S}/detail")["servers"]] == [before["addresses"]]
    assert alice.get(f"{S}?ip={ip}")["servers"] == []
    assert list(alice.get(f"{S}/{id}/ips")["addresses"]) == ["net"]
    assert port["id"] not in [i["port_id"] for i in alice.get(f"{S}/{id}/os-interface")["interfaceAttachments"]]
    assert "evil" not in json.dumps(alice.get(f"{S}/{id}/os-security-groups"))


def test_h3_a_port_of_another_project_joins_no_machine_and_reads_no_metadata(sim: SimCloud) -> None:
    alice, mallory = sim.tenant("alice"), sim.tenant("mallory")
    net, _ = sim.network(alice)
    secret = base64.b64encode(b"alice's secret").decode()
    id = sim.server(alice, sim.image()["id"], net["id"], user_data=secret, config_drive=True)["id"]
    s = sim.settled(alice, id)
    port, ip = intrude(sim, mallory, id)
    link = sim.cloud.local.link()
    machine = link.call(ASSIGNMENT, AssignmentRequest(id)).machine
    assert machine is not None and [nic.network_id for nic in machine.nics] == [net["id"]]
    assert port["mac_address"] not in json.dumps(machine.files)
    for path in ("/openstack/latest/user_data", "/openstack/latest/meta_data.json", "/2009-04-04/user-data"):
        answer = link.call(METADATA, MetadataRequest(port["network_id"], ip, path))
        assert answer.status == 404 and b"alice" not in answer.body
    own = s["addresses"]["net"][0]["addr"]
    answer = link.call(METADATA, MetadataRequest(net["id"], own, "/openstack/latest/network_data.json"))
    assert answer.status == 200 and port["mac_address"].encode() not in answer.body


# -- H6: names that do not answer ------------------------------------------------------------------------------------


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Name servers that never answer; the threads that asked them."""
    requested: list[str] = []
    end, real = threading.Event(), socket.getaddrinfo

    def never(host: Any, *args: Any, **more: Any) -> Any:
        if str(host).endswith(".example"):
            if more.get("flags", 0) & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "no address")
            requested.append(threading.current_thread().name)
            end.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", never)
    yield requested
    end.set()


def test_h6_no_request_waits_for_a_name_server(silent: list[str]) -> None:
    """Imports, locations, copies and locations of v1: each is answered at once, whatever its host's name servers do."""
    cloud = make(**{"images.stores": ["files=memory:", "web=http:"], "images.show_locations": True})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        mallory, victim = sim.tenant("mallory"), sim.tenant("victim")
        began = time.monotonic()
        url = "http://slow{}.example/x"
        for n in range(6):
            id = mallory.post(I, {"disk_format": "raw", "container_format": "bare"})["id"]
            body: Any = {"method": {"name": "web-download", "uri": url.format(n)}}
            assert mallory.ask("POST", f"{I}/{id}/import", body).code == 202
            id = mallory.post(I, {"disk_format": "raw", "container_format": "bare"})["id"]
            got = mallory.ask("POST", f"{I}/{id}/locations", {"url": url.format(f"l{n}")})
            assert got.code in {202, 403}, got.text
            id = mallory.post(I, {"disk_format": "raw", "container_format": "bare"})["id"]
            step = [{"op": "add", "path": "/locations/-", "value": {"url": url.format(f"p{n}"), "metadata": {}}}]
            assert mallory.ask("PATCH", f"{I}/{id}", raw=json.dumps(step).encode(), headers=PATCH).code < 500
            for header in ("x-image-meta-location", "x-glance-api-copy-from"):
                sent = {"x-image-meta-name": "v", header: url.format(f"v{n}")}
                sent |= {"x-image-meta-disk-format": "raw", "x-image-meta-container-format": "bare"}
                assert mallory.ask("POST", V1, raw=b"", headers=sent).code in {201, 403}
        assert victim.get(I)["images"] == []
        assert time.monotonic() - began < 8
        assert wait(lambda: bool(silent), 10), "the saga never looked"
        assert set(silent) == {"names"}, "a name was looked up by a thread that others wait for"
    finally:
        image_names.NAMES.seconds, before = 0.2, image_names.NAMES.seconds
        cloud.stop()
        image_names.NAMES.seconds = before


def test_h6_names_are_looked_up_in_one_place_only() -> None:
    """The class: nothing else in images asks a name server for a host that a tenant chose."""
    folder = Path(image_names.__file__).parent
    for path in folder.rglob("*.py"):
        text = path.read_text()
        asks = any(word in text for word in ("getaddrinfo", "gethostby", "create_connection((host"))
        assert not asks or path.name == "names.py", path
    for path in (folder / "actions").rglob("*.py"):
        assert ".look(url" not in path.read_text() and "NAMES" not in path.read_text(), path
    assert ".look(" not in (folder / "v1/actions.py").read_text()


def test_h6_hanging_names_are_in_the_way_of_who_named_them_alone() -> None:
    end = threading.Event()

    def lookup(host: str, port: int) -> list[str]:
        if host.startswith("slow"):
            end.wait(20)
        return ["93.184.216.34"]

    names = Names(lookup, most=8, each=2, seconds=0.3)
    failures: list[Exception] = []

    def hang() -> None:
        try:
            names.addresses("slow.example", 80, "mallory")
        except Unavailable as e:
            failures.append(e)

    threads = [threading.Thread(target=hang) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(5)
    assert len(failures) == 12, "who asks waits no longer than the limit"
    began = time.monotonic()
    assert names.addresses("good.example", 80, "alice") == ["93.184.216.34"]
    assert time.monotonic() - began < 0.2
    with pytest.raises(Unavailable, match="looked up"):
        names.addresses("good.example", 80, "mallory")
    end.set()
    assert wait(lambda: names._busy.total() == 0, 5)
    assert names.addresses("good.example", 80, "mallory") == ["93.184.216.34"]


def test_h6_what_is_written_out_is_judged_at_once() -> None:
    guard = Guard(Images())
    for host in ("127.0.0.1", "127.1.", "0x7f000001", "2130706433", "localhost", "a.LOCALHOST.", "[::1]", "a" * 254):
        with pytest.raises(Invalid, match="filtering"):
            guard.read(f"http://{host}/x")
    assert guard.read("http://mirror.example/x").host == "mirror.example"


def test_h6_slow_servers_of_one_project_leave_porters_for_others() -> None:
    """The class, one step further: what a saga fetches for one project takes its share of the porters and no more."""
    p, end = transfers.ImageTransfers(), threading.Event()
    p.start()
    try:
        for n in range(10):
            with pytest.raises(transfers.Again):
                p.ensure(f"m{n}", lambda progress: end.wait(20), whose="mallory")
        assert len(p._work) == transfers.EACH < transfers.WORKERS

        def ready() -> bool:
            try:
                return bool(p.ensure("a", lambda progress: True, whose="alice"))
            except transfers.Again:
                return False

        assert wait(ready, 5)
        assert p.cancel("m9")
    finally:
        end.set()
        p.stop()
    assert p._busy.total() == 0


def test_h6_bytes_on_the_web_are_read_by_threads_of_their_own(silent: list[str]) -> None:
    cloud = make(**{"images.stores": ["files=memory:", "web=http:"]})
    stores = cloud.registry.use(Stores)
    assert stores.reading(["files"]) is stores.threads
    assert stores.reading(["files", "web"]) is stores.far
    cloud.db.close()


# -- M7: addresses on networks of others -----------------------------------------------------------------------------


def test_m7_a_server_chooses_no_address_on_a_network_that_is_shared(sim: SimCloud) -> None:
    net, _ = sim.network(sim.admin, "10.5.0.0/24", "all")
    sim.admin.put(f"/network/v2.0/networks/{net['id']}", {"network": {"shared": True}})
    alice, image = sim.tenant("alice"), sim.image()["id"]
    requested = {"name": "vm", "imageRef": image, "flavorRef": "42"}
    port = {"network_id": net["id"], "fixed_ips": [{"ip_address": "10.5.0.77"}]}
    assert alice.ask("POST", "/network/v2.0/ports", {"port": port}).code == 403
    got = alice.ask("POST", S, {"server": requested | {"networks": [{"uuid": net["id"], "fixed_ip": "10.5.0.77"}]}})
    assert got.code == 403 and "create_port:fixed_ips" in got.text, got.text
    assert alice.get(S)["servers"] == []
    assert alice.ask("POST", S, {"server": requested | {"networks": [{"uuid": net["id"]}]}}).code == 202
    mine, _ = sim.network(alice)
    got = alice.ask("POST", S, {"server": requested | {"networks": [{"uuid": mine["id"], "fixed_ip": "10.0.0.77"}]}})
    assert got.code == 202, got.text


# -- M8, M9, L6: images ----------------------------------------------------------------------------------------------


def test_m8_v1_says_nothing_in_the_members_place(sim: SimCloud) -> None:
    alice, mallory = sim.tenant("alice"), sim.tenant("mallory")
    id = sim.image(mallory, name="debian-12", visibility="shared")["id"]
    assert mallory.ask("PUT", f"{V1}/{id}/members/{alice.project}", raw=b"").code == 204
    assert alice.get(f"{I}/{id}/members/{alice.project}")["status"] == "pending"
    assert alice.get(I)["images"] == []
    alice.put(f"{I}/{id}/members/{alice.project}", {"status": "rejected"})
    assert mallory.ask("PUT", f"{V1}/{id}/members/{alice.project}", raw=b"").code == 204
    assert alice.get(f"{I}/{id}/members/{alice.project}")["status"] == "rejected"
    assert alice.get(I)["images"] == []


def test_m9_the_id_of_a_deleted_image_stays_taken(sim: SimCloud) -> None:
    """OSSN-0075; by the owner too, in any case of the letters, by both APIs."""
    alice, mallory = sim.tenant("alice"), sim.tenant("mallory")
    id = "aaaaaaaa-1111-4000-8000-00000000000a"
    sim.image(alice, id=id, visibility="community")
    alice.delete(f"{I}/{id}", 204)
    for who in (mallory, alice, sim.admin):
        for again in (id, id.upper()):
            got = who.ask("POST", I, {"id": again, "visibility": "community"})
            assert got.code == 409 and "already exists" in got.text, got.text
        got = who.ask("POST", V1, raw=b"", headers={"x-image-meta-id": id, "x-image-meta-name": "again"})
        assert got.code == 409, got.text
    assert sim.admin.ask("GET", f"{I}/{id}").code == 404


def test_m9_ids_of_snapshots_and_of_uploads_that_failed_stay_taken(sim: SimCloud) -> None:
    alice = sim.tenant("alice")
    id = "bbbbbbbb-1111-4000-8000-00000000000b"
    sent = {"x-image-meta-id": id, "x-image-meta-name": "n", "x-image-meta-checksum": "0" * 32}
    sent |= {"x-image-meta-disk-format": "raw", "x-image-meta-container-format": "bare"}
    sent |= {"Content-Type": "application/octet-stream"}
    assert alice.ask("POST", V1, raw=b"x" * 100, headers=sent).code == 400
    assert alice.ask("GET", f"{I}/{id}").code == 404
    assert alice.ask("POST", I, {"id": id}).code == 409


def test_l6_no_property_stands_for_a_fact() -> None:
    """The class, in the language that all services share: what a tenant may call as it likes is looked at last, and never for a name
    that is a fact's."""
    actor = Actor("u", "u", "d", frozenset({"member"}), project_id="mallory")
    chosen = dict.fromkeys(("project_id", "tenant_id", "owner", "target.project.id", "target.x"), "mallory")
    chosen |= {"user_id": "u", "domain_id": "d", "visibility": "mine", "team": "mallory"}
    facts = Facts("alice", more={"visibility": "private"}, chosen=chosen)
    for text in (
        "project_id:%(project_id)s",
        "project_id:%(tenant_id)s",
        "project_id:%(owner)s",
        "project_id:%(target.project.id)s",
        "project_id:%(target.x)s",
        "user_id:%(user_id)s",
        "'mine':%(visibility)s",
    ):
        assert not parse(text, {}).holds(actor, facts), text
    assert parse("project_id:%(team)s", {}).holds(actor, facts)
    assert parse("project_id:%(project_id)s", {}).holds(Actor("a", "a", "d", project_id="alice"), facts)


def test_l6_an_images_property_gives_it_no_other_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    (tmp_path / "policy.yaml").write_text(
        '"modify_image": "project_id:%(project_id)s"\n"delete_image": "user_id:%(user_id)s"\n'
    )
    cloud = make(state=tmp_path)
    cloud.start()
    try:
        sim = SimCloud(cloud)
        sim.cloud.loops.once("identity.follow")
        alice, mallory = sim.tenant("alice"), sim.tenant("mallory")
        more = {"project_id": mallory.project, "user_id": mallory.user, "tenant_id": mallory.project}
        id = alice.post(I, {"visibility": "community"} | more)["id"]
        step = json.dumps([{"op": "add", "path": "/color", "value": "blue"}]).encode()
        assert alice.ask("PATCH", f"{I}/{id}", raw=step, headers=PATCH).code == 200
        assert mallory.ask("PATCH", f"{I}/{id}", raw=step, headers=PATCH).code == 403
        assert mallory.ask("DELETE", f"{I}/{id}").code == 403
    finally:
        cloud.stop()


# -- L2: filters longer than anything is ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [I, V1])
def test_l2_more_tags_and_properties_than_an_image_has(sim: SimCloud, path: str) -> None:
    alice = sim.tenant("alice")
    prefix = "" if path == I else "property-"
    for query in ("&".join(f"tag=t{n}" for n in range(900)), "&".join(f"{prefix}p{n}=x" for n in range(900))):
        got = alice.ask("GET", f"{path}?{query}")
        if path == V1 and query.startswith("tag"):
            assert got.code in {200, 400}  # v1 has no tags
        else:
            assert got.code == 400, f"{got.code} {got.text[:200]}"
    few = "&".join(f"tag=t{n}" for n in range(50)) + "&" + "&".join(f"{prefix}p{n}=x" for n in range(50))
    assert alice.get(f"{path}?{few}")["images"] == []


# -- L3: whose lock --------------------------------------------------------------------------------------------------


def test_l3_an_administrators_lock_is_not_the_owners_to_undo(sim: SimCloud) -> None:
    alice = sim.tenant("alice")
    net, _ = sim.network(alice)
    id = sim.server(alice, sim.image()["id"], net["id"])["id"]
    sim.settled(alice, id)
    act = f"{S}/{id}/action"
    for who in (alice, sim.admin):
        alice.post(act, {"lock": None}, 202)  # its owner's lock: the owner's to undo
        who.post(act, {"unlock": None}, 202)
    alice.version = sim.admin.version = "2.73"
    sim.admin.post(act, {"lock": {"locked_reason": "evidence"}}, 202)
    got = alice.ask("POST", act, {"unlock": None})
    assert got.code == 403 and "unlock_override" in got.text, got.text
    alice.post(act, {"lock": {"locked_reason": "mine"}}, 202)  # says nothing new
    got = alice.ask("POST", act, {"unlock": None})
    assert got.code == 403, "locking it again made it the owner's lock"
    assert alice.get(f"{S}/{id}")["server"]["locked_reason"] == "evidence"
    assert alice.ask("DELETE", f"{S}/{id}").code == 409
    sim.admin.post(act, {"unlock": None}, 202)
    assert alice.get(f"{S}/{id}")["server"]["locked"] is False
    alice.delete(f"{S}/{id}", 204)
