# SPDX-License-Identifier: Apache-2.0
"""A host in placement's terms: what it has, what a machine takes of it, whether it takes machines at all."""

from __future__ import annotations

from collections.abc import Mapping

from virga.ground.db.engine import Tx
from virga.services.compute import model, store
from virga.services.compute.scheduler import ask, filters
from virga.services.compute.settings import Compute
from virga.services.placement import api as inventories


def amounts(server: model.Server) -> dict[str, int]:
    """What a machine takes: VCPUs, MiB of memory, GiB of disk (root and ephemeral)."""
    return {
        inventories.VCPU: server.vcpus,
        inventories.MEMORY_MB: server.ram,
        inventories.DISK_GB: server.disk + server.ephemeral,
    }


def report(tx: Tx, now: float, host: model.Host, own: Compute) -> None:
    """Tell placement what a host has. A host that placement hears of for the first time brings its machines along: those that were
    placed before there was placement."""
    stock = {
        inventories.VCPU: inventories.HostInventory(host.vcpus, ratio=own.cpu_ratio, max_unit=host.vcpus),
        inventories.MEMORY_MB: inventories.HostInventory(host.memory_mb, reserved=own.reserved_mb, ratio=own.ram_ratio),
        inventories.DISK_GB: inventories.HostInventory(host.disk_gb, ratio=own.disk_ratio),
    }
    here = {name: each for name, each in stock.items() if each.total > 0}
    new = inventories.ensure_host(tx, now, host.id, host.name, here)
    inventories.join(tx, host.id, ask.zone_aggregate(host.zone))
    mark(tx, now, host)
    if not new:
        return
    for server in store.SERVERS.find(tx, store.c.host == host.name):
        inventories.claim(
            tx,
            now,
            server.id,
            host.id,
            amounts(server),
            project_id=server.project_id,
            user_id=server.user_id,
            even_if_full=True,
        )


def mark(tx: Tx, now: float, host: model.Host) -> None:
    """A disabled host says so to placement, by Nova's trait: it is no candidate then."""
    inventories.mark(tx, now, host.id, ask.DISABLED, not host.enabled)


def states(
    tx: Tx, held: Mapping[str, Mapping[str, inventories.Inventory]], *, explained: bool = False
) -> list[filters.HostState]:
    """The hosts whose inventories `held` has, in that order, as the scheduler sees them; providers that are no hosts are left out.
    `explained`: with their traits."""
    rows = store.hosts(tx, held)
    traits = inventories.traits(tx, rows) if explained else {}
    return [filters.HostState(rows[id], each, frozenset(traits.get(id, ()))) for id, each in held.items() if id in rows]


def looked_at(tx: Tx, most: int, only: str | None = None) -> tuple[list[filters.HostState], int]:
    """At most `most` hosts (or the one named `only`), explained, and how many there are."""
    where = [store.HOSTS.c.name == only] if only is not None else []
    found = store.HOSTS.find(tx, *where, order=store.HOSTS.c.name, limit=most)
    held = inventories.inventories(tx, (row.id for row in found))
    return states(tx, {row.id: held.get(row.id, {}) for row in found}, explained=True), store.HOSTS.count(tx, *where)
