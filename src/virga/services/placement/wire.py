# SPDX-License-Identifier: Apache-2.0
"""Placement's shapes on the wire (Placement API 1.0 to 1.39)."""

from __future__ import annotations

from typing import Annotated

from virga.ground.wire import UNSET, Meta, Open, Query, UnsetType, Wire, refers, since, times

UUID = "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$"
Uuid = Annotated[str, Meta(pattern=UUID)]
ProviderId = Annotated[str, Meta(pattern=UUID), refers("resource provider", may="placement:resource_providers:show")]
ProviderName = Annotated[str, Meta(min_length=1, max_length=200)]
ClassName = Annotated[str, Meta(max_length=255, pattern=r"^[A-Z0-9_]+$")]
CustomClass = Annotated[str, Meta(max_length=255, pattern=r"^CUSTOM_[A-Z0-9_]+$")]
Trait = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[A-Z0-9_]+$")]
Generation = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Amount = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Owner = Annotated[str, Meta(min_length=1, max_length=255)]
ConsumerType = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[A-Z0-9_]+$")]
MOST_PROVIDERS, MOST_CLASSES, MOST_CONSUMERS, MOST_AGGREGATES = 256, 64, 64, 256


class CreateProvider(Wire):
    name: ProviderName
    uuid: Uuid | UnsetType = UNSET
    parent_provider_uuid: Annotated[ProviderId | UnsetType | None, since(1, 14)] = UNSET


class UpdateProvider(Wire):
    name: ProviderName
    parent_provider_uuid: Annotated[ProviderId | UnsetType | None, since(1, 14)] = UNSET


class Inventory(Wire):
    """How much there is of one class; units are the class's own (MiB for MEMORY_MB, GiB for DISK_GB)."""

    total: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    reserved: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    min_unit: Amount = 1
    max_unit: Amount = 2**31 - 1
    step_size: Amount = 1
    allocation_ratio: Annotated[float, Meta(ge=0, le=3.40282e38)] = 1.0


class OneInventory(Inventory, kw_only=True):
    """PUT of one inventory."""

    resource_provider_generation: Generation


class NewInventory(Inventory, kw_only=True):
    """POST of one inventory, which names its class."""

    resource_class: ClassName
    resource_provider_generation: Generation | UnsetType = UNSET


Inventories = Annotated[dict[ClassName, Inventory], Meta(max_length=MOST_CLASSES)]


class AllInventories(Wire):
    resource_provider_generation: Generation
    inventories: Inventories


class Aggregates(Wire):
    """From 1.19; before, the body is the bare list."""

    aggregates: Annotated[list[Uuid], Meta(max_length=MOST_AGGREGATES)]
    resource_provider_generation: Generation


class ProviderTraits(Wire):
    resource_provider_generation: Generation
    traits: Annotated[list[Trait], Meta(max_length=MOST_PROVIDERS)]


class CreateClass(Wire):
    name: CustomClass


Amounts = Annotated[dict[ClassName, Amount], Meta(min_length=1, max_length=MOST_CLASSES)]


class Named(Wire):
    uuid: ProviderId


class ListedAllocation(Wire):
    """One provider's part, before 1.12."""

    resource_provider: Named
    resources: Amounts


class ListedAllocations(Wire):
    """PUT /allocations/{consumer} before 1.12."""

    allocations: Annotated[list[ListedAllocation], Meta(min_length=1, max_length=MOST_PROVIDERS)]
    project_id: Annotated[Owner | UnsetType, since(1, 8)] = UNSET
    user_id: Annotated[Owner | UnsetType, since(1, 8)] = UNSET


class Part(Wire):
    """One provider's part; what an answer of GET says of the provider's generation is taken and not looked at."""

    resources: Amounts
    generation: Annotated[Generation | UnsetType, since(1, 12)] = UNSET


Parts = Annotated[dict[ProviderId, Part], Meta(max_length=MOST_PROVIDERS)]
Mappings = Annotated[
    dict[
        Annotated[str, Meta(max_length=64)], Annotated[list[ProviderId], Meta(min_length=1, max_length=MOST_PROVIDERS)]
    ],
    Meta(min_length=1, max_length=MOST_CLASSES),
]


class Allocations(Wire):
    """What a consumer uses (PUT from 1.12; one entry of POST). Empty from 1.28: it uses nothing any more."""

    allocations: Parts
    project_id: Owner
    user_id: Owner
    consumer_generation: Annotated[Generation | UnsetType | None, since(1, 28)] = UNSET
    consumer_type: Annotated[ConsumerType | UnsetType, since(1, 38)] = UNSET
    mappings: Annotated[Mappings | UnsetType, since(1, 34)] = UNSET


class ManyAllocations(Open):
    """POST /allocations: consumer → what it uses, read one by one by `actions.allocations`."""


class Reshape(Wire):
    inventories: Annotated[dict[ProviderId, AllInventories], Meta(max_length=MOST_PROVIDERS)]
    allocations: Annotated[dict[Uuid, Allocations], Meta(max_length=MOST_PROVIDERS)]


Text = Annotated[str, Meta(max_length=4000)]
Once = Annotated[str, Meta(max_length=4000), times(1)]
Id = Annotated[str, Meta(max_length=64), times(1)]
LIST_PROVIDERS: Query = {
    "name": Annotated[str, Meta(max_length=200), times(1)],
    "uuid": Id,
    "member_of": Text,
    "resources": Once,
    "in_tree": Id,
    "required": Text,
}
LIST_TRAITS: Query = {"name": Once, "associated": Annotated[str, Meta(max_length=8), times(1)]}
USAGES: Query = {"project_id": Annotated[str, Meta(max_length=255), times(1)], "user_id": Once, "consumer_type": Once}
CANDIDATES: Query = {"*": Text}
