# SPDX-License-Identifier: Apache-2.0
"""A switch that remembers what it was told: for `--sim` and stories. Ports come up when a simulated machine plugs them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from virga.services.network import driver


class FakeSwitch:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.things: dict[str, dict[str, driver.Spec]] = {}
        self.plugged: set[str] = set()
        self._tell: Callable[[str, bool], None] | None = None

    def ensure(self, spec: driver.Spec) -> None:
        with self._lock:
            self.things.setdefault(spec.kind, {})[spec.id] = spec

    def remove(self, kind: str, id: str) -> None:
        with self._lock:
            self.things.get(kind, {}).pop(id, None)

    def observe(self) -> dict[str, set[str]]:
        with self._lock:
            return {kind: set(things) for kind, things in self.things.items()}

    def watch(self, tell: Callable[[str, bool], None]) -> None:
        self._tell = tell
        for port in sorted(self.plugged):
            tell(port, True)

    def plug(self, port_id: str, on: bool) -> None:
        """The simulated node's side: a machine's NIC appears or goes."""
        with self._lock:
            changed = (port_id in self.plugged) != on
            (self.plugged.add if on else self.plugged.discard)(port_id)
        if changed and self._tell is not None:
            self._tell(port_id, on)
