# SPDX-License-Identifier: Apache-2.0
"""Networks as they are shown."""

from __future__ import annotations

from virga.ground.wire import UNSET, UnsetType, field
from virga.services.network.answers.shapes import Labelled


class Network(Labelled, kw_only=True):
    """A network as it is shown; the `provider:` fields to administrators, `is_default` of external ones."""

    admin_state_up: bool
    status: str
    shared: bool
    external: bool = field(name="router:external")
    mtu: int
    subnets: list[str]
    port_security_enabled: bool
    is_default: bool | UnsetType = UNSET
    network_type: str | UnsetType = field(default=UNSET, name="provider:network_type")
    physical_network: str | UnsetType | None = field(default=UNSET, name="provider:physical_network")
    segmentation_id: int | UnsetType | None = field(default=UNSET, name="provider:segmentation_id")
