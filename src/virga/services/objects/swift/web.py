# SPDX-License-Identifier: Apache-2.0
"""A container as a web site: index page, error pages, listings for browsers; and objects for callers without a token."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote, unquote, unquote_to_bytes

from virga.ground.errors import NotFound
from virga.ground.http.call import NOBODY
from virga.services.objects import model
from virga.services.objects.exchange import Answered, Ask, Reply
from virga.services.objects.store import listing as lists
from virga.services.objects.store import places
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.metadata import yes
from virga.services.objects.swift.objects import Objects
from virga.services.objects.swift.replies import page

HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


def _is_site(row: model.Container | None) -> bool:
    return row is not None and any(k in row.meta for k in ("web-index", "web-error", "web-listings"))


def active(ask: Ask, entry: Entry) -> bool:
    """Whether the caller sees sites: those without a token or with a temporary URL, and those who ask for it."""
    return entry.actor is NOBODY or entry.ticket is not None or yes(ask.headers.get("x-web-mode"))


async def container(objects: Objects, ask: Ask, entry: Entry, account: str, name: str) -> Reply | None:
    """The site's front page; None: an ordinary listing is meant."""
    if not active(ask, entry) or any(
        k in ask.query for k in ("format", "prefix", "delimiter", "marker", "limit", "path")
    ):
        return None
    row = await objects.desk.commits.read(lambda tx: places.container_row(tx, account, name))
    if row is None or not _is_site(row):
        return None
    if not (row.meta.get("web-index") or row.meta.get("web-listings")):
        return None
    if entry.ticket is None:
        try:
            await entry.allow(ask, account, row)
        except Answered as a:
            return await _error(objects, ask, entry, account, row, a.reply.code)
    if not ask.path.endswith("/"):
        return _move(ask)
    return await _folder(objects, ask, entry, account, row, "")


def _move(ask: Ask) -> Reply:
    """To the same address with a slash. An address that no host has is not repeated."""
    reply = page(301, "The resource is a folder.")
    host = f"{ask.scheme}://{ask.host}" if HOST.fullmatch(ask.host) else ""
    reply.headers["location"] = f"{host}{quote(unquote_to_bytes(ask.raw_path))}/"
    return reply


async def object(objects: Objects, ask: Ask, entry: Entry, account: str, name: str, path: str) -> Reply:
    """An object for a caller without a token: if the container is a site, folders and error pages too."""
    try:
        reply = await objects.get(ask, entry, account, name, path)
        if (
            reply.headers.get("content-type", "").partition(";")[0] != "application/directory"
            or (reply.length or len(reply.body)) > 1
        ):
            return reply
        row = await objects.desk.commits.read(lambda tx: places.container_row(tx, account, name))
        if row is None or not (row.meta.get("web-index") or row.meta.get("web-listings")):
            return reply
        raise NotFound("It stands for a folder.")
    except NotFound:
        row = await objects.desk.commits.read(lambda tx: places.container_row(tx, account, name))
        if row is None or not _is_site(row):
            raise
        if path.endswith("/"):
            return await _folder(objects, ask, entry, account, row, path)
        site = row.id
        if row.meta.get("web-index") or yes(row.meta.get("web-listings")):
            found = await objects.desk.commits.read(lambda tx: lists.listing(tx, site, prefix=f"{path}/", limit=1))
            if found:
                return _move(ask)
        return await _error(objects, ask, entry, account, row, 404)
    except Answered as a:
        if a.reply.code not in {401, 403}:
            raise
        row = await objects.desk.commits.read(lambda tx: places.container_row(tx, account, name))
        if row is None or not _is_site(row):
            raise
        reply = await _error(objects, ask, entry, account, row, a.reply.code)
        reply.headers |= {k: v for k, v in a.reply.headers.items() if k == "www-authenticate"}
        return reply


async def _folder(objects: Objects, ask: Ask, entry: Entry, account: str, row: model.Container, prefix: str) -> Reply:
    index = row.meta.get("web-index")
    if index:
        try:
            return await objects.get(ask, entry, account, row.name, prefix + index)
        except NotFound:
            pass
        except Answered as a:
            if a.reply.code not in {401, 403}:
                raise
            return await _error(objects, ask, entry, account, row, a.reply.code)
    if entry.ticket is None:
        try:
            await entry.allow(ask, account, row)
        except Answered as a:
            return await _error(objects, ask, entry, account, row, a.reply.code)
    if not yes(row.meta.get("web-listings")):
        return await _error(objects, ask, entry, account, row, 404)
    now = objects.desk.now()
    found = await objects.desk.commits.long_read(
        lambda tx: lists.listing(tx, row.id, prefix=prefix, delimiter="/", alive_at=now)
    )
    if prefix and not found:
        return await _error(objects, ask, entry, account, row, 404)
    ask.notes["staticweb"] = True
    shown = await objects.desk.bodies._off(listing_page, ask, row, prefix, found)
    return Reply(200, {"content-type": "text/html; charset=UTF-8"}, shown)


def listing_page(ask: Ask, row: model.Container, prefix: str, found: list[lists.Entry | lists.Folder]) -> bytes:
    """A folder as a page. Whatever tenants named is escaped, in texts, in addresses and in classes."""
    path = unquote(ask.path)
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
    note = ask.notes.get("tempurl")
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


async def _error(objects: Objects, ask: Ask, entry: Entry, account: str, row: model.Container, code: int) -> Reply:
    """The site's own page for a code, if it has one."""
    name = row.meta.get("web-error")
    if name:
        try:
            reply = await objects.get(ask, entry, account, row.name, f"{code}{name}")
            if reply.code == 200:
                reply.code = code
                return reply
        except (NotFound, Answered):
            pass
    reply = page(code, "The resource could not be found." if code == 404 else "You may not see this.")
    if code == 401:
        reply.headers["www-authenticate"] = f'Swift realm="{quote(account)}"'
    return reply
