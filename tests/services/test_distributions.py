# SPDX-License-Identifier: Apache-2.0
"""Official images by alias: the published hash decides."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from disks import qcow2
from houses import House, make
from virga.client import Client, wait
from virga.distributions import ALIASES, ImportFailed, Source, bring, published
from webs import web


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    import socket

    cloud = make()
    cloud.start()
    House(cloud)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(16)
    server = uvicorn.Server(uvicorn.Config(cloud.rim, log_config=None, lifespan="off", ws="none"))
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
        said: list[str] = []
        image = bring(client, "debian-12", source, said.append)
        assert (image["status"], image["name"], image["os_distro"], image["os_hash_value"]) == (
            "active",
            "debian-12",
            "debian",
            hashlib.sha512(data).hexdigest(),
        )
        assert any(hashlib.sha512(data).hexdigest() in s for s in said), "the hash is shown"
        count = len(client.get("/image/v2/images")["images"])
        server.pages["/d/SUMS"] = f"{'0' * 128}  disk.qcow2\n".encode()
        with pytest.raises(ImportFailed, match="not the published one"):
            bring(client, "debian-12", source, said.append)
        server.pages["/d/SUMS"] = b"nothing\n"
        with pytest.raises(ImportFailed, match="has no sha512"):
            bring(client, "debian-12", source, said.append)
        bad = qcow2(backing="/etc/passwd")
        server.pages["/d/disk.qcow2"] = bad
        server.pages["/d/SUMS"] = f"{hashlib.sha512(bad).hexdigest()}  disk.qcow2\n".encode()
        with pytest.raises(ImportFailed, match="refused"):
            bring(client, "debian-12", source, said.append)
        assert len(client.get("/image/v2/images")["images"]) == count, "nothing is left of what failed"


def test_the_table_is_well_formed() -> None:
    for alias, source in ALIASES.items():
        assert (
            source.folder.startswith("https://") and source.file and source.sums and hashlib.new(source.algorithm, usedforsecurity=False)
        ), alias
