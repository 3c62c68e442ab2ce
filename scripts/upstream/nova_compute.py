# SPDX-License-Identifier: Apache-2.0
"""nova-compute with Nova's own fake driver: machines that are only remembered, as ours in a simulated cloud. The fake draws a new id for
its host each time it is asked; here it keeps the one that Nova wrote down at its start, without which Nova refuses its own record."""

from __future__ import annotations

import sys
from typing import Any

from nova.cmd import compute  # first: it sets how Nova runs threads
from nova.virt import fake, node

plain = fake.FakeDriver.get_available_resource


def resources(self: Any, nodename: str) -> Any:
    """What the fake host has, under the id that was written down."""
    found = plain(self, nodename)
    if found:
        found["uuid"] = node.get_local_node_uuid()
    return found


def nodes(self: Any, refresh: bool = False) -> dict[str, str]:
    """The one host by that id."""
    return {node.get_local_node_uuid(): name for name in self.get_available_nodes()}


fake.FakeDriver.get_available_resource = resources
fake.FakeDriver.get_nodenames_by_uuid = nodes
sys.argv[0] = "nova-compute"
sys.exit(compute.main())
