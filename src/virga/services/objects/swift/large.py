# SPDX-License-Identifier: Apache-2.0
"""Large objects: static ones (a manifest of segments, checked when it is put and again while it is read) and dynamic ones (every
object under a prefix). Each segment is read with the reader's own rights to its container; loops end at the depth limit."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from virga.services.objects import limits, model
from virga.services.objects.actions import objects as actions
from virga.services.objects.bodies import extents_of
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import LAST, Answered, Request, Response, count_of, http_date, ranges, unquote
from virga.services.objects.store import containers
from virga.services.objects.store import objects as rows
from virga.services.objects.swift.bulk import BulkResult, status_of
from virga.services.objects.swift.contents import Whole, answer, broken
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.links import Links
from virga.services.objects.swift.lookup import Lookup
from virga.services.objects.swift.manifests import (
    MAX_SEGMENTS,
    ManifestError,
    length_of,
    raw_form,
    read_manifest,
    report,
    requested_kind,
)
from virga.services.objects.swift.metadata import yes
from virga.services.objects.swift.replies import REASONS, page, refuse
from virga.services.objects.swift.writes import Writes, created

MAX_MANIFEST = limits.MANIFEST
DEPTH = 10
YIELD_SECONDS = 10


@dataclass(slots=True)
class Segment:
    """`data`, or `length` bytes from `start` of an object (which may be a manifest itself)."""

    length: int
    data: bytes | None = None
    account: str = ""
    container: str = ""
    name: str = ""
    start: int = 0
    etag: str = ""
    size: int = 0


class Truncated(Exception):
    """A segment is not what the manifest says, in the midst of the answer: the connection is cut."""


class Large:
    def __init__(self, context: ObjectContext, lookup: Lookup, writes: Writes, links: Links) -> None:
        self.context, self.lookup, self.writes, self.links = context, lookup, writes, links

    # -- putting a manifest ----------------------------------------------------------------------------------------

    async def put_manifest(
        self,
        request: Request,
        entry: Entry,
        account: str,
        container: model.Container,
        new: actions.New,
        check: actions.Check | None,
    ) -> Response:
        """?multipart-manifest=put. With `heartbeat=on` the answer begins at once, spaces follow while segments are looked at, and what
        came of it is told in the body."""
        raw = await request.short_body(MAX_MANIFEST)
        wanted = request.headers.get("etag", "").strip().strip('"').lower()
        own = f"{container.name}/{new.name}"
        segments = await self._off(len(raw), read_manifest, raw, own)
        if yes(request.query.get("heartbeat")):
            work = self.store_manifest(request, entry, account, container, new, segments, wanted=wanted, check=check)
            kind = requested_kind(request)
            return Response(202, {"content-type": kind}, stream=self._beats(work, kind))
        o = await self.store_manifest(request, entry, account, container, new, segments, wanted=wanted, check=check)
        return created(o, f'"{o.own("slo_etag")}"')

    async def store_manifest(
        self,
        request: Request,
        entry: Entry,
        account: str,
        container: model.Container,
        new: actions.New,
        segments: list[dict[str, Any]],
        *,
        wanted: str,
        check: actions.Check | None,
    ) -> model.Object:
        """Look at each segment with the caller's own rights and keep the manifest. Raises 400 with what is wrong with each, 422."""
        problems: list[tuple[str, str]] = []
        stored: list[dict[str, Any]] = []
        tag, total = hashlib.md5(usedforsecurity=False), 0
        known: dict[str, model.Object | str] = {}
        for n, s in enumerate(segments):
            if "data" in s:
                data = base64.b64decode(s["data"])
                stored.append({"data": base64.b64encode(data).decode()})
                tag.update(hashlib.md5(data, usedforsecurity=False).hexdigest().encode())
                total += len(data)
                continue
            path = s["path"]
            if path not in known:
                known[path] = await self._segment_row(request, entry, account, path)
            row = known[path]
            if isinstance(row, str):
                problems.append((quote(path), row))
                continue
            size, md5 = row.own("total", row.size), row.own("slo_etag", row.etag)
            before = len(problems)
            length, piece = size, ""
            if s.get("range"):
                found = ranges(f"bytes={s['range']}", size)
                if not found or len(found) != 1:
                    problems.append((quote(path), "Unsatisfiable Range"))
                else:
                    start, length = found[0]
                    piece = f"{start}-{start + length - 1}" if length < size else ""
            if length < 1 and n < len(segments) - 1:
                problems.append((quote(path), "Too small; each segment must be at least 1 byte."))
            if s.get("size_bytes") is not None and s["size_bytes"] != size:
                problems.append((quote(path), "Size Mismatch"))
            if s.get("etag") and s["etag"].strip('"') != md5:
                problems.append((quote(path), "Etag Mismatch"))
            if len(problems) > before:
                continue
            line = {
                "name": "/" + path.lstrip("/"),
                "bytes": size,
                "hash": md5,
                "content_type": row.content_type,
                "last_modified": model.listed_time(row.changed),
            }
            stored.append(line | ({"range": piece} if piece else {}) | ({"sub_slo": True} if row.kind == "slo" else {}))
            total += length
            if total > LAST:
                raise refuse(400, f"The segments make more than the {LAST} bytes that an object can have.\n")
            tag.update((f"{md5}:{piece};" if piece else md5).encode())
        if problems:
            raise ManifestError(requested_kind(request), problems)
        slo_etag = tag.hexdigest()
        if wanted and wanted != slo_etag:
            raise Answered(page(422, f"The segments' etag is {slo_etag}, the Etag header said {wanted[:64]}."))
        body = await self._off(len(stored) * 1000, msgspec.json.encode, stored)
        got = (
            self.context.bodies.store(body)
            if len(body) <= 65536
            else await self.context.bodies.receive(_once(body), expected=len(body))
        )
        new.kind, new.etag = "slo", got.md5
        new.control = {"slo_etag": slo_etag, "total": total, "manifest_md5": got.md5}
        return await self.writes.store(container.id, new, got, check)

    async def _segment_row(self, request: Request, entry: Entry, account: str, path: str) -> model.Object | str:
        """What a segment's path leads to, or the status that says why it does not."""
        c, _, o = path.lstrip("/").partition("/")
        if len(c.encode()) > model.MAX_CONTAINER or len(o.encode()) > model.MAX_NAME:
            return "400 Bad Request"
        try:
            _, row = await self.lookup.found(request, entry, account, c, o)
            return (await self.links.follow(request, entry, row))[2] if row.kind == "link" else row
        except Answered as a:
            return f"{a.response.code} {REASONS.get(a.response.code, '')}"
        except Problem as p:
            return status_of(p)

    async def _beats(self, work: Coroutine[Any, Any, model.Object], kind: str) -> AsyncIterator[bytes]:
        task = asyncio.ensure_future(work)
        try:
            yield b" "
            while not (await asyncio.wait({task}, timeout=YIELD_SECONDS))[0]:
                yield b" "
            problems: list[tuple[str, str]] = []
            try:
                o = task.result()
                told = {
                    "Response Status": "201 Created",
                    "Response Body": "",
                    "Etag": f'"{o.own("slo_etag")}"',
                    "Last Modified": http_date(-(-o.changed // 1)),
                }
            except ManifestError as f:
                problems = f.problems
                told = {"Response Status": "400 Bad Request", "Response Body": "Bad Request"}
                told["Response Body"] += (
                    "\nThe server could not comply with the request since it is either malformed or otherwise incorrect."
                )
            except Answered as a:
                reason = REASONS.get(a.response.code, "")
                answer = (
                    f"{reason}\nUnable to process the contained instructions"
                    if a.response.code == 422
                    else a.response.body.decode()
                )
                told = {"Response Status": f"{a.response.code} {reason}", "Response Body": answer}
            except Problem as p:
                told = {"Response Status": status_of(p), "Response Body": p.message}
            yield b"\r\n\r\n" + report(kind, told, problems)
        finally:
            task.cancel()

    # -- reading ---------------------------------------------------------------------------------------------------

    async def lines(self, o: model.Object) -> list[dict[str, Any]]:
        raw = await self.context.bodies.whole(extents_of(o), 64 << 20)
        value: list[dict[str, Any]] = await self._off(len(raw), msgspec.json.decode, raw)
        return value

    async def _off(self, size: int, call: Callable[..., Any], *args: Any) -> Any:
        """Work that grows with a manifest, in a thread where it is long: the loop has other callers."""
        return call(*args) if size <= limits.OFF_LOOP else await self.context.bodies._off(call, *args)

    async def manifest(self, request: Request, o: model.Object, headers: dict[str, str]) -> Response:
        """?multipart-manifest=get, or the form that can be put again with format=raw (which keeps the object's own type)."""
        body = await self.context.bodies.whole(extents_of(o), 64 << 20)
        if request.query.get("format") == "raw":
            body = raw_form(msgspec.json.decode(body))
        else:
            headers["content-type"] = "application/json; charset=utf-8"
        headers["etag"] = hashlib.md5(body, usedforsecurity=False).hexdigest()

        async def open_range(start: int, length: int) -> AsyncIterator[bytes]:
            return _once(body[start : start + length])

        return await answer(
            request, headers, Whole(len(body), headers["etag"], open_range), [headers["etag"]], o.changed
        )

    async def part(self, request: Request, o: model.Object, headers: dict[str, str]) -> Response | None:
        """?part-number= of a static large object: sets the range of the request. A reply when there is nothing to open."""
        text = request.query.get("part-number")
        if text is None:
            return None
        number = count_of(text, LAST)
        if not number:
            raise refuse(400, "Part number must be an integer greater than 0")
        if "range" in request.headers:
            raise refuse(400, "Range requests are not supported with part number queries")
        lines, total = await self.lines(o), o.own("total")
        headers["x-parts-count"] = str(len(lines))
        headers["accept-ranges"] = "bytes"
        if number > len(lines):
            answer = b"The requested part number is not satisfiable"
            return Response(
                416,
                headers | {"content-range": f"bytes */{total}"},
                answer,
                length=0 if request.method == "HEAD" else len(answer),
            )
        start = sum(length_of(s) for s in lines[: number - 1])
        length = length_of(lines[number - 1])
        if request.method == "HEAD" or not length:
            shown = f"bytes {start}-{max(start, start + length - 1)}/{total}"
            return Response(206, headers | {"content-range": shown}, length=length)
        request.headers["range"] = f"bytes={start}-{start + length - 1}"
        return None

    async def whole(self, request: Request, entry: Entry, account: str, o: model.Object) -> Whole:
        """A manifest as the object that it stands for."""
        if o.kind == "slo":

            async def open_range(start: int, length: int) -> AsyncIterator[bytes]:
                return await self.open(request, entry, await self.static(account, o), start, length, 0)

            return Whole(o.own("total"), o.own("slo_etag"), open_range)
        segments = await self.dynamic(request, entry, account, o)
        etag = hashlib.md5("".join(s.etag for s in segments).encode(), usedforsecurity=False).hexdigest()
        if len(segments) >= model.LISTING:
            etag = ""
        return Whole(sum(s.length for s in segments), etag, lambda s, n: self.open(request, entry, segments, s, n, 0))

    async def static(self, account: str, o: model.Object) -> list[Segment]:
        out = []
        for s in await self.lines(o):
            if "data" in s:
                data = base64.b64decode(s["data"])
                out.append(Segment(len(data), data))
                continue
            c, _, name = s["name"].lstrip("/").partition("/")
            start, length = 0, s["bytes"]
            if "range" in s:
                low, _, high = s["range"].partition("-")
                start, length = int(low), int(high) - int(low) + 1
            out.append(Segment(length, None, account, c, name, start, s["hash"], s["bytes"]))
        return out

    async def _segment_rows(
        self, account: str, container: str, prefix: str
    ) -> tuple[model.Container | None, list[model.Object]]:
        """DLO: the objects whose names begin with `prefix`, in order."""

        def read(tx: Tx) -> tuple[model.Container | None, list[model.Object]]:
            c = containers.container_row(tx, account, container)
            return c, [] if c is None else rows.first_names(tx, c.id, model.LISTING, prefix)

        return await self.context.commits.long_read(read)

    async def dynamic(self, request: Request, entry: Entry, account: str, o: model.Object) -> list[Segment]:
        try:
            c, _, prefix = unquote(o.meta["x-object-manifest"]).partition("/")
        except UnicodeDecodeError:
            raise broken("X-Object-Manifest is not UTF-8.") from None
        container, rows = await self._segment_rows(account, c, prefix)
        if container is None:
            return []
        await entry.allow(request, account, container, prefix, method="GET")
        out = []
        for r in rows:
            size, etag = r.own("total", r.size), r.own("slo_etag", r.etag)
            if r.container_id == o.container_id and r.name == o.name:
                continue
            out.append(Segment(size, None, account, c, r.name, 0, etag, size))
        return out

    async def open(
        self, request: Request, entry: Entry, segments: list[Segment], start: int, length: int, depth: int
    ) -> AsyncIterator[bytes]:
        """Bytes of the segments. The first segment is found and checked before this returns: what is wrong with it is a 409."""
        if depth >= DEPTH:
            raise broken(f"The manifest nests deeper than {DEPTH} levels.")
        plan: list[tuple[Segment, int, int]] = []
        at, end = 0, start + length
        for s in segments:
            low, high = max(start, at), min(end, at + s.length)
            if low < high:
                plan.append((s, low - at, high - low))
            at += s.length
        if not plan:
            return _none()
        try:
            first = await self._segment(request, entry, *plan[0], depth)
        except Conflict as e:
            raise broken(e.message) from e
        except (NotFound, Forbidden) as e:
            raise broken(
                f"The segment {plan[0][0].container}/{plan[0][0].name} is gone, or not the caller's to read."
            ) from e
        except Answered as a:
            if a.response.code == 409:
                raise
            raise broken(f"The segment {plan[0][0].container}/{plan[0][0].name} answers {a.response.code}.") from a

        async def rest() -> AsyncIterator[bytes]:
            async for chunk in first:
                yield chunk
            for s, low, count in plan[1:]:
                try:
                    more = await self._segment(request, entry, s, low, count, depth)
                except Exception as e:
                    raise Truncated(f"{s.container}/{s.name}: {e}") from e
                async for chunk in more:
                    yield chunk

        return rest()

    async def _segment(
        self, request: Request, entry: Entry, s: Segment, low: int, count: int, depth: int
    ) -> AsyncIterator[bytes]:
        if s.data is not None:
            return _once(s.data[low : low + count])
        _, row = await self.lookup.found(request, entry, s.account, s.container, s.name)
        if row.kind == "link":
            _, _, row, _ = await self.links.follow(request, entry, row)
        size, etag = row.own("total", row.size), row.own("slo_etag", row.etag)
        if size != s.size or etag != s.etag:
            raise Conflict(f"The segment {s.container}/{s.name} is not the one that the manifest names.")
        if row.kind == "slo":
            return await self.open(request, entry, await self.static(s.account, row), s.start + low, count, depth + 1)
        if "x-object-manifest" in row.meta and request.query.get("multipart-manifest") == "get":
            raise Conflict("A dynamic manifest cannot be a segment of this object.")
        return await self.context.bodies.open(extents_of(row, s.start + low, count))

    # -- deleting --------------------------------------------------------------------------------------------------

    async def delete_all(
        self, request: Request, entry: Entry, account: str, container: str, name: str, version: str | None
    ) -> Response:
        """?multipart-manifest=delete: the segments and then the manifest (of a version, when one is named), told as a bulk delete."""
        tally = BulkResult()
        todo: list[tuple[str, str, str | None]] = []

        async def collect(c: str, o: str, which: str | None, depth: int) -> None:
            if depth > DEPTH or len(todo) > 10 * MAX_SEGMENTS:
                raise Conflict(f"The manifest nests deeper than {DEPTH} levels.")
            _, row = await self.lookup.found(request, entry, account, c, o, which)
            if row.kind == "slo":
                for s in await self.lines(row):
                    if "data" in s:
                        continue
                    sub_c, _, sub_o = s["name"].lstrip("/").partition("/")
                    if s.get("sub_slo"):
                        try:
                            await collect(sub_c, sub_o, None, depth + 1)
                        except NotFound:
                            tally.missing += 1
                    else:
                        todo.append((sub_c, sub_o, None))
            elif depth == 0:
                raise Invalid("Not an SLO manifest")
            todo.append((c, o, which))

        try:
            await collect(container, name, version, 0)
        except Answered as a:
            tally.problems.append((f"/{container}/{name}", f"{a.response.code} {REASONS.get(a.response.code, '')}"))
        except NotFound:
            tally.missing += 1
        except Problem as p:
            tally.problems.append((f"/{container}/{name}", status_of(p)))
        for c, o, which in dict.fromkeys(todo):
            await tally.delete(
                self.lookup, self.writes, request, entry, account=account, container=c, name=o, version=which
            )
        return tally.reply(request, "Number Deleted")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _none() -> AsyncIterator[bytes]:
    return _once(b"")
