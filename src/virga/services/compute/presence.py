# SPDX-License-Identifier: Apache-2.0
"""When nodes were last heard of. Ten thousand nodes speak a thousand times a second; that they did is written down together, every few
seconds, in one statement, always in the same order, so that two control processes do not wait for each other in a circle."""

from __future__ import annotations

import threading

from virga.ground.db.engine import Database
from virga.ground.world import World
from virga.services.compute import store

EVERY = 10.0
"""How often a node should be heard of, in seconds."""
FLUSH = 2.0
AT_ONCE = 500


class Presence:
    """Of one process: what it has heard and not yet written."""

    def __init__(self, db: Database, world: World) -> None:
        self.db, self.world = db, world
        self._lock = threading.Lock()
        self._heard: dict[str, float] = {}

    def note(self, node: str) -> None:
        """The node spoke now."""
        with self._lock:
            self._heard[node] = self.world.now()

    def flush(self) -> int:
        """Write down what was heard since the last time; how many nodes that were."""
        with self._lock:
            heard, self._heard = self._heard, {}
        nodes = sorted(heard)
        now = self.world.now()
        for start in range(0, len(nodes), AT_ONCE):
            with self.db.write() as tx:
                store.saw(tx, nodes[start : start + AT_ONCE], now)
        return len(nodes)
