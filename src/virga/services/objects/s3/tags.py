# SPDX-License-Identifier: Apache-2.0
"""Tags of buckets and objects."""

from __future__ import annotations

from urllib.parse import parse_qsl

from virga.services.objects import limits
from virga.services.objects.http import Response
from virga.services.objects.s3.errors import Node, S3Error, Xml, el, xml_response

OF_OBJECT, OF_BUCKET = limits.OBJECT_TAGS, limits.BUCKET_TAGS


def check(key: str, value: str, seen: dict[str, str]) -> None:
    if key in seen:
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key")
    if not key or len(key) > 128:
        raise S3Error("InvalidTag", "The TagKey you have provided is invalid: 1 to 128 characters.")
    if len(value) > 256:
        raise S3Error("InvalidTag", "The TagValue you have provided is invalid: at most 256 characters.")
    if key.lower().startswith("aws:"):
        raise S3Error("InvalidTag", "System tags cannot be added/updated by requester")


def read(doc: Node, most: int) -> dict[str, str]:
    """A Tagging document. Raises InvalidTag, MalformedXML."""
    out: dict[str, str] = {}
    whole = doc.find("TagSet")
    if whole is None:
        raise S3Error("MalformedXML")
    for t in whole.all("Tag"):
        key, value = t.find("Key"), t.find("Value")
        if key is None or value is None:
            raise S3Error("MalformedXML")
        check(key.text, value.text, out)
        out[key.text] = value.text
    return bounded(out, most)


def by_header(text: str) -> dict[str, str]:
    """x-amz-tagging: tags as a query string."""
    out: dict[str, str] = {}
    try:
        for k, v in parse_qsl(text, keep_blank_values=True, max_num_fields=100):
            check(k, v, out)
            out[k] = v
    except ValueError:
        raise S3Error(
            "InvalidArgument",
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters",
        ) from None
    return bounded(dict(sorted(out.items())), OF_OBJECT)


def bounded(tags: dict[str, str], most: int) -> dict[str, str]:
    if len(tags) > most:
        raise S3Error("InvalidTag", f"Object tags cannot be greater than {most}")
    return tags


def elements(tags: dict[str, str]) -> Xml:
    return el("TagSet", *(el("Tag", el("Key", k), el("Value", v)) for k, v in tags.items()))


def document(tags: dict[str, str]) -> Response:
    return xml_response("Tagging", elements(tags))
