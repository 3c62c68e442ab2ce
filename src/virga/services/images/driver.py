# SPDX-License-Identifier: Apache-2.0
"""The plug for image bytes. Verbs are idempotent; a blob is whole or absent, never half."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Writer(Protocol):
    """Bytes on their way in. Nothing is visible before `commit`, which makes them durable."""

    def write(self, data: bytes) -> None: ...

    def fd(self) -> int:
        """A readable descriptor on what was written, at its start; the caller closes it."""
        ...

    def commit(self) -> None: ...

    def abort(self) -> None: ...


class BlobStore(Protocol):
    def create(self, id: str, upload: str | None = None) -> Writer: ...

    def read(self, id: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Chunks of the blob; raises FileNotFoundError."""
        ...

    def path(self, id: str) -> Path | None:
        """Where a local reader finds the whole blob, if it is a file here."""
        ...

    def remove(self, id: str) -> None: ...

    def ids(self) -> set[str]: ...

    def sweep(self, live: set[str]) -> int:
        """Drop unfinished writes that are not in `live` (upload ids); how many."""
        ...
