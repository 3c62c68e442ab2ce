# SPDX-License-Identifier: Apache-2.0
"""Compute's limits, by the names of Nova's quota API."""

from __future__ import annotations

from virga.authority.limits import Limit, value
from virga.ground.db.engine import Tx
from virga.services.compute import store

INSTANCES = Limit("compute", "instances", 10, lambda tx, p: store.SERVERS.count(tx, store.c.project_id == p))
CORES = Limit("compute", "cores", 20, lambda tx, p: store.SERVERS.total(tx, "vcpus", store.c.project_id == p))
RAM = Limit("compute", "ram", 51200, lambda tx, p: store.SERVERS.total(tx, "ram", store.c.project_id == p))
KEY_PAIRS = Limit("compute", "key_pairs", 100, lambda tx, p: store.KEYPAIRS.count(tx, store.KEYPAIRS.c.user_id == p))


def _kept(name: str, default: int) -> Limit:
    """A limit of one thing's size: nothing of it is used up by a project."""
    return Limit("compute", name, default, lambda tx, p: 0)


METADATA_ITEMS = _kept("metadata_items", 128)
SERVER_GROUPS = Limit(
    "compute",
    "server_groups",
    10,
    lambda tx, p: store.SERVER_GROUPS.count(tx, store.SERVER_GROUPS.c.project_id == p),
)
SERVER_GROUP_MEMBERS = _kept("server_group_members", 10)
INJECTED = (
    _kept("injected_files", 5),
    _kept("injected_file_content_bytes", 10240),
    _kept("injected_file_path_bytes", 255),
)
"""Until microversion 2.56."""
ALL = (INSTANCES, CORES, RAM, KEY_PAIRS, METADATA_ITEMS, SERVER_GROUPS, SERVER_GROUP_MEMBERS, *INJECTED)


def metadata_items(tx: Tx, project_id: str) -> int:
    """How many items of metadata a server of the project may have; a large number where that is not limited."""
    return _bound(tx, METADATA_ITEMS, project_id)


def server_group_members(tx: Tx, project_id: str) -> int:
    """How many servers a server group of the project may have; a large number where that is not limited."""
    return _bound(tx, SERVER_GROUP_MEMBERS, project_id)


def _bound(tx: Tx, limit: Limit, project_id: str) -> int:
    most = value(tx, limit, project_id)
    return most if most >= 0 else 2**31
