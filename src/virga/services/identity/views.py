# SPDX-License-Identifier: Apache-2.0
"""Identity's rows as Keystone v3 prints them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page, next_link
from virga.ground.wire import UNSET, Shape, UnsetType, making
from virga.ground.world import iso_micro
from virga.services.identity import answers, json_home, model, settings
from virga.services.identity.actions import app_credentials, projects
from virga.services.identity.actions.assignments import Assignment, Named
from virga.services.identity.actions.auth import AuthReceipt, Issued
from virga.services.identity.answers import Home, Id, Links, Reference, Self
from virga.services.identity.catalog import Carried, address
from virga.services.identity.v2 import views as v2

S = TypeVar("S", bound=Shape)


def _made(shape: type[S]) -> type[S]:
    """The constructor of what is written down for `shape`. Identity has no microversions: it is the same for every call."""
    return making(shape, (0, 0))


CatalogService = _made(answers.CatalogService)
Credential = _made(answers.Credential)
Domain = _made(answers.Domain)
Endpoint = _made(answers.Endpoint)
Group = _made(answers.Group)
Policy = _made(answers.Policy)
Project = _made(answers.Project)
ProjectAnswer = _made(answers.ProjectAnswer)
ProjectDetails = _made(answers.ProjectDetails)
ProjectDetailsAnswer = _made(answers.ProjectDetailsAnswer)
Region = _made(answers.Region)
Role = _made(answers.Role)
Token = _made(answers.Token)
TokenUser = _made(answers.TokenUser)
Trust = _made(answers.Trust)
TrustAnswer = _made(answers.TrustAnswer)
TrustDetails = _made(answers.TrustDetails)
TrustRolesAnswer = _made(answers.TrustRolesAnswer)
User = _made(answers.User)
UserGroup = _made(answers.UserGroup)
UserGroupsAnswer = _made(answers.UserGroupsAnswer)
ALL = answers.All(True)


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else iso_micro(seconds)


def _here(call: Call) -> str:
    return call.request.base + call.request.path


def _self(call: Call, noun: str, id: str) -> Self:
    return Self(call.request.link(f"/v3/{noun}/{id}"))


# -- tokens ------------------------------------------------------------------------------------------------------------


def token(found: Issued | AuthReceipt, call: Call) -> Answer:
    """201 with the token in X-Subject-Token; 401 with a receipt when more methods are needed."""
    if isinstance(found, AuthReceipt):
        return _auth_receipt(found)
    return _subject(found, found.token, 201)


def _auth_receipt(half: AuthReceipt) -> Answer:
    receipt = answers.Receipt(
        methods=half.payload.methods,
        user=_home(half.user_domain, half.user),
        expires_at=iso_micro(half.payload.expires),
        issued_at=iso_micro(half.payload.issued),
    )
    body = answers.ReceiptAnswer(receipt=receipt, required_auth_methods=half.required)
    return Answer(body, 401, {"openstack-auth-receipt": half.receipt, "vary": "X-Auth-Token"})


def ec2_token(found: Issued, call: Call) -> Answer:
    return _subject(found, found.token, 200)


def s3_token(found: Issued, call: Call) -> answers.TokenAnswer:
    return answers.TokenAnswer(_token(found.session, found.carried))


def shown_token(found: Issued, call: Call) -> Answer:
    return _subject(found, found.token, 200)


def _subject(found: Issued, sealed: str, code: int) -> Answer:
    body = answers.TokenAnswer(_token(found.session, found.carried))
    return Answer(body, code, {"x-subject-token": sealed, "vary": "X-Auth-Token"})


def _home(domain: model.Domain, thing: model.User | model.Project) -> Home:
    return Home(Reference(domain.id, domain.name), thing.id, thing.name)


def _token(s: model.Session, carried: Carried) -> answers.Token:
    p, scoped, providers = s.payload, bool(s.roles), carried.providers
    return Token(
        methods=p.methods,
        user=_token_user(s),
        audit_ids=p.audit_ids,
        expires_at=iso_micro(p.expires),
        issued_at=iso_micro(p.issued),
        oauth=answers.Handed(*p.oauth) if p.oauth is not None else UNSET,
        project=UNSET if s.project is None or s.project_domain is None else _home(s.project_domain, s.project),
        is_domain=UNSET if s.project is None else False,
        domain=UNSET if s.domain is None else Reference(s.domain.id, s.domain.name),
        system=ALL if p.system else UNSET,
        trust=_token_trust(s.trust) if s.trust is not None else UNSET,
        application_credential=_token_app(s.app_credential, s.access_rules) if s.app_credential is not None else UNSET,
        roles=[Reference(r.id, r.name) for r in s.roles] if scoped else UNSET,
        catalog=_services(carried.services) if scoped and carried.services is not None else UNSET,
        service_providers=[answers.TokenServiceProvider(**one) for one in providers] if scoped and providers else UNSET,
    )


def _token_user(s: model.Session) -> answers.TokenUser:
    return TokenUser(
        domain=Reference(s.user_domain.id, s.user_domain.name),
        id=s.user.id,
        name=s.user.name,
        password_expires_at=_moment(s.user.password_expires_at),
        federation=_login_provider(*s.payload.via, s.lent) if s.payload.via is not None else UNSET,
    )


def _login_provider(provider: str, protocol: str, groups: tuple[str, ...]) -> answers.LoginProvider:
    return answers.LoginProvider(
        identity_provider=Id(provider), protocol=Id(protocol), groups=[Id(id) for id in groups]
    )


def _token_trust(t: model.Trust) -> answers.TokenTrust:
    return answers.TokenTrust(
        id=t.id, impersonation=t.impersonation, trustor_user=Id(t.trustor_id), trustee_user=Id(t.trustee_id)
    )


def _token_app(a: model.AppCredential, rules: tuple[model.AccessRule, ...] | None) -> answers.TokenAppCredential:
    return answers.TokenAppCredential(
        id=a.id,
        name=a.name,
        restricted=not a.unrestricted,
        access_rules=UNSET if rules is None else [_rule(r) for r in rules],
    )


def _services(written: bytes) -> list[answers.CatalogEntry]:
    """The catalogue, which is kept as it is written down."""
    return cast("list[answers.CatalogEntry]", msgspec.Raw(written))


def _rule(r: model.AccessRule) -> answers.AccessRule:
    return answers.AccessRule(id=r.id, service=r.service, method=r.method, path=r.path)


def catalog(carried: Carried, call: Call) -> answers.CatalogAnswer:
    assert carried.services is not None
    return answers.CatalogAnswer(
        catalog=_services(carried.services), links=Links(call.request.link("/v3/auth/catalog"))
    )


def events(rows: list[model.RevokeEvent], call: Call) -> answers.RevokeEventsAnswer:
    return answers.RevokeEventsAnswer(events=[_event(r.facts) for r in rows], links=Links(_here(call)))


def _event(facts: dict[str, Any]) -> answers.RevokeEvent:
    return answers.RevokeEvent(
        issued_before=iso_micro(facts["issued_before"]),
        revoked_at=iso_micro(facts["revoked_at"]),
        user_id=facts.get("user_id", UNSET),
        audit_id=facts.get("audit_id", UNSET),
        application_credential_id=facts.get("application_credential_id", UNSET),
        trust_id=facts.get("OS-TRUST:trust_id", UNSET),
    )


def system_scope(on: bool, call: Call) -> answers.SystemScopeAnswer:
    return answers.SystemScopeAnswer(system=[ALL] if on else [], links=Self(call.request.link("/v3/auth/system")))


# -- users, groups, projects, domains ----------------------------------------------------------------------------------


def _user(u: model.User, home: str, call: Call) -> answers.User:
    return User(
        extra=u.extra,
        id=u.id,
        name=u.name,
        domain_id=u.domain_id,
        enabled=u.enabled,
        options=u.options,
        links=Self(home + u.id),
        password_expires_at=None if u.password_expires_at is None else iso_micro(u.password_expires_at),
        default_project_id=UNSET if u.default_project_id is None else u.default_project_id,
    )


def _group(g: model.Group, home: str, call: Call) -> answers.Group:
    return Group(
        extra=g.extra,
        id=g.id,
        name=g.name,
        domain_id=g.domain_id,
        description=g.description,
        links=Self(home + g.id),
    )


def user_groups(found: tuple[Page[model.Group], dict[str, float]], call: Call) -> answers.UserGroupsAnswer:
    """A user's groups; those that an identity provider lent, with the end of that."""
    page, ends = found
    shown = [
        UserGroup(
            extra=g.extra,
            id=g.id,
            name=g.name,
            domain_id=g.domain_id,
            description=g.description,
            links=_self(call, "groups", g.id),
            membership_expires_at=_moment(ends.get(g.id)),
        )
        for g in page.items
    ]
    links, truncated = _page(page.marker, call)
    return UserGroupsAnswer(groups=shown, links=links, truncated=truncated)


def _project(p: model.Project, home: str, call: Call) -> answers.Project:
    return Project(
        extra=p.extra,
        id=p.id,
        name=p.name,
        domain_id=p.domain_id or None,
        description=p.description,
        enabled=p.enabled,
        parent_id=p.parent_id or None,
        is_domain=p.is_domain,
        tags=p.tags,
        options=p.options,
        links=Self(home + p.id),
    )


def project(whole: projects.ProjectDetails, call: Call) -> answers.ProjectDetailsAnswer:
    """A project with what was asked for around it."""
    p, home = whole.project, call.request.link("/v3/projects/")
    around: dict[str, Any] = {
        name: [ProjectAnswer(project=_project(each, home, call)) for each in found]
        if isinstance(found, list)
        else found
        for name, found in whole.around.items()
    }
    shown = ProjectDetails(
        extra=p.extra,
        id=p.id,
        name=p.name,
        domain_id=p.domain_id or None,
        description=p.description,
        enabled=p.enabled,
        parent_id=p.parent_id or None,
        is_domain=p.is_domain,
        tags=p.tags,
        options=p.options,
        links=Self(home + p.id),
        **around,
    )
    return ProjectDetailsAnswer(project=shown)


def tags(found: list[str], call: Call) -> answers.TagsAnswer:
    return answers.TagsAnswer(tags=found, links=Self(_here(call)))


def tag_made(_: None, call: Call) -> Answer:
    return Answer(None, 201, {"location": _here(call)})


def _domain(d: model.Domain, home: str, call: Call) -> answers.Domain:
    return Domain(
        extra=d.extra,
        id=d.id,
        name=d.name,
        description=d.description,
        enabled=d.enabled,
        tags=d.tags,
        options=d.options,
        links=Self(home + d.id),
    )


def config(found: Any, call: Call) -> answers.ConfigAnswer:
    return answers.ConfigAnswer(found)


def config_made(found: tuple[bool, Any], call: Call) -> Answer:
    return Answer(answers.ConfigAnswer(found[1]), 201 if found[0] else 200)


# -- roles and who has them --------------------------------------------------------------------------------------------


def _role(r: model.Role, home: str, call: Call) -> answers.Role:
    return Role(
        extra=r.extra,
        id=r.id,
        name=r.name,
        domain_id=r.domain_id,
        description=r.description,
        options=r.options,
        links=Self(home + r.id),
    )


def _brief(r: model.Role, call: Call) -> answers.BriefRole:
    return answers.BriefRole(id=r.id, name=r.name, links=_self(call, "roles", r.id))


def _implies(pair: tuple[model.Role, list[model.Role]], call: Call) -> answers.Inferences:
    return answers.Inferences(prior_role=_brief(pair[0], call), implies=[_brief(r, call) for r in pair[1]])


def implies(pair: tuple[model.Role, list[model.Role]], call: Call) -> answers.ImpliesAnswer:
    return answers.ImpliesAnswer(role_inference=_implies(pair, call), links=Self(_here(call)))


def inferences(pairs: list[tuple[model.Role, list[model.Role]]], call: Call) -> answers.InferencesAnswer:
    return answers.InferencesAnswer(role_inferences=[_implies(p, call) for p in pairs], links=Self(_here(call)))


def implied(pair: tuple[model.Role, model.Role], call: Call) -> answers.InferenceAnswer:
    shown = answers.Inference(prior_role=_brief(pair[0], call), implies=_brief(pair[1], call))
    return answers.InferenceAnswer(role_inference=shown, links=Self(_here(call)))


def assignments(found: tuple[list[Assignment], dict[str, Named]], call: Call) -> answers.AssignmentsAnswer:
    """Assignments with ids, or with names when `include_names` was asked for; each with the address of the grant behind it."""
    rows, names = found
    named = {id: _named(id, thing) for id, thing in names.items()}
    return answers.AssignmentsAnswer(
        role_assignments=[_assignment(r, named, call) for r in rows], links=Links(_here(call))
    )


def _named(id: str, thing: Named) -> answers.Assigned:
    return answers.Assigned(id=id, name=thing.name, domain=UNSET if thing.domain is None else Reference(*thing.domain))


def _assignment(r: Assignment, named: dict[str, answers.Assigned], call: Call) -> answers.Assignment:
    def ref(id: str | None) -> answers.Assigned | UnsetType:
        return UNSET if id is None else named.get(id) or answers.Assigned(id)

    kind, at = r.from_target or (r.target, r.target_id)
    inherited = r.inherited or r.from_target is not None
    where = "system" if kind == "system" else f"{kind}s/{at}"
    who = f"groups/{r.group_id}" if r.group_id is not None else f"users/{r.user_id}"
    path = f"{where}/{who}/roles/{r.prior_id or r.role_id}"
    links = answers.AssignmentLinks(
        call.request.link(f"/v3/OS-INHERIT/{path}/inherited_to_projects" if inherited else f"/v3/{path}")
    )
    if r.user_id is not None and r.group_id is not None:
        links.membership = call.request.link(f"/v3/groups/{r.group_id}/users/{r.user_id}")
    if r.prior_id is not None:
        links.prior_role = call.request.link(f"/v3/prior_role/{r.prior_id}/implies/{r.role_id}")
    scope = answers.AssignmentScope(
        system=ALL if r.target == "system" else UNSET,
        project=ref(r.target_id) if r.target == "project" else UNSET,
        domain=ref(r.target_id) if r.target == "domain" else UNSET,
        inherited_to="projects" if inherited else UNSET,
    )
    return answers.Assignment(
        role=named.get(r.role_id) or answers.Assigned(r.role_id),
        scope=scope,
        links=links,
        user=ref(r.user_id),
        group=ref(r.group_id) if r.user_id is None else UNSET,
    )


# -- credentials -------------------------------------------------------------------------------------------------------


def _credential(c: model.Credential, home: str, call: Call) -> answers.Credential:
    return Credential(
        extra=c.extra,
        id=c.id,
        type=c.type,
        user_id=c.user_id,
        project_id=c.project_id,
        blob=c.blob,
        links=Self(home + c.id),
    )


def _ec2(c: model.Credential, call: Call) -> answers.EC2Credential:
    blob = msgspec.json.decode(c.blob)
    return answers.EC2Credential(
        user_id=c.user_id,
        tenant_id=c.project_id,
        access=blob["access"],
        secret=blob.get("secret"),
        trust_id=blob.get("trust_id"),
        links=_self(call, f"users/{c.user_id}/credentials/OS-EC2", blob["access"]),
    )


def ec2(row: model.Credential, call: Call) -> answers.EC2CredentialAnswer:
    return answers.EC2CredentialAnswer(_ec2(row, call))


def ec2s(rows: list[model.Credential], call: Call) -> answers.EC2CredentialsAnswer:
    return answers.EC2CredentialsAnswer(credentials=[_ec2(r, call) for r in rows], links=Links(_here(call)))


def _trust_fields(t: model.Trust, home: str) -> dict[str, Any]:
    return {
        "extra": t.extra,
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
        "links": Self(home + t.id),
    }


def _trust(t: model.Trust, home: str, call: Call) -> answers.Trust:
    return Trust(**_trust_fields(t, home))


def _trust_roles(whole: tuple[model.Trust, list[model.Role]], call: Call) -> tuple[list[answers.Role], Links]:
    links = Links(call.request.link(f"/v3/OS-TRUST/trusts/{whole[0].id}/roles"))
    home = call.request.link("/v3/roles/")
    return [_role(r, home, call) for r in whole[1]], links


def trust(whole: tuple[model.Trust, list[model.Role]], call: Call) -> answers.TrustAnswer:
    roles, links = _trust_roles(whole, call)
    shown = TrustDetails(
        **_trust_fields(whole[0], call.request.link("/v3/OS-TRUST/trusts/")), roles=roles, roles_links=links
    )
    return TrustAnswer(trust=shown)


def trust_roles(whole: tuple[model.Trust, list[model.Role]], call: Call) -> answers.TrustRolesAnswer:
    roles, links = _trust_roles(whole, call)
    return TrustRolesAnswer(roles=roles, links=links)


def _app_credential(w: app_credentials.AppCredentialDetails, home: str, call: Call) -> answers.AppCredential:
    a = w.row
    return answers.AppCredential(
        id=a.id,
        name=a.name,
        description=a.description,
        project_id=a.project_id,
        unrestricted=a.unrestricted,
        expires_at=None if a.expires is None else iso_micro(a.expires).rstrip("Z"),
        roles=[_given_role(r) for r in w.roles],
        user_id=a.user_id,
        system=None,
        links=_self(call, f"users/{a.user_id}/application_credentials", a.id),
        access_rules=UNSET if w.rules is None else [_rule(r) for r in w.rules],
        secret=UNSET if w.secret is None else w.secret,
    )


def _given_role(r: model.Role) -> answers.GivenRole:
    return answers.GivenRole(id=r.id, name=r.name, domain_id=r.domain_id, description=r.description, options=r.options)


def _access_rule(r: model.AccessRule, home: str, call: Call) -> answers.UserAccessRule:
    return answers.UserAccessRule(
        id=r.id,
        service=r.service,
        method=r.method,
        path=r.path,
        links=_self(call, f"users/{r.user_id}/access_rules", r.id),
    )


# -- the catalogue as it is kept ---------------------------------------------------------------------------------------


def _region(r: model.Region, home: str, call: Call) -> answers.Region:
    return Region(
        extra=r.extra,
        id=r.id,
        description=r.description,
        parent_region_id=r.parent_region_id,
        links=Self(home + r.id),
    )


def _service(s: model.CatalogService, home: str, call: Call) -> answers.CatalogService:
    return CatalogService(
        extra=s.extra,
        id=s.id,
        type=s.type,
        enabled=s.enabled,
        links=Self(home + s.id),
        name=UNSET if s.name is None else s.name,
        description=UNSET if s.description is None else s.description,
    )


def _endpoint(e: model.Endpoint, home: str, call: Call) -> answers.Endpoint:
    return Endpoint(
        extra=e.extra,
        id=e.id,
        service_id=e.service_id,
        interface=e.interface,
        region=e.region_id,
        region_id=e.region_id,
        url=address(e.url, call.request.base, None) if e.url.startswith("/") else e.url,
        enabled=e.enabled,
        links=Self(home + e.id),
    )


def _endpoint_group(g: model.EndpointGroup, home: str, call: Call) -> answers.EndpointGroup:
    return answers.EndpointGroup(
        id=g.id,
        name=g.name,
        description=g.description,
        filters=g.filters,
        links=Self(home + g.id),
    )


def endpoint_group_in_project(found: tuple[str, str], call: Call) -> answers.ProjectEndpointGroupAnswer:
    group, project = found
    links = _self(call, f"OS-EP-FILTER/endpoint_groups/{group}/projects", project)
    shown = answers.ProjectEndpointGroup(endpoint_group_id=group, project_id=project, links=links)
    return answers.ProjectEndpointGroupAnswer(shown)


# -- policies and limits -----------------------------------------------------------------------------------------------


def _policy(p: model.PolicyBlob, home: str, call: Call) -> answers.Policy:
    return Policy(extra=p.extra, id=p.id, type=p.type, blob=p.blob, links=Self(home + p.id))


def _registered_limit(r: model.RegisteredLimit, home: str, call: Call) -> answers.RegisteredLimit:
    return answers.RegisteredLimit(
        id=r.id,
        service_id=r.service_id,
        region_id=r.region_id,
        resource_name=r.resource_name,
        default_limit=r.default_limit,
        description=r.description,
        links=Self(home + r.id),
    )


def _limit(r: model.ProjectLimit, home: str, call: Call) -> answers.Limit:
    return answers.Limit(
        id=r.id,
        project_id=r.project_id,
        domain_id=r.domain_id,
        service_id=r.service_id,
        region_id=r.region_id,
        resource_name=r.resource_name,
        resource_limit=r.resource_limit,
        description=r.description,
        links=Self(home + r.id),
    )


def limit_model(found: tuple[str, str], call: Call) -> answers.LimitModelAnswer:
    return answers.LimitModelAnswer(answers.LimitModel(name=found[0], description=found[1]))


# -- one of a noun, and many -------------------------------------------------------------------------------------------


class Noun(NamedTuple):
    """How rows of a type are answered: one alone under its key, a list under its, and what a row is shown as by `view(row, home, call)`,
    where `home` is the address below which such rows are."""

    one: Any
    many: Any
    view: Callable[[Any, str, Call], Any]
    path: str


NOUNS: dict[type[Any], Noun] = {
    model.User: Noun(answers.UserAnswer, answers.UsersAnswer, _user, "users"),
    model.Group: Noun(answers.GroupAnswer, answers.GroupsAnswer, _group, "groups"),
    model.Credential: Noun(answers.CredentialAnswer, answers.CredentialsAnswer, _credential, "credentials"),
    model.Project: Noun(answers.ProjectAnswer, answers.ProjectsAnswer, _project, "projects"),
    model.Domain: Noun(answers.DomainAnswer, answers.DomainsAnswer, _domain, "domains"),
    model.Role: Noun(answers.RoleAnswer, answers.RolesAnswer, _role, "roles"),
    model.Region: Noun(answers.RegionAnswer, answers.RegionsAnswer, _region, "regions"),
    model.CatalogService: Noun(answers.ServiceAnswer, answers.ServicesAnswer, _service, "services"),
    model.Endpoint: Noun(answers.EndpointAnswer, answers.EndpointsAnswer, _endpoint, "endpoints"),
    model.Trust: Noun(answers.TrustAnswer, answers.TrustsAnswer, _trust, "OS-TRUST/trusts"),
    app_credentials.AppCredentialDetails: Noun(
        answers.AppCredentialAnswer, answers.AppCredentialsAnswer, _app_credential, "users"
    ),
    model.AccessRule: Noun(answers.AccessRuleAnswer, answers.AccessRulesAnswer, _access_rule, "users"),
    model.PolicyBlob: Noun(answers.PolicyAnswer, answers.PoliciesAnswer, _policy, "policies"),
    model.EndpointGroup: Noun(
        answers.EndpointGroupAnswer, answers.EndpointGroupsAnswer, _endpoint_group, "OS-EP-FILTER/endpoint_groups"
    ),
    model.RegisteredLimit: Noun(
        answers.RegisteredLimitAnswer, answers.RegisteredLimitsAnswer, _registered_limit, "registered_limits"
    ),
    model.ProjectLimit: Noun(answers.LimitAnswer, answers.LimitsAnswer, _limit, "limits"),
}


def one(noun: type[Any]) -> dict[str, Any]:
    """What a route says that answers `{"user": {…}}`: its view and its shape."""
    answer, _, view, path = NOUNS[noun]
    key, made, below = answer.__struct_fields__[0], _made(answer), f"/v3/{path}/"

    def shown(row: Any, call: Call) -> Any:
        return made(**{key: view(row, call.request.link(below), call)})

    return {"view": shown, "answer": answer}


def many(noun: type[Any]) -> dict[str, Any]:
    """The same of a list: `{"users": […], "links": {…}}`, with the next page when a limit cut the list; `truncated` when it was the
    operator's limit and not the caller's."""
    _, answer, view, path = NOUNS[noun]
    key, made, below = answer.__struct_fields__[0], _made(answer), f"/v3/{path}/"

    def shown(found: list[Any] | Page[Any], call: Call) -> Any:
        rows, marker = (found.items, found.marker) if isinstance(found, Page) else (found, None)
        links, truncated = _page(marker, call)
        home = call.request.link(below)
        return made(**{key: [view(r, home, call) for r in rows]}, links=links, truncated=truncated)

    return {"view": shown, "answer": answer}


def _page(marker: str | None, call: Call) -> tuple[Links, bool | UnsetType]:
    here = _here(call) + (f"?{call.request.raw_query}" if call.request.raw_query else "")
    if marker is None:
        return Links(here), UNSET
    return Links(here, None, next_link(call, marker)), True if "limit" not in call.query else UNSET


# -- documents ---------------------------------------------------------------------------------------------------------


def _version(call: Call) -> answers.Version:
    return answers.Version(
        id="v3.14",
        status="stable",
        updated="2020-04-07T00:00:00Z",
        links=[answers.Link(rel="self", href=call.request.link("/v3/"))],
        media_types=[answers.MediaType("application/json", "application/vnd.openstack.identity-v3+json")],
    )


def versions(_: None, call: Call) -> answers.VersionsAnswer:
    older = [v2.document(call)] if call.use(settings.Identity).v2 else []
    return answers.VersionsAnswer(answers.VersionValues([_version(call), *older]))


def version(_: None, call: Call) -> Answer:
    """The version, or the JSON home for who asks for that."""
    if "application/json-home" in call.request.headers.get("accept", ""):
        home = answers.JsonHomeAnswer(json_home.resources())
        return Answer(home, 200, {"vary": "Accept"}, content_type="application/json-home")
    return Answer(answers.VersionAnswer(_version(call)), 200, {"vary": "Accept"})
