# SPDX-License-Identifier: Apache-2.0
"""Metadata definitions as rows: namespaces, and what is in them. All that is in a namespace has a kind, a name and a body."""

from __future__ import annotations

from typing import Any

from virga.ground.db.rows import Row

OBJECT, PROPERTY, TAG, ASSOCIATION = "object", "property", "tag", "association"


class Namespace(Row, frozen=True):
    id: str
    namespace: str
    display_name: str | None
    description: str | None
    visibility: str
    protected: bool
    owner: str
    created: float
    updated: float


class Item(Row, frozen=True):
    """`body` is what its kind has besides the name."""

    id: str
    namespace_id: str
    kind: str
    name: str
    body: dict[str, Any]
    created: float
    updated: float


class ResourceType(Row, frozen=True):
    """What properties are for: `OS::Glance::Image`, `OS::Nova::Flavor`."""

    name: str
    protected: bool
    created: float
    updated: float
