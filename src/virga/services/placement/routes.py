# SPDX-License-Identifier: Apache-2.0
"""Placement's table (Placement API 1.0 to 1.39)."""

from __future__ import annotations

from virga.ground.http.faults import Faults, placement
from virga.ground.http.table import Route, Service, Versions
from virga.services.placement import views, wire
from virga.services.placement.actions import (
    aggregates,
    allocations,
    candidates,
    document,
    inventories,
    providers,
    resource_classes,
    traits,
    usages,
)

_P = "/resource_providers/{uuid}"
# fmt: off
ROUTES = (
    Route("GET", "/", document.show, view=views.versions, public=True, inline=True),
    Route("GET", "/resource_providers", providers.index, view=views.providers, query=wire.LIST_PROVIDERS),
    Route("POST", "/resource_providers", providers.create, body=wire.CreateProvider, view=views.created),
    Route("GET", _P, providers.show, view=views.provider),
    Route("PUT", _P, providers.update, body=wire.UpdateProvider, view=views.provider),
    Route("DELETE", _P, providers.delete, code=204),
    Route("GET", f"{_P}/inventories", inventories.index, view=views.all_inventories),
    Route("POST", f"{_P}/inventories", inventories.create, body=wire.NewInventory, view=views.added, code=201),
    Route("PUT", f"{_P}/inventories", inventories.replace, body=wire.AllInventories, view=views.all_inventories),
    Route("DELETE", f"{_P}/inventories", inventories.not_yet, until=(1, 4)),
    Route("DELETE", f"{_P}/inventories", inventories.clear, code=204, since=(1, 5)),
    Route("GET", f"{_P}/inventories/{{name}}", inventories.show, view=views.inventory),
    Route("PUT", f"{_P}/inventories/{{name}}", inventories.update, body=wire.OneInventory, view=views.inventory),
    Route("DELETE", f"{_P}/inventories/{{name}}", inventories.delete, code=204),
    Route("GET", f"{_P}/aggregates", aggregates.index, view=views.provider_aggregates, since=(1, 1)),
    Route("PUT", f"{_P}/aggregates", aggregates.replace_bare, view=views.provider_aggregates, since=(1, 1), until=(1, 18)),
    Route("PUT", f"{_P}/aggregates", aggregates.replace, body=wire.Aggregates, view=views.provider_aggregates, since=(1, 19)),
    Route("GET", f"{_P}/traits", traits.of_provider, view=views.provider_traits, since=(1, 6)),
    Route("PUT", f"{_P}/traits", traits.set_of_provider, body=wire.ProviderTraits, view=views.provider_traits, since=(1, 6)),
    Route("DELETE", f"{_P}/traits", traits.clear_provider, code=204, since=(1, 6)),
    Route("GET", f"{_P}/usages", usages.of_provider, view=views.provider_usages),
    Route("GET", f"{_P}/allocations", allocations.of_provider, view=views.provider_allocations),
    Route("GET", "/resource_classes", resource_classes.index, view=views.resource_classes, since=(1, 2)),
    Route("POST", "/resource_classes", resource_classes.create, body=wire.CreateClass, view=views.class_created, code=201, since=(1, 2)),
    Route("GET", "/resource_classes/{name}", resource_classes.show, view=views.resource_class, since=(1, 2)),
    Route("PUT", "/resource_classes/{name}", resource_classes.rename, body=wire.CreateClass, view=views.resource_class, since=(1, 2), until=(1, 6)),
    Route("PUT", "/resource_classes/{name}", resource_classes.ensure, view=views.made("resource_classes"), since=(1, 7)),
    Route("DELETE", "/resource_classes/{name}", resource_classes.delete, code=204, since=(1, 2)),
    Route("GET", "/traits", traits.index, view=views.all_traits, query=wire.LIST_TRAITS, since=(1, 6)),
    Route("GET", "/traits/{name}", traits.show, view=views.known_trait, code=204, since=(1, 6)),
    Route("PUT", "/traits/{name}", traits.put, view=views.made("traits"), since=(1, 6)),
    Route("DELETE", "/traits/{name}", traits.delete, code=204, since=(1, 6)),
    Route("GET", "/allocations/{uuid}", allocations.index, view=views.consumer_allocations),
    Route("PUT", "/allocations/{uuid}", allocations.put_listed, body=wire.ListedAllocations, code=204, until=(1, 11)),
    Route("PUT", "/allocations/{uuid}", allocations.put, body=wire.Allocations, code=204, since=(1, 12)),
    Route("POST", "/allocations", allocations.post, body=wire.ManyAllocations, code=204, since=(1, 13)),
    Route("DELETE", "/allocations/{uuid}", allocations.delete, code=204),
    Route("GET", "/allocation_candidates", candidates.index, view=views.allocation_candidates, query=wire.CANDIDATES, since=(1, 10)),
    Route("GET", "/usages", usages.total, view=views.total_usages, query=wire.USAGES, since=(1, 9)),
    Route("POST", "/reshaper", allocations.reshape, body=wire.Reshape, code=204, since=(1, 30)),
)
# fmt: on
SERVICE = Service(
    name="placement",
    type="placement",
    path="/placement",
    ports=(8778,),
    catalog="/placement",
    routes=ROUTES,
    faults=Faults(placement),
    versions=Versions(low=views.LOW, high=views.HIGH, default=views.LOW, service="placement"),
)
