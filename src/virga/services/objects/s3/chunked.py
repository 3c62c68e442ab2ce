# SPDX-License-Identifier: Apache-2.0
"""aws-chunked bodies: chunks that carry their signatures, and trailers with checksums. Passed on as they come; what is not right ends
the upload before anything is kept. A body that stops short ends too: it is never waited for in a loop."""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from collections.abc import AsyncIterator
from typing import Any

from virga.services.objects.s3.errors import S3Error
from virga.services.objects.s3.sign import EMPTY, Signed

MAX_LINE = 1024
MAX_TRAILER = 4096


class Crc32:
    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes) -> None:
        self.value = zlib.crc32(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(4, "big")


def _table() -> list[int]:
    out = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
        out.append(n)
    return out


class Crc32c:
    """Castagnoli's polynomial; no library of ours has it, so it is slow and right."""

    TABLE = _table()

    def __init__(self) -> None:
        self.value = 0xFFFFFFFF

    def update(self, data: bytes) -> None:
        value, table = self.value, self.TABLE
        for b in data:
            value = table[(value ^ b) & 0xFF] ^ (value >> 8)
        self.value = value

    def digest(self) -> bytes:
        return (self.value ^ 0xFFFFFFFF).to_bytes(4, "big")


CHECKSUMS: dict[str, Any] = {
    "x-amz-checksum-crc32": Crc32, "x-amz-checksum-crc32c": Crc32c, "x-amz-checksum-sha1": lambda: hashlib.sha1(usedforsecurity=False), "x-amz-checksum-sha256": hashlib.sha256,
}  # fmt: skip


class Body:
    """An upload's bytes, unchunked, hashed and checked. `checksums` is filled when the stream has ended."""

    def __init__(self, source: AsyncIterator[bytes], signed: Signed, headers: dict[str, str]) -> None:
        self._source, self._signed, self._headers = source, signed, headers
        self._held = bytearray()
        self._sums: dict[str, Any] = {}
        self.checksums: dict[str, str] = {}
        wanted = {
            k: v
            for k, v in headers.items()
            if k.startswith("x-amz-checksum-") and k not in {"x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"}
        }
        announced = [t.strip().lower() for t in headers.get("x-amz-trailer", "").split(",") if t.strip()]
        for name in {*wanted, *announced}:
            if name not in CHECKSUMS:
                raise S3Error("NotImplemented", f"The checksum {name[:64]} is not implemented.")
            self._sums[name] = CHECKSUMS[name]()
        self._wanted, self._announced = wanted, announced
        self._sha = hashlib.sha256() if len(signed.payload) == 64 else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunked = self._signed.payload.startswith("STREAMING-")
        async for data in self._chunks() if chunked else self._source:
            for s in self._sums.values():
                s.update(data)
            if self._sha is not None:
                self._sha.update(data)
            yield data
        if self._sha is not None and self._sha.hexdigest() != self._signed.payload:
            raise S3Error("XAmzContentSHA256Mismatch")
        for name, s in self._sums.items():
            made = base64.b64encode(s.digest()).decode()
            said = self._wanted.get(name)
            if said is None:
                raise S3Error("InvalidRequest", f"The trailer {name} was announced and did not come.")
            if not hmac.compare_digest(made.encode(), said.strip().encode()):
                raise S3Error("BadDigest", f"The {name.removeprefix('x-amz-checksum-')} you specified did not match what we received.")
            self.checksums[name] = made

    async def _more(self) -> None:
        try:
            self._held += await self._source.__anext__()
        except StopAsyncIteration:
            raise S3Error("IncompleteBody") from None

    async def _line(self) -> bytes:
        while (end := self._held.find(b"\r\n")) < 0:
            if len(self._held) > MAX_LINE:
                raise S3Error("InvalidRequest", "A chunk's head does not end.")
            await self._more()
        if end > MAX_LINE:
            raise S3Error("InvalidRequest", "A chunk's head does not end.")
        out = bytes(self._held[:end])
        del self._held[: end + 2]
        return out

    async def _chunks(self) -> AsyncIterator[bytes]:
        signs = self._signed.payload.startswith("STREAMING-AWS4")
        before = self._signed.seed
        while True:
            line = (await self._line()).decode("latin-1")
            size_text, _, extension = line.partition(";")
            try:
                size = int(size_text, 16)
                if size < 0 or len(size_text) > 12 or not size_text.strip().isalnum():
                    raise ValueError
            except ValueError:
                raise S3Error("InvalidRequest", "A chunk's size is not a number.") from None
            sha, left = hashlib.sha256() if signs else None, size
            while left:
                if not self._held:
                    await self._more()
                data = bytes(self._held[:left])
                del self._held[: len(data)]
                left -= len(data)
                if sha is not None:
                    sha.update(data)
                yield data
            if sha is not None:
                given = extension.removeprefix("chunk-signature=").strip()
                text = f"AWS4-HMAC-SHA256-PAYLOAD\n{self._signed.when}\n{self._signed.scope}\n{before}\n{EMPTY}\n{sha.hexdigest()}"
                made = hmac.new(self._signed.key, text.encode(), hashlib.sha256).hexdigest()
                if not hmac.compare_digest(made.encode(), given.encode("latin-1")):
                    raise S3Error("SignatureDoesNotMatch", "A chunk's signature does not match.")
                before = made
            if size == 0:
                break
            if await self._line():
                raise S3Error("InvalidRequest", "A chunk is longer than its size.")
        await self._trailer(signs, before)

    async def _trailer(self, signs: bool, before: str) -> None:
        if not self._signed.payload.endswith("-TRAILER"):
            return
        lines, total, given = "", 0, ""
        while True:
            line = await self._line()
            total += len(line)
            if not line:
                break
            if total > MAX_TRAILER:
                raise S3Error("InvalidRequest", "The trailer does not end.")
            name, _, value = line.decode("latin-1").rstrip("\n").partition(":")
            name, value = name.strip().lower(), value.strip()
            if name == "x-amz-trailer-signature":
                given = value
                continue
            if name not in self._announced:
                raise S3Error("InvalidRequest", f"The trailer {name[:64]} was not announced.")
            self._wanted[name] = value
            lines += f"{name}:{value}\n"
        if signs:
            text = f"AWS4-HMAC-SHA256-TRAILER\n{self._signed.when}\n{self._signed.scope}\n{before}\n{hashlib.sha256(lines.encode()).hexdigest()}"
            made = hmac.new(self._signed.key, text.encode(), hashlib.sha256).hexdigest()
            if not hmac.compare_digest(made.encode(), given.encode("latin-1")):
                raise S3Error("SignatureDoesNotMatch", "The trailer's signature does not match.")
