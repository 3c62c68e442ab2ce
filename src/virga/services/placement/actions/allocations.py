# SPDX-License-Identifier: Apache-2.0
"""Who uses how much. Every change goes through `assign`: it gives back what a consumer had, takes what it shall have, and each taking
is a compare-and-set on the inventory's own row, so that nothing is given twice whoever asks at the same moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from virga.authority.rules import allow
from virga.ground import wire as shapes
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.placement import groups, model, policy, store, wire
from virga.services.placement.actions import inventories, providers

Amounts = Mapping[str, Mapping[str, int]]
"""provider → resource class → amount"""
Held = tuple[model.Consumer | None, list[model.Allocation]]


def index(act: Act, id: str) -> tuple[Held, dict[str, int]]:
    """GET /allocations/{consumer}: what it uses, and the generations of the providers."""
    allow(act, policy.SHOW_ALLOCATIONS)
    consumer = store.CONSUMERS.get(act.tx, _consumer_id(id))
    rows = store.ALLOCATIONS.every(act.tx, ("provider_id", "resource_class"), consumer_id=_consumer_id(id))
    found = store.PROVIDERS.within(act.tx, "id", {row.provider_id for row in rows})
    return (consumer, rows), {row.id: row.generation for row in found}


def of_provider(act: Act, id: str) -> tuple[model.Provider, list[model.Allocation], dict[str, int]]:
    """GET /resource_providers/{uuid}/allocations, and the generations of the consumers."""
    allow(act, policy.PROVIDER_ALLOCATIONS)
    provider = providers.found(act, id)
    rows = store.ALLOCATIONS.every(act.tx, ("consumer_id", "resource_class"), provider_id=provider.id)
    found = store.CONSUMERS.within(act.tx, "id", {row.consumer_id for row in rows})
    return provider, rows, {row.id: row.generation for row in found}


def put(call: Call, id: str, body: wire.Allocations) -> None:
    """PUT /allocations/{consumer} (1.12). Raises Invalid."""
    allow(call, policy.UPDATE_ALLOCATIONS)
    if not body.allocations and call.version < (1, 28):
        raise Invalid("JSON does not validate: {} does not have enough properties", field="allocations")
    set_for(call, _consumer_id(id), body)


def put_listed(call: Call, id: str, body: wire.ListedAllocations) -> None:
    """PUT /allocations/{consumer} before 1.12: a list of providers; who owns it is not told before 1.8.
    Raises Invalid."""
    allow(call, policy.UPDATE_ALLOCATIONS)
    given = isinstance(body.project_id, str), isinstance(body.user_id, str)
    if call.version >= (1, 8) and not all(given):
        missing = "user_id" if given[0] else "project_id"
        raise Invalid(f"JSON does not validate: '{missing}' is a required property", field=missing)
    amounts: dict[str, dict[str, int]] = {}
    for each in body.allocations:
        amounts[groups.plain(each.resource_provider.uuid)] = dict(each.resources)
    assign(
        call.tx,
        call.now(),
        _consumer_id(id),
        amounts,
        project_id=str(body.project_id) if given[0] else NOBODY,
        user_id=str(body.user_id) if given[1] else NOBODY,
        kind=None,
    )


NOBODY = "00000000-0000-0000-0000-000000000000"
"""Whose an allocation is that was made before 1.8, as placement writes it."""


def post(call: Call, body: wire.ManyAllocations) -> None:
    """POST /allocations (1.13): many consumers, all or none. Raises Invalid."""
    allow(call, policy.MANAGE_ALLOCATIONS)
    if not body.extra:
        raise Invalid("JSON does not validate: {} does not have enough properties", field="body")
    if len(body.extra) > wire.MOST_CONSUMERS:
        raise Invalid(f"{len(body.extra)} consumers, at most {wire.MOST_CONSUMERS} are taken", field="body")
    requested: dict[str, wire.Allocations] = {}
    for id, each in body.extra.items():
        if not groups.is_uuid(id):
            raise Invalid(f"JSON does not validate: '{id[:80]}' is not a 'uuid'", field="body")
        read = shapes.decode(wire.Allocations, msgspec.json.encode(each), call.version)
        assert isinstance(read, wire.Allocations)
        requested[groups.plain(id)] = read
    # Those that give back come first: one request may move an allocation from one consumer to another.
    counted: set[str] = set()
    for id, one in sorted(requested.items(), key=lambda item: (bool(item[1].allocations), item[0])):
        set_for(call, id, one, counted)


def set_for(
    call: Call, id: str, body: wire.Allocations, counted: set[str] | None = None, *, checked: bool = False
) -> None:
    """What a decoded body asks for one consumer. `checked`: the caller has compared the consumer's generation, before it wrote."""
    amounts = {groups.plain(p): dict(part.resources) for p, part in body.allocations.items()}
    if call.version >= (1, 28) and not checked:
        _same(call, id, body.consumer_generation)
    assign(
        call.tx,
        call.now(),
        id,
        amounts,
        project_id=body.project_id,
        user_id=body.user_id,
        kind=_kind(call, body),
        counted=counted,
    )


def _kind(call: Call, body: wire.Allocations) -> str | None:
    """The type of the consumer that a body names; None before 1.38. Raises Invalid where it must and does not."""
    if call.version < (1, 38):
        return None
    if body.consumer_type is UNSET:
        raise Invalid("JSON does not validate: 'consumer_type' is a required property", field="consumer_type")
    return str(body.consumer_type)


def _same(act: Act, id: str, generation: object) -> None:
    """The consumer's generation must be what the caller believes; null: there is no such consumer."""
    if generation is UNSET:
        raise Invalid(
            "JSON does not validate: 'consumer_generation' is a required property", field="consumer_generation"
        )
    now = store.CONSUMERS.get(act.tx, id)
    actual = now.generation if now is not None else None
    if actual != generation:
        raise Conflict(
            f"consumer generation conflict - expected {'null' if actual is None else actual} but got "
            f"{'null' if generation is None else generation}",
            code="placement.concurrent_update",
        )


def delete(act: Act, id: str) -> None:
    """DELETE /allocations/{consumer}. Raises NotFound."""
    allow(act, policy.DELETE_ALLOCATIONS)
    if not release(act.tx, _consumer_id(id)):
        raise NotFound(f"No allocations for consumer '{id[:64]}'")


def release(tx: Tx, id: str) -> bool:
    """A consumer uses nothing any more, and is forgotten; says whether it used something. No change of a provider is counted: more room
    makes nobody's decision wrong (as upstream counts)."""
    rows = _held(tx, id)
    _give_back(tx, rows)
    store.CONSUMERS.delete(tx, store.c.id == id)
    return bool(rows)


def _held(tx: Tx, id: str) -> list[model.Allocation]:
    return store.ALLOCATIONS.every(tx, ("provider_id", "resource_class"), consumer_id=id)


def _touch(
    tx: Tx,
    now: float,
    providers: Iterable[str],
    known: Mapping[str, int] | None = None,
    counted: set[str] | None = None,
) -> None:
    """Count a change of each provider, before anything of it is written and in one order, so that two requests never wait for each
    other. `known`: the generations that they must still have; raises Raced where one has not. `counted`: those of which this request
    has counted a change already, and which it goes on to collect: one request is one change."""
    done = counted if counted is not None else set()
    for provider in sorted(set(providers) - done):
        if not store.touch(tx, provider, now, None if known is None else known.get(provider)) and known is not None:
            raise Raced(
                f"resource provider generation conflict: provider {provider} has been changed by another request",
                code="placement.concurrent_update",
            )
        done.add(provider)


class Raced(Conflict):
    """A provider has been changed since it was looked at; nothing has been taken, look again."""


def _give_back(tx: Tx, rows: list[model.Allocation]) -> None:
    for row in rows:
        store.take(tx, row.provider_id, row.resource_class, -row.used)
        store.ALLOCATIONS.delete(
            tx,
            store.a.consumer_id == row.consumer_id,
            store.a.provider_id == row.provider_id,
            store.a.resource_class == row.resource_class,
        )


def assign(
    tx: Tx,
    now: float,
    id: str,
    amounts: Amounts,
    *,
    project_id: str,
    user_id: str,
    kind: str | None,
    even_if_full: bool = False,
    known: Mapping[str, int] | None = None,
    counted: set[str] | None = None,
) -> None:
    """A consumer uses exactly `amounts` from now on (`even_if_full`: it does already, whatever there is). `known`: the generations that
    the providers must still have; `counted`: providers of which the request has counted a change (both as `_touch` says).
    Raises Invalid for a provider or class that there is not; Raced when a provider has another generation, and then nothing has
    changed; Conflict for what there is not enough of, and then the transaction must not be committed."""
    tx.hold(f"consumer:{id}")
    held = _held(tx, id)
    _touch(tx, now, amounts, known, counted)
    _give_back(tx, held)
    if not any(amounts.values()):
        store.CONSUMERS.delete(tx, store.c.id == id)
        return
    if known is None:  # else they were there when they were counted
        absent = sorted(set(amounts) - set(store.providers(tx, amounts)))
        if absent:
            raise Invalid(f"Allocation for resource provider '{absent[0]}' that does not exist.", field="allocations")
    classes = {name for part in amounts.values() for name in part}
    own = classes - set(model.standard_classes())
    unknown = own - {row.name for row in store.CLASSES.within(tx, "name", own)}
    if unknown:
        raise Invalid(
            f"Unable to allocate inventory for consumer {id}: No such resource class {min(unknown)[:80]}.",
            field="allocations",
        )
    for provider in sorted(amounts):
        for name, amount in sorted(amounts[provider].items()):
            if even_if_full:
                store.take(tx, provider, name, amount, even_if_full=True)
            else:
                _take(tx, provider, name, amount, looked_at=known is not None)
            store.ALLOCATIONS.insert(
                tx, consumer_id=id, provider_id=provider, resource_class=name, used=amount, created=now
            )
    consumer = store.CONSUMERS.get(tx, id)
    if consumer is None:
        store.CONSUMERS.insert(
            tx, id=id, project_id=project_id, user_id=user_id, generation=1, type=kind, created=now, updated=now
        )
    else:
        store.CONSUMERS.put(
            tx,
            id,
            project_id=project_id,
            user_id=user_id,
            generation=consumer.generation + 1,
            type=kind if kind is not None else consumer.type,
            updated=now,
        )


def _take(tx: Tx, provider: str, name: str, amount: int, *, looked_at: bool) -> None:
    """Raises Conflict for what the provider does not give. `looked_at`: the inventory is known as it is, by its provider's generation; what
    is left of it is asked all the same."""
    if looked_at and store.take(tx, provider, name, amount):
        return
    inventory = store.INVENTORIES.by(tx, provider_id=provider, resource_class=name)
    if inventory is None:
        raise Conflict(
            f"Unable to allocate inventory: Inventory for '{name}' on resource provider '{provider}' does not exist."
        )
    why = inventory.refuses(amount)
    if why is None and not store.take(tx, provider, name, amount):
        why = "another request has just taken it"
    if why is not None:
        raise Conflict(
            f"Unable to allocate inventory: Unable to create allocation for '{name}' on resource provider "
            f"'{provider}'. The requested amount would exceed the capacity or violate its constraints: {why}.",
        )


def _consumer_id(id: str) -> str:
    if not groups.is_uuid(id):
        raise Invalid(f"Malformed consumer_uuid: {id[:64]}", field="consumer_uuid")
    return groups.plain(id)


def reshape(call: Call, body: wire.Reshape) -> None:
    """POST /reshaper (1.30): inventories and allocations of several providers change at once; what is used moves along.
    Raises Invalid, Conflict."""
    allow(call, policy.RESHAPE)
    consumers = {groups.plain(id): each for id, each in body.allocations.items()}
    for id, each in sorted(consumers.items()):
        _kind(call, each)
        _same(call, id, each.consumer_generation)
    now = call.now()
    known = {row.id: row for row in store.PROVIDERS.within(call.tx, "id", map(groups.plain, body.inventories))}
    for given, wanted in sorted(body.inventories.items()):
        provider = known.get(groups.plain(given))
        if provider is None:
            raise Invalid(
                f"Resource provider {given} in inventories not found: No resource provider with uuid {given} found",
                field="inventories",
                code="placement.resource_provider.not_found",
            )
        if wanted.resource_provider_generation != provider.generation:
            raise Conflict(
                f"resource provider generation conflict: actual: {provider.generation}, "
                f"given: {wanted.resource_provider_generation}",
                code="placement.concurrent_update",
            )
    counted: set[str] = set()
    held = [row for id in sorted(consumers) for row in _held(call.tx, id)]
    _touch(call.tx, now, known)
    _touch(call.tx, now, {row.provider_id for row in held}, counted=counted)
    _give_back(call.tx, held)
    for given, wanted in sorted(body.inventories.items()):
        provider = known[groups.plain(given)]
        inventories.set_all(call, provider, wanted.inventories)
        if wanted.inventories:  # upstream writes these twice, once with what still goes, and counts both
            store.touch(call.tx, provider.id, now)
    for id, each in sorted(consumers.items(), key=lambda item: (bool(item[1].allocations), item[0])):
        set_for(call, id, each, counted, checked=True)
