# SPDX-License-Identifier: Apache-2.0
"""Image bytes as files: a temporary one while they arrive, one rename when they are whole and on the disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 20
FLUSH = 64 << 20


class FileWriter:
    """Written parts are sent to the disk as they come, so that the last fsync has little to wait for."""

    def __init__(self, temporary: Path, final: Path) -> None:
        self.temporary, self.final = temporary, final
        self._file = open(temporary, "w+b", buffering=0)
        self._at = self._sent = 0

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            n = self._file.write(view)
            view = view[n:]
            self._at += n
        if self._at - self._sent >= FLUSH:
            # the page cache of a finished part is given back: an upload does not push everything else out of memory
            with contextlib.suppress(OSError):
                os.posix_fadvise(self._file.fileno(), 0, self._sent, os.POSIX_FADV_DONTNEED)
            self._sent = self._at

    def fd(self) -> int | None:
        return os.open(self.temporary, os.O_RDONLY)

    def raw(self) -> int:
        return self._file.fileno()

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
    """`folder/<key>` whole, `folder/incoming/<key>` on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        folder.chmod(0o711)  # a passage for the hypervisor, no list for other users of the machine
        self.incoming.mkdir(exist_ok=True, mode=0o711)

    def create(self, key: str, size: int | None = None) -> FileWriter:
        return FileWriter(self.incoming / key, self.folder / key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with open(self.folder / key, "rb", buffering=0) as file:
            file.seek(start)
            left = length
            while left is None or left > 0:
                data = file.read(CHUNK if left is None else min(CHUNK, left))
                if not data:
                    return
                if left is not None:
                    left -= len(data)
                yield data

    def path(self, key: str) -> Path | None:
        path = self.folder / key
        return path if path.exists() else None

    def url(self, key: str) -> str:
        return (self.folder.resolve() / key).as_uri()

    def remove(self, key: str) -> None:
        (self.folder / key).unlink(missing_ok=True)

    def ids(self) -> set[str]:
        return {p.name for p in self.folder.iterdir() if p.is_file()}

    def unfinished(self) -> set[str]:
        return {p.name for p in self.incoming.iterdir()}

    def discard(self, key: str) -> None:
        (self.incoming / key).unlink(missing_ok=True)
