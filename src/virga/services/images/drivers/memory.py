# SPDX-License-Identifier: Apache-2.0
"""Image bytes in memory, for `--ephemeral`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 20


class MemoryWriter:
    def __init__(self, store: MemoryStore, id: str) -> None:
        self._store, self._id, self._data = store, id, bytearray()

    def write(self, data: bytes) -> None:
        self._data += data

    def fd(self) -> int:
        fd = os.memfd_create("image")
        view = memoryview(self._data)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def commit(self) -> None:
        self._store.blobs[self._id] = bytes(self._data)

    def abort(self) -> None:
        self._data.clear()


class MemoryStore:
    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def create(self, id: str, upload: str | None = None) -> MemoryWriter:
        return MemoryWriter(self, id)

    def read(self, id: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        if id not in self.blobs:
            raise FileNotFoundError(id)
        data = self.blobs[id]
        end = len(data) if length is None else min(len(data), start + length)
        for at in range(start, end, CHUNK):
            yield data[at : min(at + CHUNK, end)]

    def path(self, id: str) -> Path | None:
        return None

    def remove(self, id: str) -> None:
        self.blobs.pop(id, None)

    def ids(self) -> set[str]:
        return set(self.blobs)

    def sweep(self, live: set[str]) -> int:
        return 0
