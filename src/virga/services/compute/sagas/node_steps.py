# SPDX-License-Identifier: Apache-2.0
"""Handing a server to its node and waiting for it: the steps that sagas share."""

from __future__ import annotations

from typing import Any

from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import NotFound, Problem, public
from virga.ground.events import emit
from virga.ground.sagas import Again, Context
from virga.protocol.machines import OrderKind, Power
from virga.services.compute import events, machines, model, store
from virga.services.compute.machines import POLL
from virga.services.network import api as network


class NodeFailed(Problem):
    """The node says that it could not; the message is the hypervisor's."""


def server(ctx: Context, tx: Tx) -> model.Server | None:
    return store.SERVERS.get(tx, ctx.args["server"])


def host_id(tx: Tx, row: model.Server) -> str:
    """The id of the host that the server is placed on. Raises NotFound when it is on none."""
    host = store.HOSTS.by(tx, name=row.host) if row.host is not None else None
    if host is None:
        raise NotFound("The server has no machine: it is on no host.")
    return host.id


def set_desired(ctx: Context, tx: Tx, row: model.Server, power: Power) -> int:
    """Have the server's machine be so; the generation that says it. Raises NotFound for a server without a machine."""
    machine = machines.of(tx, row.id)
    if machine is None:
        raise NotFound("The server has no machine: it is on no host.")
    return machines.set_desired(tx, ctx.registry, machine, power=power)


def await_report(ctx: Context, generation: int) -> model.Server | None:
    """The server once its node has done `generation`; Again until then. Raises NodeFailed with the node's words."""
    with ctx.db.read() as tx:
        row = server(ctx, tx)
        machine = machines.of(tx, ctx.args["server"])
    if row is None or machine is None:
        return None
    if machine.seen < generation:
        raise Again(POLL, why=f"host {row.host} has not done generation {generation} of the machine yet")
    if machine.error:
        raise NodeFailed(machine.error)
    return row


def order(ctx: Context, tx: Tx, row: model.Server, kind: OrderKind, **arguments: Any) -> str:
    """Have the host of the server's machine do something once; the order's id. Raises NotFound."""
    machine = machines.of(tx, row.id)
    if machine is None:
        raise NotFound("The server has no machine: it is on no host.")
    return machines.order(tx, ctx.registry, row.id, machine.host_id, kind, ctx.id, **arguments)


def await_order(ctx: Context, id: str) -> model.OrderRow:
    """The order once it is done; Again until then. Raises NodeFailed with the node's words."""
    with ctx.db.read() as tx:
        row = store.ORDERS.get(tx, id)
    if row is None or row.state == model.VOID:
        raise NodeFailed("The order is not wanted any more.")
    if row.state == model.WANTED:
        raise Again(POLL, why=f"host {row.host_id} has not done its order {row.kind} yet")
    if row.state == model.FAILED:
        raise NodeFailed(row.error or "The node does not say why.")
    return row


# -- letting go ----------------------------------------------------------------------------------------------------


def withdraw(ctx: Context, tx: Tx) -> list[str]:
    """Every host that has a machine of the server lets go of it, and what was ordered for it is not wanted any more; the hosts' ids."""
    id = ctx.args["server"]
    machines.void_orders(tx, ctx.world.now(), id)
    rows = store.MACHINES.every(tx, server_id=id)
    for row in rows:
        machines.withdraw(tx, ctx.registry, row)
    return [row.host_id for row in rows]


def await_withdrawn(ctx: Context) -> None:
    """No host that answers has a machine of the server; Again until then. One that is away is not waited for: it lets go when it comes
    back, before anything else."""
    with ctx.db.read() as tx:
        rows = store.MACHINES.every(tx, server_id=ctx.args["server"])
        hosts = {h.id: h for h in store.HOSTS.within(tx, "id", [r.host_id for r in rows])}
    now = ctx.world.now()
    left = [hosts[r.host_id].name for r in rows if r.host_id in hosts and not model.host_down(hosts[r.host_id], now)]
    if left:
        raise Again(POLL, why=f"{', '.join(left)} has not let go of the machine yet")


def destroy_disks(ctx: Context, host_ids: list[str]) -> None:
    """The server's disks are gone from these hosts and from the storage that they share; Again until then. A host that is away does it
    when it comes back; what it shares with others, one of those does now."""
    for host_id in host_ids:
        with ctx.db.read() as tx:
            host = store.HOSTS.get(tx, host_id)
        if host is None:
            continue
        down = model.host_down(host, ctx.world.now())
        _destroyed(ctx, host_id, wait=not down)
        if down and host.storages:
            _destroyed_by_another(ctx, host)


def _destroyed_by_another(ctx: Context, host: model.Host) -> None:
    now = ctx.world.now()
    with ctx.db.read() as tx:
        others = [
            h
            for h in store.HOSTS.find(tx)
            if h.id != host.id and not model.host_down(h, now) and set(h.storages) & set(host.storages)
        ]
    if others:
        _destroyed(ctx, min(h.id for h in others), wait=True, again=False)


def _destroyed(ctx: Context, host_id: str, *, wait: bool, again: bool = True) -> None:
    """One host's order. What failed is ordered `again`, or left to the host that had the machine: it may still hold the disk."""
    id = ctx.args["server"]
    with ctx.db.read() as tx:
        orders = store.orders_of(tx, id, host_id, "destroy_disks", ctx.id)
    if not orders or (orders[-1].state == model.FAILED and again):
        with ctx.db.write() as tx:
            machines.order(tx, ctx.registry, id, host_id, "destroy_disks", ctx.id, shared=True)
        if wait:
            why = orders[-1].error if orders else None
            raise Again(POLL, why=f"host {host_id} is told to destroy the disks" + (f": {why}" if why else ""))
        return
    if orders[-1].state == model.WANTED and wait:
        raise Again(POLL, why=f"host {host_id} has not destroyed the disks yet")


def as_act(ctx: Context, tx: Tx, project_id: str) -> Act:
    """What the saga does for a project, for the neighbours' `api`."""
    return Act(network.system_actor(project_id), ctx.registry, ctx.db, open=tx, request_id=ctx.row.request_id or "")


def emit_changed(ctx: Context, tx: Tx, row: model.Server, state: str, reason: str | None = None) -> None:
    emit(
        tx,
        ctx.registry,
        events.ServerChanged(
            server_id=row.id,
            project_id=row.project_id,
            state=state,
            host=row.host,
            reason=public(reason) if reason else reason,
        ),
    )


def superseded(ctx: Context) -> None:
    """Another saga, a delete, took the server: the action log says so, and what is left of this one is the delete's to remove."""
    store.end(ctx.tx, ctx.args["server"], ctx.world.now(), "superseded", error="the server is deleted")


def fault(ctx: Context, code: int = 500) -> dict[str, Any]:
    """What `fault` of a server shows: the reason in one sentence; what a tool or a library said is in the details, which
    administrators see (OSSA-2019-003)."""
    return {
        "code": code,
        "created": ctx.world.now(),
        "message": public(ctx.error or "unknown")[:255],
        "details": ctx.error or "",
    }
