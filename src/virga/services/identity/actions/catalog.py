# SPDX-License-Identifier: Apache-2.0
"""Regions, services and endpoints."""

from __future__ import annotations

import uuid

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import given
from virga.services.identity import filters, model, policy, store, wire
from virga.services.identity.catalog import Catalog


def found_region(tx: Tx, id: str) -> model.Region:
    """The region of this id. Raises NotFound."""
    region = store.REGIONS.get(tx, id)
    if region is None:
        raise NotFound(f"Could not find region: {id}.")
    return region


def found_service(tx: Tx, id: str) -> model.CatalogService:
    """The service of this id. Raises NotFound."""
    service = store.SERVICES.get(tx, id)
    if service is None:
        raise NotFound(f"Could not find service: {id}.")
    return service


def found_endpoint(tx: Tx, id: str) -> model.Endpoint:
    """The endpoint of this id. Raises NotFound."""
    endpoint = store.ENDPOINTS.get(tx, id)
    if endpoint is None:
        raise NotFound(f"Could not find endpoint: {id}.")
    return endpoint


def create_region(act: Act, body: wire.CreateRegion) -> model.Region:
    """POST /v3/regions. Raises Conflict."""
    allow(act, policy.CREATE_REGION)
    id = body.id if isinstance(body.id, str) else uuid.uuid4().hex
    if store.REGIONS.get(act.tx, id) is not None:
        raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {id}.")
    if body.parent_region_id is not None:
        found_region(act.tx, body.parent_region_id)
    return store.REGIONS.insert(
        act.tx, id=id, description=body.description or "", parent_region_id=body.parent_region_id, extra=body.extra
    )


def put_region(act: Act, id: str, body: wire.CreateRegion) -> model.Region:
    """PUT /v3/regions/{id}: a new region of that id. Raises Invalid."""
    if isinstance(body.id, str) and body.id != id:
        raise Invalid("Conflicting region IDs specified: the one in the body is not the one in the path", field="id")
    body.id = id
    return create_region(act, body)


def show_region(act: Act, id: str) -> model.Region:
    """GET /v3/regions/{id}"""
    allow(act, policy.GET_REGION)
    return found_region(act.tx, id)


def index_regions(call: Call) -> Page[model.Region]:
    """GET /v3/regions, by parent_region_id."""
    allow(call, policy.LIST_REGIONS)
    return filters.listed(call, store.REGIONS, *filters.where(call, store.REGIONS, "parent_region_id"), by="id")


def update_region(act: Act, id: str, body: wire.UpdateRegion) -> model.Region:
    """PATCH /v3/regions/{id}"""
    allow(act, policy.UPDATE_REGION)
    region = found_region(act.tx, id)
    change = given(body)
    extra = change.pop("extra")
    if change.get("description", "") is None:
        change["description"] = ""
    if change.get("parent_region_id") is not None:
        found_region(act.tx, change["parent_region_id"])
    store.REGIONS.put(act.tx, id, **change, extra=region.extra | extra)
    return found_region(act.tx, id)


def delete_region(act: Act, id: str) -> None:
    """DELETE /v3/regions/{id}, with the regions below it: not while endpoints are in any of them. Raises Forbidden."""
    allow(act, policy.DELETE_REGION)
    found_region(act.tx, id)
    doomed, level = [id], [id]
    while level:
        level = [r.id for r in store.REGIONS.within(act.tx, "parent_region_id", level) if r.id not in doomed]
        doomed += level
    inside = [e.id for e in store.ENDPOINTS.within(act.tx, "region_id", doomed)]
    if inside:
        raise Forbidden(
            f"Unable to delete region {id} because it or its child regions have associated endpoints: {', '.join(inside)}.",
            blocking=inside,
        )
    for each in doomed:
        store.REGIONS.delete(act.tx, store.REGIONS.c.id == each)


def create_service(act: Act, body: wire.CreateService) -> model.CatalogService:
    """POST /v3/services"""
    allow(act, policy.CREATE_SERVICE)
    act.use(Catalog).changes(act.tx)
    return store.SERVICES.insert(
        act.tx,
        id=uuid.uuid4().hex,
        type=body.type,
        name=body.name,
        description=body.description,
        enabled=body.enabled,
        extra=body.extra,
    )


def show_service(act: Act, id: str) -> model.CatalogService:
    """GET /v3/services/{id}"""
    allow(act, policy.GET_SERVICE)
    return found_service(act.tx, id)


def index_services(call: Call) -> Page[model.CatalogService]:
    """GET /v3/services, by type and name."""
    allow(call, policy.LIST_SERVICES)
    return filters.listed(call, store.SERVICES, *filters.where(call, store.SERVICES, "type", "name"), by="type")


def update_service(act: Act, id: str, body: wire.UpdateService) -> model.CatalogService:
    """PATCH /v3/services/{id}"""
    allow(act, policy.UPDATE_SERVICE)
    service = found_service(act.tx, id)
    change = given(body)
    extra = change.pop("extra")
    store.SERVICES.put(act.tx, id, **change, extra=service.extra | extra)
    act.use(Catalog).changes(act.tx)
    return found_service(act.tx, id)


def delete_service(act: Act, id: str) -> None:
    """DELETE /v3/services/{id}, with its endpoints."""
    allow(act, policy.DELETE_SERVICE)
    found_service(act.tx, id)
    store.ENDPOINTS.delete(act.tx, store.ENDPOINTS.c.service_id == id)
    store.SERVICES.delete(act.tx, store.SERVICES.c.id == id)
    act.use(Catalog).changes(act.tx)


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")) or any(c.isspace() for c in url):
        raise Invalid("Invalid input for field 'endpoint.url': an http:// or https:// address is needed", field="url")


def _named(tx: Tx, region: str) -> None:
    """`region`, the older name of `region_id`, makes a region that is not there (as Keystone does)."""
    if store.REGIONS.get(tx, region) is None:
        store.REGIONS.insert(tx, id=region, description="", parent_region_id=None, extra={})


def create_endpoint(act: Act, body: wire.CreateEndpoint) -> model.Endpoint:
    """POST /v3/endpoints. Raises Invalid."""
    allow(act, policy.CREATE_ENDPOINT)
    _check_url(body.url)
    found_service(act.tx, body.service_id)
    region = body.region_id or body.region
    if body.region_id is None and region is not None:
        _named(act.tx, region)
    elif region is not None and store.REGIONS.get(act.tx, region) is None:
        raise Invalid(f"Could not find region: {region}.", field="region_id")
    act.use(Catalog).changes(act.tx)
    return store.ENDPOINTS.insert(
        act.tx,
        id=uuid.uuid4().hex,
        service_id=body.service_id,
        interface=body.interface,
        region_id=region,
        url=body.url,
        enabled=body.enabled,
        extra=body.extra,
    )


def show_endpoint(act: Act, id: str) -> model.Endpoint:
    """GET /v3/endpoints/{id}"""
    allow(act, policy.GET_ENDPOINT)
    return found_endpoint(act.tx, id)


def index_endpoints(call: Call) -> Page[model.Endpoint]:
    """GET /v3/endpoints, by service_id, interface and region_id."""
    allow(call, policy.LIST_ENDPOINTS)
    where = filters.where(call, store.ENDPOINTS, "service_id", "interface", "region_id")
    return filters.listed(call, store.ENDPOINTS, *where, by="service_id")


def update_endpoint(act: Act, id: str, body: wire.UpdateEndpoint) -> model.Endpoint:
    """PATCH /v3/endpoints/{id}. Raises Invalid."""
    allow(act, policy.UPDATE_ENDPOINT)
    endpoint = found_endpoint(act.tx, id)
    change = given(body)
    extra = change.pop("extra")
    if "url" in change:
        _check_url(change["url"])
    if "service_id" in change:
        found_service(act.tx, change["service_id"])
    old_name = change.pop("region", None)
    if "region_id" not in change and old_name is not None:
        change["region_id"] = old_name
        _named(act.tx, old_name)
    if change.get("region_id") is not None and store.REGIONS.get(act.tx, change["region_id"]) is None:
        raise Invalid(f"Could not find region: {change['region_id']}.", field="region_id")
    store.ENDPOINTS.put(act.tx, id, **change, extra=endpoint.extra | extra)
    act.use(Catalog).changes(act.tx)
    return found_endpoint(act.tx, id)


def delete_endpoint(act: Act, id: str) -> None:
    """DELETE /v3/endpoints/{id}"""
    allow(act, policy.DELETE_ENDPOINT)
    found_endpoint(act.tx, id)
    store.ENDPOINTS.delete(act.tx, store.ENDPOINTS.c.id == id)
    act.use(Catalog).changes(act.tx)
