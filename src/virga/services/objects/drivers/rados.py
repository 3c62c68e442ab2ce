# SPDX-License-Identifier: Apache-2.0
"""Bodies in a Ceph pool. A body is striped over RADOS objects `<id>.0`, `<id>.1`, … of 4 MiB; each keeps a checksum per block of 256 KiB
beside its bytes, and the first one's `whole` attribute, written last, makes the body be there. How often bytes are kept, and on which
hosts (replicas, erasure codes), is the pool's business. Ceph's library works in this process, by Debian's binding."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import struct
import sys
import threading
import time
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from virga.services.objects.driver import Rotten

BLOCK = 1 << 18
STRIPE = 1 << 22
READ = 1 << 20
WHOLE = struct.Struct("<8sQIII")
"""magic, bytes of the body, block, stripe, CRC of the first stripe's checksums, which follow."""
MAGIC = b"virgara1"
LIVE, ASIDE = "objects", "quarantine"
"""The pool's namespaces."""
DEBIAN = Path("/usr/lib/python3/dist-packages")


def binding() -> ModuleType:
    """Ceph's binding: the environment's own, else Debian's for this Python. Raises OSError with what is missing."""
    known = sys.modules.get("rados")
    if known is not None:
        return known
    spec = importlib.util.find_spec("rados")
    if spec is None:
        version = f"{sys.version_info.major}{sys.version_info.minor}"
        for file in DEBIAN.glob(f"rados.cpython-{version}-*.so"):
            spec = importlib.util.spec_from_file_location("rados", file)
    if spec is None or spec.loader is None:
        raise OSError(errno.ENOENT, "Ceph's binding for this Python is missing: apt-get install python3-rados")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["rados"] = module
    return module


@contextlib.contextmanager
def faults(what: str) -> Iterator[None]:
    """Ceph's errors as the contract's: FileNotFoundError, OSError with ENOSPC, ETIMEDOUT or EIO."""
    try:
        yield
    except (OSError, Rotten):
        raise
    except Exception as e:
        if not isinstance(e, binding().Error):
            raise
        number = abs(getattr(e, "errno", 0) or 0)
        if number == errno.ENOENT:
            raise FileNotFoundError(errno.ENOENT, what) from e
        if number in {errno.ENOSPC, errno.EDQUOT}:
            raise OSError(errno.ENOSPC, f"The Ceph pool is full: {what}") from e
        if number in {errno.ETIMEDOUT, 0}:
            raise OSError(errno.ETIMEDOUT, f"Ceph does not answer in time: {what}: {e}") from e
        raise OSError(number, f"Ceph: {what}: {e}") from e


class Cluster:
    """The way to one pool, opened by who first needs it and kept."""

    def __init__(self, pool: str, conf: str, user: str, seconds: int = 20) -> None:
        self.pool, self.conf, self.user, self.seconds = pool, conf, user, seconds
        self._lock = threading.Lock()
        self._handle: Any = None
        self._open: dict[str, Any] = {}

    def io(self, space: str = LIVE) -> Any:
        """An I/O context in one of the pool's namespaces; shared by threads, as librados allows."""
        found = self._open.get(space)
        if found is not None:
            return found
        with self._lock, faults(f"pool {self.pool}"):
            if self._handle is None:
                handle = binding().Rados(conffile=self.conf, rados_id=self.user)
                limits = {
                    "rados_mon_op_timeout": self.seconds,
                    "rados_osd_op_timeout": self.seconds,
                    "client_mount_timeout": self.seconds,
                }
                for name, value in limits.items():
                    handle.conf_set(name, str(value))
                handle.connect(timeout=self.seconds)
                self._handle = handle
            if space not in self._open:
                io = self._handle.open_ioctx(self.pool)
                io.set_namespace(space)
                io.set_osdmap_full_try()  # a full pool answers, where it would make us wait
                self._open[space] = io
            return self._open[space]

    def stats(self) -> tuple[int, int]:
        """Bytes free and bytes in all."""
        self.io()
        with faults("statistics"):
            got = self._handle.get_cluster_stats()
        return int(got["kb_avail"]) * 1024, int(got["kb"]) * 1024

    def close(self) -> None:
        with self._lock:
            for io in self._open.values():
                io.close()
            self._open = {}
            if self._handle is not None:
                self._handle.shutdown()
                self._handle = None


class RadosWriter:
    """Blocks go out as they fill, so a writer holds one block; checksums of a stripe go out with its end."""

    def __init__(self, store: RadosStore, id: str) -> None:
        self._io, self._store, self._id = store.cluster.io(), store, id
        self._held = bytearray()
        self._size = 0
        self._sums = array("I")
        self._first = b""
        self._done = False

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            take = min(BLOCK - len(self._held), len(view))
            self._held += view[:take]
            view = view[take:]
            if len(self._held) == BLOCK:
                self._block()

    def _block(self) -> None:
        block = bytes(self._held)
        self._held.clear()
        with faults(self._id):
            stripe, offset = divmod(self._size, STRIPE)
            self._io.write(f"{self._id}.{stripe}", block, offset)
        self._sums.append(zlib.crc32(block))
        self._size += len(block)
        if self._size % STRIPE == 0:
            self._stripe()

    def _stripe(self) -> None:
        """The checksums of the stripe that ends here."""
        stripe, sums = (self._size - 1) // STRIPE, self._sums.tobytes()
        self._sums = array("I")
        if stripe == 0:
            self._first = sums
        else:
            with faults(self._id):
                self._io.set_xattr(f"{self._id}.{stripe}", "sums", sums)

    def commit(self) -> None:
        small = self._size == 0
        block = bytes(self._held)
        if small:  # one operation writes a body of one block
            self._held.clear()
            self._size = len(block)
            self._first = array("I", [zlib.crc32(block)] if block else []).tobytes()
        else:
            if self._held:
                self._block()
            if len(self._sums):
                self._stripe()
        head = WHOLE.pack(MAGIC, self._size, BLOCK, STRIPE, zlib.crc32(self._first)) + self._first
        with faults(self._id), _operation(self._io) as op:
            if small:
                op.write_full(block)
            op.set_xattr("whole", head)
            self._io.operate_write_op(op, f"{self._id}.0", int(time.time()))
        self._done = True

    def abort(self) -> None:
        if not self._done:
            with contextlib.suppress(OSError):  # what cannot be taken away now is found by the sweep
                self._store.remove(self._id)
        self._held.clear()


@contextlib.contextmanager
def _operation(io: Any) -> Iterator[Any]:
    op = io.create_write_op()
    try:
        yield op
    finally:
        io.release_write_op(op)


class RadosStore:
    def __init__(self, pool: str, conf: str = "/etc/ceph/ceph.conf", user: str = "admin", seconds: int = 20) -> None:
        self.cluster = Cluster(pool, conf, user, seconds)

    def create(self, id: str, size: int | None = None) -> RadosWriter:
        return RadosWriter(self, id)

    def _head(self, id: str) -> tuple[int, array[int]]:
        """Bytes of the body, and the checksums of its first stripe."""
        with faults(id):
            try:
                raw: bytes = self.cluster.io().get_xattr(f"{id}.0", "whole")
            except binding().NoData:
                raise FileNotFoundError(errno.ENOENT, f"{id} is not whole") from None
        if len(raw) < WHOLE.size:
            raise Rotten(f"{id} has a short head")
        magic, size, block, stripe, check = WHOLE.unpack(raw[: WHOLE.size])
        sums = raw[WHOLE.size :]
        if (magic, block, stripe) != (MAGIC, BLOCK, STRIPE) or zlib.crc32(sums) != check:
            raise Rotten(f"{id} has a bad head")
        return size, _sums(sums, id)

    def read(self, id: str, start: int = 0, length: int | None = None, verify: bool = True) -> Iterator[bytes]:
        size, first = self._head(id)
        return self._read(id, size, first, start, size if length is None else min(size, start + length), verify)

    def _read(self, id: str, size: int, first: array[int], start: int, end: int, verify: bool) -> Iterator[bytes]:
        io, at = self.cluster.io(), start - start % BLOCK
        stripe, sums = 0, first
        while at < end:
            if at // STRIPE != stripe:
                stripe = at // STRIPE
                sums = self._stripe_sums(id, stripe) if verify else first
            offset = at % STRIPE
            want = min(READ, STRIPE - offset, size - at, -(-(end - at) // BLOCK) * BLOCK)
            try:
                with faults(id):
                    data: bytes = io.read(f"{id}.{stripe}", want, offset)
            except FileNotFoundError:
                raise Rotten(f"{id}: stripe {stripe} is gone") from None
            except OSError as e:
                if e.errno == errno.EIO:  # the disks' own checksum fails, and no replica is right
                    raise Rotten(f"{id}: stripe {stripe} cannot be read") from e
                raise
            if len(data) != want:
                raise Rotten(f"{id}: stripe {stripe} is shorter than it was")
            for n in range(0, want, BLOCK) if verify else ():
                block = memoryview(data)[n : n + BLOCK]
                place = (offset + n) // BLOCK
                if place >= len(sums) or zlib.crc32(block) != sums[place]:
                    raise Rotten(f"{id}: the block at {at + n} fails its checksum")
            low, high = max(start - at, 0), min(want, end - at)
            yield data if low == 0 and high == want else data[low:high]
            at += want

    def _stripe_sums(self, id: str, stripe: int) -> array[int]:
        try:
            with faults(id):
                return _sums(self.cluster.io().get_xattr(f"{id}.{stripe}", "sums"), id)
        except FileNotFoundError:
            raise Rotten(f"{id}: stripe {stripe} is gone") from None
        except OSError as e:
            if e.errno == errno.ENODATA:
                raise Rotten(f"{id}: stripe {stripe} has no checksums") from e
            raise

    def size(self, id: str) -> int:
        return self._head(id)[0]

    def _stripes(self, io: Any, id: str) -> int:
        """How many stripes lie there, whole body or not: they are written in order."""
        count = 0
        while True:
            try:
                with faults(id):
                    io.stat(f"{id}.{count}")
            except FileNotFoundError:
                return count
            count += 1

    def remove(self, id: str) -> None:
        """The last stripe first: what is cut short is found again by its first one."""
        io = self.cluster.io()
        try:
            count = -(-self._head(id)[0] // STRIPE) or 1
        except (FileNotFoundError, Rotten):
            count = self._stripes(io, id)
        for n in reversed(range(count)):
            with contextlib.suppress(FileNotFoundError), faults(id):
                io.remove_object(f"{id}.{n}")

    def ids(self) -> Iterator[str]:
        with faults(f"pool {self.cluster.pool}"):
            for found in self.cluster.io().list_objects():
                id, _, number = found.key.rpartition(".")
                if number == "0":
                    yield id

    def made(self, id: str) -> float:
        with faults(id):
            _, at = self.cluster.io().stat(f"{id}.0")
        return time.mktime(at)

    def quarantine(self, id: str) -> None:
        """RADOS knows no renaming: what can still be read is copied, with its attributes, and then taken away."""
        io, aside = self.cluster.io(), self.cluster.io(ASIDE)
        for n in range(self._stripes(io, id)):
            key, at = f"{id}.{n}", 0
            with faults(id):
                length, _ = io.stat(key)
                aside.write_full(key, b"")
                while at < length:
                    try:
                        data = io.read(key, min(READ, length - at), at)
                    except binding().Error:
                        data = b""  # what the disks do not give
                    aside.write(key, data, at)
                    at += len(data) or READ
                for name, value in io.get_xattrs(key):
                    aside.set_xattr(key, name, value)
        self.remove(id)

    def free(self) -> list[tuple[str, int, int]]:
        left, whole = self.cluster.stats()
        return [(f"rados:{self.cluster.pool}", left, whole)]


def _sums(raw: bytes, id: str) -> array[int]:
    out = array("I")
    if len(raw) % out.itemsize:
        raise Rotten(f"{id}: its checksums are cut")
    out.frombytes(raw)
    return out
