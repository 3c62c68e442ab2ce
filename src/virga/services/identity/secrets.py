# SPDX-License-Identifier: Apache-2.0
"""The keys that seal credentials and the token keys, kept in a file beside the database and not in it: who steals a backup of the
database alone has no credential and makes no token. One key a line, the first seals, all open; the file is its owner's."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from virga.ground.errors import Broken
from virga.ground.keyfile import KeyFile

LABEL, TOKEN_KEY = b"virga-credential", b"virga-token-key"
"""What a sealed text is for: one kind never opens as another."""


class Vault:
    """`seal` and `open` short secrets. `file` None keeps the key in memory (ephemeral clouds)."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._source = KeyFile(file)
        self._keys = [AESGCM(key) for key in self._source.read()]

    def rotate(self) -> None:
        """A new first key; the old ones still open what they sealed."""
        self._source.rotate()
        self._keys = [AESGCM(key) for key in self._source.read()]

    def forget_old(self) -> None:
        """Drop all keys but the first, once nothing is sealed with them."""
        self._source.forget_old()
        self._keys = self._keys[:1]

    def seal(self, text: str, label: bytes = LABEL) -> str:
        nonce = os.urandom(12)
        return base64.b64encode(nonce + self._keys[0].encrypt(nonce, text.encode(), label)).decode()

    def open(self, sealed: str, label: bytes = LABEL) -> str:
        """What was sealed under `label`, by whichever key of ours sealed it. Raises Broken."""
        raw = base64.b64decode(sealed)
        for key in self._keys:
            try:
                return key.decrypt(raw[:12], raw[12:], label).decode()
            except InvalidTag:
                continue
        what = "A token key" if label == TOKEN_KEY else "A credential"
        raise Broken(
            f"{what} was sealed with a key that is not in the credential key file ({self.file or 'this cloud has none'})."
        )
