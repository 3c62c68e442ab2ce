# SPDX-License-Identifier: Apache-2.0
"""A request and an answer as both dialects see them, and what HTTP itself says of them: ranges (RFC 9110, 14), conditions (13),
multipart answers. Nothing of Swift, nothing of S3."""

from __future__ import annotations

import email.utils
import heapq
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from virga.ground.errors import Problem
from virga.services.objects import limits

LAST = (1 << 63) - 1
"""The greatest length that has a name: Content-Length is read as 64 bits with a sign by clients, proxies and databases."""


class Gone(Exception):
    """The client hung up."""


def count_of(text: str, most: int) -> int | None:
    """A whole number of ASCII digits from 0 to `most`; None for everything else, in time that does not grow with the text."""
    if not 0 < len(text) <= 19 or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if number <= most else None


def is_address(text: str) -> bool:
    """Whether a browser may be sent there."""
    try:
        return urlsplit(text).scheme in {"http", "https"}
    except ValueError:
        return False


def sender(scope: Any) -> tuple[str, str]:
    """(address, scheme) of who asks. The one place where both dialects learn them: what the server found, which believes a proxy's
    X-Forwarded-For and X-Forwarded-Proto only where the operator listed the proxy; no header is looked at here or after."""
    return (scope.get("client") or ("",))[0], scope.get("scheme", "http")


@dataclass(slots=True)
class Request:
    """`path`: the raw path after the mount, still quoted. Headers by small name, joined by commas where they repeat."""

    id: str
    method: str
    raw_path: str
    mount: str
    path: str
    raw_query: str
    query: dict[str, str]
    headers: dict[str, str]
    scheme: str
    host: str
    base: str
    client: str
    receive: Callable[[], Any]
    header_list: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def header(self, name: str, default: str = "") -> str:
        return self.headers.get(name, default)

    @property
    def length(self) -> int | None:
        return count_of(self.headers.get("content-length", ""), LAST)

    async def body(self) -> AsyncIterator[bytes]:
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Gone
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                return

    async def short_body(self, most: int) -> bytes:
        got, size = [], 0
        async for chunk in self.body():
            size += len(chunk)
            if size > most:
                raise Answered(Response(413, body=b"The body is too long."))
            got.append(chunk)
        return b"".join(got)


@dataclass(slots=True)
class Response:
    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    length: int | None = None
    """Content-Length of a stream; None: chunked."""


class Answered(Exception):
    """An answer from deep inside."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.code)
        self.response = response


def parse_query(raw: str) -> dict[str, str]:
    """The last value of each field. Raises ValueError for what is not UTF-8."""
    return dict(parse_qsl(raw, keep_blank_values=True, max_num_fields=limits.QUERY, errors="strict")) if raw else {}


def unquote(raw: str) -> str:
    """Raises UnicodeDecodeError."""
    return unquote_to_bytes(raw).decode() if "%" in raw else raw


# -- times and conditions ------------------------------------------------------------------------------------------


def http_date(seconds: float) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


def parse_date(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def etags(text: str) -> list[str]:
    return [t.strip().removeprefix("W/").strip('"') for t in text.split(",") if t.strip()]


class Precondition(Problem):
    """A condition of the request does not hold: 412."""


def check_conditions(request: Request, tags: Sequence[str], changed: float) -> bool:
    """RFC 9110, 13.2.2: False means 304. Raises Precondition. `tags`: the etags the object may be known by, none when it is absent."""
    h = request.headers
    at = float(int(changed) + (1 if changed > int(changed) else 0))  # Last-Modified is rounded up
    if "if-match" in h:
        wanted = etags(h["if-match"])
        if not (("*" in wanted and tags) or any(t in wanted for t in tags)):
            raise Precondition("Precondition Failed")
    elif "if-unmodified-since" in h:
        since = parse_date(h["if-unmodified-since"])
        if since is not None and at > since:
            raise Precondition("Precondition Failed")
    if "if-none-match" in h:
        wanted = etags(h["if-none-match"])
        if (("*" in wanted) and tags) or any(t in wanted for t in tags):
            return False
    elif "if-modified-since" in h:
        since = parse_date(h["if-modified-since"])
        if since is not None and at <= since:
            return False
    return True


# -- ranges --------------------------------------------------------------------------------------------------------


def _ends(text: str) -> tuple[str, str] | None:
    """`first-last` of a range, either of which may be missing; None for what is none."""
    low, dash, high = (p.strip() for p in text.partition("-"))
    if not dash or not (low or high):
        return None
    return (low, high) if all(not t or count_of(t, 10**19) is not None for t in (low, high)) else None


def ranges(text: str | None, size: int) -> list[tuple[int, int]] | None:
    """[(start, length), …] of `bytes=…`; None: there is no usable range and the whole is meant; []: none can be satisfied.
    Past fifty ranges, or where many overlap, the header is refused as unsatisfiable: it is an attack."""
    unit, equals, rest = (text or "").partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    out: list[tuple[int, int]] = []
    if rest.count(",") >= limits.RANGES:
        return []
    parts = rest.split(",")
    for part in parts:
        found = _ends(part)
        if found is None:
            return None
        low, high = found
        if not low:
            count = int(high)
            if count and size:
                start = max(0, size - count)
                out.append((start, size - start))
            continue
        start = int(low)
        if high and int(high) < start:
            return None
        if start >= size:
            continue
        end = min(int(high), size - 1) if high else size - 1
        out.append((start, end - start + 1))
    open_, overlaps = list[int](), 0
    for start, count in sorted(out):
        while open_ and open_[0] <= start:
            heapq.heappop(open_)
        overlaps += len(open_)
        heapq.heappush(open_, start + count)
        if overlaps > 2 and len(out) > 2:
            return []
    return out


Opener = Callable[[int, int], "Any"]


async def ranged(
    open_range: Opener, found: list[tuple[int, int]], size: int, content_type: str
) -> tuple[dict[str, str], AsyncIterator[bytes], int]:
    """Headers, bytes and length of a 206. `open_range(start, length)` is awaited for an iterator of bytes."""
    if len(found) == 1:
        start, length = found[0]
        headers = {"content-range": f"bytes {start}-{start + length - 1}/{size}", "content-type": content_type}
        return headers, await open_range(start, length), length
    boundary = os.urandom(16).hex()
    heads = [
        f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {s}-{s + n - 1}/{size}\r\n\r\n".encode()
        for s, n in found
    ]
    end = f"--{boundary}--".encode()
    total = sum(len(h) + n + 2 for h, (_, n) in zip(heads, found, strict=True)) + len(end)

    async def out() -> AsyncIterator[bytes]:
        for head, (s, n) in zip(heads, found, strict=True):
            yield head
            async for chunk in await open_range(s, n):
                yield chunk
            yield b"\r\n"
        yield end

    return {"content-type": f"multipart/byteranges;boundary={boundary}"}, out(), total
