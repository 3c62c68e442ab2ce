# SPDX-License-Identifier: Apache-2.0
"""Image bytes as files: a temporary one while they arrive, one rename when they are whole and on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 20


class FileWriter:
    def __init__(self, temporary: Path, final: Path) -> None:
        self.temporary, self.final = temporary, final
        self._file = open(temporary, "w+b", buffering=0)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def fd(self) -> int:
        return os.open(self.temporary, os.O_RDONLY)

    def commit(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
        self.temporary.rename(self.final)
        folder = os.open(self.final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def abort(self) -> None:
        self._file.close()
        self.temporary.unlink(missing_ok=True)


class FileStore:
    """`folder/<id>` whole, `folder/incoming/<upload>` on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)

    def create(self, id: str, upload: str | None = None) -> FileWriter:
        return FileWriter(self.incoming / (upload or id), self.folder / id)

    def read(self, id: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with open(self.folder / id, "rb") as file:
            file.seek(start)
            left = length
            while left is None or left > 0:
                data = file.read(CHUNK if left is None else min(CHUNK, left))
                if not data:
                    return
                if left is not None:
                    left -= len(data)
                yield data

    def path(self, id: str) -> Path | None:
        path = self.folder / id
        return path if path.exists() else None

    def remove(self, id: str) -> None:
        (self.folder / id).unlink(missing_ok=True)

    def ids(self) -> set[str]:
        return {p.name for p in self.folder.iterdir() if p.is_file()}

    def sweep(self, live: set[str]) -> int:
        dead = [p for p in self.incoming.iterdir() if p.name not in live]
        for path in dead:
            path.unlink(missing_ok=True)
        return len(dead)
