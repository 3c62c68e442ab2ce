# SPDX-License-Identifier: Apache-2.0
"""Browsers at S3's API: CORS by the bucket's rules, and the bucket as a web site at bucket.website.<domain>."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from virga.ground.glob import glob
from virga.services.objects import limits, model
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Request, Response
from virga.services.objects.s3 import reads
from virga.services.objects.s3.call import S3Call
from virga.services.objects.s3.errors import S3Error
from virga.services.objects.store import containers


async def _rules(context: ObjectContext, request: Request, bucket: str | None) -> list[dict[str, Any]]:
    """Those of the bucket that the request was answered from; before there is a signer, of the one that S3 gave the name to."""
    if not bucket:
        return []
    row: model.Container | None = request.notes.get("bucket")
    if row is None:
        row = await context.commits.read(lambda tx: containers.bucket(tx, bucket))
    return (row.control.get("cors") or []) if row is not None else []


def _fit(rules: list[dict[str, Any]], origin: str, method: str, headers: list[str]) -> dict[str, Any] | None:
    """The first rule that lets the page in. Names are looked up; only patterns, of which a bucket has few, are tried one by one."""
    if len(headers) > limits.CORS_ASKED:
        return None
    for r in rules:
        if method not in r["methods"] or not _fits([origin], r["origins"]):
            continue
        if not headers or _fits(headers, [p.lower() for p in r["headers"]]):
            return r
    return None


def _fits(requested: list[str], allowed: list[str]) -> bool:
    exact, patterns = set(allowed), [p for p in allowed if "*" in p]
    return all(a in exact or any(glob(p, a) for p in patterns) for a in requested)


async def preflight(context: ObjectContext, request: Request, bucket: str | None) -> Response:
    origin, method = request.header("origin"), request.header("access-control-request-method")
    requested = [h.strip().lower() for h in request.header("access-control-request-headers").split(",") if h.strip()]
    if not origin or not method:
        raise S3Error("InvalidRequest", "Insufficient information. Origin request header needed.")
    rule = _fit(await _rules(context, request, bucket), origin, method, requested)
    if rule is None:
        raise S3Error("AccessDenied", "CORSResponse: This CORS request is not allowed.")
    headers = _headers(rule, origin)
    if requested:
        headers["access-control-allow-headers"] = ", ".join(requested)
    if rule.get("age") is not None:
        headers["access-control-max-age"] = str(rule["age"])
    return Response(200, headers)


def _headers(rule: dict[str, Any], origin: str) -> dict[str, str]:
    out = {
        "access-control-allow-origin": "*" if "*" in rule["origins"] else origin,
        "access-control-allow-methods": ", ".join(rule["methods"]),
        "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if "*" not in rule["origins"]:
        out["access-control-allow-credentials"] = "true"
    if rule["expose"]:
        out["access-control-expose-headers"] = ", ".join(rule["expose"])
    return out


async def dress(context: ObjectContext, request: Request, response: Response) -> None:
    """What a browser needs to show an answer to a page of another origin."""
    bucket = request.notes.get("host_bucket") or request.path.lstrip("/").partition("/")[0]
    method = request.header("access-control-request-method") or request.method
    rule = _fit(await _rules(context, request, bucket), request.header("origin"), method, [])
    if rule is not None:
        response.headers |= _headers(rule, request.header("origin"))


async def show(c: S3Call) -> Response:
    """A page of the bucket's web site."""
    all_to = c.bucket.control.get("web_redirect")
    if all_to:
        query = f"?{c.request.raw_query}" if c.request.raw_query else ""
        return Response(
            301,
            {
                "location": f"{all_to.get('protocol') or c.request.scheme}://{all_to['host']}/{quote(c.key or '')}{query}"
            },
        )
    index = c.bucket.meta.get("web-index")
    if not index or c.request.method not in {"GET", "HEAD"}:
        raise S3Error("NoSuchWebsiteConfiguration", BucketName=c.name)
    key = c.key or ""
    c.key = key + index if not key or key.endswith("/") else key
    try:
        page = await reads.get(c)
        to = page.headers.get("x-amz-website-redirect-location")
        return Response(301, {"location": to}) if to else page
    except S3Error as e:
        error = c.bucket.control.get("web_error_key")
        if not error or e.code not in {"NoSuchKey", "AccessDenied"}:
            raise
        c.key = error
        response = await reads.get(c)
        response.code = 404 if e.code == "NoSuchKey" else 403
        return response
