# SPDX-License-Identifier: Apache-2.0
"""What identity answers, as shapes (Identity API v3). A noun with free attributes is an `OpenShape`: they stand beside what is named here."""

from __future__ import annotations

from typing import Any

from virga.ground.wire import UNSET, OpenShape, Query, Shape, UnsetType, field

SUBJECT: Query = {"x-subject-token": str}
"""The header that carries a token."""
MADE: Query = {"location": str}
TOKEN: Query = {**SUBJECT, "openstack-auth-receipt": str}
"""The same, or one that says that it is half done."""


class Self(Shape):
    self_: str = field(name="self")


class Links(Shape):
    """Where a list is, and where it goes on."""

    self_: str = field(name="self")
    previous: str | None = None
    next: str | None = None


class Id(Shape):
    id: str


class Reference(Shape):
    id: str
    name: str


class Home(Shape):
    """A thing in a domain."""

    domain: Reference
    id: str
    name: str


class All(Shape):
    all: bool


# -- users, groups, projects, domains ----------------------------------------------------------------------------------


class User(OpenShape, kw_only=True):
    id: str
    name: str
    domain_id: str
    enabled: bool
    options: dict[str, Any]
    links: Self
    password_expires_at: str | None
    default_project_id: str | UnsetType = UNSET


class UserAnswer(Shape):
    user: User


class UsersAnswer(Shape):
    """`truncated`: the operator's limit has cut the list, not the caller's."""

    users: list[User]
    links: Links
    truncated: bool | UnsetType = UNSET


class Group(OpenShape, kw_only=True):
    id: str
    name: str
    domain_id: str
    description: str
    links: Self


class GroupAnswer(Shape):
    group: Group


class GroupsAnswer(Shape):
    groups: list[Group]
    links: Links
    truncated: bool | UnsetType = UNSET


class UserGroup(Group, kw_only=True):
    """A group of a user: one that an identity provider lent has an end."""

    membership_expires_at: str | None


class UserGroupsAnswer(Shape):
    groups: list[UserGroup]
    links: Links
    truncated: bool | UnsetType = UNSET


class Project(OpenShape, kw_only=True):
    id: str
    name: str
    domain_id: str | None
    description: str
    enabled: bool
    parent_id: str | None
    is_domain: bool
    tags: list[str]
    options: dict[str, Any]
    links: Self


class ProjectAnswer(Shape):
    project: Project


class ProjectsAnswer(Shape):
    projects: list[Project]
    links: Links
    truncated: bool | UnsetType = UNSET


class ProjectDetails(Project, kw_only=True):
    """A project with what was asked for around it: projects in full, or a tree of ids."""

    parents: list[ProjectAnswer] | dict[str, Any] | UnsetType | None = UNSET
    subtree: list[ProjectAnswer] | dict[str, Any] | UnsetType | None = UNSET


class ProjectDetailsAnswer(Shape):
    project: ProjectDetails


class TagsAnswer(Shape):
    tags: list[str]
    links: Self


class Domain(OpenShape, kw_only=True):
    id: str
    name: str
    description: str
    enabled: bool
    tags: list[str]
    options: dict[str, Any]
    links: Self


class DomainAnswer(Shape):
    domain: Domain


class DomainsAnswer(Shape):
    domains: list[Domain]
    links: Links
    truncated: bool | UnsetType = UNSET


class ConfigAnswer(Shape):
    """Groups of options, or the one option that was asked for."""

    config: dict[str, Any]


# -- roles and who has them --------------------------------------------------------------------------------------------


class Role(OpenShape, kw_only=True):
    id: str
    name: str
    domain_id: str | None
    description: str | None
    options: dict[str, Any]
    links: Self


class RoleAnswer(Shape):
    role: Role


class RolesAnswer(Shape):
    roles: list[Role]
    links: Links
    truncated: bool | UnsetType = UNSET


class BriefRole(Shape):
    id: str
    name: str
    links: Self


class Inference(Shape):
    prior_role: BriefRole
    implies: BriefRole


class Inferences(Shape):
    prior_role: BriefRole
    implies: list[BriefRole]


class InferenceAnswer(Shape):
    role_inference: Inference
    links: Self


class ImpliesAnswer(Shape):
    role_inference: Inferences
    links: Self


class InferencesAnswer(Shape):
    role_inferences: list[Inferences]
    links: Self


class Assigned(Shape):
    """A party of an assignment; its name and domain when `include_names` was asked for."""

    id: str
    name: str | UnsetType = UNSET
    domain: Reference | UnsetType = UNSET


class AssignmentScope(Shape):
    system: All | UnsetType = UNSET
    project: Assigned | UnsetType = UNSET
    domain: Assigned | UnsetType = UNSET
    inherited_to: str | UnsetType = field(name="OS-INHERIT:inherited_to", default=UNSET)


class AssignmentLinks(Shape):
    """The grant behind it, and the membership and the implication by which it came to somebody."""

    assignment: str
    membership: str | UnsetType = UNSET
    prior_role: str | UnsetType = UNSET


class Assignment(Shape):
    role: Assigned
    scope: AssignmentScope
    links: AssignmentLinks
    user: Assigned | UnsetType = UNSET
    group: Assigned | UnsetType = UNSET


class AssignmentsAnswer(Shape):
    role_assignments: list[Assignment]
    links: Links


# -- tokens ------------------------------------------------------------------------------------------------------------


class LoginProvider(Shape):
    """How a federated user came in."""

    identity_provider: Id
    protocol: Id
    groups: list[Id]


class TokenUser(Shape):
    domain: Reference
    id: str
    name: str
    password_expires_at: str | None
    federation: LoginProvider | UnsetType = field(name="OS-FEDERATION", default=UNSET)


class Handed(Shape):
    consumer_id: str
    access_token_id: str


class TokenTrust(Shape):
    id: str
    impersonation: bool
    trustor_user: Id
    trustee_user: Id


class AccessRule(Shape):
    """One request that an application credential may make."""

    id: str
    service: str
    method: str
    path: str


class TokenAppCredential(Shape):
    id: str
    name: str
    restricted: bool
    access_rules: list[AccessRule] | UnsetType = UNSET


class CatalogEndpoint(Shape):
    id: str
    interface: str
    region: str | None
    region_id: str | None
    url: str


class CatalogEntry(Shape):
    id: str
    type: str
    name: str
    endpoints: list[CatalogEndpoint]


class TokenServiceProvider(Shape):
    id: str
    auth_url: str
    sp_url: str


class Token(Shape):
    methods: list[str]
    user: TokenUser
    audit_ids: list[str]
    expires_at: str
    issued_at: str
    oauth: Handed | UnsetType = field(name="OS-OAUTH1", default=UNSET)
    project: Home | UnsetType = UNSET
    is_domain: bool | UnsetType = UNSET
    domain: Reference | UnsetType = UNSET
    system: All | UnsetType = UNSET
    trust: TokenTrust | UnsetType = field(name="OS-TRUST:trust", default=UNSET)
    application_credential: TokenAppCredential | UnsetType = UNSET
    roles: list[Reference] | UnsetType = UNSET
    catalog: list[CatalogEntry] | UnsetType = UNSET
    service_providers: list[TokenServiceProvider] | UnsetType = UNSET


class TokenAnswer(Shape):
    token: Token


class Receipt(Shape):
    methods: list[str]
    user: Home
    expires_at: str
    issued_at: str


class ReceiptAnswer(Shape):
    """Right so far, and not enough: which sets of methods would do."""

    receipt: Receipt
    required_auth_methods: list[list[str]]


class CatalogAnswer(Shape):
    catalog: list[CatalogEntry]
    links: Links


class SystemScopeAnswer(Shape):
    system: list[All]
    links: Self


class RevokeEvent(Shape):
    issued_before: str
    revoked_at: str
    user_id: str | UnsetType = UNSET
    audit_id: str | UnsetType = UNSET
    application_credential_id: str | UnsetType = UNSET
    trust_id: str | UnsetType = field(name="OS-TRUST:trust_id", default=UNSET)


class RevokeEventsAnswer(Shape):
    events: list[RevokeEvent]
    links: Links


# -- credentials -------------------------------------------------------------------------------------------------------


class Credential(OpenShape, kw_only=True):
    id: str
    type: str
    user_id: str
    project_id: str | None
    blob: str
    links: Self


class CredentialAnswer(Shape):
    credential: Credential


class CredentialsAnswer(Shape):
    credentials: list[Credential]
    links: Links
    truncated: bool | UnsetType = UNSET


class EC2Credential(Shape):
    user_id: str
    tenant_id: str | None
    access: str
    secret: str | None
    trust_id: str | None
    links: Self


class EC2CredentialAnswer(Shape):
    credential: EC2Credential


class EC2CredentialsAnswer(Shape):
    credentials: list[EC2Credential]
    links: Links


class GivenRole(Shape):
    """A role of an application credential."""

    id: str
    name: str
    domain_id: str | None
    description: str | None
    options: dict[str, Any]


class AppCredential(Shape):
    """`secret` is told once, to whoever makes it."""

    id: str
    name: str
    description: str | None
    project_id: str
    unrestricted: bool
    expires_at: str | None
    roles: list[GivenRole]
    user_id: str
    system: str | None
    links: Self
    access_rules: list[AccessRule] | UnsetType = UNSET
    secret: str | UnsetType = UNSET


class AppCredentialAnswer(Shape):
    application_credential: AppCredential


class AppCredentialsAnswer(Shape):
    application_credentials: list[AppCredential]
    links: Links
    truncated: bool | UnsetType = UNSET


class UserAccessRule(Shape):
    id: str
    service: str
    method: str
    path: str
    links: Self


class AccessRuleAnswer(Shape):
    access_rule: UserAccessRule


class AccessRulesAnswer(Shape):
    access_rules: list[UserAccessRule]
    links: Links
    truncated: bool | UnsetType = UNSET


class Trust(OpenShape, kw_only=True):
    id: str
    trustor_user_id: str
    trustee_user_id: str
    project_id: str | None
    impersonation: bool
    expires_at: str | None
    remaining_uses: int | None
    redelegation_count: int
    redelegated_trust_id: str | None
    deleted_at: str | None
    links: Self


class TrustsAnswer(Shape):
    trusts: list[Trust]
    links: Links
    truncated: bool | UnsetType = UNSET


class TrustDetails(Trust, kw_only=True):
    roles: list[Role]
    roles_links: Links


class TrustAnswer(Shape):
    trust: TrustDetails


class TrustRolesAnswer(Shape):
    roles: list[Role]
    links: Links


# -- the catalogue as it is kept ---------------------------------------------------------------------------------------


class Region(OpenShape, kw_only=True):
    id: str
    description: str
    parent_region_id: str | None
    links: Self


class RegionAnswer(Shape):
    region: Region


class RegionsAnswer(Shape):
    regions: list[Region]
    links: Links
    truncated: bool | UnsetType = UNSET


class CatalogService(OpenShape, kw_only=True):
    id: str
    type: str
    enabled: bool
    links: Self
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class ServiceAnswer(Shape):
    service: CatalogService


class ServicesAnswer(Shape):
    services: list[CatalogService]
    links: Links
    truncated: bool | UnsetType = UNSET


class Endpoint(OpenShape, kw_only=True):
    """`region` is the older name of `region_id`."""

    id: str
    service_id: str
    interface: str
    region: str | None
    region_id: str | None
    url: str
    enabled: bool
    links: Self


class EndpointAnswer(Shape):
    endpoint: Endpoint


class EndpointsAnswer(Shape):
    endpoints: list[Endpoint]
    links: Links
    truncated: bool | UnsetType = UNSET


class EndpointGroup(Shape):
    id: str
    name: str
    description: str | None
    filters: dict[str, Any]
    links: Self


class EndpointGroupAnswer(Shape):
    endpoint_group: EndpointGroup


class EndpointGroupsAnswer(Shape):
    endpoint_groups: list[EndpointGroup]
    links: Links
    truncated: bool | UnsetType = UNSET


class ProjectEndpointGroup(Shape):
    endpoint_group_id: str
    project_id: str
    links: Self


class ProjectEndpointGroupAnswer(Shape):
    project_endpoint_group: ProjectEndpointGroup


# -- policies and limits -----------------------------------------------------------------------------------------------


class Policy(OpenShape, kw_only=True):
    id: str
    type: str
    blob: str
    links: Self


class PolicyAnswer(Shape):
    policy: Policy


class PoliciesAnswer(Shape):
    policies: list[Policy]
    links: Links
    truncated: bool | UnsetType = UNSET


class RegisteredLimit(Shape):
    id: str
    service_id: str
    region_id: str | None
    resource_name: str
    default_limit: int
    description: str | None
    links: Self


class RegisteredLimitAnswer(Shape):
    registered_limit: RegisteredLimit


class RegisteredLimitsAnswer(Shape):
    registered_limits: list[RegisteredLimit]
    links: Links
    truncated: bool | UnsetType = UNSET


class Limit(Shape):
    id: str
    project_id: str | None
    domain_id: str | None
    service_id: str
    region_id: str | None
    resource_name: str
    resource_limit: int
    description: str | None
    links: Self


class LimitAnswer(Shape):
    limit: Limit


class LimitsAnswer(Shape):
    limits: list[Limit]
    links: Links
    truncated: bool | UnsetType = UNSET


class LimitModel(Shape):
    name: str
    description: str


class LimitModelAnswer(Shape):
    model: LimitModel


# -- documents ---------------------------------------------------------------------------------------------------------


class Link(Shape):
    rel: str
    href: str


class MediaType(Shape):
    base: str
    type: str


class Version(Shape):
    id: str
    status: str
    updated: str
    links: list[Link]
    media_types: list[MediaType] = field(name="media-types")


class VersionAnswer(Shape):
    version: Version


class JsonHomeAnswer(Shape):
    """Where each resource is (draft-nottingham-json-home)."""

    resources: dict[str, Any]


class VersionValues(Shape):
    values: list[Version]


class VersionsAnswer(Shape):
    versions: VersionValues
