# SPDX-License-Identifier: Apache-2.0
"""What a transaction sees of others, and what happens when two of them cannot both be true.

SQLite has one writer at a time: an action that reads and then writes has the database to itself. PostgreSQL is made to promise the
same: writing transactions are SERIALIZABLE, so that whatever commits could have run one after the other; `read` is REPEATABLE READ,
one snapshot from its first statement to its last. Two that cannot both be true end in SQLSTATE 40001, which is `Retry` here, and
`Database.again` runs the loser once more, on what the winner left. So an action is written once, for both databases: read, decide,
write; it needs no lock to be right.

Why not REPEATABLE READ for writes: it refuses two updates of one row, and nothing else. What spans rows (a quota that is counted, the
last member of a group, an address that nobody has yet) it lets through, and an advisory lock does not mend it: the snapshot is made by
the first statement, which is the one that waits for the lock, so that what is counted behind the lock is what there was before the
wait. Why not READ COMMITTED with locks by hand: each forgotten one is an update lost, and `read` is no view of any moment. (A router's
leg taken off while a floating IP was tied behind it left the address tied to nothing: no row was written twice.)

What it costs, six clients at once on two busy cores, tables of a few hundred rows: ports, groups and images of different projects are
made at 0.6 to 0.9 of READ COMMITTED's rate for the same processor time, a quarter of them in two attempts; one client alone
notices nothing. Small tables are read whole, and then neighbours look like the same row: `Crowd` has them queue for a moment.
Without the planner's sequential scans it is not better, and lists take a second.

`Tx.hold` remains as the queue: those who are known to disturb each other wait for their turn instead of losing work. It is taken
before the snapshot wherever that can be: as a transaction's first statement, and in every further attempt. In the middle of one it is
taken if it is free, and else the transaction begins again behind whoever has it.

What was just taken by another (a unique key) is looked at once more, too: the second attempt sees the other's row, and does what is
right then: it updates, takes the next address, or refuses in words of its own."""

from __future__ import annotations

import random
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from virga.ground.errors import Conflict

T = TypeVar("T")
TRIES = 12
"""As often as one transaction is begun. PostgreSQL lets one of those that disturb each other commit each time."""
CROWD = 0.05
"""Seconds for which a process queues its writes after one of them lost: on small tables PostgreSQL takes neighbours for the same row, and
to wait costs less than to do a thing twice."""
ALONE = 7
"""After so many, a transaction keeps every other writer out: it cannot lose."""
COLLISIONS = 2
"""As often as a taken key is looked at again: once to see the other's row, once more for a row that came meanwhile."""
PAUSE = 0.004
LOSERS = "losers"
EVERYTHING = "everything"
TABLES = "select tablename from pg_tables where schemaname = current_schema() order by 1"


class Retry(Exception):
    """The database asks for the same transaction again (deadlock, serialisation): nothing was written."""


class Collision(Conflict):
    """A constraint of the database refused a row, perhaps because of one that was not there when this transaction looked."""


def key(name: str) -> int:
    """The 64 bits by which PostgreSQL knows a lock."""
    return zlib.crc32(name.encode()) | (len(name) & 0x7FFF) << 32


class Ahead(threading.local):
    """The locks that this thread's next transaction takes before its snapshot; None where nobody begins transactions again."""

    names: set[str] | None = None


class Crowd:
    """Whether one of this process's transactions lost a moment ago."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until = 0.0

    def came(self) -> None:
        self.until = time.monotonic() + CROWD

    def __bool__(self) -> bool:
        return time.monotonic() < self.until


def again(do: Callable[[], T], ahead: Ahead, crowd: Crowd) -> T:
    """`do()`, begun again for as long as the database asks. What `do` does beside its transactions must bear repeating.
    Raises Retry after TRIES, and whatever `do` raises."""
    outer, ahead.names = ahead.names, set()
    collisions = 0
    try:
        for attempt in range(1, TRIES + 1):
            if attempt > 1 or crowd:
                ahead.names.add(LOSERS)
            try:
                return do()
            except Retry:
                crowd.came()
                if attempt == TRIES:
                    raise
            except Collision:
                collisions += 1
                if collisions > COLLISIONS or attempt == TRIES:
                    raise
            if attempt >= ALONE:
                ahead.names.add(EVERYTHING)
            if attempt > 2:
                threading.Event().wait(random.uniform(0.0, PAUSE * 2 ** min(attempt, 6)))
        raise AssertionError
    finally:
        ahead.names = outer


class Queue:
    """The advisory locks of a transaction whose every statement has a snapshot of its own: it simply waits."""

    __slots__ = ("conn",)

    def __init__(self, conn: sa.Connection) -> None:
        self.conn = conn

    def hold(self, name: str) -> None:
        self.conn.exec_driver_sql("select pg_advisory_xact_lock(%s)", (key(name),))


class Locks:
    """The advisory locks of one PostgreSQL transaction. Those taken before the snapshot belong to the session and are given back by
    `release`; the others end with the transaction."""

    __slots__ = ("_session", "conn", "names")

    def __init__(self, conn: sa.Connection) -> None:
        self.conn = conn
        self.names: set[str] = set()
        self._session: list[int] = []

    def take_first(self, names: Iterable[str]) -> None:
        """Wait for all of them, in an order that is everybody's (the queue of those that lost comes first), before the transaction has a
        snapshot."""
        fresh = [key(name) for name in sorted(names, key=lambda name: (name != LOSERS, key(name)))]
        self.names.update(names)
        tables: list[str] = []
        if fresh:
            try:
                self._outside(f"select {', '.join('pg_advisory_lock(%s)' for _ in fresh)}", *fresh)
                if EVERYTHING in self.names:
                    tables = [f'"{name}"' for (name,) in self._outside(TABLES)]
            except BaseException:
                self.conn.invalidate()  # it may have some of them
                raise
            self._session += fresh
        if EVERYTHING in self.names:  # the one statement that waits without making a snapshot
            self.conn.exec_driver_sql(f"lock table {', '.join(tables)} in exclusive mode")

    def hold(self, name: str) -> None:
        """Take one. Raises Retry when somebody else has it and the snapshot is made already."""
        if name in self.names:
            return
        if self.names <= {LOSERS} and self._untouched():
            self.take_first([name])
            return
        self.names.add(name)
        if not self.conn.exec_driver_sql("select pg_try_advisory_xact_lock(%s)", (key(name),)).scalar_one():
            raise Retry

    def release(self) -> None:
        """After the commit: the session's locks are the next one's."""
        if self._session:
            try:
                self._outside(f"select {', '.join('pg_advisory_unlock(%s)' for _ in self._session)}", *self._session)
            except Exception:
                self.conn.invalidate()  # the server lets go of them with the session
            self._session = []

    def _untouched(self) -> bool:
        return int(self.conn.connection.dbapi_connection.info.transaction_status) == 0  # type: ignore[union-attr]

    def _outside(self, statement: str, *values: Any) -> Sequence[sa.Row[Any]]:
        """The rows of a statement that runs by itself, outside of the transaction."""
        raw = self.conn.connection.dbapi_connection
        raw.autocommit = True  # type: ignore[union-attr]
        try:
            return self.conn.exec_driver_sql(statement, values).all()
        finally:
            raw.autocommit = False  # type: ignore[union-attr]
