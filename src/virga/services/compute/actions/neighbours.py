# SPDX-License-Identifier: Apache-2.0
"""What a server is shown with and other tables hold: its addresses, its security groups, its host. Asked once for all servers of an
answer, in the transaction that found them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from virga.ground.db.engine import Tx
from virga.services.compute import model, store
from virga.services.network import api as network


class Neighbours(msgspec.Struct, frozen=True):
    """By the server's id: addresses, and names of security groups; by their names: hosts."""

    addresses: dict[str, list[network.ServerAddress]]
    groups: dict[str, list[str]]
    hosts: dict[str, model.HostState]


def of(tx: Tx, rows: Sequence[model.Server | model.ListedServer]) -> Neighbours:
    """The neighbours of all of `rows`."""
    addresses, groups = network.server_addresses(tx, {s.id: s.project_id for s in rows})
    return Neighbours(addresses, groups, store.host_states(tx, {s.host for s in rows if s.host is not None}))
