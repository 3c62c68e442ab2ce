# SPDX-License-Identifier: Apache-2.0
"""Compute's limits, by the names of Nova's quota API."""

from __future__ import annotations

from virga.authority.limits import Limit
from virga.services.compute import store

INSTANCES = Limit("compute", "instances", 10, lambda tx, p: store.SERVERS.count(tx, store.c.project_id == p))
CORES = Limit("compute", "cores", 20, lambda tx, p: store.SERVERS.total(tx, "vcpus", store.c.project_id == p))
RAM = Limit("compute", "ram", 51200, lambda tx, p: store.SERVERS.total(tx, "ram", store.c.project_id == p))
KEY_PAIRS = Limit("compute", "key_pairs", 100, lambda tx, p: store.KEYPAIRS.count(tx, store.KEYPAIRS.c.user_id == p))
METADATA_ITEMS = 128
FIXED = {
    "metadata_items": METADATA_ITEMS,
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
    "server_groups": 10,
    "server_group_members": 10,
}
ALL = (INSTANCES, CORES, RAM, KEY_PAIRS)
