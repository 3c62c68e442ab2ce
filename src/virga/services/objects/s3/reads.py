# SPDX-License-Identifier: Apache-2.0
"""Objects on their way out, whatever they are to Swift: manifests and links show what they stand for, parts can be read alone, bodies
under a customer's key come with that key only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from virga.services.objects import model
from virga.services.objects.bodies import Extent
from virga.services.objects.http import Response, check_conditions, http_date, ranges
from virga.services.objects.s3 import checksums, encryption, lifecycle, locks, versions
from virga.services.objects.s3.call import S3Call
from virga.services.objects.s3.errors import S3Error, el, xml_response
from virga.services.objects.s3.listings import number, of_segments, part_number
from virga.services.objects.store import objects as rows

OVERRIDES = ("content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding")


@dataclass(slots=True)
class Source:
    """An object that can be read anywhere. `object` is the one that holds the metadata."""

    object: model.Object
    size: int
    etag: str
    open: Callable[[int, int], Awaitable[AsyncIterator[bytes]]]


async def source(c: S3Call, account: str, o: model.Object, key: encryption.Key | None) -> Source:
    """Raises InvalidRequest when the key is not the object's."""
    if o.kind == "link":
        account, _, o, _ = await c.swift.links.follow(c.request, c.entry(), o)
    seal = encryption.sealed_of(o)
    encryption.prove(seal, key)
    if o.kind == "slo" or "x-object-manifest" in o.meta:
        whole = await c.swift.large.whole(c.request, c.entry(), account, o)
        return Source(o, whole.size, of_segments(whole.etag), whole.open)

    async def read(start: int, length: int) -> AsyncIterator[bytes]:
        if o.body is None:
            return c.context.bodies.stream([])
        if seal is None or key is None:
            return await c.context.bodies.open([Extent(o.body, start, length)])
        if o.body[0] != "m":
            return encryption.turned(
                await c.context.bodies.open([Extent(o.body, start, length)]), key, seal["salt"], start
            )
        return _parts(c, o.body, key, start, length)

    return Source(o, o.size, o.etag, read)


async def _parts(c: S3Call, body: str, key: encryption.Key, start: int, length: int) -> AsyncIterator[bytes]:
    """A range over parts that were sealed one by one."""
    at = 0
    parts = await c.context.commits.long_read(lambda tx: rows.pieces(tx, body))
    with c.context.bodies.held(p.blob for p in parts):
        for p in parts:
            low, high = max(start, at), min(start + length, at + p.size)
            if low < high:
                inner = c.context.bodies.stream([Extent(p.blob, low - at, high - low)])
                async for chunk in encryption.turned(inner, key, (p.control or {})["salt"], low - at):
                    yield chunk
            at += p.size


def described(c: S3Call, bucket: model.Container, o: model.Object, s: Source) -> dict[str, str]:
    """The headers of an object."""
    real = s.object
    headers = {
        "content-type": real.content_type,
        "last-modified": http_date(-(-o.changed // 1)),
        "etag": f'"{s.etag}"',
        "accept-ranges": "bytes",
    }
    headers |= {
        f"x-amz-meta-{k[14:]}" if k.startswith("x-object-meta-") else k: v
        for k, v in real.meta.items()
        if k != "x-object-manifest"
    }
    headers |= versions.headers(o, bucket) | locks.headers(o) | lifecycle.header(c.context, bucket, o)
    if o.own("tags"):
        headers["x-amz-tagging-count"] = str(len(o.own("tags")))
    if o.own("redirect"):
        headers["x-amz-website-redirect-location"] = o.own("redirect")
    return headers


async def get(c: S3Call) -> Response:
    """GetObject and HeadObject."""
    q = c.request.query
    if encryption.OWN in c.request.headers:
        raise S3Error("InvalidArgument", "x-amz-server-side-encryption header is not supported for this operation.")
    o = await versions.named(c, "s3:GetObject")
    key = encryption.key(c.request.headers)
    s = await source(c, c.bucket.account, o, key)
    headers = described(c, c.bucket, o, s)
    if key is not None:
        headers |= key.headers()
    elif s.object.own("sse") or c.context.settings.encrypt:
        headers[encryption.OWN] = "AES256"
    for name in OVERRIDES:
        value = q.get(f"response-{name}")
        if value is not None:
            if not c.signed.actor.user_id:
                raise S3Error(
                    "InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests."
                )
            headers[name] = value
    if not check_conditions(c.request, list(dict.fromkeys((s.etag, s.etag.removesuffix("-N")))), o.changed):
        return Response(304, headers)
    wanted = ranges(c.request.headers.get("range"), s.size)
    start, length, code = 0, s.size, 200
    sums = s.object.own("sums")
    if "partNumber" in q:
        if "range" in c.request.headers:
            raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        part = await one_part(c, s)
        start, length, sums = part.start, part.size, part.sums or (sums if part.whole else None)
        if not part.whole or s.object.own("parts"):
            headers["x-amz-mp-parts-count"] = str(s.object.own("parts") or 1)
            headers["content-range"], code = f"bytes {start}-{start + length - 1}/{s.size}", 206
        elif s.size:
            headers["content-range"], code = f"bytes 0-{s.size - 1}/{s.size}", 206
    elif wanted is not None and len(wanted) <= 1:
        if not wanted:
            raise S3Error("InvalidRange", ActualObjectSize=str(s.size), RangeRequested=c.request.header("range")[:100])
        start, length = wanted[0]
        headers["content-range"], code = f"bytes {start}-{start + length - 1}/{s.size}", 206
        sums = None if length != s.size else sums
    if c.request.header("x-amz-checksum-mode").upper() == "ENABLED" and sums:
        headers |= checksums.headers(sums, s.object.own("sums_of"))
    if c.request.method == "HEAD" or length == 0:
        return Response(code, headers, length=length)
    return Response(code, headers, stream=await s.open(start, length), length=length)


@dataclass(frozen=True, slots=True)
class PartOf:
    """One part of an object; `whole` when the object is that one part."""

    start: int
    size: int
    sums: dict[str, str] | None
    whole: bool


async def one_part(c: S3Call, s: Source) -> PartOf:
    """The part that ?partNumber= names."""
    requested, body = part_number(c.request.query["partNumber"]), s.object.body
    if body is None or body[0] != "m":
        if requested != 1:
            raise S3Error("InvalidPartNumber", ActualPartCount="1", PartNumberRequested=str(requested))
        return PartOf(0, s.size, None, True)
    at = 0
    found = await c.context.commits.long_read(lambda tx: rows.pieces(tx, body))
    for n, p in enumerate(found, 1):
        if n == requested:
            return PartOf(at, p.size, (p.control or {}).get("sums"), len(found) == 1)
        at += p.size
    raise S3Error("InvalidPartNumber", ActualPartCount=str(len(found)), PartNumberRequested=str(requested))


ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")


async def attributes(c: S3Call) -> Response:
    """GetObjectAttributes."""
    o = await versions.named(c, "s3:GetObject")
    s = await source(c, c.bucket.account, o, encryption.key(c.request.headers))
    requested = [w.strip() for w in c.request.header("x-amz-object-attributes").split(",") if w.strip()]
    if not requested or not set(requested) <= set(ATTRIBUTES):
        raise S3Error("InvalidArgument", f"x-amz-object-attributes names some of {', '.join(ATTRIBUTES)}.")
    real = s.object
    out = []
    if "ETag" in requested:
        out.append(el("ETag", s.etag))
    if "Checksum" in requested and real.own("sums"):
        out.append(el("Checksum", *checksums.elements(real.own("sums"), real.own("sums_of"))))
    body = real.body or ""
    if "ObjectParts" in requested and body[:1] == "m":
        parts = await c.context.commits.long_read(lambda tx: rows.pieces(tx, body))
        most = number(c, "", 1000, 1000, c.request.header("x-amz-max-parts"))
        after = number(c, "", 0, 10**6, c.request.header("x-amz-part-number-marker"))
        shown = list(enumerate(parts, 1))[after : after + most]
        cut = after + len(shown) < len(parts)
        lines = [
            el("Part", el("PartNumber", n), el("Size", p.size), *checksums.elements((p.control or {}).get("sums"), ""))
            for n, p in shown
        ]
        out.append(
            el(
                "ObjectParts",
                el("PartsCount", len(parts)),
                el("PartNumberMarker", after),
                el("NextPartNumberMarker", shown[-1][0] if shown else after),
                el("MaxParts", most),
                el("IsTruncated", str(cut).lower()),
                *lines,
            )
        )
    if "StorageClass" in requested:
        out.append(el("StorageClass", "STANDARD"))
    if "ObjectSize" in requested:
        out.append(el("ObjectSize", s.size))
    got = xml_response("GetObjectAttributesResponse", *out)
    got.headers |= {"last-modified": http_date(-(-o.changed // 1))} | versions.headers(o, c.bucket)
    return got
