# SPDX-License-Identifier: Apache-2.0
"""Identity's rows as Keystone v3 prints them."""

from __future__ import annotations

from typing import Any

import msgspec

from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import next_link
from virga.ground.world import iso_micro
from virga.services.identity import model, settings, store
from virga.services.identity.catalog import Catalog, address
from virga.services.identity.v2 import views as v2


def token(found: tuple[str, model.Session], call: Call) -> Answer:
    """201 with the token in X-Subject-Token."""
    sealed, session = found
    return Answer(session_body(session, call), 201, {"x-subject-token": sealed, "vary": "X-Auth-Token"})


def shown_token(session: model.Session, call: Call) -> Answer:
    return Answer(session_body(session, call), 200, {"x-subject-token": call.request.headers["x-subject-token"], "vary": "X-Auth-Token"})


def session_body(s: model.Session, call: Call) -> dict[str, Any]:
    p, user = s.payload, s.user
    expires = user.password_expires_at
    body: dict[str, Any] = {
        "methods": p.methods,
        "user": {
            "domain": {"id": s.user_domain.id, "name": s.user_domain.name},
            "id": user.id,
            "name": user.name,
            "password_expires_at": None if expires is None else iso_micro(expires),
        },
        "audit_ids": p.audit_ids,
        "expires_at": iso_micro(p.expires),
        "issued_at": iso_micro(p.issued),
    }
    if s.project is not None and s.project_domain is not None:
        body["project"] = {"domain": {"id": s.project_domain.id, "name": s.project_domain.name}, "id": s.project.id, "name": s.project.name}
        body["is_domain"] = False
    elif s.domain is not None:
        body["domain"] = {"id": s.domain.id, "name": s.domain.name}
    elif p.system:
        body["system"] = {"all": True}
    if s.roles:
        body["roles"] = [{"id": r.id, "name": r.name} for r in s.roles]
        if "nocatalog" not in call.query:
            body["catalog"] = msgspec.Raw(call.use(Catalog).raw(call.request.base, p.project_id))
    return {"token": body}


def catalog(session: model.Session, call: Call) -> dict[str, Any]:
    raw = msgspec.Raw(call.use(Catalog).raw(call.request.base, session.payload.project_id))
    return {"catalog": raw, "links": {"next": None, "previous": None, "self": call.request.link("/v3/auth/catalog")}}


def _links(call: Call, noun: str, id: str) -> dict[str, str]:
    return {"self": call.request.link(f"/v3/{noun}/{id}")}


def _user(u: model.User, call: Call) -> dict[str, Any]:
    body = u.extra | {
        "id": u.id, "name": u.name, "domain_id": u.domain_id, "enabled": u.enabled, "options": u.options, "links": _links(call, "users", u.id),
        "password_expires_at": None if u.password_expires_at is None else iso_micro(u.password_expires_at),
    }  # fmt: skip
    if u.default_project_id is not None:
        body["default_project_id"] = u.default_project_id
    return body


def _project(p: model.Project, call: Call) -> dict[str, Any]:
    return p.extra | {
        "id": p.id, "name": p.name, "domain_id": p.domain_id, "description": p.description, "enabled": p.enabled, "parent_id": p.parent_id,
        "is_domain": False, "tags": p.tags, "options": {}, "links": _links(call, "projects", p.id),
    }  # fmt: skip


def _domain(d: model.Domain, call: Call) -> dict[str, Any]:
    return d.extra | {
        "id": d.id, "name": d.name, "description": d.description, "enabled": d.enabled, "tags": [], "options": {}, "links": _links(call, "domains", d.id),
    }  # fmt: skip


def _role(r: model.Role, call: Call) -> dict[str, Any]:
    return r.extra | {
        "id": r.id, "name": r.name, "domain_id": r.domain_id, "description": r.description, "options": {}, "links": _links(call, "roles", r.id),
    }  # fmt: skip


def _region(r: model.Region, call: Call) -> dict[str, Any]:
    return r.extra | {
        "id": r.id,
        "description": r.description,
        "parent_region_id": r.parent_region_id,
        "links": _links(call, "regions", r.id),
    }


def _service(s: model.CatalogService, call: Call) -> dict[str, Any]:
    body = s.extra | {"id": s.id, "type": s.type, "enabled": s.enabled, "links": _links(call, "services", s.id)}
    if s.name is not None:
        body["name"] = s.name
    if s.description is not None:
        body["description"] = s.description
    return body


def _endpoint(e: model.Endpoint, call: Call) -> dict[str, Any]:
    url = address(e.url, call.request.base, None) if e.url.startswith("/") else e.url
    return e.extra | {
        "id": e.id, "service_id": e.service_id, "interface": e.interface, "region": e.region_id, "region_id": e.region_id, "url": url,
        "enabled": e.enabled, "links": _links(call, "endpoints", e.id),
    }  # fmt: skip


_ONE: dict[type[Any], tuple[str, str, Any]] = {
    model.User: ("user", "users", _user),
    model.Project: ("project", "projects", _project),
    model.Domain: ("domain", "domains", _domain),
    model.Role: ("role", "roles", _role),
    model.Region: ("region", "regions", _region),
    model.CatalogService: ("service", "services", _service),
    model.Endpoint: ("endpoint", "endpoints", _endpoint),
}


def one(row: Any, call: Call) -> dict[str, Any]:
    """`{"user": {…}}` of whatever noun the row is."""
    key, _, view = _ONE[type(row)]
    return {key: view(row, call)}


def many(noun: type[Any]) -> Any:
    """A list view: `{"users": […], "links": {…}}`, with the next page when a limit cut the list."""
    _, key, view = _ONE[noun]

    def page(rows: list[Any], call: Call) -> dict[str, Any]:
        limit = call.query.whole("limit")
        more = next_link(call, rows[-1].id) if limit and len(rows) == limit else None
        links = {"self": call.request.base + call.request.path, "previous": None, "next": more}
        return {key: [view(r, call) for r in rows], "links": links}

    return page


def assignments(grants: list[model.Grant], call: Call) -> dict[str, Any]:
    """Grants with ids, or with names when `include_names` is asked for."""
    names = call.query.yes("include_names", False) if "include_names" in call.query else False
    users: dict[str, Any] = {}
    if names:
        with call.db.read() as tx:
            domains = {d.id: {"id": d.id, "name": d.name} for d in store.DOMAINS.find(tx)}
            users = {
                u.id: {"id": u.id, "name": u.name, "domain": domains.get(u.domain_id)}
                for u in store.USERS.within(tx, "id", {g.user_id for g in grants})
            }
            roles = {r.id: {"id": r.id, "name": r.name} for r in store.ROLES.within(tx, "id", {g.role_id for g in grants})}
            projects = {
                p.id: {"id": p.id, "name": p.name, "domain": domains.get(p.domain_id)}
                for p in store.PROJECTS.within(tx, "id", {g.target_id for g in grants})
            }
    else:
        roles, projects, domains = {}, {}, {}
    out = []
    for g in grants:
        scope: dict[str, Any]
        if g.target == "project":
            scope = {"project": projects.get(g.target_id, {"id": g.target_id})}
        elif g.target == "domain":
            scope = {"domain": domains.get(g.target_id, {"id": g.target_id})}
        else:
            scope = {"system": {"all": True}}
        if g.inherited:
            scope["OS-INHERIT:inherited_to"] = "projects"
        inherit = "OS-INHERIT/" if g.inherited else ""
        where = "system" if g.target == "system" else f"{g.target}s/{g.target_id}"
        tail = "/inherited_to_projects" if g.inherited else ""
        link = call.request.link(f"/v3/{inherit}{where}/users/{g.user_id}/roles/{g.role_id}{tail}")
        out.append(
            {
                "role": roles.get(g.role_id, {"id": g.role_id}),
                "user": users.get(g.user_id, {"id": g.user_id}),
                "scope": scope,
                "links": {"assignment": link},
            }
        )
    return {"role_assignments": out, "links": {"self": call.request.base + call.request.path, "previous": None, "next": None}}


def system_scope(on: bool, call: Call) -> dict[str, Any]:
    return {"system": [{"all": True}] if on else [], "links": {"self": call.request.link("/v3/auth/system")}}


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z", "links": [{"rel": "self", "href": call.request.link("/v3/")}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }  # fmt: skip


def versions(_: None, call: Call) -> Answer:
    older = [v2.document(call)] if call.use(settings.Identity).v2 else []
    return Answer({"versions": {"values": [_version(call), *older]}}, 300)


def version(_: None, call: Call) -> dict[str, Any]:
    return {"version": _version(call)}
