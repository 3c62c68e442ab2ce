# SPDX-License-Identifier: Apache-2.0
"""Identity's table (Identity API v3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from virga.ground.http.faults import Faults, keystone
from virga.ground.http.table import Route, Service
from virga.ground.wire import Query, Wire
from virga.services.identity import answers, model, views, wire
from virga.services.identity.actions import (
    app_credentials,
    assignments,
    auth,
    catalog,
    credentials,
    documents,
    domain_config,
    domains,
    ec2,
    endpoint_groups,
    grants,
    groups,
    limits,
    policies,
    projects,
    roles,
    trusts,
    users,
)
from virga.services.identity.directories.routes import fronted
from virga.services.identity.federation import routes as federation
from virga.services.identity.oauth import oauth1, oauth2
from virga.services.identity.v2 import routes as v2
from virga.services.identity.v2.adapter import admit


def _grants(target: str, path: str) -> tuple[Route, ...]:
    """The grants on one kind of target, of users and of groups, and the inherited ones below /v3/OS-INHERIT."""
    out: list[Route] = []
    for who in ("user", "group"):
        for inherited in (False, True) if target != "system" else (False,):
            base, tail = ("/v3/OS-INHERIT", "/inherited_to_projects") if inherited else ("/v3", "")
            roles_ = f"{base}{path}/{who}s/{{{who}}}/roles"
            one = f"{roles_}/{{role}}{tail}"

            def row(
                method: str, where: str, way: Any, code: int = 204, who: str = who, inherited: bool = inherited
            ) -> Route:
                return Route(method, where, grants.at(target, who, way, inherited), code=code)

            out.append(
                Route("GET", roles_ + tail, grants.at(target, who, grants.of, inherited), **views.many(model.Role))
            )
            out += [
                row("PUT", one, grants.put),
                row("HEAD", one, grants.check),
                row("GET", one, grants.check),
                row("DELETE", one, grants.take),
            ]
    return tuple(out)


def _noun(
    path: str,
    one: str,
    noun: type[Any],
    *,
    actions: Any,
    create: type[Wire] | None,
    update: type[Wire] | None,
    query: Query,
    **more: Any,
) -> tuple[Route, ...]:
    """The five rows of a plain noun; a module that lacks one of the actions lacks its row."""
    out: list[Route] = []
    if create is not None:
        out.append(Route("POST", path, actions.create, body=create, key=one, **views.one(noun), code=201, **more))
    out.append(Route("GET", path, actions.index, **views.many(noun), query=query))
    out.append(Route("GET", f"{path}/{{id}}", actions.show, **views.one(noun)))
    if update is not None:
        out.append(Route("PATCH", f"{path}/{{id}}", actions.update, body=update, key=one, **views.one(noun), **more))
    out.append(Route("DELETE", f"{path}/{{id}}", actions.delete, code=204))
    return tuple(out)


ASSIGNMENTS = wire.query_params(
    "role.id",
    "user.id",
    "group.id",
    "scope.project.id",
    "scope.domain.id",
    "scope.system",
    "scope.OS-INHERIT:inherited_to",
    flags=("effective", "include_subtree", "include_names"),
)
APP_CREDENTIALS = "/v3/users/{id}/application_credentials"
POLICY = "/v3/policies/{id}/OS-ENDPOINT-POLICY"
FILTER = "/v3/OS-EP-FILTER"
GROUPS = f"{FILTER}/endpoint_groups"
ROUTES = (
    Route(
        "GET",
        "/",
        documents.versions,
        view=views.versions,
        answer=answers.VersionsAnswer,
        code=300,
        public=True,
        inline=True,
    ),
    Route(
        "GET",
        "/v3",
        documents.version,
        view=views.version,
        answer=answers.VersionAnswer | answers.JsonHomeAnswer,
        public=True,
        inline=True,
    ),
    Route(
        "POST",
        "/v3/auth/tokens",
        auth.issue,
        body=wire.Auth,
        query=wire.query_params(flags=("nocatalog",)),
        key="auth",
        view=views.token,
        answer=answers.TokenAnswer | answers.ReceiptAnswer,
        sends=answers.TOKEN,
        codes=(401,),
        code=201,
        tx="none",
        slow=True,
        brief=auth.by_token_alone,
        inline=True,
        public=True,
    ),
    Route(
        "GET",
        "/v3/auth/tokens",
        auth.show,
        view=views.shown_token,
        answer=answers.TokenAnswer,
        sends=answers.SUBJECT,
        tx="none",
        inline=True,
        query=wire.query_params(flags=("allow_expired", "nocatalog")),
    ),
    Route("DELETE", "/v3/auth/tokens", auth.revoke, code=204, tx="none"),
    Route(
        "GET",
        "/v3/auth/catalog",
        auth.catalog,
        view=views.catalog,
        answer=answers.CatalogAnswer,
        tx="none",
        inline=True,
    ),
    Route("GET", "/v3/auth/projects", auth.projects, **views.many(model.Project)),
    Route("GET", "/v3/auth/domains", auth.domains, **views.many(model.Domain)),
    Route("GET", "/v3/auth/system", auth.system, view=views.system_scope, answer=answers.SystemScopeAnswer),
    Route("GET", "/v3/auth/tokens/OS-PKI/revoked", auth.pki),
    Route(
        "GET",
        "/v3/OS-REVOKE/events",
        auth.events,
        view=views.events,
        answer=answers.RevokeEventsAnswer,
        query=wire.query_params("since"),
    ),
    Route(
        "POST",
        "/v3/ec2tokens",
        ec2.ec2tokens,
        body=wire.Signed,
        view=views.ec2_token,
        answer=answers.TokenAnswer,
        sends=answers.SUBJECT,
        tx="none",
        query=wire.query_params(flags=("nocatalog",)),
    ),
    Route(
        "POST",
        "/v3/s3tokens",
        ec2.s3tokens,
        body=wire.Signed,
        view=views.s3_token,
        answer=answers.TokenAnswer,
        tx="none",
        query=wire.query_params(flags=("nocatalog",)),
    ),
    *_noun(
        "/v3/users",
        "user",
        model.User,
        actions=users,
        create=wire.CreateUser,
        update=wire.UpdateUser,
        query=wire.listing("name", "domain_id", "enabled", "default_project_id")
        | wire.query_params("password_expires_at"),
        tx="none",
        slow=True,
    ),
    Route(
        "POST",
        "/v3/users/{id}/password",
        users.change_password,
        body=wire.ChangePassword,
        key="user",
        code=204,
        tx="none",
        slow=True,
        public=True,
    ),
    Route(
        "GET",
        "/v3/users/{id}/projects",
        users.projects,
        **views.many(model.Project),
        query=wire.filtered("name", "domain_id", "enabled"),
    ),
    Route(
        "GET",
        "/v3/users/{id}/groups",
        groups.of_user,
        view=views.user_groups,
        answer=answers.UserGroupsAnswer,
        query=wire.listing("name"),
    ),
    Route(
        "POST",
        "/v3/users/{id}/credentials/OS-EC2",
        credentials.create_ec2,
        body=wire.CreateEC2Credential,
        view=views.ec2,
        answer=answers.EC2CredentialAnswer,
        code=201,
    ),
    Route(
        "GET",
        "/v3/users/{id}/credentials/OS-EC2",
        credentials.index_ec2,
        view=views.ec2s,
        answer=answers.EC2CredentialsAnswer,
    ),
    Route(
        "GET",
        "/v3/users/{id}/credentials/OS-EC2/{access}",
        credentials.show_ec2,
        view=views.ec2,
        answer=answers.EC2CredentialAnswer,
    ),
    Route("DELETE", "/v3/users/{id}/credentials/OS-EC2/{access}", credentials.delete_ec2, code=204),
    *_noun(
        "/v3/credentials",
        "credential",
        model.Credential,
        actions=credentials,
        create=wire.CreateCredential,
        update=wire.UpdateCredential,
        query=wire.filtered("user_id", "type"),
    ),
    *_noun(
        "/v3/groups",
        "group",
        model.Group,
        actions=groups,
        create=wire.CreateGroup,
        update=wire.UpdateGroup,
        query=wire.listing("name", "domain_id"),
    ),
    Route(
        "GET",
        "/v3/groups/{id}/users",
        groups.members,
        **views.many(model.User),
        query=wire.listing("name", "enabled", "domain_id"),
    ),
    Route("PUT", "/v3/groups/{id}/users/{user}", groups.add, code=204),
    Route("HEAD", "/v3/groups/{id}/users/{user}", groups.check, code=204),
    Route("GET", "/v3/groups/{id}/users/{user}", groups.check, code=204),
    Route("DELETE", "/v3/groups/{id}/users/{user}", groups.remove, code=204),
    Route(
        "POST",
        "/v3/projects",
        projects.create,
        body=wire.CreateProject,
        key="project",
        **views.one(model.Project),
        code=201,
    ),
    Route(
        "GET",
        "/v3/projects",
        projects.index,
        **views.many(model.Project),
        query=wire.listing("name", "domain_id", "parent_id", "enabled", flags=("is_domain",)) | wire.TAGGED,
    ),
    Route(
        "GET",
        "/v3/projects/{id}",
        projects.show,
        view=views.project,
        answer=answers.ProjectDetailsAnswer,
        query=wire.query_params(flags=("parents_as_list", "parents_as_ids", "subtree_as_list", "subtree_as_ids")),
    ),
    Route(
        "PATCH",
        "/v3/projects/{id}",
        projects.update,
        body=wire.UpdateProject,
        key="project",
        **views.one(model.Project),
    ),
    Route("DELETE", "/v3/projects/{id}", projects.delete, code=204),
    Route("GET", "/v3/projects/{id}/tags", projects.tags, view=views.tags, answer=answers.TagsAnswer),
    Route(
        "PUT",
        "/v3/projects/{id}/tags",
        projects.replace_tags,
        body=wire.Tags,
        view=views.tags,
        answer=answers.TagsAnswer,
    ),
    Route("DELETE", "/v3/projects/{id}/tags", projects.delete_tags, code=204),
    Route("GET", "/v3/projects/{id}/tags/{tag}", projects.has_tag, code=204),
    Route("PUT", "/v3/projects/{id}/tags/{tag}", projects.add_tag, view=views.tag_made, sends=answers.MADE, code=201),
    Route("DELETE", "/v3/projects/{id}/tags/{tag}", projects.delete_tag, code=204),
    *_noun(
        "/v3/domains",
        "domain",
        model.Domain,
        actions=domains,
        create=wire.CreateDomain,
        update=wire.UpdateDomain,
        query=wire.listing("name", "enabled"),
    ),
    *_noun(
        "/v3/roles",
        "role",
        model.Role,
        actions=roles,
        create=wire.CreateRole,
        update=wire.UpdateRole,
        query=wire.listing("name", "domain_id"),
    ),
    Route("GET", "/v3/roles/{id}/implies", roles.implies, view=views.implies, answer=answers.ImpliesAnswer),
    Route(
        "PUT",
        "/v3/roles/{id}/implies/{implied}",
        roles.imply,
        view=views.implied,
        answer=answers.InferenceAnswer,
        code=201,
    ),
    Route(
        "GET",
        "/v3/roles/{id}/implies/{implied}",
        roles.show_implied,
        view=views.implied,
        answer=answers.InferenceAnswer,
    ),
    Route("HEAD", "/v3/roles/{id}/implies/{implied}", roles.check_implied, code=204),
    Route("DELETE", "/v3/roles/{id}/implies/{implied}", roles.imply_no_more, code=204),
    Route("GET", "/v3/role_inferences", roles.inferences, view=views.inferences, answer=answers.InferencesAnswer),
    *_grants("project", "/projects/{id}"),
    *_grants("domain", "/domains/{id}"),
    *_grants("system", "/system"),
    Route(
        "POST",
        "/v3/OS-TRUST/trusts",
        trusts.create,
        body=wire.CreateTrust,
        key="trust",
        view=views.trust,
        answer=answers.TrustAnswer,
        code=201,
    ),
    Route(
        "GET",
        "/v3/OS-TRUST/trusts",
        trusts.index,
        **views.many(model.Trust),
        query=wire.query_params("trustor_user_id", "trustee_user_id"),
    ),
    Route("GET", "/v3/OS-TRUST/trusts/{id}", trusts.show, view=views.trust, answer=answers.TrustAnswer),
    Route("DELETE", "/v3/OS-TRUST/trusts/{id}", trusts.delete, code=204),
    Route(
        "GET", "/v3/OS-TRUST/trusts/{id}/roles", trusts.roles, view=views.trust_roles, answer=answers.TrustRolesAnswer
    ),
    Route("GET", "/v3/OS-TRUST/trusts/{id}/roles/{role}", trusts.role, **views.one(model.Role)),
    Route(
        "POST",
        APP_CREDENTIALS,
        app_credentials.create,
        body=wire.CreateAppCredential,
        key="application_credential",
        **views.one(app_credentials.AppCredentialDetails),
        code=201,
        tx="none",
        slow=True,
    ),
    Route(
        "GET",
        APP_CREDENTIALS,
        app_credentials.index,
        **views.many(app_credentials.AppCredentialDetails),
        query=wire.filtered("name"),
    ),
    Route("GET", APP_CREDENTIALS + "/{app}", app_credentials.show, **views.one(app_credentials.AppCredentialDetails)),
    Route("DELETE", APP_CREDENTIALS + "/{app}", app_credentials.delete, code=204),
    Route(
        "GET",
        "/v3/users/{id}/access_rules",
        app_credentials.rules,
        **views.many(model.AccessRule),
        query=wire.filtered("service", "method", "path"),
    ),
    Route("GET", "/v3/users/{id}/access_rules/{rule}", app_credentials.rule, **views.one(model.AccessRule)),
    Route("DELETE", "/v3/users/{id}/access_rules/{rule}", app_credentials.delete_rule, code=204),
    Route(
        "POST",
        "/v3/registered_limits",
        limits.register,
        body=wire.RegisteredLimits,
        **views.many(model.RegisteredLimit),
        code=201,
    ),
    Route(
        "GET",
        "/v3/registered_limits",
        limits.registered,
        **views.many(model.RegisteredLimit),
        query=wire.filtered("service_id", "region_id", "resource_name"),
    ),
    Route("GET", "/v3/registered_limits/{id}", limits.show_registered, **views.one(model.RegisteredLimit)),
    Route(
        "PATCH",
        "/v3/registered_limits/{id}",
        limits.update_registered,
        body=wire.UpdateRegisteredLimit,
        key="registered_limit",
        **views.one(model.RegisteredLimit),
    ),
    Route("DELETE", "/v3/registered_limits/{id}", limits.delete_registered, code=204),
    Route("GET", "/v3/limits/model", limits.limit_model, view=views.limit_model, answer=answers.LimitModelAnswer),
    Route("POST", "/v3/limits", limits.create, body=wire.Limits, **views.many(model.ProjectLimit), code=201),
    Route(
        "GET",
        "/v3/limits",
        limits.index,
        **views.many(model.ProjectLimit),
        query=wire.filtered("service_id", "region_id", "resource_name", "project_id", "domain_id"),
    ),
    Route("GET", "/v3/limits/{id}", limits.show, **views.one(model.ProjectLimit)),
    Route(
        "PATCH", "/v3/limits/{id}", limits.update, body=wire.UpdateLimit, key="limit", **views.one(model.ProjectLimit)
    ),
    Route("DELETE", "/v3/limits/{id}", limits.delete, code=204),
    *_noun(
        "/v3/policies",
        "policy",
        model.PolicyBlob,
        actions=policies,
        create=wire.CreatePolicy,
        update=wire.UpdatePolicy,
        query=wire.filtered("type"),
    ),
    Route("GET", f"{POLICY}/endpoints", policies.endpoints, **views.many(model.Endpoint)),
    Route("PUT", f"{POLICY}/endpoints/{{endpoint}}", policies.put_for_endpoint, code=204),
    Route("GET", f"{POLICY}/endpoints/{{endpoint}}", policies.has_for_endpoint, code=204),
    Route("DELETE", f"{POLICY}/endpoints/{{endpoint}}", policies.take_for_endpoint, code=204),
    Route("PUT", f"{POLICY}/services/{{service}}", policies.put_for_service, code=204),
    Route("GET", f"{POLICY}/services/{{service}}", policies.has_for_service, code=204),
    Route("DELETE", f"{POLICY}/services/{{service}}", policies.take_for_service, code=204),
    Route("PUT", f"{POLICY}/services/{{service}}/regions/{{region}}", policies.put_for_region, code=204),
    Route("GET", f"{POLICY}/services/{{service}}/regions/{{region}}", policies.has_for_region, code=204),
    Route("DELETE", f"{POLICY}/services/{{service}}/regions/{{region}}", policies.take_for_region, code=204),
    Route("GET", "/v3/endpoints/{id}/OS-ENDPOINT-POLICY/policy", policies.for_endpoint, **views.one(model.PolicyBlob)),
    *_noun(
        GROUPS,
        "endpoint_group",
        model.EndpointGroup,
        actions=endpoint_groups,
        create=wire.CreateEndpointGroup,
        update=wire.UpdateEndpointGroup,
        query=wire.listing("name"),
    ),
    Route("GET", f"{GROUPS}/{{id}}/endpoints", endpoint_groups.endpoints_of, **views.many(model.Endpoint)),
    Route("GET", f"{GROUPS}/{{id}}/projects", endpoint_groups.projects_of, **views.many(model.Project)),
    Route("PUT", f"{GROUPS}/{{id}}/projects/{{project}}", endpoint_groups.give, code=204),
    Route(
        "GET",
        f"{GROUPS}/{{id}}/projects/{{project}}",
        endpoint_groups.is_given,
        view=views.endpoint_group_in_project,
        answer=answers.ProjectEndpointGroupAnswer,
    ),
    Route("DELETE", f"{GROUPS}/{{id}}/projects/{{project}}", endpoint_groups.take, code=204),
    Route(
        "GET",
        f"{FILTER}/projects/{{project}}/endpoint_groups",
        endpoint_groups.of_project,
        **views.many(model.EndpointGroup),
    ),
    Route(
        "GET",
        f"{FILTER}/projects/{{project}}/endpoints",
        endpoint_groups.endpoints_for,
        **views.many(model.Endpoint),
    ),
    Route("PUT", f"{FILTER}/projects/{{project}}/endpoints/{{endpoint}}", endpoint_groups.add, code=204),
    Route("GET", f"{FILTER}/projects/{{project}}/endpoints/{{endpoint}}", endpoint_groups.check, code=204),
    Route("DELETE", f"{FILTER}/projects/{{project}}/endpoints/{{endpoint}}", endpoint_groups.remove, code=204),
    Route(
        "GET", f"{FILTER}/endpoints/{{endpoint}}/projects", endpoint_groups.projects_for, **views.many(model.Project)
    ),
    Route(
        "PUT",
        "/v3/domains/{id}/config",
        domain_config.create,
        body=wire.Config,
        view=views.config_made,
        answer=answers.ConfigAnswer,
        codes=(201,),
    ),
    Route("GET", "/v3/domains/{id}/config", domain_config.show, view=views.config, answer=answers.ConfigAnswer),
    Route(
        "PATCH",
        "/v3/domains/{id}/config",
        domain_config.update,
        body=wire.Config,
        view=views.config,
        answer=answers.ConfigAnswer,
    ),
    Route("DELETE", "/v3/domains/{id}/config", domain_config.delete, code=204),
    Route("GET", "/v3/domains/{id}/config/{group}", domain_config.show, view=views.config, answer=answers.ConfigAnswer),
    Route(
        "PATCH",
        "/v3/domains/{id}/config/{group}",
        domain_config.update_group,
        body=wire.Config,
        view=views.config,
        answer=answers.ConfigAnswer,
    ),
    Route("DELETE", "/v3/domains/{id}/config/{group}", domain_config.delete, code=204),
    Route(
        "GET",
        "/v3/domains/{id}/config/{group}/{option}",
        domain_config.show,
        view=views.config,
        answer=answers.ConfigAnswer,
    ),
    Route(
        "PATCH",
        "/v3/domains/{id}/config/{group}/{option}",
        domain_config.update_option,
        body=wire.Config,
        view=views.config,
        answer=answers.ConfigAnswer,
    ),
    Route("DELETE", "/v3/domains/{id}/config/{group}/{option}", domain_config.delete, code=204),
    Route("GET", "/v3/domains/config/default", domain_config.defaults, view=views.config, answer=answers.ConfigAnswer),
    Route(
        "GET",
        "/v3/domains/config/{group}/default",
        domain_config.defaults,
        view=views.config,
        answer=answers.ConfigAnswer,
    ),
    Route(
        "GET",
        "/v3/domains/config/{group}/{option}/default",
        domain_config.defaults,
        view=views.config,
        answer=answers.ConfigAnswer,
    ),
    Route(
        "GET",
        "/v3/role_assignments",
        assignments.index,
        view=views.assignments,
        answer=answers.AssignmentsAnswer,
        query=ASSIGNMENTS,
    ),
    Route(
        "POST",
        "/v3/regions",
        catalog.create_region,
        body=wire.CreateRegion,
        key="region",
        **views.one(model.Region),
        code=201,
    ),
    Route(
        "PUT",
        "/v3/regions/{id}",
        catalog.put_region,
        body=wire.CreateRegion,
        key="region",
        **views.one(model.Region),
        code=201,
    ),
    Route(
        "GET",
        "/v3/regions",
        catalog.index_regions,
        **views.many(model.Region),
        query=wire.listing("parent_region_id"),
    ),
    Route("GET", "/v3/regions/{id}", catalog.show_region, **views.one(model.Region)),
    Route(
        "PATCH",
        "/v3/regions/{id}",
        catalog.update_region,
        body=wire.UpdateRegion,
        key="region",
        **views.one(model.Region),
    ),
    Route("DELETE", "/v3/regions/{id}", catalog.delete_region, code=204),
    Route(
        "POST",
        "/v3/services",
        catalog.create_service,
        body=wire.CreateService,
        key="service",
        **views.one(model.CatalogService),
        code=201,
    ),
    Route(
        "GET",
        "/v3/services",
        catalog.index_services,
        **views.many(model.CatalogService),
        query=wire.listing("type", "name"),
    ),
    Route("GET", "/v3/services/{id}", catalog.show_service, **views.one(model.CatalogService)),
    Route(
        "PATCH",
        "/v3/services/{id}",
        catalog.update_service,
        body=wire.UpdateService,
        key="service",
        **views.one(model.CatalogService),
    ),
    Route("DELETE", "/v3/services/{id}", catalog.delete_service, code=204),
    Route(
        "POST",
        "/v3/endpoints",
        catalog.create_endpoint,
        body=wire.CreateEndpoint,
        key="endpoint",
        **views.one(model.Endpoint),
        code=201,
    ),
    Route(
        "GET",
        "/v3/endpoints",
        catalog.index_endpoints,
        **views.many(model.Endpoint),
        query=wire.listing("service_id", "interface", "region_id"),
    ),
    Route("GET", "/v3/endpoints/{id}", catalog.show_endpoint, **views.one(model.Endpoint)),
    Route(
        "PATCH",
        "/v3/endpoints/{id}",
        catalog.update_endpoint,
        body=wire.UpdateEndpoint,
        key="endpoint",
        **views.one(model.Endpoint),
    ),
    Route("DELETE", "/v3/endpoints/{id}", catalog.delete_endpoint, code=204),
)

EDGES = federation.ROUTES + oauth1.ROUTES + oauth2.ROUTES
SERVICE = Service(
    name="identity",
    type="identity",
    path="/identity",
    ports=(5000, 35357),
    catalog="/identity",
    old_catalog="/identity/v2.0",
    routes=fronted(ROUTES) + EDGES + v2.ROUTES,
    faults=Faults(keystone),
    admit=admit,
)


def identity_service(v2_too: bool) -> Service:
    """The service as the settings want it: with v2.0, or with v3 alone."""
    return SERVICE if v2_too else replace(SERVICE, routes=fronted(ROUTES) + EDGES)
