# SPDX-License-Identifier: Apache-2.0
"""Objects on their way in: what headers say of a new object, the conditions of a write, PUT and copies."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.bodies import Received
from virga.services.objects.http import Precondition, Request, Response, etags, parse_date, unquote
from virga.services.objects.s3 import checksums, encryption, grants, lifecycle, locks, rights, tags, versions
from virga.services.objects.s3.call import S3Call, content_md5, find
from virga.services.objects.s3.chunked import Body
from virga.services.objects.s3.errors import S3Error, changed_at, el, xml_response
from virga.services.objects.s3.reads import Source, source
from virga.services.objects.s3.settings import check_acl
from virga.services.objects.s3.versions import one

KEPT = ("cache-control", "content-disposition", "content-encoding", "content-language", "expires")
META_MOST = 2048
MOST = 5 << 30


@dataclass(slots=True)
class Draft:
    """A new object before its bytes have come."""

    new: actions.New
    seal: encryption.RequestedEncryption
    tags: dict[str, str] | None = None
    control: dict[str, Any] = field(default_factory=dict)


async def described(
    c: S3Call, request: Request, key: str, action: str = "s3:PutObject", *, rights_checked: bool = False
) -> Draft:
    """What the headers say of a new object, when the caller may put it. Raises S3Error."""
    found = tags.by_header(request.header("x-amz-tagging")) if "x-amz-tagging" in request.headers else None
    if not rights_checked:
        c.allow(action, key, tags=found or {})
    meta: dict[str, str] = {}
    for name, value in request.headers.items():
        if name.startswith("x-amz-meta-") and len(name) > 11:
            meta[f"x-object-meta-{name[11:]}"] = value
    size = sum(len(k) - 14 + len(v.encode()) for k, v in meta.items())
    if size > META_MOST:
        raise S3Error(
            "MetadataTooLarge",
            f"Your metadata headers exceed the maximum allowed metadata size: {size} of {META_MOST} bytes.",
        )
    for name in KEPT:
        value = request.header(name)
        if name == "content-encoding" and "aws-chunked" in value:
            value = ",".join(p.strip() for p in value.split(",") if p.strip() and p.strip() != "aws-chunked")
        if value:
            meta[name] = value
    if request.header("x-amz-storage-class", "STANDARD") != "STANDARD":
        raise S3Error("NotImplemented", "There is one storage class: STANDARD.")
    control: dict[str, Any] = {}
    mine, caller = model.project_of(c.bucket.account), c.signed.actor.project_id
    list_ = grants.by_headers(request)
    if list_ != ():
        check_acl(c, list_)
        if rights.acls_count(c.bucket):
            control["acl"] = await grants.real(c.context, list_)
    preferred = c.bucket.control.get("ownership") == "BucketOwnerPreferred" and list_ == "bucket-owner-full-control"
    if caller and caller != mine and rights.acls_count(c.bucket) and not preferred:
        control["owner"] = caller
    if found:
        control["tags"] = found
    where = request.header("x-amz-website-redirect-location")
    if where:
        if not where.startswith(("/", "http://", "https://")) or len(where) > 2048:
            raise S3Error(
                "InvalidRequest", "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
            )
        control["redirect"] = where
    control |= locks.from_headers(c, request)
    seal = encryption.requested(request.headers, c.bucket.control, c.context.settings.encrypt)
    if seal.own:
        control["sse"] = True
    if seal.key is not None:
        control["sealed"] = encryption.fresh(seal.key)
    content_type = request.header("content-type") or mimetypes.guess_type(key)[0] or "binary/octet-stream"
    stored = {k: v for k, v in control.items() if v is not None}
    return Draft(actions.New(key, 0, "", content_type, meta=meta), seal, found, stored)


def conditions(c: S3Call) -> actions.Check | None:
    """If-Match and If-None-Match on a write."""
    none, match = c.request.headers.get("if-none-match"), c.request.headers.get("if-match")
    if none is None and match is None:
        return None
    now = c.context.now()

    def check(old: model.Object | None) -> None:
        there = actions.alive(old, now)
        if none is not None and there is not None and ("*" in etags(none) or there.etag in etags(none)):
            raise Precondition("exists")
        if match is not None:
            if there is None:
                raise NotFound("The resource could not be found.")
            if "*" not in etags(match) and there.etag not in etags(match):
                raise Precondition("differs")

    return check


async def taken(c: S3Call, body: Body | HashedBody, length: int | None, draft: Draft, most: int = MOST) -> Received:
    """A body into the store, sealed as the draft wants it."""
    stream = body.__aiter__()
    if draft.seal.key is not None:
        stream = encryption.turned(stream, draft.seal.key, draft.control["sealed"]["salt"])
    return await c.context.bodies.receive(stream, expected=length, most=most, sealed=draft.seal.own)


async def store_object(c: S3Call, draft: Draft, got: Received, check: actions.Check | None) -> model.Object:
    draft.new.control = draft.control or None
    return await c.swift.writes.commit(c.bucket.id, draft.new, got, check)


async def put(c: S3Call) -> Response:
    """PutObject, and CopyObject where a source is named."""
    if "x-amz-copy-source" in c.request.headers:
        return await copy(c)
    draft = await described(c, c.request, c.path)
    length = c.length
    if length is None and "chunked" not in c.request.header("transfer-encoding").lower():
        raise S3Error("MissingContentLength")
    if length is not None and length > MOST:
        raise S3Error("EntityTooLarge")
    check, md5 = conditions(c), content_md5(c.request)
    body = c.body(c.request.header("x-amz-sdk-checksum-algorithm").lower(), plain_md5=draft.seal.key is not None)
    got = await taken(c, body, length, draft)
    if md5 is not None and md5 != (body.md5 or got.md5):
        await c.swift.writes.thrown_away(got)
        raise S3Error("BadDigest")
    if body.sums:
        draft.control["sums"] = body.sums
    o = await store_object(c, draft, got, check)
    return Response(
        200,
        {"etag": f'"{o.etag}"'}
        | versions.made(o)
        | checksums.headers(body.sums)
        | draft.seal.headers()
        | lifecycle.header(c.context, c.bucket, o),
    )


# -- copies --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CopySource:
    """What a copy is made of."""

    bucket: model.Container
    object: model.Object
    version: str | None
    source: Source


async def copy_source(c: S3Call, request: Request) -> CopySource:
    """What x-amz-copy-source names, readable by the signer himself."""
    path, _, query = request.headers["x-amz-copy-source"].partition("?")
    try:
        name = unquote(path).lstrip("/")
    except UnicodeDecodeError:
        raise S3Error("InvalidArgument", "The copy source is not UTF-8.") from None
    bucket, _, key = name.partition("/")
    version = query.removeprefix("versionId=") if query.startswith("versionId=") else None
    if not bucket or not key or "\0" in name or (query and version is None):
        raise S3Error("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    row = await find(c.context, c.signed.actor.project_id, bucket)
    if row is None:
        raise S3Error("NoSuchBucket", BucketName=bucket)
    expected = request.headers.get("x-amz-source-expected-bucket-owner")
    if expected is not None and expected != model.project_of(row.account):
        raise S3Error("AccessDenied", "The source bucket's owner is not the one that was expected.")
    o = await one(c, row, key, version, "s3:GetObject")
    h = request.headers
    known, at = {o.etag, str(o.own("slo_etag", o.etag))}, float(int(o.changed) + 1)
    if "x-amz-copy-source-if-match" in h and not known & set(etags(h["x-amz-copy-source-if-match"])):
        raise S3Error("PreconditionFailed")
    if "x-amz-copy-source-if-none-match" in h and known & set(etags(h["x-amz-copy-source-if-none-match"])):
        raise S3Error("PreconditionFailed")
    since = parse_date(h.get("x-amz-copy-source-if-modified-since", ""))
    if since is not None and at <= since:
        raise S3Error("PreconditionFailed")
    until = parse_date(h.get("x-amz-copy-source-if-unmodified-since", ""))
    if until is not None and at > until + 1:
        raise S3Error("PreconditionFailed")
    return CopySource(row, o, version, await source(c, row.account, o, encryption.key(h, encryption.SOURCE)))


async def copy(c: S3Call) -> Response:
    directive, tagging = (c.request.header(f"x-amz-{n}-directive", "COPY") for n in ("metadata", "tagging"))
    if directive not in {"COPY", "REPLACE"} or tagging not in {"COPY", "REPLACE"}:
        raise S3Error("InvalidArgument", "Unknown metadata directive.")
    draft = await described(c, c.request, c.path)
    a = await copy_source(c, c.request)
    real = a.source.object
    same = a.bucket.id == c.bucket.id and a.object.name == c.path and a.version is None
    if (
        same
        and directive == "COPY"
        and tagging == "COPY"
        and not (
            c.request.header("x-amz-website-redirect-location")
            or c.request.header(encryption.OWN)
            or draft.seal.key
            or encryption.sealed_of(real)
        )
    ):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.",
        )
    if a.source.size > MOST:
        raise S3Error(
            "InvalidRequest",
            f"The specified copy source is larger than the maximum allowable size for a copy source: {MOST}",
        )
    if directive == "COPY":
        draft.new.meta = {k: v for k, v in real.meta.items() if k != "x-object-manifest"}
        draft.new.content_type = real.content_type
    if tagging == "COPY" and real.own("tags"):
        draft.control["tags"] = real.own("tags")
    elif tagging == "COPY":
        draft.control.pop("tags", None)
    algorithm = c.request.header("x-amz-checksum-algorithm").lower() or next(iter(real.own("sums") or {}), "")
    summed = HashedBody(await a.source.open(0, a.source.size), algorithm)
    got = await taken(c, summed, a.source.size, draft, 5 << 40)
    if summed.sums:
        draft.control["sums"] = summed.sums
    made = await store_object(c, draft, got, conditions(c))
    out = xml_response(
        "CopyObjectResult",
        el("LastModified", changed_at(made.changed)),
        el("ETag", f'"{made.etag}"'),
        *checksums.elements(summed.sums),
    )
    out.headers |= versions.made(made) | draft.seal.headers() | lifecycle.header(c.context, c.bucket, made)
    if a.bucket.control and a.bucket.control.get("versioning"):
        out.headers["x-amz-copy-source-version-id"] = versions.id_of(a.object)
    return out


class HashedBody:
    """A stream that knows its checksum when it has ended."""

    def __init__(self, inner: AsyncIterator[bytes], algorithm: str, *, plain_md5: bool = False) -> None:
        self._inner, self._algorithm, self.sums = inner, algorithm, dict[str, str]()
        self._hash = checksums.hasher(algorithm) if algorithm else None
        self._md5, self.md5 = hashlib.md5(usedforsecurity=False) if plain_md5 else None, ""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            if self._hash is not None:
                self._hash.update(chunk)
            if self._md5 is not None:
                self._md5.update(chunk)
            yield chunk
        if self._md5 is not None:
            self.md5 = self._md5.hexdigest()
        if self._hash is not None:
            self.sums[self._algorithm] = checksums.text(self._hash)
