# SPDX-License-Identifier: Apache-2.0
"""Life-cycle rules as a document; what they mean is in actions/lifecycle.py."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from virga.services.objects import limits, model
from virga.services.objects.actions import lifecycle as meaning
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import count_of, http_date
from virga.services.objects.s3 import tags
from virga.services.objects.s3.errors import Node, S3Error, Xml, el

MOST = limits.LIFECYCLE_RULES
"""Rules of a bucket. Each may mean a walk over its names, so there are fewer than AWS takes."""


def read(doc: Node) -> list[dict[str, Any]]:
    """A LifecycleConfiguration. Raises MalformedXML, InvalidArgument, InvalidRequest, NotImplemented."""
    rules = [_rule(r) for r in doc.all("Rule")]
    if not 0 < len(rules) <= MOST:
        raise S3Error("MalformedXML", f"One to {MOST} rules are needed.")
    if len({r["id"] for r in rules}) != len(rules):
        raise S3Error("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
    return rules


def _rule(r: Node) -> dict[str, Any]:
    if r.find("Transition") or r.find("NoncurrentVersionTransition"):
        raise S3Error("NotImplemented", "Transitions need other storage classes; there is one.")
    id, status = r.value("ID") or uuid.uuid4().hex, r.value("Status")
    if len(id) > 255:
        raise S3Error("InvalidArgument", "ID length should not exceed allowed limit of 255")
    if status not in {"Enabled", "Disabled"}:
        raise S3Error("MalformedXML")
    date, marker = r.value("Expiration/Date"), r.value("Expiration/ExpiredObjectDeleteMarker") == "true"
    days, old = _count(r, "Expiration/Days"), "NoncurrentVersionExpiration"
    if date is not None:
        _midnight(date)
    if sum((days is not None, date is not None, marker)) > 1:
        raise S3Error("MalformedXML")
    rule: dict[str, Any] = {
        "id": id,
        "on": status == "Enabled",
        "days": days,
        "date": date,
        "marker": marker,
        "old_days": _count(r, f"{old}/NoncurrentDays"),
        "old_keep": _count(r, f"{old}/NewerNoncurrentVersions"),
        "abort_days": _count(r, "AbortIncompleteMultipartUpload/DaysAfterInitiation"),
    }
    if not any(rule[k] for k in ("days", "date", "marker", "old_days", "old_keep", "abort_days")):
        raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule.")
    rule |= _filter(r)
    if len(rule["prefix"].encode()) > model.MAX_NAME:
        raise S3Error("InvalidRequest", f"The maximum size of a prefix is {model.MAX_NAME}.")
    if (rule.get("tags") or rule.get("larger") is not None or rule.get("smaller") is not None) and (
        rule["abort_days"] or marker
    ):
        raise S3Error(
            "InvalidRequest",
            "A filter by tag or size goes with neither AbortIncompleteMultipartUpload nor ExpiredObjectDeleteMarker.",
        )
    return {k: v for k, v in rule.items() if v is not None}


def _filter(r: Node) -> dict[str, Any]:
    at, plain = r.find("Filter"), r.find("Prefix")
    if at is not None and plain is not None:
        raise S3Error("MalformedXML", "A rule has a Filter or a Prefix.")
    if at is None:
        if plain is None:
            raise S3Error("MalformedXML", "A rule needs a Filter or a Prefix.")
        return {"prefix": plain.text.strip(), "plain": True}
    if not at.children:
        return {"prefix": ""}
    whole = at.find("And")
    inside = Node(
        "", children=[n for n in at.children if n is not whole] + (whole.children if whole is not None else [])
    )
    found: dict[str, str] = {}
    for t in inside.all("Tag"):
        key, value = t.value("Key") or "", t.value("Value") or ""
        tags.check(key, value, found)
        found[key] = value
    larger, smaller = _count(inside, "ObjectSizeGreaterThan", 0), _count(inside, "ObjectSizeLessThan", 1)
    if larger is not None and smaller is not None and larger >= smaller:
        raise S3Error("InvalidRequest", "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
    prefix = inside.find("Prefix")
    return {
        "prefix": prefix.text.strip() if prefix is not None else "",
        "prefixed": prefix is not None or None,
        "and": True if len(inside.children) > 1 or whole is not None else None,
        "tags": found or None,
        "larger": larger,
        "smaller": smaller,
    }


def _count(at: Node, path: str, least: int = 1) -> int | None:
    text = at.value(path)
    if text is None:
        return None
    number = count_of(text.removeprefix("-"), 2147483647)
    if number is None:
        raise S3Error("MalformedXML")
    if text.startswith("-") or number < least:
        raise S3Error("InvalidArgument", f"'{path.rpartition('/')[2]}' must be a positive integer")
    return number


def _midnight(date: str) -> None:
    try:
        at = meaning.read_date(date)
    except ValueError:
        raise S3Error("MalformedXML", "Date is no date of ISO 8601.") from None
    if at % meaning.DAY:
        raise S3Error("InvalidArgument", "'Date' must be at midnight GMT")


def show(rules: list[dict[str, Any]]) -> Iterable[Xml]:
    for r in rules:
        end = old = cut = None
        if r.get("days") is not None or r.get("date") or r.get("marker"):
            end = el(
                "Expiration",
                el("Days", r["days"]) if r.get("days") is not None else None,
                el("Date", r["date"]) if r.get("date") else None,
                el("ExpiredObjectDeleteMarker", "true") if r.get("marker") else None,
            )
        if r.get("old_days") is not None or r.get("old_keep") is not None:
            old = el(
                "NoncurrentVersionExpiration",
                el("NewerNoncurrentVersions", r["old_keep"]) if r.get("old_keep") is not None else None,
                el("NoncurrentDays", r["old_days"]) if r.get("old_days") is not None else None,
            )
        if r.get("abort_days") is not None:
            cut = el("AbortIncompleteMultipartUpload", el("DaysAfterInitiation", r["abort_days"]))
        yield el(
            "Rule",
            el("ID", r["id"]),
            _shown_filter(r),
            el("Status", "Enabled" if r["on"] else "Disabled"),
            end,
            old,
            cut,
        )


def _shown_filter(r: dict[str, Any]) -> Xml:
    if r.get("plain"):
        return el("Prefix", r["prefix"])
    inside = [el("Prefix", r["prefix"])] if r.get("prefixed") else []
    inside += [el("Tag", el("Key", k), el("Value", v)) for k, v in (r.get("tags") or {}).items()]
    for word, tag in (("larger", "ObjectSizeGreaterThan"), ("smaller", "ObjectSizeLessThan")):
        if r.get(word) is not None:
            inside.append(el(tag, r[word]))
    return el("Filter", el("And", *inside) if r.get("and") else Xml("".join(inside)))


def header(context: ObjectContext, bucket: model.Container, o: model.Object) -> dict[str, str]:
    """x-amz-expiration, where a rule ends the object."""
    rules = bucket.control.get("lifecycle") if bucket.control else None
    found = meaning.next_end(rules, o, context.settings.lifecycle_day) if rules else None
    if found is None:
        return {}
    return {"x-amz-expiration": f'expiry-date="{http_date(found[0])}", rule-id="{quote(found[1], safe="-_. ~")}"'}
