# SPDX-License-Identifier: Apache-2.0
"""The keys that seal credentials and the token keys, kept in a file beside the database and not in it: who steals a backup of the
database alone has no credential and makes no token. One key a line, the first seals, all open; the file is its owner's."""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from virga.ground.errors import Broken

LABEL, TOKEN_KEY = b"virga-credential", b"virga-token-key"
"""What a sealed text is for: one kind never opens as another."""


class Vault:
    """`seal` and `open` short secrets. `file` None keeps the key in memory (ephemeral clouds)."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._keys = [AESGCM(base64.b64decode(line)) for line in self._lines()]

    def _lines(self) -> list[str]:
        if self.file is None:
            return [_fresh()]
        if not self.file.exists():
            self._write([_fresh()], first=True)
        return self.file.read_text().split()

    def _write(self, lines: list[str], *, first: bool = False) -> None:
        assert self.file is not None
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        new = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        fd = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as out:
            out.write("\n".join(lines) + "\n")
            out.flush()
            os.fsync(out.fileno())
        if not first:
            new.rename(self.file)
            return
        with contextlib.suppress(FileExistsError):  # another process of the same state folder was quicker: its keys are the cloud's
            os.link(new, self.file)
        new.unlink()

    def rotate(self) -> None:
        """A new first key; the old ones still open what they sealed."""
        if self.file is not None:
            self._write([_fresh(), *self._lines()])
            self._keys = [AESGCM(base64.b64decode(line)) for line in self._lines()]

    def forget_old(self) -> None:
        """Drop all keys but the first, once nothing is sealed with them."""
        if self.file is not None:
            self._write(self._lines()[:1])
        self._keys = self._keys[:1]

    def seal(self, text: str, label: bytes = LABEL) -> str:
        nonce = os.urandom(12)
        return base64.b64encode(nonce + self._keys[0].encrypt(nonce, text.encode(), label)).decode()

    def open(self, sealed: str, label: bytes = LABEL) -> str:
        raw = base64.b64decode(sealed)
        for key in self._keys:
            try:
                return key.decrypt(raw[:12], raw[12:], label).decode()
            except InvalidTag:
                continue
        what = "A token key" if label == TOKEN_KEY else "A credential"
        raise Broken(f"{what} was sealed with a key that is not in the credential key file ({self.file or 'this cloud has none'}).")


def _fresh() -> str:
    return base64.b64encode(os.urandom(32)).decode()
