# SPDX-License-Identifier: Apache-2.0
"""Carries bytes for sagas. A step of a saga is short, and a download is not: the step asks `ImageTransfers`, and comes again until the
work is done. What a dead process carried is simply asked for again."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from virga.ground.sagas.saga import Again

Tell = Callable[[int, int, str], None]
"""Hears how much is done, of how much, and of what."""


class Stopped(Exception):
    """Nobody wants this work any more."""


class TransferProgress:
    """What the work may say while it goes on, and whether it still is wanted. `tell` hears it too: `Context.say` of the saga's step."""

    def __init__(self, tell: Tell | None = None) -> None:
        self.tell = tell
        self.stopped = False
        self.done, self.total = 0, 0
        self.what = ""

    def update(self, done: int, total: int = 0, what: str = "") -> None:
        """Raises Stopped when the work is not wanted any more."""
        if self.stopped:
            raise Stopped
        self.done, self.total, self.what = done, total, what or self.what
        if self.tell is not None:
            self.tell(done, total, self.what)

    @property
    def text(self) -> str:
        if self.total:
            return f"{self.what}: {100 * self.done // self.total} %"
        return f"{self.what}: {self.done} bytes" if self.done else self.what


WORKERS, EACH = 6, 2


class ImageTransfers:
    """`start` gives it threads; before that it works in the caller's (tests that drive everything by hand). What it fetches comes from
    servers that tenants choose, as slowly as those like: one asker never has more than `EACH` of the threads."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.RLock()  # what is cancelled ends, and counts, inside of it
        self._work: dict[str, tuple[Future[Any], TransferProgress]] = {}
        self._busy: collections.Counter[str] = collections.Counter()
        self.secrets: dict[str, str] = {}
        """Tokens that a saga may use while this process lives; never written down."""

    def start(self, workers: int = WORKERS) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="transfer")

    def ensure(
        self,
        key: str,
        job: Callable[[TransferProgress], Any],
        done: Callable[[], None] = lambda: None,
        whose: str = "",
        tell: Tell | None = None,
    ) -> Any:
        """The job's result if it is done (once), its exception if it failed; else it is started if it does not run and `whose` work (a
        project's) has not its share already, and Again is raised. `done` is called when it ends, `tell` as it goes on."""
        if self._pool is None:
            return job(TransferProgress(tell))
        with self._lock:
            found = self._work.get(key)
            if found is None:
                if whose and self._busy[whose] >= EACH:
                    raise Again(1.0)
                progress = TransferProgress(tell)
                self._busy[whose] += 1
                future = self._pool.submit(job, progress)
                self._work[key] = found = (future, progress)
                future.add_done_callback(lambda _: self._ended(whose))
                future.add_done_callback(lambda _: done())
        if not found[0].done():
            raise Again(1.0)
        with self._lock:
            self._work.pop(key, None)
        return found[0].result()

    def _ended(self, whose: str) -> None:
        with self._lock:
            self._busy[whose] -= 1
            if not self._busy[whose]:
                del self._busy[whose]

    def progress(self, key: str) -> str:
        found = self._work.get(key)
        return found[1].text if found is not None else ""

    def cancel(self, prefix: str) -> bool:
        """Stop whatever runs under `prefix`; whether nothing of it runs any more."""
        quiet = True
        with self._lock:
            for key in [k for k in self._work if k.startswith(prefix)]:
                future, progress = self._work[key]
                progress.stopped = True
                if future.cancel() or future.done():
                    del self._work[key]
                else:
                    quiet = False
        return quiet

    def stop(self) -> None:
        with self._lock:
            for _, progress in self._work.values():
                progress.stopped = True
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
