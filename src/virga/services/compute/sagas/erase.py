# SPDX-License-Identifier: Apache-2.0
"""Delete a server, from every state: the machine off its node, the ports back, the row away. There is no way back and no end
before the end: each step is repeated until it holds."""

from __future__ import annotations

from virga.ground.sagas import Context, Saga, Step
from virga.services.compute import store
from virga.services.compute.sagas import hand
from virga.services.network import api as network
from virga.services.placement import api as inventories


def unassign(ctx: Context) -> None:
    hand.gone_from_node(ctx)


def release_ports(ctx: Context) -> None:
    row = hand.server(ctx, ctx.tx)
    project = row.project_id if row is not None else None
    network.release(hand.as_call(ctx, ctx.tx, ""), ctx.args["server"], project)


def erase(ctx: Context) -> None:
    row = hand.server(ctx, ctx.tx)
    if row is None:
        return
    now = ctx.world.now()
    store.end(ctx.tx, row.id, now, "compute_terminate_instance", host=row.host)
    hand.tell(ctx, ctx.tx, row, "deleted")
    inventories.release(ctx.tx, row.id)
    store.SERVERS.delete(ctx.tx, store.c.id == row.id)


DELETE_SERVER = Saga(
    "compute.delete_server",
    (Step(unassign), Step(release_ports, atomic=True), Step(erase, atomic=True)),
    deadline=10**9,
)
