# SPDX-License-Identifier: Apache-2.0
"""Identity's nouns as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from virga.ground.db.rows import Row
from virga.ground.glob import Paths


class Spent(Row, frozen=True):
    """What may be used once, and was; forgotten when it could not be used any more."""

    what: str
    expires: float


class Domain(Row, frozen=True):
    id: str
    name: str
    description: str
    enabled: bool
    extra: dict[str, Any]
    options: dict[str, Any] = {}
    tags: list[str] = []


class Project(Row, frozen=True):
    id: str
    name: str
    domain_id: str
    parent_id: str
    description: str
    enabled: bool
    tags: list[str]
    extra: dict[str, Any]
    options: dict[str, Any] = {}

    @property
    def is_domain(self) -> bool:
        """Whether this is a domain shown as a project: it is in no domain."""
        return self.domain_id == ""

    @classmethod
    def of(cls, domain: Domain) -> Project:
        """A domain as the projects API shows it."""
        d = domain
        return cls(d.id, d.name, "", "", d.description, d.enabled, d.tags, d.extra, d.options)


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
    password_set: float | None = None
    failures: int = 0
    failed_at: float | None = None
    active_at: float | None = None


class Group(Row, frozen=True):
    id: str
    name: str
    domain_id: str
    description: str
    extra: dict[str, Any]


class Membership(Row, frozen=True):
    group_id: str
    user_id: str


class OldPassword(Row, frozen=True):
    """A password that a user once had: `made` is when it was set, `by_user` whether the user chose it."""

    id: int
    user_id: str
    password_hash: str
    made: float
    by_user: bool


class Role(Row, frozen=True):
    id: str
    name: str
    domain_id: str | None
    description: str | None
    extra: dict[str, Any]
    options: dict[str, Any] = {}


class ImpliedRole(Row, frozen=True):
    """Who has `prior_id` also has `implied_id`."""

    prior_id: str
    implied_id: str


class Grant(Row, frozen=True):
    """A role of a user on a target: `project`, `domain` or `system` (whose target id is `system`)."""

    role_id: str
    user_id: str
    target: str
    target_id: str
    inherited: bool


class GroupGrant(Row, frozen=True):
    """A role of all members of a group. A table of its own: an id of a group never passes for a user's."""

    role_id: str
    group_id: str
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


class Credential(Row, frozen=True):
    """A secret that identity keeps for a user; `blob` is sealed with the credential keys. An EC2 credential's id is the SHA-256 of
    its access key."""

    id: str
    type: str
    user_id: str
    project_id: str | None
    blob: str
    extra: dict[str, Any]


class AccessRule(Row, frozen=True):
    """One request that an application credential may make; `path` with `*`, `**` and `{names}`."""

    id: str
    user_id: str
    service: str
    method: str
    path: str

    def covers(self, service: str, method: str, paths: Sequence[str]) -> bool:
        """Whether a request to a service of this type, by this method, at one of these paths is what the rule allows."""
        return Narrowed((self,)).covers(service, method, paths)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """All access rules of one token. They are asked as one, where all requests pass: however many there are, a path is read once."""

    rules: tuple[AccessRule, ...]
    ways: dict[tuple[str, str], Paths] = field(default_factory=dict, compare=False, repr=False)

    def covers(self, service: str, method: str, paths: Sequence[str]) -> bool:
        """Whether one of the rules covers the request."""
        way = self.ways.get((service, method))
        if way is None:
            way = Paths(r.path for r in self.rules if r.service == service and r.method == method)
            self.ways[service, method] = way
        return any(way.cover(p) for p in paths)


class AppCredential(Row, frozen=True):
    """`roles` are ids; `access_rules` ids of rules, None for no restriction."""

    id: str
    name: str
    user_id: str
    project_id: str
    description: str | None
    secret_hash: str
    expires: float | None
    unrestricted: bool
    roles: list[str]
    access_rules: list[str] | None
    made_by: str | None = None
    """The unrestricted application credential with which this one was made; it ends with that."""


class Trust(Row, frozen=True):
    """`trustor` lets `trustee` act with `roles` on a project. A deleted one stays, for its children and their audit."""

    id: str
    trustor_id: str
    trustee_id: str
    project_id: str | None
    impersonation: bool
    roles: list[str]
    expires: float | None
    remaining_uses: int | None
    redelegated_id: str | None
    redelegation_count: int
    allow_redelegation: bool
    deleted_at: float | None
    extra: dict[str, Any]


class PolicyBlob(Row, frozen=True):
    """A policy document as the policies API keeps it; nothing here reads it."""

    id: str
    type: str
    blob: str
    extra: dict[str, Any]


class PolicyUse(Row, frozen=True):
    """Which policy is for an endpoint, a service, or a service in a region."""

    id: str
    policy_id: str
    endpoint_id: str | None
    service_id: str | None
    region_id: str | None


class EndpointGroup(Row, frozen=True):
    id: str
    name: str
    description: str | None
    filters: dict[str, Any]


class ProjectEndpoint(Row, frozen=True):
    project_id: str
    endpoint_id: str


class ProjectEndpointGroup(Row, frozen=True):
    project_id: str
    endpoint_group_id: str


class RegisteredLimit(Row, frozen=True):
    """The limit that a resource of a service has where nothing else is said."""

    id: str
    service_id: str
    region_id: str | None
    resource_name: str
    default_limit: int
    description: str | None


class ProjectLimit(Row, frozen=True):
    """A limit of one project, or of one domain."""

    id: str
    project_id: str | None
    domain_id: str | None
    service_id: str
    region_id: str | None
    resource_name: str
    resource_limit: int
    description: str | None
    registered_limit_id: str


class DomainOption(Row, frozen=True):
    """One option of a domain's own configuration; `value` is sealed when it is a secret."""

    domain_id: str
    group: str
    option: str
    value: Any
    secret: bool


class RevokeEvent(Row, frozen=True):
    """What ended tokens, as the revocation list tells it."""

    id: int
    facts: dict[str, Any]
    made: float


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
    trust_id: str | None = None
    app_credential_id: str | None = None
    via: tuple[str, str] | None = None
    """The identity provider and protocol by which a federated user came in."""
    oauth: tuple[str, str] | None = None
    """The consumer and the access token of OAuth 1 that the token was given to."""
    key: str | None = None
    """The EC2 credential whose signature the token was given for."""


class Receipt(msgspec.Struct, array_like=True, frozen=True):
    """What an authentication receipt carries, encrypted: the methods that a user has passed already."""

    user_id: str
    methods: list[str]
    issued: float
    expires: float


class Session(msgspec.Struct, frozen=True):
    """A token resolved against the database."""

    payload: Payload
    user: User
    user_domain: Domain
    project: Project | None
    project_domain: Domain | None
    domain: Domain | None
    roles: tuple[Role, ...]
    trust: Trust | None = None
    app_credential: AppCredential | None = None
    access_rules: tuple[AccessRule, ...] | None = None
    lent: tuple[str, ...] = ()
    """The groups that a federated login brought."""


IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
"""What the default roles bring along, from the first start."""
