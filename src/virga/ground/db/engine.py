# SPDX-License-Identifier: Apache-2.0
"""Connections and transactions. SQLite: WAL, one writer at a time, BEGIN IMMEDIATE, synchronous FULL (an answered intent is on
the disk). PostgreSQL 15: one transaction each, `hold` for what SQLite's single writer gives for free."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import QueuePool, StaticPool

from virga.ground.errors import Conflict, NoSpace, Unavailable

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


class Retry(Exception):
    """The database asks for the same transaction again (deadlock, serialisation): nothing was written."""


class Tx:
    """One open transaction. `conn` is for stores only, `embedded` is SQLite's own connection beneath it, for reads that are asked
    thousands of times a second; `after_commit` runs callbacks once the commit is durable."""

    __slots__ = ("_after", "conn", "embedded", "writes")

    def __init__(self, conn: sa.Connection, writes: bool, embedded: sqlite3.Connection | None = None) -> None:
        self.conn = conn
        self.writes = writes
        self.embedded = embedded
        self._after: list[Callable[[], None]] = []

    def after_commit(self, call: Callable[[], None]) -> None:
        self._after.append(call)

    def hold(self, name: str) -> None:
        """Let no other transaction that holds `name` run beside this one (until commit)."""
        if self.conn.dialect.name == "postgresql":
            key = zlib.crc32(name.encode()) | (len(name) & 0x7FFF) << 32
            self.conn.exec_driver_sql("select pg_advisory_xact_lock(%s)", (key,))

    def committed(self) -> None:
        for call in self._after:
            call()


class Database:
    """`url`: `sqlite:///path`, `sqlite://` (in memory) or `postgresql+psycopg://…`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.memory = url in {"sqlite://", "sqlite:///:memory:"}
        self.sqlite = url.startswith("sqlite")
        self._writer: contextlib.AbstractContextManager[Any] = threading.RLock() if self.sqlite else contextlib.nullcontext()
        if self.memory:
            args: dict[str, Any] = {"poolclass": StaticPool, "pool_reset_on_return": None, "connect_args": {"check_same_thread": False}}
        elif self.sqlite:
            args = {
                "poolclass": QueuePool, "pool_size": 18, "max_overflow": 8, "pool_reset_on_return": None, "connect_args": {"check_same_thread": False},
            }  # fmt: skip
        else:
            args = {"pool_size": 18, "max_overflow": 8, "pool_pre_ping": True}
        self.engine = sa.create_engine(url, json_serializer=to_json, json_deserializer=msgspec.json.decode, **args)
        if self.sqlite:
            event.listen(self.engine, "connect", self._pragmas)

    @staticmethod
    def _pragmas(raw: Any, _: object) -> None:
        raw.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=15000", "foreign_keys=ON", "temp_store=MEMORY"):
            raw.execute(f"pragma {pragma}")

    @contextlib.contextmanager
    def read(self) -> Iterator[Tx]:
        """A consistent view; what it writes is rolled back."""
        with self._writer if self.memory else contextlib.nullcontext(), self._faults(), self.engine.connect() as conn:
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

    @contextlib.contextmanager
    def write(self) -> Iterator[Tx]:
        """Commit at the end of the block, roll back on any exception. Callbacks run after the writer lock is free."""
        with self._writer, self._faults(), self.engine.connect() as conn:
            raw = self._begun(conn, "BEGIN IMMEDIATE")
            tx = Tx(conn, True, raw)
            try:
                conn.begin()
                yield tx
                conn.commit()
            except BaseException:
                conn.rollback()
                if raw is not None:
                    raw.rollback()
                raise
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
        except (sa.exc.OperationalError, sqlite3.OperationalError) as e:
            cause = e.orig if isinstance(e, sa.exc.OperationalError) else e
            if isinstance(cause, sqlite3.Error):
                text = str(cause)
                if "full" in text or "disk I/O" in text:
                    raise NoSpace("The cloud's disk is full; nothing was written. Free space in the state folder and try again.") from e
                if "locked" in text or "busy" in text:
                    raise Unavailable("The database is busy; try again.") from e
            state = getattr(cause, "sqlstate", None)
            if state in {"40001", "40P01"}:
                raise Retry from e
            if state == "53100":
                raise NoSpace("The database's disk is full; nothing was written.") from e
            raise Unavailable("The database does not answer; try again.") from e
        except (sa.exc.IntegrityError, sqlite3.IntegrityError) as e:
            cause = e.orig if isinstance(e, sa.exc.IntegrityError) else e
            raise Conflict(f"The request collides with what is there: {str(cause).splitlines()[0]}") from e

    def close(self) -> None:
        self.engine.dispose()
