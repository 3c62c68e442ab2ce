# SPDX-License-Identifier: Apache-2.0
"""Delete a server, from every state: the machine off its host, then its disks, the ports back, the row away. There is no way back: each
step is repeated until it holds, and after an hour, and each further one, the alarm is raised with what it waits for."""

from __future__ import annotations

from virga.ground.sagas import Context, Saga, Step
from virga.services.compute import store
from virga.services.compute.sagas import node_steps
from virga.services.network import api as network
from virga.services.placement import api as inventories


def withdraw(ctx: Context) -> list[str]:
    """Every host lets go of its machine of the server; which hosts these are."""
    return node_steps.withdraw(ctx, ctx.tx)


def await_withdrawn(ctx: Context) -> None:
    node_steps.await_withdrawn(ctx)


def destroy_disks(ctx: Context) -> None:
    """After the machine is gone, because a disk in use cannot be destroyed; and never by a host that merely came back."""
    node_steps.destroy_disks(ctx, ctx.notes.get("withdraw") or [])


def release_ports(ctx: Context) -> None:
    row = node_steps.server(ctx, ctx.tx)
    project = row.project_id if row is not None else None
    network.release(node_steps.as_act(ctx, ctx.tx, ""), ctx.args["server"], project)


def erase(ctx: Context) -> None:
    row = node_steps.server(ctx, ctx.tx)
    if row is None:
        return
    now = ctx.world.now()
    store.end(ctx.tx, row.id, now, "compute_terminate_instance", host=row.host)
    node_steps.emit_changed(ctx, ctx.tx, row, "deleted")
    inventories.release(ctx.tx, row.id)
    store.forget_orders(ctx.tx, row.id)
    store.SERVERS.delete(ctx.tx, store.c.id == row.id)


DELETE_SERVER = Saga(
    "compute.delete_server",
    (
        Step(withdraw, atomic=True),
        Step(await_withdrawn),
        Step(destroy_disks),
        Step(release_ports, atomic=True),
        Step(erase, atomic=True),
    ),
    deadline=3600,
    endless=True,
)
