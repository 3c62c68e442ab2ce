# SPDX-License-Identifier: Apache-2.0
"""multipart/form-data (RFC 7578) as a stream, a part at a time, in constant memory: browsers' uploads in both dialects."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

MAX_HEAD = 4096
CHUNK = 1 << 16


class FormError(ValueError):
    """The body is not a form; the sentence says where."""


def boundary_of(content_type: str) -> bytes:
    """Raises FormError."""
    found = re.search(r'(?i)^multipart/form-data\s*;.*?boundary="?([^";,\s]{1,200})"?', content_type)
    if found is None:
        raise FormError("The body must be multipart/form-data with a boundary.")
    return found.group(1).encode()


class Form:
    """`start`, then `next` and `data` (or `text`) for each part. Only what may be the beginning of a boundary is held back."""

    def __init__(self, source: AsyncIterator[bytes], boundary: bytes) -> None:
        self._source, self._mark = source.__aiter__(), b"\r\n--" + boundary
        self._held = bytearray(b"\r\n")

    async def _more(self) -> None:
        try:
            self._held += await self._source.__anext__()
        except StopAsyncIteration:
            raise FormError("The form ends before its last boundary.") from None

    async def start(self) -> None:
        """Skip what stands before the first part."""
        async for _ in self.data():
            pass

    async def next(self) -> dict[str, str] | None:
        """The headers of the part that begins here, by small name; None when the form has ended."""
        while len(self._held) < 2:
            await self._more()
        if self._held[:2] == b"--":
            return None
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > MAX_HEAD:
                raise FormError("A part's head does not end.")
            await self._more()
        if end > MAX_HEAD:
            raise FormError("A part's head does not end.")
        head = bytes(self._held[:end]).decode("utf-8", "replace")
        del self._held[: end + 4]
        return {k.lower(): v for k, v in re.findall(r"(?im)^([a-z-]+)[ \t]*:[ \t]*(.*?)\r?$", head)}

    async def data(self) -> AsyncIterator[bytes]:
        """The part's bytes, up to the next boundary."""
        keep = len(self._mark) - 1
        while (at := self._held.find(self._mark)) < 0:
            if len(self._held) > keep + CHUNK:
                out = bytes(self._held[:-keep])
                del self._held[:-keep]
                yield out
            await self._more()
        out = bytes(self._held[:at])
        del self._held[: at + len(self._mark)]
        if out:
            yield out

    async def text(self, most: int) -> str:
        """A part that is a field."""
        value = bytearray()
        async for chunk in self.data():
            value += chunk
            if len(value) > most:
                raise FormError(f"A field is longer than {most} bytes.")
        return value.decode("utf-8", "replace")


def word(text: str, name: str) -> str | None:
    """A parameter of Content-Disposition."""
    text = text[:2048]
    found = re.search(rf'(?i)(?:^|;\s*){name}="((?:[^"\\]|\\.)*)"', text) or re.search(
        rf"(?i)(?:^|;\s*){name}=([^;\s]+)", text
    )
    return None if found is None else re.sub(r'\\(["\\])', r"\1", found.group(1))
