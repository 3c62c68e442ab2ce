# SPDX-License-Identifier: Apache-2.0
"""Start, stop and reboot: one saga, because to the node they are one thing, another way for the machine to be."""

from __future__ import annotations

from virga.ground.errors import NotFound
from virga.ground.sagas import Context, Saga, Step
from virga.services.compute import model, store
from virga.services.compute.sagas import hand

NODE_VERB = {"start": "run", "stop": "stop", "reboot_soft": "reboot_soft", "reboot_hard": "reboot_hard"}
EVENT = {
    "start": "compute_start_instance",
    "stop": "compute_stop_instance",
    "reboot_soft": "compute_reboot_instance",
    "reboot_hard": "compute_reboot_instance",
}


def assign(ctx: Context) -> int:
    row = hand.server(ctx, ctx.tx)
    if row is None or row.host is None:
        raise NotFound("The server has no machine: it is on no host.")
    return hand.want(ctx, ctx.tx, row, NODE_VERB[ctx.args["verb"]])


def await_done(ctx: Context) -> None:
    hand.awaited(ctx, ctx.notes["assign"])


def done(ctx: Context) -> None:
    row = hand.server(ctx, ctx.tx)
    if row is None:
        return
    now, verb = ctx.world.now(), ctx.args["verb"]
    after = model.VERBS[verb][2]
    power = model.RUNNING if after == model.ACTIVE else model.SHUTDOWN
    store.SERVERS.put(
        ctx.tx, row.id, vm_state=after, task_state=None, saga_id=None, power_state=power, fault=None, updated=now
    )
    store.end(ctx.tx, row.id, now, EVENT[verb], host=row.host)
    hand.tell(ctx, ctx.tx, row, after)


def failed(ctx: Context) -> None:
    """The server is as it was before; the log says why. The power loop corrects it if the machine is not."""
    row = hand.server(ctx, ctx.tx)
    if row is None:
        return
    now = ctx.world.now()
    store.SERVERS.put(ctx.tx, row.id, task_state=None, saga_id=None, fault=hand.fault(ctx), updated=now)
    store.end(ctx.tx, row.id, now, EVENT[ctx.args["verb"]], error=ctx.error, host=row.host)
    hand.tell(ctx, ctx.tx, row, row.vm_state, ctx.error)


CHANGE_POWER = Saga(
    "compute.change_power",
    (Step(assign, atomic=True), Step(await_done)),
    deadline=300,
    done=done,
    failed=failed,
    superseded=hand.superseded,
)
