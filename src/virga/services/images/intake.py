# SPDX-License-Identifier: Apache-2.0
"""What is learned of bytes while they pass: how many, their hashes, whether they are what was signed."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from virga.ground.errors import TooLarge
from virga.services.images.signature import Signature

ALGORITHM = "sha512"
ALGORITHMS = ("sha256", "sha384", "sha512")


class Stored(msgspec.Struct, frozen=True):
    """The finished measure: `checksum` is MD5, for the clients that ask for it; `value` is what is trusted."""

    size: int
    checksum: str
    algorithm: str
    value: str


class Intake:
    """`most` is the number of bytes above which there is no more room, `why` says whose limit that is."""

    def __init__(self, most: int, why: str, *, algorithm: str = ALGORITHM, signature: Signature | None = None) -> None:
        self.most, self.why, self.algorithm, self.signature = most, why, algorithm, signature
        self.size = 0
        self._md5: Any = hashlib.md5(usedforsecurity=False)
        self._strong: Any = hashlib.new(algorithm)

    def expect(self, size: int) -> None:
        """Raises TooLarge if `size` bytes would be too many."""
        if size > self.most:
            raise TooLarge(f"The image is longer than {self.most} bytes: {self.why}", limit=self.most)

    def count(self, data: bytes) -> None:
        """Raises TooLarge before a byte too many is kept."""
        self.size += len(data)
        self.expect(self.size)

    def weak(self, data: bytes) -> None:
        self._md5.update(data)

    def strong(self, data: bytes) -> None:
        self._strong.update(data)
        if self.signature is not None:
            self.signature.update(data)

    def take(self, data: bytes) -> None:
        """All of it, one after the other."""
        self.count(data)
        self.weak(data)
        self.strong(data)

    def finish(self) -> Stored:
        """Raises Invalid if the bytes are not what was signed."""
        if self.signature is not None:
            self.signature.verify()
        return Stored(self.size, self._md5.hexdigest(), self.algorithm, self._strong.hexdigest())
