# SPDX-License-Identifier: Apache-2.0
"""Images of servers: createImage and createBackup, as Nova's clients know them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from disks import qcow2
from signatures import properties, trusting
from sim_cloud import SimCloud, Tenant
from virga.client import wait
from virga.protocol.machines import AssignmentRequest
from virga.protocol.topics import ASSIGNMENT
from virga.services.compute.driver import Hypervisor
from virga.services.compute.drivers.fake import FailureRates
from virga.services.images.driver import Stores


def made(sim: SimCloud, who: Tenant, image: str | None = None, **more: Any) -> str:
    """A server that runs; its id."""
    image = image or sim.image(who, min_ram=64, hw_disk_bus="scsi", os_distro="debian")["id"]
    nets = who.get("/network/v2.0/networks?name=net")["networks"]
    net = nets[0]["id"] if nets else sim.network(who)[0]["id"]
    id = str(sim.server(who, image, net, **more)["id"])
    assert sim.settled(who, id)["status"] == "ACTIVE"
    return id


def act(who: Tenant, id: str, **action: Any) -> Any:
    return who.ask("POST", f"/compute/v2.1/servers/{id}/action", action)


def active(who: Tenant, id: str) -> Any:
    assert wait(lambda: who.get(f"/image/v2/images/{id}")["status"] == "active", 20), who.get(f"/image/v2/images/{id}")
    return who.get(f"/image/v2/images/{id}")


def test_create_image(sim: SimCloud) -> None:
    t = sim.tenant("vera")
    base = sim.image(t, min_ram=64, hw_disk_bus="scsi", os_distro="debian", cache_in_nova="yes")
    id = made(sim, t, base["id"])
    got = act(t, id, createImage={"name": "golden", "metadata": {"colour": "blue", "image_type": "snapshot"}})
    assert got.code == 202 and got.text == ""
    image_id = got.headers["location"].rpartition("/")[2]
    assert got.headers["location"].endswith(f"/images/{image_id}")
    image = active(t, image_id)
    assert (image["name"], image["visibility"], image["owner"]) == ("golden", "private", t.project)
    expected = {
        "base_image_ref": base["id"],
        "image_type": "snapshot",
        "instance_uuid": id,
        "user_id": t.user,
        "owner_id": t.project,
        "colour": "blue",
        "hw_disk_bus": "scsi",
        "os_distro": "debian",
        "boot_roles": "member,reader",
        "owner_user_name": "vera",
        "owner_project_name": "vera-project",
        "image_location": "snapshot",
        "image_state": "available",
    }
    assert {k: image.get(k) for k in expected} == expected
    assert "cache_in_nova" not in image and image["min_ram"] == 64 and image["min_disk"] == 1
    assert image["container_format"] == "bare" and image["size"] > 0 and image["os_hash_value"]
    s = sim.settled(t, id)
    assert s["status"] == "ACTIVE"
    (log, *_) = t.get(f"/compute/v2.1/servers/{id}/os-instance-actions")["instanceActions"]
    assert log["action"] == "createImage"
    again = made(sim, t, image_id)
    assert t.get(f"/compute/v2.1/servers/{again}")["server"]["image"]["id"] == image_id


def test_create_image_since_2_45(sim: SimCloud) -> None:
    a = sim.admin
    id = made(sim, a)
    a.version = "2.45"
    got = act(a, id, createImage={"name": "golden"})
    assert got.code == 202 and "location" not in got.headers
    assert set(got.json) == {"image_id"}
    a.version = None
    active(a, got.json["image_id"])


def test_of_a_server_that_is_off(sim: SimCloud) -> None:
    a = sim.admin
    id = made(sim, a)
    a.post(f"/compute/v2.1/servers/{id}/action", {"os-stop": None}, 202)
    assert sim.settled(a, id)["status"] == "SHUTOFF"
    active(a, act(a, id, createImage={"name": "cold"}).headers["location"].rpartition("/")[2])
    assert sim.settled(a, id)["status"] == "SHUTOFF"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": " x"},
        {"name": "x "},
        {"name": "a\nb"},
        {"name": "x" * 256},
        {"name": 3},
        {"name": "x", "metadata": {"k": 1}},
        {"name": "x", "metadata": {"k": "v" * 256}},
        {"name": "x", "metadata": {"ä": "v"}},
        {"name": "x", "metadata": {"": "v"}},
        {"name": "x", "more": 1},
        {"name": "x", "metadata": {"hw_disk_bus": "floppy"}},
    ],
)
def test_bad_requests(shared: SimCloud, body: dict[str, Any]) -> None:
    a = shared.admin
    servers = a.get("/compute/v2.1/servers")["servers"]
    id = servers[0]["id"] if servers else made(shared, a)
    images = len(a.get("/image/v2/images")["images"])
    got = act(a, id, createImage=body)
    assert got.code == 400 and got.json["badRequest"]["message"], got.text
    assert len(a.get("/image/v2/images")["images"]) == images and shared.settled(a, id)["status"] == "ACTIVE"


def test_who_may(sim: SimCloud) -> None:
    t, other = sim.tenant("vera"), sim.tenant("olga")
    id = made(sim, t)
    assert act(other, id, createImage={"name": "x"}).code == 404
    reader = sim.tenant("rita", "reader")
    assert act(reader, id, createImage={"name": "x"}).code == 404
    t.post(f"/compute/v2.1/servers/{id}/action", {"lock": {}}, 202)
    active(t, act(t, id, createImage={"name": "locked"}).headers["location"].rpartition("/")[2])
    assert sim.settled(t, id)
    got = act(sim.admin, id, createImage={"name": "by the admin"})
    image = active(sim.admin, got.headers["location"].rpartition("/")[2])
    assert (image["visibility"], image["owner"], image["instance_owner"]) == ("shared", sim.admin.project, t.project)
    assert t.get(f"/image/v2/images/{image['id']}")["name"] == "by the admin", "whose server it is sees the image"


def test_states_and_quota(sim: SimCloud) -> None:
    t = sim.tenant("vera")
    id = made(sim, t)
    sim.cloud.node._stop.set()  # type: ignore[union-attr]
    sim.cloud.node._leave.pop(0)()  # type: ignore[union-attr]
    first = act(t, id, createImage={"name": "a"})
    assert first.code == 202
    s = t.get(f"/compute/v2.1/servers/{id}")["server"]
    assert s["OS-EXT-STS:task_state"] in {"image_snapshot_pending", "image_snapshot"} and s["status"] == "ACTIVE"
    for action in ({"createImage": {"name": "b"}}, {"os-stop": None}, {"reboot": {"type": "HARD"}}):
        got = act(t, id, **action)
        assert got.code == 409 and "task_state image_snapshot" in got.json["conflictingRequest"]["message"], got.text
    t.delete(f"/compute/v2.1/servers/{id}", 204)
    assert t.ask("GET", "/image/v2/images/" + first.headers["location"].rpartition("/")[2]).code == 404
    many = {f"k{n}": "v" for n in range(129)}
    assert act(t, id, createImage={"name": "a", "metadata": many}).code == 403


def test_a_node_that_cannot(sim: SimCloud) -> None:
    """The server is as before, there is no image, and the action log says why."""
    a = sim.admin
    id = made(sim, a)
    sim.cloud.registry.use(FailureRates).set("compute.snapshot", 1.0)
    got = act(a, id, createImage={"name": "x"})
    image = got.headers["location"].rpartition("/")[2]
    assert wait(lambda: a.ask("GET", f"/image/v2/images/{image}").code == 404, 20)
    assert sim.settled(a, id)["status"] == "ACTIVE"
    (log, *_) = a.get(f"/compute/v2.1/servers/{id}/os-instance-actions")["instanceActions"]
    a.version = "2.84"
    shown = a.get(f"/compute/v2.1/servers/{id}/os-instance-actions/{log['request_id']}")["instanceAction"]
    assert shown["message"] == "Error" and "simulated failure at compute.snapshot" in str(shown["events"])


def test_backups_rotate(sim: SimCloud) -> None:
    t = sim.tenant("vera")
    id = made(sim, t)
    stored = []
    for n in range(3):
        got = act(
            t, id, createBackup={"name": f"b{n}", "backup_type": "daily", "rotation": 2, "metadata": {"n": str(n)}}
        )
        assert got.code == 202, got.text
        stored.append(got.headers["location"].rpartition("/")[2])
        assert active(t, stored[-1])["backup_type"] == "daily"
        assert sim.settled(t, id)
    weekly = act(t, id, createBackup={"name": "w", "backup_type": "weekly", "rotation": "1"})
    active(t, weekly.headers["location"].rpartition("/")[2])
    assert sim.settled(t, id)
    there = {i["name"] for i in t.get("/image/v2/images?image_type=backup")["images"]}
    assert there == {"b1", "b2", "w"}
    none = act(t, id, createBackup={"name": "gone", "backup_type": "daily", "rotation": 0})
    assert none.code == 202 and "location" not in none.headers
    assert sim.settled(t, id)
    assert {i["name"] for i in t.get("/image/v2/images?image_type=backup")["images"]} == {"w"}
    for bad in ({"rotation": -1}, {"rotation": "x"}, {"rotation": 1.5}, {"backup_type": None}):
        got = act(t, id, createBackup={"name": "b", "backup_type": "daily", "rotation": 1} | bad)
        assert got.code == 400, bad


def test_the_machine_stays_what_it_was(sim: SimCloud) -> None:
    """The image goes, its properties change: the server keeps what it was made from."""
    a = sim.admin
    base = sim.image(hw_disk_bus="scsi")
    id = made(sim, a, base["id"])
    a.delete(f"/image/v2/images/{base['id']}", 204)
    answer = sim.cloud.local.link().call(ASSIGNMENT, AssignmentRequest(id))
    assert answer.machine is not None and answer.machine.image_format == "raw"
    assert (
        active(a, act(a, id, createImage={"name": "x"}).headers["location"].rpartition("/")[2])["hw_disk_bus"] == "scsi"
    )


def test_only_verified_images_boot(sim: SimCloud) -> None:
    """compute.verify_image_signatures: what is not signed, signed by nobody known, or changed after it was signed builds no machine."""
    a = sim.admin
    net, _ = sim.network(a)
    with trusting(sim.cloud) as signed:
        good = signed(sim)
        assert sim.settled(a, sim.server(a, good, net["id"])["id"])["status"] == "ACTIVE"
        patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        wrong = {
            sim.image()["id"]: "lacks",
            signed(sim): "no trusted certificate none",
            signed(sim): "not what was signed",
        }
        _, unknown, other = wrong
        for id, name, value in (
            (unknown, "img_signature_certificate_uuid", "none"),
            (other, "img_signature", properties(b"other")["img_signature"]),
        ):
            got = a.ask(
                "PATCH",
                f"/image/v2/images/{id}",
                [{"op": "replace", "path": f"/{name}", "value": value}],
                headers=patch,
            )
            assert got.code == 200, got.text
        for id, why in wrong.items():
            s = sim.settled(a, sim.server(a, id, net["id"])["id"])
            assert (
                s["status"] == "ERROR" and why in s["fault"]["message"] and "not verified" in s["fault"]["message"]
            ), s["fault"]


def test_zero_disk_flavors_are_the_administrators(sim: SimCloud) -> None:
    t, a = sim.tenant("vera"), sim.admin
    a.post("/compute/v2.1/flavors", {"flavor": {"name": "nil", "id": "nil", "ram": 64, "vcpus": 1, "disk": 0}})
    image, (net, _) = sim.image(), sim.network(t)
    body = {"name": "x", "imageRef": image["id"], "flavorRef": "nil", "networks": [{"uuid": net["id"]}]}
    got = t.ask("POST", "/compute/v2.1/servers", {"server": body})
    assert got.code == 403 and "zero_disk_flavor" in got.text


@pytest.mark.parametrize("path", ["/../../root/.ssh/authorized_keys", "/etc/../../x", "a" * 256, "/tmp/x"])
def test_a10_injected_files(shared: SimCloud, path: str) -> None:
    """Attack A10: files are not injected into disks here at all; user data and the config drive are what there is."""
    a = shared.admin
    contents = base64.b64encode(b"ssh-ed25519 evil").decode()
    nets = a.get("/network/v2.0/networks?name=net")["networks"] or [shared.network(a)[0]]
    body = {"name": "x", "imageRef": shared.image()["id"], "flavorRef": "42", "networks": [{"uuid": nets[0]["id"]}]}
    got = a.ask(
        "POST", "/compute/v2.1/servers", {"server": body | {"personality": [{"path": path, "contents": contents}]}}
    )
    assert got.code == 400 and "personality" in got.json["badRequest"]["message"]


def test_a10_no_name_of_a_tenant_is_a_path(shared: SimCloud) -> None:
    """The paths of a config drive are the same whatever a server, its keys and its metadata are called."""
    a = shared.admin
    nets = a.get("/network/v2.0/networks?name=net")["networks"] or [shared.network(a)[0]]
    drives = []
    for word in ("plain", "../../../etc/passwd"):
        id = shared.server(
            a,
            shared.image()["id"],
            nets[0]["id"],
            name=word,
            metadata={word: word},
            config_drive=True,
            user_data=base64.b64encode(word.encode()).decode(),
        )["id"]
        shared.settled(a, id)
        answer = shared.cloud.local.link().call(ASSIGNMENT, AssignmentRequest(id))
        assert answer.machine is not None and answer.machine.files is not None
        drives.append(answer.machine.files)
    assert set(drives[0]) == set(drives[1]) and drives[0] != drives[1]


def test_a_copy_of_hostile_raw_bytes_is_no_image(sim: SimCloud) -> None:
    """Attack A4 where disks are raw (Ceph): a guest that wrote the header of a qcow2 with a host's file into its first sectors gets no
    image of them, the server is as before, and the action log says why."""
    a = sim.admin
    id = made(sim, a)
    hypervisor: Any = sim.cloud.registry.use(Hypervisor)
    hypervisor._copy = lambda *_: qcow2(backing="/etc/passwd")
    image = act(a, id, createImage={"name": "x"}).headers["location"].rpartition("/")[2]
    assert wait(lambda: a.ask("GET", f"/image/v2/images/{image}").code == 404, 20)
    assert sim.settled(a, id)["status"] == "ACTIVE"
    a.version = "2.84"
    (log, *_) = a.get(f"/compute/v2.1/servers/{id}/os-instance-actions")["instanceActions"]
    shown = a.get(f"/compute/v2.1/servers/{id}/os-instance-actions/{log['request_id']}")["instanceAction"]
    assert "refused" in str(shown["events"]), shown
    assert not any(b"/etc/passwd" in b for b in sim.cloud.registry.use(Stores).default.blobs.blobs.values())  # type: ignore[attr-defined]
