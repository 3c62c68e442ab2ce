# SPDX-License-Identifier: Apache-2.0
"""A network."""

from __future__ import annotations

import msgspec

from virga.ground.db.rows import Row


class Network(Row, frozen=True):
    id: str
    name: str
    project_id: str
    description: str
    admin_state_up: bool
    shared: bool
    external: bool
    is_default: bool
    mtu: int
    port_security: bool
    physical: str | None
    tags: list[str]
    revision: int
    created: float
    updated: float


class NetworkDetails(msgspec.Struct, frozen=True):
    """A network and the ids of its subnets, the oldest first."""

    network: Network
    subnet_ids: list[str]
