# SPDX-License-Identifier: Apache-2.0
"""Connections and transactions. SQLite: WAL, one writer at a time, BEGIN IMMEDIATE, synchronous FULL (an answered intent is on
the disk). PostgreSQL 15: serializable writes, which begin again when two disturb each other (`isolation.py` says why)."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import QueuePool, StaticPool

from virga.ground.db import isolation
from virga.ground.db.isolation import Ahead, Collision, Crowd, Locks, Queue, Retry
from virga.ground.errors import NoSpace, Unavailable

T = TypeVar("T")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def to_json(value: Any) -> str:
    """JSON as columns keep it."""
    return msgspec.json.encode(value).decode()


class LongTransaction(Exception):
    """What was asked takes long, and this transaction runs where nothing may: it is undone, and begins again elsewhere."""


class Tx:
    """One open transaction. `conn` is for stores only, `embedded` is SQLite's own connection beneath it, for reads that are asked
    thousands of times a second; `after_commit` runs callbacks once the commit is durable. `brief`: it runs on the event loop."""

    __slots__ = ("_after", "_locks", "brief", "conn", "embedded", "writes")

    def __init__(
        self,
        conn: sa.Connection,
        writes: bool,
        embedded: sqlite3.Connection | None = None,
        brief: bool = False,
        locks: Locks | Queue | None = None,
    ) -> None:
        self.conn = conn
        self.writes = writes
        self.brief = brief
        self.embedded = embedded
        self._locks = locks
        self._after: list[Callable[[], None]] = []

    def after_commit(self, call: Callable[[], None]) -> None:
        self._after.append(call)

    def takes_long(self) -> None:
        """Say that what comes now is no matter of a few statements. Raises LongTransaction where that must not be."""
        if self.brief:
            raise LongTransaction

    def hold(self, name: str) -> None:
        """Let no other transaction that holds `name` run beside this one (until commit): those that would disturb each other queue.
        Best said first: then it waits. Later it may raise Retry, and waits in the next attempt."""
        if self._locks is not None:
            self._locks.hold(name)

    def committed(self) -> None:
        for call in self._after:
            call()


def _collision(cause: object) -> Collision:
    """What a constraint of the database refused, in the field's words: which values are taken, not how tables are called."""
    detail = str(getattr(getattr(cause, "diag", None), "message_detail", None) or cause).splitlines()[0]
    if detail.startswith("UNIQUE constraint failed: "):
        names = [part.rpartition(".")[2] for part in detail.removeprefix("UNIQUE constraint failed: ").split(",")]
    elif detail.startswith("Key (") and "already exists" in detail:
        names = [part.strip() for part in detail[5:].partition(")")[0].split(",")]
    else:
        return Collision(
            "Something that the request builds on has been changed or deleted meanwhile; look and try again."
        )
    words = " and ".join(name.removesuffix("_id").replace("_", " ") for name in names)
    return Collision(f"The same {words} has just been taken by another request; look and try again.")


class WriterLock:
    """Whose turn it is to write: one thread at a time, and again inside its own turn. A turn by `attempt` is no thread's own: any
    thread may end it, none is let in again.

    Whoever finds it free takes it, which costs no change of threads. But a thread that writes again and again finds it free each time,
    and the others never: so who has waited for PATIENCE stands in line, and a turn that ends is handed to the first there."""

    __slots__ = ("_depth", "_guard", "_line", "_lock", "_owner")

    PATIENCE: ClassVar[float] = 0.002
    """Seconds."""

    def __init__(self) -> None:
        self._lock, self._owner, self._depth = threading.Lock(), 0, 0
        self._guard = threading.Lock()
        self._line: deque[threading.Lock] = deque()  # each held until its turn has come

    @property
    def taken(self) -> bool:
        return self._lock.locked()

    def attempt(self) -> bool:
        """Take a turn if it is nobody's."""
        if not self._lock.acquire(blocking=False):
            return False
        self._owner, self._depth = 0, 1
        return True

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner == me:
            self._depth += 1
            return
        if not self._lock.acquire(timeout=self.PATIENCE):
            self._stand_in_line()
        self._owner, self._depth = me, 1

    def _stand_in_line(self) -> None:
        turn = threading.Lock()
        turn.acquire()
        with self._guard:
            if self._lock.acquire(blocking=False):
                return
            self._line.append(turn)
        try:
            turn.acquire()
        except BaseException:  # a signal: the place in the line, or the turn that has come, is given up
            with self._guard:
                if turn in self._line:
                    self._line.remove(turn)
                else:
                    self._hand_over()
            raise

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = 0
            with self._guard:
                self._hand_over()

    def _hand_over(self) -> None:
        """The turn is over: it is the first one's in the line, whose lock stays taken, or nobody's."""
        if self._line:
            self._line.popleft().release()
        else:
            self._lock.release()


class Database:
    """`url`: `sqlite:///path`, `sqlite://` (in memory) or `postgresql+psycopg://…`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.memory = url in {"sqlite://", "sqlite:///:memory:"}
        self.sqlite = url.startswith("sqlite")
        self._writer_lock = WriterLock()
        self._writer: contextlib.AbstractContextManager[Any] = (
            self._writer_lock if self.sqlite else contextlib.nullcontext()
        )
        self._holder = 0
        self._held: sa.Connection | None = None
        self._held_writer: sa.Connection | None = None
        if self.memory:
            args: dict[str, Any] = {
                "poolclass": StaticPool,
                "pool_reset_on_return": None,
                "connect_args": {"check_same_thread": False},
            }
        elif self.sqlite:
            args = {
                "poolclass": QueuePool,
                "pool_size": 18,
                "max_overflow": 8,
                "pool_reset_on_return": None,
                "connect_args": {"check_same_thread": False},
            }
        else:
            args = {"pool_size": 18, "max_overflow": 8, "pool_pre_ping": True, "isolation_level": "SERIALIZABLE"}
        self.engine = sa.create_engine(url, json_serializer=to_json, json_deserializer=msgspec.json.decode, **args)
        self._ahead, self._crowd = Ahead(), Crowd()
        self._reading = self._claiming = self.engine
        if self.sqlite:
            event.listen(self.engine, "connect", self._pragmas)
        else:
            self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ")
            self._claiming = self.engine.execution_options(isolation_level="READ COMMITTED")

    @staticmethod
    def _pragmas(raw: Any, _: object) -> None:
        raw.isolation_level = None
        for pragma in (
            "busy_timeout=15000",  # first: the others may have to wait
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
        ):
            raw.execute(f"pragma {pragma}")

    def hold_connections(self) -> None:
        """The calling thread, the event loop's, keeps a connection for its reads and one for `attempt`: what it asks is short, and
        taking a connection out of the pool and putting it back costs as much as the question."""
        if self.sqlite and not self.memory:
            self._let_go()
            self._held, self._holder = self.engine.connect(), threading.get_ident()
            self._held_writer = self.engine.connect()
            self._held_writer.detach()  # it does not wait for other writers, and must never serve anybody else
            self._held_writer.connection.dbapi_connection.execute("pragma busy_timeout=0")  # type: ignore[union-attr]

    @contextlib.contextmanager
    def read(self) -> Iterator[Tx]:
        """A consistent view; what it writes is rolled back."""
        if self._held is not None and threading.get_ident() == self._holder:
            conn, self._held = self._held, None  # a read inside a read has another one
            own: sqlite3.Connection = conn.connection.dbapi_connection  # type: ignore[assignment]
            try:
                own.execute("BEGIN")
                yield Tx(conn, False, own)
            except (sa.exc.DBAPIError, sqlite3.Error) as e:
                raise self._fault(e) from e
            finally:
                if conn.in_transaction():
                    conn.rollback()
                own.rollback()
                self._held = conn
            return
        with self._writer if self.memory else contextlib.nullcontext(), self._faults(), self._reading.connect() as conn:
            if self.memory and conn.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
                yield Tx(conn, False, conn.connection.dbapi_connection)  # type: ignore[arg-type]
                return  # the one connection is in a transaction of this thread's: a view inside it ends with it
            raw = self._begun(conn, "BEGIN")
            try:
                yield Tx(conn, False, raw)
            finally:
                conn.rollback()
                if raw is not None:
                    raw.rollback()

    def again(self, do: Callable[[], T]) -> T:
        """`do()`, which opens transactions of its own, begun again for as long as the database asks: see `isolation.again`."""
        return do() if self.sqlite else isolation.again(do, self._ahead, self._crowd)

    def run(self, change: Callable[[Tx], T]) -> T:
        """`change(tx)` in a writing transaction, begun again for as long as the database asks."""

        def attempt() -> T:
            with self.write() as tx:
                return change(tx)

        return self.again(attempt)

    @contextlib.contextmanager
    def write(self) -> Iterator[Tx]:
        """Commit at the end of the block, roll back on any exception. Callbacks run after the writer lock is free. Raises Retry when
        the database wants it begun again: inside `again`, as every route, saga and loop is, or by `run`, that is done."""
        with self._writer, self._faults(), self.engine.connect() as conn:
            raw = self._begun(conn, "BEGIN IMMEDIATE")
            locks = None if self.sqlite else Locks(conn)
            tx = Tx(conn, True, raw, locks=locks)
            try:
                conn.begin()
                if locks is not None and self._ahead.names:
                    locks.take_first(self._ahead.names)
                yield tx
                conn.commit()
            except BaseException:
                if locks is not None and self._ahead.names is not None:
                    self._ahead.names |= locks.names
                conn.rollback()
                if raw is not None:
                    raw.rollback()
                raise
            finally:
                if locks is not None:
                    locks.release()
        tx.committed()

    @contextlib.contextmanager
    def claim(self) -> Iterator[Tx]:
        """A writing transaction for compare-and-set of rows that everybody reaches for: claims, leases, what was delivered. On
        PostgreSQL each statement sees what is committed at that moment (READ COMMITTED), nothing is begun again, and nothing that
        was read before holds later: the statement that writes must say what it builds on."""
        if self.sqlite:
            with self.write() as tx:
                yield tx
            return
        with self._faults(), self._claiming.connect() as conn:
            tx = Tx(conn, True, locks=Queue(conn))
            with conn.begin():
                yield tx
        tx.committed()

    @property
    def busy(self) -> bool:
        """Whether a read would wait for whoever writes at this moment: in memory there is one connection for all."""
        return self.memory and self._writer_lock.taken

    @property
    def holds_connections(self) -> bool:
        """Whether the calling thread is the one that keeps connections, and may `attempt`."""
        return self._held_writer is not None and threading.get_ident() == self._holder

    def attempt(self) -> Tx | None:
        """A writing transaction, if nobody else writes at this moment: the loop must not wait for one. `end` ends it, from any thread.
        None where there is none to be had, and on other databases."""
        conn = self._held_writer
        if conn is None or not self._writer_lock.attempt():
            return None
        raw: sqlite3.Connection = conn.connection.dbapi_connection  # type: ignore[assignment]
        try:
            raw.execute("BEGIN IMMEDIATE")
            conn.begin()
        except BaseException as e:
            self._writer_lock.__exit__()
            if isinstance(e, sqlite3.OperationalError):  # another process writes
                return None
            raise
        return Tx(conn, True, raw, brief=True)

    def end(self, tx: Tx, *, commit: bool) -> None:
        """Commit what `attempt` began, or take it back. Raises what `write` raises."""
        try:
            with self._faults():
                try:
                    if commit:
                        tx.conn.commit()
                finally:
                    tx.conn.rollback()
                    assert tx.embedded is not None
                    tx.embedded.rollback()
        finally:
            self._writer_lock.__exit__()
        if commit:
            tx.committed()

    def _begun(self, conn: sa.Connection, word: str) -> sqlite3.Connection | None:
        """SQLite's transaction opened by our own word: its driver would open it too late, and never an immediate one."""
        if not self.sqlite:
            return None
        raw: sqlite3.Connection = conn.connection.dbapi_connection  # type: ignore[assignment]
        raw.execute(word)
        return raw

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DBAPIError, sqlite3.Error) as e:
            raise self._fault(e) from e

    @staticmethod
    def _fault(e: sa.exc.DBAPIError | sqlite3.Error) -> Exception:
        """What a failure of the database is to the caller; what is our own mistake stays as it is."""
        cause = e.orig if isinstance(e, sa.exc.DBAPIError) else e
        if isinstance(e, (sa.exc.IntegrityError, sqlite3.IntegrityError)):
            return _collision(cause)
        if not isinstance(e, (sa.exc.OperationalError, sqlite3.OperationalError)):
            return e
        if isinstance(cause, sqlite3.Error):
            text = str(cause)
            if "full" in text or "disk I/O" in text:
                return NoSpace(
                    "The cloud's disk is full; nothing was written. Free space in the state folder and try again."
                )
            if "locked" in text or "busy" in text:
                return Unavailable("The database is busy; try again.")
        state = getattr(cause, "sqlstate", None)
        if state in {"40001", "40P01"}:
            return Retry()
        if state == "53100":
            return NoSpace("The database's disk is full; nothing was written.")
        return Unavailable("The database does not answer; try again.")

    def _let_go(self) -> None:
        for connection in (self._held, self._held_writer):
            if connection is not None:
                connection.close()
        self._held = self._held_writer = None

    def close(self) -> None:
        self._let_go()
        self.engine.dispose()
