# SPDX-License-Identifier: Apache-2.0
"""Shapes of OS-FEDERATION on the wire (Identity API v3 extensions)."""

from __future__ import annotations

from typing import Annotated, Any

from virga.ground.wire import UNSET, Meta, Text, UnsetType, Wire, free
from virga.services.identity.wire import Id

RemoteId = Annotated[str, Meta(min_length=1, max_length=64)]
RemoteIds = Annotated[list[RemoteId], Meta(max_length=256)]
Url = Annotated[str, Meta(max_length=225, pattern=r"^https?://[^\s]+$")]


class CreateProvider(Wire, kw_only=True):
    enabled: bool = False
    description: Text | None = None
    domain_id: Id | None = None
    authorization_ttl: Annotated[int, Meta(ge=0, le=10**6)] | None = None
    remote_ids: RemoteIds | None = None


class UpdateProvider(Wire):
    enabled: bool | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    domain_id: Id | UnsetType = UNSET
    authorization_ttl: Annotated[int, Meta(ge=0, le=10**6)] | UnsetType | None = UNSET
    remote_ids: RemoteIds | UnsetType | None = UNSET


class WriteMapping(Wire, kw_only=True):
    rules: Annotated[list[Any], free(size=262144, depth=12)]
    schema_version: Annotated[str, Meta(max_length=8)] | UnsetType = UNSET


class WriteProtocol(Wire):
    mapping_id: Id | UnsetType = UNSET
    remote_id_attribute: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET


class CreateServiceProvider(Wire, kw_only=True):
    auth_url: Url
    sp_url: Url
    description: Text | None = None
    enabled: bool = False
    relay_state_prefix: Annotated[str, Meta(max_length=256)] | None = "ss:mem:"


class UpdateServiceProvider(Wire):
    auth_url: Url | UnsetType = UNSET
    sp_url: Url | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    relay_state_prefix: Annotated[str, Meta(max_length=256)] | UnsetType | None = UNSET
