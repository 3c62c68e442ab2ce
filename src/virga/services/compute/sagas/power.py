# SPDX-License-Identifier: Apache-2.0
"""Start, stop and reboot. To start and to stop is another way for the machine to be; a reboot is something that happens once."""

from __future__ import annotations

from virga.ground.errors import NotFound
from virga.ground.sagas import Context, Saga, Step
from virga.protocol.machines import Power
from virga.services.compute import machines, model, store
from virga.services.compute import power as shown
from virga.services.compute.sagas import node_steps

POWER: dict[str, Power] = {"start": "running", "stop": "stopped"}
EVENT = {
    "start": "compute_start_instance",
    "stop": "compute_stop_instance",
    "reboot_soft": "compute_reboot_instance",
    "reboot_hard": "compute_reboot_instance",
}


def assign(ctx: Context) -> int | str:
    """Tell the node: the generation that it should do, or the order. Raises NotFound."""
    row = node_steps.server(ctx, ctx.tx)
    if row is None:
        raise NotFound("The server has no machine: it is on no host.")
    verb = ctx.args["verb"]
    if verb in POWER:
        return node_steps.set_desired(ctx, ctx.tx, row, POWER[verb])
    machine = machines.of(ctx.tx, row.id)
    if machine is not None and machines.desired(machine).power != "running":  # a hard reboot starts what is stopped
        return node_steps.set_desired(ctx, ctx.tx, row, "running")
    return node_steps.order(ctx, ctx.tx, row, "reboot", hard=verb == "reboot_hard")


def await_done(ctx: Context) -> None:
    told = ctx.notes["assign"]
    if isinstance(told, int):
        node_steps.await_report(ctx, told)
    else:
        node_steps.await_order(ctx, told)


def done(ctx: Context) -> None:
    row = node_steps.server(ctx, ctx.tx)
    if row is None:
        return
    now, verb = ctx.world.now(), ctx.args["verb"]
    after = model.VERBS[verb][2]
    power = model.RUNNING if after == model.ACTIVE else model.SHUTDOWN
    store.SERVERS.put(
        ctx.tx, row.id, vm_state=after, task_state=None, saga_id=None, power_state=power, fault=None, updated=now
    )
    store.end(ctx.tx, row.id, now, EVENT[verb], host=row.host)
    node_steps.emit_changed(ctx, ctx.tx, row, after)


def failed(ctx: Context) -> None:
    """The server is as it was before, or as its machine is now; the log says why."""
    row = node_steps.server(ctx, ctx.tx)
    if row is None:
        return
    now = ctx.world.now()
    store.SERVERS.put(ctx.tx, row.id, task_state=None, saga_id=None, fault=node_steps.fault(ctx), updated=now)
    shown.settle(ctx.tx, now, row.id)
    store.end(ctx.tx, row.id, now, EVENT[ctx.args["verb"]], error=ctx.error, host=row.host)
    node_steps.emit_changed(ctx, ctx.tx, row, row.vm_state, ctx.error)


CHANGE_POWER = Saga(
    "compute.change_power",
    (Step(assign, atomic=True), Step(await_done)),
    deadline=300,
    done=done,
    failed=failed,
    superseded=node_steps.superseded,
)
