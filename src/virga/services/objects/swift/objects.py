# SPDX-License-Identifier: Apache-2.0
"""Objects: PUT, GET, HEAD, POST, DELETE, COPY, with large objects, links and versions where they come up."""

from __future__ import annotations

import mimetypes
from typing import Any
from urllib.parse import quote

from virga.ground.db.engine import Tx
from virga.ground.errors import Invalid, NotFound
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
    parse_date,
    ranged,
    ranges,
    unquote,
)
from virga.services.objects.store import objects as rows
from virga.services.objects.store import places
from virga.services.objects.swift import sync
from virga.services.objects.swift.copies import Copies
from virga.services.objects.swift.entry import Entry, unauthorized
from virga.services.objects.swift.large import Large, Whole
from virga.services.objects.swift.links import Links, moved
from virga.services.objects.swift.metadata import check_meta, check_meta_total, is_version, yes
from virga.services.objects.swift.replies import page, refuse

KEPT = (
    "content-disposition",
    "content-encoding",
    "cache-control",
    "content-language",
    "expires",
    "x-robots-tag",
    "x-object-manifest",
)
LAST_SECOND = 9_999_999_999
"""The last second that upstream's timestamps have: what is to expire later expires then."""


class Objects:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.large, self.links, self.copies = Large(desk, self), Links(desk, self), Copies(desk, self)

    # -- finding ---------------------------------------------------------------------------------------------------

    async def look(
        self, ask: Ask, entry: Entry, account: str, container: str, name: str, *, method: str | None = None
    ) -> places.Spot:
        """What is there, once the caller may `method` it."""
        small: list[bytes] = []
        want = method == "GET" and ask.method == "GET"

        quoter = self.desk.settings.etag_quoter

        def read(tx: Tx) -> places.Spot:
            spot = places.look(tx, account, container, name, with_account=quoter)
            o = spot.object
            if want and o is not None and o.body is not None and o.body[0] == "i" and not o.own("sealed"):
                small.append(self.desk.bodies.small(tx, o.body))
            return spot

        spot = await self.desk.commits.read(read)
        if small and spot.object is not None:
            ask.notes["small"] = (spot.object.body, small[0])
        if quoter and "quoted" not in ask.notes:
            said = [c.control.get("etags") for c in (spot.container, spot.account) if c is not None]
            ask.notes["quoted"] = next((s for s in said if s is not None), self.desk.settings.etag_quoter_default)
        await entry.allow(ask, account, spot.container, name, method=method, container_name=container)
        if spot.container is None:
            raise NotFound("The resource could not be found.")
        return spot

    async def found(
        self, ask: Ask, entry: Entry, account: str, container: str, name: str, version: str | None = None
    ) -> tuple[model.Container, model.Object]:
        """A live object, readable by the caller; a version of it only by the account's owner."""
        spot = await self.look(ask, entry, account, container, name, method="GET")
        assert spot.container is not None
        o = spot.object
        if version is not None and version != "null":
            self.versioned(entry, account, spot.container, version)
            old = await self.desk.commits.read(
                lambda tx: actions.find_numbered(tx, spot.object, spot.container, name, version)  # type: ignore[arg-type]
            )
            if old.kind == model.MARKER:
                raise Answered(Reply(404, {"content-type": old.content_type, "x-object-version-id": version}))
            return spot.container, old
        o = self.alive(ask, o)
        if o is None or o.kind == model.MARKER or (version == "null" and not o.unversioned):
            raise NotFound("The resource could not be found.")
        return spot.container, o

    async def follow(self, ask: Ask, entry: Entry, o: model.Object) -> tuple[str, str, model.Object, str]:
        """From a link to what it means."""
        return await self.links.follow(ask, entry, o)

    @staticmethod
    def versioned(entry: Entry, account: str, container: model.Container, version: str) -> None:
        """Raise unless the caller may name versions here: they are the owner's alone, as if they lay in a container of their own."""
        if version != "null" and not (container.control or {}).get("versioning"):
            raise refuse(400, "version-aware operations require that the container is versioned")
        check_version(version)
        if not entry.owns(account):
            raise (
                unauthorized(account)
                if not entry.actor.user_id
                else Answered(page(403, "Only the account's owner names versions."))
            )

    def alive(self, ask: Ask, o: model.Object | None) -> model.Object | None:
        """The object unless its time has passed; X-Open-Expired opens it all the same, where that is switched on."""
        if self.desk.settings.open_expired and yes(ask.headers.get("x-open-expired")):
            return o
        return actions.alive(o, self.desk.now())

    # -- GET and HEAD ----------------------------------------------------------------------------------------------

    async def get(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        version = ask.query.get("version-id") or None
        c, o = await self.found(ask, entry, account, container, name, version)
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
            return await self.answer(ask, headers, whole, [whole.etag] if whole.etag else [], o.changed)
        tags = [o.etag]
        if ask.header("x-trust-app-etag"):
            tags.append(ask.header("x-trust-app-etag"))
        body, data = ask.notes.get("small", (None, b""))
        if body == o.body and ask.method == "GET" and "range" not in ask.headers and fresh(ask, tags, o.changed) == 200:
            return Reply(200, headers | {"accept-ranges": "bytes"}, data)
        return await self.answer(
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

    async def answer(self, ask: Ask, headers: dict[str, str], whole: Whole, tags: list[str], changed: float) -> Reply:
        """Conditions, ranges, and the bytes."""
        headers["accept-ranges"] = "bytes"
        code = fresh(ask, tags, changed)
        if code == 304:
            return Reply(304, {k: v for k, v in headers.items() if k not in {"content-length", "content-type"}})
        if code == 412:
            return Reply(412, headers, length=0)
        content_type = headers["content-type"]
        wanted = ranges(ask.headers.get("range"), whole.size)
        if wanted is not None and "if-range" in ask.headers:
            value = ask.headers["if-range"]
            wanted = wanted if etags(value)[:1] == tags[:1] or value == headers.get("last-modified") else None
        if wanted is not None and whole.size is not None:
            if not wanted:
                reply = page(416, "The Range requested is not available.")
                reply.headers |= {
                    "content-range": f"bytes */{whole.size}",
                    "accept-ranges": "bytes",
                    "etag": headers.get("etag", ""),
                }
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

    # -- PUT -------------------------------------------------------------------------------------------------------

    async def put(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        if "x-copy-from" in ask.headers:
            if ask.query.get("multipart-manifest") == "put":
                raise refuse(405, "Multipart Manifest PUTs cannot be COPY requests")
            return await self.copies.copy_from(ask, entry, account, container, name)
        spot = await self.look(ask, entry, account, container, name)
        assert spot.container is not None
        check_object_name(name)
        coding = ask.header("transfer-encoding").lower()
        if coding and coding != "chunked":
            raise refuse(501, f"The transfer coding {coding[:64]!r} is not implemented.")
        if ask.length is None and not coding:
            raise refuse(411, "Missing Content-Length header.")
        if ask.query.get("version-id"):
            return await self.restore(ask, entry, account, spot.container, name, ask.query["version-id"])
        check = self.check_new(ask)
        if check is not None:
            check(spot.object)
        new = self.described(ask, name)
        if ask.query.get("multipart-manifest") == "put":
            return await self.large.put_manifest(ask, entry, account, spot.container, new, check)
        target = self.links.target(ask, account, container, name)
        if target is not None:
            return await self.links.put(ask, entry, spot.container, new, target, check)
        self.quota_ahead(spot, ask.length or 0)
        got = await self.desk.bodies.receive(ask.body(), expected=ask.length)
        wanted = ask.headers.get("etag", "").strip().strip('"').lower()
        if wanted and wanted != got.md5:
            await self.thrown_away(got)
            raise Answered(
                page(422, f"The body's MD5 is {got.md5}, the Etag header said {wanted[:64]}; nothing was kept.")
            )
        return self.created(await self.store(spot.container.id, new, got, check))

    async def restore(
        self, ask: Ask, entry: Entry, account: str, container: model.Container, name: str, version: str
    ) -> Reply:
        """PUT ?version-id=: an old version is the newest again."""
        if version == "null":
            raise refuse(400, "Invalid version parameter")
        self.versioned(entry, account, container, version)
        if ask.length:
            raise refuse(400, "PUT version-id requests require a zero byte body")
        async for chunk in ask.body():
            if chunk:
                raise refuse(400, "PUT version-id requests require a zero byte body")
        id, now, desk = container.id, self.desk.now(), self.desk
        try:
            return self.created(
                await desk.commits.write(lambda tx: actions.restore(tx, id, name, version, now, desk.wake_trash))
            )
        except NotFound as e:
            raise refuse(404, e.message) from None

    def check_new(self, ask: Ask) -> actions.Check | None:
        """What the write must look at when the target may not exist yet."""
        text = ask.headers.get("if-none-match")
        if text is None:
            return None
        if text.strip() != "*":
            if ask.method == "COPY" or "x-copy-from" in ask.headers:
                return None
            raise Invalid("If-None-Match only supports *", field="If-None-Match")
        now = self.desk.now()

        def check(old: model.Object | None) -> None:
            if actions.alive(old, now) is not None:
                raise Precondition("The object exists already.")

        return check

    async def thrown_away(self, got: Received) -> None:
        if got.body[0] == "b":
            await self.desk.bodies._off(self.desk.bodies.discard, got)

    async def commit(
        self,
        container_id: int,
        new: actions.New,
        got: Received,
        check: actions.Check | None = None,
        *,
        numbered: bool = False,
    ) -> model.Object:
        """Row and body, in one commit. `numbered`: Swift's way with versions, as `actions.put` says."""
        new.size, new.body, new.data = got.size, got.body, got.data
        if not new.etag:
            new.etag = got.md5
        desk = self.desk
        now = desk.now()
        if new.at is not None and check is None:
            check = sync.newest(new.at, 202)
        async with desk.bodies.offered(got):
            return await desk.commits.write_short(
                lambda tx: actions.put(tx, container_id, new, now, desk.wake_trash, check, numbered=numbered)
            )

    async def store(
        self, container_id: int, new: actions.New, got: Received, check: actions.Check | None = None
    ) -> model.Object:
        """Row and body, in one commit, with versions as Swift has them."""
        return await self.commit(container_id, new, got, check, numbered=True)

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
        return actions.New(
            name, 0, "", content_type, meta=meta, delete_at=self.delete_at(ask), at=ask.notes.get("sync_at")
        )

    def delete_at(self, ask: Ask) -> int | None:
        now = self.desk.now()
        after, at = ask.headers.get("x-delete-after"), ask.headers.get("x-delete-at")
        if after is not None and after != "":
            if not whole_number(after):
                raise refuse(400, "Non-integer X-Delete-After")
            if int(after) == 0:
                raise refuse(400, "X-Delete-After in past")
            return min(int(now) + int(after), LAST_SECOND)
        if at is not None and at != "":
            if not whole_number(at):
                raise refuse(400, "Non-integer X-Delete-At")
            if int(at) <= now:
                raise refuse(400, "X-Delete-At in past")
            return min(int(at), LAST_SECOND)
        return None

    # -- POST ------------------------------------------------------------------------------------------------------

    async def post(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        if "x-symlink-target" in ask.headers:
            raise refuse(400, "A PUT request is required to set a symlink target")
        spot = await self.look(ask, entry, account, container, name)
        assert spot.container is not None
        if ask.query.get("version-id"):
            raise refuse(400, "POST to a specific version is not allowed")
        o = self.alive(ask, spot.object)
        if o is None:
            raise NotFound("The resource could not be found.")
        meta = object_meta(ask)
        values: dict[str, Any] = {"meta": meta, "delete_at": self.delete_at(ask)}
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
            await self.look(ask, entry, account, container, name)
            return await self.large.delete_all(ask, entry, account, container, name, version)
        if_at = ask.headers.get("x-if-delete-at")
        if if_at is not None and not whole_number(if_at):
            raise refuse(400, "Bad X-If-Delete-At header value")
        spot = await self.look(ask, entry, account, container, name)
        assert spot.container is not None
        if if_at is not None:
            if spot.object is None:
                raise NotFound("The resource could not be found.")
            if spot.object.delete_at != int(if_at):
                raise Precondition("X-If-Delete-At and X-Delete-At do not match")
        if version is not None:
            self.versioned(entry, account, spot.container, version)
        removed = await self.remove(spot.container.id, name, version, at=ask.notes.get("sync_at"))
        reply = page(204) if removed.found else page(404, "The resource could not be found.")
        if removed.marker or version is not None:
            reply.headers["x-object-version-id"] = removed.version
        if version is not None:
            reply.headers["x-object-current-version-id"] = removed.current
        return reply

    async def remove(
        self, container_id: int, name: str, version: str | None = None, *, at: float | None = None
    ) -> actions.Removed:
        """Take the newest away, or one version for good. `at`: the time of the deletion, where another cluster tells of it. Raises
        NotFound."""
        desk = self.desk
        now = desk.now()

        def run(tx: Tx) -> actions.Removed:
            if version is not None and version != "null":
                return actions.delete_version(tx, container_id, name, version, now, desk.wake_trash, numbered=True)
            check = sync.newest(at, 409) if at is not None else None
            return actions.delete(
                tx, container_id, name, now, desk.wake_trash, check=check, at=at, numbered=True, marks=version is None
            )

        return await desk.commits.write_short(run)

    # -- COPY ------------------------------------------------------------------------------------------------------

    async def copy(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        return await self.copies.copy(ask, entry, account, container, name)

    async def segment_rows(
        self, account: str, container: str, prefix: str
    ) -> tuple[model.Container | None, list[model.Object]]:
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
    if "x-object-manifest" in out:
        check_manifest(out["x-object-manifest"])
    if ask.headers.get("x-object-meta-", None) is not None:
        raise refuse(400, "Metadata name cannot be empty")
    return out


def check_manifest(text: str) -> None:
    """Raise 400 unless this leads to the segments of a dynamic large object, whatever request brings it."""
    try:
        value = unquote(text)
    except UnicodeDecodeError:
        value = ""
    c, _, prefix = value.partition("/")
    if not c or not prefix or not {"?", "&", "\0"}.isdisjoint(value) or prefix.startswith("/"):
        raise Invalid("X-Object-Manifest must be in the format container/prefix", field="X-Object-Manifest")


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


def fresh(ask: Ask, tags: list[str], changed: float) -> int:
    """200, 304 or 412: what the conditions of the request make of an object."""
    try:
        if "if-match" in ask.headers and "if-unmodified-since" in ask.headers:
            # both have to hold in Swift; RFC 9110 looks at the first alone
            since = parse_date(ask.headers["if-unmodified-since"])
            if since is not None and -(-changed // 1) > since:
                return 412
        return 200 if check_conditions(ask, tags, changed) else 304
    except Precondition:
        return 412


def whole_number(text: str) -> bool:
    return (
        text.isascii() and text.isdigit() and len(text) <= 400
    )  # upstream takes any: what is later than the last second means the last second


def check_object_name(name: str) -> None:
    if len(name.encode()) > model.MAX_NAME:
        raise refuse(400, f"Object name length of {len(name.encode())} longer than {model.MAX_NAME}")
    if not name:
        raise Invalid("The object's name is empty", field="name")


def check_version(version: str) -> None:
    if version != "null" and not is_version(version):
        raise refuse(400, "Invalid version parameter")
