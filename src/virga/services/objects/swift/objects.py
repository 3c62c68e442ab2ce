# SPDX-License-Identifier: Apache-2.0
"""Objects: PUT, GET, HEAD, POST, DELETE, COPY, with large objects, links and versions where they come up."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.bodies import extents_of
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import (
    Answered,
    Precondition,
    Request,
    Response,
    http_date,
)
from virga.services.objects.swift.contents import Whole, answer, fresh
from virga.services.objects.swift.copies import Copies
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.large import Large
from virga.services.objects.swift.links import Links, moved
from virga.services.objects.swift.lookup import Lookup
from virga.services.objects.swift.replies import page, refuse
from virga.services.objects.swift.writes import Writes, check_object_name, created, object_meta, whole_number


class Objects:
    def __init__(self, context: ObjectContext) -> None:
        self.context = context
        self.lookup, self.writes = Lookup(context), Writes(context)
        self.links = Links(context, self.lookup, self.writes)
        self.large = Large(context, self.lookup, self.writes, self.links)
        self.copies = Copies(context, self.lookup, self.writes, self.links, self.large)

    # -- GET and HEAD ----------------------------------------------------------------------------------------------

    async def get(self, request: Request, entry: Entry, account: str, container: str, name: str) -> Response:
        version = request.query.get("version-id") or None
        c, o = await self.lookup.found(request, entry, account, container, name, version)
        marks = self.marks(c, account, o, version) if c.control or version else {}
        if o.kind == "link" and request.query.get("symlink") != "get":
            try:
                account, container, o, path = await self.links.follow(request, entry, o)
            except Answered as a:
                a.response.headers |= {k: v for k, v in marks.items() if k == "x-object-version-id"}
                raise
            if marks and o.container_id == c.id and version is None:
                marks = self.marks(c, account, o, None)
            marks.setdefault("content-location", path)
            if o.container_id != c.id or o.unversioned:
                marks["content-location"] = path
        headers = object_headers(o) | marks
        raw_manifest = request.query.get("multipart-manifest") == "get"
        if o.kind == "slo":
            headers["x-static-large-object"] = "True"
            if raw_manifest:
                return await self.large.manifest(request, o, headers)
            headers["x-manifest-etag"] = o.own("manifest_md5", "")
            headers["etag"] = f'"{o.own("slo_etag")}"'
            output = await self.large.part(request, o, headers) if "part-number" in request.query else None
            if output is not None:
                return output
        if o.kind == "slo" or ("x-object-manifest" in o.meta and not raw_manifest):
            whole = await self.large.whole(request, entry, account, o)
            headers["etag"] = f'"{whole.etag}"' if whole.etag else ""
            if o.kind != "slo" and "," in request.headers.get("range", ""):
                del request.headers["range"]  # as upstream has it, a dynamic object is never sent in pieces
            return await answer(request, headers, whole, [whole.etag] if whole.etag else [], o.changed)
        tags = [o.etag]
        if request.header("x-trust-app-etag"):
            tags.append(request.header("x-trust-app-etag"))
        body, data = request.notes.get("small", (None, b""))
        if (
            body == o.body
            and request.method == "GET"
            and "range" not in request.headers
            and fresh(request, tags, o.changed) == 200
        ):
            return Response(200, headers | {"accept-ranges": "bytes"}, data)
        return await answer(
            request,
            headers,
            Whole(o.size, o.etag, lambda s, n: self.context.bodies.open(extents_of(o, s, n))),
            tags,
            o.changed,
        )

    @staticmethod
    def marks(c: model.Container, account: str, o: model.Object, version: str | None) -> dict[str, str]:
        """What an answer says of the version, in a container that keeps them."""
        out: dict[str, str] = {}
        if c.control.get("versioning") or version:
            out["x-object-version-id"] = "null" if o.unversioned else o.version
            if not o.unversioned and version is None:
                out["content-location"] = f"/v1/{quote(account)}/{quote(c.name)}/{quote(o.name)}?version-id={o.version}"
        return out

    # -- PUT -------------------------------------------------------------------------------------------------------

    async def put(self, request: Request, entry: Entry, account: str, container: str, name: str) -> Response:
        if "x-copy-from" in request.headers:
            if request.query.get("multipart-manifest") == "put":
                raise refuse(405, "Multipart Manifest PUTs cannot be COPY requests")
            return await self.copies.copy_from(request, entry, account, container, name)
        found = await self.lookup.look(request, entry, account, container, name)
        assert found.container is not None
        check_object_name(name)
        coding = request.header("transfer-encoding").lower()
        if coding and coding != "chunked":
            raise refuse(501, f"The transfer coding {coding[:64]!r} is not implemented.")
        if request.length is None and not coding:
            raise refuse(411, "Missing Content-Length header.")
        if request.query.get("version-id"):
            return await self.restore(request, entry, account, found.container, name, request.query["version-id"])
        check = self.writes.check_new(request)
        if check is not None:
            check(found.object)
        new = self.writes.described(request, name)
        if request.query.get("multipart-manifest") == "put":
            return await self.large.put_manifest(request, entry, account, found.container, new, check)
        target = self.links.target(request, account, container, name)
        if target is not None:
            return await self.links.put(request, entry, found.container, new, target, check)
        self.writes.quota_ahead(found, request.length or 0)
        got = await self.context.bodies.receive(request.body(), expected=request.length)
        wanted = request.headers.get("etag", "").strip().strip('"').lower()
        if wanted and wanted != got.md5:
            await self.writes.thrown_away(got)
            raise Answered(
                page(422, f"The body's MD5 is {got.md5}, the Etag header said {wanted[:64]}; nothing was kept.")
            )
        return created(await self.writes.store(found.container.id, new, got, check))

    async def restore(
        self, request: Request, entry: Entry, account: str, container: model.Container, name: str, version: str
    ) -> Response:
        """PUT ?version-id=: an old version is the newest again."""
        if version == "null":
            raise refuse(400, "Invalid version parameter")
        self.lookup.versioned(entry, account, container, version)
        if request.length:
            raise refuse(400, "PUT version-id requests require a zero byte body")
        async for chunk in request.body():
            if chunk:
                raise refuse(400, "PUT version-id requests require a zero byte body")
        id, now, context = container.id, self.context.now(), self.context
        try:
            return created(
                await context.commits.write(lambda tx: actions.restore(tx, id, name, version, now, context.wake_trash))
            )
        except NotFound as e:
            raise refuse(404, e.message) from None

    # -- POST ------------------------------------------------------------------------------------------------------

    async def post(self, request: Request, entry: Entry, account: str, container: str, name: str) -> Response:
        """POST of an object: its metadata anew. Raises NotFound."""
        if "x-symlink-target" in request.headers:
            raise refuse(400, "A PUT request is required to set a symlink target")
        found = await self.lookup.look(request, entry, account, container, name)
        assert found.container is not None
        if request.query.get("version-id"):
            raise refuse(400, "POST to a specific version is not allowed")
        o = self.lookup.alive(request, found.object)
        if o is None:
            raise NotFound("The resource could not be found.")
        meta = object_meta(request)
        values: dict[str, Any] = {"meta": meta, "delete_at": self.writes.delete_at(request)}
        if request.headers.get("content-type"):
            values["content_type"] = request.headers["content-type"]

        def update(old: model.Object) -> dict[str, Any]:
            if old.kind == "slo":
                meta.pop("x-object-manifest", None)
            return values

        id, now = found.container.id, self.context.now()
        fresh = await self.context.commits.write_short(lambda tx: actions.change(tx, id, name, now, update))
        if fresh.kind == "link":
            return moved(request, fresh)
        response = page(202, "The request is accepted for processing.")
        if not fresh.unversioned:
            response.headers["x-object-version-id"] = fresh.version
        return response

    # -- DELETE ----------------------------------------------------------------------------------------------------

    async def delete(self, request: Request, entry: Entry, account: str, container: str, name: str) -> Response:
        """DELETE of an object, a version of it, or all that a manifest names. Raises NotFound."""
        version = request.query.get("version-id") or None
        if request.query.get("multipart-manifest") == "delete":
            await self.lookup.look(request, entry, account, container, name)
            return await self.large.delete_all(request, entry, account, container, name, version)
        if_at = request.headers.get("x-if-delete-at")
        if if_at is not None and not whole_number(if_at):
            raise refuse(400, "Bad X-If-Delete-At header value")
        found = await self.lookup.look(request, entry, account, container, name)
        assert found.container is not None
        if if_at is not None:
            if found.object is None:
                raise NotFound("The resource could not be found.")
            if found.object.delete_at != int(if_at):
                raise Precondition("X-If-Delete-At and X-Delete-At do not match")
        if version is not None:
            self.lookup.versioned(entry, account, found.container, version)
        removed = await self.writes.remove(found.container.id, name, version, at=request.notes.get("sync_at"))
        response = page(204) if removed.found else page(404, "The resource could not be found.")
        if removed.marker or version is not None:
            response.headers["x-object-version-id"] = removed.version
        if version is not None:
            response.headers["x-object-current-version-id"] = removed.current
        return response

    # -- COPY ------------------------------------------------------------------------------------------------------

    async def copy(self, request: Request, entry: Entry, account: str, container: str, name: str) -> Response:
        return await self.copies.copy(request, entry, account, container, name)


def object_headers(o: model.Object) -> dict[str, str]:
    headers = {
        "content-type": o.content_type,
        "etag": o.etag,
        "last-modified": http_date(-(-o.changed // 1)),
        "x-timestamp": model.timestamp(o.changed),
    }
    headers |= o.meta
    if o.delete_at is not None:
        headers["x-delete-at"] = str(o.delete_at)
    if o.kind == "link":
        t = o.own("target")
        headers["x-symlink-target"] = f"{quote(t['container'])}/{quote(t['object'])}"
        if not t.get("here"):
            headers["x-symlink-target-account"] = quote(t["account"])
        if t.get("etag"):
            headers |= {"x-symlink-target-etag": t["etag"], "x-symlink-target-bytes": str(t.get("bytes", 0))}
    return headers
