# SPDX-License-Identifier: Apache-2.0
"""Identity's shapes on the wire (Identity API v3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from virga.ground.wire import UNSET, Meta, Name, Open, Text, UnsetType, Wire, free, named, refers, times

Id = Annotated[str, Meta(min_length=1, max_length=64)]
ShortName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]
Tag = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^,/]+$")]
Password = Annotated[str, Meta(max_length=4096)]
Moment = Annotated[str, Meta(max_length=64)]
RegionId = Annotated[str, Meta(max_length=255)]
"""`region_id` and its older name `region`."""
Form = Annotated[dict[str, Any], free(size=16384, depth=8)]
"""What a method, a signature or an option carries in a form of its own."""
Secret = Annotated[str, Meta(max_length=65535)] | Annotated[dict[str, Any], free(size=65536, depth=8)]
"""A credential's blob, as text or as an object."""
Filters = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=255)]], Meta(max_length=16)
]


class DomainRef(Wire):
    """A domain by id, or by name."""

    id: Annotated[Id, refers("domain")] | UnsetType = UNSET
    name: Annotated[Name, refers("domain name")] | UnsetType = UNSET


class ProjectRef(Wire):
    id: Annotated[Id, refers("project")] | UnsetType = UNSET
    name: Annotated[Name, refers("project name")] | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET


class PasswordUser(Wire):
    password: Password
    id: Annotated[Id, refers("user")] | UnsetType = UNSET
    name: Annotated[Name, refers("user name")] | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET


class PasswordMethod(Wire):
    user: PasswordUser


class TokenMethod(Wire):
    id: Annotated[str, Meta(min_length=1, max_length=4096)]


class UserRef(Wire):
    id: Annotated[Id, refers("user")] | UnsetType = UNSET
    name: Annotated[Name, refers("user name")] | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET


class AppCredentialMethod(Wire):
    secret: Password
    id: Annotated[Id, refers("application credential")] | UnsetType = UNSET
    name: Annotated[Name, refers("application credential name")] | UnsetType = UNSET
    user: UserRef | UnsetType = UNSET


class TotpUser(Wire):
    passcode: Annotated[str, Meta(max_length=64)]
    id: Annotated[Id, refers("user")] | UnsetType = UNSET
    name: Annotated[Name, refers("user name")] | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET


class TotpMethod(Wire):
    user: TotpUser


class Methods(Open, kw_only=True):
    """The methods and the object of each; `extra` holds those of methods that are not known here."""

    methods: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=8)]
    password: PasswordMethod | UnsetType = UNSET
    token: TokenMethod | UnsetType = UNSET
    application_credential: AppCredentialMethod | UnsetType = UNSET
    totp: TotpMethod | UnsetType = UNSET
    mapped: Form | UnsetType = UNSET
    oauth1: Form | UnsetType = UNSET


class System(Wire):
    all: Literal[True]


class TrustRef(Wire):
    id: Annotated[Id, refers("trust")]


class Scope(Wire):
    project: ProjectRef | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET
    system: System | UnsetType = UNSET
    unscoped: Form | UnsetType = UNSET
    trust: Annotated[TrustRef | UnsetType, named("OS-TRUST:trust")] = UNSET


class Auth(Wire):
    identity: Methods
    scope: Scope | Literal["unscoped"] | UnsetType = UNSET


class CreateUser(Open, kw_only=True):
    name: Name
    domain_id: Annotated[Id, refers("domain", may="identity:create_user")] | UnsetType = UNSET
    password: Password | None = None
    enabled: bool = True
    default_project_id: Annotated[Id, refers("project", may="identity:create_user")] | None = None
    options: Form = {}


class UpdateUser(Open):
    name: Name | UnsetType = UNSET
    domain_id: Annotated[Id, refers("domain", may="identity:update_user")] | UnsetType = UNSET
    password: Password | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    default_project_id: Annotated[Id, refers("project", may="identity:update_user")] | UnsetType | None = UNSET
    options: Form | UnsetType = UNSET


class ChangePassword(Wire):
    original_password: Password
    password: Annotated[str, Meta(min_length=1, max_length=4096)]


class CreateGroup(Open, kw_only=True):
    name: Name
    domain_id: Annotated[Id, refers("domain", may="identity:create_group")] | UnsetType = UNSET
    description: Text | None = ""


class UpdateGroup(Open):
    name: Name | UnsetType = UNSET
    domain_id: Annotated[Id, refers("domain", may="identity:update_group")] | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET


class CreateCredential(Open, kw_only=True):
    type: Name
    blob: Secret
    user_id: Annotated[Id, refers("user")] | UnsetType = UNSET
    project_id: Annotated[Id, refers("project")] | None = None


class UpdateCredential(Open):
    type: Name | UnsetType = UNSET
    blob: Secret | UnsetType = UNSET
    user_id: Annotated[Id, refers("user")] | UnsetType = UNSET
    project_id: Annotated[Id, refers("project")] | UnsetType | None = UNSET


class CreateEC2Credential(Open, kw_only=True):
    tenant_id: Annotated[Id, refers("project")]


class Signed(Open, kw_only=True):
    """A signed request of an EC2 or S3 client, as the service that got it hands it over; the three names are all in use."""

    credentials: Form | UnsetType = UNSET
    credential: Form | UnsetType = UNSET
    ec2Credentials: Form | UnsetType = UNSET


class CreateProject(Open, kw_only=True):
    name: ShortName
    domain_id: Annotated[Id, refers("domain", may="identity:create_project")] | UnsetType | None = UNSET
    parent_id: Annotated[Id, refers("project", may="identity:create_project")] | UnsetType | None = UNSET
    description: Text | None = ""
    enabled: bool = True
    is_domain: bool = False
    tags: Annotated[list[Tag], Meta(max_length=80)] = []
    options: Form = {}


class UpdateProject(Open):
    name: ShortName | UnsetType = UNSET
    domain_id: Annotated[Id, refers("domain", may="identity:update_project")] | UnsetType | None = UNSET
    parent_id: Annotated[Id, refers("project", may="identity:update_project")] | UnsetType | None = UNSET
    is_domain: bool | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    tags: Annotated[list[Tag], Meta(max_length=80)] | UnsetType = UNSET
    options: Form | UnsetType = UNSET


class Tags(Wire):
    tags: Annotated[list[Tag], Meta(max_length=80)]


class CreateDomain(Open, kw_only=True):
    name: ShortName
    description: Text | None = ""
    enabled: bool = True
    options: Form = {}
    tags: Annotated[list[Tag], Meta(max_length=80)] = []
    explicit_domain_id: Annotated[str, Meta(pattern="^[a-fA-F0-9]{32}$")] | UnsetType = UNSET


class UpdateDomain(Open):
    name: ShortName | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    options: Form | UnsetType = UNSET
    tags: Annotated[list[Tag], Meta(max_length=80)] | UnsetType = UNSET


class CreateRole(Open, kw_only=True):
    name: Name
    domain_id: Annotated[Id, refers("domain", may="identity:create_domain_role")] | None = None
    description: Text | None = None
    options: Form = {}


class UpdateRole(Open):
    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    options: Form | UnsetType = UNSET


class CreateRegion(Open, kw_only=True):
    id: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    description: Text | None = ""
    parent_region_id: Annotated[RegionId, refers("region", may="identity:create_region")] | None = None


class UpdateRegion(Open):
    description: Text | UnsetType | None = UNSET
    parent_region_id: Annotated[RegionId, refers("region", may="identity:update_region")] | UnsetType | None = UNSET


class CreateService(Open, kw_only=True):
    type: Name
    name: Annotated[str, Meta(max_length=255)] | None = None
    description: Text | None = None
    enabled: bool = True


class UpdateService(Open):
    type: Name | UnsetType = UNSET
    name: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class CreateEndpoint(Open, kw_only=True):
    service_id: Annotated[Id, refers("service", may="identity:create_endpoint")]
    interface: Literal["public", "internal", "admin"]
    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    region_id: Annotated[RegionId, refers("region", may="identity:create_endpoint")] | None = None
    region: Annotated[RegionId, refers("region", may="identity:create_endpoint")] | None = None
    enabled: bool = True


class UpdateEndpoint(Open):
    service_id: Annotated[Id, refers("service", may="identity:update_endpoint")] | UnsetType = UNSET
    interface: Literal["public", "internal", "admin"] | UnsetType = UNSET
    url: Annotated[str, Meta(min_length=1, max_length=2048)] | UnsetType = UNSET
    region_id: Annotated[RegionId, refers("region", may="identity:update_endpoint")] | UnsetType | None = UNSET
    region: Annotated[RegionId, refers("region", may="identity:update_endpoint")] | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class RoleRef(Wire):
    id: Annotated[Id, refers("role")] | UnsetType = UNSET
    name: Annotated[Name, refers("role name")] | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET


class CreateTrust(Open, kw_only=True):
    trustor_user_id: Annotated[Id, refers("user")]
    trustee_user_id: Annotated[Id, refers("user")]
    impersonation: bool
    project_id: Annotated[Id, refers("project")] | None = None
    roles: Annotated[list[RoleRef], Meta(max_length=256)] = []
    expires_at: Moment | None = None
    remaining_uses: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    redelegation_count: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    allow_redelegation: bool = False
    redelegated_trust_id: Annotated[Id, refers("trust")] | None = None


class NewAccessRule(Wire):
    """A rule to be made, or one that the user has, by its id."""

    id: Annotated[Id, refers("access rule")] | UnsetType = UNSET
    service: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    method: Literal["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"] | UnsetType = UNSET
    path: Annotated[str, Meta(pattern=r"^/.*", max_length=128)] | UnsetType = UNSET


class CreateAppCredential(Wire, kw_only=True):
    name: Name
    secret: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    description: Text | None = None
    expires_at: Moment | None = None
    project_id: Annotated[Id, refers("project")] | UnsetType | None = UNSET
    roles: Annotated[list[RoleRef], Meta(max_length=256)] = []
    unrestricted: bool = False
    access_rules: Annotated[list[NewAccessRule], Meta(max_length=256)] | None = None


class CreateEndpointGroup(Open, kw_only=True):
    name: Name
    filters: Filters
    description: Text | None = None


class UpdateEndpointGroup(Open):
    """The client sends null for what it leaves alone."""

    name: Name | UnsetType | None = UNSET
    filters: Filters | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class CreatePolicy(Open, kw_only=True):
    blob: Text
    type: Name


class UpdatePolicy(Open):
    blob: Text | UnsetType = UNSET
    type: Name | UnsetType = UNSET


LimitValue = Annotated[int, Meta(ge=-1, le=2**31 - 1)]


class CreateRegisteredLimit(Wire, kw_only=True):
    service_id: Annotated[Id, refers("service", may="identity:create_registered_limits")]
    resource_name: Name
    default_limit: LimitValue
    region_id: Annotated[RegionId, refers("region", may="identity:create_registered_limits")] | None = None
    description: Text | None = None


class UpdateRegisteredLimit(Wire):
    service_id: Annotated[Id, refers("service", may="identity:update_registered_limit")] | UnsetType = UNSET
    resource_name: Name | UnsetType = UNSET
    default_limit: LimitValue | UnsetType = UNSET
    region_id: Annotated[RegionId, refers("region", may="identity:update_registered_limit")] | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class RegisteredLimits(Wire):
    registered_limits: Annotated[list[CreateRegisteredLimit], Meta(min_length=1, max_length=256)]


class CreateLimit(Wire, kw_only=True):
    service_id: Annotated[Id, refers("service", may="identity:create_limits")]
    resource_name: Name
    resource_limit: LimitValue
    project_id: Annotated[Id, refers("project", may="identity:create_limits")] | None = None
    domain_id: Annotated[Id, refers("domain", may="identity:create_limits")] | None = None
    region_id: Annotated[RegionId, refers("region", may="identity:create_limits")] | None = None
    description: Text | None = None


class UpdateLimit(Wire):
    resource_limit: LimitValue | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET


class Limits(Wire):
    limits: Annotated[list[CreateLimit], Meta(min_length=1, max_length=256)]


class Config(Wire):
    """A domain's own configuration: groups of options."""

    config: Annotated[dict[str, Any], free(size=65536, depth=8)]


Flag = Annotated[str, Meta(max_length=8)]
Value = Annotated[str, Meta(max_length=255)]
"""What a list is filtered by; empty where "is not set" is asked for."""
_REFERRED = {
    "domain_id": "domain",
    "default_project_id": "project",
    "parent_id": "project",
    "project_id": "project",
    "service_id": "service",
    "region_id": "region",
    "parent_region_id": "region",
    "user_id": "user",
    "trustor_user_id": "user",
    "trustee_user_id": "user",
    "role.id": "role",
    "user.id": "user",
    "group.id": "group",
    "scope.project.id": "project",
    "scope.domain.id": "domain",
}
_COMPARED = tuple(
    f"{i}{way}"
    for way in ("contains", "startswith", "endswith", "equals")
    for i in ("", "i")
    if (i, way) != ("", "equals")
)


def query_params(*names: str, flags: tuple[str, ...] = ()) -> dict[str, Any]:
    """The parameters that are read as they stand: a value each, the id of something where the name says so, or a flag."""
    out: dict[str, Any] = {}
    for name in names:
        noun = _REFERRED.get(name)
        out[name] = Annotated[Value, times(8)] if noun is None else Annotated[Value, refers(noun), times(8)]
    return out | {name: Annotated[Flag, times(8)] for name in flags}


def filtered(*names: str, flags: tuple[str, ...] = ()) -> dict[str, Any]:
    """The parameters of a list that is filtered by `names`, each also by its comparisons (`filters.where`)."""
    compared = {f"{name}__{way}": Annotated[Value, times(8)] for name in names for way in _COMPARED}
    return {**query_params(*names, flags=flags), **compared}


PAGED: dict[str, Any] = query_params("limit", "marker", "sort_key", "sort_dir")
"""What `filters.listed` reads."""


def listing(*names: str, flags: tuple[str, ...] = ()) -> dict[str, Any]:
    """The parameters of a list that comes in pages (`filters.where` and `filters.listed`)."""
    return {**filtered(*names, flags=flags), **PAGED}


TAGGED: dict[str, Any] = {
    name: Annotated[str, Meta(max_length=4095), times(8)] for name in ("tags", "tags-any", "not-tags", "not-tags-any")
}
"""Lists of tags with commas between them."""
