# SPDX-License-Identifier: Apache-2.0
"""Browsers of other origins: what a container allows them (X-Container-Meta-Access-Control-*), and what every one may."""

from __future__ import annotations

from virga.services.objects import model
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Request, Response
from virga.services.objects.store import containers
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


async def _container(context: ObjectContext, account: str, name: str | None) -> model.Container | None:
    if not name:
        return None
    return await context.commits.read(lambda tx: containers.container_row(tx, account, name))


def _allowed(context: ObjectContext, row: model.Container | None, origin: str) -> bool:
    own = row.meta.get("access-control-allow-origin", "").split() if row is not None else []
    return (
        "*" in own
        or origin in own
        or "*" in context.settings.cors_allow_origin
        or origin in context.settings.cors_allow_origin
    )


async def preflight(context: ObjectContext, request: Request, account: str, container: str | None) -> Response:
    """OPTIONS: what may be done here; with an Origin, whether that origin may."""
    row = await _container(context, account, container)
    origin = request.header("origin")
    if not origin or not container:
        return page(200, allow=ALLOW)
    method = request.header("access-control-request-method")
    if not method or not _allowed(context, row, origin) or method not in ALLOW.split(", "):
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
    requested = [h.strip().lower() for h in request.header("access-control-request-headers").split(",") if h.strip()]
    requested = [h for h in requested if all(c.isalnum() or c in "-_" for c in h)]
    if requested:
        headers["access-control-allow-headers"] = ", ".join(requested)
        headers["vary"] = ", ".join(
            [*([headers["vary"]] if "vary" in headers else []), "Access-Control-Request-Headers"]
        )
    return Response(200, headers)


async def dress(context: ObjectContext, request: Request, response: Response) -> None:
    """The headers by which a browser lets the page see the answer."""
    origin = request.header("origin")
    if not origin or request.method == "OPTIONS":
        return
    parts = request.path.split("/", 4)
    row = None
    if len(parts) > 3:
        from virga.services.objects.http import unquote

        try:
            row = await _container(context, unquote(parts[2]), unquote(parts[3]))
        except (UnicodeDecodeError, ValueError):
            return
    if not _allowed(context, row, origin):
        return
    meta = row.meta if row is not None else {}
    everyone = meta.get("access-control-allow-origin", "").strip() == "*"
    response.headers["access-control-allow-origin"] = "*" if everyone else origin
    if not everyone:
        response.headers["vary"] = "Origin"
    shown = [*EXPOSED, *(h for h in response.headers if h.startswith(("x-object-meta-", "x-container-meta-")))]
    extra = meta.get("access-control-expose-headers", "").split()
    response.headers["access-control-expose-headers"] = ", ".join(dict.fromkeys([*shown, *extra]))
