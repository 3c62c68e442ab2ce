# SPDX-License-Identifier: Apache-2.0
"""Large objects: static ones (a manifest of segments, checked when it is put and again while it is read) and dynamic ones (every
object under a prefix). Each segment is read with the reader's own rights to its container; loops end at the depth limit."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from virga.ground.errors import Conflict, Invalid, NotFound
from virga.services.objects import model
from virga.services.objects.bodies import extents_of
from virga.services.objects.desk import Desk
from virga.services.objects.exchange import Answered, Ask, Reply, ranges, unquote
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.replies import page, refuse

if TYPE_CHECKING:
    from virga.services.objects.swift.objects import Objects

MAX_SEGMENTS = 1000
MAX_MANIFEST = 8 * 1024 * 1024
DEPTH = 10
KEYS = frozenset({"path", "etag", "size_bytes", "range", "data"})


@dataclass(slots=True)
class Whole:
    """An object that can be read anywhere: its size, its etag, and `open(start, length)`."""

    size: int
    etag: str
    open: Callable[[int, int], Awaitable[AsyncIterator[bytes]]]


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


class Cut(Exception):
    """A segment is not what the manifest says, in the midst of the answer: the connection is cut."""


class Large:
    def __init__(self, desk: Desk, objects: Objects) -> None:
        self.desk, self.objects = desk, objects

    # -- putting a manifest ----------------------------------------------------------------------------------------

    async def put_manifest(self, ask: Ask, entry: Entry, account: str, container: model.Container, name: str) -> Reply:
        raw = await ask.short_body(MAX_MANIFEST)
        wanted = ask.headers.get("etag", "").strip().strip('"').lower()
        segments = read_manifest(raw)
        problems: list[tuple[str, str]] = []
        stored: list[dict[str, Any]] = []
        tag, total = hashlib.md5(usedforsecurity=False), 0
        known: dict[tuple[str, str], tuple[model.Object, int, str]] = {}
        for s in segments:
            if "data" in s:
                data = base64.b64decode(s["data"])
                md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
                stored.append({"data": s["data"], "bytes": len(data), "hash": md5})
                tag.update(md5.encode())
                total += len(data)
                continue
            c, _, o = s["path"].lstrip("/").partition("/")
            if (c, o) == (container.name, name):
                problems.append((s["path"], "409 Conflict"))
                continue
            try:
                if (c, o) not in known:
                    _, row = await self.objects.found(ask, entry, account, c, o)
                    size, md5 = row.size, row.etag
                    if row.kind == "link":
                        _, _, row, _ = await self.objects.follow(ask, entry, row)
                        size, md5 = row.size, row.etag
                    if row.kind == "slo":
                        size, md5 = row.own("total"), row.own("slo_etag")
                    elif "x-object-manifest" in row.meta:
                        size, md5 = row.size, row.etag
                    known[c, o] = (row, size, md5)
                row, size, md5 = known[c, o]
            except NotFound:
                problems.append((s["path"], "404 Not Found"))
                continue
            except Answered as a:
                problems.append((s["path"], f"{a.reply.code} {'Unauthorized' if a.reply.code == 401 else 'Error'}"))
                continue
            if s.get("size_bytes") is not None and s["size_bytes"] != size:
                problems.append((s["path"], "Size Mismatch"))
                continue
            if s.get("etag") and s["etag"].strip('"') != md5:
                problems.append((s["path"], "Etag Mismatch"))
                continue
            line = {
                "name": f"/{c}/{o}", "bytes": size, "hash": md5, "content_type": row.content_type, "last_modified": model.listed_time(row.changed),
            }  # fmt: skip
            length = size
            if row.kind == "slo":
                line["sub_slo"] = True
            if s.get("range"):
                found = ranges(f"bytes={s['range']}", size)
                if not found or len(found) != 1:
                    problems.append((s["path"], "Unsatisfiable Range"))
                    continue
                start, length = found[0]
                line["range"] = f"{start}-{start + length - 1}"
            if length < 1:
                problems.append((s["path"], "Too Small; each segment must be at least 1 byte."))
                continue
            stored.append(line)
            total += length
            tag.update((f"{md5}:{line['range']};" if "range" in line else md5).encode())
        if problems:
            raise Answered(errors_reply(ask, "Errors", problems))
        slo_etag = tag.hexdigest()
        if wanted and wanted != slo_etag:
            raise Answered(page(422, f"The segments' etag is {slo_etag}, the Etag header said {wanted[:64]}."))
        if not stored or all("data" in s for s in stored):
            raise refuse(400, "Inline data segments require at least one object-backed segment.")
        body = msgspec.json.encode(stored)
        got = self.desk.bodies.keep(body) if len(body) <= 65536 else await self.desk.bodies.receive(_once(body), expected=len(body))
        new = self.objects.described(ask, name)
        new.kind = "slo"
        new.etag = got.md5
        new.control = {"slo_etag": slo_etag, "total": total, "manifest_md5": got.md5}
        o = await self.objects.commit(container.id, new, got)
        return self.objects.created(o, f'"{slo_etag}"')

    # -- reading ---------------------------------------------------------------------------------------------------

    async def lines(self, o: model.Object) -> list[dict[str, Any]]:
        raw = await self.desk.bodies.whole(extents_of(o), 64 << 20)
        value: list[dict[str, Any]] = msgspec.json.decode(raw)
        return value

    async def manifest(self, ask: Ask, o: model.Object, headers: dict[str, str]) -> Reply:
        """?multipart-manifest=get, or the form that can be put again with format=raw."""
        lines = await self.lines(o)
        if ask.query.get("format") == "raw":
            raw = [
                {"data": s["data"]}
                if "data" in s
                else {"path": s["name"], "etag": s["hash"], "size_bytes": s["bytes"]} | ({"range": s["range"]} if "range" in s else {})
                for s in lines
            ]
            body = msgspec.json.encode(raw)
        else:
            body = msgspec.json.encode(lines)
        headers |= {"content-type": "application/json; charset=utf-8", "etag": hashlib.md5(body, usedforsecurity=False).hexdigest()}
        headers["x-static-large-object"] = "True"
        return Reply(200, headers, body)

    async def whole(self, ask: Ask, entry: Entry, account: str, o: model.Object) -> Whole:
        """A manifest as the object that it stands for."""
        if o.kind == "slo":
            segments = await self.static(account, o)
            return Whole(o.own("total"), o.own("slo_etag"), lambda s, n: self.open(ask, entry, segments, s, n, 0))
        segments = await self.dynamic(ask, entry, account, o)
        etag = hashlib.md5("".join(s.etag for s in segments).encode(), usedforsecurity=False).hexdigest()
        if len(segments) >= model.LISTING:
            etag = ""
        return Whole(sum(s.length for s in segments), etag, lambda s, n: self.open(ask, entry, segments, s, n, 0))

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

    async def dynamic(self, ask: Ask, entry: Entry, account: str, o: model.Object) -> list[Segment]:
        c, _, prefix = unquote(o.meta["x-object-manifest"]).partition("/")
        container, rows = await self.objects.segment_rows(account, c, prefix)
        if container is None:
            return []
        await entry.allow(ask, account, container, prefix, method="GET")
        out = []
        for r in rows:
            size, etag = (r.own("total"), r.own("slo_etag")) if r.kind == "slo" else (r.size, r.etag)
            if r.container_id == o.container_id and r.name == o.name:
                continue
            out.append(Segment(size, None, account, c, r.name, 0, etag, size))
        return out

    async def open(self, ask: Ask, entry: Entry, segments: list[Segment], start: int, length: int, depth: int) -> AsyncIterator[bytes]:
        """Bytes of the segments. The first segment is found and checked before this returns: what is wrong with it is a 409."""
        if depth > DEPTH:
            raise Conflict(f"The manifest nests deeper than {DEPTH} levels.")
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
            first = await self._segment(ask, entry, *plan[0], depth)
        except NotFound as e:
            raise Conflict(f"The segment {plan[0][0].container}/{plan[0][0].name} is gone.") from e

        async def rest() -> AsyncIterator[bytes]:
            async for chunk in first:
                yield chunk
            for s, low, count in plan[1:]:
                try:
                    more = await self._segment(ask, entry, s, low, count, depth)
                except Exception as e:
                    raise Cut(f"{s.container}/{s.name}: {e}") from e
                async for chunk in more:
                    yield chunk

        return rest()

    async def _segment(self, ask: Ask, entry: Entry, s: Segment, low: int, count: int, depth: int) -> AsyncIterator[bytes]:
        if s.data is not None:
            return _once(s.data[low : low + count])
        _, row = await self.objects.found(ask, entry, s.account, s.container, s.name)
        if row.kind == "link":
            _, _, row, _ = await self.objects.follow(ask, entry, row)
        size, etag = (row.own("total"), row.own("slo_etag")) if row.kind == "slo" else (row.size, row.etag)
        if size != s.size or etag != s.etag:
            raise Conflict(f"The segment {s.container}/{s.name} is not the one that the manifest names.")
        if row.kind == "slo":
            return await self.open(ask, entry, await self.static(s.account, row), s.start + low, count, depth + 1)
        if "x-object-manifest" in row.meta and ask.query.get("multipart-manifest") == "get":
            raise Conflict("A dynamic manifest cannot be a segment of this object.")
        return await self.desk.bodies.open(extents_of(row, s.start + low, count))

    # -- deleting --------------------------------------------------------------------------------------------------

    async def delete_all(self, ask: Ask, entry: Entry, account: str, container: str, name: str) -> Reply:
        """?multipart-manifest=delete: the segments and then the manifest, told as a bulk delete."""
        from virga.services.objects.swift.bulk import Tally

        tally = Tally()
        todo: list[tuple[str, str]] = []

        async def collect(c: str, o: str, depth: int) -> None:
            if depth > DEPTH or len(todo) > 10 * MAX_SEGMENTS:
                raise Conflict(f"The manifest nests deeper than {DEPTH} levels.")
            _, row = await self.objects.found(ask, entry, account, c, o)
            if row.kind != "slo":
                if depth == 0:
                    raise Invalid("Not an SLO manifest")
                todo.append((c, o))
                return
            for s in await self.lines(row):
                if "data" in s:
                    continue
                sub_c, _, sub_o = s["name"].lstrip("/").partition("/")
                if s.get("sub_slo"):
                    try:
                        await collect(sub_c, sub_o, depth + 1)
                    except NotFound:
                        tally.missing += 1
                else:
                    todo.append((sub_c, sub_o))
            todo.append((c, o))

        await collect(container, name, 0)
        for c, o in dict.fromkeys(todo):
            await tally.delete(self.objects, ask, entry, account, c, o)
        return tally.reply(ask, "Number Deleted")


def read_manifest(raw: bytes) -> list[dict[str, Any]]:
    """The segments that a client names. Raises 400 with each fault by its place."""
    try:
        value: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise refuse(400, "Manifest must be valid JSON.") from None
    if not isinstance(value, list):
        raise refuse(400, "Manifest must be a list.")
    if not value:
        raise refuse(400, "Manifest must contain at least one segment.")
    if len(value) > MAX_SEGMENTS:
        raise refuse(413, f"Number of object-backed segments must be <= {MAX_SEGMENTS}")
    faults = []
    for n, s in enumerate(value):
        if not isinstance(s, dict):
            faults.append(f"Index {n}: not a JSON object")
            continue
        extra = set(s) - KEYS
        if extra:
            faults.append(f"Index {n}: extraneous keys {', '.join(sorted(map(str, extra)))[:200]}")
        elif "data" in s:
            if set(s) != {"data"}:
                faults.append(f"Index {n}: data excludes the other keys")
                continue
            try:
                if not isinstance(s["data"], str) or not base64.b64decode(s["data"], validate=True):
                    faults.append(f"Index {n}: data must be non-empty base64")
            except (binascii.Error, ValueError):
                faults.append(f"Index {n}: data must be valid base64")
        elif not isinstance(s.get("path"), str) or "/" not in s["path"].lstrip("/"):
            faults.append(f"Index {n}: path does not refer to an object. Path must be of the form /container/object.")
        else:
            size = s.get("size_bytes")
            if size is not None:
                try:
                    s["size_bytes"] = int(size)
                except (TypeError, ValueError):
                    faults.append(f"Index {n}: invalid size_bytes")
            if s.get("etag") is not None and not isinstance(s["etag"], str):
                faults.append(f"Index {n}: invalid etag")
            if s.get("range") is not None and not isinstance(s["range"], str):
                faults.append(f"Index {n}: invalid range")
            if "\0" in s["path"]:
                faults.append(f"Index {n}: invalid path")
    if faults:
        raise refuse(400, "\n".join(faults[:50]))
    return value


def errors_reply(ask: Ask, title: str, problems: list[tuple[str, str]]) -> Reply:
    if "json" in ask.header("accept"):
        return Reply(400, {"content-type": "application/json"}, msgspec.json.encode({title: [[p, w] for p, w in problems]}))
    text = f"{title}:\n" + "".join(f"{p}, {w}\n" for p, w in problems)
    return Reply(400, {"content-type": "text/plain"}, text.encode())


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _none() -> AsyncIterator[bytes]:
    return _once(b"")
