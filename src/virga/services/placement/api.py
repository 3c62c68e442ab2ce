# SPDX-License-Identifier: Apache-2.0
"""Placement's door: what compute asks when it has a host, places a machine, and when a machine is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from virga.ground.db.engine import Tx
from virga.services.placement import model, store
from virga.services.placement.actions import allocations

VCPU, MEMORY_MB, DISK_GB = "VCPU", "MEMORY_MB", "DISK_GB"
release = allocations.release


@dataclass(frozen=True)
class Stock:
    """What a host has of a resource class: MEMORY_MB in MiB, DISK_GB in GiB."""

    total: int
    reserved: int = 0
    ratio: float = 1.0
    max_unit: int | None = None
    """The most that one machine may have; None: all that may be allocated."""


def ensure_host(tx: Tx, now: float, id: str, name: str, stock: Mapping[str, Stock]) -> bool:
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


def used(tx: Tx) -> dict[str, dict[str, int]]:
    """provider → resource class → what is used of it, by machines and by whoever else says so in placement's API."""
    out: dict[str, dict[str, int]] = {}
    for row in store.INVENTORIES.find(tx):
        out.setdefault(row.provider_id, {})[row.resource_class] = row.used
    return out


def used_by(tx: Tx, machine: str) -> dict[str, dict[str, int]]:
    """What a machine uses: host → resource class → amount."""
    out: dict[str, dict[str, int]] = {}
    for row in store.ALLOCATIONS.every(tx, consumer_id=machine):
        out.setdefault(row.provider_id, {})[row.resource_class] = row.used
    return out
