# SPDX-License-Identifier: Apache-2.0
"""What the answers of network's nouns are made of."""

from __future__ import annotations

from virga.ground.wire import Shape


class Owned(Shape):
    """What every answer says of its noun. Fields that are not set are not shown."""

    id: str
    tenant_id: str
    project_id: str
    description: str
    revision_number: int
    created_at: str
    updated_at: str


class Labelled(Owned, kw_only=True):
    """A noun with a name and tags."""

    name: str
    tags: list[str]
