# SPDX-License-Identifier: Apache-2.0
"""Object lock: retention and legal hold of versions. Rows keep them under `retain` and `hold`; the actions refuse to remove what is
locked."""

from __future__ import annotations

import datetime as dt
from typing import Any

from virga.services.objects import model
from virga.services.objects.http import LAST, Request, Response, count_of
from virga.services.objects.s3.call import S3Call
from virga.services.objects.s3.errors import Node, S3Error, el, iso, xml_response
from virga.services.objects.s3.versions import amend, named

MODES = {"GOVERNANCE", "COMPLIANCE"}


def from_headers(c: S3Call, request: Request) -> dict[str, Any]:
    """Object lock of a new object: as asked, else as the bucket has it."""
    lock = c.bucket.control.get("lock")
    mode, until, hold = (request.header(f"x-amz-object-lock-{n}") for n in ("mode", "retain-until-date", "legal-hold"))
    out: dict[str, Any] = {}
    if (mode or until or hold) and lock is None:
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
    if mode or until:
        if not mode or not until:
            raise S3Error(
                "InvalidArgument",
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            )
        c.allow("s3:PutObjectRetention", c.path)
        out["retain"] = _retention(c, mode, until, "InvalidArgument")
    elif lock and lock.get("mode"):
        days = lock["days"] if "days" in lock else lock["years"] * 365
        out["retain"] = {"mode": lock["mode"], "until": c.context.now() + days * 86400}
    if hold:
        if hold not in {"ON", "OFF"}:
            raise S3Error("InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'")
        c.allow("s3:PutObjectLegalHold", c.path)
        out["hold"] = hold == "ON"
    return out


def _retention(c: S3Call, mode: str | None, until: str | None, code: str) -> dict[str, Any]:
    try:
        at = dt.datetime.fromisoformat((until or "").replace("Z", "+00:00"))
        seconds = (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()
    except ValueError:
        raise S3Error(code, "The retain until date must be provided in ISO 8601 format") from None
    if mode not in MODES:
        raise S3Error(code, "Unknown wormMode directive.")
    if seconds <= c.context.now():
        raise S3Error("InvalidArgument", "The retain until date must be in the future!")
    return {"mode": mode, "until": seconds}


def headers(o: model.Object) -> dict[str, str]:
    out: dict[str, str] = {}
    if o.own("retain"):
        out |= {
            "x-amz-object-lock-mode": o.own("retain")["mode"],
            "x-amz-object-lock-retain-until-date": iso(o.own("retain")["until"]),
        }
    if o.own("hold") is not None:
        out["x-amz-object-lock-legal-hold"] = "ON" if o.own("hold") else "OFF"
    return out


def _must_lock(c: S3Call) -> None:
    if "lock" not in c.bucket.control:
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")


async def get_retention(c: S3Call) -> Response:
    _must_lock(c)
    retention = (await named(c, "s3:GetObjectRetention")).own("retain")
    if not retention:
        raise S3Error("NoSuchObjectLockConfiguration")
    return xml_response("Retention", el("Mode", retention["mode"]), el("RetainUntilDate", iso(retention["until"])))


async def put_retention(c: S3Call) -> Response:
    _must_lock(c)
    o = await named(c, "s3:PutObjectRetention")
    doc = await c.form("Retention")
    bypass = c.bypass()
    old, now = o.own("retain"), c.context.now()
    # an empty Retention takes it away
    retention = _retention(c, doc.value("Mode"), doc.value("RetainUntilDate"), "MalformedXML") if doc.children else None
    if old and old["until"] > now:
        weaker = retention is None or retention["until"] < old["until"] or retention["mode"] != old["mode"]
        if weaker and (old["mode"] == "COMPLIANCE" or not bypass):
            raise S3Error(
                "AccessDenied",
                f"The object is retained ({old['mode']}) until {iso(old['until'])}; that is not weakened.",
            )
    await amend(c, o, retain=retention)
    return Response(200)


async def get_hold(c: S3Call) -> Response:
    _must_lock(c)
    o = await named(c, "s3:GetObjectLegalHold")
    if o.own("hold") is None:
        raise S3Error("NoSuchObjectLockConfiguration")
    return xml_response("LegalHold", el("Status", "ON" if o.own("hold") else "OFF"))


async def put_hold(c: S3Call) -> Response:
    _must_lock(c)
    o = await named(c, "s3:PutObjectLegalHold")
    status = (await c.form("LegalHold")).value("Status")
    if status not in {"ON", "OFF"}:
        raise S3Error("MalformedXML")
    await amend(c, o, hold=status == "ON")
    return Response(200)


def read_bucket(doc: Node) -> dict[str, Any]:
    """An ObjectLockConfiguration. Raises MalformedXML, InvalidRetentionPeriod."""
    if doc.value("ObjectLockEnabled") != "Enabled":
        raise S3Error("MalformedXML")
    rule = doc.find("Rule")
    if rule is None:
        return {}
    mode, spans = (
        rule.value("DefaultRetention/Mode"),
        {k.lower(): rule.value(f"DefaultRetention/{k}") for k in ("Days", "Years")},
    )
    given = {k: v for k, v in spans.items() if v is not None}
    if mode not in MODES or len(given) != 1:
        raise S3Error("MalformedXML")
    ((unit, text),) = given.items()
    count = count_of(text, LAST)
    if count is None and not text.removeprefix("-").isdigit():
        raise S3Error("MalformedXML")
    if not 0 < (count or 0) <= (36500 if unit == "days" else 100):
        raise S3Error(
            "InvalidRetentionPeriod", "Default retention period must be a positive integer value, at most 100 years."
        )
    return {"mode": mode, unit: count}
