# SPDX-License-Identifier: Apache-2.0
"""Network's limits, by the names of Neutron's quota API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virga.authority.limits import Limit
from virga.ground.db.engine import Tx
from virga.ground.db.rows import Rows
from virga.services.network import store


def _count(rows: Rows[Any]) -> Callable[[Tx, str], int]:
    return lambda tx, project: rows.count(tx, rows.c.project_id == project)


NETWORKS = Limit("network", "network", 100, _count(store.NETWORKS))
SUBNETS = Limit("network", "subnet", 100, _count(store.SUBNETS))
PORTS = Limit("network", "port", 500, _count(store.PORTS))
ROUTERS = Limit("network", "router", 10, _count(store.ROUTERS))
FLOATING_IPS = Limit("network", "floatingip", 50, _count(store.FLOATING_IPS))
GROUPS = Limit("network", "security_group", 10, _count(store.GROUPS))
RULES = Limit("network", "security_group_rule", 100, _count(store.RULES))
ALL = (NETWORKS, SUBNETS, PORTS, ROUTERS, FLOATING_IPS, GROUPS, RULES)
UPSTREAM = {"rbac_policy": 10, "subnetpool": -1}
"""What clients ask about and this cloud has no nouns for: shown as Neutron's defaults are."""
