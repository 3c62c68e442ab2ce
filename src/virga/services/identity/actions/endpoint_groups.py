# SPDX-License-Identifier: Apache-2.0
"""Which endpoints a project is shown: single ones, and groups of them by service, region and interface (OS-EP-FILTER). A project with
none of either is shown all."""

from __future__ import annotations

import uuid

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.db.rows import Where
from virga.ground.errors import Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import given
from virga.services.identity import filters, model, policy, store, wire
from virga.services.identity.actions import catalog as endpoints
from virga.services.identity.actions import projects
from virga.services.identity.catalog import Catalog

KEYS = ("service_id", "region_id", "interface")


def found(tx: Tx, id: str) -> model.EndpointGroup:
    """The endpoint group of this id. Raises NotFound."""
    group = store.ENDPOINT_GROUPS.get(tx, id)
    if group is None:
        raise NotFound(f"Could not find Endpoint Group: {id}.")
    return group


def _fit(filters_: dict[str, str]) -> None:
    if not filters_:
        raise Invalid("filters field is required and cannot be empty", field="filters")
    for key in filters_:
        if key not in KEYS:
            raise Invalid(
                f"Invalid input for field 'endpoint_group.filters': {' or '.join(KEYS)}, not '{key[:64]}'",
                field="filters",
            )


def create(act: Act, body: wire.CreateEndpointGroup) -> model.EndpointGroup:
    """POST /v3/OS-EP-FILTER/endpoint_groups"""
    allow(act, policy.CREATE_ENDPOINT_GROUP)
    _fit(body.filters)
    return store.ENDPOINT_GROUPS.insert(
        act.tx, id=uuid.uuid4().hex, name=body.name, description=body.description, filters=body.filters
    )


def show(act: Act, id: str) -> model.EndpointGroup:
    """GET /v3/OS-EP-FILTER/endpoint_groups/{id}"""
    allow(act, policy.GET_ENDPOINT_GROUP)
    return found(act.tx, id)


def index(call: Call) -> Page[model.EndpointGroup]:
    """GET /v3/OS-EP-FILTER/endpoint_groups, by name"""
    allow(call, policy.LIST_ENDPOINT_GROUPS)
    return filters.listed(call, store.ENDPOINT_GROUPS, *filters.where(call, store.ENDPOINT_GROUPS, "name"))


def update(act: Act, id: str, body: wire.UpdateEndpointGroup) -> model.EndpointGroup:
    """PATCH /v3/OS-EP-FILTER/endpoint_groups/{id}"""
    allow(act, policy.UPDATE_ENDPOINT_GROUP)
    found(act.tx, id)
    change = {k: v for k, v in given(body).items() if k != "extra" and (v is not None or k == "description")}
    if "filters" in change:
        _fit(change["filters"])
    if change:
        store.ENDPOINT_GROUPS.put(act.tx, id, **change)
        act.use(Catalog).changes(act.tx)
    return found(act.tx, id)


def delete(act: Act, id: str) -> None:
    """DELETE /v3/OS-EP-FILTER/endpoint_groups/{id}"""
    allow(act, policy.DELETE_ENDPOINT_GROUP)
    found(act.tx, id)
    store.PROJECT_ENDPOINT_GROUPS.delete(act.tx, store.PROJECT_ENDPOINT_GROUPS.c.endpoint_group_id == id)
    store.ENDPOINT_GROUPS.delete(act.tx, store.ENDPOINT_GROUPS.c.id == id)
    act.use(Catalog).changes(act.tx)


def _inside(group: model.EndpointGroup) -> list[Where]:
    return [store.ENDPOINTS.c[key] == value for key, value in group.filters.items()]


def endpoints_of(act: Act, id: str) -> list[model.Endpoint]:
    """GET /v3/OS-EP-FILTER/endpoint_groups/{id}/endpoints"""
    allow(act, policy.LIST_ENDPOINTS_OF_ENDPOINT_GROUP)
    return store.ENDPOINTS.find(act.tx, *_inside(found(act.tx, id)), order=store.ENDPOINTS.c.id)


def projects_of(act: Act, id: str) -> list[model.Project]:
    """GET /v3/OS-EP-FILTER/endpoint_groups/{id}/projects"""
    allow(act, policy.LIST_PROJECTS_OF_ENDPOINT_GROUP)
    found(act.tx, id)
    c = store.PROJECT_ENDPOINT_GROUPS.c
    rows = store.PROJECT_ENDPOINT_GROUPS.find(act.tx, c.endpoint_group_id == id)
    return store.PROJECTS.within(act.tx, "id", {r.project_id for r in rows})


def _given(tx: Tx, group_id: str, project_id: str) -> bool:
    c = store.PROJECT_ENDPOINT_GROUPS.c
    return (
        store.PROJECT_ENDPOINT_GROUPS.one(tx, c.project_id == project_id, c.endpoint_group_id == group_id) is not None
    )


def give(act: Act, id: str, project_id: str) -> None:
    """PUT /v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{project}"""
    allow(act, policy.ADD_ENDPOINT_GROUP_TO_PROJECT)
    found(act.tx, id)
    projects.found(act.tx, project_id)
    if store.once(act.tx, store.PROJECT_ENDPOINT_GROUPS, project_id=project_id, endpoint_group_id=id):
        act.use(Catalog).changes(act.tx)


def is_given(act: Act, id: str, project_id: str) -> tuple[str, str]:
    """GET, HEAD /v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{project}. Raises NotFound."""
    allow(act, policy.GET_ENDPOINT_GROUP_IN_PROJECT)
    found(act.tx, id)
    projects.found(act.tx, project_id)
    if not _given(act.tx, id, project_id):
        raise NotFound("Endpoint Group Project Association not found")
    return id, project_id


def take(act: Act, id: str, project_id: str) -> None:
    """DELETE /v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{project}. Raises NotFound."""
    allow(act, policy.REMOVE_ENDPOINT_GROUP_FROM_PROJECT)
    found(act.tx, id)
    projects.found(act.tx, project_id)
    c = store.PROJECT_ENDPOINT_GROUPS.c
    if not store.PROJECT_ENDPOINT_GROUPS.delete(act.tx, c.project_id == project_id, c.endpoint_group_id == id):
        raise NotFound("Endpoint Group Project Association not found")
    act.use(Catalog).changes(act.tx)


def of_project(act: Act, project_id: str) -> list[model.EndpointGroup]:
    """GET /v3/OS-EP-FILTER/projects/{project}/endpoint_groups"""
    allow(act, policy.LIST_ENDPOINT_GROUPS_FOR_PROJECT)
    projects.found(act.tx, project_id)
    rows = store.PROJECT_ENDPOINT_GROUPS.find(act.tx, store.PROJECT_ENDPOINT_GROUPS.c.project_id == project_id)
    return store.ENDPOINT_GROUPS.within(act.tx, "id", {r.endpoint_group_id for r in rows})


def _shown(tx: Tx, project_id: str, endpoint_id: str) -> bool:
    c = store.PROJECT_ENDPOINTS.c
    return store.PROJECT_ENDPOINTS.one(tx, c.project_id == project_id, c.endpoint_id == endpoint_id) is not None


def add(act: Act, project_id: str, endpoint_id: str) -> None:
    """PUT /v3/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}"""
    allow(act, policy.ADD_ENDPOINT_TO_PROJECT)
    projects.found(act.tx, project_id)
    endpoints.found_endpoint(act.tx, endpoint_id)
    if store.once(act.tx, store.PROJECT_ENDPOINTS, project_id=project_id, endpoint_id=endpoint_id):
        act.use(Catalog).changes(act.tx)


def check(act: Act, project_id: str, endpoint_id: str) -> None:
    """HEAD, GET /v3/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}. Raises NotFound."""
    allow(act, policy.CHECK_ENDPOINT_IN_PROJECT)
    projects.found(act.tx, project_id)
    endpoints.found_endpoint(act.tx, endpoint_id)
    if not _shown(act.tx, project_id, endpoint_id):
        raise NotFound(f"Endpoint {endpoint_id} not found in project {project_id}")


def remove(act: Act, project_id: str, endpoint_id: str) -> None:
    """DELETE /v3/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}. Raises NotFound."""
    allow(act, policy.REMOVE_ENDPOINT_FROM_PROJECT)
    c = store.PROJECT_ENDPOINTS.c
    if not store.PROJECT_ENDPOINTS.delete(act.tx, c.project_id == project_id, c.endpoint_id == endpoint_id):
        raise NotFound(f"Endpoint {endpoint_id} not found in project {project_id}")
    act.use(Catalog).changes(act.tx)


def endpoints_for(act: Act, project_id: str) -> list[model.Endpoint]:
    """GET /v3/OS-EP-FILTER/projects/{project}/endpoints"""
    allow(act, policy.LIST_ENDPOINTS_FOR_PROJECT)
    projects.found(act.tx, project_id)
    return store.ENDPOINTS.within(act.tx, "id", shown_to(act.tx, project_id) or ())


def shown_to(tx: Tx, project_id: str) -> set[str] | None:
    """The endpoints a project is shown; None for all."""
    return store.endpoints_of(tx, project_id)


def projects_for(act: Act, endpoint_id: str) -> list[model.Project]:
    """GET /v3/OS-EP-FILTER/endpoints/{endpoint}/projects"""
    allow(act, policy.LIST_PROJECTS_FOR_ENDPOINT)
    endpoints.found_endpoint(act.tx, endpoint_id)
    rows = store.PROJECT_ENDPOINTS.find(act.tx, store.PROJECT_ENDPOINTS.c.endpoint_id == endpoint_id)
    return store.PROJECTS.within(act.tx, "id", {r.project_id for r in rows})
