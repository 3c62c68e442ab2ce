# SPDX-License-Identifier: Apache-2.0
"""One request overtaken by another: the first goes as far as its first write, the second runs whole, the first goes on."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import event

from sim_cloud import Answered, SimCloud
from virga.ground.db.engine import Tx

TIMES = frozenset({"created", "updated", "created_at", "updated_at", "links", "self", "Location"})
UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
WRITES = ("INSERT", "UPDATE", "DELETE")
BLOCKED = 0.15
"""Seconds that the second may take before the first goes on: it may wait for a lock that the first has."""


class Road:
    """A cloud's database with a place where one request waits while another passes."""

    def __init__(self, sim: SimCloud) -> None:
        self.db = sim.cloud.db
        self._overtake: Callable[[], None] | None = None
        self.overtaken = 0
        if self.db.sqlite:
            self._write = self.db.write
            self.db.write = self._gated  # type: ignore[method-assign]
        else:
            event.listen(self.db.engine, "before_cursor_execute", self._before)

    def close(self) -> None:
        if self.db.sqlite:
            self.db.write = self._write  # type: ignore[method-assign]
        else:
            event.remove(self.db.engine, "before_cursor_execute", self._before)

    @contextlib.contextmanager
    def _gated(self) -> Iterator[Tx]:
        """SQLite lets one write at a time: what another can come between is a read and the transaction that writes."""
        self._gate()
        with self._write() as tx:
            yield tx

    def _before(self, conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().upper().startswith(WRITES):
            self._gate()

    def _gate(self) -> None:
        overtake = self._overtake
        if overtake is not None and threading.current_thread().name.startswith(("call", "slow")):
            self._overtake = None
            overtake()

    def overtaken_by(self, first: Callable[[], Answered], second: Callable[[], Answered]) -> tuple[Answered, Answered]:
        """What both give, when `second` begins just before the first write of `first`. A first that writes nothing is not overtaken:
        `second` comes after it."""
        answers: list[Answered] = []
        thread = threading.Thread(target=lambda: answers.append(second()))

        def overtake() -> None:
            self.overtaken += 1
            thread.start()
            thread.join(BLOCKED)

        self._overtake = overtake
        one = first()
        if self._overtake is not None:
            self._overtake = None
            thread.start()
        thread.join(60)
        return one, answers[0]


def plain(value: Any, names: dict[str, str], base: Any = None) -> Any:
    """An answer without what differs from one time to the next: times, ids that were made, revisions that came before."""
    if isinstance(value, dict):
        before = base if isinstance(base, dict) else {}
        out = {}
        for k, v in value.items():
            if k in TIMES:
                continue
            if k in {"revision_number", "generation", "resource_provider_generation"} and isinstance(v, int):
                out[k] = v - before.get(k, 0)
            else:
                out[k] = plain(v, names, before.get(k))
        return out
    if isinstance(value, list):
        return sorted((plain(v, names) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    if isinstance(value, str):
        for name, id in names.items():
            value = value.replace(id, f"<{name}>")
        return UUID.sub("*", value)
    return value
