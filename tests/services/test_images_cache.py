# SPDX-License-Identifier: Apache-2.0
"""The node's cache: one fetch for all who wait, a bound, what was wanted is not forgotten, what is gone is dropped."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_cloud import SimCloud, make
from virga.client import wait
from virga.services.images import api
from virga.services.images.cache import ImageCache


class Fake:
    """Images that are opened when a test says so."""

    def __init__(self, data: bytes = b"x" * 10_000) -> None:
        self.data, self.opened, self.gate = data, 0, threading.Event()
        self.gate.set()

    def __call__(self, id: str) -> Any:
        self.opened += 1

        class Image:
            size, os_hash_algo, os_hash_value = len(self.data), None, None

        Image.id = id  # type: ignore[attr-defined]

        def read() -> Iterator[bytes]:
            assert self.gate.wait(10)
            yield self.data

        return Image, None, read


def test_one_fetch_for_all(tmp_path: Path) -> None:
    source = Fake()
    source.gate.clear()
    cache = ImageCache(tmp_path, 0, source)
    got: list[Path | None] = []
    threads = [threading.Thread(target=lambda: got.append(cache.fetch("a"))) for _ in range(100)]
    for t in threads:
        t.start()
    source.gate.set()
    for t in threads:
        t.join()
    assert source.opened == 1 and set(got) == {tmp_path / "a"} and (tmp_path / "a").read_bytes() == source.data
    assert cache.cached()[0].hits == 100


def test_a_failed_fetch_is_tried_again(tmp_path: Path) -> None:
    source = Fake()
    cache = ImageCache(tmp_path, 0, source)

    def broken(id: str) -> Any:
        raise OSError("the store is away")

    cache._open = broken
    with pytest.raises(OSError, match="away"):
        cache.fetch("a")
    cache._open = source
    assert cache.fetch("a") == tmp_path / "a" and list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_the_oldest_goes(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, 25_000, Fake())
    for n, id in enumerate("ab"):
        path = cache.fetch(id)
        assert path is not None
        os.utime(path, (n, n))
    os.utime(tmp_path / "a", (9, 9))  # used since
    cache.fetch("c")
    assert {e.image_id for e in cache.cached()} == {"a", "c"}


def test_what_was_wanted_is_not_forgotten(tmp_path: Path) -> None:
    first = ImageCache(tmp_path, 0, Fake())
    (tmp_path / ".queue-a").touch()
    (tmp_path / ".new-b").write_bytes(b"half")
    assert first.queued() == ["a"]
    again = ImageCache(tmp_path, 0, Fake())
    again.start()
    assert wait(lambda: [e.image_id for e in again.cached()] == ["a"] and not again.queued(), 10, every=0.02)
    again.stop()
    assert not (tmp_path / ".new-b").exists()


def test_files_are_shared_with_the_store(tmp_path: Path) -> None:
    """On files nothing is copied; what a deleted image left in the cache goes."""
    (tmp_path / "admin-password").write_text("admin")
    cloud = make(state=tmp_path)
    cloud.start()
    try:
        sim = SimCloud(cloud)
        image = sim.image(data=os.urandom(50_000))
        cache = cloud.registry.use(ImageCache)
        own = api.path(cloud.registry, image["id"])
        assert own is not None and own.parent.name == "images", "a file of the store is used as it is"
        path = cache.fetch(image["id"])
        assert path is not None and path.read_bytes() == own.read_bytes()
        sim.admin.delete(f"/image/v2/images/{image['id']}", 204)
        assert cloud.loops.once("images.cache") and not cache.cached() and api.path(cloud.registry, image["id"]) is None
    finally:
        cloud.stop()
