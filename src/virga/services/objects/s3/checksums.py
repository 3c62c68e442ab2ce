# SPDX-License-Identifier: Apache-2.0
"""Checksums that clients bring and ask for: of a whole object, of parts, and of an object made of parts (composite: the digest of the
parts' digests; full: cyclic ones combine). Rows keep them under `sums` by the algorithm's name, `sums_of` says COMPOSITE."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from virga.services.objects.s3.errors import S3Error, Xml, el

SIZES = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
PREFIX = "x-amz-checksum-"
WORDS = frozenset({f"{PREFIX}algorithm", f"{PREFIX}mode", f"{PREFIX}type"})
TYPES = ("COMPOSITE", "FULL_OBJECT")


class Crc:
    """A cyclic checksum, a piece at a time."""

    def __init__(self, name: str) -> None:
        self._next, self._size, self.value = _cyclic(name), SIZES[name], 0

    def update(self, data: bytes) -> None:
        self.value = self._next(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(self._size, "big")


def _cyclic(name: str) -> Callable[[bytes, int], int]:
    if name == "crc32":
        import zlib

        return zlib.crc32
    from awscrt import (
        checksums,
    )  # the only library with all of them and their combination; not loaded before somebody asks

    found: Callable[[bytes, int], int] = getattr(checksums, name)
    return found


def hasher(name: str) -> Any:
    """Something with update and digest. Raises InvalidRequest for an algorithm that S3 has not."""
    if name not in SIZES:
        raise S3Error(
            "InvalidRequest", f"The algorithm {name[:32]} is unknown: use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256."
        )
    if name == "sha1":
        return hashlib.sha1(usedforsecurity=False)
    return hashlib.sha256() if name == "sha256" else Crc(name)


def text(made: Any) -> str:
    """A hash as it is written."""
    return base64.b64encode(made.digest()).decode()


def requested(headers: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """(what the headers say each sum is, names of sums that a trailer will tell)."""
    declared = {
        k.removeprefix(PREFIX): v.strip() for k, v in headers.items() if k.startswith(PREFIX) and k not in WORDS
    }
    told = [t.strip().lower().removeprefix(PREFIX) for t in headers.get("x-amz-trailer", "").split(",") if t.strip()]
    if len({*declared, *told}) > 1:
        raise S3Error(
            "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    algorithm = headers.get("x-amz-sdk-checksum-algorithm", "").lower()
    if algorithm and (declared or told) and algorithm not in {*declared, *told}:
        raise S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
    return declared, told


def kind(algorithm: str, wanted: str) -> str:
    """COMPOSITE or FULL_OBJECT of a multipart upload. Raises InvalidRequest where the algorithm cannot."""
    if wanted and wanted not in TYPES:
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    out = wanted or ("FULL_OBJECT" if algorithm == "crc64nvme" else "COMPOSITE")
    if (out == "FULL_OBJECT" and algorithm.startswith("sha")) or (out == "COMPOSITE" and algorithm == "crc64nvme"):
        raise S3Error(
            "InvalidRequest", f"The {out} checksum type cannot be used with the {algorithm} checksum algorithm."
        )
    return out


def of_parts(algorithm: str, how: str, parts: Sequence[tuple[int, str]]) -> str:
    """The sum of an object from (length, sum) of its parts."""
    raw = [base64.b64decode(s) for _, s in parts]
    if how == "COMPOSITE":
        whole = hasher(algorithm)
        whole.update(b"".join(raw))
        return f"{base64.b64encode(whole.digest()).decode()}-{len(parts)}"
    from awscrt import checksums

    join = getattr(checksums, f"combine_{algorithm}")
    value = int.from_bytes(raw[0], "big")
    for (size, _), each in zip(parts[1:], raw[1:], strict=True):
        value = join(value, int.from_bytes(each, "big"), size)
    return base64.b64encode(int(value).to_bytes(SIZES[algorithm], "big")).decode()


def well_formed(name: str, text: str) -> bool:
    """Whether it can be a sum at all: the right length, and the one spelling that base64 has for it."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(raw) == SIZES.get(name, -1) and base64.b64encode(raw).decode() == text


def headers(sums: dict[str, str] | None, how: str | None = None) -> dict[str, str]:
    """The same as answers print it."""
    if not sums:
        return {}
    return {f"{PREFIX}{k}": v for k, v in sums.items()} | {f"{PREFIX}type": how or "FULL_OBJECT"}


def elements(sums: dict[str, str] | None, how: str | None = None) -> list[Xml]:
    out = [el(f"Checksum{k.upper()}", v) for k, v in (sums or {}).items()]
    return out + ([el("ChecksumType", how or "FULL_OBJECT")] if out and how != "" else [])


def listed(sums: dict[str, str] | None, how: str | None) -> Iterable[Xml]:
    """What a listing says of an object's sums."""
    if sums:
        yield from (el("ChecksumAlgorithm", k.upper()) for k in sums)
        yield el("ChecksumType", how or "FULL_OBJECT")
