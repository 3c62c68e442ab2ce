# SPDX-License-Identifier: Apache-2.0
"""aws-chunked bodies: chunks that carry their signatures, and trailers with checksums. Passed on as they come; what is not right ends
the upload before anything is kept. A body that stops short ends too: it is never waited for in a loop."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

from virga.services.objects.http import LAST, count_of
from virga.services.objects.s3 import checksums
from virga.services.objects.s3.errors import S3Error
from virga.services.objects.s3.sign import EMPTY, Signed

MAX_LINE = 1024
MAX_TRAILER = 4096


class Body:
    """An upload's bytes, unchunked, hashed and checked. `sums` is filled when the stream has ended."""

    def __init__(
        self,
        source: AsyncIterator[bytes],
        signed: Signed,
        headers: dict[str, str],
        also: str = "",
        plain_md5: bool = False,
    ) -> None:
        """`also`: an algorithm to sum by where the client brings no sum of its own. `plain_md5`: tell the MD5 in `md5`."""
        self._source, self._signed, self._headers = source, signed, headers
        self._held = bytearray()
        self._chunked, self._length = signed.payload.startswith("STREAMING-"), 0
        if self._chunked:
            length = count_of(headers.get("x-amz-decoded-content-length", ""), LAST)
            if length is None:
                raise S3Error("MissingContentLength")
            self._length = length
        self.sums: dict[str, str] = {}
        self._wanted, self._announced = checksums.requested(headers)
        names = {*self._wanted, *self._announced} or ({also} if also else set())
        self._own = not self._wanted and not self._announced
        self._sums: dict[str, Any] = {name: checksums.hasher(name) for name in names}
        for name, text in self._wanted.items():
            if not checksums.well_formed(name, text):
                raise S3Error("InvalidRequest", f"Value for x-amz-checksum-{name} header is invalid.")
        self._md5, self.md5 = hashlib.md5(usedforsecurity=False) if plain_md5 else None, ""
        self._sha = hashlib.sha256() if len(signed.payload) == 64 else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._chunks() if self._chunked else self._source:
            size += len(data)
            if self._chunked and size > self._length:
                raise S3Error("IncompleteBody")
            for s in self._sums.values():
                s.update(data)
            if self._sha is not None:
                self._sha.update(data)
            if self._md5 is not None:
                self._md5.update(data)
            yield data
        if self._chunked and size != self._length:
            raise S3Error("IncompleteBody")
        if self._md5 is not None:
            self.md5 = self._md5.hexdigest()
        if self._sha is not None and self._sha.hexdigest() != self._signed.payload:
            raise S3Error("XAmzContentSHA256Mismatch")
        for name, s in self._sums.items():
            made = checksums.text(s)
            declared = self._wanted.get(name, made if self._own else None)
            if declared is None:
                raise S3Error("InvalidRequest", f"The trailer x-amz-checksum-{name} was announced and did not come.")
            if not hmac.compare_digest(made.encode(), declared.encode()):
                raise S3Error("BadDigest", f"The {name.upper()} you specified did not match the calculated checksum.")
            self.sums[name] = made

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
            if name.removeprefix(checksums.PREFIX) not in self._announced:
                raise S3Error("InvalidRequest", f"The trailer {name[:64]} was not announced.")
            self._wanted[name.removeprefix(checksums.PREFIX)] = value
            lines += f"{name}:{value}\n"
        if signs:
            text = f"AWS4-HMAC-SHA256-TRAILER\n{self._signed.when}\n{self._signed.scope}\n{before}\n{hashlib.sha256(lines.encode()).hexdigest()}"
            made = hmac.new(self._signed.key, text.encode(), hashlib.sha256).hexdigest()
            if not hmac.compare_digest(made.encode(), given.encode("latin-1")):
                raise S3Error("SignatureDoesNotMatch", "The trailer's signature does not match.")
