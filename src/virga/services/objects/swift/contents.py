# SPDX-License-Identifier: Apache-2.0
"""An object's bytes on their way out: conditions, ranges, and what they are read from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from virga.services.objects.http import (
    LAST,
    Answered,
    Precondition,
    Request,
    Response,
    check_conditions,
    etags,
    parse_date,
    ranged,
    ranges,
)
from virga.services.objects.swift.replies import page


@dataclass(slots=True)
class Whole:
    """An object that can be read anywhere: its size, its etag, and `open(start, length)`."""

    size: int
    etag: str
    open: Callable[[int, int], Awaitable[AsyncIterator[bytes]]]

    def __post_init__(self) -> None:
        """Raise 409 for a size that no Content-Length says."""
        if self.size > LAST:
            raise broken(f"The object's segments make {self.size} bytes, more than the {LAST} that a length can say.")


async def answer(request: Request, headers: dict[str, str], whole: Whole, tags: list[str], changed: float) -> Response:
    """Conditions, ranges, and the bytes."""
    headers["accept-ranges"] = "bytes"
    code = fresh(request, tags, changed)
    if code == 304:
        return Response(304, {k: v for k, v in headers.items() if k not in {"content-length", "content-type"}})
    if code == 412:
        return Response(412, headers, length=0)
    content_type = headers["content-type"]
    wanted = ranges(request.headers.get("range"), whole.size)
    if wanted is not None and "if-range" in request.headers:
        value = request.headers["if-range"]
        wanted = wanted if etags(value)[:1] == tags[:1] or value == headers.get("last-modified") else None
    if wanted is not None and whole.size is not None:
        if not wanted:
            response = page(416, "The Range requested is not available.")
            response.headers |= {
                "content-range": f"bytes */{whole.size}",
                "accept-ranges": "bytes",
                "etag": headers.get("etag", ""),
            }
            return response
        if request.method == "HEAD":
            return Response(200, headers, length=whole.size)
        more, stream, length = await ranged(whole.open, wanted, whole.size, content_type)
        return Response(206, headers | more, stream=stream, length=length)
    if request.method == "HEAD":
        return Response(200, headers, length=whole.size)
    if whole.size == 0:
        return Response(200, headers, length=0)
    return Response(200, headers, stream=await whole.open(0, whole.size), length=whole.size)


def fresh(request: Request, tags: list[str], changed: float) -> int:
    """200, 304 or 412: what the conditions of the request make of an object."""
    try:
        if "if-match" in request.headers and "if-unmodified-since" in request.headers:
            # both have to hold in Swift; RFC 9110 looks at the first alone
            since = parse_date(request.headers["if-unmodified-since"])
            if since is not None and -(-changed // 1) > since:
                return 412
        return 200 if check_conditions(request, tags, changed) else 304
    except Precondition:
        return 412


def broken(why: str) -> Answered:
    """A large object that cannot be put together: what upstream says, with the reason in a header of its own."""
    response = page(409, "There was a conflict when trying to complete your request.")
    response.headers["x-conflict-reason"] = "".join(c if c.isprintable() else "?" for c in why)[:512]
    return Answered(response)
