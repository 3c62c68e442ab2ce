# SPDX-License-Identifier: Apache-2.0
"""Files of secret keys: one 256-bit key a line, the first seals, all open. The file is its owner's alone; of several processes that find
none, the first one's becomes everybody's."""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path

from virga.ground.errors import Broken

BYTES = 32


class KeyFile:
    """`path` None keeps one key in memory (ephemeral clouds)."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._memory = [_fresh()]

    def read(self) -> list[bytes]:
        """The keys, the one that seals first; a file that is not there is made. Raises Broken for a file that holds none."""
        lines = self._lines()
        try:
            keys = [base64.b64decode(line, validate=True) for line in lines]
        except ValueError:
            keys = []
        if not keys or any(len(key) != BYTES for key in keys):
            raise Broken(f"{self.path} is no key file: it must have one key of {BYTES} bytes, in base64, a line.")
        return keys

    def changed(self) -> int:
        """A number that is another one once the file was written again."""
        return self.path.stat().st_mtime_ns if self.path is not None and self.path.exists() else 0

    def rotate(self) -> None:
        """A new first key; the old ones still open what they sealed. Where there was no file, its first key is new enough."""
        if self.path is not None and self.path.exists():
            self._write([_fresh(), *self._lines()])

    def forget_old(self) -> None:
        """Drop all keys but the first, once nothing is sealed with them."""
        if self.path is not None:
            self._write(self._lines()[:1])

    def _lines(self) -> list[str]:
        if self.path is None:
            return self._memory
        if not self.path.exists():
            self._write([_fresh()], first=True)
        return self.path.read_text(errors="replace").split()

    def _write(self, lines: list[str], *, first: bool = False) -> None:
        assert self.path is not None
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        fd = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as out:
            out.write("\n".join(lines) + "\n")
            out.flush()
            os.fsync(out.fileno())
        if not first:
            new.rename(self.path)
        else:
            with contextlib.suppress(FileExistsError):  # another process of the same state folder was quicker
                os.link(new, self.path)
            new.unlink()
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # what is sealed with a key must not be on the disk before the key is
        finally:
            os.close(folder)


def _fresh() -> str:
    return base64.b64encode(os.urandom(BYTES)).decode()
