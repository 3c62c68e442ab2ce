# SPDX-License-Identifier: Apache-2.0
"""The node's cache of images: whole files that machines are made from. One fetch serves all who wait for it, what is fetched is
hashed before it is believed, and what was not used for longest goes when there is too much."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from virga.ground.errors import NotFound
from virga.services.images import model

FICLONE = 0x40049409


@dataclass
class Entry:
    """What the cache knows of one image."""

    image_id: str
    size: int
    hits: int
    accessed: float
    modified: float


Open = Callable[[str], tuple[model.Image, Path | None, Callable[[], Iterator[bytes]]]]
"""The image, its file if it is one of this machine, and a reader of its bytes. Raises NotFound."""


class ImageCache:
    """`folder/<image>` whole, `folder/.new-…` on the way, `folder/.queue-<image>` wanted. Without a folder nothing is copied: the
    bytes are in memory anyway."""

    def __init__(self, folder: Path | None, most: int, open: Open) -> None:
        self.folder, self.most, self._open = folder, most, open
        self._lock = threading.Lock()
        self._flights: dict[str, Future[Path | None]] = {}
        self._hits: dict[str, int] = {}
        self._there: dict[str, Entry] = {}
        self._queue: list[str] = []
        self._pool: ThreadPoolExecutor | None = None
        self.fetched = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o711)

    # -- use -------------------------------------------------------------------------------------------------------

    def fetch(self, id: str) -> Path | None:
        """The image's file on this machine, fetched if it is not here; None where there are no files. Raises NotFound, OSError."""
        with self._lock:
            self._hits[id] = self._hits.get(id, 0) + 1
            path = self._path(id)
            if path is not None:
                os.utime(path)
                return path
            flight = self._flights.get(id)
            mine = flight is None
            if flight is None:
                flight = self._flights[id] = Future()
        if not mine:
            return flight.result()
        try:
            got = self._bring(id)
            flight.set_result(got)
            return got
        except BaseException as e:
            flight.set_exception(e)
            raise
        finally:
            with self._lock:
                del self._flights[id]

    def _path(self, id: str) -> Path | None:
        if self.folder is None:
            return None
        path = self.folder / id
        return path if path.exists() else None

    def _bring(self, id: str) -> Path | None:
        image, local, read = self._open(id)
        self.fetched += 1
        if self.folder is None:
            self._there[id] = Entry(id, image.size or 0, 0, 0.0, 0.0)
            return None
        self.prune(image.size or 0)
        fresh, final = self.folder / f".new-{id}", self.folder / id
        fresh.unlink(missing_ok=True)
        if local is None or not _twin(local, fresh):
            _copy(image, read(), fresh)
        fresh.rename(final)
        return final

    # -- the API's words -------------------------------------------------------------------------------------------

    def cached(self) -> list[Entry]:
        if self.folder is None:
            return [
                Entry(e.image_id, e.size, self._hits.get(e.image_id, 0), e.accessed, e.modified)
                for e in self._there.values()
            ]
        out = []
        for path in self.folder.iterdir():
            if not path.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    s = path.stat()
                    out.append(Entry(path.name, s.st_size, self._hits.get(path.name, 0), s.st_mtime, s.st_ctime))
        return sorted(out, key=lambda e: e.accessed)

    def queued(self) -> list[str]:
        if self.folder is None:
            return list(self._queue)
        return sorted(p.name.removeprefix(".queue-") for p in self.folder.glob(".queue-*"))

    def start(self) -> None:
        """Take up what was wanted when the last process ended."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="cache")
        if self.folder is not None:
            for left in self.folder.glob(".new-*"):
                left.unlink(missing_ok=True)
        for id in self.queued():
            self._pool.submit(self._prefetch, id)

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def want(self, id: str) -> None:
        """Have the image here soon; a start in between does not forget it."""
        if self.folder is None:
            self._queue.append(id)
        else:
            (self.folder / f".queue-{id}").touch()
        if self._pool is not None:
            self._pool.submit(self._prefetch, id)
        else:
            self._prefetch(id)

    def _prefetch(self, id: str) -> None:
        try:
            if id in self.queued():
                self.fetch(id)
        except (NotFound, OSError):
            pass  # it is gone, or its store does not answer: the first use will say so
        finally:
            self.unqueue(id)

    def unqueue(self, id: str) -> bool:
        known = id in self.queued()
        if self.folder is None:
            self._queue = [q for q in self._queue if q != id]
        else:
            (self.folder / f".queue-{id}").unlink(missing_ok=True)
        return known

    def drop(self, id: str) -> bool:
        known = any(e.image_id == id for e in self.cached())
        self._hits.pop(id, None)
        self._there.pop(id, None)
        if self.folder is not None:
            (self.folder / id).unlink(missing_ok=True)
        return known

    def clean(self) -> int:
        """Take away what no fetch is writing any more."""
        if self.folder is None:
            return 0
        dead = [p for p in self.folder.glob(".new-*") if p.name.removeprefix(".new-") not in self._flights]
        for path in dead:
            path.unlink(missing_ok=True)
        return len(dead)

    def prune(self, room: int = 0) -> tuple[int, int]:
        """Drop what was not used for longest until `room` fits into the bound: (images, bytes)."""
        if not self.most:
            return 0, 0
        entries, files, size = self.cached(), 0, 0
        total = sum(e.size for e in entries) + room
        for entry in entries:
            if total <= self.most:
                break
            self.drop(entry.image_id)
            total -= entry.size
            files, size = files + 1, size + entry.size
        return files, size


def _twin(source: Path, fresh: Path) -> bool:
    """The same bytes under another name: a reflink where the file system has them, else a hard link; False across file systems."""
    import fcntl

    try:
        with open(source, "rb") as a, open(fresh, "xb") as b:
            fcntl.ioctl(b.fileno(), FICLONE, a.fileno())
        return True
    except OSError:
        fresh.unlink(missing_ok=True)
    try:
        os.link(source, fresh)
    except OSError:
        return False
    return True


def _copy(image: model.Image, chunks: Iterator[bytes], fresh: Path) -> None:
    """The bytes into a file, if they are those of the image: fail-closed."""
    shown = hashlib.new(image.os_hash_algo) if image.os_hash_algo is not None else None
    if image.size and shutil.disk_usage(fresh.parent).free < image.size:
        raise OSError(errno.ENOSPC, f"image {image.id} needs {image.size} bytes in {fresh.parent}")
    try:
        with open(fresh, "xb", buffering=0) as file:
            for chunk in chunks:
                if shown is not None:
                    shown.update(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) :]
            os.fsync(file.fileno())
        if shown is not None and shown.hexdigest() != image.os_hash_value:
            raise OSError(
                errno.EIO, f"image {image.id} arrived with another {image.os_hash_algo} than it has: it is not used"
            )
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
