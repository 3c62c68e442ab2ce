# SPDX-License-Identifier: Apache-2.0
"""Bodies on their way in and out: constant memory, hashing and disks off the loop, small ones beside their row. What comes out was
checked block by block; what fails is put aside and told, never sent."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import errno
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from virga.ground import log
from virga.ground.db.engine import Tx
from virga.ground.db.isolation import Retry
from virga.ground.errors import Forbidden, Invalid, NoSpace, TooLarge, Unavailable
from virga.ground.world import World
from virga.services.objects import model
from virga.services.objects.commits import Commits
from virga.services.objects.driver import BlobStore, Rotten, Writer
from virga.services.objects.drivers.sealed import KeyMissing, Seal
from virga.services.objects.settings import Objects
from virga.services.objects.store import objects as rows

T = TypeVar("T")
BATCH = 1 << 17
LEAST = 1 << 14
HELD = 1 << 24
"""What all uploads together may hold before it goes to the disk; each holds its share, between LEAST and BATCH."""
FRESH = 10_000
AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """A range of one body."""

    body: str
    start: int
    length: int


@dataclass(slots=True)
class Received:
    """A body that arrived whole. `data` when it goes beside its row. `digests`: what else was asked to be hashed."""

    body: str
    size: int
    md5: str
    data: bytes | None = None
    digests: dict[str, bytes] = field(default_factory=dict)


class Vanished(Exception):
    """The client went away, or stood still for too long: nothing is kept."""


class Replaced(Exception):
    """The bytes are no object's any more: it was replaced or deleted between the look at its row and the reading."""


async def steady(read: Callable[[], Awaitable[T]]) -> T:
    """What `read` comes to, begun again where what it reads was replaced meanwhile."""
    for _ in range(4):
        try:
            return await read()
        except Replaced:
            continue
    raise replaced_too_fast()


def replaced_too_fast() -> Unavailable:
    return Unavailable("The object is replaced or deleted while it is read; ask again.")


class Bodies:
    def __init__(
        self,
        blobs: BlobStore,
        commits: Commits,
        settings: Objects,
        world: World,
        threads: ThreadPoolExecutor,
        seal: Seal | None = None,
    ) -> None:
        self.blobs, self.commits, self.settings, self.world, self.threads, self.seal = (
            blobs,
            commits,
            settings,
            world,
            threads,
            seal,
        )
        self.replica: BlobStore | None = None
        self.receiving = 0
        self.reading: collections.Counter[str] = collections.Counter()
        """Bodies that are on their way out: they are not removed meanwhile."""
        self.fresh: collections.deque[str] = collections.deque(maxlen=FRESH)
        """Bodies that the second store lacks: copied soon. What is forgotten here is found by the replicator's slow round."""
        self.on_fresh: Callable[[], None] = lambda: None
        self.rotten_found = 0
        self.log = log.get("objects")

    async def _off(self, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, call, *args)

    # -- in --------------------------------------------------------------------------------------------------------

    async def receive(
        self,
        stream: AsyncIterator[bytes],
        *,
        expected: int | None,
        most: int | None = None,
        also: Sequence[str] = (),
        sealed: bool = False,
    ) -> Received:
        """Take a body in. `expected` bytes when known; `sealed` at rest even where not everything is. Raises TooLarge past `most`,
        NoSpace, Vanished when it is shorter than said, Invalid when it is longer. Raises Unavailable."""
        limit = self.settings.max_file_size if most is None else most
        if expected is not None and expected > limit:
            raise TooLarge("Your request is too large.", limit=limit)
        hashes = [hashlib.md5(usedforsecurity=False), *(hashlib.new(name) for name in also)]
        held: list[bytes] = []
        waiting = size = 0
        writer: Writer | None = None
        id = model.body_id("b") + self._mark(sealed)
        self.receiving += 1
        try:
            async for chunk in self._patient(stream):
                size += len(chunk)
                if size > limit:
                    raise TooLarge("Your request is too large.", limit=limit)
                if expected is not None and size > expected:
                    raise Invalid(f"The body is longer than the {expected} bytes that were announced.")
                held.append(chunk)
                waiting += len(chunk)
                if waiting >= BATCH or waiting >= max(LEAST, HELD // self.receiving):
                    if writer is None:
                        writer = await self._off(self.blobs.create, id, expected)
                    await self._off(_take, writer, hashes, held)
                    held, waiting = [], 0
            if expected is not None and size < expected:
                raise Vanished
            data: bytes | None = None
            if writer is None and size <= self.settings.inline_bytes:
                data = b"".join(held)
                for h in hashes:
                    h.update(data)
                id = "i" + id[1:]
                data = self.turned(id, data)
            else:
                await self._off(self._finish, id, writer, hashes, held, size)
        except BaseException as e:
            if writer is not None:
                await asyncio.shield(self._off(writer.abort))
            if isinstance(e, OSError):
                if e.errno in {errno.ENOSPC, errno.EDQUOT}:
                    raise NoSpace("There is no space left on the object store's disks; nothing was kept.") from e
                self.log.error("store_failed", why=str(e))
                raise Unavailable(f"The store of bodies does not take them ({errno_name(e)}); nothing was kept.") from e
            raise
        finally:
            self.receiving -= 1
        if data is None and self.replica is not None:
            self.fresh.append(id)
            self.on_fresh()
        return Received(
            id, size, hashes[0].hexdigest(), data, {n: h.digest() for n, h in zip(also, hashes[1:], strict=True)}
        )

    def _finish(self, id: str, writer: Writer | None, hashes: list[Any], rest: list[bytes], size: int) -> None:
        if writer is None:
            writer = self.blobs.create(id, size)
        try:
            _take(writer, hashes, rest)
            writer.commit()
        except BaseException:
            writer.abort()
            raise

    async def _patient(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        idle = self.settings.idle_seconds
        each = stream.__aiter__()
        while True:
            try:
                async with asyncio.timeout(idle):
                    chunk = await each.__anext__()
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise Vanished from None
            yield chunk

    def _mark(self, requested: bool = False) -> str:
        return self.seal.mark(requested) if self.seal is not None else ""

    def store(self, data: bytes) -> Received:
        """A body made here (a manifest, a small thing): always beside its row."""
        id = model.body_id("i") + self._mark()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return Received(id, len(data), md5, self.turned(id, data))

    @contextlib.asynccontextmanager
    async def offered(self, got: Received) -> AsyncIterator[None]:
        """Around the commit of the row that names `got`: refused, the body goes at once. Where nobody knows whether there is a row now
        (the database fell silent, the request was cut off) it stays, and the sweeper takes it if no row has it."""
        try:
            yield
        except Exception as e:
            if not isinstance(e, (Unavailable, Retry)):
                await self._off(self.discard, got)
            raise

    def discard(self, got: Received) -> None:
        """A body that no row will name."""
        if got.body[0] == "b":
            with contextlib.suppress(OSError):
                self.blobs.remove(got.body)

    # -- out -------------------------------------------------------------------------------------------------------

    def small(self, tx: Tx, body: str) -> bytes:
        """Raises Replaced, Unavailable."""
        data = rows.small(tx, body)
        if data is None:
            if not rows.named(tx, body):
                raise Replaced
            raise Unavailable("The object's bytes are not where they were put.")
        try:
            return self.turned(body, data)
        except KeyMissing as e:
            raise self.unread(body, e) from e

    def turned(self, id: str, data: bytes) -> bytes:
        """Plain bytes sealed, sealed ones plain, where the body is one that is sealed. Raises KeyMissing."""
        if self.seal is None or not self.seal.covers(id):
            return data
        out: bytes = self.seal.stream(id).update(data)
        return out

    def unread(self, body: str, why: KeyMissing) -> Unavailable:
        """What the caller hears of bytes that nobody here can read; the operator is told."""
        self.log.error("body_unreadable", body=body, why=str(why))
        return Unavailable(str(why))

    async def open(self, extents: Sequence[Extent]) -> AsyncIterator[bytes]:
        """The bytes of `extents`; the first of them are read and checked before this returns, so that the head of the answer tells
        the truth. Raises Unavailable when they are rotten or gone, Replaced."""
        gen = self.stream(extents)
        try:
            first = await gen.__anext__()
        except StopAsyncIteration:
            return _nothing()
        return _first_then(first, gen)

    async def stream(self, extents: Sequence[Extent]) -> AsyncIterator[bytes]:
        for extent in extents:
            if extent.length <= 0:
                continue
            if extent.body[0] == "i":
                data = await self.commits.read(lambda tx, e=extent: self.small(tx, e.body))  # type: ignore[misc]
                yield data[extent.start : extent.start + extent.length]
            elif extent.body[0] == "m":
                parts = await self.commits.long_read(lambda tx, e=extent: rows.pieces(tx, e.body))  # type: ignore[misc]
                at, start, left = 0, extent.start, extent.length
                inner = []
                for p in parts:
                    low, high = max(start, at), min(start + left, at + p.size)
                    if low < high:
                        inner.append(Extent(p.blob, low - at, high - low))
                    at += p.size
                if not parts:
                    raise Replaced
                with self.held(e.body for e in inner):
                    async for chunk in self.stream(inner):
                        yield chunk
            else:
                with self.held((extent.body,)):
                    async for chunk in self._blob(extent):
                        yield chunk

    @contextlib.contextmanager
    def held(self, bodies: Iterable[str]) -> Iterator[None]:
        """Nobody removes these bodies meanwhile."""
        held = list(bodies)
        self.reading.update(held)
        try:
            yield
        finally:
            for body in held:
                self.reading[body] -= 1
                if self.reading[body] <= 0:
                    del self.reading[body]

    async def _blob(self, extent: Extent) -> AsyncIterator[bytes]:
        source = self.blobs.read(extent.body, extent.start, extent.length, self.settings.verify_reads)
        sent, second = 0, False
        try:
            while sent < extent.length:
                try:
                    chunks = await self._off(_some, source)
                except KeyMissing as e:
                    raise self.unread(extent.body, e) from e
                except (Rotten, OSError) as e:
                    if isinstance(e, FileNotFoundError) and not await self.commits.read(
                        lambda tx: rows.named(tx, extent.body)
                    ):
                        raise Replaced from e
                    if isinstance(e, (Rotten, FileNotFoundError)):
                        await self.told_rotten(extent.body, str(e) or "missing")
                        why = "The object's bytes fail their checksum; they are kept back and the operator is told."
                    else:
                        self.log.error("store_failed", why=str(e))
                        why = f"The store of bodies does not answer ({errno_name(e)})."
                    if self.replica is None or second:
                        raise Unavailable(why) from e
                    second = True
                    source = self.replica.read(extent.body, extent.start + sent, extent.length - sent, True)
                    continue
                if not chunks:
                    raise Unavailable("The object's bytes end too early.")
                for chunk in chunks:
                    sent += len(chunk)
                    yield chunk
        finally:
            if sent < extent.length:
                with contextlib.suppress(Exception):
                    source.close()  # type: ignore[attr-defined]

    async def told_rotten(self, body: str, why: str) -> None:
        self.rotten_found += 1
        self.log.error("body_rotten", body=body, why=why)
        await self._off(self.set_aside, body, why)

    def set_aside(self, body: str, why: str) -> None:
        """Quarantine a body, and remember why."""
        self.blobs.quarantine(body)
        self.commits.write_now(lambda tx: rows.mark_rotten(tx, body, self.world.now(), why))

    async def whole(self, extents: Sequence[Extent], most: int = 1 << 23) -> bytes:
        """A body that is known to be short, in one piece. Raises Invalid."""
        if sum(e.length for e in extents) > most:
            raise Invalid(f"The object is longer than {most} bytes")
        return b"".join([c async for c in self.stream(extents)])


def errno_name(e: OSError) -> str:
    return errno.errorcode.get(e.errno or 0, type(e).__name__)


def extents_of(o: model.Object, start: int = 0, length: int | None = None) -> list[Extent]:
    """The whole of an object's bytes, or a range. Raises Forbidden for what only its owner's key opens."""
    if o.own("sealed"):
        raise Forbidden(
            f"The object {o.name} is encrypted under a customer's key: it is read through S3, with that key.",
            rule="sealed",
        )
    if o.body is None:
        return []
    return [Extent(o.body, start, o.size - start if length is None else length)]


def _take(writer: Writer, hashes: list[Any], batch: list[bytes]) -> None:
    """Hash and write; the pieces are let go one by one."""
    batch.reverse()
    while batch:
        piece = batch.pop()
        for h in hashes:
            h.update(piece)
        writer.write(piece)


def _some(source: Iterator[bytes]) -> list[bytes]:
    got, size = [], 0
    for chunk in source:
        got.append(chunk)
        size += len(chunk)
        if size >= AT_ONCE:
            break
    return got


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def _first_then(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
