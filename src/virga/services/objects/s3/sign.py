# SPDX-License-Identifier: Apache-2.0
"""Who signed: Signature Version 4 in the header or the address, the older one by a switch. Every x-amz header must be signed (an
unsigned one could turn somebody else's right into another request), compared in constant time, good for fifteen minutes."""

from __future__ import annotations

import asyncio
import base64
import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus

from virga.ground.act import NOBODY, Actor
from virga.services.identity import api as identity
from virga.services.objects import limits
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Request, parse_date
from virga.services.objects.s3.errors import S3Error

SKEW = 900
EMPTY = hashlib.sha256(b"").hexdigest()
STREAMED = frozenset(
    {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    }
)


@dataclass(slots=True)
class Signed:
    """Who, and what the body must still prove: `payload` is its SHA-256, UNSIGNED-PAYLOAD, or the way it is chunked."""

    actor: Actor = NOBODY
    payload: str = "UNSIGNED-PAYLOAD"
    key: bytes = b""
    when: str = ""
    scope: str = ""
    seed: str = ""
    presigned: bool = False


async def who(context: ObjectContext, request: Request) -> Signed:
    """Raises S3Error; an unsigned request is nobody's."""
    auth = request.header("authorization")
    if auth.startswith("AWS4-HMAC-SHA256"):
        return await _header(context, request, auth)
    if "X-Amz-Algorithm" in request.query or "X-Amz-Signature" in request.query:
        return await _presigned(context, request)
    if auth.startswith("AWS ") or ("AWSAccessKeyId" in request.query and "Signature" in request.query):
        if not context.settings.s3_sigv2:
            raise S3Error(
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            )
        return await _version_2(context, request, auth)
    if auth:
        raise S3Error("InvalidArgument", "Unsupported Authorization Type")
    payload = request.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if payload in STREAMED and payload != "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
        raise S3Error("AccessDenied", "A signed body needs a signed request.")
    return Signed(payload=payload)


async def key_of(context: ObjectContext, access: str) -> identity.AccessKey:
    if not access or len(access) > 128:
        raise S3Error("InvalidAccessKeyId")
    found = await asyncio.get_running_loop().run_in_executor(
        context.threads, identity.access_key, context.registry, access
    )
    if found is None:
        raise S3Error("InvalidAccessKeyId")
    return found


def read_scope(text: str, code: str) -> tuple[str, list[str]]:
    access, *rest = text.split("/")
    if len(rest) > 4:  # an access key may hold slashes
        access, rest = "/".join([access, *rest[:-4]]), rest[-4:]
    if len(rest) != 4 or rest[2] != "s3" or rest[3] != "aws4_request" or not re.fullmatch(r"\d{8}", rest[0]):
        raise S3Error(code, "The credential must be of the form <access key>/<date>/<region>/s3/aws4_request.")
    return access, rest


def signing_key(secret: str, scope: list[str]) -> bytes:
    """The key of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def moment(text: str) -> float | None:
    try:
        return float(calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ")))
    except ValueError:
        return None


async def _header(context: ObjectContext, request: Request, auth: str) -> Signed:
    fields = dict(re.findall(r"(Credential|SignedHeaders|Signature)=([^,\s]+)", auth[:4096]))
    if len(fields) != 3:
        raise S3Error("AuthorizationHeaderMalformed")
    access, scope = read_scope(fields["Credential"], "AuthorizationHeaderMalformed")
    when = request.header("x-amz-date")
    at = moment(when) if when else parse_date(request.header("date"))
    if at is None or at < 0:
        raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    if not when:
        when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    if abs(context.now() - at) > SKEW:
        raise S3Error("RequestTimeTooSkewed")
    if not when.startswith(scope[0]):
        raise S3Error("SignatureDoesNotMatch", "The credential's date is not the request's.")
    payload = request.header("x-amz-content-sha256")
    if not payload:
        raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    if payload.startswith("STREAMING-") and payload not in STREAMED:
        raise S3Error("NotImplemented", f"A body of kind {payload[:60]} is not taken.")
    if (
        not payload.startswith("STREAMING-")
        and payload != "UNSIGNED-PAYLOAD"
        and not re.fullmatch("[0-9a-f]{64}", payload)
    ):
        raise S3Error(
            "InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-… or a valid sha256 value."
        )
    found = await key_of(context, access)
    return _check(
        request,
        found,
        scope,
        when=when,
        names=fields["SignedHeaders"],
        given=fields["Signature"],
        payload=payload,
        leave=None,
    )


async def _presigned(context: ObjectContext, request: Request) -> Signed:
    q = request.query
    code = "AuthorizationQueryParametersError"
    if q.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256":
        raise S3Error(code, 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
    access, scope = read_scope(q.get("X-Amz-Credential", ""), code)
    when, expires = q.get("X-Amz-Date", ""), q.get("X-Amz-Expires", "")
    at = moment(when)
    if at is None or not re.fullmatch(r"-?\d{1,7}", expires):
        raise S3Error(code, "X-Amz-Date and X-Amz-Expires (1 to 604800 seconds) are needed.")
    if int(expires) > 604800:
        raise S3Error("AccessDenied", "X-Amz-Expires must be less than a week (in seconds); that is 604800.")
    if not when.startswith(scope[0]):
        raise S3Error(code, "The credential's date is not the request's.")
    now = context.now()
    if at - now > SKEW:
        raise S3Error("AccessDenied", "Request is not yet valid")
    if now > at + int(expires):
        raise S3Error("AccessDenied", "Request has expired")
    found = await key_of(context, access)
    payload = request.header("x-amz-content-sha256") or q.get("X-Amz-Content-Sha256") or "UNSIGNED-PAYLOAD"
    signed = _check(
        request,
        found,
        scope,
        when=when,
        names=q.get("X-Amz-SignedHeaders", ""),
        given=q.get("X-Amz-Signature", ""),
        payload=payload,
        leave="X-Amz-Signature",
    )
    signed.presigned = True
    return signed


def pairs(raw_query: str, leave: str | None) -> list[tuple[str, str]]:
    out = []
    for each in raw_query.split("&") if raw_query else []:
        k, _, v = each.partition("=")
        key = unquote_plus(k)
        if key != leave:
            out.append((quote(key, safe="-_.~"), quote(unquote_plus(v), safe="-_.~")))
    return sorted(out)


def _check(
    requested: Request,
    found: identity.AccessKey,
    scope: list[str],
    *,
    when: str,
    names: str,
    given: str,
    payload: str,
    leave: str | None,
) -> Signed:
    order = names.lower().split(";")
    signed = frozenset(order)
    if len(order) > limits.HEADERS or len(signed) != len(order):
        raise S3Error("SignatureDoesNotMatch", "A header is signed twice, or more are than a request has.")
    if "host" not in signed:
        raise S3Error("AccessDenied", "The Host header must be signed.")
    for name in requested.headers:
        if (
            (name.startswith("x-amz-") or name == "content-md5")
            and name not in signed
            and not (leave and name == "x-amz-content-sha256" and payload == "UNSIGNED-PAYLOAD")
        ):
            raise S3Error(
                "AccessDenied", "There were headers present in the request which were not signed", HeadersNotSigned=name
            )
    values: dict[str, list[str]] = {}
    for name, value in requested.header_list:
        values.setdefault(name, []).append(re.sub(r" +", " ", value.strip()))
    lines = ""
    for name in order:
        if name not in values:
            raise S3Error("SignatureDoesNotMatch", f"The header {name[:64]} is signed and not there.")
        lines += f"{name}:{','.join(values[name])}\n"
    query = "&".join(f"{k}={v}" for k, v in pairs(requested.raw_query, leave))
    key = signing_key(found.secret, scope)
    # S3 signs the path as it is sent; some clients send what they did not quote
    for path in dict.fromkeys((requested.raw_path, quote(requested.raw_path, safe="/-_.~%"))):
        request = f"{requested.method}\n{path}\n{query}\n{lines}\n{names.lower()}\n{payload}"
        text = f"AWS4-HMAC-SHA256\n{when}\n{'/'.join(scope)}\n{hashlib.sha256(request.encode()).hexdigest()}"
        if hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest().encode(), given.encode()):
            return Signed(found.actor, payload, key, when, "/".join(scope), given)
    raise S3Error("SignatureDoesNotMatch")


SUBRESOURCES = frozenset(
    {
        "acl",
        "cors",
        "delete",
        "lifecycle",
        "location",
        "logging",
        "notification",
        "partNumber",
        "policy",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
        "object-lock",
        "retention",
        "legal-hold",
    }
)


async def _version_2(context: ObjectContext, request: Request, auth: str) -> Signed:
    """HMAC-SHA1 over method, dates, x-amz headers and the resource."""
    if auth:
        access, _, given = auth[4:].strip().partition(":")
        date = "" if "x-amz-date" in request.headers else request.header("date")
        at = parse_date(request.headers["x-amz-date"] if "x-amz-date" in request.headers else request.header("date"))
        if at is None or at < 0:
            raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
        if abs(context.now() - at) > SKEW:
            raise S3Error("RequestTimeTooSkewed")
    else:
        access, given, date = (
            request.query["AWSAccessKeyId"],
            request.query["Signature"],
            request.query.get("Expires", ""),
        )
        if not date.isdecimal() or len(date) > 12 or int(date) < context.now():
            raise S3Error("AccessDenied", "Request has expired")
    found = await key_of(context, access)
    amz = "".join(f"{k}:{request.headers[k]}\n" for k in sorted(request.headers) if k.startswith("x-amz-"))
    sub = []
    for each in sorted(request.raw_query.split("&")) if request.raw_query else []:
        k, eq, v = each.partition("=")
        if k in SUBRESOURCES:
            sub.append(f"{k}={unquote_plus(v)}" if eq and v else k)
    bucket = request.notes.get("host_bucket")
    query = f"?{'&'.join(sub)}" if sub else ""
    paths = [request.raw_path, request.path] if request.mount else [request.raw_path]
    # a bucket is signed with a slash behind it or without
    resources = {
        (f"/{bucket}" if bucket else "") + p + slash + query
        for p in paths
        for slash in (("", "/") if p.count("/") == 1 + (p is not request.path and bool(request.mount)) else ("",))
    }
    for r in resources:
        text = f"{request.method}\n{request.header('content-md5')}\n{request.header('content-type')}\n{date}\n{amz}{r}"
        made = base64.b64encode(hmac.new(found.secret.encode(), text.encode(), hashlib.sha1).digest())
        if hmac.compare_digest(made, given.encode()):
            return Signed(found.actor, presigned=not auth)
    raise S3Error("SignatureDoesNotMatch")


Hash = Callable[[], "hashlib._Hash"]
