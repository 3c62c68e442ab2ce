# SPDX-License-Identifier: Apache-2.0
"""Regions, services and endpoints."""

from __future__ import annotations

import uuid

from virga.authority.rules import allow
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import given
from virga.services.identity import model, policy, store, wire
from virga.services.identity.catalog import Catalog


def _region(tx: Tx, id: str) -> model.Region:
    region = store.REGIONS.get(tx, id)
    if region is None:
        raise NotFound(f"Could not find region: {id}.")
    return region


def _service(tx: Tx, id: str) -> model.CatalogService:
    service = store.SERVICES.get(tx, id)
    if service is None:
        raise NotFound(f"Could not find service: {id}.")
    return service


def _endpoint(tx: Tx, id: str) -> model.Endpoint:
    endpoint = store.ENDPOINTS.get(tx, id)
    if endpoint is None:
        raise NotFound(f"Could not find endpoint: {id}.")
    return endpoint


def create_region(call: Call, body: wire.CreateRegion) -> model.Region:
    """POST /v3/regions"""
    allow(call, policy.CREATE_REGION)
    id = body.id if isinstance(body.id, str) else uuid.uuid4().hex
    if store.REGIONS.get(call.tx, id) is not None:
        raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {id}.")
    if body.parent_region_id is not None:
        _region(call.tx, body.parent_region_id)
    return store.REGIONS.insert(
        call.tx, id=id, description=body.description or "", parent_region_id=body.parent_region_id, extra=body.extra
    )


def show_region(call: Call, id: str) -> model.Region:
    """GET /v3/regions/{id}"""
    allow(call, policy.GET_REGION)
    return _region(call.tx, id)


def index_regions(call: Call) -> list[model.Region]:
    """GET /v3/regions, by parent_region_id."""
    allow(call, policy.LIST_REGIONS)
    parent = call.query.get("parent_region_id")
    return store.REGIONS.find(call.tx, *([store.REGIONS.c.parent_region_id == parent] if parent else []), order=store.REGIONS.c.id)


def update_region(call: Call, id: str, body: wire.UpdateRegion) -> model.Region:
    """PATCH /v3/regions/{id}"""
    allow(call, policy.UPDATE_REGION)
    region = _region(call.tx, id)
    change = given(body)
    extra = change.pop("extra")
    if change.get("description", "") is None:
        change["description"] = ""
    if change.get("parent_region_id") is not None:
        _region(call.tx, change["parent_region_id"])
    store.REGIONS.put(call.tx, id, **change, extra=region.extra | extra)
    return _region(call.tx, id)


def delete_region(call: Call, id: str) -> None:
    """DELETE /v3/regions/{id}: not while endpoints are in it."""
    allow(call, policy.DELETE_REGION)
    _region(call.tx, id)
    inside = store.ENDPOINTS.find(call.tx, store.ENDPOINTS.c.region_id == id)
    if inside:
        raise Conflict(
            f"Region {id} holds endpoints {', '.join(e.id for e in inside)}: delete them first.", blocking=[e.id for e in inside]
        )
    store.REGIONS.delete(call.tx, store.REGIONS.c.id == id)


def create_service(call: Call, body: wire.CreateService) -> model.CatalogService:
    """POST /v3/services"""
    allow(call, policy.CREATE_SERVICE)
    call.use(Catalog).changes(call.tx)
    return store.SERVICES.insert(
        call.tx, id=uuid.uuid4().hex, type=body.type, name=body.name, description=body.description, enabled=body.enabled, extra=body.extra
    )


def show_service(call: Call, id: str) -> model.CatalogService:
    """GET /v3/services/{id}"""
    allow(call, policy.GET_SERVICE)
    return _service(call.tx, id)


def index_services(call: Call) -> list[model.CatalogService]:
    """GET /v3/services, by type and name."""
    allow(call, policy.LIST_SERVICES)
    q, c = call.query, store.SERVICES.c
    return store.SERVICES.find(call.tx, *(column == q.get(k) for k, column in (("type", c.type), ("name", c.name)) if k in q), order=c.type)


def update_service(call: Call, id: str, body: wire.UpdateService) -> model.CatalogService:
    """PATCH /v3/services/{id}"""
    allow(call, policy.UPDATE_SERVICE)
    service = _service(call.tx, id)
    change = given(body)
    extra = change.pop("extra")
    store.SERVICES.put(call.tx, id, **change, extra=service.extra | extra)
    call.use(Catalog).changes(call.tx)
    return _service(call.tx, id)


def delete_service(call: Call, id: str) -> None:
    """DELETE /v3/services/{id}, with its endpoints."""
    allow(call, policy.DELETE_SERVICE)
    _service(call.tx, id)
    store.ENDPOINTS.delete(call.tx, store.ENDPOINTS.c.service_id == id)
    store.SERVICES.delete(call.tx, store.SERVICES.c.id == id)
    call.use(Catalog).changes(call.tx)


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")) or any(c.isspace() for c in url):
        raise Invalid("Invalid input for field 'endpoint.url': an http:// or https:// address is needed", field="url")


def create_endpoint(call: Call, body: wire.CreateEndpoint) -> model.Endpoint:
    """POST /v3/endpoints"""
    allow(call, policy.CREATE_ENDPOINT)
    _check_url(body.url)
    _service(call.tx, body.service_id)
    region = body.region_id or body.region
    if region is not None and store.REGIONS.get(call.tx, region) is None:
        raise Invalid(f"Could not find region: {region}.", field="region_id")
    call.use(Catalog).changes(call.tx)
    return store.ENDPOINTS.insert(
        call.tx,
        id=uuid.uuid4().hex,
        service_id=body.service_id,
        interface=body.interface,
        region_id=region,
        url=body.url,
        enabled=body.enabled,
        extra=body.extra,
    )


def show_endpoint(call: Call, id: str) -> model.Endpoint:
    """GET /v3/endpoints/{id}"""
    allow(call, policy.GET_ENDPOINT)
    return _endpoint(call.tx, id)


def index_endpoints(call: Call) -> list[model.Endpoint]:
    """GET /v3/endpoints, by service_id, interface and region_id."""
    allow(call, policy.LIST_ENDPOINTS)
    q, c = call.query, store.ENDPOINTS.c
    pairs = (("service_id", c.service_id), ("interface", c.interface), ("region_id", c.region_id))
    return store.ENDPOINTS.find(call.tx, *(column == q.get(k) for k, column in pairs if k in q), order=[c.service_id, c.interface])


def update_endpoint(call: Call, id: str, body: wire.UpdateEndpoint) -> model.Endpoint:
    """PATCH /v3/endpoints/{id}"""
    allow(call, policy.UPDATE_ENDPOINT)
    endpoint = _endpoint(call.tx, id)
    change = given(body)
    extra = change.pop("extra")
    if "url" in change:
        _check_url(change["url"])
    if "service_id" in change:
        _service(call.tx, change["service_id"])
    if change.get("region_id") is not None and store.REGIONS.get(call.tx, change["region_id"]) is None:
        raise Invalid(f"Could not find region: {change['region_id']}.", field="region_id")
    store.ENDPOINTS.put(call.tx, id, **change, extra=endpoint.extra | extra)
    call.use(Catalog).changes(call.tx)
    return _endpoint(call.tx, id)


def delete_endpoint(call: Call, id: str) -> None:
    """DELETE /v3/endpoints/{id}"""
    allow(call, policy.DELETE_ENDPOINT)
    _endpoint(call.tx, id)
    store.ENDPOINTS.delete(call.tx, store.ENDPOINTS.c.id == id)
    call.use(Catalog).changes(call.tx)
