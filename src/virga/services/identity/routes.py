# SPDX-License-Identifier: Apache-2.0
"""Identity's table (Identity API v3)."""

from __future__ import annotations

from dataclasses import replace

from virga.ground.http.faults import Faults, keystone
from virga.ground.http.table import Route, Service
from virga.services.identity import model, views, wire
from virga.services.identity.actions import auth, catalog, documents, projects, roles, users
from virga.services.identity.v2 import routes as v2
from virga.services.identity.v2.around import admit


def _grants(target: str, path: str) -> tuple[Route, ...]:
    return (
        Route("GET", f"{path}/users/{{user}}/roles", roles.on(target, roles.of), view=views.many(model.Role)),
        Route("PUT", f"{path}/users/{{user}}/roles/{{role}}", roles.on(target, roles.put), code=204),
        Route("HEAD", f"{path}/users/{{user}}/roles/{{role}}", roles.on(target, roles.check), code=204),
        Route("GET", f"{path}/users/{{user}}/roles/{{role}}", roles.on(target, roles.check), code=204),
        Route("DELETE", f"{path}/users/{{user}}/roles/{{role}}", roles.on(target, roles.take), code=204),
    )


def _inherited(target: str, path: str) -> tuple[Route, ...]:
    tail = "/users/{user}/roles/{role}/inherited_to_projects"
    return (
        Route("GET", f"{path}/users/{{user}}/roles/inherited_to_projects", roles.on(target, roles.of, True), view=views.many(model.Role)),
        Route("PUT", path + tail, roles.on(target, roles.put, True), code=204),
        Route("HEAD", path + tail, roles.on(target, roles.check, True), code=204),
        Route("GET", path + tail, roles.on(target, roles.check, True), code=204),
        Route("DELETE", path + tail, roles.on(target, roles.take, True), code=204),
    )


ROUTES = (
    Route("GET", "/", documents.versions, view=views.versions, public=True, inline=True),
    Route("GET", "/v3", documents.version, view=views.version, public=True, inline=True),
    Route("POST", "/v3/auth/tokens", auth.issue, body=wire.Auth, key="auth", view=views.token, code=201, tx="none", slow=True, public=True),
    Route("GET", "/v3/auth/tokens", auth.show, view=views.shown_token, tx="none", inline=True),
    Route("DELETE", "/v3/auth/tokens", auth.revoke, code=204, tx="none"),
    Route("GET", "/v3/auth/catalog", auth.catalog, view=views.catalog, tx="none", inline=True),
    Route("GET", "/v3/auth/projects", auth.projects, view=views.many(model.Project)),
    Route("GET", "/v3/auth/domains", auth.domains, view=views.many(model.Domain)),
    Route("GET", "/v3/auth/system", auth.system, view=views.system_scope),
    Route("POST", "/v3/users", users.create, body=wire.CreateUser, key="user", view=views.one, code=201, tx="none", slow=True),
    Route("GET", "/v3/users", users.index, view=views.many(model.User)),
    Route("GET", "/v3/users/{id}", users.show, view=views.one),
    Route("PATCH", "/v3/users/{id}", users.update, body=wire.UpdateUser, key="user", view=views.one, tx="none", slow=True),
    Route("DELETE", "/v3/users/{id}", users.delete, code=204),
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
    Route("GET", "/v3/users/{id}/projects", users.projects, view=views.many(model.Project)),
    Route("POST", "/v3/projects", projects.create, body=wire.CreateProject, key="project", view=views.one, code=201),
    Route("GET", "/v3/projects", projects.index, view=views.many(model.Project)),
    Route("GET", "/v3/projects/{id}", projects.show, view=views.one),
    Route("PATCH", "/v3/projects/{id}", projects.update, body=wire.UpdateProject, key="project", view=views.one),
    Route("DELETE", "/v3/projects/{id}", projects.delete, code=204),
    Route("POST", "/v3/domains", projects.create_domain, body=wire.CreateDomain, key="domain", view=views.one, code=201),
    Route("GET", "/v3/domains", projects.index_domains, view=views.many(model.Domain)),
    Route("GET", "/v3/domains/{id}", projects.show_domain, view=views.one),
    Route("PATCH", "/v3/domains/{id}", projects.update_domain, body=wire.UpdateDomain, key="domain", view=views.one),
    Route("DELETE", "/v3/domains/{id}", projects.delete_domain, code=204),
    Route("POST", "/v3/roles", roles.create, body=wire.CreateRole, key="role", view=views.one, code=201),
    Route("GET", "/v3/roles", roles.index, view=views.many(model.Role)),
    Route("GET", "/v3/roles/{id}", roles.show, view=views.one),
    Route("PATCH", "/v3/roles/{id}", roles.update, body=wire.UpdateRole, key="role", view=views.one),
    Route("DELETE", "/v3/roles/{id}", roles.delete, code=204),
    *_grants("project", "/v3/projects/{id}"),
    *_grants("domain", "/v3/domains/{id}"),
    *_grants("system", "/v3/system"),
    *_inherited("project", "/v3/OS-INHERIT/projects/{id}"),
    *_inherited("domain", "/v3/OS-INHERIT/domains/{id}"),
    Route("GET", "/v3/role_assignments", roles.assignments, view=views.assignments),
    Route("POST", "/v3/regions", catalog.create_region, body=wire.CreateRegion, key="region", view=views.one, code=201),
    Route("GET", "/v3/regions", catalog.index_regions, view=views.many(model.Region)),
    Route("GET", "/v3/regions/{id}", catalog.show_region, view=views.one),
    Route("PATCH", "/v3/regions/{id}", catalog.update_region, body=wire.UpdateRegion, key="region", view=views.one),
    Route("DELETE", "/v3/regions/{id}", catalog.delete_region, code=204),
    Route("POST", "/v3/services", catalog.create_service, body=wire.CreateService, key="service", view=views.one, code=201),
    Route("GET", "/v3/services", catalog.index_services, view=views.many(model.CatalogService)),
    Route("GET", "/v3/services/{id}", catalog.show_service, view=views.one),
    Route("PATCH", "/v3/services/{id}", catalog.update_service, body=wire.UpdateService, key="service", view=views.one),
    Route("DELETE", "/v3/services/{id}", catalog.delete_service, code=204),
    Route("POST", "/v3/endpoints", catalog.create_endpoint, body=wire.CreateEndpoint, key="endpoint", view=views.one, code=201),
    Route("GET", "/v3/endpoints", catalog.index_endpoints, view=views.many(model.Endpoint)),
    Route("GET", "/v3/endpoints/{id}", catalog.show_endpoint, view=views.one),
    Route("PATCH", "/v3/endpoints/{id}", catalog.update_endpoint, body=wire.UpdateEndpoint, key="endpoint", view=views.one),
    Route("DELETE", "/v3/endpoints/{id}", catalog.delete_endpoint, code=204),
)

SERVICE = Service(
    name="identity",
    type="identity",
    path="/identity",
    ports=(5000, 35357),
    catalog="/identity",
    routes=ROUTES + v2.ROUTES,
    faults=Faults(keystone),
    admit=admit,
)


def chosen(v2_too: bool) -> Service:
    """The service as the settings want it: with v2.0, or with v3 alone."""
    return SERVICE if v2_too else replace(SERVICE, routes=ROUTES)
