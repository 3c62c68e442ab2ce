# SPDX-License-Identifier: Apache-2.0
"""Networks on the wire."""

from __future__ import annotations

from typing import Annotated

from virga.ground.wire import UNSET, Meta, UnsetType, named
from virga.services.network.wire.shapes import Name, Named, Owned, Whole


class CreateNetwork(Owned):
    admin_state_up: bool = True
    shared: bool = False
    external: Annotated[bool, named("router:external")] = False
    is_default: bool = False
    mtu: Annotated[int, Meta(ge=68, le=65535)] | UnsetType = UNSET
    port_security_enabled: bool = True
    network_type: Annotated[Name | UnsetType, named("provider:network_type")] = UNSET
    physical_network: Annotated[Name | UnsetType, named("provider:physical_network")] = UNSET
    segmentation_id: Annotated[Whole | UnsetType | None, named("provider:segmentation_id")] = UNSET


class UpdateNetwork(Named):
    admin_state_up: bool | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: Annotated[bool | UnsetType, named("router:external")] = UNSET
    is_default: bool | UnsetType = UNSET
    mtu: Annotated[int, Meta(ge=68, le=65535)] | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET
