# SPDX-License-Identifier: Apache-2.0
"""What Identity API v2.0 answers, as shapes."""

from __future__ import annotations

from typing import Any

from virga.ground.wire import UNSET, OpenShape, Shape, UnsetType, field
from virga.services.identity.answers import Version

# -- users, tenants, roles ---------------------------------------------------------------------------------------------


class Tenant(OpenShape, kw_only=True):
    id: str
    name: str
    description: str | None
    enabled: bool


class TenantAnswer(Shape):
    tenant: Tenant


class TenantsAnswer(Shape):
    tenants: list[Tenant]
    tenants_links: list[Any] = []


class UserV2(OpenShape, kw_only=True):
    """`email` is one of the free attributes, which is said by every user."""

    email: Any
    id: str
    name: str
    enabled: bool
    tenant_id: str | None = field(name="tenantId")


class UserV2Answer(Shape):
    user: UserV2


class UsersV2Answer(Shape):
    users: list[UserV2]
    users_links: list[Any] = []


class RoleV2(OpenShape, kw_only=True):
    id: str
    name: str
    description: str | UnsetType = UNSET


class RoleV2Answer(Shape):
    role: RoleV2


class RolesV2Answer(Shape):
    roles: list[RoleV2]
    roles_links: list[Any] = []


class RoleReference(Shape):
    """A role in a tenant; its id names the three."""

    role_id: str = field(name="roleId")
    tenant_id: str = field(name="tenantId")
    user_id: str = field(name="userId")
    id: str


class RoleReferencesAnswer(Shape):
    roles: list[RoleReference]


# -- tokens ------------------------------------------------------------------------------------------------------------


class TokenV2(Shape):
    id: str
    expires: str
    issued_at: str
    audit_ids: list[str]
    tenant: Tenant | UnsetType = UNSET


class RoleName(Shape):
    name: str


class AccessUser(Shape):
    id: str
    name: str
    username: str
    roles: list[RoleName]
    roles_links: list[Any] = []


class ServiceEndpoint(Shape):
    region: str | None
    id: str
    public_url: str = field(name="publicURL")
    internal_url: str = field(name="internalURL")
    admin_url: str = field(name="adminURL")


class ServiceEntry(Shape):
    type: str
    name: str
    endpoints: list[ServiceEndpoint]
    endpoints_links: list[Any] = []


class AccessMetadata(Shape):
    is_admin: int
    roles: list[str]


class Access(Shape):
    token: TokenV2
    user: AccessUser
    catalog: list[ServiceEntry] = field(name="serviceCatalog")
    metadata: AccessMetadata


class AccessAnswer(Shape):
    access: Access


class TokenEndpoint(Shape):
    name: str
    type: str
    region: str | None
    id: str
    public_url: str = field(name="publicURL")
    internal_url: str = field(name="internalURL")
    admin_url: str = field(name="adminURL")


class TokenEndpointsAnswer(Shape):
    endpoints: list[TokenEndpoint]
    endpoints_links: list[Any] = []


# -- credentials, services, endpoints ----------------------------------------------------------------------------------


class CredentialV2(Shape):
    user_id: str
    tenant_id: str | None
    trust_id: str | None
    access: str
    secret: str


class CredentialV2Answer(Shape):
    credential: CredentialV2


class CredentialsV2Answer(Shape):
    credentials: list[CredentialV2]


class ServiceV2(OpenShape, kw_only=True):
    id: str
    name: str | None
    type: str
    description: str | None


class ServiceV2Answer(Shape):
    service: ServiceV2 = field(name="OS-KSADM:service")


class ServicesV2Answer(Shape):
    services: list[ServiceV2] = field(name="OS-KSADM:services")


class EndpointV2(Shape):
    """`enabled` is said in lists."""

    id: str
    service_id: str
    region: str | None
    publicurl: str
    internalurl: str | None
    adminurl: str | None
    enabled: bool | UnsetType = UNSET


class EndpointV2Answer(Shape):
    endpoint: EndpointV2


class EndpointsV2Answer(Shape):
    endpoints: list[EndpointV2]


# -- documents ---------------------------------------------------------------------------------------------------------


class VersionV2Answer(Shape):
    version: Version


class Extension(Shape):
    alias: str
    name: str
    description: str
    updated: str
    links: list[Any]
    namespace: str


class ExtensionAnswer(Shape):
    extension: Extension


class ExtensionValues(Shape):
    values: list[Extension]


class ExtensionsAnswer(Shape):
    extensions: ExtensionValues
