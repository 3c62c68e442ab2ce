# SPDX-License-Identifier: Apache-2.0
"""The processes of a cloud. Each mints an id at its start and says every few seconds that it lives; what a process holds (sagas,
loops' leases) it holds by that id, and loses when it has not been heard of for `LEASE` seconds of the database's clock. So one
statement renews everything that a process holds, and a step may take as long as it needs while its process lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from virga.ground import log
from virga.ground.db.engine import Database, Tx, metadata
from virga.ground.db.isolation import Retry
from virga.ground.db.rows import Row, Rows
from virga.ground.errors import Problem
from virga.ground.world import VirtualClock, World

TABLE = sa.Table(
    "processes",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("node", sa.String(255), nullable=False),
    sa.Column("started", sa.Double, nullable=False),
    sa.Column("seen", sa.Double, nullable=False),
)
BEAT = 3.0
"""How often a process says that it lives."""
LEASE = 15.0
"""How long after its last word a process counts as alive."""
KEEP = 86400.0
"""Processes that ended without a word are remembered for a day, for whoever reads the table."""


class ProcessRow(Row, frozen=True):
    """Times are the database's, in seconds since the epoch."""

    id: str
    node: str
    started: float
    seen: float


PROCESSES = Rows(TABLE, ProcessRow)


class Fenced(Exception):
    """Somebody else holds the saga or the loop now; what this one did is repeated by them."""


def clock(tx: Tx, world: World) -> float:
    """The database's clock: the one by which leases, wake times and deadlines of all processes are judged. On PostgreSQL it is the
    server's. SQLite has its machine's, and so has the world. A world whose time is told (tests, simulations) has no other clock."""
    if tx.conn.dialect.name != "postgresql" or isinstance(world.clock, VirtualClock):
        return world.now()
    return float(tx.conn.exec_driver_sql("select extract(epoch from clock_timestamp())").scalar_one())


def alive(tx: Tx, id: str, now: float) -> bool:
    """Whether the process has been heard of lately; `now` by the database's clock."""
    row = PROCESSES.get(tx, id)
    return row is not None and row.seen > now - LEASE


class Process:
    """This process. `folder`: where the processes of one machine and one cloud keep a locked file each, so that a restart sees at once
    which of them are gone; without it (records that end with the process) only time tells."""

    def __init__(self, db: Database, world: World, node: str, folder: Path | None = None) -> None:
        self.db, self.world, self.node, self.folder = db, world, node, folder
        self.id = world.uuid()
        self.each_beat: list[Callable[[], object]] = []
        """What else is looked after at every beat."""
        self.log = log.get("process")
        self._read_at: tuple[float, float] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._file: int | None = None

    def now(self) -> float:
        """The database's clock, as it was read at the last beat, carried on by this machine's monotonic one: a wall clock that is set
        wrong or jumps changes nothing."""
        if self.db.sqlite or isinstance(self.world.clock, VirtualClock):
            return self.world.now()
        if self._read_at is None:
            with self.db.read() as tx:
                self._read(tx)
        assert self._read_at is not None
        there, here = self._read_at
        return there + time.monotonic() - here

    def _read(self, tx: Tx) -> float:
        now = clock(tx, self.world)
        self._read_at = (now, time.monotonic())
        return now

    def start(self) -> None:
        """Be known, before anything is held; bury this machine's dead; go on saying so until `stop`."""
        self._lock()
        self.beat()
        self._bury()
        self._thread = threading.Thread(target=self._work, name="process", daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """Say that this process lives. Raises what a write raises."""
        with self.db.claim() as tx:
            now = self._read(tx)
            if not PROCESSES.change(tx, TABLE.c.id == self.id, seen=now):
                PROCESSES.insert(tx, id=self.id, node=self.node, started=now, seen=now)
                PROCESSES.delete(tx, TABLE.c.seen < now - KEEP)

    def stop(self) -> None:
        """What this process holds is free at once."""
        self._stop.set()
        if self._thread is None:
            return
        self._thread.join(10)
        with contextlib.suppress(Problem, Retry), self.db.write() as tx:
            PROCESSES.delete(tx, TABLE.c.id == self.id)
        if self._file is not None and self.folder is not None:
            (self.folder / self.id).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _work(self) -> None:
        while not self._stop.wait(BEAT):
            try:
                self.beat()
                for look in self.each_beat:
                    look()
            except (Problem, Retry) as e:  # whoever is away from the database too long loses what it holds
                self.log.warning("not_heard", why=str(e))
            except Exception:
                self.log.exception("beat_failed")

    # -- the processes of one machine ------------------------------------------------------------------------------

    def _lock(self) -> None:
        """The file has its name only once it is locked: a name without a lock is a dead process's."""
        if self.folder is None:
            return
        self.folder.mkdir(exist_ok=True, mode=0o700)
        fresh = self.folder / f".{self.id}"
        self._file = os.open(fresh, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        fresh.rename(self.folder / self.id)

    def _bury(self) -> None:
        """Processes of this machine that were killed: the kernel has given up their locks, we give up their rows."""
        dead = [] if self.folder is None else [f for f in self.folder.iterdir() if _unlocked(f)]
        if not dead:
            return
        with self.db.write() as tx:
            PROCESSES.delete(tx, TABLE.c.id.in_([f.name for f in dead]))
        for file in dead:
            file.unlink(missing_ok=True)


def _unlocked(file: Path) -> bool:
    if file.name.startswith("."):
        return False
    try:
        fd = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
