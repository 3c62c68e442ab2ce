# SPDX-License-Identifier: Apache-2.0
"""The JSON home document of the Identity API (draft-nottingham-json-home): where each resource is, for a client that asks for
`application/json-home`. Relations and parameters have Keystone's names."""

from __future__ import annotations

from typing import Any

BASE = "https://docs.openstack.org/api/openstack-identity/3"
CORE = {
    "auth_tokens": "/auth/tokens", "auth_catalog": "/auth/catalog", "auth_projects": "/auth/projects", "auth_domains": "/auth/domains",
    "auth_system": "/auth/system", "users": "/users", "user": "/users/{user_id}", "user_change_password": "/users/{user_id}/password",
    "user_groups": "/users/{user_id}/groups", "user_projects": "/users/{user_id}/projects", "groups": "/groups", "group": "/groups/{group_id}",
    "group_users": "/groups/{group_id}/users", "group_user": "/groups/{group_id}/users/{user_id}", "projects": "/projects", "project": "/projects/{project_id}",
    "project_tags": "/projects/{project_id}/tags", "project_tag": "/projects/{project_id}/tags/{value}", "domains": "/domains", "domain": "/domains/{domain_id}",
    "domain_config": "/domains/{domain_id}/config", "domain_config_group": "/domains/{domain_id}/config/{group}",
    "domain_config_option": "/domains/{domain_id}/config/{group}/{option}", "roles": "/roles", "role": "/roles/{role_id}",
    "implied_roles": "/roles/{prior_role_id}/implies", "implied_role": "/roles/{prior_role_id}/implies/{implied_role_id}",
    "role_inferences": "/role_inferences", "role_assignments": "/role_assignments", "project_user_role": "/projects/{project_id}/users/{user_id}/roles/{role_id}",
    "project_user_roles": "/projects/{project_id}/users/{user_id}/roles", "project_group_role": "/projects/{project_id}/groups/{group_id}/roles/{role_id}",
    "project_group_roles": "/projects/{project_id}/groups/{group_id}/roles", "domain_user_role": "/domains/{domain_id}/users/{user_id}/roles/{role_id}",
    "domain_user_roles": "/domains/{domain_id}/users/{user_id}/roles", "domain_group_role": "/domains/{domain_id}/groups/{group_id}/roles/{role_id}",
    "domain_group_roles": "/domains/{domain_id}/groups/{group_id}/roles", "system_user_role": "/system/users/{user_id}/roles/{role_id}",
    "system_user_roles": "/system/users/{user_id}/roles", "system_group_role": "/system/groups/{group_id}/roles/{role_id}",
    "system_group_roles": "/system/groups/{group_id}/roles", "regions": "/regions", "region": "/regions/{region_id}", "services": "/services",
    "service": "/services/{service_id}", "endpoints": "/endpoints", "endpoint": "/endpoints/{endpoint_id}", "policies": "/policies",
    "policy": "/policies/{policy_id}", "credentials": "/credentials", "credential": "/credentials/{credential_id}",
    "registered_limits": "/registered_limits", "registered_limit": "/registered_limits/{registered_limit_id}", "limits": "/limits", "limit": "/limits/{limit_id}",
    "limit_model": "/limits/model", "application_credentials": "/users/{user_id}/application_credentials",
    "application_credential": "/users/{user_id}/application_credentials/{application_credential_id}",
}  # fmt: skip
EXTENSIONS = {
    ("OS-TRUST", "trusts"): "/OS-TRUST/trusts", ("OS-TRUST", "trust"): "/OS-TRUST/trusts/{trust_id}",
    ("OS-TRUST", "trust_roles"): "/OS-TRUST/trusts/{trust_id}/roles", ("OS-TRUST", "trust_role"): "/OS-TRUST/trusts/{trust_id}/roles/{role_id}",
    ("OS-EC2", "ec2tokens"): "/ec2tokens", ("OS-EC2", "user_credentials"): "/users/{user_id}/credentials/OS-EC2",
    ("OS-EC2", "user_credential"): "/users/{user_id}/credentials/OS-EC2/{credential_id}", ("s3tokens", "s3tokens"): "/s3tokens",
    ("OS-REVOKE", "events"): "/OS-REVOKE/events", ("OS-EP-FILTER", "endpoint_groups"): "/OS-EP-FILTER/endpoint_groups",
    ("OS-EP-FILTER", "endpoint_group"): "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}",
    ("OS-EP-FILTER", "project_endpoints"): "/OS-EP-FILTER/projects/{project_id}/endpoints",
    ("OS-EP-FILTER", "project_endpoint"): "/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}",
}  # fmt: skip


def _resource(path: str) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    if not names:
        return {"href": path}
    return {"href-template": path, "href-vars": {name: f"{BASE}/param/{name}" for name in names}}


def document() -> dict[str, Any]:
    resources = {f"{BASE}/rel/{name}": _resource(path) for name, path in CORE.items()}
    resources |= {f"{BASE}/ext/{ext}/1.0/rel/{name}": _resource(path) for (ext, name), path in EXTENSIONS.items()}
    return {"resources": resources}
