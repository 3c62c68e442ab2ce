# SPDX-License-Identifier: Apache-2.0
"""S3's ASGI application: host or path names the bucket, the query names the operation; what is not built says NotImplemented."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from virga.ground import log
from virga.ground.db.isolation import Retry
from virga.ground.errors import Problem
from virga.services.objects import limits, model
from virga.services.objects.bodies import Replaced, Vanished, steady
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Answered, Gone, Request, Response, parse_query, sender, unquote
from virga.services.objects.s3 import (
    buckets,
    deletes,
    forms,
    listings,
    locks,
    marks,
    multipart,
    reads,
    settings,
    site,
    writes,
)
from virga.services.objects.s3.call import S3Call
from virga.services.objects.s3.errors import S3Error, answer, from_problem
from virga.services.objects.s3.sign import who
from virga.services.objects.swift.app import send_response
from virga.services.objects.swift.objects import Objects

Handler = Callable[[S3Call], Awaitable[Response]]
Table = dict[tuple[str, str], Handler]
SERVICE: Table = {("GET", ""): buckets.index}
BUCKET: Table = {
    ("PUT", ""): buckets.create,
    ("HEAD", ""): buckets.head,
    ("DELETE", ""): buckets.delete,
    ("GET", ""): listings.listing,
    ("GET", "versions"): listings.versions,
    ("GET", "uploads"): multipart.index,
    ("GET", "location"): buckets.location,
    ("POST", "delete"): deletes.delete_many,
} | settings.ROWS
OBJECT: Table = {
    ("PUT", ""): writes.put,
    ("GET", ""): reads.get,
    ("HEAD", ""): reads.get,
    ("DELETE", ""): deletes.delete,
    ("GET", "attributes"): reads.attributes,
    ("POST", "uploads"): multipart.begin,
    ("PUT", "uploadId"): multipart.put_part,
    ("GET", "uploadId"): multipart.parts,
    ("POST", "uploadId"): multipart.complete,
    ("DELETE", "uploadId"): multipart.abort,
    ("GET", "tagging"): marks.get_tagging,
    ("PUT", "tagging"): marks.put_tagging,
    ("DELETE", "tagging"): marks.delete_tagging,
    ("GET", "acl"): marks.get_acl,
    ("PUT", "acl"): marks.put_acl,
    ("GET", "retention"): locks.get_retention,
    ("PUT", "retention"): locks.put_retention,
    ("GET", "legal-hold"): locks.get_hold,
    ("PUT", "legal-hold"): locks.put_hold,
}
KNOWN = frozenset(k for t in (BUCKET, OBJECT) for _, k in t if k)
UNSUPPORTED = frozenset(
    {
        "accelerate",
        "analytics",
        "intelligent-tiering",
        "inventory",
        "logging",
        "metrics",
        "notification",
        "replication",
        "restore",
        "select",
        "torrent",
        "metadataTable",
        "metadataConfiguration",
        "session",
        "renameObject",
        "append",
        "abac",
    }
)


class S3:
    """The ASGI application of S3."""

    def __init__(self, context: ObjectContext) -> None:
        self.context = context
        self.swift = Objects(context)
        self.log = log.get("s3")

    async def __call__(self, scope: Any, receive: Any, send: Any, mount: str, id: str, base: str) -> int:
        """Answer one request; the code it got."""
        trans = f"tx{id.removeprefix('req-').replace('-', '')[:21]}-{int(time.time()):010x}"
        request: Request | None = None
        key = False
        try:
            request = read_request(scope, receive, mount, trans, base)
            bucket, name = self.place(request)
            key = name is not None
            response = await self.answer(request, bucket, name)
        except S3Error as e:
            response = answer(e, request.raw_path if request is not None else "/", trans)
        except Answered as a:
            response = (
                a.response
                if a.response.code < 400
                else answer(S3Error("AccessDenied" if a.response.code in {401, 403} else "InvalidRequest"), "", trans)
            )
        except Problem as p:
            response = answer(from_problem(p, key), request.raw_path if request is not None else "/", trans)
        except (Retry, Replaced):
            response = answer(S3Error("ServiceUnavailable"), "", trans)
        except Vanished:
            response = answer(S3Error("RequestTimeout"), "", trans)
            response.headers["connection"] = "close"
        except Gone:
            return 499
        except Exception as e:
            self.log.exception("request_failed", request=trans, exc_info=e)
            response = answer(S3Error("InternalError"), "", trans)
        if request is not None and request.header("origin") and request.method != "OPTIONS":
            await site.dress(self.context, request, response)
        return await send_response(
            send,
            scope["method"],
            response,
            [("x-amz-request-id", trans), ("x-amz-id-2", trans), ("Server", "Virga")],
            self.log,
        )

    def place(self, request: Request) -> tuple[str | None, str | None]:
        """Bucket and key, from the host (bucket.domain) or the path."""
        host, domain = request.host.partition(":")[0].lower(), self.context.settings.s3_domain.strip(".").lower()
        rest = request.path.lstrip("/") if request.path.startswith("/") else request.path
        path = request.path[1:] if request.path.startswith("/") else rest
        if domain and host.endswith(f".{domain}"):
            bucket = host[: -len(domain) - 1]
            if bucket.endswith(".website"):
                bucket = bucket.removesuffix(".website")
                request.notes["website"] = True
            request.notes["host_bucket"] = bucket
            key_raw = path
        else:
            bucket_raw, _, key_raw = path.partition("/")
            bucket = _text(bucket_raw)
        key = _text(key_raw)
        if len(key.encode()) > model.MAX_NAME:
            raise S3Error("KeyTooLongError")
        return bucket or None, key or None

    async def answer(self, request: Request, bucket: str | None, key: str | None) -> Response:
        context = self.context
        if request.method == "OPTIONS":
            return await site.preflight(context, request, bucket)
        if context.settings.read_only and request.method not in {"GET", "HEAD"}:
            raise S3Error("AccessDenied", "Writes are disabled for this cluster.")
        signed = await who(context, request)
        signed.actor.hold_to_rules("s3", request.method, (request.path, request.mount + request.path))
        there = not (request.method == "PUT" and key is None and not any(k in KNOWN for k in request.query))
        call = await S3Call.of(context, self.swift, request, signed, bucket, key, there=there)
        if request.notes.get("website"):
            return await site.show(call)
        for name in request.query:
            if name in UNSUPPORTED:
                raise S3Error("NotImplemented", f"?{name} is not implemented.")
        what = next((q for q in request.query if q in KNOWN), "")
        if key is not None and what == "uploadId" and request.method == "PUT" and "partNumber" not in request.query:
            raise S3Error("InvalidArgument", "partNumber is needed.")
        table = SERVICE if bucket is None else BUCKET if key is None else OBJECT
        handler = table.get((request.method, what))
        if handler is None and request.method == "POST" and key is None and not what and bucket is not None:
            handler = forms.post
        if handler is None:
            raise S3Error("MethodNotAllowed" if not what else "NotImplemented")
        if bucket is not None and handler is not buckets.create and call.row is None:
            buckets.check_name(bucket)
            if handler is not forms.post:  # who signed a form, and so whose bucket is meant, stands within it
                raise S3Error("NoSuchBucket", BucketName=bucket)
        return await (steady(lambda: handler(call)) if request.method in {"GET", "HEAD"} else handler(call))


def _text(raw: str) -> str:
    try:
        out = unquote(raw)
    except UnicodeDecodeError:
        raise S3Error("InvalidRequest", "The key is not UTF-8.") from None
    if "\0" in out:
        raise S3Error("InvalidRequest", "The key holds a NUL.")
    return out


def read_request(scope: Any, receive: Any, mount: str, id: str, base: str) -> Request:
    """The request with the headers that S3 knows: those of Swift's own dialect mean nothing here."""
    several: dict[str, list[str]] = {}
    order: list[tuple[str, str]] = []
    if (
        len(scope["headers"]) > limits.HEADERS
        or len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > limits.ADDRESS
    ):
        raise S3Error("RequestHeaderSectionTooLarge")
    for k, v in scope["headers"]:
        name = k.decode("latin-1")
        if len(v) > limits.HEADER:
            raise S3Error("RequestHeaderSectionTooLarge")
        try:
            value = v.decode()
        except UnicodeDecodeError:
            value = v.decode("latin-1")
        order.append((name, value))
        if name.startswith("x-") and not name.startswith("x-amz-"):
            continue
        several.setdefault(name, []).append(value)
    headers = {name: ",".join(values) for name, values in several.items()}
    if any(len(value) > limits.HEADER for value in headers.values()):
        raise S3Error("RequestHeaderSectionTooLarge")
    raw = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    raw_query = scope.get("query_string", b"").decode("latin-1")
    try:
        query = parse_query(raw_query)
    except ValueError:
        raise S3Error("InvalidRequest", "The query string is not valid.") from None
    if any("\0" in k or "\0" in v for k, v in query.items()):
        raise S3Error("InvalidRequest", "The query string holds a NUL.")
    client, scheme = sender(scope)
    return Request(
        id=id,
        method=scope["method"],
        raw_path=raw,
        mount=mount,
        path=raw.removeprefix(mount),
        raw_query=raw_query,
        query=query,
        headers=headers,
        scheme=scheme,
        host=headers.get("host", ""),
        base=base,
        client=client,
        receive=receive,
        header_list=order,
    )
