# SPDX-License-Identifier: Apache-2.0
"""Manifests of static large objects as clients put them and read them, and what is told of their faults."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from virga.services.objects import limits
from virga.services.objects.http import Answered, Request, Response, ranges
from virga.services.objects.swift.replies import refuse, xml_text

MAX_SEGMENTS = limits.SEGMENTS
KEYS = frozenset({"path", "etag", "size_bytes", "range"})


def length_of(line: dict[str, Any]) -> int:
    """How many bytes a line of a manifest stands for."""
    if "data" in line:
        return len(base64.b64decode(line["data"]))
    if "range" in line:
        low, _, high = line["range"].partition("-")
        return int(high) - int(low) + 1
    return int(line["bytes"])


def raw_form(lines: list[dict[str, Any]]) -> bytes:
    """A kept manifest in the form in which a client puts one."""
    return msgspec.json.encode(
        [
            {"data": s["data"]}
            if "data" in s
            else {"path": s["name"], "etag": s["hash"], "size_bytes": s["bytes"]}
            | ({"range": s["range"]} if "range" in s else {})
            for s in lines
        ]
    )


class ManifestError(Answered):
    """Segments that are not what the manifest says, each with its fault."""

    def __init__(self, kind: str, problems: list[tuple[str, str]]) -> None:
        super().__init__(Response(400, {"content-type": kind}, report(kind, {}, problems)))
        self.problems = problems


def read_manifest(raw: bytes, own: str = "") -> list[dict[str, Any]]:
    """The segments that a client names; `own` is the manifest's own path. Raises 400 with each fault by its place, 413."""
    try:
        value: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise refuse(400, "Manifest must be valid JSON.\n") from None
    if not isinstance(value, list):
        raise refuse(400, "Manifest must be a list.\n")
    if len(value) > limits.MANIFEST_LINES:
        raise refuse(413, f"Number of segments must be <= {limits.MANIFEST_LINES}")
    if not value:
        raise refuse(400, "Manifest must contain at least one segment.\n")
    faults = [
        f"Index {n}: {why}" for n, s in enumerate(value) if (why := segment_fault(s, own, last=n == len(value) - 1))
    ]
    if not faults and all("data" in s for s in value):
        faults.append("Inline data segments require at least one object-backed segment.")
    if faults:
        raise refuse(400, "\n".join(faults[:50]) + "\n")
    if sum("path" in s for s in value) > MAX_SEGMENTS:
        raise refuse(413, f"Number of object-backed segments must be <= {MAX_SEGMENTS}")
    return value


def segment_fault(s: Any, own: str, *, last: bool) -> str | None:
    """What is wrong with one segment of a manifest."""
    if not isinstance(s, dict):
        return "not a JSON object"
    if "path" not in s and "data" not in s:
        return "expected keys to include one of 'path' or 'data'"
    extra = set(s) - (KEYS if "path" in s else {"data"})
    if extra:
        return f"extraneous keys {', '.join(sorted(map(repr, extra)))[:200]}"
    if "path" not in s:
        try:
            data = base64.b64decode(s["data"], validate=True) if isinstance(s["data"], str) else None
        except (binascii.Error, ValueError):
            data = None
        return (
            "data must be valid base64"
            if data is None
            else None
            if data
            else "too small; each segment must be at least 1 byte."
        )
    path, size = s["path"], s.get("size_bytes")
    if not isinstance(path, str):
        return '"path" must be a string'
    if s.get("etag") is not None and not isinstance(s["etag"], str):
        return '"etag" must be a string or null (if provided)'
    if "/" not in path.strip("/") or "\0" in path:
        return "path does not refer to an object. Path must be of the form /container/object."
    if size is not None:
        try:
            s["size_bytes"] = size = int(size)
        except (TypeError, ValueError, OverflowError):
            return "invalid size_bytes"
        if size < 1 and not last:
            return "too small; each segment must be at least 1 byte."
    if path.lstrip("/") == own:
        return "manifest must not include itself as a segment"
    if s.get("range"):
        if not is_range(s["range"]):
            return (
                "multiple ranges (only one allowed)"
                if isinstance(s["range"], str) and "," in s["range"]
                else "invalid range"
            )
        if size is not None and len(ranges(f"bytes={s['range']}", size) or ()) != 1:
            return "unsatisfiable range"
    return None


def is_range(text: Any) -> bool:
    """Whether it is one range, as `first-last`, `first-` or `-count`."""
    if not isinstance(text, str) or len(text) > limits.SEGMENT_RANGE:
        return False
    low, dash, high = (p.strip() for p in text.partition("-"))
    return bool(dash and (low or high)) and all(not t or (t.isascii() and t.isdigit()) for t in (low, high))


def requested_kind(request: Request) -> str:
    """The form in which the caller wants to hear what came of a manifest."""
    return next(
        (k for k in ("application/json", "application/xml", "text/xml") if k in request.header("accept")), "text/plain"
    )


def report(kind: str, told: dict[str, str], problems: list[tuple[str, str]]) -> bytes:
    """What came of a manifest, as text, JSON or XML."""
    if kind == "application/json":
        return msgspec.json.encode(told | {"Errors": [[p, w] for p, w in problems]})
    if kind.endswith("/xml"):
        inner = "".join(
            f"<{k.replace(' ', '_').lower()}>{xml_text(v)}</{k.replace(' ', '_').lower()}>"
            for k, v in sorted(told.items())
        )
        faults = "".join(
            f"<object><name>{xml_text(p)}</name><status>{xml_text(w)}</status></object>" for p, w in problems
        )
        return f"<upload>{inner}<errors>{faults}</errors></upload>".encode()
    lines = [f"{k}: {v}" for k, v in sorted(told.items())] + ["Errors:"] + [f"{p}, {w}" for p, w in problems]
    return ("\n".join(lines) + "\n").encode()
