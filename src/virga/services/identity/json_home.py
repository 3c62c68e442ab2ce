# SPDX-License-Identifier: Apache-2.0
"""The JSON home document of the Identity API (draft-nottingham-json-home): where each resource is, for a client that asks for
`application/json-home`. Relations and parameters have Keystone's names."""

from __future__ import annotations

from typing import Any

BASE = "https://docs.openstack.org/api/openstack-identity/3"
CORE = {
    "auth_tokens": "/auth/tokens",
    "auth_catalog": "/auth/catalog",
    "auth_projects": "/auth/projects",
    "auth_domains": "/auth/domains",
    "auth_system": "/auth/system",
    "users": "/users",
    "user": "/users/{user_id}",
    "user_change_password": "/users/{user_id}/password",
    "user_groups": "/users/{user_id}/groups",
    "user_projects": "/users/{user_id}/projects",
    "groups": "/groups",
    "group": "/groups/{group_id}",
    "group_users": "/groups/{group_id}/users",
    "group_user": "/groups/{group_id}/users/{user_id}",
    "projects": "/projects",
    "project": "/projects/{project_id}",
    "project_tags": "/projects/{project_id}/tags/{value}",
    "domains": "/domains",
    "domain": "/domains/{domain_id}",
    "domain_config": "/domains/{domain_id}/config",
    "domain_config_group": "/domains/{domain_id}/config/{group}",
    "domain_config_option": "/domains/{domain_id}/config/{group}/{option}",
    "roles": "/roles",
    "role": "/roles/{role_id}",
    "implied_roles": "/roles/{prior_role_id}/implies",
    "implied_role": "/roles/{prior_role_id}/implies/{implied_role_id}",
    "role_inferences": "/role_inferences",
    "role_assignments": "/role_assignments",
    "project_user_role": "/projects/{project_id}/users/{user_id}/roles/{role_id}",
    "project_user_roles": "/projects/{project_id}/users/{user_id}/roles",
    "project_group_role": "/projects/{project_id}/groups/{group_id}/roles/{role_id}",
    "project_group_roles": "/projects/{project_id}/groups/{group_id}/roles",
    "domain_user_role": "/domains/{domain_id}/users/{user_id}/roles/{role_id}",
    "domain_user_roles": "/domains/{domain_id}/users/{user_id}/roles",
    "domain_group_role": "/domains/{domain_id}/groups/{group_id}/roles/{role_id}",
    "domain_group_roles": "/domains/{domain_id}/groups/{group_id}/roles",
    "system_user_role": "/system/users/{user_id}/roles/{role_id}",
    "system_user_roles": "/system/users/{user_id}/roles",
    "system_group_role": "/system/groups/{group_id}/roles/{role_id}",
    "system_group_roles": "/system/groups/{group_id}/roles",
    "regions": "/regions",
    "region": "/regions/{region_id}",
    "services": "/services",
    "service": "/services/{service_id}",
    "endpoints": "/endpoints",
    "endpoint": "/endpoints/{endpoint_id}",
    "policies": "/policies",
    "policy": "/policies/{policy_id}",
    "credentials": "/credentials",
    "credential": "/credentials/{credential_id}",
    "registered_limits": "/registered_limits",
    "registered_limit": "/registered_limits/{registered_limit_id}",
    "limits": "/limits",
    "limit": "/limits/{limit_id}",
    "limit_model": "/limits/model",
    "application_credentials": "/users/{user_id}/application_credentials",
    "application_credential": "/users/{user_id}/application_credentials/{application_credential_id}",
    "access_rules": "/users/{user_id}/access_rules",
    "access_rule": "/users/{user_id}/access_rules/{access_rule_id}",
    "domain_config_default": "/domains/config/default",
    "domain_config_default_group": "/domains/config/{group}/default",
    "domain_config_default_option": "/domains/config/{group}/{option}/default",
}
FEDERATED = "/OS-FEDERATION/identity_providers/{idp_id}"
WEBSSO = "/auth/OS-FEDERATION"
GROUPS, GRANTED = "/OS-EP-FILTER/endpoint_groups", "/users/{user_id}/OS-OAUTH1/access_tokens"
USES = "/policies/{policy_id}/OS-ENDPOINT-POLICY"
EXTENSIONS: dict[str, dict[str, str]] = {
    "OS-TRUST": {
        "trusts": "/OS-TRUST/trusts",
        "trust": "/OS-TRUST/trusts/{trust_id}",
        "trust_roles": "/OS-TRUST/trusts/{trust_id}/roles",
        "trust_role": "/OS-TRUST/trusts/{trust_id}/roles/{role_id}",
    },
    "OS-EC2": {
        "ec2tokens": "/ec2tokens",
        "user_credentials": "/users/{user_id}/credentials/OS-EC2",
        "user_credential": "/users/{user_id}/credentials/OS-EC2/{credential_id}",
    },
    "s3tokens": {"s3tokens": "/s3tokens"},
    "OS-REVOKE": {"events": "/OS-REVOKE/events"},
    "OS-PKI": {"revocations": "/auth/tokens/OS-PKI/revoked"},
    "OS-OAUTH2": {"token": "/OS-OAUTH2/token"},
    "OS-EP-FILTER": {
        "endpoint_groups": GROUPS,
        "endpoint_group": f"{GROUPS}/{{endpoint_group_id}}",
        "project_endpoints": "/OS-EP-FILTER/projects/{project_id}/endpoints",
        "project_endpoint": "/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}",
        "endpoint_projects": "/OS-EP-FILTER/endpoints/{endpoint_id}/projects",
        "project_endpoint_groups": "/OS-EP-FILTER/projects/{project_id}/endpoint_groups",
        "endpoints_in_endpoint_group": f"{GROUPS}/{{endpoint_group_id}}/endpoints",
        "projects_associated_with_endpoint_group": f"{GROUPS}/{{endpoint_group_id}}/projects",
        "endpoint_group_to_project_association": f"{GROUPS}/{{endpoint_group_id}}/projects/{{project_id}}",
    },
    "OS-ENDPOINT-POLICY": {
        "endpoint_policy": "/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
        "policy_endpoints": f"{USES}/endpoints",
        "endpoint_policy_association": f"{USES}/endpoints/{{endpoint_id}}",
        "service_policy_association": f"{USES}/services/{{service_id}}",
        "region_and_service_policy_association": f"{USES}/services/{{service_id}}/regions/{{region_id}}",
    },
    "OS-FEDERATION": {
        "projects": "/auth/projects",
        "domains": "/auth/domains",
        "saml2": f"{WEBSSO}/saml2",
        "ecp": f"{WEBSSO}/saml2/ecp",
        "websso": f"{WEBSSO}/websso/{{protocol_id}}",
        "metadata": "/OS-FEDERATION/saml2/metadata",
        "identity_providers_websso": f"{WEBSSO}/identity_providers/{{idp_id}}/protocols/{{protocol_id}}/websso",
        "identity_providers": "/OS-FEDERATION/identity_providers",
        "identity_provider": FEDERATED,
        "identity_provider_protocols": f"{FEDERATED}/protocols",
        "identity_provider_protocol": f"{FEDERATED}/protocols/{{protocol_id}}",
        "identity_provider_protocol_auth": f"{FEDERATED}/protocols/{{protocol_id}}/auth",
        "mappings": "/OS-FEDERATION/mappings",
        "mapping": "/OS-FEDERATION/mappings/{mapping_id}",
        "service_providers": "/OS-FEDERATION/service_providers",
        "service_provider": "/OS-FEDERATION/service_providers/{service_provider_id}",
    },
    "OS-INHERIT": {
        f"{target}_{who}_role{'s' * many}_inherited_to_projects": f"/OS-INHERIT/{target}s/{{{target}_id}}/{who}s/{{{who}_id}}/roles{'' if many else '/{role_id}'}/inherited_to_projects"
        for target, who, many in (
            ("domain", "user", False),
            ("domain", "group", False),
            ("domain", "user", True),
            ("domain", "group", True),
            ("project", "user", False),
            ("project", "group", False),
        )
    },
    "OS-OAUTH1": {
        "consumers": "/OS-OAUTH1/consumers",
        "consumer": "/OS-OAUTH1/consumers/{consumer_id}",
        "request_tokens": "/OS-OAUTH1/request_token",
        "access_tokens": "/OS-OAUTH1/access_token",
        "authorize_request_token": "/OS-OAUTH1/authorize/{request_token_id}",
        "user_access_tokens": GRANTED,
        "user_access_token": f"{GRANTED}/{{access_token_id}}",
        "user_access_token_roles": f"{GRANTED}/{{access_token_id}}/roles",
        "user_access_token_role": f"{GRANTED}/{{access_token_id}}/roles/{{role_id}}",
    },
}
RENAMED = {
    "value": "tag_value",
    "group": "config_group",
    "option": "config_option",
    "prior_role_id": "role_id",
    "implied_role_id": "role_id",
}
OF_EXTENSION = {
    "trust_id": "OS-TRUST",
    "endpoint_group_id": "OS-EP-FILTER",
    "protocol_id": "OS-FEDERATION",
    "idp_id": "OS-FEDERATION",
    "mapping_id": "OS-FEDERATION",
    "service_provider_id": "OS-FEDERATION",
    "consumer_id": "OS-OAUTH1",
    "request_token_id": "OS-OAUTH1",
    "access_token_id": "OS-OAUTH1",
}


def _parameter(name: str) -> str:
    extension = OF_EXTENSION.get(name)
    return f"{BASE}/ext/{extension}/1.0/param/{name}" if extension else f"{BASE}/param/{RENAMED.get(name, name)}"


def _resource(path: str) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    if not names:
        return {"href": path}
    return {"href-template": path, "href-vars": {name: _parameter(name) for name in names}}


def resources() -> dict[str, Any]:
    """Relation → where it is."""
    out = {f"{BASE}/rel/{name}": _resource(path) for name, path in CORE.items()}
    out |= {
        f"{BASE}/ext/{ext}/1.0/rel/{name}": _resource(path)
        for ext, part in EXTENSIONS.items()
        for name, path in part.items()
    }
    return out
