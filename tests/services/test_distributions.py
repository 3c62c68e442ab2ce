# SPDX-License-Identifier: Apache-2.0
"""Official images by alias: the published hash decides."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from disks import qcow2
from sim_cloud import SimCloud, make
from virga.client import Client, wait
from virga.distributions import ALIASES, ImportFailed, Source, bring, mirrored, published
from web_server import WebServer, web


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    import socket

    cloud = make()
    cloud.start()
    SimCloud(cloud)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(16)
    server = uvicorn.Server(uvicorn.Config(cloud.api_app, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=lambda: server.run(sockets=[sock]))
    thread.start()
    assert wait(lambda: server.started, 10, every=0.02)
    made = Client(f"http://127.0.0.1:{sock.getsockname()[1]}", "admin")
    made.login()
    yield made
    server.should_exit = True
    thread.join(20)
    cloud.stop()


@pytest.mark.parametrize(
    "form", ["{hash}  {file}\n", "{hash} *{file}\n", "SHA256 ({file}) = {hash}\n", "# x\nab  other\n{hash}  ./{file}\n"]
)
def test_lists_of_hashes(form: str) -> None:
    value = "ab" * 32
    assert published(form.format(hash=value.upper(), file="x.qcow2"), "x.qcow2", "sha256") == value
    assert published(form.format(hash=value, file="y.qcow2"), "x.qcow2", "sha256") is None
    assert published(form.format(hash=value, file="x.qcow2"), "x.qcow2", "sha512") is None


def test_by_alias(client: Client) -> None:
    data = qcow2()
    with web() as server:
        server.pages["/d/disk.qcow2"] = data
        source = Source(f"{server.url}/d", "disk.qcow2", "SUMS", "sha512", "debian", {"os_distro": "debian"})
        server.pages["/d/SUMS"] = f"{hashlib.sha512(data).hexdigest()}  disk.qcow2\n".encode()
        answer: list[str] = []
        image = bring(client, "debian-12", source, answer.append)
        assert (image["status"], image["name"], image["os_distro"], image["os_hash_value"]) == (
            "active",
            "debian-12",
            "debian",
            hashlib.sha512(data).hexdigest(),
        )
        assert any(hashlib.sha512(data).hexdigest() in s for s in answer), "the hash is shown"
        count = len(client.get("/image/v2/images")["images"])
        server.pages["/d/SUMS"] = f"{'0' * 128}  disk.qcow2\n".encode()
        with pytest.raises(ImportFailed, match="not the published one"):
            bring(client, "debian-12", source, answer.append)
        server.pages["/d/SUMS"] = b"nothing\n"
        with pytest.raises(ImportFailed, match="has no sha512"):
            bring(client, "debian-12", source, answer.append)
        bad = qcow2(backing="/etc/passwd")
        server.pages["/d/disk.qcow2"] = bad
        server.pages["/d/SUMS"] = f"{hashlib.sha512(bad).hexdigest()}  disk.qcow2\n".encode()
        with pytest.raises(ImportFailed, match="refused"):
            bring(client, "debian-12", source, answer.append)
        assert len(client.get("/image/v2/images")["images"]) == count, "nothing is left of what failed"


@contextlib.contextmanager
def site(data: bytes, sums: str | None = None) -> Iterator[WebServer]:
    """A mirror with the tree of Debian's site: index, hashes, the image."""
    source = ALIASES["debian-12"]
    folder = "/debian" + urlsplit(source.folder).path
    with web() as server:
        server.pages[f"{folder}/"] = (
            f'<a href="SHA512SUMS">SHA512SUMS</a><a href="{source.file}">{source.file}</a>'.encode()
        )
        others = f"{'1' * 128}  debian-12-nocloud-amd64.qcow2\n"
        server.pages[f"{folder}/SHA512SUMS"] = (
            others + f"{sums or hashlib.sha512(data).hexdigest()}  {source.file}\n"
        ).encode()
        server.pages[f"{folder}/{source.file}"] = data
        yield server


def broken(server: WebServer, data: bytes, times: int) -> None:
    """The image's connection breaks after a MiB, so many times."""
    path = next(p for p in server.pages if p.endswith(".qcow2"))
    left = [times]

    def page(handler: Any) -> None:
        left[0] -= 1
        handler.give(data, 1 << 20 if left[0] >= 0 else None)

    server.pages[path] = page


def test_a_mirror_with_the_sites_tree(client: Client) -> None:
    """A connection that breaks is taken up by Range where it stood; the bar hears of it."""
    data = qcow2() + os.urandom(4 << 20)
    with site(data) as server:
        broken(server, data, 3)
        heard: list[tuple[int, int]] = []
        source = mirrored(ALIASES["debian-12"], f"{server.url}/debian/")
        image = bring(
            client, "debian-12", source, lambda _: None, progress=lambda done, total: heard.append((done, total))
        )
        assert image["os_hash_value"] == hashlib.sha512(data).hexdigest() and image["os_admin_user"] == "debian"
        assert heard[-1] == (len(data), len(data)) and [h[0] for h in heard] == sorted(h[0] for h in heard)
        assert len([p for p in server.requests if p.endswith(".qcow2")]) == 4
    with site(data) as server:
        path = next(p for p in server.pages if p.endswith(".qcow2"))
        server.pages[path] = lambda handler: (
            handler.give(data, 1) if "Range" not in handler.headers else handler.send_error(503)
        )
        with pytest.raises(ImportFailed, match="503"):
            bring(client, "debian-12", mirrored(ALIASES["debian-12"], f"{server.url}/debian"), lambda _: None)
    with site(data) as server:
        path = next(p for p in server.pages if p.endswith(".qcow2"))

        def stubborn(handler: Any) -> None:  # knows no ranges: what it gives again is not taken for the rest
            del handler.headers["Range"]
            handler.give(data, 1 << 20)

        server.pages[path] = stubborn
        with pytest.raises(ImportFailed, match="does not give the rest"):
            bring(client, "debian-12", mirrored(ALIASES["debian-12"], f"{server.url}/debian"), lambda _: None)


def test_the_command(client: Client, tmp_path: Path) -> None:
    """`virga image import` against a mirror: hash shown, mismatch refused, progress on a terminal."""
    data = qcow2() + os.urandom(1 << 20)
    env = os.environ | {"VIRGA_ADMIN_PASSWORD": "admin", "VIRGA_SERVER_PUBLIC_URL": client.url}

    def run(url: str) -> subprocess.CompletedProcess[str]:
        words = [
            sys.executable,
            "-m",
            "virga",
            "--state",
            str(tmp_path),
            "image",
            "import",
            "debian-12",
            "--mirror",
            url,
        ]
        return subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)

    with site(data) as server:
        done = run(f"{server.url}/debian")
        assert done.returncode == 0 and f"sha512 {hashlib.sha512(data).hexdigest()}" in done.stderr, done.stderr
        assert "debian-12" in done.stdout and str(len(data)) in done.stdout
        near, far = pty.openpty()
        words = [
            sys.executable,
            "-m",
            "virga",
            "--state",
            str(tmp_path),
            "image",
            "import",
            "debian-12",
            "--mirror",
            f"{server.url}/debian",
        ]
        child = subprocess.Popen(
            words, env=env | {"TERM": "xterm", "COLUMNS": "120"}, stdout=subprocess.DEVNULL, stderr=far
        )
        os.close(far)
        shown = b""
        with contextlib.suppress(OSError):
            while piece := os.read(near, 4096):
                shown += piece
        os.close(near)
        assert child.wait(60) == 0 and b"/1.2" in shown and "━".encode() in shown, shown
    with site(data, sums="2" * 128) as server:
        count = len(client.get("/image/v2/images")["images"])
        done = run(f"{server.url}/debian")
        assert done.returncode == 1 and "not the published one" in done.stderr, done.stderr
        assert len(client.get("/image/v2/images")["images"]) == count
    with site(data) as server:
        done = run(f"{server.url}/nowhere")
        assert done.returncode == 1 and "404" in done.stderr


def test_the_table_is_well_formed() -> None:
    for alias, source in ALIASES.items():
        assert (
            source.folder.startswith("https://")
            and source.file
            and source.sums
            and hashlib.new(source.algorithm, usedforsecurity=False)
        ), alias
