# SPDX-License-Identifier: Apache-2.0
"""Passwords: argon2id for what is stored; a memory-only keyed digest for a password that this process has just verified, so that
a client that logs in all day pays the slow hash once. Two hashes run at a time: a login flood waits for itself alone."""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from collections import OrderedDict

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from virga.ground.errors import Invalid

MAX_LENGTH = 4096
REMEMBER_SECONDS = 600.0
# 19 MiB, two passes, one lane: the first choice of OWASP's password storage guidance for argon2id
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_slots = threading.BoundedSemaphore(2)


class Passwords:
    """`hash` and `verify`. Call them outside transactions: they take milliseconds on purpose."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._seen: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._nobody = _hasher.hash(os.urandom(16))

    def hash(self, password: str) -> str:
        if len(password) > MAX_LENGTH:
            raise Invalid(f"Invalid input for field 'password': at most {MAX_LENGTH} characters", field="password")
        with _slots:
            return _hasher.hash(password)

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one behind `stored`. Without a stored hash the same time is spent and the answer is no."""
        if len(password) > MAX_LENGTH:
            return False
        digest = hashlib.blake2b(password.encode(), key=self._key).digest()
        if stored is not None and self._remembered(stored, digest):
            return True
        with _slots:
            try:
                right = _hasher.verify(stored or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
        if stored is None or not right:
            return False
        with self._lock:
            self._seen[stored] = (digest, time.monotonic() + REMEMBER_SECONDS)
            while len(self._seen) > 10000:
                self._seen.popitem(last=False)
        return True

    def _remembered(self, stored: str, digest: bytes) -> bool:
        with self._lock:
            known = self._seen.get(stored)
        return known is not None and known[1] > time.monotonic() and hmac.compare_digest(known[0], digest)
