# SPDX-License-Identifier: Apache-2.0
"""Ports as they are shown."""

from __future__ import annotations

from typing import Any

from virga.ground.wire import UNSET, Shape, UnsetType, field
from virga.services.network.answers.shapes import Labelled


class PortAddress(Shape):
    """An address, and the subnet that it is of."""

    subnet_id: str
    ip_address: str


class AllowedPair(Shape):
    """What a port may send from beside its own."""

    mac_address: str
    ip_address: str


class VifDetails(Shape, kw_only=True):
    """How a port that is bound is plugged; of another nothing is said."""

    port_filter: bool | UnsetType = UNSET
    connectivity: str | UnsetType = UNSET


class Port(Labelled, kw_only=True):
    """A port as it is shown; where it is bound, to administrators."""

    network_id: str
    mac_address: str
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str
    fixed_ips: list[PortAddress]
    security_groups: list[str]
    port_security_enabled: bool
    allowed_address_pairs: list[AllowedPair]
    vnic_type: str = field(name="binding:vnic_type")
    host: str | UnsetType = field(default=UNSET, name="binding:host_id")
    profile: dict[str, Any] | UnsetType = field(default=UNSET, name="binding:profile")
    vif_type: str | UnsetType = field(default=UNSET, name="binding:vif_type")
    vif_details: VifDetails | UnsetType = field(default=UNSET, name="binding:vif_details")
