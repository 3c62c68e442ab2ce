# SPDX-License-Identifier: Apache-2.0
"""The Image API of 2013: headers, copy-from, the guide's line with the real clients of that time."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant, make
from virga.client import wait
from web_server import WebServer, web

V1 = "/image/v1/images"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with web() as made:
        yield made


@pytest.fixture(scope="module")
def old(server: WebServer) -> Iterator[SimCloud]:
    cloud = make(
        **{"images.stores": ["files=memory:", "web=http:"], "images.import_allow": [f"127.0.0.1:{server.port}"]}
    )
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


def ask(who: Tenant, method: str, path: str, data: bytes | None = None, **headers: str) -> Any:
    sent = {"X-Auth-Token": who.token} | {k.replace("_", "-"): v for k, v in headers.items()}
    return who.http.request(
        method, path, content=data, headers=sent | ({"Content-Type": "application/octet-stream"} if data else {})
    )


def meta(**fields: str) -> dict[str, str]:
    return {f"x_image_meta_{k}": v for k, v in fields.items()}


def make_image(who: Tenant, data: bytes | None = None, **more: str) -> Any:
    got = ask(who, "POST", V1, data, **meta(name="one", **{"disk-format": "raw", "container-format": "bare"}), **more)
    assert got.status_code == 201, got.text
    return got.json()["image"]


def test_create_show_update_delete(old: SimCloud) -> None:
    a, data = old.admin, os.urandom(5000)
    made = make_image(a, data, **meta(is_public="True", min_disk="1"), **{"x-image-meta-property-color": "blue"})
    assert (made["status"], made["is_public"], made["size"], made["min_disk"]) == ("active", True, 5000, 1)
    assert made["checksum"] == hashlib.md5(data).hexdigest() and made["properties"] == {"color": "blue"}
    id = made["id"]
    head = ask(a, "HEAD", f"{V1}/{id}")
    assert (
        head.status_code == 200
        and head.headers["x-image-meta-name"] == "one"
        and head.headers["x-image-meta-property-color"] == "blue"
    )
    got = ask(a, "GET", f"{V1}/{id}")
    assert got.content == data and got.headers["x-image-meta-checksum"] == made["checksum"]
    assert ask(a, "PUT", f"{V1}/{id}", **meta(name="two"), **{"x-glance-registry-purge-props": "false"}).json()[
        "image"
    ]["properties"] == {"color": "blue"}
    assert ask(a, "PUT", f"{V1}/{id}", **meta(protected="true")).json()["image"]["properties"] == {}
    assert ask(a, "DELETE", f"{V1}/{id}").status_code == 403
    ask(a, "PUT", f"{V1}/{id}", **meta(protected="false"))
    assert a.get(f"/image/v2/images/{id}")["name"] == "two", "the same image in v2"
    assert ask(a, "DELETE", f"{V1}/{id}").status_code == 200 and ask(a, "HEAD", f"{V1}/{id}").status_code == 404


def test_lists(old: SimCloud) -> None:
    anna = old.tenant("v1-anna")
    one = make_image(anna, b"x" * 10)
    assert one["is_public"] is False
    brief = ask(anna, "GET", V1).json()["images"]
    assert set(brief[0]) == {"id", "name", "disk_format", "container_format", "checksum", "size"}
    detail = ask(anna, "GET", f"{V1}/detail?status=active&size_min=5&sort_key=name&sort_dir=asc").json()["images"]
    assert one["id"] in [i["id"] for i in detail] and detail[0]["created_at"].endswith(".000000")
    assert one["id"] not in [i["id"] for i in ask(old.tenant("v1-boris"), "GET", f"{V1}/detail").json()["images"]]
    assert ask(anna, "GET", f"{V1}?sort_key=nope").status_code == 400


def test_members(old: SimCloud) -> None:
    anna, boris = old.tenant("v1m-anna"), old.tenant("v1m-boris")
    id = make_image(anna, b"x")["id"]
    assert ask(boris, "HEAD", f"{V1}/{id}").status_code == 404
    assert ask(anna, "PUT", f"{V1}/{id}/members/{boris.project}").status_code == 204
    assert ask(boris, "HEAD", f"{V1}/{id}").status_code == 200
    assert ask(anna, "GET", f"{V1}/{id}/members").json()["members"] == [
        {"member_id": boris.project, "can_share": False}
    ]
    assert ask(boris, "GET", f"/image/v1/shared-images/{boris.project}").json()["shared_images"][0]["image_id"] == id
    assert ask(anna, "GET", f"/image/v1/shared-images/{boris.project}").status_code == 403
    assert ask(anna, "DELETE", f"{V1}/{id}/members/{boris.project}").status_code == 204


def test_copy_from_and_location(old: SimCloud, server: WebServer) -> None:
    a, data = old.admin, os.urandom(7000)
    server.pages["/v1"] = data
    for header in ("x-glance-api-copy-from", "x-image-meta-location"):
        id = make_image(a, **{header: f"{server.url}/v1"})["id"]
        assert wait(
            lambda id=id: ask(a, "HEAD", f"{V1}/{id}").headers["x-image-meta-status"] == "active", 20, every=0.02
        )
        assert ask(a, "GET", f"{V1}/{id}").content == data
    for header in ("x-glance-api-copy-from", "x-image-meta-location"):
        for url in ("http://169.254.169.254/x", "file:///etc/passwd", "swift+config://x"):
            got = ask(
                a, "POST", V1, **meta(name="x", **{"disk-format": "raw", "container-format": "bare"}), **{header: url}
            )
            assert got.status_code == 400, got.text


def test_bad_headers(old: SimCloud) -> None:
    anna = old.tenant("v1b-anna")
    count = len(ask(anna, "GET", V1).json()["images"])
    for name, value, code in (
        ("size", "many", 400),
        ("is_public", "perhaps", 400),
        ("is_public", "true", 403),
        ("disk-format", "floppy", 400),
        ("min_disk", "-1", 400),
        ("nonsense", "x", 403),
        ("owner", "other", 403),
    ):
        assert ask(anna, "POST", V1, **meta(**({"name": "x"} | {name: value}))).status_code == code, name
    assert (
        ask(
            anna,
            "POST",
            V1,
            b"xyz",
            **meta(name="x", checksum="0" * 32, **{"disk-format": "raw", "container-format": "bare"}),
        ).status_code
        == 400
    )
    assert ask(anna, "POST", V1, b"xyz", **meta(name="x")).status_code == 400, "no formats"
    assert len(ask(anna, "GET", V1).json()["images"]) == count, "what could not be uploaded is not left behind"


def test_other_bytes_than_were_said_are_not_kept(old: SimCloud) -> None:
    """A checksum or a size that is not the bytes': the image waits for its bytes as before, and says why."""
    anna = old.tenant("v1-said")
    image = ask(anna, "POST", V1, b"", **meta(name="x", **{"disk-format": "raw", "container-format": "bare"})).json()[
        "image"
    ]
    for wrong in ({"checksum": "0" * 32}, {"size": "4"}):
        got = ask(anna, "PUT", f"{V1}/{image['id']}", b"xyz", **meta(name="x", **wrong))
        assert got.status_code == 400, got.text
        now = anna.get(f"/image/v2/images/{image['id']}")
        assert (now["status"], now["size"]) == ("queued", None) and now["os_glance_reason"], now
    answer = {"checksum": hashlib.md5(b"xyz").hexdigest(), "size": "3"}
    assert ask(anna, "PUT", f"{V1}/{image['id']}", b"xyz", **meta(name="x", **answer)).status_code == 200
    assert anna.get(f"/image/v2/images/{image['id']}")["status"] == "active"


@pytest.fixture(scope="module")
def legacy() -> list[Path]:
    """The clients' folders: of 2013 and of 2015."""
    done = subprocess.run([str(ROOT / "scripts/legacy-clients")], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return [Path(done.stdout.strip()) / name for name in ("havana", "mid")]


@pytest.fixture(scope="module")
def registry(old: SimCloud) -> Iterator[tuple[str, str]]:
    """The cloud on real sockets: the one address, and images on a port of their own, as on 9292 in 2013."""
    import socket
    import threading

    import uvicorn

    socks = [socket.socket() for _ in range(2)]
    for s in socks:
        s.bind(("127.0.0.1", 0))
        s.listen(64)
    main, own = (s.getsockname()[1] for s in socks)
    app = old.cloud.api_app
    app.ports[own] = next(s for s in app.services if s.type == "image")
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=lambda: server.run(sockets=socks))
    thread.start()
    assert wait(lambda: server.started, 10, every=0.02)
    yield f"http://127.0.0.1:{main}", f"http://127.0.0.1:{own}"
    server.should_exit = True
    thread.join(20)


@pytest.mark.parametrize("year", [0, 1], ids=["2013", "2015"])
def test_the_guides_line(
    legacy: list[Path], old: SimCloud, registry: tuple[str, str], server: WebServer, tmp_path: Path, year: int
) -> None:
    """`glance image-create --name … --is-public true --container-format bare --disk-format qcow2 --copy-from URL`, and the others."""
    from disks import qcow2

    server.pages["/guide.img"] = qcow2()
    import pty

    main, own = registry
    _, terminal = pty.openpty()  # these clients take a standard input that is no terminal for an image
    who = ["--os-image-url", own, "--os-auth-token", old.admin.token]
    if year:  # this one asks Keystone first, whatever it is given
        domain = ["--os-user-domain-id", "default", "--os-project-domain-id", "default"]
        who = [
            "--os-auth-url",
            f"{main}/identity/v3",
            "--os-username",
            "admin",
            "--os-password",
            "admin",
            "--os-project-name",
            "admin",
            *domain,
        ]
        who += ["--os-image-url", f"{main}/image", "--os-image-api-version", "1"]

    def glance(*words: str) -> str:
        env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(tmp_path)}
        argv = [str(legacy[year] / "bin/glance"), *who, *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=60, stdin=terminal)
        assert done.returncode == 0, f"{words}: {done.stdout} {done.stderr[-600:]}"
        return done.stdout

    name = f"guide{year}"
    glance(
        "image-create",
        "--name",
        name,
        "--is-public",
        "true",
        "--container-format",
        "bare",
        "--disk-format",
        "qcow2",
        "--copy-from",
        f"{server.url}/guide.img",
    )
    assert wait(lambda: "active" in glance("image-show", name), 20, every=0.2)
    assert name in glance("image-list") and "True" in glance("image-show", name)
    (tmp_path / "file").write_bytes(b"z" * 70_000)
    glance(
        "image-create",
        "--name",
        f"up{year}",
        "--disk-format",
        "raw",
        "--container-format",
        "bare",
        "--property",
        "kernel_id=00000000-1111-4222-8333-444455556666",
        "--file",
        str(tmp_path / "file"),
    )
    glance("image-update", f"up{year}", "--name", f"down{year}", "--property", "color=red")
    assert "70000" in glance("image-show", f"down{year}") and "red" in glance("image-show", f"down{year}")
    glance("image-download", f"down{year}", "--file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"z" * 70_000
    id = old.admin.get(f"/image/v2/images?name=down{year}")["images"][0]["id"]
    glance("member-create", id, "some-project")
    assert "some-project" in glance("member-list", "--image-id", id)
    glance("member-delete", id, "some-project")
    glance("image-delete", f"down{year}", name)
    assert name not in glance("image-list")
