# SPDX-License-Identifier: Apache-2.0
"""Passwords: argon2id for what is stored; a memory-only keyed digest for a password that this process has just verified, so that
a client that logs in all day pays the slow hash once. Two hashes run at a time: a login flood waits for itself alone. Hashes that a
Keystone made (bcrypt, bcrypt-sha256, scrypt, pbkdf2-sha512) verify too."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import threading
import time
from collections import OrderedDict

from nacl import bindings as sodium
from nacl.exceptions import CryptoError

from virga.ground.errors import Invalid
from virga.ground.http.call import Cold

MAX_LENGTH = 4096
REMEMBER_SECONDS = 600.0
# 7 MiB, five passes, one lane: of the settings that OWASP's password storage guidance holds equal for argon2id the one that costs the
# least processor time and memory here, so that a login flood costs the least too. By libsodium, which uses the widest vectors that the
# processor has: half the time of argon2's reference code at this setting
PASSES, KIB = 5, 7168
MOST_KIB, MOST_PASSES = 1 << 20, 64
_slots = threading.BoundedSemaphore(2)


class Passwords:
    """`hash` and `verify`. Call them outside transactions: they take milliseconds on purpose."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._seen: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._nobody = _argon2(os.urandom(16))

    def hash(self, password: str) -> str:
        """The hash of a password (argon2id), in the PHC string format. Raises Invalid."""
        if len(password) > MAX_LENGTH:
            raise Invalid(f"Invalid input for field 'password': at most {MAX_LENGTH} characters", field="password")
        with _slots:
            return _argon2(password.encode())

    def verify(self, stored: str | None, password: str, *, hot: bool = False) -> bool:
        """Whether `password` is the one behind `stored`. Without a stored hash the same time is spent and the answer is no. `hot`: only
        from memory; raises Cold where the slow hash is needed."""
        if len(password) > MAX_LENGTH:
            return False
        digest = hashlib.blake2b(password.encode(), key=self._key).digest()
        if stored is not None and self._remembered(stored, digest):
            return True
        if hot:
            raise Cold
        with _slots:
            right = _right(stored or self._nobody, password)
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


def _argon2(password: bytes) -> str:
    """The PHC string of a password: `$argon2id$v=19$m=7168,t=5,p=1$salt$digest`."""
    made: bytes = sodium.crypto_pwhash_str_alg(password, PASSES, KIB * 1024, sodium.crypto_pwhash_ALG_ARGON2ID13)
    return made.rstrip(b"\0").decode()


def _right(stored: str, password: str) -> bool:
    try:
        if stored.startswith("$argon2"):
            return _bounded(stored) and bool(sodium.crypto_pwhash_str_verify(stored.encode(), password.encode()))
        return _imported(stored, password.encode())
    except (CryptoError, ValueError):
        return False


def _bounded(stored: str) -> bool:
    """Whether a hash that was brought in asks for no more memory and time than a login may take."""
    found = re.match(r"\$argon2id?\$v=19\$m=(\d{1,8}),t=(\d{1,4}),p=\d{1,3}\$", stored)
    return found is not None and int(found[1]) <= MOST_KIB and int(found[2]) <= MOST_PASSES


def _imported(stored: str, password: bytes) -> bool:
    """A hash in one of passlib's forms, as Keystone stores them. Raises ValueError on a form that is none of them."""
    _, kind, *parts = stored.split("$")
    if kind in {"2a", "2b", "2y"}:
        import bcrypt

        return bcrypt.checkpw(password[:72], stored.encode())
    if kind == "bcrypt-sha256":
        import bcrypt

        options = dict(p.split("=") for p in parts[0].split(","))
        salt, digest = parts[1], parts[2]
        key = base64.b64encode(hmac.new(salt.encode(), password, hashlib.sha256).digest())
        made = f"${options['t']}${int(options['r']):02d}${salt}{digest}".encode()
        return options.get("v") == "2" and bcrypt.checkpw(key, made)
    if kind == "scrypt":
        options = dict(p.split("=") for p in parts[0].split(","))
        cost, block, lanes = 1 << int(options["ln"]), int(options["r"]), int(options["p"])
        if cost * block > 1 << 21:
            raise ValueError("the hash asks for too much memory")
        right = _plain(parts[2])
        made_s = hashlib.scrypt(
            password, salt=_plain(parts[1]), n=cost, r=block, p=lanes, dklen=len(right), maxmem=cost * block * 256
        )
        return hmac.compare_digest(made_s, right)
    if kind == "pbkdf2-sha512":
        rounds = min(int(parts[0]), 1_000_000)
        return hmac.compare_digest(hashlib.pbkdf2_hmac("sha512", password, _plain(parts[1]), rounds), _plain(parts[2]))
    raise ValueError("not a hash that is known here")


def _plain(text: str) -> bytes:
    """passlib's base64: `.` for `+`, no padding."""
    text = text.replace(".", "+")
    return base64.b64decode(text + "=" * (-len(text) % 4))
