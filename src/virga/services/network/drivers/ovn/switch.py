# SPDX-License-Identifier: Apache-2.0
"""The switch on OVN: each kind has its part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virga.services.network import driver
from virga.services.network.drivers.ovn.groups import Groups
from virga.services.network.drivers.ovn.networks import Networks
from virga.services.network.drivers.ovn.ports import Ports
from virga.services.network.drivers.ovn.routers import Routers
from virga.services.network.drivers.ovsdb import Ovsdb, listed


class OvnSwitch:
    """`nb`: the northbound database. `chassis`: where gateways live."""

    def __init__(self, nb: Ovsdb, chassis: str) -> None:
        self.nb = nb
        self._groups = Groups(nb)
        self.parts: dict[str, driver.Part[Any]] = {
            "network": Networks(nb),
            "port": Ports(nb),
            "group": self._groups,
            "router": Routers(nb, chassis),
        }

    def prepare(self) -> None:
        """What is there before anything else."""
        self._groups.prepare()

    def ensure(self, spec: driver.Spec) -> None:
        self.parts[spec.kind].ensure(spec)

    def remove(self, kind: str, id: str) -> None:
        self.parts[kind].remove(id)

    def observe(self) -> dict[str, set[str]]:
        return {kind: part.ids() for kind, part in self.parts.items()}

    def watch(self, tell: Callable[[str, bool], None]) -> None:
        def update(tables: dict[str, Any]) -> None:
            for change in tables.get("Logical_Switch_Port", {}).values():
                new, old = change.get("new"), change.get("old")
                if new is None:
                    continue
                up = True in listed(new.get("up"))
                was = old is not None and "up" in old and True in listed(old["up"])
                if (old is None and up) or (old is not None and "up" in old and up != was):
                    tell(new["name"], up)

        self.nb.monitor("ports", {"Logical_Switch_Port": ["name", "up"]}, update)
