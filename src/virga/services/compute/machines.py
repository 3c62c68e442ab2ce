# SPDX-License-Identifier: Apache-2.0
"""Machines of servers on hosts, and orders: what control writes down for nodes. A node compares what it has done with that; a message on
the bus only makes it look sooner."""

from __future__ import annotations

from typing import Any

import msgspec

from virga.ground import typed
from virga.ground.bus import Bus
from virga.ground.db.engine import Tx
from virga.ground.db.isolation import Retry
from virga.ground.registry import Registry
from virga.ground.world import World
from virga.protocol import topics
from virga.protocol.machines import DesiredState, Disk, Nic, OrderKind, Power, Wake
from virga.services.compute import model, store

POLL = 5.0
TICK = 1e-5
"""Orders for one server are told apart by when they were made, also when the clock stands still or goes back."""


def of(tx: Tx, server_id: str, role: str = model.RUN) -> model.MachineRow | None:
    """The server's machine of that role."""
    return store.MACHINES.by(tx, server_id=server_id, role=role)


def desired(row: model.MachineRow) -> DesiredState:
    """How the machine should be."""
    return typed.convert(row.wanted, DesiredState)


def assign(
    tx: Tx,
    registry: Registry,
    server_id: str,
    host_id: str,
    want: DesiredState,
    role: str = model.RUN,
) -> model.MachineRow:
    """The server has a machine on the host. One that the host has not let go of yet is taken up again."""
    before = store.MACHINES.by(tx, server_id=server_id, host_id=host_id)
    if before is not None:
        return _change(tx, registry, before, want, role)
    world = registry.use(World)
    now = world.now()
    made = store.MACHINES.insert(
        tx,
        id=world.uuid(),
        server_id=server_id,
        host_id=host_id,
        role=role,
        wanted=msgspec.to_builtins(want),
        generation=1,
        seen=0,
        error=None,
        power=None,
        found=None,
        reported=0.0,
        created=now,
    )
    _wake(tx, registry, host_id, server_id)
    return made


def set_desired(
    tx: Tx,
    registry: Registry,
    row: model.MachineRow,
    *,
    power: Power | None = None,
    nics: list[Nic] | None = None,
    disks: list[Disk] | None = None,
) -> int:
    """What is given is how the machine should be from now on. Gives the generation that says so."""
    now = desired(row)
    fresh = DesiredState(
        power=now.power if power is None else power,
        nics=now.nics if nics is None else nics,
        disks=now.disks if disks is None else disks,
    )
    return _change(tx, registry, row, fresh, row.role).generation


def withdraw(tx: Tx, registry: Registry, row: model.MachineRow) -> None:
    """The host lets go of the machine; its disks stay. The row goes when the host has said so. Repeatable."""
    if row.role == model.WITHDRAWN:
        return
    _change(tx, registry, row, msgspec.structs.replace(desired(row), power="gone"), model.WITHDRAWN)


def _change(tx: Tx, registry: Registry, row: model.MachineRow, want: DesiredState, role: str) -> model.MachineRow:
    generation = row.generation + 1
    changed = store.MACHINES.swap(
        tx,
        {"id": row.id, "generation": row.generation},
        wanted=msgspec.to_builtins(want),
        role=role,
        generation=generation,
        error=None,
    )
    if changed is None:
        raise Retry  # somebody else changed it meanwhile: what is wanted is decided anew
    _wake(tx, registry, row.host_id, row.server_id)
    return changed


def order(
    tx: Tx,
    registry: Registry,
    server_id: str,
    host_id: str,
    kind: OrderKind,
    saga_id: str | None = None,
    **arguments: Any,
) -> str:
    """Have the host do something once; the order's id."""
    world = registry.use(World)
    id = world.uuid()
    created = max(world.now(), store.last_order(tx, server_id) + TICK)
    store.ORDERS.insert(
        tx,
        id=id,
        server_id=server_id,
        host_id=host_id,
        kind=kind,
        arguments=arguments,
        state=model.WANTED,
        progress=None,
        result=None,
        error=None,
        saga_id=saga_id,
        created=created,
        ended=None,
    )
    _wake(tx, registry, host_id, server_id)
    return id


def void_orders(tx: Tx, now: float, server_id: str) -> int:
    """What was ordered for the server and is not done yet is not wanted any more; but for disks that must go."""
    c = store.ORDERS.c
    return store.ORDERS.change(
        tx,
        c.server_id == server_id,
        c.state == model.WANTED,
        c.kind != "destroy_disks",
        state=model.VOID,
        ended=now,
    )


def _wake(tx: Tx, registry: Registry, host_id: str, server_id: str) -> None:
    bus = registry.use(Bus)
    tx.after_commit(lambda: topics.tell(bus, host_id, topics.WAKE, Wake(server_id)))
