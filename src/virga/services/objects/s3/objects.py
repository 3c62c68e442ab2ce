# SPDX-License-Identifier: Apache-2.0
"""Objects in S3's words: the same rows as Swift's, `x-amz-meta-` for `X-Object-Meta-`, version ids as they are."""

from __future__ import annotations

import datetime as dt
import mimetypes
from typing import Any
from urllib.parse import parse_qsl

from virga.ground.db.engine import Tx
from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.bodies import Received, extents_of
from virga.services.objects.exchange import Ask, Precondition, Reply, check_conditions, etags, http_date, parse_date, ranges, unquote
from virga.services.objects.s3 import rights
from virga.services.objects.s3.buckets import acl_document, asked_acl, check_tag, iso, read_tags, tag_document
from virga.services.objects.s3.context import Context, content_md5
from virga.services.objects.s3.errors import S3Error, el, parse, reply
from virga.services.objects.store import objects as rows
from virga.services.objects.store import places
from virga.services.objects.swift.large import Whole

KEPT = ("cache-control", "content-disposition", "content-encoding", "content-language", "expires")
OVERRIDES = ("content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding")
META_MOST = 2048


def described(c: Context, ask: Ask, key: str) -> actions.New:
    """What the headers say of a new object."""
    meta: dict[str, str] = {}
    for name, value in ask.headers.items():
        if name.startswith("x-amz-meta-") and len(name) > 11:
            meta[f"x-object-meta-{name[11:]}"] = value
    if sum(len(k) - 14 + len(v.encode()) for k, v in meta.items()) > META_MOST:
        raise S3Error("InvalidArgument", f"Your metadata headers exceed the maximum allowed metadata size of {META_MOST} bytes.")
    for name in KEPT:
        value = ask.header(name)
        if name == "content-encoding":
            value = ",".join(p.strip() for p in value.split(",") if p.strip() and p.strip() != "aws-chunked")
        if value:
            meta[name] = value
    control: dict[str, Any] = {}
    if ask.header("x-amz-acl"):
        rights.canned_control(ask.header("x-amz-acl"))
        control["acl"] = ask.header("x-amz-acl")
    if ask.header("x-amz-storage-class", "STANDARD") != "STANDARD":
        raise S3Error("NotImplemented", "There is one storage class: STANDARD.")
    if ask.header("x-amz-tagging"):
        tags: dict[str, str] = {}
        for k, v in parse_qsl(ask.header("x-amz-tagging"), keep_blank_values=True, max_num_fields=50):
            check_tag(k, v, tags)
            tags[k] = v
        if len(tags) > 10:
            raise S3Error("InvalidTag", "Object tags cannot be greater than 10")
        control["tags"] = tags
    if ask.header("x-amz-website-redirect-location"):
        control["redirect"] = ask.header("x-amz-website-redirect-location")
    control |= locks(c, ask)
    content_type = ask.header("content-type") or mimetypes.guess_type(key)[0] or "binary/octet-stream"
    return actions.New(key, 0, "", content_type, meta=meta, control=control or None)


def locks(c: Context, ask: Ask) -> dict[str, Any]:
    """Object lock of a new object: as asked, else as the bucket has it."""
    lock = c.bucket.control.get("lock")
    mode, until, hold = (
        ask.header("x-amz-object-lock-mode"),
        ask.header("x-amz-object-lock-retain-until-date"),
        ask.header("x-amz-object-lock-legal-hold"),
    )
    out: dict[str, Any] = {}
    if (mode or until or hold) and lock is None:
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
    if mode or until:
        out["retain"] = retention(c, mode, until)
    elif lock and lock.get("mode"):
        days = lock["days"] if "days" in lock else lock["years"] * 365
        out["retain"] = {"mode": lock["mode"], "until": c.desk.now() + days * 86400}
    if hold:
        if hold not in {"ON", "OFF"}:
            raise S3Error("InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'")
        out["hold"] = hold == "ON"
    return out


def retention(c: Context, mode: str | None, until: str | None) -> dict[str, Any]:
    try:
        at = dt.datetime.fromisoformat((until or "").replace("Z", "+00:00"))
        seconds = (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()
    except ValueError:
        raise S3Error("InvalidArgument", "The retain until date must be provided in ISO 8601 format") from None
    if mode not in {"GOVERNANCE", "COMPLIANCE"}:
        raise S3Error("InvalidArgument", "Unknown wormMode directive.")
    if seconds <= c.desk.now():
        raise S3Error("InvalidArgument", "The retain until date must be in the future!")
    return {"mode": mode, "until": seconds}


def version_headers(o: model.Object, bucket: model.Container) -> dict[str, str]:
    if bucket.control and bucket.control.get("versioning"):
        return {"x-amz-version-id": "null" if o.unversioned else o.version}
    return {}


# -- PUT -----------------------------------------------------------------------------------------------------------


async def put(c: Context) -> Reply:
    if "x-amz-copy-source" in c.ask.headers:
        return await copy(c)
    c.allow("s3:PutObject", c.path)
    if c.length is None:
        raise S3Error("MissingContentLength")
    if c.length > 5 * (1 << 30):
        raise S3Error("EntityTooLarge")
    new = described(c, c.ask, c.path)
    check = conditions(c)
    body = c.body()
    got = await c.desk.bodies.receive(body.__aiter__(), expected=c.length)
    md5 = content_md5(c.ask)
    if md5 is not None and md5 != got.md5:
        await c.swift.thrown_away(got)
        raise S3Error("BadDigest")
    if body.checksums:
        new.control = (new.control or {}) | {"sums": body.checksums}
    o = await c.swift.commit(c.bucket.id, new, got, check)
    return Reply(200, {"etag": f'"{o.etag}"'} | version_headers(o, c.bucket) | body.checksums)


def conditions(c: Context) -> actions.Check | None:
    """If-None-Match: * and If-Match on a write."""
    none, match = c.ask.headers.get("if-none-match"), c.ask.headers.get("if-match")
    if none is None and match is None:
        return None
    if none is not None and none.strip() != "*":
        raise S3Error("NotImplemented", "If-None-Match on a write takes * only.")
    now = c.desk.now()

    def check(old: model.Object | None) -> None:
        there = actions.alive(old, now)
        if none is not None and there is not None:
            raise Precondition("exists")
        if match is not None:
            if there is None:
                raise NotFound("The resource could not be found.")
            if there.etag not in etags(match):
                raise Precondition("differs")

    return check


async def source_of(c: Context, ask: Ask) -> tuple[model.Container, model.Object, str | None]:
    """What x-amz-copy-source names, readable by the signer himself."""
    from virga.services.objects.s3.front import find

    path, _, query = ask.headers["x-amz-copy-source"].partition("?")
    try:
        name = unquote(path).lstrip("/")
    except UnicodeDecodeError:
        raise S3Error("InvalidArgument", "The copy source is not UTF-8.") from None
    bucket, _, key = name.partition("/")
    version = query.removeprefix("versionId=") if query.startswith("versionId=") else None
    if not bucket or not key or (query and version is None):
        raise S3Error("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    row = await find(c.desk, c.signed.actor.project_id, bucket)
    if row is None:
        raise S3Error("NoSuchBucket", BucketName=bucket)
    o = await one(c, row, key, version, "s3:GetObjectVersion" if version else "s3:GetObject")
    h = ask.headers
    tags, at = {o.etag, str(o.own("slo_etag", o.etag))}, float(int(o.changed) + 1)
    if "x-amz-copy-source-if-match" in h and not tags & set(etags(h["x-amz-copy-source-if-match"])):
        raise S3Error("PreconditionFailed")
    if "x-amz-copy-source-if-none-match" in h and tags & set(etags(h["x-amz-copy-source-if-none-match"])):
        raise S3Error("PreconditionFailed")
    since = parse_date(h.get("x-amz-copy-source-if-modified-since", ""))
    if since is not None and at <= since:
        raise S3Error("PreconditionFailed")
    until = parse_date(h.get("x-amz-copy-source-if-unmodified-since", ""))
    if until is not None and at > until + 1:
        raise S3Error("PreconditionFailed")
    return row, o, version


async def one(c: Context, row: model.Container, key: str, version: str | None, action: str) -> model.Object:
    """An object for reading, decided on its bucket and itself."""

    def read(tx: Tx) -> model.Object | None:
        current = rows.row(tx, row.id, key)
        try:
            return actions.find(tx, current, row, key, version)
        except NotFound as e:
            if e.facts.get("absent_version"):
                raise
            newest = rows.newest_old(tx, row.id, key)
            return newest if newest is not None and newest.kind == model.MARKER else None

    if version is not None and version != "null" and not version.replace(".", "", 1).isdigit():
        raise S3Error("InvalidArgument", "Invalid version id specified")
    o = await c.desk.commits.read(read)
    o = actions.alive(o, c.desk.now())
    rights.allow(c.desk, c.ask, c.signed.actor, row, action, key, o)
    if o is None:
        raise S3Error("NoSuchKey", Key=key)
    if o.kind == model.MARKER:
        c.ask.notes["marker"] = o.version
        raise Marker(o, version is not None)
    return o


class Marker(S3Error):
    """A delete marker lies there."""

    def __init__(self, o: model.Object, by_version: bool) -> None:
        super().__init__("MethodNotAllowed" if by_version else "NoSuchKey")


async def whole_of(c: Context, account: str, o: model.Object) -> tuple[Whole, model.Object]:
    """An object to read, whatever it is to Swift: manifests and links show what they stand for."""
    if o.kind == "link":
        account, _, o, _ = await c.swift.follow(c.ask, c.entry(), o)
    if o.kind == "slo" or "x-object-manifest" in o.meta:
        return await c.swift.large.whole(c.ask, c.entry(), account, o), o
    return Whole(o.size, o.etag, lambda s, n: c.desk.bodies.open(extents_of(o, s, n))), o


async def copy(c: Context) -> Reply:
    c.allow("s3:PutObject", c.path)
    row, o, version = await source_of(c, c.ask)
    directive = c.ask.header("x-amz-metadata-directive", "COPY")
    if directive not in {"COPY", "REPLACE"}:
        raise S3Error("InvalidArgument", "Unknown metadata directive.")
    same = row.id == c.bucket.id and o.name == c.path and version is None
    if same and directive == "COPY" and not c.ask.header("x-amz-website-redirect-location"):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.",
        )
    new = described(c, c.ask, c.path)
    whole, real = await whole_of(c, row.account, o)
    if directive == "COPY":
        new.meta = {k: v for k, v in real.meta.items() if k != "x-object-manifest"}
        new.content_type = real.content_type
    if c.ask.header("x-amz-tagging-directive", "COPY") == "COPY" and real.own("tags"):
        new.control = (new.control or {}) | {"tags": real.own("tags")}
    if real.own("sums"):
        new.control = (new.control or {}) | {"sums": real.own("sums")}
    got = await c.desk.bodies.receive(await whole.open(0, whole.size), expected=whole.size, most=5 << 40)
    made = await c.swift.commit(c.bucket.id, new, got, conditions(c))
    out = reply("CopyObjectResult", el("LastModified", iso(made.changed)), el("ETag", f'"{made.etag}"'))
    out.headers |= version_headers(made, c.bucket)
    if row.control and row.control.get("versioning"):
        out.headers["x-amz-copy-source-version-id"] = "null" if o.unversioned else o.version
    return out


# -- GET -----------------------------------------------------------------------------------------------------------


async def get(c: Context) -> Reply:
    """GetObject and HeadObject."""
    version = c.ask.query.get("versionId")
    try:
        o = await one(c, c.bucket, c.path, version, "s3:GetObjectVersion" if version else "s3:GetObject")
    except Marker as e:
        from virga.services.objects.s3.errors import answer

        out = answer(e, c.ask.raw_path, c.ask.id)
        out.headers |= {"x-amz-delete-marker": "true", "x-amz-version-id": c.ask.notes["marker"]}
        return out
    whole, real = await whole_of(c, c.bucket.account, o)
    headers = {
        "content-type": real.content_type,
        "last-modified": http_date(-(-o.changed // 1)),
        "etag": f'"{whole.etag}"',
        "accept-ranges": "bytes",
    }
    headers |= {
        f"x-amz-meta-{k[14:]}" if k.startswith("x-object-meta-") else k: v for k, v in real.meta.items() if k != "x-object-manifest"
    }
    headers |= version_headers(o, c.bucket)
    if o.own("tags"):
        headers["x-amz-tagging-count"] = str(len(o.own("tags")))
    if o.own("redirect"):
        headers["x-amz-website-redirect-location"] = o.own("redirect")
    if o.own("retain"):
        headers |= {"x-amz-object-lock-mode": o.own("retain")["mode"], "x-amz-object-lock-retain-until-date": iso(o.own("retain")["until"])}
    if o.own("hold") is not None:
        headers["x-amz-object-lock-legal-hold"] = "ON" if o.own("hold") else "OFF"
    if c.desk.settings.encrypt:
        headers["x-amz-server-side-encryption"] = "AES256"
    if o.own("parts"):
        headers["x-amz-mp-parts-count"] = str(o.own("parts")) if "partNumber" in c.ask.query else ""
    for name in OVERRIDES:
        value = c.ask.query.get(f"response-{name}")
        if value is not None:
            if not c.signed.actor.user_id:
                raise S3Error("InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.")
            headers[name] = value
    if not check_conditions(c.ask, [whole.etag], o.changed):
        return Reply(304, headers)
    wanted = ranges(c.ask.headers.get("range"), whole.size)
    start, length, code = 0, whole.size, 200
    if "partNumber" in c.ask.query:
        start, length = await part_range(c, real, whole.size)
        headers["content-range"], code = f"bytes {start}-{start + length - 1}/{whole.size}", 206
    elif wanted is not None and len(wanted) <= 1:
        if not wanted:
            raise S3Error("InvalidRange", ActualObjectSize=str(whole.size), RangeRequested=c.ask.header("range")[:100])
        start, length = wanted[0]
        headers["content-range"], code = f"bytes {start}-{start + length - 1}/{whole.size}", 206
    if code == 200 and c.ask.header("x-amz-checksum-mode").upper() == "ENABLED" and o.own("sums"):
        headers |= o.own("sums")
    if c.ask.method == "HEAD" or length == 0:
        return Reply(code, headers, length=length)
    return Reply(code, headers, stream=await whole.open(start, length), length=length)


async def part_range(c: Context, o: model.Object, size: int) -> tuple[int, int]:
    text = c.ask.query["partNumber"]
    if not text.isdigit() or not 1 <= int(text[:6]) <= 10000:
        raise S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    number, body = int(text), o.body
    if body is None or body[0] != "m":
        if number != 1:
            raise S3Error("InvalidRange")
        return 0, size
    at = 0
    for n, p in enumerate(await c.desk.commits.read(lambda tx: rows.pieces(tx, body)), 1):
        if n == number:
            return at, p.size
        at += p.size
    raise S3Error("InvalidRange")


# -- DELETE --------------------------------------------------------------------------------------------------------


async def delete(c: Context) -> Reply:
    version = c.ask.query.get("versionId")
    c.allow("s3:DeleteObjectVersion" if version else "s3:DeleteObject", c.path)
    bypass = c.ask.header("x-amz-bypass-governance-retention").lower() == "true"
    if bypass:
        c.allow("s3:BypassGovernanceRetention", c.path)
    desk, now, id = c.desk, c.desk.now(), c.bucket.id

    def run(tx: Tx) -> actions.Removed:
        if version is not None:
            return actions.delete_version(tx, id, c.path, version, now, desk.wake_trash, bypass=bypass)
        return actions.delete(tx, id, c.path, now, desk.wake_trash)

    try:
        removed = await desk.commits.write(run)
    except NotFound:
        return Reply(204, {"x-amz-version-id": version} if version else {})
    headers = {}
    if version is not None:
        headers["x-amz-version-id"] = version
    elif removed.marker:
        headers["x-amz-version-id"] = removed.version
    if removed.marker:
        headers["x-amz-delete-marker"] = "true"
    return Reply(204, headers)


# -- tags, lists, locks --------------------------------------------------------------------------------------------


async def _change(c: Context, o: model.Object, **control: Any) -> None:
    """Write into what the object remembers, on that very version."""

    def run(tx: Tx) -> None:
        row = places.container_row(tx, c.bucket.account, c.bucket.name)
        current = rows.row(tx, c.bucket.id, o.name)
        if row is None:
            raise NotFound("gone")
        if current is None or current.version != o.version:
            current = rows.version(tx, c.bucket.id, o.name, "null" if o.unversioned else o.version)
        if current is None:
            raise NotFound("gone")
        fresh = {k: v for k, v in ((current.control or {}) | control).items() if v is not None}
        rows.change_version(tx, current, control=fresh or None)

    await c.desk.commits.write(run)


async def _object(c: Context, action: str) -> model.Object:
    version = c.ask.query.get("versionId")
    return await one(c, c.bucket, c.path, version, action)


async def get_tagging(c: Context) -> Reply:
    o = await _object(c, "s3:GetObjectTagging")
    out = tag_document(o.own("tags") or {})
    out.headers |= version_headers(o, c.bucket)
    return out


async def put_tagging(c: Context) -> Reply:
    o = await _object(c, "s3:PutObjectTagging")
    await _change(c, o, tags=read_tags(parse(await c.document(), "Tagging"), 10))
    return Reply(200, version_headers(o, c.bucket))


async def delete_tagging(c: Context) -> Reply:
    o = await _object(c, "s3:DeleteObjectTagging")
    await _change(c, o, tags=None)
    return Reply(204, version_headers(o, c.bucket))


async def get_acl(c: Context) -> Reply:
    o = await _object(c, "s3:GetObjectAcl")
    return acl_document(c.bucket.account, o.own("acl") or "private")


async def put_acl(c: Context) -> Reply:
    o = await _object(c, "s3:PutObjectAcl")
    canned = await asked_acl(c)
    rights.canned_control(canned)
    await _change(c, o, acl=canned)
    return Reply(200)


async def get_retention(c: Context) -> Reply:
    o = await _object(c, "s3:GetObjectRetention")
    kept = o.own("retain")
    if not kept:
        raise S3Error("NoSuchObjectLockConfiguration")
    return reply("Retention", el("Mode", kept["mode"]), el("RetainUntilDate", iso(kept["until"])))


async def put_retention(c: Context) -> Reply:
    if "lock" not in c.bucket.control:
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
    o = await _object(c, "s3:PutObjectRetention")
    doc = parse(await c.document(), "Retention")
    kept = retention(c, doc.value("Mode"), doc.value("RetainUntilDate"))
    old = o.own("retain")
    bypass = c.ask.header("x-amz-bypass-governance-retention").lower() == "true"
    if old and old["until"] > c.desk.now():
        weaker = kept["until"] < old["until"] or (old["mode"] == "COMPLIANCE" and kept["mode"] != "COMPLIANCE")
        if weaker and (old["mode"] == "COMPLIANCE" or not bypass):
            raise S3Error("AccessDenied", f"The object is retained ({old['mode']}) until {iso(old['until'])}; that is not shortened.")
    await _change(c, o, retain=kept)
    return Reply(200)


async def get_hold(c: Context) -> Reply:
    o = await _object(c, "s3:GetObjectLegalHold")
    if o.own("hold") is None:
        raise S3Error("NoSuchObjectLockConfiguration")
    return reply("LegalHold", el("Status", "ON" if o.own("hold") else "OFF"))


async def put_hold(c: Context) -> Reply:
    if "lock" not in c.bucket.control:
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
    o = await _object(c, "s3:PutObjectLegalHold")
    status = parse(await c.document(), "LegalHold").value("Status")
    if status not in {"ON", "OFF"}:
        raise S3Error("MalformedXML")
    await _change(c, o, hold=status == "ON")
    return Reply(200)


__all__ = ["Received", "copy", "delete", "described", "get", "put", "source_of"]
