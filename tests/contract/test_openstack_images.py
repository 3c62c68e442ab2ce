# SPDX-License-Identifier: Apache-2.0
"""Every image command of the `openstack` client, tried once against a cloud that listens."""

from __future__ import annotations

import json
import pty
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from disks import qcow2
from sim_cloud import SimCloud, make
from virga.client import wait
from web_server import web

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[SimCloud, str, Any]]:
    import socket

    with web() as server:
        cloud = make(
            **{"images.stores": ["files=memory:", "fast=memory:"], "images.import_allow": [f"127.0.0.1:{server.port}"]}
        )
        cloud.start()
        sim = SimCloud(cloud)
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen(16)
        asgi = uvicorn.Server(uvicorn.Config(cloud.api_app, log_config=None, lifespan="off", ws="none"))
        thread = threading.Thread(target=lambda: asgi.run(sockets=[sock]))
        thread.start()
        assert wait(lambda: asgi.started, 10, every=0.02)
        yield sim, f"http://127.0.0.1:{sock.getsockname()[1]}", server
        asgi.should_exit = True
        thread.join(20)
        cloud.stop()


def test_every_image_command(listening: tuple[SimCloud, str, Any], tmp_path: Path) -> None:
    sim, url, server = listening
    program = ROOT / ".venv-clients/bin/python"
    if not program.exists():
        pytest.skip("'make clients' installs the openstack client")
    other = sim.tenant("cli-other")
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "OS_AUTH_URL": f"{url}/identity/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "admin",
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_REGION_NAME": "RegionOne",
    }
    (tmp_path / "disk").write_bytes(qcow2())
    server.pages["/disk"] = qcow2()
    (tmp_path / "ns.json").write_text(json.dumps({"a": {"title": "A", "type": "string"}}))
    disk = tmp_path / "disk"
    lines = f"""
image create --disk-format qcow2 --container-format bare --file {disk} --property hw_disk_bus=scsi --tag t --min-disk 1 --shared one
image list --property hw_disk_bus=scsi --long
image show one
image set --name two --property color=red --os-distro debian --hidden --tag more one
image list --hidden
image unset --property color --tag more two
image set --unhidden --deactivate two
image set --activate two
image save --file {tmp_path / "back"} two
image add project two {other.project}
image member list two
image member get two {other.project}
image remove project two {other.project}
image create --disk-format qcow2 --container-format bare --import --file {disk} three
image create --disk-format qcow2 --container-format bare four
image import --method web-download --uri {server.url}/disk four
image task list
image create --disk-format qcow2 --container-format bare five
image stage --file {disk} five
image import --method glance-direct five
image import info
image stores list
cached image list
cached image queue two
cached image clear
image metadef namespace create --display-name N --description D --private NS
image metadef namespace list
image metadef namespace show NS
image metadef namespace set --display-name M --public NS
image metadef property create --name p --title P --type string --schema {{}} NS
image metadef property list NS
image metadef property show NS p
image metadef property set --title Q NS p
image metadef object create --namespace NS car
image metadef object list NS
image metadef object show NS car
image metadef object update NS car --name bus
image metadef object delete NS bus
image metadef property delete NS p
image metadef resource type list
image metadef resource type association create NS OS::Glance::Image
image metadef resource type association list NS
image metadef resource type association delete NS OS::Glance::Image
image metadef namespace delete NS
image set --protected two
image set --unprotected two
image delete two three four five
image list
"""
    # one process runs all lines: starting the client takes longer than the commands; what is no terminal it would take for an image
    runner = (
        "import shlex, sys\nfrom openstackclient import shell\n"
        "for line in sys.argv[1].splitlines():\n"
        "    if line and shell.main(shlex.split(line)): print('FAILED', line)\n"
    )
    _, terminal = pty.openpty()
    done = subprocess.run(
        [str(program), "-c", runner, lines],
        stdin=terminal,
        capture_output=True,
        text=True,
        check=False,
        env=env,
        timeout=240,
    )
    assert "FAILED" not in done.stdout and done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "back").read_bytes() == qcow2()


def test_the_sdk(listening: tuple[SimCloud, str, Any], tmp_path: Path) -> None:
    """openstacksdk's own way through images, in the clients' Python."""
    python = ROOT / ".venv-clients/bin/python"
    if not python.exists():
        pytest.skip("'make clients' installs openstacksdk")
    _, url, server = listening
    server.pages["/sdk"] = qcow2()
    script = f"""
import openstack, time
c = openstack.connect(auth_url={url + "/identity/v3"!r}, username="admin", password="admin", project_name="admin", user_domain_id="default",
                      project_domain_id="default", region_name="RegionOne")
open({str(tmp_path / "f")!r}, "wb").write(b"z" * 9000)
i = c.create_image("sdk", filename={str(tmp_path / "f")!r}, disk_format="raw", container_format="bare", wait=True, hw_disk_bus="virtio")
assert i.status == "active" and i.size == 9000, i
assert c.image.find_image("sdk").id == i.id
c.image.update_image(i, name="sdk2")
c.image.add_tag(i, "t")
assert [x.id for x in c.image.images(tag="t")] == [i.id]
assert c.image.download_image(i).content == b"z" * 9000
m = c.image.add_member(i, member_id="p")
assert m.status == "pending" and [x.member_id for x in c.image.members(i)] == ["p"]
c.image.remove_member("p", i)
c.image.deactivate_image(i)
c.image.reactivate_image(i)
w = c.image.create_image(name="web", disk_format="qcow2", container_format="bare", import_method="web-download", uri={server.url + "/sdk"!r}) if False else \\
    c.image._create(__import__("openstack.image.v2.image", fromlist=["Image"]).Image, name="web", disk_format="qcow2", container_format="bare")
c.image.import_image(w, method="web-download", uri={server.url + "/sdk"!r})
for _ in range(100):
    w = c.image.get_image(w.id)
    if w.status == "active": break
    time.sleep(0.1)
assert w.status == "active", w
assert {{s.id for s in c.image.stores()}} == {{"files", "fast"}}
assert c.image.get_import_info().import_methods
assert list(c.image.tasks())
assert c.image.get_images_schema() and c.image.get_image_schema() and c.image.get_members_schema() and c.image.get_tasks_schema()
assert any(n.namespace == "OS::Compute::Watchdog" for n in c.image.metadef_namespaces())
n = c.image.create_metadef_namespace(namespace="sdk", display_name="S", description="d", visibility="public", protected=False)
c.image.create_metadef_property("sdk", name="p", title="P", type="string")
c.image.create_metadef_object("sdk", name="o")
assert [p.name for p in c.image.metadef_properties("sdk")] == ["p"]
c.image.delete_metadef_namespace("sdk")
c.image.queue_image(i.id)
c.image.clear_cache("both")
c.delete_image(i.id, wait=True)
c.image.delete_image(w)
print("fine")
"""
    done = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 and "fine" in done.stdout, done.stderr[-3000:]
