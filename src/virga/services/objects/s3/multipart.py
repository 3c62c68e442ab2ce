# SPDX-License-Identifier: Apache-2.0
"""Multipart uploads: parts are bodies of their own; completing one writes a row that names them, and moves no byte."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from virga.ground.db.engine import Tx
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.exchange import Reply, ranges
from virga.services.objects.s3.buckets import _encoder, _number, iso, owner
from virga.services.objects.s3.context import Context, content_md5
from virga.services.objects.s3.errors import S3Error, el, parse, reply
from virga.services.objects.s3.objects import conditions, described, source_of, version_headers, whole_of
from virga.services.objects.store import objects as rows

MIN_PART = 5 << 20
MAX_PARTS = 10000


def _upload(tx: Tx, c: Context) -> model.Upload:
    id = c.ask.query.get("uploadId", "")
    found = rows.upload(tx, id) if 0 < len(id) <= 40 else None
    if found is None or found.container_id != c.bucket.id or found.name != c.path:
        raise S3Error("NoSuchUpload", UploadId=id[:64])
    return found


async def begin(c: Context) -> Reply:
    c.allow("s3:PutObject", c.path)
    async for _ in c.body():
        pass
    new = described(c, c.ask, c.path)
    id, now = uuid.uuid4().hex, c.desk.now()
    algorithm = c.ask.header("x-amz-checksum-algorithm")

    def run(tx: Tx) -> None:
        rows.new_upload(
            tx, id=id, container_id=c.bucket.id, name=c.path, created=now, content_type=new.content_type, meta=new.meta, control=new.control,
            owner=c.signed.actor.user_id or "anonymous",
        )  # fmt: skip

    await c.desk.commits.write(run)
    out = reply("InitiateMultipartUploadResult", el("Bucket", c.bucket.name), el("Key", c.path), el("UploadId", id))
    if algorithm:
        out.headers["x-amz-checksum-algorithm"] = algorithm
    return out


async def put_part(c: Context) -> Reply:
    """UploadPart, and UploadPartCopy."""
    c.allow("s3:PutObject", c.path)
    text = c.ask.query.get("partNumber", "")
    if not text.isdigit() or not 1 <= int(text[:6]) <= MAX_PARTS:
        raise S3Error("InvalidArgument", f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive")
    number = int(text)
    upload = await c.desk.commits.read(lambda tx: _upload(tx, c))
    checksums: dict[str, str] = {}
    copied = "x-amz-copy-source" in c.ask.headers
    if copied:
        row, o, _ = await source_of(c, c.ask)
        whole, _ = await whole_of(c, row.account, o)
        start, length = 0, whole.size
        asked = c.ask.headers.get("x-amz-copy-source-range")
        if asked:
            found = ranges(asked, whole.size)
            if not found or len(found) != 1 or not asked.strip().startswith("bytes=") or asked.strip()[6:7] == "-":
                raise S3Error("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last")
            start, length = found[0]
        got = await c.desk.bodies.receive(await whole.open(start, length), expected=length)
    else:
        if c.length is None:
            raise S3Error("MissingContentLength")
        body = c.body()
        got = await c.desk.bodies.receive(body.__aiter__(), expected=c.length, most=5 << 30)
        checksums = body.checksums
        md5 = content_md5(c.ask)
        if md5 is not None and md5 != got.md5:
            await c.swift.thrown_away(got)
            raise S3Error("BadDigest")
    now, desk = c.desk.now(), c.desk

    def run(tx: Tx) -> None:
        tx.hold(f"upload:{upload.id}")
        _upload(tx, c)
        if got.data is not None:
            rows.keep_small(tx, got.body, got.data)
        old = rows.put_part(tx, model.Part(upload.id, number, got.body, got.size, got.md5, now))
        if old is not None:
            rows.drop_body(tx, old.body, now, desk.wake_trash)

    try:
        await desk.commits.write(run)
    except BaseException:
        await c.swift.thrown_away(got)
        raise
    if copied:
        return reply("CopyPartResult", el("LastModified", iso(now)), el("ETag", f'"{got.md5}"'))
    return Reply(200, {"etag": f'"{got.md5}"'} | checksums)


async def complete(c: Context) -> Reply:
    c.allow("s3:PutObject", c.path)
    doc = parse(await c.document(), "CompleteMultipartUpload")
    asked: list[tuple[int, str]] = []
    for p in doc.all("Part"):
        number, tag = p.value("PartNumber") or "", (p.value("ETag") or "").strip('"')
        if not number.isdigit() or len(number) > 5:
            raise S3Error("MalformedXML")
        if asked and int(number) <= asked[-1][0]:
            raise S3Error("InvalidPartOrder")
        asked.append((int(number), tag))
    if not 0 < len(asked) <= MAX_PARTS:
        raise S3Error("MalformedXML")
    desk, now, check = c.desk, c.desk.now(), conditions(c)

    def run(tx: Tx) -> model.Object:
        tx.hold(f"upload:{c.ask.query.get('uploadId', '')}")
        upload = _upload(tx, c)
        there = {p.number: p for p in rows.parts(tx, upload.id)}
        chosen = []
        for number, tag in asked:
            part = there.get(number)
            if part is None or part.etag != tag:
                raise S3Error("InvalidPart", PartNumber=str(number))
            chosen.append(part)
        for part in chosen[:-1]:
            if part.size < MIN_PART:
                raise S3Error("EntityTooSmall", PartNumber=str(part.number), ProposedSize=str(part.size), MinSizeAllowed=str(MIN_PART))
        etag = hashlib.md5(b"".join(bytes.fromhex(p.etag) for p in chosen), usedforsecurity=False).hexdigest() + f"-{len(chosen)}"
        body = model.body_id("m")
        pieces = [model.Piece(body, n, p.body, p.size, p.etag) for n, p in enumerate(chosen)]
        control: dict[str, Any] = (upload.control or {}) | {"parts": len(chosen)}
        new = actions.New(
            upload.name, sum(p.size for p in chosen), etag, upload.content_type, body, None, "", upload.meta, control, None, pieces
        )
        o = actions.put(tx, c.bucket.id, new, now, desk.wake_trash, check)
        used = {p.number for p in chosen}
        for part in there.values():
            if part.number not in used:
                rows.drop_body(tx, part.body, now, desk.wake_trash)
        rows.forget_upload(tx, upload.id)
        return o

    o = await write(c, run)
    where = f"{c.ask.base}{c.ask.raw_path}"
    out = reply(
        "CompleteMultipartUploadResult", el("Location", where), el("Bucket", c.bucket.name), el("Key", c.path), el("ETag", f'"{o.etag}"')
    )
    out.headers |= version_headers(o, c.bucket)
    return out


async def write(c: Context, run: Any) -> Any:
    """A change whose refusals are S3's own: they must not roll others back."""
    from virga.ground.errors import Invalid

    class Carried(Invalid):
        def __init__(self, error: S3Error) -> None:
            super().__init__(error.code)
            self.error = error

    def inner(tx: Tx) -> Any:
        try:
            return run(tx)
        except S3Error as e:
            raise Carried(e) from e

    try:
        return await c.desk.commits.write(inner)
    except Carried as e:
        raise e.error from None


async def abort(c: Context) -> Reply:
    c.allow("s3:AbortMultipartUpload", c.path)
    desk, now = c.desk, c.desk.now()

    def run(tx: Tx) -> None:
        upload = _upload(tx, c)
        for part in rows.parts(tx, upload.id):
            rows.drop_body(tx, part.body, now, desk.wake_trash)
        rows.forget_upload(tx, upload.id)

    await write(c, run)
    return Reply(204)


async def parts(c: Context) -> Reply:
    c.allow("s3:ListMultipartUploadParts", c.path)
    most, marker, text = _number(c, "max-parts", 1000, 1000), _number(c, "part-number-marker", 0, 10**6), _encoder(c)

    def read(tx: Tx) -> tuple[model.Upload, list[model.Part]]:
        upload = _upload(tx, c)
        return upload, rows.parts(tx, upload.id, marker, most + 1)

    upload, found = await c.desk.commits.read(read)
    cut, found = len(found) > most, found[:most]
    return reply(
        "ListPartsResult", el("Bucket", c.bucket.name), el("Key", text(upload.name)), el("UploadId", upload.id),
        el("Initiator", el("ID", upload.owner), el("DisplayName", upload.owner)), owner(c.bucket.account), el("StorageClass", "STANDARD"),
        el("PartNumberMarker", marker), el("NextPartNumberMarker", found[-1].number if found else 0), el("MaxParts", most), el("IsTruncated", str(cut).lower()),
        *(el("Part", el("PartNumber", p.number), el("LastModified", iso(p.changed)), el("ETag", f'"{p.etag}"'), el("Size", p.size)) for p in found),
    )  # fmt: skip


async def index(c: Context) -> Reply:
    """GET ?uploads."""
    c.allow("s3:ListBucketMultipartUploads")
    q, text = c.ask.query, _encoder(c)
    most = _number(c, "max-uploads", 1000, 1000)
    prefix, key, id = q.get("prefix", ""), q.get("key-marker", ""), q.get("upload-id-marker", "")
    bucket = c.bucket.id
    found = await c.desk.commits.read(lambda tx: rows.uploads(tx, bucket, prefix, (key, id), most + 1))
    cut, found = len(found) > most, found[:most]
    more = [el("NextKeyMarker", text(found[-1].name)), el("NextUploadIdMarker", found[-1].id)] if cut else []
    return reply(
        "ListMultipartUploadsResult", el("Bucket", c.bucket.name), el("KeyMarker", text(key)), el("UploadIdMarker", id), *more, el("Prefix", text(prefix)),
        el("MaxUploads", most), el("IsTruncated", str(cut).lower()),
        *(el("Upload", el("Key", text(u.name)), el("UploadId", u.id), el("Initiator", el("ID", u.owner), el("DisplayName", u.owner)), owner(c.bucket.account),
             el("StorageClass", "STANDARD"), el("Initiated", iso(u.created))) for u in found),
    )  # fmt: skip
