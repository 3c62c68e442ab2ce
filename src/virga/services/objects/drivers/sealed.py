# SPDX-License-Identifier: Apache-2.0
"""Encryption at rest over any blob store: AES-256 in counter mode, a key of its own for each body, derived from one of the store's keys
and the body's id. Bodies are written once, so a key never meets two texts; any range is decrypted by itself. The id says whether a body
is sealed and with which key, so that the setting may change at any time, and a key that is missing is told and not taken for rot."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from virga.ground.keyfile import KeyFile
from virga.services.objects.driver import BlobStore, Writer

PLAIN = 33
"""The length of a plain body's id; a sealed one's goes on with `s` and the mark of its key."""


class KeyMissing(Exception):
    """The body is whole, and nobody here can read it."""


class Seal:
    """`everything`: seal each new body, not only those that ask for it. The keys are read when the first body needs them."""

    def __init__(self, source: KeyFile, everything: bool = True) -> None:
        self._source, self.everything, self._lock = source, everything, threading.Lock()
        self._keys: dict[str, bytes] = {}
        self._first, self._as_of = "", 0

    def mark(self, requested: bool = False) -> str:
        """What a new body's id ends with."""
        if not (self.everything or requested):
            return ""
        with self._lock:
            if not self._first or self._source.changed() != self._as_of:
                self._load()
            return self._first

    @staticmethod
    def covers(id: str) -> bool:
        return len(id) > PLAIN and id[PLAIN] == "s"

    def stream(self, id: str, start: int = 0) -> Any:
        """What turns plain into sealed bytes and back, from `start` on. Raises KeyMissing."""
        mark = id[PLAIN:]
        with self._lock:
            if mark not in self._keys:
                self._load()  # another process may have sealed it with a newer key
            root = self._keys.get(mark)
        if root is None:
            raise KeyMissing(
                f"The bytes are sealed with the key {mark[1:]}, which is not among the keys of this store."
            )
        key = hmac.new(root, id.encode(), hashlib.sha256).digest()
        cipher = Cipher(algorithms.AES(key), modes.CTR((start // 16).to_bytes(16, "big"))).encryptor()
        cipher.update(bytes(start % 16))
        return cipher

    def _load(self) -> None:
        keys = self._source.read()
        self._as_of = self._source.changed()
        self._keys = {f"s{hashlib.sha256(b'virga-object-key' + key).hexdigest()[:6]}": key for key in keys}
        self._first = next(iter(self._keys))


class SealedWriter:
    def __init__(self, inner: Writer, stream: Any) -> None:
        self._inner, self._stream = inner, stream

    def write(self, data: bytes) -> None:
        self._inner.write(self._stream.update(data))

    def commit(self) -> None:
        self._inner.commit()

    def abort(self) -> None:
        self._inner.abort()


class SealedStore:
    def __init__(self, inner: BlobStore, seal: Seal) -> None:
        self.inner, self.seal = inner, seal

    def create(self, id: str, size: int | None = None) -> Writer:
        writer = self.inner.create(id, size)
        return SealedWriter(writer, self.seal.stream(id)) if self.seal.covers(id) else writer

    def read(self, id: str, start: int = 0, length: int | None = None, verify: bool = True) -> Iterator[bytes]:
        chunks = self.inner.read(id, start, length, verify)
        return self._opened(id, start, chunks) if self.seal.covers(id) else chunks

    def _opened(self, id: str, start: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
        stream = self.seal.stream(id, start)
        for chunk in chunks:
            yield stream.update(chunk)

    def size(self, id: str) -> int:
        return self.inner.size(id)

    def remove(self, id: str) -> None:
        self.inner.remove(id)

    def ids(self) -> Iterator[str]:
        return self.inner.ids()

    def made(self, id: str) -> float:
        return self.inner.made(id)

    def quarantine(self, id: str) -> None:
        self.inner.quarantine(id)

    def free(self) -> list[tuple[str, int, int]]:
        return self.inner.free()
