# SPDX-License-Identifier: Apache-2.0
"""Bodies as files on local disks. A body is an unnamed file until it is whole, checked and on the disk; then it is linked under its
name and the folder is flushed. Behind the bytes lie a checksum per block and a footer, so that reads of any part are verified."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import struct
import time
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

from virga.services.objects.driver import Rotten

BLOCK = 1 << 18
FOOTER = struct.Struct("<8sQII")
MAGIC = b"virgaob1"


class FileWriter:
    def __init__(self, disk: Path, id: str, size: int | None) -> None:
        self._disk, self._id = disk, id
        self._sums = array("I")
        self._crc, self._filled, self._size = 0, 0, 0
        self._named: Path | None = None
        try:
            self._fd = os.open(disk / "blobs", os.O_TMPFILE | os.O_RDWR, 0o600)
        except OSError as e:
            if e.errno not in {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT}:
                raise
            self._named = disk / "incoming" / id
            self._fd = os.open(self._named, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        if size is not None and size > BLOCK:
            try:
                os.posix_fallocate(self._fd, 0, size)
            except OSError as e:
                if e.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                    self.abort()
                    raise

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        at = 0
        while at < len(view):
            take = min(BLOCK - self._filled, len(view) - at)
            self._crc = zlib.crc32(view[at : at + take], self._crc)
            self._filled += take
            at += take
            if self._filled == BLOCK:
                self._sums.append(self._crc)
                self._crc, self._filled = 0, 0
        self._size += len(view)
        self._put(view)

    def _put(self, view: memoryview | bytes) -> None:
        view = memoryview(view)
        while view:
            view = view[os.write(self._fd, view) :]

    def commit(self) -> None:
        if self._filled:
            self._sums.append(self._crc)
        sums = self._sums.tobytes()
        self._put(sums + FOOTER.pack(MAGIC, self._size, BLOCK, zlib.crc32(sums)))
        os.ftruncate(self._fd, self._size + len(sums) + FOOTER.size)
        os.fsync(self._fd)
        folder = _folder(self._disk, self._id)
        target = folder / self._id
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            folder.mkdir(exist_ok=True)
            _flush(self._disk / "blobs")
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if self._named is not None:
                self._named.rename(target)
            else:
                # naming a directory handle makes Python call linkat(2), which follows the link to the unnamed file; where the name
                # is taken, somebody else copied the same body
                with contextlib.suppress(FileExistsError):
                    os.link(f"/proc/self/fd/{self._fd}", target, src_dir_fd=handle, follow_symlinks=True)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.close(self._fd)
        self._fd = -1

    def abort(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._named is not None:
            self._named.unlink(missing_ok=True)


def _folder(disk: Path, id: str) -> Path:
    return disk / "blobs" / id[1:3]


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class FileStore:
    """`disk/blobs/ab/<id>`; a blob's disk follows from its id, and is the next one in its order while that one is full."""

    def __init__(self, disks: list[Path]) -> None:
        self.disks = disks
        for disk in disks:
            for name in ("blobs", "incoming", "quarantine"):
                (disk / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in (disk / "incoming").iterdir():
                if left.stat().st_mtime < time.time() - 86400:  # younger ones may be another process's
                    left.unlink(missing_ok=True)
            for n in range(256):
                (disk / "blobs" / f"{n:02x}").mkdir(exist_ok=True)
            _flush(disk / "blobs")
            _flush(disk)

    def _order(self, id: str) -> list[Path]:
        """The disks of a blob, best first: the same on every start, little moves when a disk is added."""
        if len(self.disks) == 1:
            return self.disks
        return sorted(
            self.disks, key=lambda d: hashlib.md5(f"{d.name}:{d}:{id}".encode(), usedforsecurity=False).digest()
        )

    def create(self, id: str, size: int | None = None) -> FileWriter:
        full: OSError | None = None
        for disk in self._order(id):
            try:
                space = os.statvfs(disk)
                if size is not None and size + BLOCK > space.f_bavail * space.f_frsize:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return FileWriter(disk, id, size)
            except OSError as e:
                if e.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}:
                    raise
                full = e
        raise full or OSError(errno.ENOSPC, "no disk")

    def _path(self, id: str) -> Path:
        for disk in self._order(id):
            path = _folder(disk, id) / id
            if len(self.disks) == 1 or path.exists():
                return path
        raise FileNotFoundError(id)

    def read(self, id: str, start: int = 0, length: int | None = None, verify: bool = True) -> Iterator[bytes]:
        fd = os.open(self._path(id), os.O_RDONLY)
        try:
            size, block, sums = _footer(fd, id)
            end = size if length is None else min(size, start + length)
            at = start - start % block if verify else start
            while at < end:
                data = os.pread(fd, min(block, size - at) if verify else min(block, end - at), at)
                if not data:
                    raise Rotten(f"{id} is shorter than it was")
                if verify and zlib.crc32(data) != sums[at // block]:
                    raise Rotten(f"{id}: the block at {at} fails its checksum")
                low, high = max(start - at, 0), min(len(data), end - at)
                yield data if low == 0 and high == len(data) else data[low:high]
                at += len(data)
        finally:
            os.close(fd)

    def size(self, id: str) -> int:
        fd = os.open(self._path(id), os.O_RDONLY)
        try:
            return _footer(fd, id)[0]
        finally:
            os.close(fd)

    def remove(self, id: str) -> None:
        for disk in self.disks:
            (_folder(disk, id) / id).unlink(missing_ok=True)

    def ids(self) -> Iterator[str]:
        for disk in self.disks:
            for folder in sorted((disk / "blobs").iterdir()):
                with os.scandir(folder) as entries:
                    for entry in entries:
                        yield entry.name

    def made(self, id: str) -> float:
        return self._path(id).stat().st_mtime

    def quarantine(self, id: str) -> None:
        for disk in self.disks:
            path = _folder(disk, id) / id
            if path.exists():
                path.rename(disk / "quarantine" / id)
                _flush(disk / "quarantine")

    def free(self) -> list[tuple[str, int, int]]:
        out = []
        for disk in self.disks:
            s = os.statvfs(disk)
            out.append((str(disk), s.f_bavail * s.f_frsize, s.f_blocks * s.f_frsize))
        return out


def _footer(fd: int, id: str) -> tuple[int, int, array[int]]:
    whole = os.fstat(fd).st_size
    raw = os.pread(fd, FOOTER.size, max(0, whole - FOOTER.size))
    if len(raw) != FOOTER.size:
        raise Rotten(f"{id} has no footer")
    magic, size, block, check = FOOTER.unpack(raw)
    count = -(-size // block) if block else 0
    if magic != MAGIC or whole != size + 4 * count + FOOTER.size:
        raise Rotten(f"{id} has a bad footer")
    raw = os.pread(fd, 4 * count, size)
    if zlib.crc32(raw) != check:
        raise Rotten(f"{id}: its checksums fail their own")
    sums = array("I")
    sums.frombytes(raw)
    return size, block, sums
