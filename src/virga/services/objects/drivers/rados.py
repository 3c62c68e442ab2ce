# SPDX-License-Identifier: Apache-2.0
"""Bodies in Ceph RADOS, striped: `<id>.0`, `<id>.1`, … of a few MiB each, and at last `<id>` with size and checksums, whose presence
makes the body whole. Copies and erasure codes are the pool's."""

from __future__ import annotations

import errno
import struct
import threading
import time
import zlib
from array import array
from collections.abc import Iterator
from typing import Any

from virga.services.objects.driver import Rotten

STRIPE = 4 << 20
BLOCK = 1 << 18
HEAD = struct.Struct("<8sQIId")
MAGIC = b"virgarb1"
OUTSTANDING = 4


class RadosWriter:
    def __init__(self, store: RadosStore, id: str) -> None:
        self._store, self._id = store, id
        self._held, self._number, self._size = bytearray(), 0, 0
        self._sums = array("I")
        self._crc, self._filled = 0, 0
        self._flying: list[Any] = []

    def write(self, data: bytes) -> None:
        view, at = memoryview(data), 0
        while at < len(view):
            take = min(BLOCK - self._filled, len(view) - at)
            self._crc = zlib.crc32(view[at : at + take], self._crc)
            self._filled, at = self._filled + take, at + take
            if self._filled == BLOCK:
                self._sums.append(self._crc)
                self._crc, self._filled = 0, 0
        self._size += len(data)
        self._held += data
        while len(self._held) >= STRIPE:
            self._send(bytes(self._held[:STRIPE]))
            del self._held[:STRIPE]

    def _send(self, data: bytes) -> None:
        if len(self._flying) >= OUTSTANDING:
            self._settle(self._flying.pop(0))
        self._flying.append(self._store.pool.aio_write_full(f"{self._id}.{self._number}", data))
        self._number += 1

    def _settle(self, flight: Any) -> None:
        flight.wait_for_complete()
        code = flight.get_return_value()
        if code < 0:
            raise OSError(-code, errno.errorcode.get(-code, "rados"))

    def commit(self) -> None:
        if self._filled:
            self._sums.append(self._crc)
        if self._held:
            self._send(bytes(self._held))
            self._held.clear()
        while self._flying:
            self._settle(self._flying.pop(0))
        sums = self._sums.tobytes()
        head = HEAD.pack(MAGIC, self._size, BLOCK, zlib.crc32(sums), time.time()) + sums
        self._settle(self._store.pool.aio_write_full(self._id, head))

    def abort(self) -> None:
        for flight in self._flying:
            flight.wait_for_complete()
        self._flying = []
        for n in range(self._number):
            self._store.drop(f"{self._id}.{n}")


class RadosStore:
    """A pool; `conf` is the path of ceph.conf. Needs Debian's python3-rados."""

    def __init__(self, conf: str, pool: str) -> None:
        try:
            import rados
        except ImportError as e:
            raise RuntimeError("objects.driver = rados needs python3-rados: install it, and start Virga with the same Python") from e
        self._rados = rados
        self.cluster = rados.Rados(conffile=conf or "")
        self.cluster.connect(timeout=20)
        if not self.cluster.pool_exists(pool):
            self.cluster.create_pool(pool)
        self.pool = self.cluster.open_ioctx(pool)
        self.name = pool
        self._lock = threading.Lock()

    def create(self, id: str, size: int | None = None) -> RadosWriter:
        return RadosWriter(self, id)

    def _head(self, id: str) -> tuple[int, int, array[int]]:
        try:
            length, _ = self.pool.stat(id)
            raw = self.pool.read(id, length)
        except self._rados.ObjectNotFound:
            raise FileNotFoundError(id) from None
        if len(raw) < HEAD.size:
            raise Rotten(f"{id} has no head")
        magic, size, block, check, _ = HEAD.unpack(raw[: HEAD.size])
        if magic != MAGIC or zlib.crc32(raw[HEAD.size :]) != check:
            raise Rotten(f"{id} has a bad head")
        sums = array("I")
        sums.frombytes(raw[HEAD.size :])
        return size, block, sums

    def read(self, id: str, start: int = 0, length: int | None = None, verify: bool = True) -> Iterator[bytes]:
        size, block, sums = self._head(id)
        end = size if length is None else min(size, start + length)
        at = start - start % block
        while at < end:
            stripe, offset = divmod(at, STRIPE)
            try:
                data = self.pool.read(f"{id}.{stripe}", min(block, size - at), offset)
            except self._rados.ObjectNotFound:
                raise Rotten(f"{id}: stripe {stripe} is gone") from None
            if not data:
                raise Rotten(f"{id} is shorter than it was")
            if verify and zlib.crc32(data) != sums[at // block]:
                raise Rotten(f"{id}: the block at {at} fails its checksum")
            low, high = max(start - at, 0), min(len(data), end - at)
            yield data if low == 0 and high == len(data) else data[low:high]
            at += len(data)

    def size(self, id: str) -> int:
        return self._head(id)[0]

    def drop(self, name: str) -> None:
        try:
            self.pool.remove_object(name)
        except self._rados.ObjectNotFound:
            return

    def remove(self, id: str) -> None:
        try:
            size = self._head(id)[0]
        except (FileNotFoundError, Rotten):
            size = 0
        n = 0
        while n * STRIPE < size or self._there(f"{id}.{n}"):
            self.drop(f"{id}.{n}")
            n += 1
        self.drop(id)

    def _there(self, name: str) -> bool:
        try:
            self.pool.stat(name)
        except self._rados.ObjectNotFound:
            return False
        return True

    def ids(self, older_than: float = 0.0) -> Iterator[tuple[str, float]]:
        limit = time.time() - older_than
        seen: set[str] = set()
        for each in self.pool.list_objects():
            id = each.key.partition(".")[0]
            if id in seen or id.startswith("rotten-"):
                continue
            try:
                made = time.mktime(self.pool.stat(each.key)[1])
            except self._rados.ObjectNotFound:
                continue
            seen.add(id)
            if made <= limit:
                yield id, made

    def quarantine(self, id: str) -> None:
        """The head goes under another name: reads do not find the body, its stripes stay."""
        try:
            length, _ = self.pool.stat(id)
            self.pool.write_full(f"rotten-{id}", self.pool.read(id, length))
        except self._rados.ObjectNotFound:
            return
        self.drop(id)

    def free(self) -> list[tuple[str, int, int]]:
        stats = self.cluster.get_cluster_stats()
        return [(f"rados:{self.name}", stats["kb_avail"] * 1024, stats["kb"] * 1024)]

    def close(self) -> None:
        self.pool.close()
        self.cluster.shutdown()
