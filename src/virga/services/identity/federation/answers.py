# SPDX-License-Identifier: Apache-2.0
"""What OS-FEDERATION answers, as shapes."""

from __future__ import annotations

from typing import Any

from virga.ground.wire import UNSET, Query, Shape, UnsetType, field
from virga.services.identity.answers import Links, Self

ELSEWHERE: Query = {"location": str, "set-cookie": str}
"""Headers that send a browser to its provider."""


class ProviderLinks(Shape):
    self_: str = field(name="self")
    protocols: str


class IdentityProvider(Shape):
    id: str
    enabled: bool
    description: str | None
    domain_id: str
    authorization_ttl: int | None
    remote_ids: list[str]
    links: ProviderLinks


class IdentityProviderAnswer(Shape):
    identity_provider: IdentityProvider


class IdentityProvidersAnswer(Shape):
    identity_providers: list[IdentityProvider]
    links: Links


class Mapping(Shape):
    id: str
    rules: list[Any]
    schema_version: str
    links: Self


class MappingAnswer(Shape):
    mapping: Mapping


class MappingsAnswer(Shape):
    mappings: list[Mapping]
    links: Links


class ProtocolLinks(Shape):
    self_: str = field(name="self")
    identity_provider: str


class Protocol(Shape):
    id: str
    mapping_id: str
    links: ProtocolLinks
    remote_id_attribute: str | UnsetType = UNSET


class ListedProtocol(Shape):
    """A protocol in a list says more than one alone, as Keystone's do."""

    id: str
    mapping_id: str
    links: ProtocolLinks
    idp_id: str
    remote_id_attribute: str | None


class ProtocolAnswer(Shape):
    protocol: Protocol


class ProtocolsAnswer(Shape):
    protocols: list[ListedProtocol]
    links: Links


class ServiceProvider(Shape):
    id: str
    auth_url: str
    sp_url: str
    description: str | None
    enabled: bool
    relay_state_prefix: str | None
    links: Self


class ServiceProviderAnswer(Shape):
    service_provider: ServiceProvider


class ServiceProvidersAnswer(Shape):
    service_providers: list[ServiceProvider]
    links: Links
