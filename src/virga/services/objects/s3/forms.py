# SPDX-License-Identifier: Apache-2.0
"""Uploads by a browser's form: the fields first, the file last, a signed policy that says which fields may hold what. The form is
read as a stream; what comes after the file means nothing."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from virga.services.objects import limits, model
from virga.services.objects.forms import Form, FormError, boundary_of, word
from virga.services.objects.http import Response, is_address
from virga.services.objects.s3 import sign, tags, versions
from virga.services.objects.s3.call import S3Call
from virga.services.objects.s3.chunked import Body
from virga.services.objects.s3.errors import S3Error, el, parse, xml_response
from virga.services.objects.s3.sign import Signed
from virga.services.objects.s3.writes import MOST, described, store_object, taken

MAX_FIELD, MAX_FIELDS = limits.POST_DATA, limits.POST_FIELDS
UNGUARDED = frozenset({"awsaccesskeyid", "signature", "policy", "file", "x-amz-signature"})
"""Fields that a policy need not name."""
STATUSES = {"200": 200, "201": 201}


async def post(c: S3Call) -> Response:
    """POST of a form to the bucket."""
    try:
        return await _read(c, Form(c.request.body(), boundary_of(c.request.header("content-type"))))
    except FormError as e:
        raise S3Error("MalformedPOSTRequest", str(e)) from None


async def _read(c: S3Call, form: Form) -> Response:
    """The fields, up to the file. Raises FormError."""
    await form.start()
    fields: dict[str, str] = {}
    total = 0
    while (head := await form.next()) is not None:
        where = head.get("content-disposition", "")
        name = (word(where, "name") or "").lower()
        if name == "file":
            return await _upload(c, form, fields, word(where, "filename") or "", head.get("content-type", ""))
        fields[name] = await form.text(MAX_FIELD)
        total += len(name) + len(fields[name])
        if total > MAX_FIELD:
            raise S3Error("MaxPostPreDataLengthExceeded")
        if len(fields) > MAX_FIELDS:
            raise S3Error("MalformedPOSTRequest", "The form has too many fields.")
    raise S3Error("InvalidArgument", "POST requires exactly one file upload per request.")


async def _upload(c: S3Call, form: Form, fields: dict[str, str], filename: str, kind: str) -> Response:
    if not fields.get("key"):
        raise S3Error(
            "InvalidArgument",
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
        )
    key = fields["key"].replace("${filename}", filename.replace("\\", "/").rpartition("/")[2])
    if not key or "\0" in key or len(key.encode()) > model.MAX_NAME:
        raise S3Error("KeyTooLongError" if key else "InvalidArgument")
    signed = Signed()
    least, most = 0, MOST
    if "policy" in fields:
        signed = await _signed(c, fields)
        least, most = obey(_policy(fields["policy"]), fields | {"key": key}, c.name, c.context.now())
    elif "awsaccesskeyid" in fields or "x-amz-credential" in fields:
        raise S3Error("InvalidArgument", "Bucket POST must contain a field named 'policy'.")
    headers = {
        k: v
        for k, v in fields.items()
        if k.startswith("x-amz-") and k not in {"x-amz-signature", "x-amz-algorithm", "x-amz-credential", "x-amz-date"}
    }
    headers |= {
        k: fields[k]
        for k in ("content-type", "cache-control", "content-disposition", "content-encoding", "expires")
        if fields.get(k)
    }
    headers.setdefault("content-type", kind or "binary/octet-stream")
    if fields.get("acl"):
        headers["x-amz-acl"] = fields["acl"]
    if fields.get("tagging"):
        headers["x-amz-tagging"] = urlencode(tags.read(parse(fields["tagging"].encode(), "Tagging"), tags.OF_OBJECT))
    request = dataclasses.replace(c.request, headers=headers)
    inner = await c.signed_by(signed, request, key)
    draft = await described(inner, request, key)
    body = Body(_bounded(form.data(), most), Signed(), headers)
    got = await taken(inner, body, None, draft, most)
    if got.size < least:
        await c.swift.writes.thrown_away(got)
        raise S3Error("EntityTooSmall", ProposedSize=str(got.size), MinSizeAllowed=str(least))
    if body.sums:
        draft.control["sums"] = body.sums
    o = await store_object(inner, draft, got, None)
    out = _answer(c, fields, o)
    out.headers |= draft.seal.headers()
    return out


async def _bounded(stream: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > most:
            raise S3Error("EntityTooLarge", ProposedSize=str(size), MaxSizeAllowed=str(most))
        yield chunk


def _answer(c: S3Call, fields: dict[str, str], o: model.Object) -> Response:
    etag = f'"{o.etag}"'
    where = f"{c.request.base}{c.request.raw_path.rstrip('/')}/{quote(o.name)}"
    headers = {"etag": etag, "location": where} | versions.made(o)
    to = fields.get("success_action_redirect") or fields.get("redirect") or ""
    if to and is_address(to) and not any(ord(ch) < 33 for ch in to):
        mark = "&" if "?" in to else "?"
        return Response(
            303,
            headers | {"location": f"{to}{mark}{urlencode({'bucket': c.name, 'key': o.name, 'etag': etag})}"},
        )
    code = STATUSES.get(fields.get("success_action_status", ""), 204)
    if code != 201:
        return Response(code, headers)
    out = xml_response(
        "PostResponse",
        el("Location", where),
        el("Bucket", c.name),
        el("Key", o.name),
        el("ETag", etag),
        code=201,
    )
    out.body = out.body.replace(
        b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', b"", 1
    )  # this answer alone has no namespace
    out.headers |= headers
    return out


# -- who signed, and what for --------------------------------------------------------------------------------------


async def _signed(c: S3Call, fields: dict[str, str]) -> Signed:
    """Whose form it is. Raises SignatureDoesNotMatch, InvalidArgument."""
    text = fields["policy"].encode()
    if "x-amz-algorithm" in fields or "x-amz-signature" in fields:
        if fields.get("x-amz-algorithm") != "AWS4-HMAC-SHA256":
            raise S3Error("InvalidArgument", "X-Amz-Algorithm only supports AWS4-HMAC-SHA256")
        access, scope = sign.read_scope(fields.get("x-amz-credential", ""), "InvalidArgument")
        if not fields.get("x-amz-signature") or sign.moment(fields.get("x-amz-date", "")) is None:
            raise S3Error("InvalidArgument", "Bucket POST must contain x-amz-date and x-amz-signature.")
        found = await sign.key_of(c.context, access)
        made, given = (
            hmac.new(sign.signing_key(found.secret, scope), text, hashlib.sha256).hexdigest(),
            fields["x-amz-signature"],
        )
    else:
        if not fields.get("awsaccesskeyid") or not fields.get("signature"):
            raise S3Error(
                "InvalidArgument",
                "Bucket POST must contain a field named 'AWSAccessKeyId' and 'Signature', or those of signature version 4.",
            )
        if not c.context.settings.s3_sigv2:
            raise S3Error(
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            )
        found = await sign.key_of(c.context, fields["awsaccesskeyid"])
        made, given = (
            base64.b64encode(hmac.new(found.secret.encode(), text, hashlib.sha1).digest()).decode(),
            fields["signature"],
        )
    if not hmac.compare_digest(made.encode(), given.encode()):
        raise S3Error("SignatureDoesNotMatch")
    found.actor.hold_to_rules("s3", c.request.method, (c.request.path, c.request.mount + c.request.path))
    return Signed(found.actor)


def _policy(text: str) -> dict[str, Any]:
    try:
        doc: Any = msgspec.json.decode(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise S3Error("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.") from None
    if (
        not isinstance(doc, dict)
        or not isinstance(doc.get("expiration"), str)
        or not isinstance(doc.get("conditions"), list)
    ):
        raise S3Error("InvalidPolicyDocument", "Invalid Policy: it has expiration and a list of conditions.")
    return doc


def obey(doc: dict[str, Any], fields: dict[str, str], bucket: str, now: float) -> tuple[int, int]:
    """(least, most) bytes of the file, when every field is what the policy allows. Raises AccessDenied, InvalidPolicyDocument."""
    text = doc["expiration"]
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", text) is None:
        raise S3Error("InvalidPolicyDocument", "Invalid Policy: Invalid 'expiration' value.")
    try:
        end = dt.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise S3Error("InvalidPolicyDocument", "Invalid Policy: Invalid 'expiration' value.") from None
    if end <= now:
        raise S3Error("AccessDenied", "Invalid according to Policy: Policy expired.")
    values = fields | {"bucket": bucket}
    least, most = 0, MOST
    named: set[str] = set()
    for test in doc["conditions"]:
        if isinstance(test, dict) and test:
            each = [("eq", k, v) for k, v in test.items()]
        elif isinstance(test, list) and len(test) == 3 and isinstance(test[0], str):
            if test[0].lower() == "content-length-range":
                try:
                    least, most = max(least, int(test[1])), min(most, int(test[2]))
                except (TypeError, ValueError):
                    raise S3Error(
                        "InvalidPolicyDocument", "Invalid Policy: content-length-range takes two numbers."
                    ) from None
                continue
            each = [(test[0].lower(), str(test[1]).removeprefix("$"), test[2])]
        else:
            raise S3Error("InvalidPolicyDocument", "Invalid Policy: Invalid Simple-Condition.")
        for how, name, value in each:
            if how not in {"eq", "starts-with"} or not isinstance(value, (str, int)):
                raise S3Error("InvalidPolicyDocument", f"Invalid Policy: no condition is called {how[:32]}.")
            small, value = name.lower(), str(value)
            named.add(small)
            have = values.get(small, "")
            if not (have == value if how == "eq" else have.startswith(value)) or (
                small not in values and (how == "eq" or value)
            ):
                raise S3Error(
                    "AccessDenied",
                    f'Invalid according to Policy: Policy Condition failed: ["{how}", "${name[:64]}", "{value[:64]}"]',
                )
    for name in values:
        if name not in named and name not in UNGUARDED and not name.startswith(("x-ignore-", "x-amz-checksum-")):
            raise S3Error("AccessDenied", f"Invalid according to Policy: Extra input fields: {name[:64]}")
    return least, most
