# SPDX-License-Identifier: Apache-2.0
"""Identity's nouns as rows."""

from __future__ import annotations

from typing import Any

import msgspec

from virga.ground.db.rows import Row


class Domain(Row, frozen=True):
    id: str
    name: str
    description: str
    enabled: bool
    extra: dict[str, Any]


class Project(Row, frozen=True):
    id: str
    name: str
    domain_id: str
    parent_id: str
    description: str
    enabled: bool
    tags: list[str]
    extra: dict[str, Any]


class User(Row, frozen=True):
    id: str
    name: str
    domain_id: str
    enabled: bool
    default_project_id: str | None
    password_hash: str | None
    password_expires_at: float | None
    valid_after: float
    options: dict[str, Any]
    extra: dict[str, Any]


class Role(Row, frozen=True):
    id: str
    name: str
    domain_id: str | None
    description: str | None
    extra: dict[str, Any]


class Grant(Row, frozen=True):
    """A role of a user on a target: `project`, `domain` or `system` (whose target id is `system`)."""

    role_id: str
    user_id: str
    target: str
    target_id: str
    inherited: bool


class Region(Row, frozen=True):
    id: str
    description: str
    parent_region_id: str | None
    extra: dict[str, Any]


class CatalogService(Row, frozen=True):
    id: str
    type: str
    name: str | None
    description: str | None
    enabled: bool
    extra: dict[str, Any]


class Endpoint(Row, frozen=True):
    """`url` that begins with a slash is ours and follows the address that the caller used."""

    id: str
    service_id: str
    interface: str
    region_id: str | None
    url: str
    enabled: bool
    extra: dict[str, Any]


class Key(Row, frozen=True):
    number: int
    secret: str
    created: float


class Revocation(Row, frozen=True):
    audit_id: str
    expires: float


class Payload(msgspec.Struct, array_like=True, frozen=True):
    """What a token carries, encrypted."""

    user_id: str
    project_id: str | None
    domain_id: str | None
    system: bool
    methods: list[str]
    issued: float
    expires: float
    audit_ids: list[str]


class Session(msgspec.Struct, frozen=True):
    """A token resolved against the database."""

    payload: Payload
    user: User
    user_domain: Domain
    project: Project | None
    project_domain: Domain | None
    domain: Domain | None
    roles: tuple[Role, ...]


IMPLIED = {"admin": ("manager", "member", "reader"), "manager": ("member", "reader"), "member": ("reader",)}
"""The roles that the default roles bring along."""


def implied(names: set[str]) -> set[str]:
    return names | {more for name in names for more in IMPLIED.get(name, ())}
