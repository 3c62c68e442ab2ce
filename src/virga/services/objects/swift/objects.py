# SPDX-License-Identifier: Apache-2.0
"""Objects: PUT, GET, HEAD, POST, DELETE, COPY, with large objects, links and versions where they come up."""

from __future__ import annotations

import mimetypes
from typing import Any
from urllib.parse import quote

from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.bodies import Received, extents_of
from virga.services.objects.desk import Desk
from virga.services.objects.exchange import (
    Answered,
    Ask,
    Precondition,
    Reply,
    check_conditions,
    etags,
    http_date,
    ranged,
    ranges,
    unquote,
)
from virga.services.objects.store import objects as rows
from virga.services.objects.store import places
from virga.services.objects.swift import sync
from virga.services.objects.swift.entry import Entry, unauthorized
from virga.services.objects.swift.large import Large, Whole
from virga.services.objects.swift.places import check_meta, check_meta_total, yes
from virga.services.objects.swift.replies import page, refuse

KEPT = (
    "content-disposition", "content-encoding", "cache-control", "content-language", "expires", "x-robots-tag", "x-object-manifest",
)  # fmt: skip
LINK_HOPS = 2


class Objects:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.large = Large(desk, self)

    # -- finding ---------------------------------------------------------------------------------------------------

    async def look(self, ask: Ask, entry: Entry, account: str, container: str, name: str, *, method: str | None = None) -> places.Spot:
        """What is there, once the caller may `method` it."""
        small: list[bytes] = []
        want = method == "GET" and ask.method == "GET"

        def read(tx: Tx) -> places.Spot:
            spot = places.look(tx, account, container, name, with_account=False)
            if want and spot.object is not None and spot.object.body is not None and spot.object.body[0] == "i":
                small.append(self.desk.bodies.small(tx, spot.object.body))
            return spot

        spot = await self.desk.commits.read(read)
        if small and spot.object is not None:
            ask.notes["small"] = (spot.object.body, small[0])
        await entry.allow(ask, account, spot.container, name, method=method, container_name=container)
        if spot.container is None:
            raise NotFound("The resource could not be found.")
        return spot

    async def found(
        self, ask: Ask, entry: Entry, account: str, container: str, name: str, version: str | None = None
    ) -> tuple[model.Container, model.Object]:
        """A live object, readable by the caller."""
        spot = await self.look(ask, entry, account, container, name, method="GET")
        assert spot.container is not None
        o = spot.object
        if version is not None:
            o = await self.desk.commits.read(lambda tx: actions.find(tx, spot.object, spot.container, name, version))  # type: ignore[arg-type]
        o = actions.alive(o, self.desk.now())
        if o is None or o.kind == model.MARKER:
            raise NotFound("The resource could not be found.")
        return spot.container, o

    # -- GET and HEAD ----------------------------------------------------------------------------------------------

    async def get(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        version = ask.query.get("version-id")
        if version is not None:
            check_version(version)
        _, o = await self.found(ask, entry, account, container, name, version)
        location = ""
        if o.kind == "link" and ask.query.get("symlink") != "get":
            account, container, o, location = await self.follow(ask, entry, o)
        headers = object_headers(o)
        if location:
            headers["content-location"] = location
        if version is not None or not o.unversioned:
            headers["x-object-version-id"] = "null" if o.unversioned else o.version
        raw_manifest = ask.query.get("multipart-manifest") == "get"
        if o.kind == "slo":
            headers["x-static-large-object"] = "True"
            if raw_manifest:
                return await self.large.manifest(ask, o, headers)
            headers["x-manifest-etag"] = o.own("manifest_md5", "")
        if o.kind == "slo" or ("x-object-manifest" in o.meta and not raw_manifest):
            whole = await self.large.whole(ask, entry, account, o)
            headers["etag"] = f'"{whole.etag}"' if whole.etag else ""
            return await self.answer(ask, headers, whole, [whole.etag] if whole.etag else [], o.changed)
        if o.kind == "link":
            headers["content-length"] = "0"
            return Reply(200, headers)
        tags = [o.etag]
        if ask.header("x-trust-app-etag"):
            tags.append(ask.header("x-trust-app-etag"))
        body, data = ask.notes.get("small", (None, b""))
        if body == o.body and ask.method == "GET" and "range" not in ask.headers and check_conditions(ask, tags, o.changed):
            return Reply(200, headers | {"accept-ranges": "bytes"}, data)
        return await self.answer(
            ask, headers, Whole(o.size, o.etag, lambda s, n: self.desk.bodies.open(extents_of(o, s, n))), tags, o.changed
        )

    async def answer(self, ask: Ask, headers: dict[str, str], whole: Whole, tags: list[str], changed: float) -> Reply:
        """Conditions, ranges, and the bytes."""
        if not check_conditions(ask, tags, changed):
            return Reply(304, {k: v for k, v in headers.items() if k not in {"content-length", "content-type"}})
        headers["accept-ranges"] = "bytes"
        content_type = headers["content-type"]
        wanted = ranges(ask.headers.get("range"), whole.size)
        if wanted is not None and "if-range" in ask.headers:
            value = ask.headers["if-range"]
            wanted = wanted if etags(value)[:1] == tags[:1] or value == headers.get("last-modified") else None
        if wanted is not None and whole.size is not None:
            if not wanted:
                reply = page(416, "The Range requested is not available.")
                reply.headers |= {"content-range": f"bytes */{whole.size}", "accept-ranges": "bytes", "etag": headers.get("etag", "")}
                return reply
            if ask.method == "HEAD":
                return Reply(200, headers, length=whole.size)
            more, stream, length = await ranged(whole.open, wanted, whole.size, content_type)
            return Reply(206, headers | more, stream=stream, length=length)
        if ask.method == "HEAD":
            return Reply(200, headers, length=whole.size)
        if whole.size == 0:
            return Reply(200, headers, length=0)
        return Reply(200, headers, stream=await whole.open(0, whole.size), length=whole.size)

    async def follow(self, ask: Ask, entry: Entry, o: model.Object) -> tuple[str, str, model.Object, str]:
        """From a link to what it means; each hop is checked against the target's own access list."""
        for _ in range(LINK_HOPS):
            t = o.own("target", {})
            account, container, name = t["account"], t["container"], t["object"]
            try:
                _, o = await self.found(ask, entry, account, container, name)
            except NotFound:
                reply = page(404, "The target of the link does not exist.")
                reply.headers["content-location"] = f"/v1/{quote(account)}/{quote(container)}/{quote(name)}"
                raise Answered(reply) from None
            if t.get("etag") and t["etag"] != (o.own("slo_etag") if o.kind == "slo" else o.etag) and t["etag"] != o.own("manifest_md5"):
                raise Conflict("X-Symlink-Target-Etag headers do not match: the target changed since the link was made.")
            if o.kind != "link":
                return account, container, o, f"/v1/{quote(account)}/{quote(container)}/{quote(name)}"
        raise Conflict(f"Too many levels of symbolic links, maximum allowed is {LINK_HOPS}")

    # -- PUT -------------------------------------------------------------------------------------------------------

    async def put(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        if "x-copy-from" in ask.headers:
            return await self.copy_from(ask, entry, account, container, name)
        spot = await self.look(ask, entry, account, container, name)
        assert spot.container is not None
        check_object_name(name)
        if ask.length is None and "chunked" not in ask.header("transfer-encoding").lower():
            raise refuse(411, "Missing Content-Length header.")
        if ask.query.get("multipart-manifest") == "put":
            return await self.large.put_manifest(ask, entry, account, spot.container, name)
        new = self.described(ask, name)
        only_new = self._only_new(ask)
        if only_new and actions.alive(spot.object, self.desk.now()) is not None:
            raise Precondition("The object exists already.")
        target = self.link_target(ask, account, container, name)
        if target is not None:
            return await self.put_link(ask, entry, spot.container, new, target)
        self.quota_ahead(spot, ask.length or 0)
        got = await self.desk.bodies.receive(ask.body(), expected=ask.length)
        wanted = ask.headers.get("etag", "").strip().strip('"').lower()
        if wanted and wanted != got.md5:
            await self.thrown_away(got)
            raise Answered(page(422, f"The body's MD5 is {got.md5}, the Etag header said {wanted[:64]}; nothing was kept."))
        o = await self.commit(spot.container.id, new, got, self._check_new() if only_new else None)
        return self.created(o)

    def _only_new(self, ask: Ask) -> bool:
        text = ask.headers.get("if-none-match")
        if text is None:
            return False
        if text.strip() != "*":
            raise Invalid("If-None-Match only supports *", field="If-None-Match")
        return True

    def _check_new(self) -> actions.Check:
        now = self.desk.now()

        def check(old: model.Object | None) -> None:
            if actions.alive(old, now) is not None:
                raise Precondition("The object exists already.")

        return check

    async def thrown_away(self, got: Received) -> None:
        if got.body[0] == "b":
            await self.desk.bodies._off(self.desk.bodies.discard, got)

    async def commit(self, container_id: int, new: actions.New, got: Received, check: actions.Check | None = None) -> model.Object:
        """Row and body, in one commit."""
        new.size, new.body, new.data = got.size, got.body, got.data
        if not new.etag:
            new.etag = got.md5
        desk = self.desk
        now = desk.now()
        if new.at is not None and check is None:
            check = sync.newest(new.at, 202)
        try:
            return await desk.commits.write(lambda tx: actions.put(tx, container_id, new, now, desk.wake_trash, check))
        except BaseException:
            await self.thrown_away(got)
            raise

    def created(self, o: model.Object, etag: str | None = None) -> Reply:
        headers = {
            "content-type": "text/html; charset=UTF-8",
            "etag": etag or o.etag,
            "last-modified": http_date(-(-o.changed // 1)),
            "x-timestamp": model.timestamp(o.created),
        }
        if not o.unversioned:
            headers["x-object-version-id"] = o.version
        return Reply(201, headers)

    @staticmethod
    def quota_ahead(spot: places.Spot, size: int) -> None:
        """Refuse before the bytes travel, where the container's own quota is enough to know."""
        c = spot.container
        if c is not None and c.meta.get("quota-bytes") and size > int(c.meta["quota-bytes"]):
            raise refuse(413, "Upload exceeds quota.")

    def described(self, ask: Ask, name: str) -> actions.New:
        """What the headers say of the object."""
        content_type = ask.headers.get("content-type") if not yes(ask.headers.get("x-detect-content-type")) else None
        if not content_type:
            content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        meta = object_meta(ask)
        manifest = meta.get("x-object-manifest")
        if manifest is not None:
            value = unquote(manifest)
            c, _, prefix = value.partition("/")
            if not c or not prefix or "?" in value or "&" in value or prefix.startswith("/"):
                raise Invalid("X-Object-Manifest must be in the format container/prefix", field="X-Object-Manifest")
        return actions.New(name, 0, "", content_type, meta=meta, delete_at=self.delete_at(ask), at=ask.notes.get("sync_at"))

    def delete_at(self, ask: Ask) -> int | None:
        now = self.desk.now()
        after, at = ask.headers.get("x-delete-after"), ask.headers.get("x-delete-at")
        if after is not None and after != "":
            if not after.isdigit() or len(after) > 12:
                raise refuse(400, "Non-integer X-Delete-After")
            if int(after) == 0:
                raise refuse(400, "X-Delete-After in past")
            return int(now) + int(after)
        if at is not None and at != "":
            if not at.isdigit() or len(at) > 12:
                raise refuse(400, "Non-integer X-Delete-At")
            if int(at) <= now:
                raise refuse(400, "X-Delete-At in past")
            return int(at)
        return None

    def link_target(self, ask: Ask, account: str, container: str, name: str) -> dict[str, Any] | None:
        raw = ask.headers.get("x-symlink-target")
        if raw is None:
            if "x-symlink-target-account" in ask.headers or "x-symlink-target-etag" in ask.headers:
                raise refuse(400, "X-Symlink-Target is missing.")
            return None
        target = unquote(raw)
        c, slash, o = target.partition("/")
        if not c or not o or target.startswith("/") or not slash:
            raise Precondition("X-Symlink-Target header must be of the form <container name>/<object name>")
        where = unquote(ask.headers.get("x-symlink-target-account", "")) or account
        if "/" in where:
            raise Precondition("Account name cannot contain slashes")
        if (where, c, o) == (account, container, name):
            raise refuse(400, "Symlink cannot target itself")
        return {"account": where, "container": c, "object": o} | (
            {"etag": ask.headers["x-symlink-target-etag"].strip('"')} if ask.headers.get("x-symlink-target-etag") else {}
        )

    async def put_link(self, ask: Ask, entry: Entry, container: model.Container, new: actions.New, target: dict[str, Any]) -> Reply:
        async for chunk in ask.body():
            if chunk:
                raise refuse(400, "Symlink requests require a zero byte body")
        if target.get("etag"):
            _, o = await self.found(ask, entry, target["account"], target["container"], target["object"])
            if target["etag"] not in {o.etag, o.own("manifest_md5"), o.own("slo_etag")}:
                raise Conflict(f"Object Etag {o.etag!r} does not match X-Symlink-Target-Etag header {target['etag']!r}")
            target |= {"bytes": o.size}
        new.kind, new.control = "link", {"target": target}
        if "content-type" not in ask.headers:
            new.content_type = "application/symlink"
        return self.created(await self.commit(container.id, new, self.desk.bodies.keep(b"")))

    # -- POST ------------------------------------------------------------------------------------------------------

    async def post(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        spot = await self.look(ask, entry, account, container, name)
        if spot.container is None or actions.alive(spot.object, self.desk.now()) is None:
            raise NotFound("The resource could not be found.")
        o = spot.object
        assert o is not None
        if o.kind == "link" and ask.query.get("symlink") != "get":
            t = o.own("target")
            reply = page(307, "The requested POST was applied to a symlink. POST directly to the target to apply requested metadata.")
            reply.headers["location"] = f"{ask.mount}/v1/{quote(t['account'])}/{quote(t['container'])}/{quote(t['object'])}"
            return reply
        if any(h.startswith("x-symlink-target") for h in ask.headers):
            raise refuse(400, "A PUT request is required to set a symlink target")
        meta = object_meta(ask)
        values: dict[str, Any] = {"meta": meta, "delete_at": self.delete_at(ask)}
        if ask.headers.get("content-type"):
            values["content_type"] = ask.headers["content-type"]

        def update(old: model.Object) -> dict[str, Any]:
            if old.kind == "slo":
                meta.pop("x-object-manifest", None)
            return values

        id, now = spot.container.id, self.desk.now()
        fresh = await self.desk.commits.write(lambda tx: actions.change(tx, id, name, now, update))
        reply = page(202, "The request is accepted for processing.")
        if not fresh.unversioned:
            reply.headers["x-object-version-id"] = fresh.version
        return reply

    # -- DELETE ----------------------------------------------------------------------------------------------------

    async def delete(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        spot = await self.look(ask, entry, account, container, name)
        assert spot.container is not None
        if ask.query.get("multipart-manifest") == "delete":
            return await self.large.delete_all(ask, entry, account, container, name)
        version = ask.query.get("version-id")
        if version is not None:
            check_version(version)
            if not entry.owns(account):
                raise (
                    unauthorized(account)
                    if not entry.actor.user_id
                    else Answered(page(403, "Only the account's owner removes old versions."))
                )
        removed = await self.remove(spot.container.id, name, version, existed=actions.alive(spot.object, self.desk.now()) is not None,
                                    at=ask.notes.get("sync_at"))  # fmt: skip
        reply = page(204)
        if removed.marker or version is not None:
            reply.headers["x-object-version-id"] = removed.version
            if version is None and not removed.marker:
                reply.headers.pop("x-object-version-id")
        return reply

    async def remove(
        self, container_id: int, name: str, version: str | None = None, *, existed: bool = True, at: float | None = None
    ) -> actions.Removed:
        desk = self.desk
        now = desk.now()

        def run(tx: Tx) -> actions.Removed:
            if version is not None:
                return actions.delete_version(tx, container_id, name, version, now, desk.wake_trash)
            return actions.delete(tx, container_id, name, now, desk.wake_trash, check=check, at=at)

        def check(old: model.Object | None) -> None:
            if at is not None:
                sync.newest(at, 409)(old)
            if old is not None and actions.alive(old, now) is None:
                raise NotFound("The resource could not be found.")

        return await desk.commits.write(run)

    # -- COPY ------------------------------------------------------------------------------------------------------

    async def copy(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        """COPY: to Destination (and Destination-Account)."""
        if "destination" not in ask.headers:
            raise Precondition("Destination header required")
        to_account = unquote(ask.headers.get("destination-account", "")) or account
        to = unquote(ask.headers["destination"]).lstrip("/")
        c, _, o = to.partition("/")
        if not c or not o:
            raise Precondition("Destination header must be of the form <container name>/<object name>")
        return await self._copy(ask, entry, (account, container, name), (to_account, c, o))

    async def copy_from(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        """PUT with X-Copy-From (and X-Copy-From-Account)."""
        if ask.length:
            raise refuse(400, "Copy requests require a zero byte body")
        raw = ask.headers["x-copy-from"]
        path, _, query = raw.partition("?")
        source = unquote(path).lstrip("/")
        c, _, o = source.partition("/")
        if not c or not o:
            raise Precondition("X-Copy-From header must be of the form <container name>/<object name>")
        if query:
            from virga.services.objects.exchange import parse_query

            ask.query = parse_query(query) | ask.query
        from_account = unquote(ask.headers.get("x-copy-from-account", "")) or account
        return await self._copy(ask, entry, (from_account, c, o), (account, container, name))

    async def _copy(self, ask: Ask, entry: Entry, source: tuple[str, str, str], to: tuple[str, str, str]) -> Reply:
        spot = await self.look(ask, entry, *to, method="PUT")
        assert spot.container is not None
        check_object_name(to[2])
        account, _container, old = source[0], source[1], None
        version = ask.query.get("version-id")
        _, old = await self.found(ask, entry, *source, version)
        location = f"{quote(source[1])}/{quote(source[2])}"
        as_link = old.kind == "link" and ask.query.get("symlink") == "get"
        if old.kind == "link" and not as_link:
            account, _container, old, _ = await self.follow(ask, entry, old)
        as_manifest = old.kind == "slo" and ask.query.get("multipart-manifest") == "get"
        new = actions.New(to[2], old.size, "", old.content_type)
        if "content-type" in ask.headers:
            new.content_type = ask.headers["content-type"]
        own = object_meta(ask)
        if yes(ask.headers.get("x-fresh-metadata")):
            new.meta, new.delete_at = own, self.delete_at(ask)
        else:
            new.meta = dict(old.meta) | own
            new.delete_at = self.delete_at(ask) or old.delete_at
        check_meta_total({k: v for k, v in new.meta.items() if k.startswith("x-object-meta-")})
        if not check_conditions(self._source_conditions(ask), [old.etag], old.changed):
            raise Precondition("The source does not fit the conditions.")
        is_dlo = "x-object-manifest" in old.meta
        if as_link:
            new.kind, new.control = "link", old.control
            got = self.desk.bodies.keep(b"")
        elif (old.kind == "slo" and not as_manifest) or (is_dlo and ask.query.get("multipart-manifest") != "get"):
            new.meta.pop("x-object-manifest", None) if "x-object-manifest" not in own else None
            whole = await self.large.whole(ask, entry, account, old)
            got = await self.desk.bodies.receive(await whole.open(0, whole.size), expected=whole.size)
        else:
            if as_manifest:
                new.kind, new.control, new.etag = "slo", old.control, old.etag
            got = await self.desk.bodies.receive(await self.desk.bodies.open(extents_of(old)), expected=None)
        o = await self.commit(spot.container.id, new, got, self._check_new() if self._only_new(ask) else None)
        reply = self.created(o)
        reply.headers |= {
            "x-copied-from": location, "x-copied-from-account": quote(source[0]), "x-copied-from-last-modified": http_date(-(-old.changed // 1)),
        }  # fmt: skip
        reply.headers |= {k: v for k, v in o.meta.items() if k.startswith("x-object-meta-")}
        return reply

    @staticmethod
    def _source_conditions(ask: Ask) -> Ask:
        import dataclasses

        return dataclasses.replace(ask, headers={k: v for k, v in ask.headers.items() if k != "if-none-match" or v.strip() != "*"})

    async def segment_rows(self, account: str, container: str, prefix: str) -> tuple[model.Container | None, list[model.Object]]:
        """DLO: the objects whose names begin with `prefix`, in order."""

        def read(tx: Tx) -> tuple[model.Container | None, list[model.Object]]:
            c = places.container_row(tx, account, container)
            return c, [] if c is None else rows.first_names(tx, c.id, model.LISTING, prefix)

        return await self.desk.commits.long_read(read)


def object_meta(ask: Ask) -> dict[str, str]:
    """Metadata and the kept headers of a request, by their whole names; the limits are checked."""
    out: dict[str, str] = {}
    for name, value in ask.headers.items():
        if name.startswith("x-object-meta-"):
            check_meta(name[14:], value)
            out[name] = value
    check_meta_total({k[14:]: v for k, v in out.items()})
    for name in KEPT:
        if ask.headers.get(name):
            value = ask.headers[name]
            if name == "content-encoding" and "aws-chunked" in value:
                continue
            out[name] = value
    if ask.headers.get("x-object-meta-", None) is not None:
        raise refuse(400, "Metadata name cannot be empty")
    return out


def object_headers(o: model.Object) -> dict[str, str]:
    headers = {
        "content-type": o.content_type, "etag": o.etag, "last-modified": http_date(-(-o.changed // 1)), "x-timestamp": model.timestamp(o.created),
    }  # fmt: skip
    headers |= o.meta
    if o.delete_at is not None:
        headers["x-delete-at"] = str(o.delete_at)
    if o.kind == "link":
        t = o.own("target")
        headers["x-symlink-target"] = f"{quote(t['container'])}/{quote(t['object'])}"
        headers["x-symlink-target-account"] = quote(t["account"])
        if t.get("etag"):
            headers["x-symlink-target-etag"] = t["etag"]
    return headers


def check_object_name(name: str) -> None:
    if len(name.encode()) > model.MAX_NAME:
        raise refuse(400, f"Object name length of {len(name.encode())} longer than {model.MAX_NAME}")
    if not name:
        raise Invalid("The object's name is empty", field="name")


def check_version(version: str) -> None:
    digits = version.replace(".", "", 1)
    if version != "null" and not (digits.isdigit() and len(version) <= 24):
        raise refuse(400, "Invalid version parameter")
