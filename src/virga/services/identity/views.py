# SPDX-License-Identifier: Apache-2.0
"""Identity's rows as Keystone v3 prints them."""

from __future__ import annotations

from typing import Any

import msgspec

from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page, next_link
from virga.ground.world import iso_micro
from virga.services.identity import json_home, model, settings
from virga.services.identity.actions import app_credentials
from virga.services.identity.actions.assignments import Assignment, Named
from virga.services.identity.actions.auth import AuthReceipt
from virga.services.identity.actions.projects import ProjectDetails
from virga.services.identity.catalog import Catalog, address
from virga.services.identity.v2 import views as v2


def token(found: tuple[str, model.Session] | AuthReceipt, call: Call) -> Answer:
    """201 with the token in X-Subject-Token; 401 with a receipt when more methods are needed."""
    if isinstance(found, AuthReceipt):
        return _auth_receipt(found)
    sealed, session = found
    return Answer(session_body(session, call), 201, {"x-subject-token": sealed, "vary": "X-Auth-Token"})


def _auth_receipt(half: AuthReceipt) -> Answer:
    domain = {"id": half.user_domain.id, "name": half.user_domain.name}
    receipt = {
        "methods": half.payload.methods,
        "user": {"id": half.user.id, "name": half.user.name, "domain": domain},
        "expires_at": iso_micro(half.payload.expires),
        "issued_at": iso_micro(half.payload.issued),
    }
    body = {"receipt": receipt, "required_auth_methods": half.required}
    return Answer(body, 401, {"openstack-auth-receipt": half.receipt, "vary": "X-Auth-Token"})


def ec2_token(found: tuple[str, model.Session], call: Call) -> Answer:
    return Answer(session_body(found[1], call), 200, {"x-subject-token": found[0], "vary": "X-Auth-Token"})


def s3_token(session: model.Session, call: Call) -> dict[str, Any]:
    return session_body(session, call)


def shown_token(session: model.Session, call: Call) -> Answer:
    return Answer(
        session_body(session, call),
        200,
        {"x-subject-token": call.request.headers["x-subject-token"], "vary": "X-Auth-Token"},
    )


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
    if p.oauth is not None:
        body["OS-OAUTH1"] = {"consumer_id": p.oauth[0], "access_token_id": p.oauth[1]}
    if p.via is not None:
        told = {
            "identity_provider": {"id": p.via[0]},
            "protocol": {"id": p.via[1]},
            "groups": [{"id": id} for id in s.lent],
        }
        body["user"]["OS-FEDERATION"] = told
    if s.project is not None and s.project_domain is not None:
        body["project"] = {
            "domain": {"id": s.project_domain.id, "name": s.project_domain.name},
            "id": s.project.id,
            "name": s.project.name,
        }
        body["is_domain"] = False
    elif s.domain is not None:
        body["domain"] = {"id": s.domain.id, "name": s.domain.name}
    elif p.system:
        body["system"] = {"all": True}
    if s.trust is not None:
        t = s.trust
        body["OS-TRUST:trust"] = {
            "id": t.id,
            "impersonation": t.impersonation,
            "trustor_user": {"id": t.trustor_id},
            "trustee_user": {"id": t.trustee_id},
        }
    if s.app_credential is not None:
        app = s.app_credential
        body["application_credential"] = {"id": app.id, "name": app.name, "restricted": not app.unrestricted}
        if s.access_rules is not None:
            body["application_credential"]["access_rules"] = [_rule(r) for r in s.access_rules]
    if s.roles:
        body["roles"] = [{"id": r.id, "name": r.name} for r in s.roles]
        if "nocatalog" not in call.query:
            body["catalog"] = msgspec.Raw(call.use(Catalog).raw(call.request.base, p.project_id))
        providers = call.use(Catalog).providers()
        if providers:
            body["service_providers"] = providers
    return {"token": body}


def _rule(r: model.AccessRule) -> dict[str, Any]:
    return {"id": r.id, "service": r.service, "method": r.method, "path": r.path}


def catalog(session: model.Session, call: Call) -> dict[str, Any]:
    raw = msgspec.Raw(call.use(Catalog).raw(call.request.base, session.payload.project_id))
    return {"catalog": raw, "links": {"next": None, "previous": None, "self": call.request.link("/v3/auth/catalog")}}


def _links(call: Call, noun: str, id: str) -> dict[str, str]:
    return {"self": call.request.link(f"/v3/{noun}/{id}")}


def _user(u: model.User, call: Call) -> dict[str, Any]:
    body = u.extra | {
        "id": u.id,
        "name": u.name,
        "domain_id": u.domain_id,
        "enabled": u.enabled,
        "options": u.options,
        "links": _links(call, "users", u.id),
        "password_expires_at": None if u.password_expires_at is None else iso_micro(u.password_expires_at),
    }
    if u.default_project_id is not None:
        body["default_project_id"] = u.default_project_id
    return body


def _project(p: model.Project, call: Call) -> dict[str, Any]:
    return p.extra | {
        "id": p.id,
        "name": p.name,
        "domain_id": p.domain_id or None,
        "description": p.description,
        "enabled": p.enabled,
        "parent_id": p.parent_id or None,
        "is_domain": p.is_domain,
        "tags": p.tags,
        "options": p.options,
        "links": _links(call, "projects", p.id),
    }


def project(whole: ProjectDetails, call: Call) -> dict[str, Any]:
    """A project with what was asked for around it."""
    body = _project(whole.project, call)
    for name, around in whole.around.items():
        body[name] = [{"project": _project(p, call)} for p in around] if isinstance(around, list) else around
    return {"project": body}


def tags(found: list[str], call: Call) -> dict[str, Any]:
    return {"tags": found, "links": {"self": call.request.base + call.request.path}}


def tag_made(_: None, call: Call) -> Answer:
    return Answer(None, 201, {"location": call.request.base + call.request.path})


def _domain(d: model.Domain, call: Call) -> dict[str, Any]:
    return d.extra | {
        "id": d.id,
        "name": d.name,
        "description": d.description,
        "enabled": d.enabled,
        "tags": d.tags,
        "options": d.options,
        "links": _links(call, "domains", d.id),
    }


def _group(g: model.Group, call: Call) -> dict[str, Any]:
    return g.extra | {
        "id": g.id,
        "name": g.name,
        "domain_id": g.domain_id,
        "description": g.description,
        "links": _links(call, "groups", g.id),
    }


def _role(r: model.Role, call: Call) -> dict[str, Any]:
    return r.extra | {
        "id": r.id,
        "name": r.name,
        "domain_id": r.domain_id,
        "description": r.description,
        "options": r.options,
        "links": _links(call, "roles", r.id),
    }


def _brief(r: model.Role, call: Call) -> dict[str, Any]:
    return {"id": r.id, "name": r.name, "links": _links(call, "roles", r.id)}


def _implies(pair: tuple[model.Role, list[model.Role]], call: Call) -> dict[str, Any]:
    return {"prior_role": _brief(pair[0], call), "implies": [_brief(r, call) for r in pair[1]]}


def implies(pair: tuple[model.Role, list[model.Role]], call: Call) -> dict[str, Any]:
    return {"role_inference": _implies(pair, call), "links": {"self": call.request.base + call.request.path}}


def inferences(pairs: list[tuple[model.Role, list[model.Role]]], call: Call) -> dict[str, Any]:
    return {
        "role_inferences": [_implies(p, call) for p in pairs],
        "links": {"self": call.request.base + call.request.path},
    }


def implied(pair: tuple[model.Role, model.Role], call: Call) -> dict[str, Any]:
    body = {"prior_role": _brief(pair[0], call), "implies": _brief(pair[1], call)}
    return {"role_inference": body, "links": {"self": call.request.base + call.request.path}}


def _credential(c: model.Credential, call: Call) -> dict[str, Any]:
    return c.extra | {
        "id": c.id,
        "type": c.type,
        "user_id": c.user_id,
        "project_id": c.project_id,
        "blob": c.blob,
        "links": _links(call, "credentials", c.id),
    }


def _ec2(c: model.Credential, call: Call) -> dict[str, Any]:
    blob = msgspec.json.decode(c.blob)
    link = call.request.link(f"/v3/users/{c.user_id}/credentials/OS-EC2/{blob['access']}")
    return {
        "user_id": c.user_id,
        "tenant_id": c.project_id,
        "access": blob["access"],
        "secret": blob.get("secret"),
        "trust_id": blob.get("trust_id"),
        "links": {"self": link},
    }


def ec2(row: model.Credential, call: Call) -> dict[str, Any]:
    return {"credential": _ec2(row, call)}


def ec2s(rows: list[model.Credential], call: Call) -> dict[str, Any]:
    links = {"self": call.request.base + call.request.path, "previous": None, "next": None}
    return {"credentials": [_ec2(r, call) for r in rows], "links": links}


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
        "id": e.id,
        "service_id": e.service_id,
        "interface": e.interface,
        "region": e.region_id,
        "region_id": e.region_id,
        "url": url,
        "enabled": e.enabled,
        "links": _links(call, "endpoints", e.id),
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else iso_micro(seconds)


def _trust(t: model.Trust, call: Call) -> dict[str, Any]:
    return t.extra | {
        "id": t.id,
        "trustor_user_id": t.trustor_id,
        "trustee_user_id": t.trustee_id,
        "project_id": t.project_id,
        "impersonation": t.impersonation,
        "expires_at": _moment(t.expires),
        "remaining_uses": t.remaining_uses,
        "redelegation_count": t.redelegation_count,
        "redelegated_trust_id": t.redelegated_id,
        "deleted_at": _moment(t.deleted_at),
        "links": _links(call, "OS-TRUST/trusts", t.id),
    }


def _trust_roles(
    whole: tuple[model.Trust, list[model.Role]], call: Call
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    links = {"self": call.request.link(f"/v3/OS-TRUST/trusts/{whole[0].id}/roles"), "next": None, "previous": None}
    return [_role(r, call) for r in whole[1]], links


def trust(whole: tuple[model.Trust, list[model.Role]], call: Call) -> dict[str, Any]:
    roles, links = _trust_roles(whole, call)
    return {"trust": _trust(whole[0], call) | {"roles": roles, "roles_links": links}}


def trust_roles(whole: tuple[model.Trust, list[model.Role]], call: Call) -> dict[str, Any]:
    roles, links = _trust_roles(whole, call)
    return {"roles": roles, "links": links}


def _app_credential(w: app_credentials.AppCredentialDetails, call: Call) -> dict[str, Any]:
    a = w.row
    body = {
        "id": a.id,
        "name": a.name,
        "description": a.description,
        "project_id": a.project_id,
        "unrestricted": a.unrestricted,
        "expires_at": None if a.expires is None else iso_micro(a.expires).rstrip("Z"),
        "roles": [
            {"id": r.id, "name": r.name, "domain_id": r.domain_id, "description": r.description, "options": r.options}
            for r in w.roles
        ],
        "user_id": a.user_id,
        "system": None,
        "links": _links(call, f"users/{a.user_id}/application_credentials", a.id),
    }
    if w.rules is not None:
        body["access_rules"] = [_rule(r) for r in w.rules]
    if w.secret is not None:
        body["secret"] = w.secret
    return body


def _access_rule(r: model.AccessRule, call: Call) -> dict[str, Any]:
    return _rule(r) | {"links": _links(call, f"users/{r.user_id}/access_rules", r.id)}


def _policy(p: model.PolicyBlob, call: Call) -> dict[str, Any]:
    return p.extra | {"id": p.id, "type": p.type, "blob": p.blob, "links": _links(call, "policies", p.id)}


def _endpoint_group(g: model.EndpointGroup, call: Call) -> dict[str, Any]:
    links = _links(call, "OS-EP-FILTER/endpoint_groups", g.id)
    return {"id": g.id, "name": g.name, "description": g.description, "filters": g.filters, "links": links}


def endpoint_group_in_project(found: tuple[str, str], call: Call) -> dict[str, Any]:
    group, project = found
    links = _links(call, f"OS-EP-FILTER/endpoint_groups/{group}/projects", project)
    return {"project_endpoint_group": {"endpoint_group_id": group, "project_id": project, "links": links}}


def memberships(found: tuple[Page[model.Group], dict[str, float]], call: Call) -> dict[str, Any]:
    """A user's groups; those that an identity provider lent, with the end of that."""
    groups, ends = found
    page: dict[str, Any] = many(model.Group)(groups, call)
    for shown in page["groups"]:
        until = ends.get(shown["id"])
        shown["membership_expires_at"] = None if until is None else iso_micro(until)
    return page


def _registered_limit(r: model.RegisteredLimit, call: Call) -> dict[str, Any]:
    return {
        "id": r.id,
        "service_id": r.service_id,
        "region_id": r.region_id,
        "resource_name": r.resource_name,
        "default_limit": r.default_limit,
        "description": r.description,
        "links": _links(call, "registered_limits", r.id),
    }


def _limit(r: model.ProjectLimit, call: Call) -> dict[str, Any]:
    return {
        "id": r.id,
        "project_id": r.project_id,
        "domain_id": r.domain_id,
        "service_id": r.service_id,
        "region_id": r.region_id,
        "resource_name": r.resource_name,
        "resource_limit": r.resource_limit,
        "description": r.description,
        "links": _links(call, "limits", r.id),
    }


def limit_model(found: tuple[str, str], call: Call) -> dict[str, Any]:
    return {"model": {"name": found[0], "description": found[1]}}


def config(found: Any, call: Call) -> dict[str, Any]:
    return {"config": found}


def config_made(found: tuple[bool, Any], call: Call) -> Answer:
    return Answer({"config": found[1]}, 201 if found[0] else 200)


_ONE: dict[type[Any], tuple[str, str, Any]] = {
    model.User: ("user", "users", _user),
    model.Group: ("group", "groups", _group),
    model.Credential: ("credential", "credentials", _credential),
    model.Project: ("project", "projects", _project),
    model.Domain: ("domain", "domains", _domain),
    model.Role: ("role", "roles", _role),
    model.Region: ("region", "regions", _region),
    model.CatalogService: ("service", "services", _service),
    model.Endpoint: ("endpoint", "endpoints", _endpoint),
    model.Trust: ("trust", "trusts", _trust),
    app_credentials.AppCredentialDetails: ("application_credential", "application_credentials", _app_credential),
    model.AccessRule: ("access_rule", "access_rules", _access_rule),
    model.PolicyBlob: ("policy", "policies", _policy),
    model.EndpointGroup: ("endpoint_group", "endpoint_groups", _endpoint_group),
    model.RegisteredLimit: ("registered_limit", "registered_limits", _registered_limit),
    model.ProjectLimit: ("limit", "limits", _limit),
}


def one(row: Any, call: Call) -> dict[str, Any]:
    """`{"user": {…}}` of whatever noun the row is."""
    key, _, view = _ONE[type(row)]
    return {key: view(row, call)}


def many(noun: type[Any]) -> Any:
    """A list view: `{"users": […], "links": {…}}`, with the next page when a limit cut the list; `truncated` when it was the
    operator's limit and not the caller's."""
    _, key, view = _ONE[noun]

    def page(found: list[Any] | Page[Any], call: Call) -> dict[str, Any]:
        rows, marker = (found.items, found.marker) if isinstance(found, Page) else (found, None)
        links = {
            "self": call.request.base
            + call.request.path
            + (f"?{call.request.raw_query}" if call.request.raw_query else ""),
            "previous": None,
            "next": next_link(call, marker) if marker is not None else None,
        }
        body: dict[str, Any] = {key: [view(r, call) for r in rows], "links": links}
        if marker is not None and "limit" not in call.query:
            body["truncated"] = True
        return body

    return page


def assignments(found: tuple[list[Assignment], dict[str, Named]], call: Call) -> dict[str, Any]:
    """Assignments with ids, or with names when `include_names` was asked for; each with the address of the grant behind it."""
    rows, names = found
    named = {id: _named(id, thing) for id, thing in names.items()}
    return {
        "role_assignments": [_assignment(r, named, call) for r in rows],
        "links": {"self": call.request.base + call.request.path, "previous": None, "next": None},
    }


def _named(id: str, thing: Named) -> dict[str, Any]:
    out: dict[str, Any] = {"id": id, "name": thing.name}
    if thing.domain is not None:
        out["domain"] = {"id": thing.domain[0], "name": thing.domain[1]}
    return out


def _assignment(r: Assignment, named: dict[str, dict[str, Any]], call: Call) -> dict[str, Any]:
    def ref(id: str) -> dict[str, Any]:
        return named.get(id, {"id": id})

    scope: dict[str, Any] = {"system": {"all": True}} if r.target == "system" else {r.target: ref(r.target_id)}
    kind, at = r.from_target or (r.target, r.target_id)
    inherited = r.inherited or r.from_target is not None
    if inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    where = "system" if kind == "system" else f"{kind}s/{at}"
    who = f"groups/{r.group_id}" if r.group_id is not None else f"users/{r.user_id}"
    path = f"{where}/{who}/roles/{r.prior_id or r.role_id}"
    links = {
        "assignment": call.request.link(f"/v3/OS-INHERIT/{path}/inherited_to_projects" if inherited else f"/v3/{path}")
    }
    body: dict[str, Any] = {"role": ref(r.role_id), "scope": scope, "links": links}
    if r.user_id is not None:
        body["user"] = ref(r.user_id)
        if r.group_id is not None:
            links["membership"] = call.request.link(f"/v3/groups/{r.group_id}/users/{r.user_id}")
    elif r.group_id is not None:
        body["group"] = ref(r.group_id)
    if r.prior_id is not None:
        links["prior_role"] = call.request.link(f"/v3/prior_role/{r.prior_id}/implies/{r.role_id}")
    return body


def events(rows: list[model.RevokeEvent], call: Call) -> dict[str, Any]:
    times = ("issued_before", "revoked_at")
    shown = [{k: iso_micro(v) if k in times else v for k, v in r.facts.items()} for r in rows]
    return {"events": shown, "links": {"self": call.request.base + call.request.path, "previous": None, "next": None}}


def system_scope(on: bool, call: Call) -> dict[str, Any]:
    return {"system": [{"all": True}] if on else [], "links": {"self": call.request.link("/v3/auth/system")}}


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": call.request.link("/v3/")}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def versions(_: None, call: Call) -> Answer:
    older = [v2.document(call)] if call.use(settings.Identity).v2 else []
    return Answer({"versions": {"values": [_version(call), *older]}}, 300)


def version(_: None, call: Call) -> Answer:
    """The version, or the JSON home for who asks for that."""
    if "application/json-home" in call.request.headers.get("accept", ""):
        return Answer(json_home.document(), 200, {"vary": "Accept"}, content_type="application/json-home")
    return Answer({"version": _version(call)}, 200, {"vary": "Accept"})
