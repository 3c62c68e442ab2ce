# SPDX-License-Identifier: Apache-2.0
"""Services and endpoints. An endpoint of v2.0 is up to three of v3: it has the id of the public one, and the ids of the others
follow from it; endpoints that v3 made are joined by service and region."""

from __future__ import annotations

import hashlib
from typing import Literal

from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.services.identity import model, store
from virga.services.identity import wire as v3
from virga.services.identity.actions import catalog
from virga.services.identity.v2 import wire
from virga.services.identity.v2.adapter import as_v3

Joined = dict[str, model.Endpoint]
Interface = Literal["public", "internal", "admin"]


def services(call: Call) -> list[model.CatalogService]:
    """GET /v2.0/OS-KSADM/services"""
    return catalog.index_services(as_v3(call)).items


def service(act: Act, id: str) -> model.CatalogService:
    """GET /v2.0/OS-KSADM/services/{id}"""
    return catalog.show_service(act, id)


def create_service(act: Act, body: wire.WriteService) -> model.CatalogService:
    """POST /v2.0/OS-KSADM/services"""
    return catalog.create_service(
        act, v3.CreateService(type=body.type, name=body.name, description=body.description, extra=body.extra)
    )


def delete_service(act: Act, id: str) -> None:
    """DELETE /v2.0/OS-KSADM/services/{id}"""
    catalog.delete_service(act, id)


def beside(public_id: str, interface: str) -> str:
    """The id of the internal or admin endpoint that was made with the public one."""
    return hashlib.sha256(f"{public_id}/{interface}".encode()).hexdigest()[:32]


def joined(rows: list[model.Endpoint]) -> list[Joined]:
    """Interface → endpoint, for each public endpoint: with those made beside it, else those of its service and region."""
    by_id = {e.id: e for e in rows}
    derived = {beside(e.id, i) for e in rows if e.interface == "public" for i in ("internal", "admin")}
    loose: dict[tuple[str, str | None, str], model.Endpoint] = {}
    for e in rows:
        if e.id not in derived:
            loose.setdefault((e.service_id, e.region_id, e.interface), e)
    out = []
    for e in (e for e in rows if e.interface == "public"):
        one = {"public": e}
        for interface in ("internal", "admin"):
            other = by_id.get(beside(e.id, interface)) or loose.get((e.service_id, e.region_id, interface))
            if other is not None:
                one[interface] = other
        out.append(one)
    return out


def endpoints(call: Call) -> list[Joined]:
    """GET /v2.0/endpoints"""
    return joined(catalog.index_endpoints(as_v3(call)).items)


def create_endpoint(act: Act, body: wire.WriteEndpoint) -> Joined:
    """POST /v2.0/endpoints: a region that is not there yet is made, as 2013's Keystone had no list of them.
    Raises Invalid."""
    if body.id is not None:
        raise Invalid("Invalid input for field 'endpoint.id': ids are given by the cloud", field="id")
    if body.region and store.REGIONS.get(act.tx, body.region) is None:
        catalog.create_region(act, v3.CreateRegion(id=body.region))
    made: Joined = {}
    wanted: tuple[tuple[Interface, str | None], ...] = (
        ("public", body.publicurl),
        ("internal", body.internalurl),
        ("admin", body.adminurl),
    )
    for interface, url in wanted:
        if url:
            row = catalog.create_endpoint(
                act,
                v3.CreateEndpoint(
                    service_id=body.service_id, interface=interface, url=url, region_id=body.region or None
                ),
            )
            if "public" in made:
                id = beside(made["public"].id, interface)
                store.ENDPOINTS.change(act.tx, store.ENDPOINTS.c.id == row.id, id=id)
                row = catalog.show_endpoint(act, id)
            made[interface] = row
    return made


def delete_endpoint(call: Call, id: str) -> None:
    """DELETE /v2.0/endpoints/{id}: the public one and those joined to it. Raises NotFound, Conflict."""
    found = next((one for one in endpoints(call) if one["public"].id == id), None)
    if found is None:
        raise NotFound(f"Could not find endpoint: {id}.")
    ours = [e.url for e in found.values() if e.url.startswith("/")]
    if ours:
        raise Conflict(f"Endpoint {id} is this cloud's own ({', '.join(ours)}); it is made again at every start.")
    for row in found.values():
        catalog.delete_endpoint(call, row.id)
