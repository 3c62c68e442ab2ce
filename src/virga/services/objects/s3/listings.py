# SPDX-License-Identifier: Apache-2.0
"""Listings of a bucket: objects in both versions of the call, and versions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from urllib.parse import quote

from virga.services.objects import limits, model
from virga.services.objects.http import Response
from virga.services.objects.s3 import checksums, grants
from virga.services.objects.s3.call import S3Call
from virga.services.objects.s3.errors import S3Error, Xml, changed_at, el, join, xml_response
from virga.services.objects.s3.versions import check_version
from virga.services.objects.store import listing as lists

MAX_PARTS = limits.PARTS


def number(c: S3Call, name: str, default: int, most: int, value: str | None = None) -> int:
    """A count of the query, or `value`, which a header gave."""
    text = c.request.query.get(name) if value is None else value
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > 2147483647:
        raise S3Error("InvalidArgument", f"Argument {name} must be an integer between 0 and 2147483647")
    return min(int(text), most)


def part_number(text: str) -> int:
    """The number of a part, from 1 to 10,000. Raises InvalidArgument."""
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or not 1 <= int(text) <= MAX_PARTS:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=text[:64],
        )
    return int(text)


def encoder(c: S3Call) -> Callable[[str], str]:
    kind = c.request.query.get("encoding-type")
    if kind not in {None, "", "url"}:
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    return (lambda s: quote(s, safe="/-_.~*")) if kind else (lambda s: s)


def of_segments(etag: str) -> str:
    """The tag of a large object that Swift put together, as S3's clients should read it: they take a tag for the bytes' MD5 and check
    it, unless there is a dash in it. How many segments there are is not known everywhere: upstream's s3api says "N" too."""
    return f"{etag}-N" if etag and "-" not in etag else etag


def size_and_etag(e: lists.Entry) -> tuple[int, str]:
    if e.kind == "slo" and e.control:
        return e.control.get("total", e.size), of_segments(e.control.get("slo_etag", e.etag))
    return e.size, e.etag


class Owners:
    """Who owns each line: mostly the bucket's owner; names are looked up once a page."""

    def __init__(self, c: S3Call, entries: list[lists.Entry]) -> None:
        self.mine = model.project_of(c.bucket.account)
        self._ids = {self.mine} | {e.control["owner"] for e in entries if e.control and e.control.get("owner")}
        self._context, self._known = c.context, dict[str, str]()

    async def learn(self) -> Owners:
        self._known = await grants.names(self._context, self._ids)
        return self

    def of(self, e: lists.Entry) -> Xml:
        id = (e.control or {}).get("owner") or self.mine
        return el("Owner", el("ID", id), el("DisplayName", self._known.get(id, id)))


def _line(e: lists.Entry, text: Callable[[str], str], who: Xml | None) -> Xml:
    size, etag = size_and_etag(e)
    sums = (e.control or {}).get("sums")
    return el(
        "Contents",
        el("Key", text(e.name)),
        el("LastModified", changed_at(e.changed)),
        el("ETag", f'"{etag}"'),
        *(checksums.listed(sums, (e.control or {}).get("sums_of")) if sums else ()),
        el("Size", size),
        el("StorageClass", "STANDARD"),
        who,
    )


async def listing(c: S3Call) -> Response:
    """ListObjects and ListObjectsV2."""
    c.allow("s3:ListBucket")
    if c.request.query.get("allow-unordered") == "true" and c.request.query.get("delimiter"):
        raise S3Error("InvalidArgument", "A listing without order cannot be folded at a delimiter.")
    q, text = c.request.query, encoder(c)
    second = q.get("list-type") == "2"
    if q.get("list-type") not in {None, "2"}:
        raise S3Error("InvalidArgument", "Invalid List Type specified in Request")
    most = number(c, "max-keys", 1000, 1000)
    prefix, delimiter = q.get("prefix", ""), q.get("delimiter", "")
    token, after = q.get("continuation-token"), q.get("start-after" if second else "marker", "")
    if second and token is not None:
        try:
            after = base64.urlsafe_b64decode(token.encode()).decode()
        except (ValueError, UnicodeDecodeError, binascii.Error):
            raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None
    id, now = c.bucket.id, c.context.now()
    # a marker inside a folder that was told of stands for the whole folder
    at = after
    if delimiter and after.startswith(prefix):
        cut = after.find(delimiter, len(prefix))
        if cut >= 0 and after == after[: cut + len(delimiter)]:
            at = after + "\U0010ffff" * 3
    found = await c.context.commits.long_read(
        lambda tx: (
            lists.listing(tx, id, prefix=prefix, delimiter=delimiter, after=at, limit=most + 1, alive_at=now)
            if most
            else []
        )
    )
    cut_off, found = len(found) > most, found[:most]
    last = found[-1].name if found else ""
    entries = [e for e in found if isinstance(e, lists.Entry)]
    owners = await Owners(c, entries).learn() if entries and (not second or q.get("fetch-owner") == "true") else None
    lines = [_line(e, text, owners.of(e) if owners is not None else None) for e in entries]
    folders = [el("CommonPrefixes", el("Prefix", text(e.name))) for e in found if isinstance(e, lists.Folder)]
    shared = [
        el("Name", c.bucket.name),
        el("Prefix", text(prefix) if second else prefix),
        el("MaxKeys", most),
        el("Delimiter", text(delimiter)) if delimiter else None,
        el("EncodingType", "url") if q.get("encoding-type") else None,
        el("IsTruncated", str(cut_off).lower()),
    ]
    if second:
        more = [
            el("KeyCount", len(found)),
            el("ContinuationToken", token) if token is not None else None,
            el("StartAfter", text(q["start-after"])) if "start-after" in q else None,
        ]
        if cut_off:
            more.append(el("NextContinuationToken", base64.urlsafe_b64encode(last.encode()).decode()))
    else:
        more = [el("Marker", text(after)), el("NextMarker", text(last)) if cut_off and delimiter else None]
    return xml_response("ListBucketResult", *shared, *more, join(lines), join(folders))


async def versions(c: S3Call) -> Response:
    c.allow("s3:ListBucketVersions")
    q, text = c.request.query, encoder(c)
    most = number(c, "max-keys", 1000, 1000)
    prefix, delimiter, marker, version = (
        q.get("prefix", ""),
        q.get("delimiter", ""),
        q.get("key-marker", ""),
        q.get("version-id-marker", ""),
    )
    if version:
        if "key-marker" not in q:
            raise S3Error("InvalidArgument", "A version-id marker cannot be specified without a key marker.")
        check_version(version)
    id = c.bucket.id
    found = await c.context.commits.long_read(
        lambda tx: lists.versions(
            tx,
            id,
            prefix=prefix,
            delimiter=delimiter,
            marker=marker,
            version_marker=version if version != "null" else "",
            limit=most + 1,
        )
    )
    cut_off, found = len(found) > most, found[:most]
    owners = await Owners(c, [e for e in found if isinstance(e, lists.Entry)]).learn()
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
            el("LastModified", changed_at(e.changed)),
        )
        if e.kind == model.MARKER:
            out.append(el("DeleteMarker", *head_, owners.of(e)))
        else:
            sums = checksums.listed((e.control or {}).get("sums"), (e.control or {}).get("sums_of"))
            out.append(
                el(
                    "Version",
                    *head_,
                    el("ETag", f'"{etag}"'),
                    *sums,
                    el("Size", size),
                    el("StorageClass", "STANDARD"),
                    owners.of(e),
                )
            )
    last = found[-1] if found else None
    more: list[Xml | None] = []
    if cut_off and last is not None:
        more = [
            el("NextKeyMarker", text(last.name)),
            el("NextVersionIdMarker", last.version) if isinstance(last, lists.Entry) else None,
        ]
    return xml_response(
        "ListVersionsResult",
        el("Name", c.bucket.name),
        el("Prefix", text(prefix)),
        el("KeyMarker", text(marker)),
        el("VersionIdMarker", version),
        *more,
        el("MaxKeys", most),
        el("Delimiter", text(delimiter)) if delimiter else None,
        el("EncodingType", "url") if q.get("encoding-type") else None,
        el("IsTruncated", str(cut_off).lower()),
        *out,
    )
