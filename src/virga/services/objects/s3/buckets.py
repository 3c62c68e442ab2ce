# SPDX-License-Identifier: Apache-2.0
"""Buckets: containers whose name is taken for the whole of S3."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import Any

from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, NotFound
from virga.services.objects import model, policy
from virga.services.objects.http import Response
from virga.services.objects.s3 import grants, tags
from virga.services.objects.s3.call import S3Call
from virga.services.objects.s3.errors import S3Error, el, iso, xml_response
from virga.services.objects.s3.listings import number
from virga.services.objects.s3.settings import OWNERSHIP
from virga.services.objects.store import containers

NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
REGION = re.compile(r"[A-Za-z0-9._-]{1,64}")
HOME = "us-east-1"


async def index(c: S3Call) -> Response:
    """GET /: the caller's buckets; a caller without a name has none."""
    q = c.request.query
    prefix, token = q.get("prefix", ""), q.get("continuation-token", "")
    most = number(c, "max-buckets", model.LISTING, model.LISTING)
    try:
        after = base64.urlsafe_b64decode(token.encode()).decode() if token else ""
    except (ValueError, UnicodeDecodeError, binascii.Error):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None
    if not c.own:
        return xml_response(
            "ListAllMyBucketsResult", el("Owner", el("ID", "anonymous"), el("DisplayName", "anonymous")), el("Buckets")
        )
    if not policy.holds(c.signed.actor, policy.READ, c.own, c.context.settings.reseller_roles):
        raise S3Error("AccessDenied")
    rows = await c.context.commits.long_read(
        lambda tx: containers.containers(tx, c.own, after=after, prefix=prefix, limit=most + 1)
    )
    cut, rows = len(rows) > most, rows[:most]
    return xml_response(
        "ListAllMyBucketsResult",
        await grants.owner(c.context, c.own),
        el("Buckets", *(el("Bucket", el("Name", r.name), el("CreationDate", iso(r.created))) for r in rows)),
        el("ContinuationToken", base64.urlsafe_b64encode(rows[-1].name.encode()).decode()) if cut and rows else None,
        el("Prefix", prefix) if prefix else None,
    )


def check_name(name: str) -> None:
    """S3's rules of bucket names. Raises InvalidBucketName."""
    try:
        ipaddress.IPv4Address(name)
        bad = True
    except ValueError:
        bad = NAME.fullmatch(name) is None or any(pair in name for pair in ("..", ".-", "-."))
    if bad or name.startswith(("xn--", "sthree-")) or name.endswith(("-s3alias", "--ol-s3", "--x-s3")):
        raise S3Error("InvalidBucketName", BucketName=name)


async def _lock_settings(c: S3Call) -> dict[str, Any]:
    """What a new bucket is to remember, from headers and document."""
    out: dict[str, Any] = {"s3": True}
    raw = await c.document()
    if raw.strip():
        doc = await c.tree(raw, "CreateBucketConfiguration")
        where = doc.value("LocationConstraint")
        if where:
            if REGION.fullmatch(where) is None:
                raise S3Error("InvalidLocationConstraint", LocationConstraint=where[:64])
            out["location"] = where
        if doc.find("Tags"):
            found: dict[str, str] = {}
            for t in doc.find("Tags").all("Tag"):  # type: ignore[union-attr]
                tags.check(t.value("Key") or "", t.value("Value") or "", found)
                found[t.value("Key") or ""] = t.value("Value") or ""
            out["tags"] = tags.bounded(found, tags.OF_BUCKET)
    ownership = c.request.header("x-amz-object-ownership")
    if ownership:
        if ownership not in OWNERSHIP:
            raise S3Error("InvalidArgument", f"Invalid x-amz-object-ownership header: {ownership[:64]}")
        out["ownership"] = ownership
    list_ = grants.by_headers(c.request)
    if list_ and ownership == "BucketOwnerEnforced":
        raise S3Error("InvalidBucketAclWithObjectOwnership")
    out["acl"] = await grants.real(c.context, list_ or None)
    if c.request.header("x-amz-bucket-object-lock-enabled").lower() == "true":
        out |= {"lock": {}, "versioning": "enabled"}
    return {k: v for k, v in out.items() if v is not None}


async def create(c: S3Call) -> Response:
    actor = c.signed.actor
    if not c.own or not policy.holds(actor, policy.WRITE, c.own, c.context.settings.reseller_roles):
        raise S3Error("AccessDenied")
    name = c.name
    check_name(name)
    control = await _lock_settings(c)
    now = c.context.now()

    def make(tx: Tx) -> None:
        tx.hold(f"bucket:{name}")
        containers.ensure_account(tx, c.own, now)
        mine = containers.container_row(tx, c.own, name)
        if mine is not None:
            if any(mine.control.get(k) != control.get(k) for k in ("acl", "ownership", "lock")):
                raise Conflict("other settings")
            if "location" in control:
                raise NotFound("own")
            return  # as AWS does at home: asked again, it is there
        if containers.bucket(tx, name) is not None:
            raise Forbidden("other")
        containers.make_container(
            tx, c.own, name, policy=c.context.settings.policies[0], now=model.stamp(now)[1], meta={}, control=control
        )

    try:
        await c.context.commits.write(make)
    except NotFound:
        raise S3Error("BucketAlreadyOwnedByYou", BucketName=name) from None
    except Conflict:
        raise S3Error(
            "BucketAlreadyExists", "You own a bucket of that name, with other settings than these.", BucketName=name
        ) from None
    except Forbidden:
        raise S3Error("BucketAlreadyExists", BucketName=name) from None
    return Response(200, {"location": f"/{name}"})


def region(c: S3Call) -> str:
    return str(c.bucket.control.get("location") or HOME)


async def head(c: S3Call) -> Response:
    c.allow("s3:ListBucket")
    return Response(200, {"x-amz-bucket-region": region(c), "content-type": "application/xml"})


async def location(c: S3Call) -> Response:
    c.allow("s3:GetBucketLocation")
    where = region(c)
    return xml_response("LocationConstraint", where if where != HOME else None)


async def delete(c: S3Call) -> Response:
    """DELETE of a bucket without objects and versions; uploads that nobody completed go with it."""
    c.allow("s3:DeleteBucket")
    id, now = c.bucket.id, c.context.now()
    if not await c.context.commits.write(lambda tx: containers.delete_container(tx, id, now)):
        raise S3Error("BucketNotEmpty", BucketName=c.name)
    c.context.wake_trash()
    return Response(204)
