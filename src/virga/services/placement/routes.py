# SPDX-License-Identifier: Apache-2.0
"""Placement's table (Placement API 1.0 to 1.39)."""

from __future__ import annotations

from virga.ground.http.faults import Faults, placement
from virga.ground.http.table import Route, Service, Versions
from virga.services.placement import answers, views, wire
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
    Route("GET", "/", document.show, view=views.versions, answer=answers.VersionsAnswer, sends=answers.DATED, public=True, inline=True),
    Route("GET", "/resource_providers", providers.index, view=views.providers, answer=answers.ProvidersAnswer, sends=answers.DATED, query=wire.LIST_PROVIDERS),
    Route("POST", "/resource_providers", providers.create, body=wire.CreateProvider, view=views.provider_place, sends=answers.PLACE, code=201, until=(1, 19)),
    Route("POST", "/resource_providers", providers.create, body=wire.CreateProvider, view=views.provider_made, answer=answers.ProviderAnswer, sends=answers.DATED | answers.PLACE, since=(1, 20)),
    Route("GET", _P, providers.show, view=views.provider, answer=answers.ProviderAnswer, sends=answers.DATED),
    Route("PUT", _P, providers.update, body=wire.UpdateProvider, view=views.provider, answer=answers.ProviderAnswer, sends=answers.DATED),
    Route("DELETE", _P, providers.delete, code=204),
    Route("GET", f"{_P}/inventories", inventories.index, view=views.all_inventories, answer=answers.InventoriesAnswer, sends=answers.DATED),
    Route("POST", f"{_P}/inventories", inventories.create, body=wire.NewInventory, view=views.added, answer=answers.InventoryAnswer, sends=answers.DATED | answers.PLACE, code=201),
    Route("PUT", f"{_P}/inventories", inventories.replace, body=wire.AllInventories, view=views.all_inventories, answer=answers.InventoriesAnswer, sends=answers.DATED),
    Route("DELETE", f"{_P}/inventories", inventories.clear, code=204, since=(1, 5)),
    Route("DELETE", f"{_P}/inventories", inventories.not_yet, until=(1, 4)),
    Route("GET", f"{_P}/inventories/{{name}}", inventories.show, view=views.inventory, answer=answers.InventoryAnswer, sends=answers.DATED),
    Route("PUT", f"{_P}/inventories/{{name}}", inventories.update, body=wire.OneInventory, view=views.inventory, answer=answers.InventoryAnswer, sends=answers.DATED),
    Route("DELETE", f"{_P}/inventories/{{name}}", inventories.delete, code=204),
    Route("GET", f"{_P}/aggregates", aggregates.index, view=views.provider_aggregates, answer=answers.AggregatesAnswer, sends=answers.DATED, since=(1, 1)),
    Route("PUT", f"{_P}/aggregates", aggregates.replace_bare, view=views.provider_aggregates, answer=answers.AggregatesAnswer, sends=answers.DATED, since=(1, 1), until=(1, 18)),
    Route("PUT", f"{_P}/aggregates", aggregates.replace, body=wire.Aggregates, view=views.provider_aggregates, answer=answers.AggregatesAnswer, sends=answers.DATED, since=(1, 19)),
    Route("GET", f"{_P}/traits", traits.of_provider, view=views.provider_traits, answer=answers.ProviderTraitsAnswer, sends=answers.DATED, since=(1, 6)),
    Route("PUT", f"{_P}/traits", traits.set_of_provider, body=wire.ProviderTraits, view=views.provider_traits, answer=answers.ProviderTraitsAnswer, sends=answers.DATED, since=(1, 6)),
    Route("DELETE", f"{_P}/traits", traits.clear_provider, code=204, since=(1, 6)),
    Route("GET", f"{_P}/usages", usages.of_provider, view=views.provider_usages, answer=answers.ProviderUsagesAnswer, sends=answers.DATED),
    Route("GET", f"{_P}/allocations", allocations.of_provider, view=views.provider_allocations, answer=answers.ProviderAllocationsAnswer, sends=answers.DATED),
    Route("GET", "/resource_classes", resource_classes.index, view=views.resource_classes, answer=answers.ResourceClassesAnswer, sends=answers.DATED, since=(1, 2)),
    Route("POST", "/resource_classes", resource_classes.create, body=wire.CreateClass, view=views.class_created, sends=answers.PLACE, code=201, since=(1, 2)),
    Route("GET", "/resource_classes/{name}", resource_classes.show, view=views.resource_class, answer=answers.ResourceClassAnswer, sends=answers.DATED, since=(1, 2)),
    Route("PUT", "/resource_classes/{name}", resource_classes.rename, body=wire.CreateClass, view=views.resource_class, answer=answers.ResourceClassAnswer, sends=answers.DATED, since=(1, 2), until=(1, 6)),
    Route("PUT", "/resource_classes/{name}", resource_classes.ensure, view=views.made("resource_classes"), sends=answers.DATED | answers.PLACE, code=201, codes=(204,), since=(1, 7)),
    Route("DELETE", "/resource_classes/{name}", resource_classes.delete, code=204, since=(1, 2)),
    Route("GET", "/traits", traits.index, view=views.all_traits, answer=answers.TraitsAnswer, sends=answers.DATED, query=wire.LIST_TRAITS, since=(1, 6)),
    Route("GET", "/traits/{name}", traits.show, view=views.known_trait, sends=answers.DATED, code=204, since=(1, 6)),
    Route("PUT", "/traits/{name}", traits.put, view=views.made("traits"), sends=answers.DATED | answers.PLACE, code=201, codes=(204,), since=(1, 6)),
    Route("DELETE", "/traits/{name}", traits.delete, code=204, since=(1, 6)),
    Route("GET", "/allocations/{uuid}", allocations.index, view=views.consumer_allocations, answer=answers.ConsumerAllocationsAnswer, sends=answers.DATED),
    Route("PUT", "/allocations/{uuid}", allocations.put_listed, body=wire.ListedAllocations, code=204, until=(1, 11)),
    Route("PUT", "/allocations/{uuid}", allocations.put, body=wire.Allocations, code=204, since=(1, 12)),
    Route("POST", "/allocations", allocations.post, body=wire.ManyAllocations, code=204, since=(1, 13)),
    Route("DELETE", "/allocations/{uuid}", allocations.delete, code=204),
    Route("GET", "/allocation_candidates", candidates.index, view=views.allocation_candidates, answer=answers.CandidatesAnswer, sends=answers.DATED, query=wire.CANDIDATES, since=(1, 10)),
    Route("GET", "/usages", usages.total, view=views.total_usages, answer=answers.UsagesAnswer, sends=answers.DATED, query=wire.USAGES, since=(1, 9)),
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
