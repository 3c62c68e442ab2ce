# SPDX-License-Identifier: Apache-2.0
"""Objects: PUT, GET, HEAD, POST, DELETE, COPY, with large objects, links and versions where they come up."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.bodies import extents_of
from virga.services.objects.desk import Desk
from virga.services.objects.exchange import (
    Answered,
    Ask,
    Precondition,
    Reply,
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
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.lookup, self.writes = Lookup(desk), Writes(desk)
        self.links = Links(desk, self.lookup, self.writes)
        self.large = Large(desk, self.lookup, self.writes, self.links)
        self.copies = Copies(desk, self.lookup, self.writes, self.links, self.large)

    # -- GET and HEAD ----------------------------------------------------------------------------------------------

    async def get(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        version = ask.query.get("version-id") or None
        c, o = await self.lookup.found(ask, entry, account, container, name, version)
        marks = self.marks(c, account, o, version) if c.control or version else {}
        if o.kind == "link" and ask.query.get("symlink") != "get":
            try:
                account, container, o, path = await self.links.follow(ask, entry, o)
            except Answered as a:
                a.reply.headers |= {k: v for k, v in marks.items() if k == "x-object-version-id"}
                raise
            if marks and o.container_id == c.id and version is None:
                marks = self.marks(c, account, o, None)
            marks.setdefault("content-location", path)
            if o.container_id != c.id or o.unversioned:
                marks["content-location"] = path
        headers = object_headers(o) | marks
        raw_manifest = ask.query.get("multipart-manifest") == "get"
        if o.kind == "slo":
            headers["x-static-large-object"] = "True"
            if raw_manifest:
                return await self.large.manifest(ask, o, headers)
            headers["x-manifest-etag"] = o.own("manifest_md5", "")
            headers["etag"] = f'"{o.own("slo_etag")}"'
            said = await self.large.part(ask, o, headers) if "part-number" in ask.query else None
            if said is not None:
                return said
        if o.kind == "slo" or ("x-object-manifest" in o.meta and not raw_manifest):
            whole = await self.large.whole(ask, entry, account, o)
            headers["etag"] = f'"{whole.etag}"' if whole.etag else ""
            if o.kind != "slo" and "," in ask.headers.get("range", ""):
                del ask.headers["range"]  # as upstream has it, a dynamic object is never sent in pieces
            return await answer(ask, headers, whole, [whole.etag] if whole.etag else [], o.changed)
        tags = [o.etag]
        if ask.header("x-trust-app-etag"):
            tags.append(ask.header("x-trust-app-etag"))
        body, data = ask.notes.get("small", (None, b""))
        if body == o.body and ask.method == "GET" and "range" not in ask.headers and fresh(ask, tags, o.changed) == 200:
            return Reply(200, headers | {"accept-ranges": "bytes"}, data)
        return await answer(
            ask,
            headers,
            Whole(o.size, o.etag, lambda s, n: self.desk.bodies.open(extents_of(o, s, n))),
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

    async def put(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        if "x-copy-from" in ask.headers:
            if ask.query.get("multipart-manifest") == "put":
                raise refuse(405, "Multipart Manifest PUTs cannot be COPY requests")
            return await self.copies.copy_from(ask, entry, account, container, name)
        spot = await self.lookup.look(ask, entry, account, container, name)
        assert spot.container is not None
        check_object_name(name)
        coding = ask.header("transfer-encoding").lower()
        if coding and coding != "chunked":
            raise refuse(501, f"The transfer coding {coding[:64]!r} is not implemented.")
        if ask.length is None and not coding:
            raise refuse(411, "Missing Content-Length header.")
        if ask.query.get("version-id"):
            return await self.restore(ask, entry, account, spot.container, name, ask.query["version-id"])
        check = self.writes.check_new(ask)
        if check is not None:
            check(spot.object)
        new = self.writes.described(ask, name)
        if ask.query.get("multipart-manifest") == "put":
            return await self.large.put_manifest(ask, entry, account, spot.container, new, check)
        target = self.links.target(ask, account, container, name)
        if target is not None:
            return await self.links.put(ask, entry, spot.container, new, target, check)
        self.writes.quota_ahead(spot, ask.length or 0)
        got = await self.desk.bodies.receive(ask.body(), expected=ask.length)
        wanted = ask.headers.get("etag", "").strip().strip('"').lower()
        if wanted and wanted != got.md5:
            await self.writes.thrown_away(got)
            raise Answered(
                page(422, f"The body's MD5 is {got.md5}, the Etag header said {wanted[:64]}; nothing was kept.")
            )
        return created(await self.writes.store(spot.container.id, new, got, check))

    async def restore(
        self, ask: Ask, entry: Entry, account: str, container: model.Container, name: str, version: str
    ) -> Reply:
        """PUT ?version-id=: an old version is the newest again."""
        if version == "null":
            raise refuse(400, "Invalid version parameter")
        self.lookup.versioned(entry, account, container, version)
        if ask.length:
            raise refuse(400, "PUT version-id requests require a zero byte body")
        async for chunk in ask.body():
            if chunk:
                raise refuse(400, "PUT version-id requests require a zero byte body")
        id, now, desk = container.id, self.desk.now(), self.desk
        try:
            return created(
                await desk.commits.write(lambda tx: actions.restore(tx, id, name, version, now, desk.wake_trash))
            )
        except NotFound as e:
            raise refuse(404, e.message) from None

    # -- POST ------------------------------------------------------------------------------------------------------

    async def post(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        if "x-symlink-target" in ask.headers:
            raise refuse(400, "A PUT request is required to set a symlink target")
        spot = await self.lookup.look(ask, entry, account, container, name)
        assert spot.container is not None
        if ask.query.get("version-id"):
            raise refuse(400, "POST to a specific version is not allowed")
        o = self.lookup.alive(ask, spot.object)
        if o is None:
            raise NotFound("The resource could not be found.")
        meta = object_meta(ask)
        values: dict[str, Any] = {"meta": meta, "delete_at": self.writes.delete_at(ask)}
        if ask.headers.get("content-type"):
            values["content_type"] = ask.headers["content-type"]

        def update(old: model.Object) -> dict[str, Any]:
            if old.kind == "slo":
                meta.pop("x-object-manifest", None)
            return values

        id, now = spot.container.id, self.desk.now()
        fresh = await self.desk.commits.write_short(lambda tx: actions.change(tx, id, name, now, update))
        if fresh.kind == "link":
            return moved(ask, fresh)
        reply = page(202, "The request is accepted for processing.")
        if not fresh.unversioned:
            reply.headers["x-object-version-id"] = fresh.version
        return reply

    # -- DELETE ----------------------------------------------------------------------------------------------------

    async def delete(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        version = ask.query.get("version-id") or None
        if ask.query.get("multipart-manifest") == "delete":
            await self.lookup.look(ask, entry, account, container, name)
            return await self.large.delete_all(ask, entry, account, container, name, version)
        if_at = ask.headers.get("x-if-delete-at")
        if if_at is not None and not whole_number(if_at):
            raise refuse(400, "Bad X-If-Delete-At header value")
        spot = await self.lookup.look(ask, entry, account, container, name)
        assert spot.container is not None
        if if_at is not None:
            if spot.object is None:
                raise NotFound("The resource could not be found.")
            if spot.object.delete_at != int(if_at):
                raise Precondition("X-If-Delete-At and X-Delete-At do not match")
        if version is not None:
            self.lookup.versioned(entry, account, spot.container, version)
        removed = await self.writes.remove(spot.container.id, name, version, at=ask.notes.get("sync_at"))
        reply = page(204) if removed.found else page(404, "The resource could not be found.")
        if removed.marker or version is not None:
            reply.headers["x-object-version-id"] = removed.version
        if version is not None:
            reply.headers["x-object-current-version-id"] = removed.current
        return reply

    # -- COPY ------------------------------------------------------------------------------------------------------

    async def copy(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        return await self.copies.copy(ask, entry, account, container, name)


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
