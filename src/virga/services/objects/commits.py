# SPDX-License-Identifier: Apache-2.0
"""Group commit: on an embedded database the writes of many requests share one transaction and one flush of the disk. Each has a
savepoint of its own, so that one refusal takes nothing from the others; nobody is answered before the commit is durable."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from virga.ground.db.engine import Database, Retry, Tx
from virga.ground.errors import Problem, Unavailable

T = TypeVar("T")
MOST = 64


class Commits:
    """`read(f)` and `write(f)` run `f(tx)`: reads on the loop where the database is embedded, else in a thread."""

    def __init__(self, db: Database, threads: ThreadPoolExecutor) -> None:
        self.db, self.threads = db, threads
        self._queue: queue.SimpleQueue[tuple[Callable[[Tx], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.batches = self.written = 0

    # -- reads -----------------------------------------------------------------------------------------------------

    async def read(self, ask: Callable[[Tx], T]) -> T:
        """A short read."""
        if self.db.sqlite:
            with self.db.read() as tx:
                return ask(tx)
        return await self.long_read(ask)

    async def long_read(self, ask: Callable[[Tx], T]) -> T:
        """A read that may take milliseconds: never on the loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, self.read_now, ask)

    def read_now(self, ask: Callable[[Tx], T]) -> T:
        for attempt in range(4):
            try:
                with self.db.read() as tx:
                    return ask(tx)
            except Retry:
                if attempt == 3:
                    raise
        raise AssertionError

    # -- writes ----------------------------------------------------------------------------------------------------

    async def write(self, change: Callable[[Tx], T]) -> T:
        """Run `change` in a transaction that others may share; returns when it is durable."""
        if not self.db.sqlite:
            return await asyncio.get_running_loop().run_in_executor(self.threads, self.write_now, change)
        return await asyncio.wrap_future(self.submit(change))

    def submit(self, change: Callable[[Tx], T]) -> Future[T]:
        self._start()
        future: Future[T] = Future()
        self._queue.put((change, future))
        return future

    def write_now(self, change: Callable[[Tx], T]) -> T:
        """From a thread: in a transaction of its own, again if the database asks."""
        for attempt in range(6):
            try:
                with self.db.write() as tx:
                    return change(tx)
            except Retry:
                if attempt == 5:
                    raise Unavailable("The database asks to try again.") from None
        raise AssertionError

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

    def _work(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            batch = [first]
            ended = False
            while len(batch) < MOST:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ended = True
                    break
                batch.append(more)
            self._commit(batch)
            if ended:
                return

    def _commit(self, batch: list[tuple[Callable[[Tx], Any], Future[Any]]]) -> None:
        self.batches += 1
        self.written += len(batch)
        if len(batch) == 1:
            self._alone(*batch[0])
            return
        ends: list[tuple[Future[Any], Any, BaseException | None]] = []
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
            for change, future in batch:
                self._alone(change, future)
            return
        for future, value, problem in ends:
            if problem is None:
                future.set_result(value)
            else:
                future.set_exception(problem)

    def _alone(self, change: Callable[[Tx], Any], future: Future[Any]) -> None:
        try:
            value = self.write_now(change)
        except BaseException as e:
            future.set_exception(e)
        else:
            future.set_result(value)
