# SPDX-License-Identifier: Apache-2.0
"""A container as a web site: index page, error pages, listings for browsers; and objects for callers without a token."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote, unquote, unquote_to_bytes

from virga.ground.act import NOBODY
from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.http import Answered, Request, Response
from virga.services.objects.store import containers
from virga.services.objects.store import listing as lists
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.metadata import yes
from virga.services.objects.swift.objects import Objects
from virga.services.objects.swift.replies import page

HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


def _is_site(row: model.Container | None) -> bool:
    return row is not None and any(k in row.meta for k in ("web-index", "web-error", "web-listings"))


def active(request: Request, entry: Entry) -> bool:
    """Whether the caller sees sites: those without a token or with a temporary URL, and those who ask for it."""
    return entry.actor is NOBODY or entry.signed_access is not None or yes(request.headers.get("x-web-mode"))


async def container(objects: Objects, request: Request, entry: Entry, account: str, name: str) -> Response | None:
    """The site's front page; None: an ordinary listing is meant."""
    if not active(request, entry) or any(
        k in request.query for k in ("format", "prefix", "delimiter", "marker", "limit", "path")
    ):
        return None
    row = await objects.context.commits.read(lambda tx: containers.container_row(tx, account, name))
    if row is None or not _is_site(row):
        return None
    if not (row.meta.get("web-index") or row.meta.get("web-listings")):
        return None
    if entry.signed_access is None:
        try:
            await entry.allow(request, account, row)
        except Answered as a:
            return await _error(objects, request, entry, account, row, a.response.code)
    if not request.path.endswith("/"):
        return _move(request)
    return await _folder(objects, request, entry, account, row, "")


def _move(request: Request) -> Response:
    """To the same address with a slash. An address that no host has is not repeated."""
    response = page(301, "The resource is a folder.")
    host = f"{request.scheme}://{request.host}" if HOST.fullmatch(request.host) else ""
    response.headers["location"] = f"{host}{quote(unquote_to_bytes(request.raw_path))}/"
    return response


async def object(objects: Objects, request: Request, entry: Entry, account: str, name: str, path: str) -> Response:
    """An object for a caller without a token: if the container is a site, folders and error pages too.
    Raises NotFound."""
    try:
        response = await objects.get(request, entry, account, name, path)
        if (
            response.headers.get("content-type", "").partition(";")[0] != "application/directory"
            or (response.length or len(response.body)) > 1
        ):
            return response
        row = await objects.context.commits.read(lambda tx: containers.container_row(tx, account, name))
        if row is None or not (row.meta.get("web-index") or row.meta.get("web-listings")):
            return response
        raise NotFound("It stands for a folder.")
    except NotFound:
        row = await objects.context.commits.read(lambda tx: containers.container_row(tx, account, name))
        if row is None or not _is_site(row):
            raise
        if path.endswith("/"):
            return await _folder(objects, request, entry, account, row, path)
        site = row.id
        if row.meta.get("web-index") or yes(row.meta.get("web-listings")):
            found = await objects.context.commits.read(lambda tx: lists.listing(tx, site, prefix=f"{path}/", limit=1))
            if found:
                return _move(request)
        return await _error(objects, request, entry, account, row, 404)
    except Answered as a:
        if a.response.code not in {401, 403}:
            raise
        row = await objects.context.commits.read(lambda tx: containers.container_row(tx, account, name))
        if row is None or not _is_site(row):
            raise
        response = await _error(objects, request, entry, account, row, a.response.code)
        response.headers |= {k: v for k, v in a.response.headers.items() if k == "www-authenticate"}
        return response


async def _folder(
    objects: Objects, request: Request, entry: Entry, account: str, row: model.Container, prefix: str
) -> Response:
    index = row.meta.get("web-index")
    if index:
        try:
            return await objects.get(request, entry, account, row.name, prefix + index)
        except NotFound:
            pass
        except Answered as a:
            if a.response.code not in {401, 403}:
                raise
            return await _error(objects, request, entry, account, row, a.response.code)
    if entry.signed_access is None:
        try:
            await entry.allow(request, account, row)
        except Answered as a:
            return await _error(objects, request, entry, account, row, a.response.code)
    if not yes(row.meta.get("web-listings")):
        return await _error(objects, request, entry, account, row, 404)
    now = objects.context.now()
    found = await objects.context.commits.long_read(
        lambda tx: lists.listing(tx, row.id, prefix=prefix, delimiter="/", alive_at=now)
    )
    if prefix and not found:
        return await _error(objects, request, entry, account, row, 404)
    request.notes["staticweb"] = True
    shown = await objects.context.bodies._off(listing_page, request, row, prefix, found)
    return Response(200, {"content-type": "text/html; charset=UTF-8"}, shown)


def listing_page(request: Request, row: model.Container, prefix: str, found: list[lists.Entry | lists.Folder]) -> bytes:
    """A folder as a page. Whatever tenants named is escaped, in texts, in addresses and in classes."""
    path = unquote(request.path)
    label = row.meta.get("web-listings-label", "").strip()
    if label:
        path = f"{label}/{path.split('/', 4)[4]}"
    title = escape(f"Listing of {path}")
    css = row.meta.get("web-listings-css", "").strip()
    if css:
        href = (
            quote(css, ":/") if css.startswith(("/", "http://", "https://")) else "../" * prefix.count("/") + quote(css)
        )
        style = f'<link rel="stylesheet" type="text/css" href="{escape(href)}" />'
    else:
        style = "<style>h1{font-size:1em}td,th{padding:0 1em;text-align:left}.colsize{text-align:right}a{text-decoration:none}</style>"
    note = request.notes.get("tempurl")
    links = note["links"] if note is not None else ""
    lines = []
    if len(prefix) > len((note or {}).get("prefix") or ""):
        lines.append(
            f'<tr id="parent" class="item"><td class="colname" colspan="3"><a href="../{links}">../</a></td></tr>'
        )
    for e in sorted(found, key=lambda e: isinstance(e, lists.Entry)):
        shown = e.name[len(prefix) :]
        href = quote(shown).replace(".", "%2E") + links
        if isinstance(e, lists.Folder):
            lines.append(
                f'<tr class="item subdir"><td class="colname" colspan="3"><a href="./{href}">{escape(shown)}</a></td></tr>'
            )
        elif shown:
            kind = " ".join(f"type-{escape(p.lower())}" for p in e.content_type.partition(";")[0].split("/"))
            size = (e.control or {}).get("total", e.size)
            lines.append(
                f'<tr class="item {kind}"><td class="colname"><a href="./{href}">{escape(shown)}</a></td><td class="colsize">{size}</td>'
                f'<td class="coldate">{model.listed_time(e.changed)[:19].replace("T", " ")}</td></tr>'
            )
    return (
        f'<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"><title>{title}</title>{style}</head>\n<body><h1 id="title">{title}</h1>\n'
        '<table id="listing"><tr id="heading"><th class="colname">Name</th><th class="colsize">Size</th><th class="coldate">Date</th></tr>\n'
        + "\n".join(lines)
        + "\n</table></body>\n</html>\n"
    ).encode()


async def _error(
    objects: Objects, request: Request, entry: Entry, account: str, row: model.Container, code: int
) -> Response:
    """The site's own page for a code, if it has one."""
    name = row.meta.get("web-error")
    if name:
        try:
            response = await objects.get(request, entry, account, row.name, f"{code}{name}")
            if response.code == 200:
                response.code = code
                return response
        except (NotFound, Answered):
            pass
    response = page(code, "The resource could not be found." if code == 404 else "You may not see this.")
    if code == 401:
        response.headers["www-authenticate"] = f'Swift realm="{quote(account)}"'
    return response
