# SPDX-License-Identifier: Apache-2.0
"""What both dialects and the loops work with: rows, bodies, clock, settings, and who the callers are."""

from __future__ import annotations

import contextlib
import ctypes
from dataclasses import dataclass, field

from virga.ground.bus import Bus
from virga.ground.db.engine import Database
from virga.ground.http.turns import Threads
from virga.ground.registry import Registry
from virga.ground.world import World
from virga.services.objects.bodies import Bodies
from virga.services.objects.commits import Commits
from virga.services.objects.driver import BlobStore
from virga.services.objects.drivers.sealed import Seal
from virga.services.objects.realms import Realms
from virga.services.objects.settings import Objects


@dataclass
class Usage:
    """What housekeeping has done since the start; shown by `virga objects status` and in the metrics."""

    audited: int = 0
    audited_bytes: int = 0
    rotten: int = 0
    expired: int = 0
    reaped: int = 0
    swept: int = 0
    recounted: int = 0
    removed: int = 0
    replicated: int = 0
    healed: int = 0
    synced: int = 0
    sync_failed: int = 0
    replica_rotten: int = 0
    cursor: dict[str, str] = field(default_factory=dict)


def _give_memory_back() -> None:
    """Let glibc return large buffers to the system and keep few arenas: a crowd of uploads must not be remembered as memory."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-8, 2)  # M_ARENA_MAX
        libc.mallopt(-3, 524288)  # M_MMAP_THRESHOLD


class ObjectContext:
    def __init__(
        self,
        db: Database,
        registry: Registry,
        blobs: BlobStore,
        settings: Objects,
        seal: Seal | None = None,
        workers: int = 12,
    ) -> None:
        self.db, self.registry, self.blobs, self.settings = db, registry, blobs, settings
        self.threads = Threads(
            "a thread of the object store", workers, alone=workers - 1, shared=max(2, workers // 3), prefix="objects"
        )
        # a name server that does not answer holds a thread; it must not be one that serves requests
        self.names = Threads("a look-up of a host's name", 8, alone=4, shared=2, prefix="names")
        self.commits = Commits(db, self.threads)
        self.world = registry.use(World)
        self.bodies = Bodies(blobs, self.commits, settings, self.world, self.threads, seal)
        self.bodies.on_fresh = lambda: registry.use(Bus).publish("objects.fresh")
        self.realms = Realms(settings.sync_realms, settings.sync_hosts, settings.sync_current)
        self.usage = Usage()
        _give_memory_back()

    def now(self) -> float:
        return self.world.now()

    def wake_trash(self) -> None:
        self.registry.use(Bus).publish("objects.trash")

    def close(self) -> None:
        self.commits.stop()
        self.names.shutdown(wait=False, cancel_futures=True)
        self.threads.shutdown(wait=True)
