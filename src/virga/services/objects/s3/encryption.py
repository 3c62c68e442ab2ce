# SPDX-License-Identifier: Apache-2.0
"""Encryption that a request or a bucket asks for. With the store's own key (AES256) the body is sealed at rest; with a customer's key
it is sealed before it reaches the store, and nobody, Swift's API included, reads it without that key, of which only a salted proof
is kept. Keys of a key service are not built."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from virga.services.objects import model
from virga.services.objects.s3.errors import S3Error

CUSTOMER = "x-amz-server-side-encryption-customer-"
SOURCE = "x-amz-copy-source-server-side-encryption-customer-"
OWN = "x-amz-server-side-encryption"
KMS = f"{OWN}-aws-kms-key-id"


@dataclass(frozen=True, slots=True)
class Key:
    """A customer's key, as one request carries it."""

    raw: bytes
    md5: str

    def headers(self) -> dict[str, str]:
        return {f"{CUSTOMER}algorithm": "AES256", f"{CUSTOMER}key-md5": self.md5}


@dataclass(frozen=True, slots=True)
class RequestedEncryption:
    """How a new body is to be sealed."""

    key: Key | None = None
    own: bool = False

    def headers(self) -> dict[str, str]:
        return self.key.headers() if self.key is not None else {OWN: "AES256"} if self.own else {}


def key(headers: Mapping[str, str], prefix: str = CUSTOMER) -> Key | None:
    """The customer's key of a request. Raises InvalidArgument for one that is not whole."""
    algorithm, text, md5 = (headers.get(f"{prefix}{n}") for n in ("algorithm", "key", "key-md5"))
    if algorithm is None and text is None and md5 is None:
        return None
    if algorithm != "AES256":
        raise S3Error(
            "InvalidArgument",
            "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.",
        )
    if text is None:
        raise S3Error(
            "InvalidArgument",
            "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.",
        )
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise S3Error("InvalidArgument", "The secret key was invalid for the specified algorithm.")
    if not hmac.compare_digest(
        (md5 or "").encode(), base64.b64encode(hashlib.md5(raw, usedforsecurity=False).digest())
    ):
        raise S3Error("InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided.")
    return Key(raw, md5 or "")


def requested(headers: Mapping[str, str], control: Mapping[str, Any], everything: bool) -> RequestedEncryption:
    """What a write asks for, or else its bucket. Raises InvalidArgument, NotImplemented."""
    name, own = headers.get(OWN), key(headers)
    if name is not None and own is not None:
        raise S3Error(
            "InvalidArgument",
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
        )
    if name is not None and name not in {"AES256", "aws:kms", "aws:kms:dsse"}:
        raise S3Error("InvalidArgument", "The encryption method specified is not supported")
    if KMS in headers and name not in {"aws:kms", "aws:kms:dsse"}:
        raise S3Error(
            "InvalidArgument",
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
        )
    if name is not None and name != "AES256":
        raise S3Error("NotImplemented", "There is no key service: use AES256, or keys of your own.")
    return RequestedEncryption(own, own is None and (name == "AES256" or bool(control.get("encryption")) or everything))


# -- bodies under a customer's key ---------------------------------------------------------------------------------


def _derived(raw: bytes, salt: bytes, what: bytes) -> bytes:
    return hmac.new(raw, what + salt, hashlib.sha256).digest()


def fresh(k: Key) -> dict[str, str]:
    """What a row keeps of a body under the key: a salt, and a proof that tells the same key again."""
    salt = os.urandom(16)
    return {"salt": salt.hex(), "proof": _derived(k.raw, salt, b"proof").hex()}


def cipher(k: Key, salt: str, start: int = 0) -> Any:
    """What turns plain into sealed bytes and back, from `start` on: AES-256 in counter mode under a key of this body alone."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    made = Cipher(
        algorithms.AES(_derived(k.raw, bytes.fromhex(salt), b"body")), modes.CTR((start // 16).to_bytes(16, "big"))
    ).encryptor()
    made.update(bytes(start % 16))
    return made


def prove(seal: Mapping[str, str] | None, k: Key | None) -> None:
    """Raise InvalidRequest unless the key is the one that the body needs, or none where it needs none."""
    if seal is None:
        if k is not None:
            raise S3Error("InvalidRequest", "The encryption parameters are not applicable to this object.")
        return
    if k is None:
        raise S3Error(
            "InvalidRequest",
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
        )
    if not hmac.compare_digest(_derived(k.raw, bytes.fromhex(seal["salt"]), b"proof").hex(), seal["proof"]):
        raise S3Error("InvalidRequest", "The provided encryption parameters did not match the ones used originally.")


def sealed_of(o: model.Object) -> dict[str, str] | None:
    found: dict[str, str] | None = o.own("sealed")
    return found


async def turned(chunks: AsyncIterator[bytes], k: Key, salt: str, start: int = 0) -> AsyncIterator[bytes]:
    stream = cipher(k, salt, start)
    async for chunk in chunks:
        yield stream.update(chunk)
