# SPDX-License-Identifier: Apache-2.0
"""A switch for Neutron that has nothing behind it: it binds every port on every host, so that what is measured is Neutron's own cost, as
ours is measured with the simulated switch."""

from __future__ import annotations

from typing import Any

from neutron_lib.plugins.ml2 import api


class BindAnywhere(api.MechanismDriver):  # type: ignore[misc]
    """Neutron's plug for switches, filled with nothing."""

    def initialize(self) -> None:
        """There is nothing to prepare."""

    @property
    def connectivity(self) -> str:
        """What the network gives: layer 2."""
        return "l2"

    def bind_port(self, context: Any) -> None:
        """Say that the first segment on offer is plugged in."""
        for segment in context.segments_to_bind[:1]:
            context.set_binding(segment[api.ID], "ovs", {"port_filter": True}, status="ACTIVE")
