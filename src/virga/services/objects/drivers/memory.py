# SPDX-License-Identifier: Apache-2.0
"""Bodies in memory, for `--ephemeral`."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator

from virga.services.objects.driver import Rotten

CHUNK = 1 << 18


class MemoryWriter:
    def __init__(self, store: MemoryStore, id: str) -> None:
        self._store, self._id, self._data = store, id, bytearray()

    def write(self, data: bytes) -> None:
        self._data += data

    def commit(self) -> None:
        data = bytes(self._data)
        self._store.blobs[self._id] = (data, zlib.crc32(data), time.time())

    def abort(self) -> None:
        self._data.clear()


class MemoryStore:
    def __init__(self) -> None:
        self.blobs: dict[str, tuple[bytes, int, float]] = {}
        self.bad: dict[str, bytes] = {}

    def create(self, id: str, size: int | None = None) -> MemoryWriter:
        return MemoryWriter(self, id)

    def _find(self, id: str) -> tuple[bytes, int, float]:
        try:
            return self.blobs[id]
        except KeyError:
            raise FileNotFoundError(id) from None

    def read(self, id: str, start: int = 0, length: int | None = None, verify: bool = True) -> Iterator[bytes]:
        data, crc, _ = self._find(id)
        if verify and zlib.crc32(data) != crc:
            raise Rotten(f"{id} fails its checksum")
        end = len(data) if length is None else min(len(data), start + length)
        for at in range(start, end, CHUNK):
            yield data[at : min(at + CHUNK, end)]

    def size(self, id: str) -> int:
        return len(self._find(id)[0])

    def remove(self, id: str) -> None:
        self.blobs.pop(id, None)

    def ids(self) -> Iterator[str]:
        yield from list(self.blobs)

    def made(self, id: str) -> float:
        return self._find(id)[2]

    def quarantine(self, id: str) -> None:
        if id in self.blobs:
            self.bad[id] = self.blobs.pop(id)[0]

    def free(self) -> list[tuple[str, int, int]]:
        return [("memory", 1 << 40, 1 << 40)]
