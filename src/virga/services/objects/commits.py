# SPDX-License-Identifier: Apache-2.0
"""Group commit: on an embedded database the writes of many requests share one transaction and one flush of the disk. One refusal takes
nothing from the others; nobody is answered before the commit is durable.

Short writes run on the loop, all that have come while the last commit was on its way to the disk, and a thread commits them: a thread that
ran them too would fight the loop for the interpreter at every statement. Long ones run in that thread, each in a savepoint of its own."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from virga.ground.db.engine import Database, Tx
from virga.ground.errors import Problem
from virga.ground.http.turns import PARTY

T = TypeVar("T")
Waiter = Future[Any] | asyncio.Future[Any]
Job = tuple[Callable[[Tx], Any], Waiter]
End = tuple[Waiter, Any, BaseException | None]
MOST = 64


class Spoiled(Exception):
    """A change was refused after it had written: what it shared a transaction with must begin again."""


class Commits:
    """`read(f)` and `write(f)` run `f(tx)`: reads on the loop where the database is embedded, else in a thread."""

    def __init__(self, db: Database, threads: ThreadPoolExecutor) -> None:
        self.db, self.threads = db, threads
        self._queue: queue.SimpleQueue[Job | Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="objects-disk")
        self._waiting: dict[str, collections.deque[Job]] = {}
        """Short writes by whom they are for."""
        self._under_way = False
        self.batches = self.written = 0

    # -- reads -----------------------------------------------------------------------------------------------------

    async def read(self, query: Callable[[Tx], T]) -> T:
        """A short read."""
        if self.db.sqlite:
            with self.db.read() as tx:
                return query(tx)
        return await self.long_read(query)

    async def long_read(self, query: Callable[[Tx], T]) -> T:
        """A read that may take milliseconds: never on the loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, self.read_now, query)

    def read_now(self, query: Callable[[Tx], T]) -> T:
        with self.db.read() as tx:
            return query(tx)

    # -- writes ----------------------------------------------------------------------------------------------------

    async def write(self, change: Callable[[Tx], T]) -> T:
        """Run `change` in a transaction that others may share; returns when it is durable."""
        if not self.db.sqlite:
            return await asyncio.get_running_loop().run_in_executor(self.threads, self.write_now, change)
        future: Future[T] = Future()
        self._hand((change, future))
        return await asyncio.wrap_future(future)

    async def write_short(self, change: Callable[[Tx], T]) -> T:
        """As `write`, for a change of a handful of statements; one that finds out that it is not says `tx.takes_long()`."""
        if not self.db.holds_connections:
            return await self.write(change)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.setdefault(PARTY.get().name, collections.deque()).append((change, future))
        if not self._under_way:
            self._under_way = True
            loop.call_soon(self._flush, loop)
        return await future

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop: run what waits, and send it to the disk."""
        batch = self._batch()
        if not batch:
            self._under_way = False
            return
        begun = self._begun(batch)
        if begun is None:  # somebody else writes, or one of them spoils it for the others: the thread takes them over
            self._hand(lambda: self._tell(loop, self._shared(batch)))
            return
        self.batches += 1
        self.written += len(batch)
        # not in the thread of the long ones: the next of those may be waiting for this very commit
        self._disk.submit(self._settle, loop, *begun, batch)

    def _batch(self) -> list[Job]:
        """The next ones, one of each party in turn; who had some now is behind the others next time."""
        batch: list[Job] = []
        while self._waiting and len(batch) < MOST:
            name, jobs = next(iter(self._waiting.items()))
            del self._waiting[name]
            batch.append(jobs.popleft())
            if jobs:
                self._waiting[name] = jobs
        return batch

    def _begun(self, batch: list[Job]) -> tuple[Tx, list[End]] | None:
        """An open transaction in which all of them have run."""
        tx = None
        try:
            tx = self.db.attempt()
            return None if tx is None else (tx, self._together(tx, batch))
        except Exception:
            if tx is not None:
                with contextlib.suppress(Exception):
                    self.db.end(tx, commit=False)
            return None

    @staticmethod
    def _together(tx: Tx, batch: list[Job]) -> list[End]:
        """Run every change. A refusal that wrote nothing is an end like any other. Raises what spoils the transaction."""
        ends: list[End] = []
        raw = tx.embedded
        assert raw is not None
        for change, future in batch:
            before, callbacks = raw.total_changes, len(tx._after)
            try:
                ends.append((future, change(tx), None))
            except Problem as e:
                if raw.total_changes != before:
                    raise Spoiled from e
                del tx._after[callbacks:]
                ends.append((future, None, e))
        return ends

    def _settle(self, loop: asyncio.AbstractEventLoop, tx: Tx, ends: list[End], batch: list[Job]) -> None:
        try:
            self.db.end(tx, commit=True)
        except Exception:
            ends = self._shared(batch)
        self._tell(loop, ends)

    def _tell(self, loop: asyncio.AbstractEventLoop, ends: list[End]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._done, loop, ends)

    def _done(self, loop: asyncio.AbstractEventLoop, ends: list[End]) -> None:
        for future, value, problem in ends:
            _settled(future, value, problem)
        # who is answered now asks again at once: what comes in the same breath goes with the next commit
        loop.call_soon(self._flush, loop)

    def _hand(self, work: Job | Callable[[], None]) -> None:
        """To the thread."""
        self._start()
        self._queue.put(work)

    def write_now(self, change: Callable[[Tx], T]) -> T:
        """From a thread: in a transaction of its own, again if the database asks."""
        return self.db.run(change)

    def _start(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="objects-commits", daemon=True)
                    self._thread.start()

    def stop(self) -> None:
        thread = self._thread
        if thread is not None:
            self._queue.put(None)
            thread.join(10)
        self._disk.shutdown()

    def _work(self) -> None:
        while True:
            work = self._queue.get()
            if work is None:
                return
            batch: list[Job] = []
            while work is not None and not callable(work):
                batch.append(work)
                if len(batch) == MOST or self._queue.empty():
                    break
                work = self._queue.get()
            if batch:
                for end in self._shared(batch):
                    _settled(*end)
            if work is None:
                return
            if callable(work):
                work()

    def _shared(self, batch: list[Job]) -> list[End]:
        """In one transaction, from the thread: each change in a savepoint."""
        self.batches += 1
        self.written += len(batch)
        if len(batch) == 1:
            return [self._alone(*batch[0])]
        ends: list[End] = []
        try:
            with self.db.write() as tx:
                raw: Any = tx.conn.connection.dbapi_connection
                for change, future in batch:
                    callbacks = len(tx._after)
                    raw.execute("savepoint one")
                    try:
                        value = change(tx)
                    except Problem as e:
                        raw.execute("rollback to one")
                        del tx._after[callbacks:]
                        ends.append((future, None, e))
                    else:
                        ends.append((future, value, None))
                    raw.execute("release one")
        except Exception:
            # what broke the shared transaction breaks its own one again, and only that
            return [self._alone(change, future) for change, future in batch]
        return ends

    def _alone(self, change: Callable[[Tx], Any], future: Waiter) -> End:
        try:
            return future, self.write_now(change), None
        except BaseException as e:
            return future, None, e


def _settled(future: Waiter, value: Any, problem: BaseException | None) -> None:
    if isinstance(future, Future):
        if not future.set_running_or_notify_cancel():  # from here on nobody can give it up
            return
    elif future.cancelled():
        return
    if problem is None:
        future.set_result(value)
    else:
        future.set_exception(problem)
