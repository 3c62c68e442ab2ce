# SPDX-License-Identifier: Apache-2.0
"""Make an image of a server's disk: the node copies the disk as it is and hands the copy over, the porter carries it into the image
store, the node forgets it, the image is published. Whatever dies on the way: the image is there whole, or it is not there at all."""

from __future__ import annotations

from virga.ground.errors import NotFound
from virga.ground.sagas import Again, Context, Saga, Step
from virga.ground.sagas.saga import wake
from virga.protocol.transfers import Content
from virga.services.compute import machines, model, store
from virga.services.compute.machines import POLL
from virga.services.compute.sagas import node_steps
from virga.services.compute.transfers import Transfers
from virga.services.images import api as images

EVENT = {"createImage": "compute_snapshot_instance", "createBackup": "compute_backup_instance"}


def snapshot(ctx: Context) -> str:
    """Tell the node to copy the disk. Raises NotFound."""
    row = node_steps.server(ctx, ctx.tx)
    if row is None or row.host is None:
        raise NotFound("The server has no machine: it is on no host.")
    store.SERVERS.put(ctx.tx, row.id, task_state="image_snapshot")
    return node_steps.order(ctx, ctx.tx, row, "snapshot", image=ctx.args["image"])


def await_snapshot(ctx: Context) -> None:
    """The node has the whole copy."""
    order = ctx.notes["snapshot"]
    if not isinstance(order, str):
        raise node_steps.NodeFailed("The program was upgraded while the disk was copied: make the image again.")
    node_steps.await_order(ctx, order)
    with ctx.db.write() as tx:
        store.SERVERS.change(
            tx,
            store.c.id == ctx.args["server"],
            store.c.saga_id == ctx.id,
            task_state="image_pending_upload",
        )


def forget_snapshot(ctx: Context) -> None:
    """Have the node take its copy away, and wait until it has; a node that is away does it when it comes back."""
    id = ctx.args["server"]
    with ctx.db.read() as tx:
        machine = machines.of(tx, id)
        host = store.HOSTS.get(tx, machine.host_id) if machine is not None else None
        orders = store.orders_of(tx, id, host.id, "tidy", ctx.id) if host is not None else []
    if host is None:
        return
    if not orders or orders[-1].state == model.FAILED:
        with ctx.db.write() as tx:
            machines.void_orders(tx, ctx.world.now(), id)
            machines.order(tx, ctx.registry, id, host.id, "tidy", ctx.id)
        raise Again(POLL)
    if orders[-1].state == model.WANTED and not model.host_down(host, ctx.world.now()):
        raise Again(POLL)


def upload(ctx: Context) -> dict[str, object]:
    """The copy into the image store. Raises NotFound."""
    server, image = ctx.args["server"], ctx.args["image"]
    with ctx.db.read() as tx:
        row = node_steps.server(ctx, tx)
    if row is None:
        raise NotFound("The server is gone.")
    copy = _handed_over(ctx, row)
    if row.task_state != "image_uploading":
        with ctx.db.write() as tx:
            store.SERVERS.change(tx, store.c.id == server, store.c.saga_id == ctx.id, task_state="image_uploading")
    formats = ("ami", "ami") if store.boot(row).disk_format == "ami" else (copy.format, "bare")
    return images.take_snapshot(ctx, image, f"server:{server}", copy.read, copy.size, formats)


def _handed_over(ctx: Context, row: model.Server) -> Content:
    """The copy as the node gave it; Again until it has. A reference that this process does not know is of one that is gone: the node is
    asked anew."""
    transfers = ctx.registry.use(Transfers)
    with ctx.db.read() as tx:
        machine = machines.of(tx, row.id)
        orders = store.orders_of(tx, row.id, machine.host_id, "upload", ctx.id) if machine is not None else []
    last = orders[-1] if orders else None
    if last is not None and last.state == model.FAILED and transfers.expected(last.arguments["reference"]):
        raise node_steps.NodeFailed(last.error or "The node does not say why.")
    if last is not None and transfers.expected(last.arguments["reference"]):
        copy = transfers.offered(last.arguments["reference"])
        if copy is not None:
            return copy
        raise Again(POLL)
    server = row.id

    def arrived() -> None:
        with ctx.db.write() as tx:
            wake(tx, ctx.registry, f"server:{server}")

    with ctx.db.write() as tx:
        machines.void_orders(tx, ctx.world.now(), server)
        node_steps.order(ctx, tx, row, "upload", image=ctx.args["image"], reference=transfers.expect(arrived))
    raise Again(POLL)


def _drop(ctx: Context) -> None:
    transfers = ctx.registry.use(Transfers)
    for order in store.ordered_by(ctx.tx, ctx.id, "upload"):
        transfers.drop(order.arguments["reference"])


def unupload(ctx: Context) -> None:
    images.untake_snapshot(ctx, ctx.args["image"])


def tidy(ctx: Context) -> None:
    """The node's copy is not needed any more."""
    row = node_steps.server(ctx, ctx.tx)
    if row is not None and machines.of(ctx.tx, row.id) is not None:
        node_steps.order(ctx, ctx.tx, row, "tidy")


def publish(ctx: Context) -> None:
    images.publish_snapshot(ctx, ctx.args["image"], ctx.notes["upload"])


def done(ctx: Context) -> None:
    _drop(ctx)
    backup = ctx.args.get("backup")
    row = node_steps.server(ctx, ctx.tx)
    if row is None:
        return
    now = ctx.world.now()
    if backup:
        images.rotate_backups(ctx.tx, ctx.registry, ctx.args["owner"], row.id, backup["kind"], backup["keep"])
    store.SERVERS.put(ctx.tx, row.id, task_state=None, saga_id=None, updated=now)
    store.end(ctx.tx, row.id, now, EVENT[ctx.args["action"]], host=row.host)
    node_steps.emit_changed(ctx, ctx.tx, row, row.vm_state)


def failed(ctx: Context) -> None:
    """The server is as it was; the action log says why there is no image."""
    _drop(ctx)
    images.abandon_snapshot(ctx.tx, ctx.registry, ctx.args["image"], ctx.id)
    row = node_steps.server(ctx, ctx.tx)
    if row is None:
        return
    now = ctx.world.now()
    store.SERVERS.put(ctx.tx, row.id, task_state=None, saga_id=None, fault=node_steps.fault(ctx), updated=now)
    store.end(ctx.tx, row.id, now, EVENT[ctx.args["action"]], error=ctx.error, host=row.host)
    node_steps.emit_changed(ctx, ctx.tx, row, row.vm_state, ctx.error)


def superseded(ctx: Context) -> None:
    """The server is deleted while an image of it is made: there will be no image. Its bytes are the sweeper's."""
    _drop(ctx)
    images.abandon_snapshot(ctx.tx, ctx.registry, ctx.args["image"], ctx.id)
    node_steps.superseded(ctx)


CREATE_IMAGE = Saga(
    "compute.create_image",
    (
        Step(snapshot, None, atomic=True),
        Step(await_snapshot, forget_snapshot),
        Step(upload, unupload),
        Step(tidy, None, atomic=True),
        Step(publish, None, atomic=True),
    ),
    deadline=4 * 3600,
    done=done,
    failed=failed,
    superseded=superseded,
)
