# SPDX-License-Identifier: Apache-2.0
"""A host in placement's terms: what it has, and what a machine takes of it."""

from __future__ import annotations

from virga.ground.db.engine import Tx
from virga.services.compute import model, store
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
        inventories.VCPU: inventories.Stock(host.vcpus, ratio=own.cpu_ratio, max_unit=host.vcpus),
        inventories.MEMORY_MB: inventories.Stock(host.memory_mb, reserved=own.reserved_mb, ratio=own.ram_ratio),
        inventories.DISK_GB: inventories.Stock(host.disk_gb, ratio=own.disk_ratio),
    }
    here = {name: each for name, each in stock.items() if each.total > 0}
    if not inventories.ensure_host(tx, now, host.id, host.name, here):
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


def used(tx: Tx) -> dict[str, model.Used]:
    """host → what is used of it, as placement has it."""
    names = {host.id: host.name for host in store.HOSTS.find(tx)}
    counted = store.used(tx)
    out: dict[str, model.Used] = {}
    for id, held in inventories.used(tx).items():
        if id in names:
            machines = counted.get(names[id], model.Used()).machines
            out[names[id]] = model.Used(
                held.get(inventories.VCPU, 0),
                held.get(inventories.MEMORY_MB, 0),
                held.get(inventories.DISK_GB, 0),
                machines,
            )
    return out
