# SPDX-License-Identifier: Apache-2.0
"""The table of Identity API v2.0. Codes are 2013's: 200 for what v3 answers with 201."""

from __future__ import annotations

from virga.ground.http.table import Route
from virga.services.identity import wire as v3
from virga.services.identity.v2 import answers, views, wire
from virga.services.identity.v2.actions import catalog, credentials, documents, roles, tenants, tokens, users

_EC2 = "/v2.0/users/{user}/credentials/OS-EC2"
_ROLES = "/v2.0/tenants/{tenant}/users/{user}/roles"


def _change(path: str) -> tuple[Route, ...]:
    """PUT on a user, and on the parts of it that the extension and its forerunner have."""
    parts = ("", "/OS-KSADM/password", "/OS-KSADM/enabled", "/OS-KSADM/tenant", "/password", "/enabled", "/tenant")
    return tuple(
        Route(
            "PUT",
            path + part,
            users.update,
            body=wire.WriteUser,
            key="user",
            view=views.user,
            answer=answers.UserV2Answer,
            tx="none",
            slow=True,
        )
        for part in parts
    )


ROUTES = (
    Route(
        "GET", "/v2.0", documents.version, view=views.version, answer=answers.VersionV2Answer, public=True, inline=True
    ),
    Route(
        "GET",
        "/v2.0/extensions",
        documents.extensions,
        view=views.extensions,
        answer=answers.ExtensionsAnswer,
        public=True,
        inline=True,
    ),
    Route(
        "GET",
        "/v2.0/extensions/{alias}",
        documents.extension,
        view=views.extension,
        answer=answers.ExtensionAnswer,
        public=True,
        inline=True,
    ),
    Route(
        "POST",
        "/v2.0/tokens",
        tokens.issue,
        body=wire.AuthV2,
        key="auth",
        view=views.access,
        answer=answers.AccessAnswer,
        tx="none",
        slow=True,
        inline=True,
        public=True,
    ),
    Route(
        "GET",
        "/v2.0/tokens/{token}",
        tokens.show,
        view=views.access,
        answer=answers.AccessAnswer,
        tx="none",
        query=v3.query_params("belongsTo"),
    ),
    Route("DELETE", "/v2.0/tokens/{token}", tokens.revoke, code=204, tx="none"),
    Route(
        "GET",
        "/v2.0/tokens/{token}/endpoints",
        tokens.endpoints,
        view=views.token_endpoints,
        answer=answers.TokenEndpointsAnswer,
        tx="none",
    ),
    Route(
        "PATCH",
        "/v2.0/OS-KSCRUD/users/{user}",
        tokens.change_password,
        body=wire.OwnPassword,
        key="user",
        view=views.access,
        answer=answers.AccessAnswer,
        tx="none",
        slow=True,
    ),
    Route(
        "GET",
        "/v2.0/tenants",
        tenants.index,
        view=views.tenants,
        answer=answers.TenantsAnswer | answers.TenantAnswer,
        query=v3.query_params("name", "limit", "marker"),
    ),
    Route(
        "POST",
        "/v2.0/tenants",
        tenants.create,
        body=wire.WriteTenant,
        key="tenant",
        view=views.tenant,
        answer=answers.TenantAnswer,
    ),
    Route("GET", "/v2.0/tenants/{tenant}", tenants.found, view=views.tenant, answer=answers.TenantAnswer),
    Route(
        "POST",
        "/v2.0/tenants/{tenant}",
        tenants.update,
        body=wire.WriteTenant,
        key="tenant",
        view=views.tenant,
        answer=answers.TenantAnswer,
    ),
    Route(
        "PUT",
        "/v2.0/tenants/{tenant}",
        tenants.update,
        body=wire.WriteTenant,
        key="tenant",
        view=views.tenant,
        answer=answers.TenantAnswer,
    ),
    Route("DELETE", "/v2.0/tenants/{tenant}", tenants.delete, code=204),
    Route("GET", "/v2.0/tenants/{tenant}/users", tenants.members, view=views.users, answer=answers.UsersV2Answer),
    Route("GET", _ROLES, users.granted, view=views.roles, answer=answers.RolesV2Answer),
    Route("PUT", _ROLES + "/OS-KSADM/{role}", users.grant, view=views.role, answer=answers.RoleV2Answer),
    Route("DELETE", _ROLES + "/OS-KSADM/{role}", users.take, code=204),
    Route(
        "GET",
        "/v2.0/users",
        users.index,
        view=views.users,
        answer=answers.UsersV2Answer | answers.UserV2Answer,
        query=v3.query_params("name"),
    ),
    Route(
        "POST",
        "/v2.0/users",
        users.create,
        body=wire.WriteUser,
        key="user",
        view=views.user,
        answer=answers.UserV2Answer,
        tx="none",
        slow=True,
    ),
    Route("GET", "/v2.0/users/{user}", users.found, view=views.user, answer=answers.UserV2Answer),
    *_change("/v2.0/users/{user}"),
    Route("DELETE", "/v2.0/users/{user}", users.delete, code=204),
    Route("GET", "/v2.0/users/{user}/roles", users.no_tenant),
    Route("PUT", "/v2.0/users/{user}/roles/OS-KSADM/{role}", users.no_tenant),
    Route("DELETE", "/v2.0/users/{user}/roles/OS-KSADM/{role}", users.no_tenant),
    Route(
        "GET",
        "/v2.0/users/{user}/roleRefs",
        users.references,
        view=views.references,
        answer=answers.RoleReferencesAnswer,
    ),
    Route("DELETE", "/v2.0/users/{user}/roleRefs/{reference}", users.unrefer, code=204),
    Route(
        "POST",
        _EC2,
        credentials.create,
        body=wire.WriteCredential,
        view=views.credential,
        answer=answers.CredentialV2Answer,
    ),
    Route("GET", _EC2, credentials.index, view=views.credentials, answer=answers.CredentialsV2Answer),
    Route("GET", f"{_EC2}/{{access}}", credentials.show, view=views.credential, answer=answers.CredentialV2Answer),
    Route("DELETE", f"{_EC2}/{{access}}", credentials.delete, code=204),
    Route(
        "POST",
        "/v2.0/ec2tokens",
        credentials.exchange,
        body=v3.Signed,
        tx="none",
        view=views.access,
        answer=answers.AccessAnswer,
    ),
    Route("GET", "/v2.0/OS-KSADM/roles", roles.index, view=views.roles, answer=answers.RolesV2Answer),
    Route(
        "POST",
        "/v2.0/OS-KSADM/roles",
        roles.create,
        body=wire.WriteRole,
        key="role",
        view=views.role,
        answer=answers.RoleV2Answer,
    ),
    Route("GET", "/v2.0/OS-KSADM/roles/{role}", roles.show, view=views.role, answer=answers.RoleV2Answer),
    Route("DELETE", "/v2.0/OS-KSADM/roles/{role}", roles.delete, code=204),
    Route("GET", "/v2.0/OS-KSADM/services", catalog.services, view=views.services, answer=answers.ServicesV2Answer),
    Route(
        "POST",
        "/v2.0/OS-KSADM/services",
        catalog.create_service,
        body=wire.WriteService,
        key="OS-KSADM:service",
        view=views.service,
        answer=answers.ServiceV2Answer,
    ),
    Route(
        "GET", "/v2.0/OS-KSADM/services/{service}", catalog.service, view=views.service, answer=answers.ServiceV2Answer
    ),
    Route("DELETE", "/v2.0/OS-KSADM/services/{service}", catalog.delete_service, code=204),
    Route("GET", "/v2.0/endpoints", catalog.endpoints, view=views.endpoints, answer=answers.EndpointsV2Answer),
    Route(
        "POST",
        "/v2.0/endpoints",
        catalog.create_endpoint,
        body=wire.WriteEndpoint,
        key="endpoint",
        view=views.endpoint,
        answer=answers.EndpointV2Answer,
    ),
    Route("DELETE", "/v2.0/endpoints/{endpoint}", catalog.delete_endpoint, code=204),
)
