# SPDX-License-Identifier: Apache-2.0
"""Encryption at rest over any blob store: AES-256 in counter mode, a key of its own for each body, derived from the cloud's key and
the body's id. Bodies are written once, so a key never meets two texts; any range is decrypted by itself."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from virga.services.objects.driver import BlobStore, Writer

SEALED = "s"
"""A body whose id ends so is sealed, whatever the setting was when it came."""


class Seal:
    """`everything`: seal each body, not only those whose ids ask for it. The root key is read when the first body needs it."""

    def __init__(self, root: bytes | Callable[[], bytes], everything: bool = True) -> None:
        self._root, self.everything, self._lock = root, everything, threading.Lock()

    def covers(self, id: str) -> bool:
        return self.everything or id.endswith(SEALED)

    def stream(self, id: str, start: int = 0) -> Any:
        """What turns plain into sealed bytes and back, from `start` on."""
        with self._lock:
            if not isinstance(self._root, bytes):
                self._root = self._root()
            root = self._root
        key = hmac.new(root, id.encode(), hashlib.sha256).digest()
        cipher = Cipher(algorithms.AES(key), modes.CTR((start // 16).to_bytes(16, "big"))).encryptor()
        cipher.update(bytes(start % 16))
        return cipher


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
