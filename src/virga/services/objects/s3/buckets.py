# SPDX-License-Identifier: Apache-2.0
"""Buckets: containers with S3's settings."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, NotFound, Problem
from virga.services.objects import model, policy
from virga.services.objects.actions import objects as actions
from virga.services.objects.exchange import Reply
from virga.services.objects.s3 import rights
from virga.services.objects.s3.context import Context, content_md5
from virga.services.objects.s3.errors import Node, S3Error, Xml, el, join, parse, reply
from virga.services.objects.store import listing as lists
from virga.services.objects.store import places

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,253}[a-zA-Z0-9]")


def iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(seconds * 1000) % 1000:03d}Z"


def owner(account: str) -> Xml:
    id = model.project_of(account)
    return el("Owner", el("ID", id), el("DisplayName", id))


async def index(c: Context) -> Reply:
    """GET /: the caller's buckets."""
    if not c.own:
        raise S3Error("AccessDenied")
    if not policy.holds(c.signed.actor, policy.READ, c.own, c.desk.settings.reseller_roles):
        raise S3Error("AccessDenied")
    rows = await c.desk.commits.long_read(lambda tx: places.containers(tx, c.own))
    return reply(
        "ListAllMyBucketsResult",
        owner(c.own),
        el("Buckets", *(el("Bucket", el("Name", r.name), el("CreationDate", iso(r.created))) for r in rows)),
    )


async def create(c: Context) -> Reply:
    actor = c.signed.actor
    if not c.own or not policy.holds(actor, policy.WRITE, c.own, c.desk.settings.reseller_roles):
        raise S3Error("AccessDenied")
    name = c.name
    ip = True
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        ip = False
    if NAME.fullmatch(name) is None or len(name) > 63 or ip or ".." in name:
        raise S3Error("InvalidBucketName", BucketName=name)
    raw = await c.document()
    if raw.strip():
        parse(raw, "CreateBucketConfiguration")
    control: dict[str, Any] = {"s3": True} | rights.canned_control(c.ask.header("x-amz-acl", "private"))
    if c.ask.header("x-amz-bucket-object-lock-enabled").lower() == "true":
        control |= {"lock": {}, "versioning": "enabled"}
    now = c.desk.now()

    def make(tx: Tx) -> None:
        tx.hold(f"bucket:{name}")
        places.ensure_account(tx, c.own, now)
        if places.container_row(tx, c.own, name) is not None:
            raise NotFound("own")
        if places.bucket(tx, name) is not None:
            raise Forbidden("other")
        kept = {k: v for k, v in control.items() if v is not None}
        places.make_container(tx, c.own, name, c.desk.settings.policies[0], model.stamp(now)[1], {}, kept)

    try:
        await c.desk.commits.write(make)
    except NotFound:
        raise S3Error("BucketAlreadyOwnedByYou", BucketName=name) from None
    except Forbidden:
        raise S3Error("BucketAlreadyExists", BucketName=name) from None
    return Reply(200, {"location": f"/{name}"})


async def head(c: Context) -> Reply:
    c.allow("s3:ListBucket")
    return Reply(200, {"x-amz-bucket-region": region(c), "content-type": "application/xml"})


def region(c: Context) -> str:
    return "us-east-1"


async def delete(c: Context) -> Reply:
    c.allow("s3:DeleteBucket")
    id = c.bucket.id
    if not await c.desk.commits.write(lambda tx: places.delete_container(tx, id)):
        raise S3Error("BucketNotEmpty", BucketName=c.name)
    return Reply(204)


async def location(c: Context) -> Reply:
    c.allow("s3:GetBucketLocation")
    return reply("LocationConstraint")


# -- listings ------------------------------------------------------------------------------------------------------


def _number(c: Context, name: str, default: int, most: int) -> int:
    text = c.ask.query.get(name)
    if text is None or text == "":
        return default
    if not text.isdigit() or len(text) > 10:
        raise S3Error("InvalidArgument", f"Argument {name} must be an integer between 0 and 2147483647")
    return min(int(text), most)


def _encoder(c: Context) -> Callable[[str], str]:
    kind = c.ask.query.get("encoding-type")
    if kind not in {None, "", "url"}:
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    return (lambda s: quote(s, safe="/-_.~*")) if kind else (lambda s: s)


def size_and_etag(e: lists.Entry) -> tuple[int, str]:
    if e.kind == "slo" and e.control:
        return e.control.get("total", e.size), e.control.get("slo_etag", e.etag)
    return e.size, e.etag


def _line(e: lists.Entry, text: Callable[[str], str], who: Xml | None) -> Xml:
    size, etag = size_and_etag(e)
    return el(
        "Contents",
        el("Key", text(e.name)),
        el("LastModified", iso(e.changed)),
        el("ETag", f'"{etag}"'),
        el("Size", size),
        el("StorageClass", "STANDARD"),
        who,
    )


async def listing(c: Context) -> Reply:
    """ListObjects and ListObjectsV2."""
    c.allow("s3:ListBucket")
    q, text = c.ask.query, _encoder(c)
    second = q.get("list-type") == "2"
    if q.get("list-type") not in {None, "2"}:
        raise S3Error("InvalidArgument", "Invalid List Type specified in Request")
    most = _number(c, "max-keys", 1000, 1000)
    prefix, delimiter = q.get("prefix", ""), q.get("delimiter", "")
    token, after = q.get("continuation-token"), q.get("start-after" if second else "marker", "")
    if second and token is not None:
        try:
            after = base64.urlsafe_b64decode(token.encode()).decode()
        except (ValueError, UnicodeDecodeError, binascii.Error):
            raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None
    id, now = c.bucket.id, c.desk.now()
    # a marker inside a folder that was told of stands for the whole folder
    at = after
    if delimiter and after.startswith(prefix):
        cut = after.find(delimiter, len(prefix))
        if cut >= 0 and after == after[: cut + len(delimiter)]:
            at = after + "\U0010ffff" * 3
    found = await c.desk.commits.long_read(
        lambda tx: lists.listing(tx, id, prefix=prefix, delimiter=delimiter, after=at, limit=most + 1, alive_at=now) if most else []
    )
    cut_off, found = len(found) > most, found[:most]
    last = found[-1].name if found else ""
    who = owner(c.bucket.account) if not second or q.get("fetch-owner") == "true" else None
    lines = [_line(e, text, who) for e in found if isinstance(e, lists.Entry)]
    folders = [el("CommonPrefixes", el("Prefix", text(e.name))) for e in found if isinstance(e, lists.Folder)]
    shared = [
        el("Name", c.bucket.name), el("Prefix", text(prefix)), el("MaxKeys", most), el("Delimiter", text(delimiter)) if delimiter else None,
        el("EncodingType", "url") if q.get("encoding-type") else None, el("IsTruncated", str(cut_off).lower()),
    ]  # fmt: skip
    if second:
        more = [
            el("KeyCount", len(found)),
            el("ContinuationToken", token) if token is not None else None,
            el("StartAfter", text(q["start-after"])) if q.get("start-after") else None,
        ]
        if cut_off:
            more.append(el("NextContinuationToken", base64.urlsafe_b64encode(last.encode()).decode()))
    else:
        more = [el("Marker", text(after)), el("NextMarker", text(last)) if cut_off and delimiter else None]
    return reply("ListBucketResult", *shared, *more, join(lines), join(folders))


async def versions(c: Context) -> Reply:
    c.allow("s3:ListBucketVersions")
    q, text = c.ask.query, _encoder(c)
    most = _number(c, "max-keys", 1000, 1000)
    prefix, delimiter, marker, version = (
        q.get("prefix", ""),
        q.get("delimiter", ""),
        q.get("key-marker", ""),
        q.get("version-id-marker", ""),
    )
    id = c.bucket.id
    found = await c.desk.commits.long_read(
        lambda tx: lists.versions(
            tx, id, prefix=prefix, delimiter=delimiter, marker=marker, version_marker=version if version != "null" else "", limit=most + 1
        )
    )
    cut_off, found = len(found) > most, found[:most]
    who = owner(c.bucket.account)
    out = []
    for e in found:
        if isinstance(e, lists.Folder):
            out.append(el("CommonPrefixes", el("Prefix", text(e.name))))
            continue
        size, etag = size_and_etag(e)
        head_ = (
            el("Key", text(e.name)),
            el("VersionId", "null" if e.unversioned else e.version),
            el("IsLatest", str(e.latest).lower()),
            el("LastModified", iso(e.changed)),
        )
        if e.kind == model.MARKER:
            out.append(el("DeleteMarker", *head_, who))
        else:
            out.append(el("Version", *head_, el("ETag", f'"{etag}"'), el("Size", size), el("StorageClass", "STANDARD"), who))
    last = found[-1] if found else None
    more: list[Xml | None] = []
    if cut_off and last is not None:
        more = [el("NextKeyMarker", text(last.name)), el("NextVersionIdMarker", last.version) if isinstance(last, lists.Entry) else None]
    return reply(
        "ListVersionsResult", el("Name", c.bucket.name), el("Prefix", text(prefix)), el("KeyMarker", text(marker)), el("VersionIdMarker", version), *more,
        el("MaxKeys", most), el("Delimiter", text(delimiter)) if delimiter else None, el("EncodingType", "url") if q.get("encoding-type") else None,
        el("IsTruncated", str(cut_off).lower()), *out,
    )  # fmt: skip


# -- settings ------------------------------------------------------------------------------------------------------


async def settle(c: Context, change: Callable[[dict[str, Any], dict[str, str]], None]) -> None:
    """Change what the container remembers, in one commit."""
    id, now = c.bucket.id, c.desk.now()

    def run(tx: Tx) -> None:
        row = places.container_row(tx, c.bucket.account, c.bucket.name)
        if row is None or row.id != id:
            raise NotFound("gone")
        control, meta = dict(row.control), dict(row.meta)
        change(control, meta)
        places.put_container(tx, id, control={k: v for k, v in control.items() if v is not None}, meta=meta, changed=model.stamp(now)[1])

    await c.desk.commits.write(run)


async def get_versioning(c: Context) -> Reply:
    c.allow("s3:GetBucketVersioning")
    state = c.bucket.control.get("versioning")
    return reply("VersioningConfiguration", el("Status", {"enabled": "Enabled", "suspended": "Suspended"}[state]) if state else None)


async def put_versioning(c: Context) -> Reply:
    c.allow("s3:PutBucketVersioning")
    doc = parse(await c.document(), "VersioningConfiguration")
    if doc.value("MfaDelete", "Disabled") != "Disabled":
        raise S3Error("NotImplemented", "MfaDelete is not implemented.")
    state = {"Enabled": "enabled", "Suspended": "suspended"}.get(doc.value("Status") or "")
    if state is None:
        raise S3Error("MalformedXML")
    if state == "suspended" and "lock" in c.bucket.control:
        raise S3Error(
            "InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
        )

    def change(control: dict[str, Any], meta: dict[str, str]) -> None:
        control |= {"versioning": state, "archive": None, "archive_mode": None}

    await settle(c, change)
    return Reply(200)


ALL, AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AllUsers", "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def acl_document(account: str, canned: str) -> Reply:
    id = model.project_of(account)

    def grant(permission: str, group: str | None = None) -> Xml:
        who = el("ID", id) + el("DisplayName", id) if group is None else el("URI", group)
        kind = "CanonicalUser" if group is None else "Group"
        return el("Grant", el("Grantee", Xml(who), xmlns_xsi=XSI, xsi_type=kind), el("Permission", permission))

    grants = [grant("FULL_CONTROL")]
    if canned in {"public-read", "public-read-write"}:
        grants.append(grant("READ", ALL))
    if canned == "public-read-write":
        grants.append(grant("WRITE", ALL))
    if canned == "authenticated-read":
        grants.append(grant("READ", AUTHENTICATED))
    return reply("AccessControlPolicy", owner(account), el("AccessControlList", *grants))


async def asked_acl(c: Context) -> str:
    """The canned list that a request sets: by its header, or by grants that mean one."""
    if any(h.startswith("x-amz-grant-") for h in c.ask.headers):
        raise S3Error("NotImplemented", "Grants by header are not implemented; use a canned ACL or a bucket policy.")
    name = c.ask.headers.get("x-amz-acl")
    raw = await c.document()
    if name:
        return name
    doc = parse(raw, "AccessControlPolicy")
    grants = set()
    for g in (doc.find("AccessControlList") or Node("")).all("Grant"):
        grants.add((g.value("Grantee/URI") or "owner", g.value("Permission")))
    grants -= {g for g in grants if g[0] == "owner" and g[1] in {"FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP"}}
    known: dict[frozenset[tuple[str, str]], str] = {
        frozenset(): "private", frozenset({(ALL, "READ")}): "public-read", frozenset({(ALL, "READ"), (ALL, "WRITE")}): "public-read-write",
        frozenset({(AUTHENTICATED, "READ")}): "authenticated-read",
    }  # fmt: skip
    canned = known.get(frozenset(grants))  # type: ignore[arg-type]
    if canned is None:
        raise S3Error("NotImplemented", "Only grants that a canned ACL can say are implemented; use a bucket policy.")
    return canned


async def get_acl(c: Context) -> Reply:
    c.allow("s3:GetBucketAcl")
    return acl_document(c.bucket.account, c.bucket.control.get("acl", "private"))


async def put_acl(c: Context) -> Reply:
    c.allow("s3:PutBucketAcl")
    control = rights.canned_control(await asked_acl(c))
    await settle(c, lambda old, meta: old.update(control))
    return Reply(200)


async def get_policy(c: Context) -> Reply:
    c.allow("s3:GetBucketPolicy")
    doc = c.bucket.control.get("policy")
    if doc is None:
        raise S3Error("NoSuchBucketPolicy", BucketName=c.name)
    return Reply(200, {"content-type": "application/json"}, msgspec.json.encode(doc))


async def put_policy(c: Context) -> Reply:
    c.allow("s3:PutBucketPolicy")
    doc = rights.read_policy(await c.document(), c.bucket.name)
    await settle(c, lambda old, meta: old.update(policy=doc))
    return Reply(204)


async def delete_policy(c: Context) -> Reply:
    c.allow("s3:DeleteBucketPolicy")
    await settle(c, lambda old, meta: old.update(policy=None))
    return Reply(204)


async def policy_status(c: Context) -> Reply:
    c.allow("s3:GetBucketPolicyStatus")
    doc = c.bucket.control.get("policy") or {"Statement": []}
    public = any(
        s["Effect"] == "Allow" and s["Principal"] in ("*", {"AWS": "*"}, {"AWS": ["*"]}) and not s.get("Condition")
        for s in doc["Statement"]
    )
    return reply("PolicyStatus", el("IsPublic", str(public).upper()))


def tree(node: Node) -> Xml:
    """The same again, as XML."""
    return el(node.tag, *(tree(n) for n in node.children)) if node.children else el(node.tag, node.text.strip())


async def get_cors(c: Context) -> Reply:
    c.allow("s3:GetBucketCORS")
    rules = c.bucket.control.get("cors")
    if not rules:
        raise S3Error("NoSuchCORSConfiguration")
    out = []
    for r in rules:
        parts = [el("ID", r["id"])] if r.get("id") else []
        for tag, key in (
            ("AllowedMethod", "methods"),
            ("AllowedOrigin", "origins"),
            ("AllowedHeader", "headers"),
            ("ExposeHeader", "expose"),
        ):
            parts += [el(tag, v) for v in r[key]]
        if r.get("age") is not None:
            parts.append(el("MaxAgeSeconds", r["age"]))
        out.append(el("CORSRule", *parts))
    return reply("CORSConfiguration", *out)


async def put_cors(c: Context) -> Reply:
    c.allow("s3:PutBucketCORS")
    doc = parse(await c.document(), "CORSConfiguration")
    rules = []
    for r in doc.all("CORSRule"):
        one = {
            key: [n.text.strip() for n in r.all(tag)]
            for tag, key in (
                ("AllowedMethod", "methods"),
                ("AllowedOrigin", "origins"),
                ("AllowedHeader", "headers"),
                ("ExposeHeader", "expose"),
            )
        }
        age = r.value("MaxAgeSeconds")
        if not one["methods"] or not one["origins"] or not set(one["methods"]) <= {"GET", "PUT", "HEAD", "POST", "DELETE"}:
            raise S3Error(
                "MalformedXML" if not one["methods"] else "InvalidRequest",
                "A rule needs AllowedOrigin and AllowedMethod (GET, PUT, HEAD, POST, DELETE).",
            )
        if any(o.count("*") > 1 for o in one["origins"] + one["headers"]):
            raise S3Error("InvalidRequest", "AllowedOrigin and AllowedHeader can not have more than one wildcard.")
        if age is not None and not age.isdigit():
            raise S3Error("MalformedXML")
        rules.append(one | {"id": r.value("ID"), "age": int(age) if age is not None else None})
    if not 0 < len(rules) <= 100:
        raise S3Error("MalformedXML")
    await settle(c, lambda old, meta: old.update(cors=rules))
    return Reply(200)


async def delete_cors(c: Context) -> Reply:
    c.allow("s3:PutBucketCORS")
    await settle(c, lambda old, meta: old.update(cors=None))
    return Reply(204)


async def get_lifecycle(c: Context) -> Reply:
    c.allow("s3:GetLifecycleConfiguration")
    rules = c.bucket.control.get("lifecycle")
    if not rules:
        raise S3Error("NoSuchLifecycleConfiguration")
    out = []
    for r in rules:
        end = None
        if r.get("days") is not None or r.get("date") or r.get("marker"):
            end = el("Expiration", el("Days", r["days"]) if r.get("days") is not None else None, el("Date", r["date"]) if r.get("date") else None,
                     el("ExpiredObjectDeleteMarker", "true") if r.get("marker") else None)  # fmt: skip
        old = el("NoncurrentVersionExpiration", el("NoncurrentDays", r["old_days"])) if r.get("old_days") is not None else None
        cut = el("AbortIncompleteMultipartUpload", el("DaysAfterInitiation", r["abort_days"])) if r.get("abort_days") is not None else None
        where = el("Prefix", r["prefix"]) if r.get("plain") else el("Filter", el("Prefix", r["prefix"]))
        out.append(el("Rule", el("ID", r["id"]), where, el("Status", "Enabled" if r["on"] else "Disabled"), end, old, cut))
    return reply("LifecycleConfiguration", *out)


def _days(rule: Node, path: str) -> int | None:
    text = rule.value(path)
    if text is None:
        return None
    if not text.isdigit() or not 0 < int(text) < 10**7:
        raise S3Error("InvalidArgument", f"'{path.rpartition('/')[2]}' must be a positive integer")
    return int(text)


async def put_lifecycle(c: Context) -> Reply:
    c.allow("s3:PutLifecycleConfiguration")
    doc = parse(await c.document(), "LifecycleConfiguration")
    rules = []
    for n, r in enumerate(doc.all("Rule")):
        if r.find("Transition") or r.find("NoncurrentVersionTransition"):
            raise S3Error("NotImplemented", "Transitions need other storage classes; there is one.")
        filter_ = r.find("Filter")
        if filter_ is not None and (
            filter_.find("Tag") or filter_.find("And") or filter_.find("ObjectSizeGreaterThan") or filter_.find("ObjectSizeLessThan")
        ):
            raise S3Error("NotImplemented", "Filters by tag or size are not implemented; use a prefix.")
        if r.value("Status") not in {"Enabled", "Disabled"}:
            raise S3Error("MalformedXML")
        date = r.value("Expiration/Date")
        if date is not None:
            try:
                dt.datetime.fromisoformat(date.replace("Z", "+00:00"))
            except ValueError:
                raise S3Error("MalformedXML") from None
        one = {
            "id": r.value("ID") or f"rule-{n + 1}", "prefix": (r.value("Filter/Prefix") if filter_ is not None else r.value("Prefix")) or "", "plain": filter_ is None,
            "on": r.value("Status") == "Enabled", "days": _days(r, "Expiration/Days"), "date": date, "marker": r.value("Expiration/ExpiredObjectDeleteMarker") == "true",
            "old_days": _days(r, "NoncurrentVersionExpiration/NoncurrentDays"), "abort_days": _days(r, "AbortIncompleteMultipartUpload/DaysAfterInitiation"),
        }  # fmt: skip
        if not any(one[k] for k in ("days", "date", "marker", "old_days", "abort_days")):
            raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule.")
        rules.append(one)
    if not 0 < len(rules) <= 1000 or len({r["id"] for r in rules}) != len(rules):
        raise S3Error("MalformedXML" if not rules else "InvalidArgument", "Rule IDs must be unique; at most 1000.")
    await settle(c, lambda old, meta: old.update(lifecycle=rules))
    return Reply(200)


async def delete_lifecycle(c: Context) -> Reply:
    c.allow("s3:PutLifecycleConfiguration")
    await settle(c, lambda old, meta: old.update(lifecycle=None))
    return Reply(204)


async def get_website(c: Context) -> Reply:
    c.allow("s3:GetBucketWebsite")
    meta = c.bucket.meta
    if "web-index" not in meta:
        raise S3Error("NoSuchWebsiteConfiguration", BucketName=c.name)
    error = c.bucket.control.get("web_error_key")
    return reply(
        "WebsiteConfiguration",
        el("IndexDocument", el("Suffix", meta["web-index"])),
        el("ErrorDocument", el("Key", error)) if error else None,
    )


async def put_website(c: Context) -> Reply:
    c.allow("s3:PutBucketWebsite")
    doc = parse(await c.document(), "WebsiteConfiguration")
    if doc.find("RoutingRules") or doc.find("RedirectAllRequestsTo"):
        raise S3Error("NotImplemented", "Redirects of a web site are not implemented.")
    suffix, error = doc.value("IndexDocument/Suffix"), doc.value("ErrorDocument/Key")
    if not suffix or "/" in suffix:
        raise S3Error("InvalidArgument", "The IndexDocument Suffix is not well formed")

    def change(control: dict[str, Any], meta: dict[str, str]) -> None:
        meta["web-index"] = suffix
        control["web_error_key"] = error

    await settle(c, change)
    return Reply(200)


async def delete_website(c: Context) -> Reply:
    c.allow("s3:DeleteBucketWebsite")

    def change(control: dict[str, Any], meta: dict[str, str]) -> None:
        meta.pop("web-index", None)
        control["web_error_key"] = None

    await settle(c, change)
    return Reply(204)


def read_tags(doc: Node, most: int) -> dict[str, str]:
    out: dict[str, str] = {}
    for t in (doc.find("TagSet") or Node("")).all("Tag"):
        key, value = t.value("Key") or "", t.value("Value") or ""
        check_tag(key, value, out)
        out[key] = value
    if len(out) > most:
        raise S3Error("InvalidTag", f"Object tags cannot be greater than {most}")
    return out


def check_tag(key: str, value: str, seen: dict[str, str]) -> None:
    if not key or len(key) > 128 or len(value) > 256 or key in seen or key.lower().startswith("aws:"):
        raise S3Error("InvalidTag", f"The tag {key[:64]!r} is empty, twice there, or too long.")


def tag_document(tags: dict[str, str]) -> Reply:
    return reply("Tagging", el("TagSet", *(el("Tag", el("Key", k), el("Value", v)) for k, v in tags.items())))


async def get_tagging(c: Context) -> Reply:
    c.allow("s3:GetBucketTagging")
    tags = c.bucket.control.get("tags")
    if not tags:
        raise S3Error("NoSuchTagSet", BucketName=c.name)
    return tag_document(tags)


async def put_tagging(c: Context) -> Reply:
    c.allow("s3:PutBucketTagging")
    tags = read_tags(parse(await c.document(), "Tagging"), 50)
    await settle(c, lambda old, meta: old.update(tags=tags))
    return Reply(204)


async def delete_tagging(c: Context) -> Reply:
    c.allow("s3:PutBucketTagging")
    await settle(c, lambda old, meta: old.update(tags=None))
    return Reply(204)


async def get_lock(c: Context) -> Reply:
    c.allow("s3:GetBucketObjectLockConfiguration")
    lock = c.bucket.control.get("lock")
    if lock is None:
        raise S3Error("ObjectLockConfigurationNotFoundError", BucketName=c.name)
    rule = None
    if lock.get("mode"):
        unit = el("Days", lock["days"]) if "days" in lock else el("Years", lock["years"])
        rule = el("Rule", el("DefaultRetention", el("Mode", lock["mode"]), unit))
    return reply("ObjectLockConfiguration", el("ObjectLockEnabled", "Enabled"), rule)


async def put_lock(c: Context) -> Reply:
    c.allow("s3:PutBucketObjectLockConfiguration")
    doc = parse(await c.document(), "ObjectLockConfiguration")
    if doc.value("ObjectLockEnabled") != "Enabled":
        raise S3Error("MalformedXML")
    if c.bucket.control.get("versioning") != "enabled":
        raise S3Error("InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
    lock: dict[str, Any] = {}
    rule = doc.find("Rule/DefaultRetention")
    if rule is not None:
        days, years, mode = _days(rule, "Days"), _days(rule, "Years"), rule.value("Mode")
        if mode not in {"GOVERNANCE", "COMPLIANCE"} or (days is None) == (years is None):
            raise S3Error("MalformedXML")
        lock = {"mode": mode} | ({"days": days} if days is not None else {"years": years})
    await settle(c, lambda old, meta: old.update(lock=lock))
    return Reply(200)


# -- many at once --------------------------------------------------------------------------------------------------


async def delete_many(c: Context) -> Reply:
    """POST ?delete: up to 1000 keys (and versions), in one commit."""
    raw = await c.document()
    if (
        content_md5(c.ask) is None
        and not any(h.startswith("x-amz-checksum-") or h == "x-amz-trailer" for h in c.ask.headers)
        and len(c.signed.payload) != 64
    ):
        raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5")
    doc = parse(raw, "Delete")
    quiet = (doc.value("Quiet") or "").lower() == "true"
    wanted = doc.all("Object")
    if not 0 < len(wanted) <= 1000:
        raise S3Error("MalformedXML")
    bypass = c.ask.header("x-amz-bypass-governance-retention").lower() == "true"
    desk, now, id = c.desk, c.desk.now(), c.bucket.id
    out: list[Xml] = []
    todo: list[tuple[str, str | None]] = []
    for o in wanted:
        key, version = o.find("Key"), o.value("VersionId")
        if key is None or not key.text or "\0" in key.text or len(key.text.encode()) > model.MAX_NAME:
            raise S3Error("MalformedXML")
        try:
            c.allow("s3:DeleteObjectVersion" if version else "s3:DeleteObject", key.text)
        except S3Error as e:
            out.append(el("Error", el("Key", key.text), el("Code", e.code), el("Message", e.says or "Access Denied")))
            continue
        todo.append((key.text, version))

    def run(tx: Tx) -> list[Xml]:
        told = []
        for key, version in todo:
            parts = [el("Key", key)]
            try:
                if version:
                    removed = actions.delete_version(tx, id, key, version, now, desk.wake_trash, bypass=bypass)
                    parts.append(el("VersionId", version))
                    if removed.marker:
                        parts += [el("DeleteMarker", "true"), el("DeleteMarkerVersionId", version)]
                else:
                    removed = actions.delete(tx, id, key, now, desk.wake_trash)
                    if removed.marker:
                        parts += [el("DeleteMarker", "true"), el("DeleteMarkerVersionId", removed.version)]
            except NotFound:
                parts += [el("VersionId", version)] if version else []
            except Problem as p:
                told.append(el("Error", el("Key", key), el("Code", "AccessDenied"), el("Message", p.message)))
                continue
            if not quiet:
                told.append(el("Deleted", *parts))
        return told

    out += await desk.commits.write(run)
    return reply("DeleteResult", *out)


def md5_of(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()
