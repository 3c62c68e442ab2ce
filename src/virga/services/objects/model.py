# SPDX-License-Identifier: Apache-2.0
"""Accounts, containers, objects as rows; names, versions, metadata limits."""

from __future__ import annotations

import datetime as dt
import functools
import threading
import uuid
from typing import Any

from virga.ground.db.rows import Row

PREFIX = "AUTH_"
MAX_NAME = 1024
MAX_CONTAINER = 256
MAX_ACCOUNT = 256
META_NAME, META_VALUE, META_COUNT, META_OVERALL = 128, 256, 90, 4096
LISTING = 10000
MARKER = "marker"
"""`kind` of a delete marker; other kinds: '' plain, 'slo' a manifest, 'link' a symbolic link."""
DIRECTORY_TYPES = frozenset({"application/directory"})

Meta = dict[str, str]


class Account(Row, frozen=True):
    name: str
    created: float
    meta: Meta
    control: dict[str, Any]
    deleted: float | None


class Container(Row, frozen=True):
    """`control` holds what is not the user's own metadata: ACLs, versioning, sync, S3's settings."""

    id: int
    account: str
    name: str
    policy: str
    created: float
    changed: float
    meta: Meta
    control: dict[str, Any]
    objects: int
    bytes: int


class Object(Row, frozen=True):
    """The newest version of a name. `version` orders versions and is what the APIs call the version id, unless `unversioned`.
    `body`: `i…` in the database, `b…` in the blob store, `m…` pieces, None for none. `control` is None when there is nothing in it."""

    container_id: int
    name: str
    version: str
    unversioned: bool
    created: float
    changed: float
    etag: str
    size: int
    content_type: str
    kind: str
    body: str | None
    delete_at: int | None
    meta: Meta
    control: dict[str, Any] | None

    def own(self, key: str, default: Any = None) -> Any:
        return default if self.control is None else self.control.get(key, default)


class Piece(Row, frozen=True):
    """`control` of a piece and of a part: its checksums, and the salt of a customer's key."""

    body: str
    number: int
    blob: str
    size: int
    etag: str
    control: dict[str, Any] | None = None


class Upload(Row, frozen=True):
    """A multipart upload under way."""

    id: str
    container_id: int
    name: str
    created: float
    content_type: str
    meta: Meta
    control: dict[str, Any] | None
    owner: str


class Part(Row, frozen=True):
    upload: str
    number: int
    body: str
    size: int
    etag: str
    changed: float
    control: dict[str, Any] | None = None


class Trash(Row, frozen=True):
    body: str
    since: float


class SyncEntry(Row, frozen=True):
    """A change that a container has still to tell another: `deleted`, or as the object is when it is told. `name` may be empty: then all
    objects are to be told, from `cursor` on."""

    container_id: int
    name: str
    at: float
    deleted: bool
    cursor: str | None
    tries: int
    due: float
    why: str | None


class Quarantine(Row, frozen=True):
    """A body whose bytes are not what was written."""

    body: str
    since: float
    why: str


class _Ticks:
    """Times that never repeat in this process, in hundred-thousandths of a second."""

    def __init__(self) -> None:
        self._last, self._lock = 0, threading.Lock()

    def next(self, now: float) -> int:
        with self._lock:
            self._last = max(self._last + 1, int(now * 100000))
            return self._last

    def anew(self) -> None:
        with self._lock:
            self._last = 0


_ticks = _Ticks()
begin_stamps = _ticks.anew
"""A cloud that is made begins its own times: in a process that had another cloud, whose simulated clock ran ahead, they are not behind it."""


def stamp(now: float) -> tuple[str, float]:
    """A fresh version id (`1700000000.12345`) and the same as seconds."""
    ticks = _ticks.next(now)
    whole, part = divmod(ticks, 100000)
    return f"{whole:010d}.{part:05d}", ticks / 100000


def timestamp(seconds: float) -> str:
    """X-Timestamp: `1700000000.12345`."""
    return f"{seconds:016.5f}"


def listed_time(seconds: float) -> str:
    """`2026-11-22T18:00:00.123450`, as listings print times."""
    ticks = round(seconds * 100000)
    return f"{listed_second(ticks // 100000)}.{ticks % 100000:05d}0"


@functools.lru_cache(8192)
def listed_second(seconds: int) -> str:
    """The whole second of it: `2026-11-22T18:00:00`."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def body_id(place: str) -> str:
    return place + uuid.uuid4().hex


def account_of(project_id: str) -> str:
    return PREFIX + project_id


def project_of(account: str) -> str:
    return account.removeprefix(PREFIX)
