# SPDX-License-Identifier: Apache-2.0
"""What placement answers, as shapes: which field is there since and until which microversion is said here (Placement API 1.0 to
1.39)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from virga.ground.wire import UNSET, Shape, UnsetType, named, since, until, varies

DATED: dict[str, Any] = {"last-modified": Annotated[str, since(1, 15)], "cache-control": Annotated[str, since(1, 15)]}
"""The time of the last change, and the word that the answer must not be kept."""
PLACE: dict[str, Any] = {"location": str}
RELS = {"aggregates": since(1, 1), "traits": since(1, 6), "allocations": since(1, 11)}
"""What a provider has links to, beside inventories and usages."""
WHOLE_TREES = since(1, 27)
"""Summaries tell of all providers of a tree, and of all that each of them has."""


class Link(Shape):
    rel: str
    href: str


class ApiVersion(Shape):
    id: str
    min_version: str
    max_version: str
    status: str
    links: list[Link]


class VersionsAnswer(Shape):
    versions: list[ApiVersion]


class ProviderAnswer(Shape):
    uuid: str
    name: str
    generation: int
    links: Annotated[list[Link], varies(tuple(RELS.values()))]
    parent_provider_uuid: Annotated[str | None, since(1, 14)]
    root_provider_uuid: Annotated[str, since(1, 14)]


class ProvidersAnswer(Shape):
    resource_providers: list[ProviderAnswer]


class Inventory(Shape):
    total: int
    reserved: int
    min_unit: int
    max_unit: int
    step_size: int
    allocation_ratio: float


class InventoryAnswer(Inventory, kw_only=True):
    resource_provider_generation: int


class InventoriesAnswer(Shape):
    resource_provider_generation: int
    inventories: dict[str, Inventory]


class ProviderTraitsAnswer(Shape):
    resource_provider_generation: int
    traits: list[str]


class TraitsAnswer(Shape):
    traits: list[str]


class AggregatesAnswer(Shape):
    aggregates: list[str]
    resource_provider_generation: Annotated[int, since(1, 19)]


class ResourceClassAnswer(Shape):
    name: str
    links: list[Link]


class ResourceClassesAnswer(Shape):
    resource_classes: list[ResourceClassAnswer]


class ProviderPart(Shape):
    """What a consumer uses of one provider."""

    generation: int
    resources: dict[str, int]


class ConsumerAllocationsAnswer(Shape):
    """Of whom the consumer is, only where it uses something."""

    allocations: dict[str, ProviderPart]
    project_id: Annotated[str | UnsetType, since(1, 12)] = UNSET
    user_id: Annotated[str | UnsetType, since(1, 12)] = UNSET
    consumer_generation: Annotated[int | UnsetType, since(1, 28)] = UNSET
    consumer_type: Annotated[str | UnsetType, since(1, 38)] = UNSET


class ConsumerPart(Shape):
    """What one consumer uses of a provider."""

    resources: dict[str, int]
    consumer_generation: Annotated[int, since(1, 28)]


class ProviderAllocationsAnswer(Shape):
    allocations: dict[str, ConsumerPart]
    resource_provider_generation: int


class ProviderUsagesAnswer(Shape):
    resource_provider_generation: int
    usages: dict[str, int]


class UsagesAnswer(Shape):
    """Until 1.37 by class; since then by type of consumer, each with `consumer_count`."""

    usages: Annotated[dict[str, int], until(1, 37)]
    usages_by_type: Annotated[dict[str, dict[str, int]], named("usages"), since(1, 38)]


class Named(Shape):
    uuid: str


class ListedPart(Shape):
    resource_provider: Named
    resources: Mapping[str, int]


class Part(Shape):
    resources: Mapping[str, int]


class AllocationRequest(Shape):
    listed: Annotated[list[ListedPart], named("allocations"), until(1, 11)]
    allocations: Annotated[dict[str, Part], since(1, 12)]
    mappings: Annotated[dict[str, list[str]], since(1, 34)]


class Amount(Shape):
    capacity: int
    used: int


class Summary(Shape):
    resources: dict[str, Amount]
    traits: Annotated[list[str], since(1, 17)]
    parent_provider_uuid: Annotated[str | None, since(1, 29)]
    root_provider_uuid: Annotated[str, since(1, 29)]


class CandidatesAnswer(Shape):
    allocation_requests: list[AllocationRequest]
    provider_summaries: Annotated[dict[str, Summary], varies((WHOLE_TREES,))]
