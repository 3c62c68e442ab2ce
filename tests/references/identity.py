# SPDX-License-Identifier: Apache-2.0
"""Identity's references (see the package)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from references import Case
from sim_cloud import SimCloud, Tenant

I = "/identity/v3"  # noqa: E741
COUNT = itertools.count()
PASSWORD = "unlike that of others"


def fresh(word: str) -> str:
    return f"{word}-{next(COUNT)}"


def thing(path: str, key: str, **more: Any) -> Callable[[SimCloud, Tenant], str]:
    """How the operator makes one: it belongs to nobody."""
    return lambda sim, who: str(sim.admin.post(f"{I}/{path}", {key: {"name": fresh(key)} | more})[key]["id"])


def remover(path: str) -> Callable[[SimCloud, Tenant, str], None]:
    return lambda sim, who, id: sim.admin.delete(f"{I}/{path}/{id}")


def drop_domain(sim: SimCloud, who: Tenant, id: str) -> None:
    sim.admin.patch(f"{I}/domains/{id}", {"domain": {"enabled": False}})
    sim.admin.delete(f"{I}/domains/{id}")


def name_of(path: str, key: str, id: Callable[[SimCloud, Tenant], str]) -> Callable[[SimCloud, Tenant], str]:
    """The name of one that `id` gives."""
    return lambda sim, who: str(sim.admin.get(f"{I}/{path}/{id(sim, who)}")[key]["name"])


def region(sim: SimCloud, who: Tenant) -> str:
    return str(sim.admin.post(f"{I}/regions", {"region": {"id": fresh("region")}})["region"]["id"])


def held(sim: SimCloud, who: Tenant) -> str:
    """The id of the role that everybody here has."""
    return str(sim.admin.get(f"{I}/roles?name=member")["roles"][0]["id"])


def app_credential(sim: SimCloud, who: Tenant, **more: Any) -> dict[str, Any]:
    body = {"name": fresh("app")} | more
    made = who.post(f"{I}/users/{who.user}/application_credentials", {"application_credential": body})
    return dict(made["application_credential"])


def access_rule(sim: SimCloud, who: Tenant) -> str:
    rule = {"service": "compute", "method": "GET", "path": f"/v2.1/{next(COUNT)}"}
    made = app_credential(sim, who, access_rules=[rule])
    who.delete(f"{I}/users/{who.user}/application_credentials/{made['id']}")
    return str(made["access_rules"][0]["id"])


def trust(sim: SimCloud, who: Tenant) -> str:
    body = {
        "trustor_user_id": who.user,
        "trustee_user_id": who.user,
        "project_id": who.project,
        "impersonation": False,
        "roles": [{"id": held(sim, who)}],
    }
    return str(who.post(f"{I}/OS-TRUST/trusts", {"trust": body})["trust"]["id"])


def credential(sim: SimCloud, who: Tenant) -> str:
    body = {"type": "cert", "blob": "x", "user_id": who.user, "project_id": who.project}
    return str(who.post(f"{I}/credentials", {"credential": body})["credential"]["id"])


def _user(sim: SimCloud, who: Tenant) -> str:
    return who.user


def _project(sim: SimCloud, who: Tenant) -> str:
    return who.project


domain, role, group = thing("domains", "domain"), thing("roles", "role"), thing("groups", "group")
service = thing("services", "service", type="other")

MAKE: dict[str, Callable[[SimCloud, Tenant], str]] = {
    "project": _project,
    "project name": name_of("projects", "project", _project),
    "user": _user,
    "user name": name_of("users", "user", _user),
    "domain": domain,
    "domain name": name_of("domains", "domain", domain),
    "role": role,
    "role name": name_of("roles", "role", role),
    "group": group,
    "region": region,
    "service": service,
    "access rule": access_rule,
    "trust": trust,
    "credential": credential,
    "application credential": lambda sim, who: str(app_credential(sim, who)["id"]),
    "application credential name": lambda sim, who: str(app_credential(sim, who)["name"]),
}
DROP: dict[str, Callable[[SimCloud, Tenant, str], None]] = {
    "domain": drop_domain,
    "role": remover("roles"),
    "group": remover("groups"),
    "region": remover("regions"),
    "service": remover("services"),
    "access rule": lambda sim, who, id: who.delete(f"{I}/users/{who.user}/access_rules/{id}"),
    "trust": lambda sim, who, id: who.delete(f"{I}/OS-TRUST/trusts/{id}"),
    "credential": lambda sim, who, id: who.delete(f"{I}/credentials/{id}"),
    "application credential": lambda sim, who, id: who.delete(f"{I}/users/{who.user}/application_credentials/{id}"),
}


def login(case: Case) -> dict[str, str]:
    """Another member of the project of `me`, whose password nobody else has: id and name."""
    body = {"name": fresh("user"), "password": PASSWORD}
    made = case.sim.admin.post(f"{I}/users", {"user": body})["user"]
    at = f"{I}/projects/{case.me.project}/users/{made['id']}/roles/{held(case.sim, case.me)}"
    case.sim.admin.put(at)
    return {"id": made["id"], "name": made["name"]}


def by_password(user: dict[str, Any], project: dict[str, Any]) -> dict[str, Any]:
    method = {"methods": ["password"], "password": {"user": user | {"password": PASSWORD}}}
    return {"auth": {"identity": method, "scope": {"project": project}}}


def tokens(case: Case) -> list[dict[str, Any]]:
    """Logins with each method that a member has, the user and the project by id and by name."""
    me, project = case.own("user name"), case.own("project name")
    home, named = {"domain": {"id": "default"}}, {"domain": {"name": "Default"}}
    app, who = app_credential(case.sim, case.me), login(case)
    lent = [
        {"id": app["id"]},
        {"name": app["name"], "user": {"id": case.me.user}},
        {"name": app["name"], "user": {"name": me} | home},
        {"name": app["name"], "user": {"name": me} | named},
    ]
    trusted = {
        "identity": {"methods": ["token"], "token": {"id": case.me.token}},
        "scope": {"OS-TRUST:trust": {"id": case.own("trust")}},
    }
    return [
        by_password({"id": who["id"]}, {"id": case.me.project}),
        by_password({"name": who["name"]} | home, {"name": project} | home),
        by_password({"name": who["name"]} | named, {"name": project} | named),
        *(
            {"auth": {"identity": {"methods": ["application_credential"], "application_credential": way}}}
            for way in (one | {"secret": app["secret"]} for one in lent)
        ),
        {"auth": trusted},
    ]


def old_tokens(case: Case) -> list[dict[str, Any]]:
    who = login(case)
    by_name = {"passwordCredentials": {"username": who["name"], "password": PASSWORD}}
    by_id = {"passwordCredentials": {"userId": who["id"], "password": PASSWORD}}
    return [
        {"auth": by_name | {"tenantName": case.own("project name")}},
        {"auth": by_id | {"tenantId": case.me.project}},
    ]


def roles_by_id_and_name(case: Case) -> list[list[dict[str, Any]]]:
    return [[{"id": held(case.sim, case.me)}], [{"name": "member"}]]


def trusts(case: Case) -> list[dict[str, Any]]:
    body = {
        "trustor_user_id": case.me.user,
        "trustee_user_id": case.me.user,
        "project_id": case.me.project,
        "impersonation": False,
    }
    return [{"trust": body | {"roles": roles}} for roles in roles_by_id_and_name(case)]


def app_credentials(case: Case) -> list[dict[str, Any]]:
    rules = [{"id": case.fresh("access rule")}]
    return [
        {"application_credential": {"name": fresh("app"), "roles": roles, "access_rules": rules}}
        for roles in roles_by_id_and_name(case)
    ]


def credentials(case: Case) -> list[dict[str, Any]]:
    blob = json.dumps({"access": fresh("access"), "secret": "s"})
    body = {"type": "ec2", "blob": blob, "user_id": case.me.user, "project_id": case.me.project}
    return [{"credential": body}]


def changed_credential(case: Case) -> list[dict[str, Any]]:
    return [{"credential": {"user_id": case.me.user, "project_id": case.me.project}}]


EC2 = "/users/{id}/credentials/OS-EC2"
APPS = "/v3/users/{id}/application_credentials"
GOOD: dict[str, Callable[[Case], list[dict[str, Any]]]] = {
    "POST /v3/auth/tokens": tokens,
    "POST /v2.0/tokens": old_tokens,
    "POST /v3/OS-TRUST/trusts": trusts,
    f"POST {APPS}": app_credentials,
    "POST /v3/credentials": credentials,
    "PATCH /v3/credentials/{id}": changed_credential,
    f"POST /v3{EC2}": lambda case: [{"tenant_id": case.me.project}],
    "POST /v2.0/users/{user}/credentials/OS-EC2": lambda case: [{"tenant_id": case.me.project}],
}
PATHS: dict[str, Callable[[Case], str]] = {
    f"POST {APPS}": lambda case: f"/v3/users/{case.me.user}/application_credentials",
    f"GET {APPS}": lambda case: f"/v3/users/{case.me.user}/application_credentials",
    "PATCH /v3/credentials/{id}": lambda case: f"/v3/credentials/{case.own('credential')}",
    f"POST /v3{EC2}": lambda case: f"/v3/users/{case.me.user}/credentials/OS-EC2",
    "POST /v2.0/users/{user}/credentials/OS-EC2": lambda case: f"/v2.0/users/{case.me.user}/credentials/OS-EC2",
    "GET /v3/users/{id}/projects": lambda case: f"/v3/users/{case.me.user}/projects",
    "GET /v3/users/{id}/groups": lambda case: f"/v3/users/{case.me.user}/groups",
    "GET /v3/groups/{id}/users": lambda case: f"/v3/groups/{case.own('group')}/users",
    "GET /v2.0/tokens/{token}": lambda case: f"/v2.0/tokens/{case.me.token}",
}
ALIKE: dict[str, str] = {}

OPERATORS: dict[str, tuple[str, str]] = {
    "POST /v3/users": ("create_user", "user.domain_id → domain, user.default_project_id → project"),
    "PATCH /v3/users/{id}": ("update_user", "user.domain_id → domain, user.default_project_id → project"),
    "POST /v3/groups": ("create_group", "group.domain_id → domain"),
    "PATCH /v3/groups/{id}": ("update_group", "group.domain_id → domain"),
    "POST /v3/projects": ("create_project", "project.domain_id → domain, project.parent_id → project"),
    "PATCH /v3/projects/{id}": ("update_project", "project.domain_id → domain, project.parent_id → project"),
    "POST /v3/roles": ("create_domain_role", "role.domain_id → domain"),
    "POST /v3/registered_limits": (
        "create_registered_limits",
        "registered_limits.0.service_id → service, registered_limits.0.region_id → region",
    ),
    "PATCH /v3/registered_limits/{id}": (
        "update_registered_limit",
        "registered_limit.service_id → service, registered_limit.region_id → region",
    ),
    "POST /v3/limits": (
        "create_limits",
        "limits.0.service_id → service, limits.0.project_id → project, limits.0.domain_id → domain, limits.0.region_id → region",
    ),
    "POST /v3/regions": ("create_region", "region.parent_region_id → region"),
    "PUT /v3/regions/{id}": ("create_region", "region.parent_region_id → region"),
    "PATCH /v3/regions/{id}": ("update_region", "region.parent_region_id → region"),
    "POST /v3/endpoints": (
        "create_endpoint",
        "endpoint.service_id → service, endpoint.region_id → region, endpoint.region → region",
    ),
    "PATCH /v3/endpoints/{id}": (
        "update_endpoint",
        "endpoint.service_id → service, endpoint.region_id → region, endpoint.region → region",
    ),
    "PUT /v3/OS-FEDERATION/identity_providers/{id}": (
        "create_identity_provider",
        "identity_provider.domain_id → domain",
    ),
    "PATCH /v3/OS-FEDERATION/identity_providers/{id}": (
        "update_identity_provider",
        "identity_provider.domain_id → domain",
    ),
    "PUT /v3/OS-FEDERATION/identity_providers/{idp}/protocols/{id}": (
        "create_protocol",
        "protocol.mapping_id → mapping",
    ),
    "PATCH /v3/OS-FEDERATION/identity_providers/{idp}/protocols/{id}": (
        "update_protocol",
        "protocol.mapping_id → mapping",
    ),
    "PUT /v3/OS-OAUTH1/authorize/{id}": ("authorize_request_token", "roles.0.id → role, roles.0.name → role name"),
    "POST /v2.0/users": ("create_user", "user.tenantId → project"),
    **{
        f"PUT /v2.0/users/{{user}}{part}": ("update_user", "user.tenantId → project")
        for kind in ("password", "enabled", "tenant")
        for part in ("", f"/OS-KSADM/{kind}", f"/{kind}")
    },
    "POST /v2.0/endpoints": ("create_endpoint", "endpoint.service_id → service, endpoint.region → region"),
}
"""What only administrators or managers may send: the route, its rule, and its references."""
REFUSED: dict[str, str] = {
    f"{route} body {reference}": f"identity:{rule} is not the member's"
    for route, (rule, all_of_them) in OPERATORS.items()
    for reference in all_of_them.split(", ")
}
REFUSED |= {
    f"POST /v3/auth/tokens body auth.identity.totp.user.{ref}": (
        "TOTP needs a code of the moment; it looks the user up as the password's method does, with the same words"
    )
    for ref in ("id → user", "name → user name", "domain.id → domain", "domain.name → domain name")
}
REFUSED |= {
    f"POST /v3/auth/tokens body auth.scope.domain.{ref}": (
        "a member has no role on a domain: test_identity_references.test_a_domain_to_log_in_to_is_not_there"
    )
    for ref in ("id → domain", "name → domain name")
}
REFUSED |= {
    f"POST {path} body {key}.roles.0.domain.{ref}": "only global roles are handed on: the domain is not read"
    for path, key in (("/v3/OS-TRUST/trusts", "trust"), (APPS, "application_credential"))
    for ref in ("id → domain", "name → domain name")
}
REFUSED |= {
    f"POST /v3/auth/OS-FEDERATION/{path} body auth.scope.service_provider.{ref}": (
        "service providers are the cloud's, and stand in every token"
    )
    for path in ("saml2", "saml2/ecp")
    for ref in ("id → service provider", "name → service provider name")
}
REFUSED |= {
    "POST /v3/OS-TRUST/trusts body trust.trustee_user_id → user": (
        "one trusts others, whoever they are: test_identity_references.test_a_trust_is_for_somebody_who_is_there"
    ),
    "POST /v3/OS-TRUST/trusts body trust.redelegated_trust_id → trust": (
        "the token says which trust is handed on: this is not read"
    ),
    f"POST {APPS} body application_credential.project_id → project": (
        "the token says which project it is for: this is not read"
    ),
}
