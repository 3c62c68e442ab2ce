# SPDX-License-Identifier: Apache-2.0
"""Rows as Identity API v2.0 prints them."""

from __future__ import annotations

import json
from typing import Any

from virga.ground.http.call import Answer, Call
from virga.ground.wire import UNSET
from virga.ground.world import iso, iso_micro
from virga.services.identity import model
from virga.services.identity.answers import Link, MediaType, Version
from virga.services.identity.catalog import Catalog, address
from virga.services.identity.v2 import answers
from virga.services.identity.v2.actions.catalog import Joined
from virga.services.identity.v2.actions.documents import EXTENSIONS
from virga.services.identity.v2.actions.tokens import Issued

URLS = {"public": "public_url", "internal": "internal_url", "admin": "admin_url"}


# -- tokens ------------------------------------------------------------------------------------------------------------


def access(found: Issued, call: Call) -> Answer:
    s, p = found.session, found.session.payload
    token = answers.TokenV2(
        id=found.token,
        expires=iso(p.expires),
        issued_at=iso_micro(p.issued),
        audit_ids=p.audit_ids,
        tenant=_tenant(s.project) if s.project is not None else UNSET,
    )
    user = answers.AccessUser(
        id=s.user.id, name=s.user.name, username=s.user.name, roles=[answers.RoleName(r.name) for r in s.roles]
    )
    body = answers.Access(
        token=token,
        user=user,
        catalog=service_catalog(found, call),
        metadata=answers.AccessMetadata(is_admin=0, roles=[r.id for r in s.roles]),
    )
    return Answer(answers.AccessAnswer(body), headers={"vary": "X-Auth-Token"})


def service_catalog(found: Issued, call: Call) -> list[answers.ServiceEntry]:
    """The catalogue of v3, its endpoints joined by region, and our own services told in 2013's manner: clients of that time add
    neither identity's version nor the tenant's id themselves, and know services by their ports where these listen."""
    return [
        answers.ServiceEntry(type=service["type"], name=service["name"], endpoints=shown)
        for service in found.services
        if (shown := _joined(service["endpoints"], found.session.payload.project_id, call))
    ]


def _joined(endpoints: list[dict[str, Any]], project_id: str | None, call: Call) -> list[answers.ServiceEndpoint]:
    """Of each region that has a public endpoint its addresses; where there is none for other callers, they get the public one."""
    known, base = call.use(Catalog), call.request.base
    regions: dict[str | None, dict[str, Any]] = {}
    for e in endpoints:
        row = regions.setdefault(e["region_id"], {"region": e["region_id"], "id": e["id"]})
        row.setdefault(URLS[e["interface"]], address(known.old(e["url"], base, e["interface"]), base, project_id))
        if e["interface"] == "public":
            row["id"] = e["id"]
    return [
        answers.ServiceEndpoint(
            region=row["region"],
            id=row["id"],
            public_url=row["public_url"],
            internal_url=row.get("internal_url", row["public_url"]),
            admin_url=row.get("admin_url", row["public_url"]),
        )
        for row in regions.values()
        if "public_url" in row
    ]


def token_endpoints(found: Issued, call: Call) -> answers.TokenEndpointsAnswer:
    """The catalogue as a flat list."""
    rows = [
        answers.TokenEndpoint(
            name=s.name,
            type=s.type,
            region=e.region,
            id=e.id,
            public_url=e.public_url,
            internal_url=e.internal_url,
            admin_url=e.admin_url,
        )
        for s in service_catalog(found, call)
        for e in s.endpoints
    ]
    return answers.TokenEndpointsAnswer(rows)


# -- users, tenants, roles ---------------------------------------------------------------------------------------------


def _tenant(p: model.Project) -> answers.Tenant:
    return answers.Tenant(extra=p.extra, id=p.id, name=p.name, description=p.description or None, enabled=p.enabled)


def _user(u: model.User) -> answers.UserV2:
    return answers.UserV2(
        extra=u.extra,
        email=u.extra.get("email"),
        id=u.id,
        name=u.name,
        enabled=u.enabled,
        tenant_id=u.default_project_id,
    )


def _role(r: model.Role) -> answers.RoleV2:
    return answers.RoleV2(extra=r.extra, id=r.id, name=r.name, description=r.description or UNSET)


def tenant(row: model.Project, _: Call) -> answers.TenantAnswer:
    return answers.TenantAnswer(_tenant(row))


def tenants(found: list[model.Project] | model.Project, _: Call) -> answers.TenantsAnswer | answers.TenantAnswer:
    """Many, or the one that was asked for by name."""
    if isinstance(found, model.Project):
        return answers.TenantAnswer(_tenant(found))
    return answers.TenantsAnswer([_tenant(r) for r in found])


def user(row: model.User, _: Call) -> answers.UserV2Answer:
    return answers.UserV2Answer(_user(row))


def users(found: list[model.User] | model.User, _: Call) -> answers.UsersV2Answer | answers.UserV2Answer:
    """Many, or the one that was asked for by name."""
    if isinstance(found, model.User):
        return answers.UserV2Answer(_user(found))
    return answers.UsersV2Answer([_user(r) for r in found])


def role(row: model.Role, _: Call) -> answers.RoleV2Answer:
    return answers.RoleV2Answer(_role(row))


def roles(rows: list[model.Role], _: Call) -> answers.RolesV2Answer:
    return answers.RolesV2Answer([_role(r) for r in rows])


def references(rows: list[tuple[str, str, str, str]], _: Call) -> answers.RoleReferencesAnswer:
    shown = [answers.RoleReference(role_id=r, tenant_id=t, user_id=u, id=id) for r, t, u, id in rows]
    return answers.RoleReferencesAnswer(shown)


# -- credentials, services, endpoints ----------------------------------------------------------------------------------


def _credential(c: model.Credential) -> answers.CredentialV2:
    blob = json.loads(c.blob)
    return answers.CredentialV2(
        user_id=c.user_id,
        tenant_id=c.project_id,
        trust_id=blob.get("trust_id"),
        access=blob["access"],
        secret=blob["secret"],
    )


def credential(row: model.Credential, _: Call) -> answers.CredentialV2Answer:
    return answers.CredentialV2Answer(_credential(row))


def credentials(rows: list[model.Credential], _: Call) -> answers.CredentialsV2Answer:
    return answers.CredentialsV2Answer([_credential(r) for r in rows])


def _service(s: model.CatalogService) -> answers.ServiceV2:
    return answers.ServiceV2(extra=s.extra, id=s.id, name=s.name, type=s.type, description=s.description)


def service(row: model.CatalogService, _: Call) -> answers.ServiceV2Answer:
    return answers.ServiceV2Answer(_service(row))


def services(rows: list[model.CatalogService], _: Call) -> answers.ServicesV2Answer:
    return answers.ServicesV2Answer([_service(r) for r in rows])


def _endpoint(one: Joined, call: Call, *, listed: bool) -> answers.EndpointV2:
    first = one["public"]
    urls = {i: call.use(Catalog).old(e.url, call.request.base, i) for i, e in one.items()}
    return answers.EndpointV2(
        id=first.id,
        service_id=first.service_id,
        region=first.region_id,
        publicurl=urls["public"],
        internalurl=urls.get("internal"),
        adminurl=urls.get("admin"),
        enabled=first.enabled if listed else UNSET,
    )


def endpoint(one: Joined, call: Call) -> answers.EndpointV2Answer:
    return answers.EndpointV2Answer(_endpoint(one, call, listed=False))


def endpoints(rows: list[Joined], call: Call) -> answers.EndpointsV2Answer:
    return answers.EndpointsV2Answer([_endpoint(one, call, listed=True) for one in rows])


# -- documents ---------------------------------------------------------------------------------------------------------


def document(call: Call) -> Version:
    """v2.0 in a list of versions."""
    return Version(
        id="v2.0",
        status="deprecated",
        updated="2014-04-17T00:00:00Z",
        links=[Link(rel="self", href=call.request.link("/v2.0/"))],
        media_types=[MediaType("application/json", "application/vnd.openstack.identity-v2.0+json")],
    )


def version(_: None, call: Call) -> answers.VersionV2Answer:
    return answers.VersionV2Answer(document(call))


def _extension(alias: str) -> answers.Extension:
    name, text = EXTENSIONS[alias]
    return answers.Extension(
        alias=alias,
        name=name,
        description=text,
        updated="2013-07-07T12:00:00-00:00",
        links=[],
        namespace=f"http://docs.openstack.org/identity/api/ext/{alias}/v1.0",
    )


def extensions(aliases: list[str], _: Call) -> answers.ExtensionsAnswer:
    return answers.ExtensionsAnswer(answers.ExtensionValues([_extension(a) for a in aliases]))


def extension(alias: str, _: Call) -> answers.ExtensionAnswer:
    return answers.ExtensionAnswer(_extension(alias))
