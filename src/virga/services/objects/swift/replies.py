# SPDX-License-Identifier: Apache-2.0
"""Swift's answers: short pages for problems, header names as clients print them, listings' formats."""

from __future__ import annotations

import functools
from html import escape
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import msgspec

from virga.ground import errors as e
from virga.ground.http.faults import STATUS
from virga.services.objects.http import Answered, Precondition, Request, Response

REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    206: "Partial Content",
    301: "Moved Permanently",
    303: "See Other",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    498: "Rate Limited",
    499: "Client Disconnect",
    500: "Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}
HTML = "text/html; charset=UTF-8"
TEXT = "text/plain; charset=utf-8"


def page(code: int, text: str = "", **headers: str) -> Response:
    """A short page that says what is the matter."""
    title = REASONS.get(code, "Error")
    body = f"<html><h1>{title}</h1><p>{escape(text)}</p></html>".encode() if code >= 400 or text else b""
    return Response(code, {"content-type": HTML} | {k.replace("_", "-"): v for k, v in headers.items()}, body)


def plain(code: int, text: str) -> Response:
    return Response(code, {"content-type": TEXT}, text.encode())


def refuse(code: int, text: str) -> Answered:
    """For `raise`: an answer with a plain sentence."""
    return Answered(plain(code, text))


def fault(problem: e.Problem) -> Response:
    """A problem of the domain as Swift's status and a sentence."""
    if isinstance(problem, Precondition):
        return page(412, problem.message)
    if isinstance(problem, (e.TooLarge, e.OverQuota)):
        return plain(413, problem.message)
    code = STATUS.get(type(problem), 500)
    response = page(code, problem.message)
    if code == 503:
        response.headers["retry-after"] = "1"
    if "allow" in problem.facts:
        response.headers["allow"] = str(problem.facts["allow"])
    return response


class _Cased(bytes):
    """A header's name that keeps its capitals: the server writes names in small letters, and old scripts look for Swift's spelling."""

    def lower(self) -> _Cased:
        return self


@functools.lru_cache(4096)
def title(name: str) -> bytes:
    """The name of a header as Swift spells it. What the server itself must know is left as it is."""
    return name.encode() if name in {"connection", "transfer-encoding"} else _Cased(name.title().encode())


# -- listings ------------------------------------------------------------------------------------------------------

FORMATS = {"json": "application/json", "xml": "application/xml", "plain": "text/plain", "text": "text/plain"}


def wanted_format(request: Request) -> str:
    """json, xml or plain, from `format` or else from Accept. Raises 406."""
    requested = request.query.get("format")
    if requested is not None:
        return {"json": "json", "xml": "xml"}.get(requested.lower(), "plain")
    accept = request.header("accept")
    if not accept or accept == "*/*":
        return "plain"
    best, choice = 0.0, ""
    for n, part in enumerate(accept[:4096].split(",")):
        kind, *params = [p.strip() for p in part.split(";")]
        q = 1.0
        for p in params:
            if p.startswith("q="):
                try:
                    q = float(p[2:])
                except ValueError:
                    q = 0.0
        known = {
            "application/json": "json",
            "application/xml": "xml",
            "text/xml": "xml",
            "text/plain": "plain",
            "text/*": "plain",
            "*/*": "plain",
            "application/*": "json",
        }.get(kind.lower())
        if known and q - n * 1e-9 > best:
            best, choice = q - n * 1e-9, known
    if not choice:
        raise refuse(406, "Not Acceptable: listings come as text/plain, application/json or application/xml.")
    return choice


XML_FIELDS = ("name", "hash", "count", "bytes", "content_type", "last_modified", "storage_policy")
_XML_BAD = {n: "\ufffd" for n in range(32) if n not in (9, 10, 13)}


def xml_text(text: str) -> str:
    return text.translate(_XML_BAD).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def xml_listing(root: str, name: str, item: str, rows: list[dict[str, Any]]) -> bytes:
    out = [f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} name={quoteattr(name.translate(_XML_BAD))}>']
    for row in rows:
        if "subdir" in row:
            out.append(
                f"<subdir name={quoteattr(row['subdir'].translate(_XML_BAD))}><name>{xml_text(row['subdir'])}</name></subdir>"
            )
        else:
            out.append(
                f"<{item}>"
                + "".join(f"<{k}>{xml_text(str(row[k]))}</{k}>" for k in XML_FIELDS if k in row)
                + f"</{item}>"
            )
    out.append(f"</{root}>")
    return "".join(out).encode()


def location(t: dict[str, Any]) -> str:
    """The path that a link names, as Content-Location, Location and listings say it."""
    return f"/v1/{quote(t['account'])}/{quote(t['container'])}/{quote(t['object'])}"


def bare(kind: str) -> Response:
    """HEAD of a listing."""
    return Response(204, {"content-type": f"{FORMATS[kind]}; charset=utf-8"})


def rendered(kind: str, data: bytes) -> Response:
    """A listing that is bytes already, as JSON or plain."""
    if kind == "json":
        return Response(200, {"content-type": "application/json; charset=utf-8"}, data)
    return Response(200 if data else 204, {"content-type": TEXT}, data)


def listing(kind: str, root: str, name: str, item: str, rows: list[dict[str, Any]]) -> Response:
    if kind == "json":
        return rendered(kind, msgspec.json.encode(rows))
    if kind == "xml":
        return Response(200, {"content-type": "application/xml; charset=utf-8"}, xml_listing(root, name, item, rows))
    return rendered(kind, "".join(f"{row['subdir'] if 'subdir' in row else row['name']}\n" for row in rows).encode())
