# SPDX-License-Identifier: Apache-2.0
"""`uplink = "auto"`: a machine reaches the world through its host's default route and nothing of the host itself. The host is a
namespace, and so is the world."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from real_clouds import GUEST, Listener, Real

pytestmark = pytest.mark.real


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def host() -> Iterator[str]:
    """A host with an uplink (198.51.100.2) to a world (198.51.100.1), both namespaces."""
    host, world = "virga-test-host", "virga-test-world"
    for name in (host, world):
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    ip("-n", host, "link", "add", "up0", "type", "veth", "peer", "name", "w0", "netns", world)
    for name, link, address in ((host, "up0", "198.51.100.2/24"), (world, "w0", "198.51.100.1/24")):
        ip("-n", name, "addr", "add", address, "dev", link)
        ip("-n", name, "link", "set", link, "up")
    ip("-n", host, "route", "add", "default", "via", "198.51.100.1")
    yield host
    for name in (host, world):
        ip("netns", "del", name)


def test_way_out(host: str, tmp_path: Path) -> None:
    cloud = Real()
    env = cloud.env | {"VIRGA_NETWORK_UPLINK": "auto", "VIRGA_NAME": "tup"}

    def virga(*words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        argv = ["ip", "netns", "exec", host, sys.executable, "-m", "virga", *words]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=timeout, check=False)

    try:
        up = virga("up", "-d")
        assert up.returncode == 0, up.stdout + up.stderr + cloud.log()
        made = virga("launch", "one", "--image-file", str(GUEST))
        assert made.returncode == 0, made.stdout + made.stderr + cloud.log()
        assert made.stdout.startswith("ssh "), "the host itself reaches the floating IP"
        world, own = Listener("virga-test-world", 8080), Listener(host, 8081)
        world.start()
        own.start()
        got = virga("ssh", "one", "wget -q -O - http://198.51.100.1:8080/out | wc -c")
        assert got.stdout.strip() == "200000", got.stdout + got.stderr
        assert world.seen["/out"] == "198.51.100.2", "translated to the uplink's address"
        kept = virga("ssh", "one", "timeout 6 wget -q -O - http://172.24.4.1:8081/in | wc -c")
        assert kept.stdout.strip() == "0" and own.seen == {}, "guests do not reach their host's services"
    finally:
        gone = virga("down", "--purge", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    left = subprocess.run(["ip", "-n", host, "-o", "link"], capture_output=True, text=True, check=True).stdout
    assert "tup-ext" not in left
    assert (
        "virga"
        not in subprocess.run(
            ["ip", "netns", "exec", host, "nft", "list", "tables"], capture_output=True, text=True, check=True
        ).stdout
    )
