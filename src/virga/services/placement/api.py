# SPDX-License-Identifier: Apache-2.0
"""Placement's API inside the program: what compute asks when it has a host, places a machine, and when a machine is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from virga.ground.db.engine import Tx
from virga.services.placement import candidates, model, store
from virga.services.placement.actions import allocations
from virga.services.placement.groups import Group, Request
from virga.services.placement.model import Inventory

__all__ = ["DISK_GB", "MEMORY_MB", "VCPU", "Group", "HostInventory", "Inventory", "Offer", "Raced", "Request"]

VCPU, MEMORY_MB, DISK_GB = "VCPU", "MEMORY_MB", "DISK_GB"
release = allocations.release
Raced = allocations.Raced


@dataclass(frozen=True)
class HostInventory:
    """What a host has of a resource class: MEMORY_MB in MiB, DISK_GB in GiB."""

    total: int
    reserved: int = 0
    ratio: float = 1.0
    max_unit: int | None = None
    """The most that one machine may have; None: all that may be allocated."""


@dataclass(frozen=True)
class Offer:
    """A way in which a host gives what was asked for. `amounts`: provider → resource class → amount (a host may have providers below
    it, and others share theirs with it); `generations`: those of these providers when they were looked at; `inventories`: the host's
    own, by class."""

    host: str
    amounts: Mapping[str, Mapping[str, int]]
    generations: Mapping[str, int]
    inventories: Mapping[str, Inventory]


def offers(tx: Tx, request: Request, lot: int) -> Iterator[Offer]:
    """The hosts that can give what `request` asks, those with the most memory free first; found in the database `lot` at a time, and
    no further than they are taken."""
    wanted = candidates.flat(tx, request)
    if wanted is not None:
        for ids in candidates.lots(tx, wanted, lot):
            providers, held = store.providers(tx, ids), store.inventories_of(tx, ids)
            for id in ids:
                yield Offer(id, {id: wanted.amounts}, {id: providers[id].generation}, held[id])
        return
    for tree, candidate in candidates.walk(tx, request, lot=lot):
        generations = {row.id: row.generation for row in tree.providers if row.id in candidate.allocations}
        yield Offer(tree.root, candidate.allocations, generations, tree.inventories.get(tree.root, {}))


def accept(tx: Tx, now: float, machine: str, offer: Offer, *, project_id: str, user_id: str) -> None:
    """A machine uses what was offered from now on, and nothing else: by compare-and-set on the providers' generations. Raises Raced when
    one has been changed since the offer was made; nothing is taken then, and another offer may be accepted in the same transaction."""
    allocations.assign(
        tx,
        now,
        machine,
        offer.amounts,
        project_id=project_id,
        user_id=user_id,
        kind="INSTANCE",
        known=offer.generations,
    )


def inventories(tx: Tx, hosts: Iterable[str]) -> dict[str, dict[str, Inventory]]:
    """host → resource class → what it has."""
    return store.inventories_of(tx, hosts)


def traits(tx: Tx, hosts: Iterable[str]) -> dict[str, set[str]]:
    """host → its traits."""
    return store.traits_of(tx, hosts)


def mark(tx: Tx, now: float, host: str, trait: str, on: bool) -> None:
    """A host has a (standard) trait from now on, or has it no more. Counted as a change of the host when it is one."""
    where = (store.t.provider_id == host, store.t.trait == trait)
    has = store.PROVIDER_TRAITS.one(tx, *where) is not None
    if has == on or store.PROVIDERS.get(tx, host) is None:
        return
    if on:
        store.PROVIDER_TRAITS.insert(tx, provider_id=host, trait=trait)
    else:
        store.PROVIDER_TRAITS.delete(tx, *where)
    store.touch(tx, host, now)


def join(tx: Tx, host: str, aggregate: str) -> None:
    """A host is in an aggregate from now on; nothing is written if it is already."""
    if store.PROVIDER_AGGREGATES.by(tx, provider_id=host, aggregate_id=aggregate) is None:
        store.PROVIDER_AGGREGATES.insert(tx, provider_id=host, aggregate_id=aggregate)


def leave(tx: Tx, host: str, aggregate: str) -> None:
    """A host is in an aggregate no more."""
    store.PROVIDER_AGGREGATES.delete(tx, store.g.provider_id == host, store.g.aggregate_id == aggregate)


def ensure_host(tx: Tx, now: float, id: str, name: str, stock: Mapping[str, HostInventory]) -> bool:
    """Have a provider for a host, with inventories of what it has; what operators put beside stays. Says whether it is new. A host
    reports again and again: nothing is written where nothing has changed."""
    new = store.PROVIDERS.get(tx, id) is None
    if new:
        store.PROVIDERS.insert(tx, id=id, name=name, generation=0, root_id=id, parent_id=None, created=now, updated=now)
    changed = False
    for resource_class, each in stock.items():
        have = model.capacity(each.total, each.reserved, each.ratio)
        wanted = {
            "total": each.total,
            "reserved": min(each.reserved, each.total),
            "min_unit": 1,
            "max_unit": max(1, have if each.max_unit is None else each.max_unit),
            "step_size": 1,
            "allocation_ratio": each.ratio,
        }
        row = store.INVENTORIES.by(tx, provider_id=id, resource_class=resource_class)
        if row is None:
            store.INVENTORIES.insert(
                tx, provider_id=id, resource_class=resource_class, **wanted, used=0, free=have, updated=now
            )
        elif any(getattr(row, name) != value for name, value in wanted.items()):
            where = (store.i.provider_id == id, store.i.resource_class == resource_class)
            store.INVENTORIES.change(tx, *where, **wanted, free=have - store.i.used, updated=now)
        else:
            continue
        changed = True
    if changed and not new:
        store.touch(tx, id, now)
    return new


def claim(
    tx: Tx,
    now: float,
    machine: str,
    host: str,
    amounts: Mapping[str, int],
    *,
    project_id: str,
    user_id: str,
    even_if_full: bool = False,
) -> None:
    """A machine uses `amounts` of a host from now on, and nothing of any other. Raises Conflict when there is not that much free at
    this moment: then nothing has changed, and the caller decides anew. `even_if_full`: the machine is there already."""
    wanted = {name: amount for name, amount in amounts.items() if amount}
    allocations.assign(
        tx,
        now,
        machine,
        {host: wanted},
        project_id=project_id,
        user_id=user_id,
        kind="INSTANCE",
        even_if_full=even_if_full,
    )


def used_by(tx: Tx, machine: str) -> dict[str, dict[str, int]]:
    """What a machine uses: host → resource class → amount."""
    out: dict[str, dict[str, int]] = {}
    for row in store.ALLOCATIONS.every(tx, consumer_id=machine):
        out.setdefault(row.provider_id, {})[row.resource_class] = row.used
    return out
