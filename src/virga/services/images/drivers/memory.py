# SPDX-License-Identifier: Apache-2.0
"""Image bytes in memory, for `--ephemeral`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 20


class MemoryWriter:
    def __init__(self, store: MemoryStore, key: str) -> None:
        self._store, self._key, self._data = store, key, bytearray()
        self._raw: int | None = None

    def write(self, data: bytes) -> None:
        self._data += data

    def raw(self) -> int:
        if self._raw is None:
            self._raw = os.memfd_create("image")
        return self._raw

    def fd(self) -> int | None:
        self._settle()
        fd = os.memfd_create("image")
        view = memoryview(self._data)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def _settle(self) -> None:
        if self._raw is not None:
            self._data = bytearray(os.pread(self._raw, os.fstat(self._raw).st_size, 0))
            os.close(self._raw)
            self._raw = None

    def commit(self) -> None:
        self._settle()
        self._store.blobs[self._key] = bytes(self._data)

    def abort(self) -> None:
        self._settle()
        self._data = bytearray()


class MemoryStore:
    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def create(self, key: str, size: int | None = None) -> MemoryWriter:
        return MemoryWriter(self, key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        if key not in self.blobs:
            raise FileNotFoundError(key)
        data = self.blobs[key]
        end = len(data) if length is None else min(len(data), start + length)
        for at in range(start, end, CHUNK):
            yield data[at : min(at + CHUNK, end)]

    def path(self, key: str) -> Path | None:
        return None

    def url(self, key: str) -> str:
        return f"memory://{key}"

    def remove(self, key: str) -> None:
        self.blobs.pop(key, None)

    def ids(self) -> set[str]:
        return set(self.blobs)

    def unfinished(self) -> set[str]:
        return set()

    def discard(self, key: str) -> None:
        """Nothing is left by what was not finished."""
