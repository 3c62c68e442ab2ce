# SPDX-License-Identifier: Apache-2.0
"""Opens the stores that the settings name: folders, or `rados:POOL?conf=…&user=…&seconds=…`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from virga.services.objects.driver import BlobStore
from virga.services.objects.drivers.files import FileStore
from virga.services.objects.drivers.memory import MemoryStore
from virga.services.objects.drivers.rados import RadosStore
from virga.services.objects.settings import Objects


def blob_store(settings: Objects, state: Path | None) -> BlobStore:
    """The store of bodies; `state` None and no other word keeps them in memory. Raises ValueError."""
    if settings.store:
        return named("objects.store", settings.store)
    return MemoryStore() if state is None else FileStore([Path(d) for d in settings.disks] or [state / "objects"])


def replica_store(settings: Objects) -> BlobStore | None:
    """The second store, if there is one. Raises ValueError."""
    return named("objects.replica", settings.replica) if settings.replica else None


def named(setting: str, word: str) -> BlobStore:
    parts = urlsplit(word)
    if not parts.scheme:
        return FileStore([Path(word)])
    more = {k: v[-1] for k, v in parse_qs(parts.query).items()}
    pool, unknown = parts.path.strip("/"), more.keys() - {"conf", "user", "seconds"}
    if parts.scheme != "rados" or not pool or unknown or not more.get("seconds", "1").isdecimal():
        raise ValueError(f"{setting}: '{word}' is neither a folder nor rados:POOL?conf=FILE&user=NAME&seconds=N")
    return RadosStore(
        pool, more.get("conf", "/etc/ceph/ceph.conf"), more.get("user", "admin"), int(more.get("seconds", "20"))
    )
