# SPDX-License-Identifier: Apache-2.0
"""Signatures of EC2 and S3 requests (AWS Signature Version 2 and 4, and S3's older one), checked from the parts of a request that a
service hands over. Versions 0 and 1 are not taken: their signed text can be read in two ways."""

from __future__ import annotations

import base64
import datetime as dt
import email.utils
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from virga.ground.errors import Unauthorized

INVALID = "Invalid EC2 signature."


def check_ec2(secret: str, given: Mapping[str, Any]) -> float:
    """Raise Unauthorized unless `given` (`signature`, `host`, `verb`, `path`, `params`, for version 4 `headers` and `body_hash`) was
    signed with `secret`; gives the time at which it was signed."""
    signature, host = given.get("signature"), str(given.get("host", ""))
    params = {str(k): str(v) for k, v in _mapping(given.get("params")).items()}
    headers = {str(k).lower().strip(): str(v).strip() for k, v in _mapping(given.get("headers")).items()}
    if not isinstance(signature, str) or not signature:
        raise Unauthorized("EC2 signature not supplied.")
    verb, path = str(given.get("verb", "")), str(given.get("path", ""))
    bare = urlsplit(f"//{host}").hostname or host if ":" in host else None
    if (
        headers.get("authorization", "").startswith("AWS4-HMAC-SHA256")
        or params.get("X-Amz-Algorithm") == "AWS4-HMAC-SHA256"
    ):
        right = _version_4(secret, verb, path, params, headers, str(given.get("body_hash", "")))
        fits = _same(signature, right)
        when = headers.get("x-amz-date") or params.get("X-Amz-Date") or ""
    elif params.get("SignatureVersion") == "2":
        fits = any(_same(signature, _version_2(secret, verb, h, path, params)) for h in (host, bare) if h is not None)
        when = params.get("Timestamp") or params.get("Expires") or ""
    else:
        raise Unauthorized(INVALID)
    if not fits:
        raise Unauthorized(INVALID)
    return moment(when)


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())


def _query(params: Mapping[str, str]) -> str:
    return "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(params.items()))


def _version_2(secret: str, verb: str, host: str, path: str, params: Mapping[str, str]) -> str:
    signed = {k: v for k, v in params.items() if k != "Signature"}
    method = hashlib.sha1 if signed.get("SignatureMethod") == "HmacSHA1" else hashlib.sha256
    text = f"{verb}\n{host.lower()}\n{path}\n{_query(signed)}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), method).digest()).decode()


def _part(authorization: str, name: str) -> str | None:
    found = re.search(rf"(?:^|[\s,]){name}=([^,\s]+)", authorization)
    return found[1] if found is not None else None


def _version_4(
    secret: str, verb: str, path: str, params: Mapping[str, str], headers: Mapping[str, str], body_hash: str
) -> str:
    authorization = headers.get("authorization", "")
    scope = (_part(authorization, "Credential") or params.get("X-Amz-Credential") or "").split("/")
    names = _part(authorization, "SignedHeaders") or params.get("X-Amz-SignedHeaders") or ""
    when = headers.get("x-amz-date") or params.get("X-Amz-Date") or ""
    if len(scope) != 5 or not when.startswith(scope[1]) or not scope[1]:
        raise Unauthorized(INVALID)
    query = "" if verb.upper() == "POST" else _query({k: v for k, v in params.items() if k != "X-Amz-Signature"})
    lines = "".join(f"{n}:{headers[n]}\n" for n in names.split(";") if n in headers)
    request = f"{verb.upper()}\n{path}\n{query}\n{lines}\n{names}\n{body_hash}"
    text = "\n".join(("AWS4-HMAC-SHA256", when, "/".join(scope[1:]), hashlib.sha256(request.encode()).hexdigest()))
    return _sign_4(secret, scope[1], scope[2], scope[3], text)


def _sign_4(secret: str, day: str, region: str, service: str, text: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def check_s3(secret: str, token: str, signature: str) -> float:
    """Raise Unauthorized unless `signature` is that of the text `token` (base64); gives the time at which it was signed."""
    try:
        text = base64.urlsafe_b64decode(token)
        lines = text.decode().split("\n")
    except (ValueError, UnicodeDecodeError):
        raise Unauthorized("Credential signature mismatch") from None
    if lines[0].startswith("AWS4"):
        scope = lines[2].split("/") if len(lines) == 4 else []
        if (
            lines[0] != "AWS4-HMAC-SHA256"
            or len(scope) != 4
            or scope[3] != "aws4_request"
            or scope[2] not in {"s3", "iam", "sts"}
        ):
            raise Unauthorized(INVALID)
        right = _sign_4(secret, scope[0], scope[1], scope[2], text.decode())
        when = moment(lines[1]) if lines[1].startswith(scope[0]) else 0.0
    else:
        right = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha1).digest()).decode()
        when = _s3_moment(lines)
    if not _same(signature, right):
        raise Unauthorized("Credential signature mismatch")
    return when


def _s3_moment(lines: list[str]) -> float:
    """When an older S3 request was signed: its `x-amz-date` or `Date`; for an address with an end, that end stands for now."""
    amz = next((line.partition(":")[2] for line in lines if line.lower().startswith("x-amz-date:")), "")
    return moment(amz or (lines[3] if len(lines) > 3 else ""))


def moment(text: str) -> float:
    """Seconds since the epoch of any of the ways in which such requests say the time; 0 for none."""
    text = text.strip()
    if text.isdecimal() and len(text) <= 12:
        return float(text)
    for form in ("%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%S"):
        try:
            return dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC).timestamp()
        except ValueError:
            continue
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError):
        return 0.0
