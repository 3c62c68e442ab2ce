# SPDX-License-Identifier: Apache-2.0
"""A container as a web site: index page, error pages, listings for browsers; and objects for callers without a token."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.exchange import Answered, Ask, Reply
from virga.services.objects.store import listing as lists
from virga.services.objects.store import places
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.places import yes
from virga.services.objects.swift.replies import page

if TYPE_CHECKING:
    from virga.services.objects.swift.front import Swift


def _is_site(row: model.Container | None) -> bool:
    return row is not None and any(k in row.meta for k in ("web-index", "web-error", "web-listings"))


def _active(ask: Ask) -> bool:
    return not ask.headers.get("x-auth-token") or yes(ask.headers.get("x-web-mode"))


async def container(swift: Swift, ask: Ask, entry: Entry, account: str, name: str) -> Reply | None:
    """The site's front page; None: an ordinary listing is meant."""
    if not _active(ask) or any(k in ask.query for k in ("format", "prefix", "delimiter", "marker", "limit", "path")):
        return None
    row = await swift.desk.commits.read(lambda tx: places.container_row(tx, account, name))
    if row is None or not _is_site(row):
        return None
    if not ask.path.endswith("/"):
        return _move(ask)
    return await _folder(swift, ask, entry, account, row, "")


def _move(ask: Ask) -> Reply:
    reply = page(301, "The resource is a folder.")
    reply.headers["location"] = f"{ask.raw_path}/"
    return reply


async def object(swift: Swift, ask: Ask, entry: Entry, account: str, name: str, path: str) -> Reply:
    """An object for a caller without a token: if the container is a site, folders and error pages too."""
    get = swift.objects.get
    try:
        return await get(ask, entry, account, name, path)
    except NotFound:
        row = await swift.desk.commits.read(lambda tx: places.container_row(tx, account, name))
        if row is None or not _is_site(row):
            raise
        if path.endswith("/"):
            return await _folder(swift, ask, entry, account, row, path)
        site = row.id
        if row.meta.get("web-index") or yes(row.meta.get("web-listings")):
            found = await swift.desk.commits.read(lambda tx: lists.listing(tx, site, prefix=f"{path}/", limit=1))
            if found:
                return _move(ask)
        return await _error(swift, ask, entry, account, row, 404)
    except Answered as a:
        if a.reply.code not in {401, 403}:
            raise
        row = await swift.desk.commits.read(lambda tx: places.container_row(tx, account, name))
        if row is None or not _is_site(row):
            raise
        reply = await _error(swift, ask, entry, account, row, a.reply.code)
        reply.headers |= {k: v for k, v in a.reply.headers.items() if k == "www-authenticate"}
        return reply


async def _folder(swift: Swift, ask: Ask, entry: Entry, account: str, row: model.Container, prefix: str) -> Reply:
    index = row.meta.get("web-index")
    if index:
        try:
            return await swift.objects.get(ask, entry, account, row.name, prefix + index)
        except NotFound:
            pass
        except Answered as a:
            if a.reply.code not in {401, 403}:
                raise
            return await _error(swift, ask, entry, account, row, a.reply.code)
    try:
        await entry.allow(ask, account, row)
    except Answered as a:
        return await _error(swift, ask, entry, account, row, a.reply.code)
    if not yes(row.meta.get("web-listings")):
        return await _error(swift, ask, entry, account, row, 404)
    now = swift.desk.now()
    found = await swift.desk.commits.long_read(lambda tx: lists.listing(tx, row.id, prefix=prefix, delimiter="/", alive_at=now))
    if prefix and not found:
        return await _error(swift, ask, entry, account, row, 404)
    label = escape(row.meta.get("web-listings-label", "") or f"{row.name}/")
    css = row.meta.get("web-listings-css", "")
    style = (
        f'<link rel="stylesheet" type="text/css" href="{escape(("../" * prefix.count("/") + css) if "://" not in css else css, quote=True)}" />'
        if css
        else "<style>h1{font-size:1em}td,th{padding:0 1em 0 0;text-align:left}.size{text-align:right}</style>"
    )
    lines = [f'<tr class="item subdir"><td colspan="3"><a href="../">../</a></td></tr>'] if prefix else []  # noqa: F541
    for e in found:
        shown = e.name[len(prefix) :]
        href = quote(shown)
        if isinstance(e, lists.Folder):
            lines.append(f'<tr class="item subdir"><td colspan="3"><a href="./{href}">{escape(shown)}</a></td></tr>')
        elif shown:
            kind = " ".join(f"type-{escape(p, quote=True)}" for p in e.content_type.partition(";")[0].split("/"))
            lines.append(
                f'<tr class="item {kind}"><td class="colname"><a href="./{href}">{escape(shown)}</a></td><td class="size">{e.size}</td>'
                f"<td>{model.listed_time(e.changed)[:19].replace('T', ' ')}</td></tr>"
            )
    title = f"Listing of {label}{escape(prefix)}"
    body = (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title>{style}</head><body><h1 id="title">{title}</h1>'
        f'<table id="listing"><tr id="heading"><th>Name</th><th>Size</th><th>Date</th></tr>{"".join(lines)}</table></body></html>'
    )
    return Reply(200, {"content-type": "text/html; charset=UTF-8"}, body.encode())


async def _error(swift: Swift, ask: Ask, entry: Entry, account: str, row: model.Container, code: int) -> Reply:
    """The site's own page for a code, if it has one."""
    name = row.meta.get("web-error")
    if name:
        try:
            reply = await swift.objects.get(ask, entry, account, row.name, f"{code}{name}")
            if reply.code == 200:
                reply.code = code
                return reply
        except (NotFound, Answered):
            pass
    reply = page(code, "The resource could not be found." if code == 404 else "You may not see this.")
    if code == 401:
        reply.headers["www-authenticate"] = f'Swift realm="{account}"'
    return reply
