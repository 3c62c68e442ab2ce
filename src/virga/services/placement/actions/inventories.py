# SPDX-License-Identifier: Apache-2.0
"""How much there is: the inventories of a provider."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid, MethodNotAllowed, NotFound
from virga.ground.http.call import Call
from virga.services.placement import model, policy, store, wire
from virga.services.placement.actions import providers

Held = tuple[model.Provider, list[model.Inventory]]


def of(act: Act, provider: model.Provider) -> list[model.Inventory]:
    return store.INVENTORIES.every(act.tx, ("resource_class",), provider_id=provider.id)


def index(act: Act, id: str) -> Held:
    """GET /resource_providers/{uuid}/inventories"""
    allow(act, policy.LIST_INVENTORIES)
    provider = providers.found(act, id)
    return provider, of(act, provider)


def show(act: Act, id: str, name: str) -> tuple[model.Provider, model.Inventory]:
    """GET /resource_providers/{uuid}/inventories/{class}. Raises NotFound."""
    allow(act, policy.SHOW_INVENTORY)
    provider = providers.found(act, id)
    row = store.INVENTORIES.by(act.tx, provider_id=provider.id, resource_class=name)
    if row is None:
        raise NotFound(f"No inventory of class {name[:64]} for {provider.id}")
    return provider, row


def create(call: Call, id: str, body: wire.NewInventory) -> tuple[model.Provider, model.Inventory]:
    """POST /resource_providers/{uuid}/inventories: one more class. Raises Conflict."""
    allow(call, policy.CREATE_INVENTORY)
    provider = providers.found(call, id)
    _known(call, [body.resource_class])
    if store.INVENTORIES.by(call.tx, provider_id=provider.id, resource_class=body.resource_class) is not None:
        raise Conflict(
            f"Update conflict: Inventory of {body.resource_class} exists already on resource provider {provider.id}."
        )
    generation = body.resource_provider_generation
    provider = providers.changed(call, provider, generation if isinstance(generation, int) else None)
    return provider, write(call, provider, body.resource_class, body)


def replace(call: Call, id: str, body: wire.AllInventories) -> Held:
    """PUT /resource_providers/{uuid}/inventories: these, and no others."""
    allow(call, policy.UPDATE_INVENTORY)
    provider = providers.changed(call, providers.found(call, id), body.resource_provider_generation)
    set_all(call, provider, body.inventories)
    return provider, of(call, provider)


def update(call: Call, id: str, name: str, body: wire.OneInventory) -> tuple[model.Provider, model.Inventory]:
    """PUT /resource_providers/{uuid}/inventories/{class}. Raises Invalid."""
    allow(call, policy.UPDATE_INVENTORY)
    provider = providers.found(call, id)
    if store.INVENTORIES.by(call.tx, provider_id=provider.id, resource_class=name) is None:
        raise Invalid(f"No inventory record with resource class {name[:64]} for {provider.id}", field=name[:64])
    provider = providers.changed(call, provider, body.resource_provider_generation)
    return provider, write(call, provider, name, body)


def delete(act: Act, id: str, name: str) -> None:
    """DELETE /resource_providers/{uuid}/inventories/{class}: not while some of it is used."""
    allow(act, policy.DELETE_INVENTORY)
    provider, _ = _there(act, id, name)
    _unused(act, provider, {name})
    providers.changed(act, provider)
    store.INVENTORIES.delete(act.tx, store.i.provider_id == provider.id, store.i.resource_class == name)


def _there(act: Act, id: str, name: str) -> tuple[model.Provider, model.Inventory]:
    provider = providers.found(act, id)
    row = store.INVENTORIES.by(act.tx, provider_id=provider.id, resource_class=name)
    if row is None:
        raise NotFound(f"No inventory of class {name[:64]} found for delete")
    return provider, row


def not_yet(act: Act, id: str) -> None:
    """DELETE /resource_providers/{uuid}/inventories before 1.5: the path is there, the method is not.
    Raises MethodNotAllowed."""
    allow(act, policy.DELETE_INVENTORY)
    raise MethodNotAllowed("The method DELETE is not allowed for this resource.", allow="GET, POST, PUT")


def clear(act: Act, id: str) -> None:
    """DELETE /resource_providers/{uuid}/inventories (1.5)"""
    allow(act, policy.DELETE_INVENTORY)
    provider = providers.found(act, id)
    _unused(act, provider, {row.resource_class for row in of(act, provider)})
    providers.changed(act, provider)
    store.INVENTORIES.delete(act.tx, store.i.provider_id == provider.id)


def set_all(call: Call, provider: model.Provider, inventories: Mapping[str, wire.Inventory]) -> None:
    """Make a provider's inventories these. Raises Conflict for one that is used and would go."""
    _known(call, list(inventories))
    gone = {row.resource_class for row in of(call, provider)} - set(inventories)
    _unused(call, provider, gone)
    for name in sorted(gone):
        store.INVENTORIES.delete(call.tx, store.i.provider_id == provider.id, store.i.resource_class == name)
    for name, each in sorted(inventories.items()):
        write(call, provider, name, each)


def write(call: Call, provider: model.Provider, name: str, body: wire.Inventory) -> model.Inventory:
    """Insert or change one inventory; what is used of it stays. Raises Invalid for an inventory of nothing."""
    over = body.reserved >= body.total if call.version < (1, 26) else body.reserved > body.total
    if over:
        raise Invalid(
            f"Unable to {'create' if call.request.method == 'POST' else 'update'} inventory for resource provider "
            f"{provider.id}: Invalid inventory for '{name}'. "
            f"The reserved value is greater than {'or equal to ' if call.version < (1, 26) else ''}total.",
            field="reserved",
        )
    old = store.INVENTORIES.by(call.tx, provider_id=provider.id, resource_class=name)
    used = (
        old.used
        if old is not None
        else store.ALLOCATIONS.total(
            call.tx, "used", store.a.provider_id == provider.id, store.a.resource_class == name
        )
    )
    values = {
        "total": body.total,
        "reserved": body.reserved,
        "min_unit": body.min_unit,
        "max_unit": body.max_unit,
        "step_size": body.step_size,
        "allocation_ratio": body.allocation_ratio,
        "updated": call.now(),
    }
    have = model.capacity(body.total, body.reserved, body.allocation_ratio)
    if old is None:
        return store.INVENTORIES.insert(
            call.tx, provider_id=provider.id, resource_class=name, **values, used=used, free=have - used
        )
    where = (store.i.provider_id == provider.id, store.i.resource_class == name)
    store.INVENTORIES.change(call.tx, *where, **values, free=have - store.i.used)
    row = store.INVENTORIES.by(call.tx, provider_id=provider.id, resource_class=name)
    assert row is not None
    return row


def _known(act: Act, names: list[str]) -> None:
    own = set(names) - set(model.standard_classes())
    there = {row.name for row in store.CLASSES.within(act.tx, "name", own)}
    if own - there:
        raise Invalid(
            f"Unknown resource class in inventory: No such resource class {', '.join(sorted(own - there))[:200]}.",
            field="inventories",
        )


@functools.cache
def _order() -> dict[str, int]:
    return {name: n for n, name in enumerate(model.standard_classes())}


def _unused(act: Act, provider: model.Provider, names: set[str]) -> None:
    users = [row for row in store.ALLOCATIONS.every(act.tx, provider_id=provider.id) if row.resource_class in names]
    if users:
        held = {row.resource_class for row in users}
        classes = ", ".join(sorted(held, key=lambda name: _order().get(name, len(_order()))))
        raise Conflict(
            f"Inventory for '{classes}' on resource provider '{provider.id}' in use.",
            code="placement.inventory.inuse",
            blocking=sorted({row.consumer_id for row in users})[:20],
        )
