# SPDX-License-Identifier: Apache-2.0
"""The plug for bodies. A blob is written once, whole or not at all, and never changes; its id is new each time. Every verb may be
repeated. Calls block: they are made from threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Rotten(Exception):
    """The bytes that lie there are not the bytes that were written."""


class Writer(Protocol):
    """Bytes on their way in. Nothing is visible before `commit`, which returns when they survive a loss of power."""

    def write(self, data: bytes) -> None: ...

    def commit(self) -> None: ...

    def abort(self) -> None: ...


class BlobStore(Protocol):
    def create(self, id: str, size: int | None = None) -> Writer:
        """A writer for a new blob; `size` when it is known. Raises OSError (ENOSPC: the disks are full)."""
        ...

    def read(self, id: str, start: int = 0, length: int | None = None, verify: bool = True) -> Iterator[bytes]:
        """Chunks of the blob. Raises FileNotFoundError; Rotten before a block that fails its checksum is given out; OSError when the
        store cannot be asked."""
        ...

    def size(self, id: str) -> int:
        """Bytes of the blob; raises FileNotFoundError."""
        ...

    def remove(self, id: str) -> None: ...

    def ids(self) -> Iterator[str]:
        """Each blob's id; where half-written ones show at all, theirs too."""
        ...

    def made(self, id: str) -> float:
        """When it was made; raises FileNotFoundError."""
        ...

    def quarantine(self, id: str) -> None:
        """Put the blob where reads do not find it and a person can."""
        ...

    def free(self) -> list[tuple[str, int, int]]:
        """Per disk: its name, bytes free, bytes in all."""
        ...
