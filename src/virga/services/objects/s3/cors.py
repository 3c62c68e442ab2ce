# SPDX-License-Identifier: Apache-2.0
"""A bucket's rules for pages of other origins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from virga.services.objects import limits
from virga.services.objects.http import count_of
from virga.services.objects.s3.errors import Node, S3Error, Xml, el

WORDS = (
    ("AllowedHeader", "headers"),
    ("AllowedMethod", "methods"),
    ("AllowedOrigin", "origins"),
    ("ExposeHeader", "expose"),
)
METHODS = {"GET", "PUT", "HEAD", "POST", "DELETE"}


def read(doc: Node) -> list[dict[str, Any]]:
    """A CORSConfiguration. Raises MalformedXML, InvalidRequest."""
    rules = []
    for r in doc.all("CORSRule"):
        one: dict[str, Any] = {key: [n.text.strip() for n in r.all(tag)] for tag, key in WORDS}
        age = r.value("MaxAgeSeconds")
        if not one["methods"] or not one["origins"]:
            raise S3Error("MalformedXML")
        bad = sorted(set(one["methods"]) - METHODS)
        if bad:
            raise S3Error(
                "InvalidRequest", f"Found unsupported HTTP method in CORS config. Unsupported method is {bad[0][:32]}"
            )
        if any(o.count("*") > 1 for o in one["origins"] + one["headers"]):
            raise S3Error("InvalidRequest", "AllowedOrigin and AllowedHeader can not have more than one wildcard.")
        if age is not None and count_of(age, 10**9 - 1) is None:
            raise S3Error("MalformedXML")
        if len(r.value("ID") or "") > 255:
            raise S3Error("InvalidArgument", "The ID of a rule has at most 255 letters.")
        rules.append(one | {"id": r.value("ID"), "age": int(age) if age is not None else None})
    if not 0 < len(rules) <= limits.CORS_RULES:
        raise S3Error("MalformedXML")
    if sum("*" in o for r in rules for o in r["origins"] + r["headers"]) > limits.CORS_PATTERNS:
        raise S3Error("InvalidRequest", f"A CORS configuration has at most {limits.CORS_PATTERNS} wildcards.")
    return rules


def show(rules: list[dict[str, Any]]) -> Iterable[Xml]:
    for r in rules:
        parts = [el("ID", r["id"])] if r.get("id") else []
        for tag, key in WORDS:
            parts += [el(tag, v) for v in r[key]]
        if r.get("age") is not None:
            parts.append(el("MaxAgeSeconds", r["age"]))
        yield el("CORSRule", *parts)
