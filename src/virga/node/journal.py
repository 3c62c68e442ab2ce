# SPDX-License-Identifier: Apache-2.0
"""The orders that a node has finished and of which control has not taken the end yet. It is written before the report, so that an order
is not done again because a report was lost, or because the node stopped in between."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import msgspec

from virga.ground import typed
from virga.protocol.reports import OrderReport

MOST = 1000
"""Ends that control never took, because nobody wanted the order any more: the oldest go."""


class Journal:
    """`file`: where it is kept, or None for memory alone."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._ends: dict[str, OrderReport] = {}
        if file is not None and file.exists():
            self._ends = {end.order: end for end in typed.decode(file.read_bytes(), list[OrderReport])}

    def finished(self, order: str) -> OrderReport | None:
        """How the order ended; None when it did not."""
        with self._lock:
            return self._ends.get(order)

    def write(self, end: OrderReport) -> None:
        """The order has ended so; that is on the disk when this returns."""
        with self._lock:
            self._ends[end.order] = end
            while len(self._ends) > MOST:
                del self._ends[next(iter(self._ends))]
            self._save()

    def forget(self, order: str) -> None:
        """Control has taken the end: it asks no more."""
        with self._lock:
            if self._ends.pop(order, None) is not None:
                self._save(sync=False)

    def _save(self, *, sync: bool = True) -> None:
        if self.file is None:
            return
        fresh = self.file.with_suffix(".new")
        with open(fresh, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(msgspec.json.encode(list(self._ends.values())))
            out.flush()
            if sync:
                os.fsync(out.fileno())
        fresh.rename(self.file)
