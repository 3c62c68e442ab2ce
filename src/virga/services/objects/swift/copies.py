# SPDX-License-Identifier: Apache-2.0
"""Copies: COPY with Destination, PUT with X-Copy-From. The source is what a GET with the same query and range would give to the same
caller; the target is written as by a PUT of the same caller. The source is looked at first, and so are its errors."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from urllib.parse import quote

from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.bodies import Received, extents_of
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import (
    Answered,
    Request,
    Response,
    check_conditions,
    http_date,
    parse_query,
    ranges,
    unquote,
)
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.large import Large
from virga.services.objects.swift.links import Links
from virga.services.objects.swift.lookup import Lookup
from virga.services.objects.swift.manifests import raw_form, read_manifest
from virga.services.objects.swift.metadata import check_meta_total, yes
from virga.services.objects.swift.replies import page, refuse
from virga.services.objects.swift.writes import Writes, check_object_name, created, object_meta

OF_SOURCE = frozenset({"if-match", "if-modified-since", "if-unmodified-since", "if-none-match", "range"})


class Copies:
    def __init__(self, context: ObjectContext, lookup: Lookup, writes: Writes, links: Links, large: Large) -> None:
        self.context, self.lookup, self.writes, self.links, self.large = context, lookup, writes, links, large

    async def copy(self, request: Request, entry: Entry, account: str, container: str, name: str) -> Response:
        """COPY: to Destination (and Destination-Account)."""
        if "destination" not in request.headers:
            raise refuse(412, "Destination header required")
        to = (self._account(request, "destination-account", account), *self._path(request, "destination"))
        return await self._copy(request, entry, (account, container, name), to)

    async def copy_from(self, request: Request, entry: Entry, account: str, container: str, name: str) -> Response:
        """PUT with X-Copy-From (and X-Copy-From-Account)."""
        if request.length:
            raise refuse(400, "Copy requests require a zero byte body")
        path, _, query = request.headers["x-copy-from"].partition("?")
        if query:
            request.query = parse_query(query) | request.query
        source = (self._account(request, "x-copy-from-account", account), *self._path(request, "x-copy-from", path))
        return await self._copy(request, entry, source, (account, container, name))

    @staticmethod
    def _account(request: Request, header: str, own: str) -> str:
        try:
            account = unquote(request.headers.get(header, ""))
        except UnicodeDecodeError:
            account = "/"
        if "/" in account or "\0" in account:
            raise refuse(412, "Account name cannot contain slashes")
        return account or own

    @staticmethod
    def _path(request: Request, header: str, raw: str | None = None) -> tuple[str, str]:
        try:
            c, _, o = unquote(request.headers[header] if raw is None else raw).lstrip("/").partition("/")
        except UnicodeDecodeError:
            c = o = ""
        if not c or not o or "\0" in c + o:
            raise refuse(412, f"{header.title()} header must be of the form <container name>/<object name>")
        return c, o

    async def _copy(
        self, request: Request, entry: Entry, source: tuple[str, str, str], to: tuple[str, str, str]
    ) -> Response:
        account, version = source[0], request.query.get("version-id") or None
        _, old = await self.lookup.found(request, entry, *source, version)
        as_link = old.kind == "link" and request.query.get("symlink") == "get"
        if old.kind == "link" and not as_link:
            account, _, old, _ = await self.links.follow(request, entry, old)
        if not check_conditions(self._of_source(request), [old.own("slo_etag", old.etag)], old.changed):
            return Response(304, {"etag": old.etag})
        found = await self.lookup.look(request, entry, *to, method="PUT")
        if found.container is None:
            raise NotFound("The resource could not be found.")
        check_object_name(to[2])
        new = self._described(request, to[2], old)
        check = self.writes.check_new(request)
        shown: dict[str, str] = {}
        if "x-symlink-target" in request.headers:
            target = self.links.target(request, *to)
            assert target is not None
            return await self.links.put(
                dataclasses.replace(request, receive=_nothing), entry, found.container, new, target, check
            )
        manifest = request.query.get("multipart-manifest") == "get"
        if as_link:
            target = dict(old.own("target"))
            if "x-symlink-target-account" in request.headers:
                target["account"] = self._account(request, "x-symlink-target-account", to[0])
                target.pop("here", None)
            elif target.get("here"):
                target["account"] = to[0]  # a link that names no account means the one that it lies in
            if target.get("etag"):
                target, _ = await self.links.hold(
                    request, entry, {k: v for k, v in target.items() if k not in {"bytes", "slo_etag"}}
                )
            new.kind, new.control = "link", {"target": target}
            o = await self.writes.store(found.container.id, new, self.context.bodies.store(b""), check)
        elif old.kind == "slo" and manifest:
            segments = read_manifest(raw_form(await self.large.lines(old)))
            o = await self.large.store_manifest(
                request, entry, to[0], found.container, new, segments, wanted="", check=check
            )
            shown["etag"] = f'"{o.own("slo_etag")}"'
        else:
            o = await self.writes.store(
                found.container.id, new, await self._body(request, entry, account, old, new, manifest), check
            )
        response = created(o, shown.get("etag"))
        response.headers |= {
            "x-copied-from": f"{quote(source[1])}/{quote(source[2])}",
            "x-copied-from-account": quote(source[0]),
            "x-copied-from-last-modified": http_date(-(-old.changed // 1)),
        }
        response.headers |= {k: v for k, v in o.meta.items() if k.startswith("x-object-meta-")}
        return response

    async def _body(
        self, request: Request, entry: Entry, account: str, old: model.Object, new: actions.New, manifest: bool
    ) -> Received:
        """The bytes that a GET would give: a large object put together, a range of it, a part of it."""
        bodies = self.context.bodies
        if old.kind == "slo" and "part-number" in request.query:
            answer = await self.large.part(dataclasses.replace(request, method="GET"), old, {})
            if answer is not None:
                raise Answered(answer)
        large = old.kind == "slo" or ("x-object-manifest" in old.meta and not manifest)
        if large:
            if "x-object-manifest" not in request.headers:
                new.meta.pop("x-object-manifest", None)
            whole = await self.large.whole(request, entry, account, old)
            size, etag, open_range = whole.size, whole.etag, whole.open
        else:
            size, etag = old.size, old.etag

            async def open_range(start: int, length: int) -> AsyncIterator[bytes]:
                return await bodies.open(extents_of(old, start, length))

        wanted = ranges(request.headers.get("range"), size)
        if wanted is not None and len(wanted) != 1:
            if wanted:
                raise refuse(400, "A copy takes one range.")
            response = page(416, "The Range requested is not available.")
            response.headers |= {"content-range": f"bytes */{size}", "etag": etag}
            raise Answered(response)
        start, length = wanted[0] if wanted else (0, size)
        stream = await open_range(start, length) if length else _empty()
        return await bodies.receive(stream, expected=length)

    def _described(self, request: Request, name: str, old: model.Object) -> actions.New:
        new = actions.New(name, 0, "", old.content_type)
        if "content-type" in request.headers:
            new.content_type = request.headers["content-type"]
        own = object_meta(request)
        if yes(request.headers.get("x-fresh-metadata")):
            new.meta, new.delete_at = own, self.writes.delete_at(request)
        else:
            new.meta = dict(old.meta) | own
            new.delete_at = self.writes.delete_at(request) or old.delete_at
        check_meta_total({k[14:]: v for k, v in new.meta.items() if k.startswith("x-object-meta-")})
        return new

    @staticmethod
    def _of_source(request: Request) -> Request:
        """The conditions that are the source's: If-None-Match: * is the target's."""
        keep = {
            k: v
            for k, v in request.headers.items()
            if k in OF_SOURCE and not (k == "if-none-match" and v.strip() == "*")
        }
        return dataclasses.replace(request, headers=keep)


async def _empty() -> AsyncIterator[bytes]:
    yield b""


async def _nothing() -> dict[str, object]:
    return {"type": "http.request", "body": b"", "more_body": False}
