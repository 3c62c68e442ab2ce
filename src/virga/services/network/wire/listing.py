# SPDX-License-Identifier: Apache-2.0
"""What lists take in their query."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from virga.ground import wire
from virga.ground.wire import refers, times
from virga.services.network.wire.shapes import Tagged, Text

FIELDS: wire.Query = {"fields": Annotated[Text, times(200)]}
"""What every GET takes."""
_REFERRED = {
    "network_id": "network",
    "floating_network_id": "network",
    "port_id": "port",
    "router_id": "router",
    "security_group_id": "security group",
    "security_groups": "security group",
    "remote_group_id": "security group",
    "project_id": "project",
    "tenant_id": "project",
    "device_id": "device",
}
FREE = frozenset({"project", "device"})
"""Nouns of other services: a filter by them finds what the caller sees of the network's own, and looks nothing else up."""
TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")
PAGES = ("limit", "marker", "page_reverse")
ORDERS = ("sort_key", "sort_dir", "sort")


def listing(noun: str, filters: Iterable[str]) -> wire.Query:
    """The parameters of a list of `noun`: its filters, what Neutron's pages and orders take, and the tags (Networking API v2.0,
    "Filtering and column selection", "Sorting", "Pagination")."""
    out: dict[str, Any] = dict(FIELDS)
    for name in (*filters, *TAGS):
        referred = _REFERRED.get(name)
        out[name] = Text if referred is None or referred in FREE else Annotated[Text, refers(referred)]
    out |= dict.fromkeys(TAGS, Tagged) | dict.fromkeys((*PAGES, *ORDERS), Text)
    out["id"] = out["marker"] = Annotated[Text, refers(noun)]
    return out
