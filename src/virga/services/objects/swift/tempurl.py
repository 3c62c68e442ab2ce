# SPDX-License-Identifier: Apache-2.0
"""Rights that travel in an address or in a form: temporary URLs and form posts, signed with a key of the account or container.
Compared in constant time; a signature says one method (HEAD comes with GET, PUT and POST), one path or prefix, one time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from virga.ground.errors import NotFound
from virga.services.objects import limits
from virga.services.objects.context import ObjectContext
from virga.services.objects.forms import Form, FormError, boundary_of, word
from virga.services.objects.http import LAST, Answered, Request, Response, count_of, is_address, unquote
from virga.services.objects.store import containers
from virga.services.objects.swift.entry import SignedAccess
from virga.services.objects.swift.lookup import Lookup
from virga.services.objects.swift.replies import page
from virga.services.objects.swift.writes import Writes, check_object_name

DIGESTS = {40: "sha1", 64: "sha256", 128: "sha512"}
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
FORBIDDEN = (
    "x-object-manifest",
    "x-symlink-target",
    "x-symlink-target-account",
    "x-symlink-target-etag",
    "x-copy-from",
    "x-copy-from-account",
)
"""What a bearer of a PUT right may not send: each of these would make the object show something else."""


def refused(text: str) -> Answered:
    response = page(401, text)
    response.headers["www-authenticate"] = 'Swift realm="unknown"'
    return Answered(response)


def wanted(request: Request) -> bool:
    return "temp_url_sig" in request.query or "temp_url_expires" in request.query


def digest_of(signature: str) -> tuple[str, bytes]:
    """(algorithm, raw digest) of `hex` or `algorithm:base64`. Raises ValueError."""
    if ":" in signature:
        name, _, text = signature.partition(":")
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
        if name not in DIGESTS.values() or len(raw) != hashlib.new(name).digest_size:
            raise ValueError(name)
        return name, raw
    return DIGESTS[len(signature)], binascii.unhexlify(signature)


async def signed_access(
    context: ObjectContext, request: Request, account: str, container: str | None, name: str | None
) -> SignedAccess:
    """The right that the address carries. Raises 401 for anything that is not signed as it should be."""
    q = request.query
    signature, expires, prefix = q.get("temp_url_sig", ""), q.get("temp_url_expires", ""), q.get("temp_url_prefix")
    at = int(expires) if expires.isdecimal() and len(expires) <= 12 else parse_iso(expires)
    root = not name and prefix == "" and request.method in {"GET", "HEAD"}
    if not signature or at is None or not container or not (root or (name or "").strip("/")):
        raise refused("Temp URL invalid")
    name = name or ""
    if at < context.now():
        raise refused("Temp URL invalid")
    try:
        algorithm, given = digest_of(signature)
    except (KeyError, ValueError, binascii.Error):
        raise refused("Temp URL invalid") from None
    if algorithm == "sha1" and not context.settings.tempurl_sha1:
        raise refused("Temp URL invalid: SHA-1 is not taken here")
    if prefix is not None and not name.startswith(prefix):
        raise refused("Temp URL invalid")
    ip = q.get("temp_url_ip_range")
    if ip is not None:
        try:
            if ipaddress.ip_address(request.client) not in ipaddress.ip_network(ip, strict=False):
                raise refused("Temp URL invalid")
        except ValueError:
            raise refused("Temp URL invalid") from None
    keys = await _keys(context, account, container)
    methods = {"HEAD": ("HEAD", "GET", "PUT", "POST"), "GET": ("GET",)}.get(request.method, (request.method,))
    if request.method not in METHODS:
        raise refused("Temp URL invalid")
    path = f"/v1/{account}/{container}/" + (prefix if prefix is not None else name)
    raw = request.raw_path if prefix is None else None
    # clients sign the path as they see it, or from /v1 on, plain or quoted
    spellings = {path, request.mount + path, quote(path), request.mount + quote(path)} | (
        {raw, raw.removeprefix(request.mount)} if raw else set()
    )
    ok = None
    for key, scope in keys:
        for method in methods:
            for spelling in spellings:
                text = (
                    f"{method}\n{expires if expires.isdecimal() else at}\n"
                    + ("prefix:" if prefix is not None else "")
                    + spelling
                )
                if ip is not None:
                    text = f"ip={ip}\n{text}"
                made = hmac.new(key.encode(), text.encode(), algorithm).digest()
                if hmac.compare_digest(made, given):
                    ok = scope
    if ok is None:
        raise refused("Temp URL invalid")
    if request.method in {"PUT", "POST"}:
        for header in FORBIDDEN:
            if header in request.headers:
                raise Answered(page(400, f"Header {header.title()!r} not allowed in this tempurl"))
    for header in list(request.headers):
        if header.startswith("x-timestamp") or header == "x-open-expired":
            del request.headers[header]
    request.notes["tempurl"] = {
        "filename": q.get("filename"),
        "inline": "inline" in q,
        "expires": at,
        "prefix": prefix,
        "links": _links(q),
    }
    # nothing else of the address is signed, so nothing else of it counts
    request.query = {}
    only = frozenset({"GET", "HEAD"} if request.method in {"GET", "HEAD"} else {request.method})
    if ok == "account":
        # segments of a large object may lie anywhere in the account whose key signed, as upstream has it
        return SignedAccess(
            only,
            account,
            None if request.method in {"GET", "HEAD"} else container,
            None if request.method in {"GET", "HEAD"} else name,
            None,
        )
    return SignedAccess(only, account, container, None if request.method in {"GET", "HEAD"} else name, None)


def _links(q: dict[str, str]) -> str:
    """What a listing adds to its links, so that they open as well."""
    if "temp_url_prefix" not in q:
        return ""
    names = ("temp_url_prefix", "temp_url_expires", "temp_url_sig", "temp_url_ip_range")
    return "?" + "&amp;".join(
        [*(f"{k}={quote(q[k])}" for k in names if k in q), *(["inline"] if "inline" in q else [])]
    )


def parse_iso(text: str) -> int | None:
    import datetime as dt

    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"):
        try:
            return int(dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC).timestamp())
        except ValueError:
            continue
    return None


async def _keys(context: ObjectContext, account: str, container: str) -> list[tuple[str, str]]:
    def read(tx: Any) -> list[tuple[str, str]]:
        own, row, _ = containers.look_up(tx, account, container)
        out = []
        for what, meta in (
            ("account", own.meta if own is not None else {}),
            ("container", row.meta if row is not None else {}),
        ):
            out += [(meta[k], what) for k in ("temp-url-key", "temp-url-key-2") if meta.get(k)]
        return out

    found: list[tuple[str, str]] = await context.commits.read(read)
    return found


def dress(request: Request, response: Response, name: str) -> None:
    """Headers of an answer to a temporary URL: a name to save under, no private metadata beyond the object's own."""
    note = request.notes["tempurl"]
    if response.code not in {200, 206, 304} or request.method not in {"GET", "HEAD"}:
        return
    from email.utils import formatdate

    response.headers["expires"] = formatdate(note["expires"], usegmt=True)
    if note["inline"] or "staticweb" in request.notes:
        if note["filename"]:
            response.headers["content-disposition"] = (
                f"inline; filename=\"{_ascii(note['filename'])}\"; filename*=UTF-8''{quote(note['filename'], '')}"
            )
        else:
            response.headers["content-disposition"] = "inline"
    elif note["filename"] or "content-disposition" not in response.headers:
        shown = note["filename"] or name.rstrip("/").rpartition("/")[2]
        response.headers["content-disposition"] = (
            f"attachment; filename=\"{_ascii(shown)}\"; filename*=UTF-8''{quote(shown, ' /')}"
        )


def _ascii(text: str) -> str:
    return "".join(c if 32 <= ord(c) < 127 and c not in '"\\' else "_" for c in text)


# -- forms ---------------------------------------------------------------------------------------------------------

MAX_FIELD, MAX_FIELDS = limits.FORM_FIELD, limits.FORM_FIELDS


@dataclass(frozen=True, slots=True)
class Permit:
    """What the signature of a form says: all that may be believed of its fields. What is done is done by this, never by the fields."""

    redirect: str
    max_file_size: int
    max_file_count: int


async def form_post(
    lookup: Lookup, writes: Writes, request: Request, account: str, container: str, prefix: str
) -> Response:
    """POST of a form: fields redirect, max_file_size, max_file_count, expires, signature, then files. Each file is let in by the
    fields as they stand before it, signed anew (as upstream's formpost does); fields that are not signed permit nothing."""
    try:
        return await _form(lookup, writes, request, account, container, prefix)
    except FormError as x:
        return page(400, f"FormPost: {x}")


async def _form(
    lookup: Lookup, writes: Writes, request: Request, account: str, container: str, prefix: str
) -> Response:
    """Raises FormError for what is no form, 400 and 401 for what is not signed as it should be."""
    context = writes.context
    form = Form(request.body(), boundary_of(request.header("content-type")))
    fields: dict[str, str] = {}
    count, status, message = 0, 201, "Success."
    permit: Permit | None = None
    await form.start()
    while (head := await form.next()) is not None:
        disposition = head.get("content-disposition", "")
        name, filename = word(disposition, "name"), word(disposition, "filename")
        if filename is None:
            fields[(name or "").lower()] = await form.text(MAX_FIELD)
            if len(fields) > MAX_FIELDS:
                raise FormError(f"more than {MAX_FIELDS} fields")
            continue
        permit = await _permit(context, request, account, container, fields)
        if not filename:
            async for _ in form.data():
                pass
            continue
        count += 1
        if count > permit.max_file_count:
            raise Answered(page(400, "max_file_count exceeded"))
        headers = {"content-type": head.get("content-type", "application/octet-stream")}
        for k in ("x-delete-at", "x-delete-after"):
            if fields.get(k.replace("-", "_")):
                headers[k] = fields[k.replace("-", "_")]
        name_ = prefix + filename.replace("\\", "/").rpartition("/")[2]
        check_object_name(name_)
        bare = replace(request, headers=headers)
        found = await context.commits.read(
            lambda tx: containers.look_up(tx, account, container, None, with_account=False)
        )
        if found.container is None:
            raise NotFound("The container does not exist.")
        new = writes.described(bare, name_)
        got = await context.bodies.receive(form.data(), expected=None, most=permit.max_file_size)
        await writes.store(found.container.id, new, got)
    if permit is None:
        permit = await _permit(context, request, account, container, fields)
    if count == 0:
        status, message = 400, "no files to process"
    if is_address(permit.redirect):
        mark = "&" if "?" in permit.redirect else "?"
        where = f"{permit.redirect}{mark}status={status}&message={quote('' if status == 201 else message)}"
        response = page(303, "See other")
        response.headers["location"] = where
        return response
    return Response(
        status,
        {"content-type": "text/plain"},
        f"{status} {'Created' if status == 201 else 'Bad Request'}\r\n\r\n{message}".encode(),
    )


async def _permit(
    context: ObjectContext, request: Request, account: str, container: str, fields: dict[str, str]
) -> Permit:
    """What the fields permit. Raises 401 unless they are signed, and the time is not over; 400 for a number that is none."""
    expires, signature = fields.get("expires", ""), fields.get("signature", "")
    size, count = (count_of(fields.get(name, ""), LAST) for name in ("max_file_size", "max_file_count"))
    until = count_of(expires, LAST)
    for name, number in (("expires", until), ("max_file_size", size), ("max_file_count", count)):
        if number is None:
            raise Answered(page(400, f"FormPost: {name} is not a number"))
    assert until is not None and size is not None and count is not None
    if until < context.now():
        raise refused("FormPost: Form Expired")
    try:
        algorithm, given = digest_of(signature)
    except (KeyError, ValueError, binascii.Error):
        raise refused("FormPost: Invalid Signature") from None
    if algorithm == "sha1" and not context.settings.tempurl_sha1:
        raise refused("FormPost: Invalid Signature")
    path, redirect = unquote(request.raw_path), fields.get("redirect", "")
    tail = f"\n{redirect}\n{fields['max_file_size']}\n{fields['max_file_count']}\n{expires}"
    for key, _ in await _keys(context, account, container):
        for spelling in {path, path.removeprefix(request.mount)}:
            made = hmac.new(key.encode(), (spelling + tail).encode(), algorithm).digest()
            if hmac.compare_digest(made, given):
                return Permit(redirect, size, count)
    raise refused("FormPost: Invalid Signature")
