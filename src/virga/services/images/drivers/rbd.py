# SPDX-License-Identifier: Apache-2.0
"""Image bytes in Ceph: one RBD image per blob, under a name of its own while it arrives, renamed and snapshotted when it is whole, so
that machines and volumes can be cloned from it. Ceph's library works in a process of its own (`rbd_inside.py`, by a Python that has
Debian's bindings): what happens to it does not happen to the cloud. A pool belongs to one cloud."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from virga.services.images.drivers.remote import Pipe

CHUNK = 4 << 20
SECONDS = 120
INSIDE = Path(__file__).with_name("rbd_inside.py")


@functools.cache
def python() -> str:
    """A Python that can talk to Ceph. Raises OSError with what is missing."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        done = subprocess.run([candidate, "-c", "import rados, rbd"], capture_output=True, check=False, timeout=SECONDS)
        if done.returncode == 0:
            return candidate
    raise OSError(errno.ENOENT, "Ceph's bindings are missing: apt-get install python3-rados python3-rbd")


class Cluster:
    """How to reach a pool."""

    def __init__(self, conf: str, user: str, pool: str) -> None:
        self.conf, self.user, self.pool = conf, user, pool

    def argv(self, verb: str, *words: str) -> list[str]:
        return [python(), "-I", str(INSIDE), self.conf, self.user, self.pool, verb, *words]

    def ask(self, verb: str, *words: str) -> Any:
        """What a short verb prints, as JSON. Raises FileNotFoundError, OSError."""
        try:
            done = subprocess.run(self.argv(verb, *words), capture_output=True, check=False, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise OSError(errno.ETIMEDOUT, f"Ceph does not answer within {SECONDS} s") from None
        if done.returncode:
            raise failure(done.returncode, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def stream(self, verb: str, *words: str) -> Iterator[bytes]:
        """What a long verb prints, in chunks. Raises FileNotFoundError, OSError when it does not end well."""
        child = subprocess.Popen(self.argv(verb, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            assert child.stdout is not None
            while data := child.stdout.read(CHUNK):
                yield data
            _, stderr = child.communicate(timeout=SECONDS)
            if child.returncode:
                raise failure(child.returncode, stderr)
        finally:
            child.kill()
            child.communicate()


def failure(code: int, stderr: bytes) -> OSError:
    text = stderr.decode(errors="replace").strip()[-300:]
    number = {2: errno.ENOENT, 28: errno.ENOSPC}.get(code, errno.EIO)
    return FileNotFoundError(number, text) if number == errno.ENOENT else OSError(number, text)


class RbdWriter:
    def __init__(self, cluster: Cluster, key: str, size: int | None) -> None:
        self.cluster, self.key = cluster, key
        words = cluster.argv("write", key, str(size or 0))
        self._child: subprocess.Popen[bytes] | None = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._pipe: Pipe | None = None

    def __del__(self) -> None:
        """A writer that nobody holds any more lets its child go; the sweeper finds what it wrote."""
        if self._child is not None and self._child.stdin is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.close()

    def write(self, data: bytes) -> None:
        assert self._child is not None and self._child.stdin is not None
        try:
            self._child.stdin.write(data)
        except BrokenPipeError:
            self._finish()
            raise OSError(errno.EIO, "Ceph ended the write") from None

    def _finish(self) -> None:
        """All that was written is in Ceph, under the name of what is on its way."""
        child, self._child = self._child, None
        if child is None:
            return
        try:
            _, stderr = child.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise OSError(errno.ETIMEDOUT, f"Ceph does not take the bytes within {SECONDS} s") from None
        if child.returncode:
            raise failure(child.returncode, stderr)

    def fd(self) -> int | None:
        self._finish()
        self._pipe = Pipe(self.cluster.stream("read-new", self.key, "0", "-1"))
        return self._pipe.read_end

    def raw(self) -> int:
        raise OSError(errno.ENOTSUP, "RBD is no staging area")

    def commit(self) -> None:
        self._finish()
        if self._pipe is not None:
            self._pipe.settle()
        self.cluster.ask("commit", self.key)

    def abort(self) -> None:
        """What cannot be taken away now is found by the sweeper: an abort never hides why it was made."""
        child, self._child = self._child, None
        if child is not None:
            child.terminate()  # it lets go of the image; a killed one would hold it for half a minute
            try:
                child.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
        with contextlib.suppress(OSError):
            self.cluster.ask("discard", self.key)


class RbdStore:
    def __init__(self, pool: str, conf: str = "/etc/ceph/ceph.conf", user: str = "admin") -> None:
        self.cluster = Cluster(conf, user, pool)
        self._fsid: str | None = None

    def create(self, key: str, size: int | None = None) -> RbdWriter:
        return RbdWriter(self.cluster, key, size)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self.cluster.stream("read", key, str(start), str(-1 if length is None else length))

    def path(self, key: str) -> Path | None:
        return None

    def url(self, key: str) -> str:
        if self._fsid is None:
            self._fsid = self.cluster.ask("fsid")
        return f"rbd://{self._fsid}/{self.cluster.pool}/{key}/snap"

    def remove(self, key: str) -> None:
        self.cluster.ask("remove", key)

    def ids(self) -> set[str]:
        return set(self.cluster.ask("list")["whole"])

    def unfinished(self) -> set[str]:
        return set(self.cluster.ask("list")["new"])

    def discard(self, key: str) -> None:
        self.cluster.ask("discard", key)
