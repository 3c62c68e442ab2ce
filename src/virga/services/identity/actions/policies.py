# SPDX-License-Identifier: Apache-2.0
"""Policy documents that services may keep here, and which endpoint they are for. Nothing in this cloud decides by them: rules are the
operator's `policy.yaml`."""

from __future__ import annotations

import uuid

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.db.rows import Where
from virga.ground.errors import NotFound
from virga.ground.http.call import Call
from virga.ground.wire import given
from virga.services.identity import filters, model, policy, store, wire
from virga.services.identity.actions import catalog


def found(tx: Tx, id: str) -> model.PolicyBlob:
    """The policy of this id. Raises NotFound."""
    row = store.POLICIES.get(tx, id)
    if row is None:
        raise NotFound(f"Could not find policy: {id}.")
    return row


def create(act: Act, body: wire.CreatePolicy) -> model.PolicyBlob:
    """POST /v3/policies"""
    allow(act, policy.CREATE_POLICY)
    return store.POLICIES.insert(act.tx, id=uuid.uuid4().hex, type=body.type, blob=body.blob, extra=body.extra)


def show(act: Act, id: str) -> model.PolicyBlob:
    """GET /v3/policies/{id}"""
    allow(act, policy.GET_POLICY)
    return found(act.tx, id)


def index(call: Call) -> list[model.PolicyBlob]:
    """GET /v3/policies, by type"""
    allow(call, policy.LIST_POLICIES)
    return store.POLICIES.find(call.tx, *filters.where(call, store.POLICIES, "type"), order=store.POLICIES.c.id)


def update(act: Act, id: str, body: wire.UpdatePolicy) -> model.PolicyBlob:
    """PATCH /v3/policies/{id}"""
    allow(act, policy.UPDATE_POLICY)
    row = found(act.tx, id)
    change = given(body)
    store.POLICIES.put(act.tx, id, **{**change, "extra": row.extra | change["extra"]})
    return found(act.tx, id)


def delete(act: Act, id: str) -> None:
    """DELETE /v3/policies/{id}"""
    allow(act, policy.DELETE_POLICY)
    found(act.tx, id)
    store.POLICY_USES.delete(act.tx, store.POLICY_USES.c.policy_id == id)
    store.POLICIES.delete(act.tx, store.POLICIES.c.id == id)


class PolicyAssociation:
    """What a policy is for: an endpoint, a service, or a service in a region."""

    def __init__(
        self, act: Act, endpoint_id: str | None = None, service_id: str | None = None, region_id: str | None = None
    ) -> None:
        self.endpoint_id, self.service_id, self.region_id = endpoint_id, service_id, region_id
        if endpoint_id is not None:
            catalog.found_endpoint(act.tx, endpoint_id)
        if service_id is not None:
            catalog.found_service(act.tx, service_id)
        if region_id is not None:
            catalog.found_region(act.tx, region_id)

    @property
    def where(self) -> list[Where]:
        c = store.POLICY_USES.c
        pairs = ((c.endpoint_id, self.endpoint_id), (c.service_id, self.service_id), (c.region_id, self.region_id))
        return [column.is_not_distinct_from(value) for column, value in pairs]


def _put(act: Act, policy_id: str, use: PolicyAssociation) -> None:
    found(act.tx, policy_id)
    act.tx.hold("identity:policy uses")
    store.POLICY_USES.delete(act.tx, *use.where)
    store.POLICY_USES.insert(
        act.tx,
        id=uuid.uuid4().hex,
        policy_id=policy_id,
        endpoint_id=use.endpoint_id,
        service_id=use.service_id,
        region_id=use.region_id,
    )


def _has(act: Act, policy_id: str, use: PolicyAssociation) -> None:
    found(act.tx, policy_id)
    if store.POLICY_USES.one(act.tx, store.POLICY_USES.c.policy_id == policy_id, *use.where) is None:
        raise NotFound("Could not find policy association.")


def _take(act: Act, policy_id: str, use: PolicyAssociation) -> None:
    found(act.tx, policy_id)
    store.POLICY_USES.delete(act.tx, store.POLICY_USES.c.policy_id == policy_id, *use.where)


def put_for_endpoint(act: Act, id: str, endpoint_id: str) -> None:
    """PUT /v3/policies/{id}/OS-ENDPOINT-POLICY/endpoints/{endpoint}"""
    allow(act, policy.POLICY_USES["create", "endpoint"])
    _put(act, id, PolicyAssociation(act, endpoint_id))


def has_for_endpoint(act: Act, id: str, endpoint_id: str) -> None:
    """GET …/endpoints/{endpoint}"""
    allow(act, policy.POLICY_USES["check", "endpoint"])
    _has(act, id, PolicyAssociation(act, endpoint_id))


def take_for_endpoint(act: Act, id: str, endpoint_id: str) -> None:
    """DELETE …/endpoints/{endpoint}"""
    allow(act, policy.POLICY_USES["delete", "endpoint"])
    _take(act, id, PolicyAssociation(act, endpoint_id))


def put_for_service(act: Act, id: str, service_id: str) -> None:
    """PUT …/services/{service}"""
    allow(act, policy.POLICY_USES["create", "service"])
    _put(act, id, PolicyAssociation(act, None, service_id))


def has_for_service(act: Act, id: str, service_id: str) -> None:
    """GET …/services/{service}"""
    allow(act, policy.POLICY_USES["check", "service"])
    _has(act, id, PolicyAssociation(act, None, service_id))


def take_for_service(act: Act, id: str, service_id: str) -> None:
    """DELETE …/services/{service}"""
    allow(act, policy.POLICY_USES["delete", "service"])
    _take(act, id, PolicyAssociation(act, None, service_id))


def put_for_region(act: Act, id: str, service_id: str, region_id: str) -> None:
    """PUT …/services/{service}/regions/{region}"""
    allow(act, policy.POLICY_USES["create", "region_and_service"])
    _put(act, id, PolicyAssociation(act, None, service_id, region_id))


def has_for_region(act: Act, id: str, service_id: str, region_id: str) -> None:
    """GET …/services/{service}/regions/{region}"""
    allow(act, policy.POLICY_USES["check", "region_and_service"])
    _has(act, id, PolicyAssociation(act, None, service_id, region_id))


def take_for_region(act: Act, id: str, service_id: str, region_id: str) -> None:
    """DELETE …/services/{service}/regions/{region}"""
    allow(act, policy.POLICY_USES["delete", "region_and_service"])
    _take(act, id, PolicyAssociation(act, None, service_id, region_id))


def _regions_up(tx: Tx, region_id: str | None) -> list[str]:
    """A region and those above it, nearest first."""
    out: list[str] = []
    while region_id is not None and region_id not in out:
        out.append(region_id)
        region = store.REGIONS.get(tx, region_id)
        region_id = region.parent_region_id if region is not None else None
    return out


def _of(tx: Tx, endpoint: model.Endpoint) -> str | None:
    """The policy of an endpoint: its own, its service's in its region or a region above, its service's."""
    c = store.POLICY_USES.c
    ways: list[tuple[Where, ...]] = [(c.endpoint_id == endpoint.id,)]
    ways += [(c.service_id == endpoint.service_id, c.region_id == r) for r in _regions_up(tx, endpoint.region_id)]
    ways.append((c.service_id == endpoint.service_id, c.region_id.is_(None)))
    for way in ways:
        use = store.POLICY_USES.one(tx, *way)
        if use is not None:
            return use.policy_id
    return None


def for_endpoint(act: Act, endpoint_id: str) -> model.PolicyBlob:
    """GET /v3/endpoints/{id}/OS-ENDPOINT-POLICY/policy. Raises NotFound."""
    allow(act, policy.GET_POLICY_FOR_ENDPOINT)
    policy_id = _of(act.tx, catalog.found_endpoint(act.tx, endpoint_id))
    if policy_id is None:
        raise NotFound(f"No policy is associated with endpoint {endpoint_id}.")
    return found(act.tx, policy_id)


def endpoints(act: Act, id: str) -> list[model.Endpoint]:
    """GET /v3/policies/{id}/OS-ENDPOINT-POLICY/endpoints"""
    allow(act, policy.LIST_ENDPOINTS_FOR_POLICY)
    found(act.tx, id)
    return [e for e in store.ENDPOINTS.find(act.tx, order=store.ENDPOINTS.c.id) if _of(act.tx, e) == id]
