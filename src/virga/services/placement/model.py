# SPDX-License-Identifier: Apache-2.0
"""Placement's rows, and the names it knows (Placement API 1.39)."""

from __future__ import annotations

import functools
import re

from virga.ground.db.rows import Row

SHARES = "MISC_SHARES_VIA_AGGREGATE"
"""The trait of a provider whose inventory is there for every tree that is in an aggregate with it."""
CUSTOM = re.compile(r"CUSTOM_[A-Z0-9_]{1,248}")
NO_TYPE = "unknown"
"""The type that a consumer has when nobody said one (1.38)."""


class Provider(Row, frozen=True):
    """Something that has inventory: a host, a NUMA node of it, a pool of storage. `generation` counts its changes."""

    id: str
    name: str
    generation: int
    root_id: str
    parent_id: str | None
    created: float
    updated: float


class Inventory(Row, frozen=True):
    """How much of a resource class a provider has. `used` is the sum of its allocations, kept in their own transactions; `free` is
    capacity less `used`, and negative where an inventory was cut below its use."""

    provider_id: str
    resource_class: str
    total: int
    reserved: int
    min_unit: int
    max_unit: int
    step_size: int
    allocation_ratio: float
    used: int
    free: int
    updated: float

    @property
    def capacity(self) -> int:
        return capacity(self.total, self.reserved, self.allocation_ratio)

    def refuses(self, amount: int) -> str | None:
        """Why `amount` more cannot be had here; None when it can."""
        if amount < self.min_unit:
            return f"{amount} is less than the least amount {self.min_unit}"
        if amount > self.max_unit:
            return f"{amount} is more than the greatest amount {self.max_unit}"
        if amount % self.step_size:
            return f"{amount} is no multiple of {self.step_size}"
        if amount > self.free:
            return f"{amount} needed, {self.free} free of {self.capacity}"
        return None


class Consumer(Row, frozen=True):
    """Who uses: a server, a volume. `generation` counts the changes of its allocations."""

    id: str
    project_id: str
    user_id: str
    generation: int
    type: str | None
    created: float
    updated: float


class Allocation(Row, frozen=True):
    """How much of a resource class of a provider a consumer uses."""

    consumer_id: str
    provider_id: str
    resource_class: str
    used: int
    created: float


class CustomClass(Row, frozen=True):
    """A resource class that somebody made."""

    name: str
    created: float


class CustomTrait(Row, frozen=True):
    """A trait that somebody made."""

    name: str
    created: float


class ProviderTrait(Row, frozen=True):
    provider_id: str
    trait: str


class ProviderAggregate(Row, frozen=True):
    provider_id: str
    aggregate_id: str


def capacity(total: int, reserved: int, ratio: float) -> int:
    """What may be allocated of an inventory (Placement API, "Resource provider inventories")."""
    return int((total - reserved) * ratio)


@functools.cache
def standard_classes() -> tuple[str, ...]:
    """The resource classes that every placement has. Imported when first asked: start-up does not need them."""
    import os_resource_classes

    return tuple(os_resource_classes.STANDARDS)


@functools.cache
def standard_traits() -> frozenset[str]:
    """The traits that every placement has."""
    import os_traits

    return frozenset(os_traits.get_traits())
