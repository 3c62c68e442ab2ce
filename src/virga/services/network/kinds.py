# SPDX-License-Identifier: Apache-2.0
"""The kinds of things that the switch is told of, each a value. One more kind is one more value here, its spec in `specs`, and its part
of each engine; marks, telling, order and repair follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from virga.ground.bus import Bus
from virga.ground.db.engine import Tx
from virga.ground.db.rows import Rows
from virga.ground.registry import Registry
from virga.services.network import specs, store
from virga.services.network.driver import Spec, Switch


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`name` is what marks and engines call it. Those of a smaller `order` are told first: ports need their network and groups, routers
    their networks. `rows` are where it is kept, `spec(tx, id, registry)` is the thing as the engine should have it, None when it is gone.
    `told` is the topic that hears of each one that the switch was told of."""

    name: str
    order: int
    rows: Rows[Any]
    spec: Callable[[Tx, str, Registry], Spec | None]
    told: str | None = None

    def ensure(self, registry: Registry, spec: Spec) -> None:
        """Tell the switch what the thing should be."""
        registry.use(Switch).ensure(spec)
        self._tell(registry, spec.id)

    def remove(self, registry: Registry, id: str) -> None:
        """Tell the switch that the thing is gone."""
        registry.use(Switch).remove(self.name, id)
        self._tell(registry, id)

    def _tell(self, registry: Registry, id: str) -> None:
        if self.told is not None:
            registry.use(Bus).publish(self.told, {self.name: id})


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="network", order=0, rows=store.NETWORKS, spec=specs.network, told="all.network.changed"),
        Kind(name="group", order=1, rows=store.GROUPS, spec=specs.group),
        Kind(name="port", order=2, rows=store.PORTS, spec=specs.port),
        Kind(name="router", order=3, rows=store.ROUTERS, spec=specs.router),
    )
}
