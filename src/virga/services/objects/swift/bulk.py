# SPDX-License-Identifier: Apache-2.0
"""Many at once: delete a list of names, unpack an archive. The answer begins at once, spaces keep the connection warm, and the
result is in the body. Archives are read as a stream: nothing of them is unpacked into memory or onto a path."""

from __future__ import annotations

import asyncio
import bz2
import zlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec

from virga.ground import errors as e
from virga.ground.http.faults import STATUS
from virga.services.objects import limits, model
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Answered, Precondition, Request, Response, unquote
from virga.services.objects.store import containers
from virga.services.objects.swift.containers import check_container_name
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.lookup import Lookup
from virga.services.objects.swift.replies import REASONS, refuse, xml_text
from virga.services.objects.swift.writes import Writes, check_object_name

MAX_DELETES, MAX_LINE, MAX_ERRORS = limits.DELETES, limits.DELETE_LINE, limits.FAILURES
MAX_ENTRIES, MAX_CONTAINERS = limits.ARCHIVE_ENTRIES, limits.ARCHIVE_CONTAINERS
AT_ONCE = 32
"""Files of an archive that may be on their way to their rows; only what lies beside its row is held in memory meanwhile."""
RATIO = 200
"""How many times larger than its archive the content may grow."""


@dataclass
class BulkResult:
    done: int = 0
    missing: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)

    async def delete(
        self,
        lookup: Lookup,
        writes: Writes,
        request: Request,
        entry: Entry,
        *,
        account: str,
        container: str,
        name: str,
        version: str | None = None,
    ) -> None:
        """Take one away, and count it: done, not there, or what was in the way. Raises NotFound, Conflict."""
        path = f"/{container}/{name}" if name else f"/{container}"
        try:
            if name:
                found = await lookup.look(request, entry, account, container, name, method="DELETE")
                assert found.container is not None
                if version is not None:
                    lookup.versioned(entry, account, found.container, version)
                if not (await writes.remove(found.container.id, name, version)).found:
                    raise e.NotFound("gone")
            else:
                row = await writes.context.commits.read(lambda tx: containers.container_row(tx, account, container))
                await entry.allow(request, account, row, container_name=container, method="DELETE")
                if row is None:
                    raise e.NotFound("gone")
                id = row.id
                if not await writes.context.commits.write(lambda tx: containers.delete_container(tx, id)):
                    raise e.Conflict("not empty")
            self.done += 1
        except e.NotFound:
            self.missing += 1
        except Answered as a:
            self.problems.append((path, f"{a.response.code} {REASONS.get(a.response.code, '')}"))
        except e.Problem as p:
            self.problems.append((path, status_of(p)))

    def reply(self, request: Request, count: str, *, body: str = "", code: str | None = None) -> Response:
        status = code or (
            "400 Bad Request"
            if self.problems
            else "200 OK"
            if self.done or not self.missing or count != "Number Deleted"
            else "404 Not Found"
        )
        if code is None and any(w.startswith("401") for _, w in self.problems) and not self.done:
            status = "401 Unauthorized"
        value: dict[str, Any] = {
            count: self.done,
            "Response Status": status,
            "Response Body": body,
            "Errors": [[p, w] for p, w in self.problems],
        }
        if count == "Number Deleted":
            value["Number Not Found"] = self.missing
        accept = request.header("accept")
        if "xml" in accept:
            root = "delete" if count == "Number Deleted" else "extract"
            inner = "".join(
                f"<{k.lower().replace(' ', '_')}>{xml_text(str(v))}</{k.lower().replace(' ', '_')}>"
                for k, v in value.items()
                if k != "Errors"
            )
            problems = "".join(
                f"<object><name>{xml_text(p)}</name><status>{xml_text(w)}</status></object>" for p, w in self.problems
            )
            return Response(
                200,
                {"content-type": "application/xml"},
                f"<?xml version='1.0' encoding='utf-8'?>\n<{root}>{inner}<errors>{problems}</errors></{root}>".encode(),
            )
        if "json" in accept:
            return Response(200, {"content-type": "application/json"}, msgspec.json.encode(value))
        lines = (
            [f"{k}: {v}" for k, v in value.items() if k != "Errors"]
            + ["Errors:"]
            + [f"{p}, {w}" for p, w in self.problems]
        )
        return Response(200, {"content-type": "text/plain"}, "\n".join(lines).encode())


def status_of(p: e.Problem) -> str:
    code = (
        412
        if isinstance(p, Precondition)
        else 413
        if isinstance(p, (e.TooLarge, e.OverQuota))
        else STATUS.get(type(p), 500)
    )
    return f"{code} {REASONS.get(code, '')}"


async def bulk_delete(lookup: Lookup, writes: Writes, request: Request, entry: Entry, account: str) -> Response:
    """POST or DELETE ?bulk-delete: a line is a container or an object, quoted."""
    raw = await request.short_body(MAX_DELETES * MAX_LINE)
    if not raw.strip():
        return BulkResult(problems=[]).reply(
            request, "Number Deleted", code="400 Bad Request", body="Invalid bulk delete."
        )
    # counted before it is cut: empty lines are cheap to send
    lines = raw.split(b"\n") if raw.count(b"\n") <= MAX_DELETES else []
    if not lines or sum(1 for each in lines if each.strip()) > MAX_DELETES:
        return BulkResult().reply(
            request,
            "Number Deleted",
            code="413 Request Entity Too Large",
            body=f"Maximum Bulk Deletes: {MAX_DELETES} per request",
        )
    tally = BulkResult()
    for each in lines:
        if not each.strip():
            continue
        if len(tally.problems) >= MAX_ERRORS:
            return tally.reply(
                request, "Number Deleted", code="413 Request Entity Too Large", body="Maximum delete failures reached"
            )
        try:
            text = unquote(each[: MAX_LINE + 2].decode().strip())
            if len(each) > MAX_LINE + 1 or "\0" in text:
                raise UnicodeDecodeError("utf-8", each, 0, 1, "too long")
        except UnicodeDecodeError:
            tally.problems.append((each[:200].decode("utf-8", "replace"), "412 Precondition Failed"))
            continue
        c, _, o = text.lstrip("/").partition("/")
        if not c:
            continue
        await tally.delete(lookup, writes, request, entry, account=account, container=c, name=o)
    return tally.reply(request, "Number Deleted")


# -- archives ------------------------------------------------------------------------------------------------------


class ArchiveBomb(Exception):
    pass


class ArchiveStream:
    """The archive's bytes as they come, decompressed with a bound on what grows out of them."""

    def __init__(self, source: AsyncIterator[bytes], kind: str) -> None:
        self._source = source.__aiter__()
        self._unzip: Any = (
            zlib.decompressobj(31) if kind == "tar.gz" else bz2.BZ2Decompressor() if kind == "tar.bz2" else None
        )
        self._held, self._end = bytearray(), False
        self._in = self._out = 0
        self._kind = kind

    async def _more(self) -> None:
        if self._kind == "tar.bz2" and not self._unzip.needs_input and not self._unzip.eof:
            self._grown((await asyncio.get_running_loop().run_in_executor(None, self._step, b""))[0])
            return
        try:
            chunk = await self._source.__anext__()
        except StopAsyncIteration:
            self._end = True
            return
        self._in += len(chunk)
        if self._unzip is None:
            self._held += chunk
            return
        loop = asyncio.get_running_loop()
        rest = chunk
        while rest:
            made, rest = await loop.run_in_executor(None, self._step, rest)
            self._grown(made)
            if not made and not rest:
                break

    def _grown(self, made: bytes) -> None:
        self._out += len(made)
        if self._out > 1 << 20 and self._out > self._in * RATIO:
            raise ArchiveBomb
        self._held += made

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        most = 1 << 20
        if self._kind == "tar.gz":
            made = self._unzip.decompress(data, most)
            if self._unzip.eof:
                rest = self._unzip.unused_data
                if rest.strip(b"\0"):
                    self._unzip = zlib.decompressobj(31)
                    return made, rest
                return made, b""
            return made, self._unzip.unconsumed_tail
        if self._unzip.eof:
            return b"", b""
        made = self._unzip.decompress(data, most)
        while not self._unzip.needs_input and not self._unzip.eof and len(made) < most:
            made += self._unzip.decompress(b"", most)
        return made, b""

    async def take(self, count: int) -> bytes:
        while len(self._held) < count and not self._end:
            await self._more()
        out = bytes(self._held[:count])
        del self._held[:count]
        return out

    async def pieces(self, count: int) -> AsyncIterator[bytes]:
        left = count
        while left:
            chunk = await self.take(min(left, 1 << 18))
            if not chunk:
                raise EOFError
            left -= len(chunk)
            yield chunk

    async def drain(self) -> None:
        while not self._end:
            self._held.clear()
            await self._more()


class InFlight:
    """Files of an archive on their way to their rows, several at once, so that they share commits. One name is never on its way twice:
    the later file of it wins."""

    def __init__(self, tally: BulkResult) -> None:
        self._tally = tally
        self._going: dict[str, asyncio.Task[Any]] = {}

    async def add(self, path: str, storing: Coroutine[Any, Any, Any]) -> None:
        while path in self._going or len(self._going) >= AT_ONCE:
            before = self._going.get(path)
            await asyncio.wait(
                [before] if before is not None else self._going.values(), return_when=asyncio.FIRST_COMPLETED
            )
            self._settle()
        self._going[path] = asyncio.create_task(storing)

    def _settle(self) -> None:
        for path in [p for p, t in self._going.items() if t.done()]:
            try:
                self._going.pop(path).result()
            except (Answered, e.Problem) as p:
                self.failed(path, p)
            else:
                self._tally.done += 1

    def failed(self, path: str, p: Answered | e.Problem) -> None:
        what = f"{p.response.code} {REASONS.get(p.response.code, '')}" if isinstance(p, Answered) else status_of(p)
        self._tally.problems.append((f"/{path}", what))

    async def land(self) -> None:
        """Wait for all that are on their way."""
        while self._going:
            await asyncio.wait(self._going.values())
            self._settle()


async def extract(
    lookup: Lookup, writes: Writes, request: Request, *, entry: Entry, account: str, base: str, kind: str
) -> Response:
    """PUT ?extract-archive=tar|tar.gz|tar.bz2: regular files become objects under `base`, containers are made as needed."""
    import tarfile

    if kind not in {"tar", "tar.gz", "tar.bz2"}:
        return BulkResult().reply(
            request, "Number Files Created", code="400 Bad Request", body="Unsupported archive format"
        )
    tally, feed = BulkResult(), ArchiveStream(request.body(), kind)
    flight = InFlight(tally)
    long_name: str | None = None
    pax: dict[str, str] = {}
    seen: set[str] = set()
    count = 0
    try:
        while True:
            head = await feed.take(512)
            if len(head) < 512 or not head.strip(b"\0"):
                break
            info = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
            count += 1
            if count > MAX_ENTRIES or info.size < 0:
                raise tarfile.ReadError("too many entries")
            padded = -(-info.size // 512) * 512
            if info.type in {tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK}:
                if info.size > limits.ARCHIVE_HEAD:
                    raise tarfile.ReadError("an endless name")
                raw = (await feed.take(padded))[: info.size]
                if info.type == tarfile.GNUTYPE_LONGNAME:
                    long_name = raw.rstrip(b"\0").decode("utf-8", "surrogateescape")
                elif info.type == tarfile.XHDTYPE:
                    pax = read_pax(raw)
                continue
            name = pax.get("path") or long_name or info.name
            extra, pax, long_name = pax, {}, None
            if not info.isreg():
                async for _ in feed.pieces(padded):
                    pass
                continue
            path = f"{base}/{name.removeprefix('./')}".strip("/") if base else name.removeprefix("./").strip("/")
            c, _, o = path.partition("/")
            try:
                path.encode()
            except UnicodeEncodeError:
                tally.problems.append((path.encode("utf-8", "replace").decode(), "412 Precondition Failed"))
                o = ""
            if not c or not o:
                async for _ in feed.pieces(padded):
                    pass
                continue
            used = 0
            try:
                if c not in seen:
                    if len(seen) >= MAX_CONTAINERS:
                        raise tarfile.ReadError(f"More than {MAX_CONTAINERS} containers to create from tar.")
                    await make_container(writes.context, request, entry, account, c)
                    seen.add(c)
                found = await lookup.look(request, entry, account, c, o, method="PUT")
                assert found.container is not None
                check_object_name(o)
                new = writes.described(_bare(request, extra), o)
                used = info.size
                got = await writes.context.bodies.receive(feed.pieces(info.size), expected=info.size)
                await flight.add(path, writes.store(found.container.id, new, got))
            except (Answered, e.Problem) as p:
                flight.failed(path, p)
                if len(tally.problems) >= MAX_ERRORS:
                    await flight.land()
                    return tally.reply(
                        request, "Number Files Created", code="400 Bad Request", body="Maximum failures reached"
                    )
            async for _ in feed.pieces(padded - used):
                pass
        await feed.drain()
        await flight.land()
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError) as x:
        if isinstance(x, OSError) and x.errno is not None:
            raise
        return tally.reply(request, "Number Files Created", code="400 Bad Request", body=f"Invalid Tar File: {x}")
    except ArchiveBomb:
        return tally.reply(
            request,
            "Number Files Created",
            code="400 Bad Request",
            body=f"Invalid Tar File: it grows more than {RATIO} times",
        )
    finally:
        await flight.land()
    if not tally.done and not tally.problems:
        return tally.reply(
            request, "Number Files Created", code="400 Bad Request", body="Invalid Tar File: No Valid Files"
        )
    return tally.reply(request, "Number Files Created", code=None if tally.problems else "201 Created")


def _bare(request: Request, pax: dict[str, str]) -> Request:
    """The request's headers that hold for each file, and what the archive says of this one."""
    import dataclasses

    headers = {k: v for k, v in request.headers.items() if k in {"x-delete-at", "x-delete-after"}}
    for k, v in pax.items():
        for mark in ("SCHILY.xattr.user.meta.", "LIBARCHIVE.xattr.user.meta."):
            if k.startswith(mark):
                headers[f"x-object-meta-{k[len(mark) :].lower()}"] = v
        if k in {"SCHILY.xattr.user.mime_type", "LIBARCHIVE.xattr.user.mime_type"}:
            headers["content-type"] = v
    return dataclasses.replace(request, headers=headers)


def read_pax(raw: bytes) -> dict[str, str]:
    out, at = {}, 0
    while at < len(raw):
        space = raw.find(b" ", at)
        # a length counts itself and its space: each turn goes on past what it read
        if not 0 < space - at <= 8 or not raw[at:space].isdigit():
            break
        size = int(raw[at:space])
        if size <= space - at:
            break
        key, _, value = raw[space + 1 : at + size - 1].partition(b"=")
        out[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        at += size
    return out


async def make_container(context: ObjectContext, request: Request, entry: Entry, account: str, name: str) -> None:
    """A container for what is about to come, if the caller may make it."""
    if await context.commits.read(lambda tx: containers.container_row(tx, account, name)) is not None:
        return
    await entry.allow(request, account, None, container_name=name, method="PUT")
    check_container_name(name)
    now = context.now()

    def make(tx: Any) -> None:
        containers.ensure_account(tx, account, now)
        tx.hold(f"name:{account}/{name}")
        if containers.container_row(tx, account, name) is None:
            containers.make_container(
                tx, account, name, policy=context.settings.policies[0], now=model.stamp(now)[1], meta={}, control={}
            )

    await context.commits.write(make)


__all__ = ["BulkResult", "bulk_delete", "extract", "refuse"]
