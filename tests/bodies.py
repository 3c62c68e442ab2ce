# SPDX-License-Identifier: Apache-2.0
"""What every store of bodies does, memory, disks and Ceph alike."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sim_cloud import SimCloud
from virga.services.objects.driver import BlobStore, Rotten
from virga.services.objects.drivers.sealed import SealedStore

SIZES = (0, 1, 262143, 262144, 262145, 1_000_003)


def fresh_id(store: BlobStore) -> str:
    return "b" + os.urandom(16).hex() + (store.seal.mark() if isinstance(store, SealedStore) else "")


def store_body(store: BlobStore, data: bytes, id: str | None = None) -> str:
    id = id or fresh_id(store)
    writer = store.create(id, len(data))
    writer.write(data)
    writer.commit()
    return id


def whole_or_absent(store: BlobStore, size: int) -> None:
    """Nothing shows before the commit, everything after it; ranges, repeated removal, abort."""
    data, id = os.urandom(size), fresh_id(store)
    writer = store.create(id, size)
    for at in range(0, size, 100_001):
        writer.write(data[at : at + 100_001])
    with pytest.raises(FileNotFoundError):
        store.size(id)
    with pytest.raises(FileNotFoundError):
        list(store.read(id))
    writer.commit()
    assert b"".join(store.read(id)) == data and store.size(id) == size
    for start, length in ((0, 10), (size // 2, 1000), (max(0, size - 3), 3), (262140, 10), (size, 5)):
        for verify in (True, False):
            assert b"".join(store.read(id, start, length, verify)) == data[start : start + length]
    assert list(store.ids()) == [id] and abs(store.made(id) - time.time()) < 60
    store.remove(id)
    store.remove(id)
    with pytest.raises(FileNotFoundError):
        list(store.read(id))
    with pytest.raises(FileNotFoundError):
        store.made(id)
    gone = store.create(fresh_id(store), 10)
    gone.write(b"half")
    gone.abort()
    assert list(store.ids()) == []


def rot_is_found(store: BlobStore, damage: Callable[[str], None], size: int) -> None:
    """`damage(id)` changes a byte that lies in the middle: a read says so before it gives the block out; the part before is given.
    Put aside, it is absent and can be written again under its id."""
    data = os.urandom(size)
    id = store_body(store, data)
    damage(id)
    got = b""
    with pytest.raises(Rotten):
        for chunk in store.read(id):
            got += chunk
    assert data.startswith(got)
    store.quarantine(id)
    with pytest.raises(FileNotFoundError):
        list(store.read(id))
    assert list(store.ids()) == []
    store.quarantine(id)
    store_body(store, data, id)
    assert b"".join(store.read(id)) == data
    store.remove(id)


def files(sim: SimCloud) -> list[Path]:
    """Bodies on the disk of a cloud that keeps them there."""
    return sorted(p for p in (sim.cloud.state / "objects/blobs").rglob("*") if p.is_file())
