# SPDX-License-Identifier: Apache-2.0
"""Federation's nouns as rows."""

from __future__ import annotations

from typing import Any

from virga.ground.db.rows import Row


class Provider(Row, frozen=True):
    """An identity provider. `remote_ids` are the names by which it calls itself (an issuer); `authorization_ttl` is minutes."""

    id: str
    enabled: bool
    description: str | None
    domain_id: str
    authorization_ttl: int | None
    remote_ids: list[str]


class Mapping(Row, frozen=True):
    id: str
    rules: list[Any]
    schema_version: str


class Protocol(Row, frozen=True):
    """By which mapping a provider's users come in. Its id is unique within the provider."""

    idp_id: str
    id: str
    mapping_id: str
    remote_id_attribute: str | None


class ServiceProvider(Row, frozen=True):
    id: str
    auth_url: str
    sp_url: str
    description: str | None
    enabled: bool
    relay_state_prefix: str | None


class FederatedUser(Row, frozen=True):
    """Who a provider's user is here."""

    idp_id: str
    protocol_id: str
    unique_id: str
    user_id: str


class LentMembership(Row, frozen=True):
    """A membership that a login gave, and that ends unless another login renews it."""

    group_id: str
    user_id: str
    idp_id: str
    expires: float
