# SPDX-License-Identifier: Apache-2.0
"""A switch that remembers what it was told: for `--sim` and stories. Ports come up when a simulated machine plugs them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from virga.services.network import driver


class FakeSwitch:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.things: dict[str, dict[str, driver.Spec]] = {"network": {}, "port": {}, "group": {}, "router": {}}
        self.plugged: set[str] = set()
        self._tell: Callable[[str, bool], None] | None = None

    def _put(self, kind: str, id: str, spec: driver.Spec) -> None:
        with self._lock:
            self.things[kind][id] = spec

    def _drop(self, kind: str, id: str) -> None:
        with self._lock:
            self.things[kind].pop(id, None)

    def ensure_network(self, spec: driver.NetworkSpec) -> None:
        self._put("network", spec.id, spec)

    def remove_network(self, id: str) -> None:
        self._drop("network", id)

    def ensure_port(self, spec: driver.PortSpec) -> None:
        self._put("port", spec.id, spec)

    def remove_port(self, id: str) -> None:
        self._drop("port", id)

    def ensure_group(self, spec: driver.GroupSpec) -> None:
        self._put("group", spec.id, spec)

    def remove_group(self, id: str) -> None:
        self._drop("group", id)

    def ensure_router(self, spec: driver.RouterSpec) -> None:
        self._put("router", spec.id, spec)

    def remove_router(self, id: str) -> None:
        self._drop("router", id)

    def observe(self) -> dict[str, set[str]]:
        with self._lock:
            return {kind: set(things) for kind, things in self.things.items()}

    def watch(self, tell: Callable[[str, bool], None]) -> None:
        self._tell = tell
        for port in sorted(self.plugged):
            tell(port, True)

    def plug(self, port_id: str, on: bool) -> None:
        """The simulated node's side: a machine's card appears or goes."""
        with self._lock:
            changed = (port_id in self.plugged) != on
            (self.plugged.add if on else self.plugged.discard)(port_id)
        if changed and self._tell is not None:
            self._tell(port_id, on)
