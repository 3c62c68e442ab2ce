# SPDX-License-Identifier: Apache-2.0
"""Rows as Identity API v2.0 prints them."""

from __future__ import annotations

import json
from typing import Any

from virga.ground.http.call import Answer, Call
from virga.ground.world import iso, iso_micro
from virga.services.identity import model
from virga.services.identity.catalog import Catalog, address
from virga.services.identity.v2.actions.catalog import Joined
from virga.services.identity.v2.actions.documents import EXTENSIONS

URLS = {"public": "publicURL", "internal": "internalURL", "admin": "adminURL"}


def access(found: tuple[str, model.Session], call: Call) -> Answer:
    """`{"access": {"token", "user", "serviceCatalog", "metadata"}}`"""
    sealed, s = found
    p = s.payload
    token: dict[str, Any] = {
        "id": sealed,
        "expires": iso(p.expires),
        "issued_at": iso_micro(p.issued),
        "audit_ids": p.audit_ids,
    }
    if s.project is not None:
        token["tenant"] = _tenant(s.project)
    user = {
        "id": s.user.id,
        "name": s.user.name,
        "username": s.user.name,
        "roles": [{"name": r.name} for r in s.roles],
        "roles_links": [],
    }
    body = {
        "token": token,
        "user": user,
        "serviceCatalog": service_catalog(call, p.project_id) if s.project is not None else [],
        "metadata": {"is_admin": 0, "roles": [r.id for r in s.roles]},
    }
    return Answer({"access": body}, headers={"vary": "X-Auth-Token"})


def service_catalog(call: Call, project_id: str | None) -> list[dict[str, Any]]:
    """The catalogue of v3, its endpoints joined by region, and our own services told in 2013's manner: clients of that time add
    neither identity's version nor the tenant's id themselves, and know services by their ports where these listen."""
    out, catalog, base = [], call.use(Catalog), call.request.base
    for service in catalog.shown(project_id):
        regions: dict[str | None, dict[str, Any]] = {}
        for e in service["endpoints"]:
            url = address(catalog.old(e["url"], base, e["interface"]), base, project_id)
            row = regions.setdefault(e["region_id"], {"region": e["region_id"], "id": e["id"]})
            row.setdefault(URLS[e["interface"]], url)
            if e["interface"] == "public":
                row["id"] = e["id"]
        shown = [
            row | {key: row.get(key, row["publicURL"]) for key in URLS.values()}
            for row in regions.values()
            if "publicURL" in row
        ]
        if shown:
            out.append({"type": service["type"], "name": service["name"], "endpoints": shown, "endpoints_links": []})
    return out


def token_endpoints(found: tuple[str, model.Session], call: Call) -> dict[str, Any]:
    """The catalogue as a flat list."""
    session = found[1]
    services = service_catalog(call, session.payload.project_id) if session.project is not None else []
    rows = [{"name": s["name"], "type": s["type"]} | e for s in services for e in s["endpoints"]]
    return {"endpoints": rows, "endpoints_links": []}


def _tenant(p: model.Project) -> dict[str, Any]:
    return p.extra | {"id": p.id, "name": p.name, "description": p.description or None, "enabled": p.enabled}


def _user(u: model.User) -> dict[str, Any]:
    return (
        {"email": None} | u.extra | {"id": u.id, "name": u.name, "enabled": u.enabled, "tenantId": u.default_project_id}
    )


def _role(r: model.Role) -> dict[str, Any]:
    return r.extra | {"id": r.id, "name": r.name} | ({"description": r.description} if r.description else {})


def _service(s: model.CatalogService) -> dict[str, Any]:
    return s.extra | {"id": s.id, "name": s.name, "type": s.type, "description": s.description}


def tenant(row: model.Project, _: Call) -> dict[str, Any]:
    return {"tenant": _tenant(row)}


def tenants(rows: list[model.Project] | model.Project, _: Call) -> dict[str, Any]:
    if isinstance(rows, model.Project):
        return {"tenant": _tenant(rows)}
    return {"tenants": [_tenant(r) for r in rows], "tenants_links": []}


def user(row: model.User, _: Call) -> dict[str, Any]:
    return {"user": _user(row)}


def users(rows: list[model.User] | model.User, _: Call) -> dict[str, Any]:
    return (
        {"user": _user(rows)}
        if isinstance(rows, model.User)
        else {"users": [_user(r) for r in rows], "users_links": []}
    )


def role(row: model.Role, _: Call) -> dict[str, Any]:
    return {"role": _role(row)}


def roles(rows: list[model.Role], _: Call) -> dict[str, Any]:
    return {"roles": [_role(r) for r in rows], "roles_links": []}


def references(rows: list[dict[str, str]], _: Call) -> dict[str, Any]:
    return {"roles": rows}


def service(row: model.CatalogService, _: Call) -> dict[str, Any]:
    return {"OS-KSADM:service": _service(row)}


def services(rows: list[model.CatalogService], _: Call) -> dict[str, Any]:
    return {"OS-KSADM:services": [_service(r) for r in rows]}


def _credential(c: model.Credential) -> dict[str, Any]:
    blob = json.loads(c.blob)
    shown = {"user_id": c.user_id, "tenant_id": c.project_id, "trust_id": blob.get("trust_id")}
    return shown | {"access": blob["access"], "secret": blob["secret"]}


def credential(row: model.Credential, _: Call) -> dict[str, Any]:
    return {"credential": _credential(row)}


def credentials(rows: list[model.Credential], _: Call) -> dict[str, Any]:
    return {"credentials": [_credential(r) for r in rows]}


def _endpoint(one: Joined, call: Call) -> dict[str, Any]:
    first = one["public"]
    urls = {i: call.use(Catalog).old(e.url, call.request.base, i) for i, e in one.items()}
    return {
        "id": first.id,
        "service_id": first.service_id,
        "region": first.region_id,
        "publicurl": urls["public"],
        "internalurl": urls.get("internal"),
        "adminurl": urls.get("admin"),
        "enabled": first.enabled,
    }


def endpoint(one: Joined, call: Call) -> dict[str, Any]:
    shown = _endpoint(one, call)
    shown.pop("enabled")
    return {"endpoint": shown}


def endpoints(rows: list[Joined], call: Call) -> dict[str, Any]:
    return {"endpoints": [_endpoint(one, call) for one in rows]}


def document(call: Call) -> dict[str, Any]:
    """v2.0 in a list of versions."""
    return {
        "id": "v2.0",
        "status": "deprecated",
        "updated": "2014-04-17T00:00:00Z",
        "links": [{"rel": "self", "href": call.request.link("/v2.0/")}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v2.0+json"}],
    }


def version(_: None, call: Call) -> dict[str, Any]:
    return {"version": document(call)}


def _extension(alias: str) -> dict[str, Any]:
    name, text = EXTENSIONS[alias]
    return {
        "alias": alias,
        "name": name,
        "description": text,
        "updated": "2013-07-07T12:00:00-00:00",
        "links": [],
        "namespace": f"http://docs.openstack.org/identity/api/ext/{alias}/v1.0",
    }


def extensions(aliases: list[str], _: Call) -> dict[str, Any]:
    return {"extensions": {"values": [_extension(a) for a in aliases]}}


def extension(alias: str, _: Call) -> dict[str, Any]:
    return {"extension": _extension(alias)}
