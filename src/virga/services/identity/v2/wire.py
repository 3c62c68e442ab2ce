# SPDX-License-Identifier: Apache-2.0
"""Shapes of Identity API v2.0 (the API reference of 2013, and what python-keystoneclient 0.4 to 1.8 send)."""

from __future__ import annotations

from typing import Annotated

from virga.ground.wire import UNSET, Meta, Name, Open, Text, UnsetType, Wire, named, refers
from virga.services.identity.wire import Id, Password

Url = Annotated[str, Meta(min_length=1, max_length=2048)]


class PasswordCredentials(Wire):
    password: Password
    username: Annotated[str, Meta(max_length=255), refers("user name")] | UnsetType = UNSET
    user_id: Annotated[Id | UnsetType, named("userId"), refers("user")] = UNSET


class TokenCredentials(Wire):
    id: Annotated[str, Meta(min_length=1, max_length=4096)]


class AuthV2(Wire):
    """`auth`: a password or a token, and at most one tenant."""

    password: Annotated[PasswordCredentials | UnsetType, named("passwordCredentials")] = UNSET
    token: TokenCredentials | UnsetType = UNSET
    tenant_id: Annotated[Id | UnsetType | None, named("tenantId"), refers("project")] = UNSET
    tenant_name: Annotated[
        Annotated[str, Meta(max_length=64), refers("project name")] | UnsetType | None, named("tenantName")
    ] = UNSET


class WriteTenant(Open):
    """A tenant, new or changed; clients repeat its `id` in a change."""

    id: Id | UnsetType = UNSET
    name: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class WriteUser(Open):
    """A user, new or changed. `email` is one of the free attributes."""

    id: Id | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    username: Name | UnsetType = UNSET
    password: Password | UnsetType | None = UNSET
    tenant_id: Annotated[Id | UnsetType | None, named("tenantId"), refers("project", may="identity:update_user")] = (
        UNSET
    )
    enabled: bool | UnsetType = UNSET


class OwnPassword(Wire):
    original_password: Password
    password: Annotated[str, Meta(min_length=1, max_length=4096)]


class WriteRole(Open, kw_only=True):
    name: Name


class WriteService(Open, kw_only=True):
    type: Name
    name: Annotated[str, Meta(max_length=255)] | None = None
    description: Text | None = None


class WriteEndpoint(Wire, kw_only=True):
    """Up to three addresses of a service in a region: one v3 endpoint each."""

    service_id: Annotated[Id, refers("service", may="identity:create_endpoint")]
    publicurl: Url
    region: Annotated[str, Meta(max_length=255), refers("region", may="identity:create_endpoint")] | None = None
    internalurl: Annotated[str, Meta(max_length=2048)] | None = None
    adminurl: Annotated[str, Meta(max_length=2048)] | None = None
    id: Annotated[str, Meta(max_length=255)] | None = None


class WriteCredential(Wire):
    """POST /users/{id}/credentials/OS-EC2: not wrapped in a key."""

    tenant_id: Annotated[Id, refers("project")]
