# SPDX-License-Identifier: Apache-2.0
"""What the shapes of network's nouns are made of."""

from __future__ import annotations

from typing import Annotated, ClassVar

from virga.ground import wire
from virga.ground.wire import UNSET, Meta, UnsetType

Name = Annotated[str, Meta(max_length=255)]
Text = Annotated[str, Meta(max_length=255)]
Project = Annotated[str, Meta(max_length=255)]
Uuid = Annotated[str, Meta(pattern="^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$")]
Tagged = Annotated[str, Meta(max_length=3200)]
"""Fifty tags with their commas."""
Ip = Annotated[str, Meta(max_length=64)]
Whole = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Most = Annotated[int, Meta(ge=-1, le=2**31 - 1)]


class Wire(wire.Wire):
    """Numbers and booleans may come as text: neutronclient sends options as they were typed, and Neutron converts them."""

    lax: ClassVar[bool] = True


class Owned(Wire):
    """What every noun of Neutron takes besides its own."""

    project_id: Project | UnsetType = UNSET
    tenant_id: Project | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class Named(Wire):
    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET
