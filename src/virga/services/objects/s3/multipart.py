# SPDX-License-Identifier: Apache-2.0
"""Multipart uploads: parts are bodies of their own; completing one writes a row that names them, and moves no byte."""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from virga.ground.db.engine import Tx
from virga.ground.errors import Invalid
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.http import Response
from virga.services.objects.s3 import checksums, encryption, grants, lifecycle, versions
from virga.services.objects.s3.call import S3Call, content_md5
from virga.services.objects.s3.errors import Node, S3Error, Xml, el, iso, xml_response
from virga.services.objects.s3.listings import MAX_PARTS, encoder, number, part_number
from virga.services.objects.s3.writes import Draft, HashedBody, conditions, copy_source, described, taken
from virga.services.objects.store import objects as rows

MIN_PART = 5 << 20
T = TypeVar("T")
ALGORITHM = "x-amz-checksum-algorithm"
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})")


def _upload(tx: Tx, c: S3Call) -> model.Upload:
    id = c.request.query.get("uploadId", "")
    found = rows.upload(tx, id) if 0 < len(id) <= 40 else None
    if found is None or found.container_id != c.bucket.id or found.name != c.path:
        raise S3Error("NoSuchUpload", UploadId=id[:64])
    return found


def _sums(upload: model.Upload) -> tuple[str, str]:
    """(algorithm, COMPOSITE or FULL_OBJECT) of an upload; two empty words where there is none."""
    found = (upload.control or {}).get("upload_sums")
    return (found[0], found[1]) if found else ("", "")


async def begin(c: S3Call) -> Response:
    draft = await described(c, c.request, c.path)
    async for _ in c.body():
        pass
    id, now = uuid.uuid4().hex, c.context.now()
    algorithm, wanted = c.request.header(ALGORITHM).lower(), c.request.header("x-amz-checksum-type").upper()
    if algorithm:
        checksums.hasher(algorithm)
        draft.control["upload_sums"] = [algorithm, checksums.kind(algorithm, wanted)]
    elif wanted:
        raise S3Error(
            "InvalidRequest",
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
        )

    def run(tx: Tx) -> None:
        rows.new_upload(
            tx,
            id=id,
            container_id=c.bucket.id,
            name=c.path,
            created=now,
            content_type=draft.new.content_type,
            meta=draft.new.meta,
            control=draft.control or None,
            owner=c.signed.actor.project_id or "anonymous",
        )

    await c.context.commits.write(run)
    out = xml_response(
        "InitiateMultipartUploadResult", el("Bucket", c.bucket.name), el("Key", c.path), el("UploadId", id)
    )
    if algorithm:
        out.headers |= {ALGORITHM: algorithm.upper(), "x-amz-checksum-type": draft.control["upload_sums"][1]}
    out.headers |= draft.seal.headers()
    return out


async def put_part(c: S3Call) -> Response:
    """UploadPart, and UploadPartCopy."""
    c.allow("s3:PutObject", c.path)
    requested = part_number(c.request.query.get("partNumber", ""))
    upload = await c.context.commits.read(lambda tx: _upload(tx, c))
    control, key = upload.control or {}, encryption.key(c.request.headers)
    encryption.prove(control.get("sealed"), key)
    algorithm = _sums(upload)[0]
    draft = Draft(actions.New(c.path, 0, "", ""), encryption.RequestedEncryption(key, bool(control.get("sse"))))
    if key is not None:
        draft.control["sealed"] = encryption.fresh(
            key
        )  # each part under a key of its own: no two texts meet one stream
    sums: dict[str, str]
    copied = "x-amz-copy-source" in c.request.headers
    if copied:
        a = await copy_source(c, c.request)
        start, length = _range(c.request.headers.get("x-amz-copy-source-range"), a.source.size)
        stream = HashedBody(await a.source.open(start, length), algorithm, plain_md5=key is not None)
        got = await taken(c, stream, length, draft)
        sums, plain_md5 = stream.sums, stream.md5
    else:
        if c.length is None and "chunked" not in c.request.header("transfer-encoding").lower():
            raise S3Error("MissingContentLength")
        md5, body = content_md5(c.request), c.body(algorithm, plain_md5=key is not None)
        got = await taken(c, body, c.length, draft)
        sums, plain_md5 = body.sums, body.md5
        if md5 is not None and md5 != (body.md5 or got.md5):
            await c.swift.writes.thrown_away(got)
            raise S3Error("BadDigest")
    stored: dict[str, Any] = {"sums": sums} if sums else {}
    etag = got.md5
    if key is not None:
        # told the same when the same bytes come again under the same key, though they are sealed otherwise each time
        etag = hmac.new(key.raw, bytes.fromhex(plain_md5), hashlib.sha256).hexdigest()[:32]
        stored |= {"salt": draft.control["sealed"]["salt"], "md5": got.md5}
    now, context = c.context.now(), c.context

    def run(tx: Tx) -> None:
        rows.hold_upload(tx, upload.id)
        _upload(tx, c)
        if got.data is not None:
            rows.put_small(tx, got.body, got.data)
        old = rows.put_part(tx, model.Part(upload.id, requested, got.body, got.size, etag, now, stored or None))
        if old is not None:
            rows.drop_body(tx, old.body, now, context.wake_trash)

    async with context.bodies.offered(got):
        await write(c, run)
    if copied:
        out = xml_response(
            "CopyPartResult", el("LastModified", iso(now)), el("ETag", f'"{etag}"'), *checksums.elements(sums, "")
        )
        out.headers |= draft.seal.headers()
        if a.bucket.control and a.bucket.control.get("versioning"):
            out.headers["x-amz-copy-source-version-id"] = versions.id_of(a.object)
        return out
    told = {f"{checksums.PREFIX}{k}": v for k, v in sums.items()}
    return Response(200, {"etag": f'"{etag}"'} | told | draft.seal.headers())


def _range(requested: str | None, size: int) -> tuple[int, int]:
    """(start, length) of x-amz-copy-source-range."""
    if not requested:
        return 0, size
    found = _RANGE.fullmatch(requested.strip())
    if found is None:
        raise S3Error("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last")
    first, last = int(found.group(1)), int(found.group(2))
    if not first <= last < size:
        raise S3Error("InvalidRange", f"The range {requested[:60]} is not within the source's {size} bytes.")
    return first, last - first + 1


@dataclass(frozen=True, slots=True)
class _RequestedPart:
    number: int
    etag: str
    sums: dict[str, str]


def _requested_parts(doc: Node) -> list[_RequestedPart]:
    out: list[_RequestedPart] = []
    for p in doc.all("Part"):
        text, tag = p.value("PartNumber") or "", (p.value("ETag") or "").strip('"')
        if not (text.isascii() and text.isdigit()) or len(text) > 5 or p.find("ETag") is None:
            raise S3Error("MalformedXML")
        if out and int(text) < out[-1].number:
            raise S3Error("InvalidPartOrder")
        if out and int(text) == out[-1].number:
            out.pop()  # sent twice: the last word counts
        sums = {n: v for n in checksums.SIZES if (v := p.value(f"Checksum{n.upper()}"))}
        out.append(_RequestedPart(int(text), tag, sums))
    if not 0 < len(out) <= MAX_PARTS:
        raise S3Error("MalformedXML")
    return out


def _part_rows(requested: list[_RequestedPart], there: dict[int, model.Part]) -> list[model.Part]:
    """The parts that the client names, if they are what it believes."""
    parts = []
    for want in requested:
        part = there.get(want.number)
        have = (part.control or {}).get("sums", {}) if part is not None else {}
        if part is None or part.etag != want.etag or any(n in have and have[n] != v for n, v in want.sums.items()):
            raise S3Error("InvalidPart", PartNumber=str(want.number))
        parts.append(part)
    for part in parts[:-1]:
        if part.size < MIN_PART:
            raise S3Error(
                "EntityTooSmall", PartNumber=str(part.number), ProposedSize=str(part.size), MinSizeAllowed=str(MIN_PART)
            )
    return parts


def _etag(parts: list[str]) -> str:
    """The etag of an object made of parts."""
    try:
        raw = b"".join(bytes.fromhex(p) for p in parts)
    except ValueError:
        return ""
    return f"{hashlib.md5(raw, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _object_sums(
    upload: model.Upload, part_rows: list[model.Part], declared: dict[str, str]
) -> tuple[dict[str, str], str]:
    """The sum of the whole, and its kind. Raises BadDigest when the client says another."""
    algorithm, how = _sums(upload)
    parts = [(p.size, (p.control or {}).get("sums", {}).get(algorithm, "")) for p in part_rows]
    if not algorithm or not all(s for _, s in parts):
        return {}, ""
    made = checksums.of_parts(algorithm, how, parts)
    # a composite is told with the count of its parts behind it, or without
    if any(v not in {made, made.partition("-")[0]} for n, v in declared.items() if n == algorithm):
        raise S3Error("BadDigest", f"The {algorithm.upper()} you specified did not match the calculated checksum.")
    return {algorithm: made}, how


async def complete(c: S3Call) -> Response:
    c.allow("s3:PutObject", c.path)
    raw = await c.document(whole_sum=False)
    requested = _requested_parts(await c.tree(raw, "CompleteMultipartUpload"))
    declared, key = checksums.requested(c.request.headers)[0], encryption.key(c.request.headers)
    size = c.request.header("x-amz-mp-object-size")
    context, now, check = c.context, c.context.now(), conditions(c)
    id = c.request.query.get("uploadId", "")

    def run(tx: Tx) -> model.Object:
        tx.hold(f"container:{c.bucket.id}")
        rows.hold_upload(tx, id)
        try:
            upload = _upload(tx, c)
        except S3Error:
            done = rows.row(tx, c.bucket.id, c.path)
            if done is None or not id or done.own("upload") != id or done.etag != _etag([a.etag for a in requested]):
                raise
            return done  # asked again after it was done
        if key is not None:
            encryption.prove((upload.control or {}).get("sealed"), key)
        there = {p.number: p for p in rows.parts(tx, upload.id)}
        parts = _part_rows(requested, there)
        total = sum(p.size for p in parts)
        if size and size != str(total):
            raise S3Error(
                "InvalidRequest",
                f"The provided 'x-amz-mp-object-size' header value {size[:20]} does not match what was computed: {total}",
            )
        sums, how = _object_sums(upload, parts, declared)
        etag = _etag([p.etag for p in parts])
        body = model.body_id("m")
        pieces = [
            model.Piece(body, n, p.body, p.size, (p.control or {}).get("md5", p.etag), p.control)
            for n, p in enumerate(parts)
        ]
        control: dict[str, Any] = {k: v for k, v in (upload.control or {}).items() if k != "upload_sums"} | {
            "parts": len(parts),
            "upload": upload.id,
        }
        if sums:
            control |= {"sums": sums} | ({"sums_of": how} if how == "COMPOSITE" else {})
        new = actions.New(
            upload.name, total, etag, upload.content_type, body, None, "", upload.meta, control, None, pieces
        )
        o = actions.put(tx, c.bucket.id, new, now, context.wake_trash, check)
        used = {p.number for p in parts}
        for part in there.values():
            if part.number not in used:
                rows.drop_body(tx, part.body, now, context.wake_trash)
        rows.forget_upload(tx, upload.id)
        return o

    o = await write(c, run)
    where = f"{c.request.base}{c.request.raw_path}"
    out = xml_response(
        "CompleteMultipartUploadResult",
        el("Location", where),
        el("Bucket", c.bucket.name),
        el("Key", c.path),
        el("ETag", f'"{o.etag}"'),
        *checksums.elements(o.own("sums"), o.own("sums_of")),
    )
    out.headers |= versions.made(o) | lifecycle.header(context, c.bucket, o)
    out.headers |= encryption.RequestedEncryption(key, bool(o.own("sse"))).headers()
    return out


class _Carried(Invalid):
    def __init__(self, error: S3Error) -> None:
        super().__init__(error.code)
        self.error = error


async def write(c: S3Call, run: Callable[[Tx], T]) -> T:
    """A change whose refusals are S3's own: they must not roll others back."""

    def inner(tx: Tx) -> T:
        try:
            return run(tx)
        except S3Error as e:
            raise _Carried(e) from e

    try:
        return await c.context.commits.write(inner)
    except _Carried as e:
        raise e.error from None


async def abort(c: S3Call) -> Response:
    c.allow("s3:AbortMultipartUpload", c.path)
    context, now = c.context, c.context.now()

    id = c.request.query.get("uploadId", "")

    def run(tx: Tx) -> None:
        rows.hold_upload(tx, id)
        rows.drop_upload(tx, _upload(tx, c).id, now, context.wake_trash)

    await write(c, run)
    return Response(204)


def _user(tag: str, id: str, known: dict[str, str]) -> Xml:
    return el(tag, el("ID", id), el("DisplayName", known.get(id, id)))


async def parts(c: S3Call) -> Response:
    c.allow("s3:ListMultipartUploadParts", c.path)
    most, marker, text = number(c, "max-parts", 1000, 1000), number(c, "part-number-marker", 0, 10**6), encoder(c)

    def read(tx: Tx) -> tuple[model.Upload, list[model.Part]]:
        upload = _upload(tx, c)
        return upload, rows.parts(tx, upload.id, marker, most + 1)

    upload, found = await c.context.commits.read(read)
    cut, found = len(found) > most, found[:most]
    owner, (algorithm, how) = model.project_of(c.bucket.account), _sums(upload)
    known = await grants.names(c.context, {owner, upload.owner})
    return xml_response(
        "ListPartsResult",
        el("Bucket", c.bucket.name),
        el("Key", text(upload.name)),
        el("UploadId", upload.id),
        _user("Initiator", upload.owner, known),
        _user("Owner", (upload.control or {}).get("owner", owner), known),
        el("StorageClass", "STANDARD"),
        el("PartNumberMarker", marker),
        el("NextPartNumberMarker", found[-1].number if found else 0),
        el("MaxParts", most),
        el("IsTruncated", str(cut).lower()),
        el("ChecksumAlgorithm", algorithm.upper()) if algorithm else None,
        el("ChecksumType", how) if how else None,
        *(
            el(
                "Part",
                el("PartNumber", p.number),
                el("LastModified", iso(p.changed)),
                el("ETag", f'"{p.etag}"'),
                el("Size", p.size),
                *checksums.elements((p.control or {}).get("sums"), ""),
            )
            for p in found
        ),
    )


async def index(c: S3Call) -> Response:
    """GET ?uploads."""
    c.allow("s3:ListBucketMultipartUploads")
    q, text = c.request.query, encoder(c)
    most = number(c, "max-uploads", 1000, 1000)
    prefix, delimiter, key, id = (
        q.get("prefix", ""),
        q.get("delimiter", ""),
        q.get("key-marker", ""),
        q.get("upload-id-marker", ""),
    )
    bucket, after = c.bucket.id, (key, id if key else "")
    if delimiter and key.endswith(delimiter):
        after = (key + "\U0010ffff" * 3, "")  # the page before ended with that folder
    found, folders, cut = await c.context.commits.long_read(
        lambda tx: _page(tx, bucket, prefix, delimiter, after, most)
    )
    owner = model.project_of(c.bucket.account)
    known = await grants.names(c.context, {owner} | {u.owner for u in found})
    last = max([(u.name, u.id) for u in found] + [(f, "") for f in folders], default=("", ""))
    more = [el("NextKeyMarker", text(last[0])), el("NextUploadIdMarker", last[1])] if cut else []
    return xml_response(
        "ListMultipartUploadsResult",
        el("Bucket", c.bucket.name),
        el("KeyMarker", text(key)),
        el("UploadIdMarker", id),
        *more,
        el("Prefix", text(prefix)),
        el("Delimiter", text(delimiter)) if delimiter else None,
        el("EncodingType", "url") if q.get("encoding-type") else None,
        el("MaxUploads", most),
        el("IsTruncated", str(cut).lower()),
        *(
            el(
                "Upload",
                el("Key", text(u.name)),
                el("UploadId", u.id),
                _user("Initiator", u.owner, known),
                _user("Owner", (u.control or {}).get("owner", owner), known),
                el("StorageClass", "STANDARD"),
                el("Initiated", iso(u.created)),
            )
            for u in found
        ),
        *(el("CommonPrefixes", el("Prefix", text(f))) for f in folders),
    )


def _page(
    tx: Tx, bucket: int, prefix: str, delimiter: str, after: tuple[str, str], most: int
) -> tuple[list[model.Upload], list[str], bool]:
    """(uploads, folders, whether there are more): a page of uploads by key and id, folded at the delimiter."""
    found: list[model.Upload] = []
    folders: list[str] = []
    while True:
        page = rows.uploads(tx, bucket, prefix, after, 200)
        for u in page:
            after = (u.name, u.id)
            end = u.name.find(delimiter, len(prefix)) if delimiter else -1
            folder = u.name[: end + len(delimiter)] if end >= 0 else ""
            if folder and folders and folders[-1] == folder:
                continue
            if len(found) + len(folders) >= most:
                return found, folders, True
            if folder:
                folders.append(folder)
            else:
                found.append(u)
        if len(page) < 200:
            return found, folders, False
