# SPDX-License-Identifier: Apache-2.0
"""Browsers of other origins: what a container allows them (X-Container-Meta-Access-Control-*), and what every one may."""

from __future__ import annotations

from virga.services.objects import model
from virga.services.objects.desk import Desk
from virga.services.objects.exchange import Ask, Reply
from virga.services.objects.store import places
from virga.services.objects.swift.replies import page

ALLOW = "GET, HEAD, PUT, POST, COPY, DELETE, OPTIONS"
EXPOSED = (
    "cache-control",
    "content-language",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
    "etag",
    "x-timestamp",
    "x-trans-id",
    "x-openstack-request-id",
)


async def _container(desk: Desk, account: str, name: str | None) -> model.Container | None:
    if not name:
        return None
    return await desk.commits.read(lambda tx: places.container_row(tx, account, name))


def _allowed(desk: Desk, row: model.Container | None, origin: str) -> bool:
    own = row.meta.get("access-control-allow-origin", "").split() if row is not None else []
    return (
        "*" in own
        or origin in own
        or "*" in desk.settings.cors_allow_origin
        or origin in desk.settings.cors_allow_origin
    )


async def preflight(desk: Desk, ask: Ask, account: str, container: str | None) -> Reply:
    """OPTIONS: what may be done here; with an Origin, whether that origin may."""
    row = await _container(desk, account, container)
    origin = ask.header("origin")
    if not origin or not container:
        return page(200, allow=ALLOW)
    method = ask.header("access-control-request-method")
    if not method or not _allowed(desk, row, origin) or method not in ALLOW.split(", "):
        return page(401, "The origin is not allowed here.", allow=ALLOW)
    meta = row.meta if row is not None else {}
    headers = {
        "allow": ALLOW,
        "access-control-allow-methods": ALLOW,
        "access-control-allow-origin": "*" if meta.get("access-control-allow-origin", "").strip() == "*" else origin,
    }
    if headers["access-control-allow-origin"] != "*":
        headers["vary"] = "Origin"
    if meta.get("access-control-max-age"):
        headers["access-control-max-age"] = meta["access-control-max-age"]
    asked = [h.strip().lower() for h in ask.header("access-control-request-headers").split(",") if h.strip()]
    asked = [h for h in asked if all(c.isalnum() or c in "-_" for c in h)]
    if asked:
        headers["access-control-allow-headers"] = ", ".join(asked)
        headers["vary"] = ", ".join(
            [*([headers["vary"]] if "vary" in headers else []), "Access-Control-Request-Headers"]
        )
    return Reply(200, headers)


async def dress(desk: Desk, ask: Ask, reply: Reply) -> None:
    """The headers by which a browser lets the page see the answer."""
    origin = ask.header("origin")
    if not origin or ask.method == "OPTIONS":
        return
    parts = ask.path.split("/", 4)
    row = None
    if len(parts) > 3:
        from virga.services.objects.exchange import unquote

        try:
            row = await _container(desk, unquote(parts[2]), unquote(parts[3]))
        except (UnicodeDecodeError, ValueError):
            return
    if not _allowed(desk, row, origin):
        return
    meta = row.meta if row is not None else {}
    everyone = meta.get("access-control-allow-origin", "").strip() == "*"
    reply.headers["access-control-allow-origin"] = "*" if everyone else origin
    if not everyone:
        reply.headers["vary"] = "Origin"
    shown = [*EXPOSED, *(h for h in reply.headers if h.startswith(("x-object-meta-", "x-container-meta-")))]
    extra = meta.get("access-control-expose-headers", "").split()
    reply.headers["access-control-expose-headers"] = ", ".join(dict.fromkeys([*shown, *extra]))
