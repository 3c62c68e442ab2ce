# SPDX-License-Identifier: Apache-2.0
"""Make an image of a server's disk: the node copies the disk as it is, the porter carries the copy into the image store, the node
forgets it, the image is published. Whatever dies on the way: the image is there whole, or it is not there at all."""

from __future__ import annotations

from collections.abc import Iterator

from virga.ground.errors import NotFound
from virga.ground.sagas import Again, Context, Saga, Step
from virga.services.compute import model, store
from virga.services.compute.driver import Hypervisor
from virga.services.compute.sagas import hand
from virga.services.images import api as images

EVENT = {"createImage": "compute_snapshot_instance", "createBackup": "compute_backup_instance"}


def snapshot(ctx: Context) -> int:
    """Tell the node to copy the disk."""
    row = hand.server(ctx, ctx.tx)
    if row is None or row.host is None:
        raise NotFound("The server has no machine: it is on no host.")
    store.SERVERS.put(ctx.tx, row.id, task_state="image_snapshot")
    return hand.want(ctx, ctx.tx, row, "snapshot")


def await_snapshot(ctx: Context) -> None:
    """The node has the whole copy."""
    row = hand.awaited(ctx, ctx.notes["snapshot"])
    if row is None:
        raise NotFound("The server is gone.")
    with ctx.db.write() as tx:
        store.SERVERS.change(tx, store.c.id == row.id, store.c.saga_id == ctx.id, task_state="image_pending_upload")


def forget_snapshot(ctx: Context) -> None:
    """Have the node take its copy away, and wait until it has; a node that is away does it when it comes back."""
    with ctx.db.read() as tx:
        row = hand.server(ctx, tx)
        host = store.HOSTS.by(tx, name=row.host) if row is not None and row.host is not None else None
    if row is None or row.host is None or row.verb == "remove":
        return
    if row.verb != "tidy":
        with ctx.db.write() as tx:
            fresh = hand.server(ctx, tx)
            if fresh is not None and fresh.verb not in {"tidy", "remove"}:
                hand.want(ctx, tx, fresh, "tidy")
        raise Again(hand.POLL)
    if row.seen_generation < row.generation and host is not None and not model.host_down(host, ctx.world.now()):
        raise Again(hand.POLL)


def upload(ctx: Context) -> dict[str, object]:
    """The copy into the image store."""
    server, image = ctx.args["server"], ctx.args["image"]
    with ctx.db.read() as tx:
        row = hand.server(ctx, tx)
    if row is None:
        raise NotFound("The server is gone.")
    hypervisor, boot = ctx.doors.use(Hypervisor), store.boot(row)
    size = hypervisor.snapshot_size(server, image)

    def chunks() -> Iterator[bytes]:
        return hypervisor.snapshot_bytes(server, image)

    if row.task_state != "image_uploading":
        with ctx.db.write() as tx:
            store.SERVERS.change(tx, store.c.id == server, store.c.saga_id == ctx.id, task_state="image_uploading")
    formats = ("ami", "ami") if boot.disk_format == "ami" else (hypervisor.snapshot_format(server, image), "bare")
    return images.take_snapshot(ctx, image, f"server:{server}", chunks, size, formats)


def unupload(ctx: Context) -> None:
    images.untake_snapshot(ctx, ctx.args["image"])


def tidy(ctx: Context) -> None:
    """The node's copy is not needed any more."""
    row = hand.server(ctx, ctx.tx)
    if row is not None and row.host is not None:
        hand.want(ctx, ctx.tx, row, "tidy")


def publish(ctx: Context) -> None:
    images.publish_snapshot(ctx, ctx.args["image"], ctx.notes["upload"])


def done(ctx: Context) -> None:
    backup = ctx.args.get("backup")
    row = hand.server(ctx, ctx.tx)
    if row is None:
        return
    now = ctx.world.now()
    if backup:
        images.rotate_backups(ctx.tx, ctx.doors, ctx.args["owner"], row.id, backup["kind"], backup["keep"])
    store.SERVERS.put(ctx.tx, row.id, task_state=None, saga_id=None, verb_image=None, updated=now)
    store.end(ctx.tx, row.id, now, EVENT[ctx.args["action"]], host=row.host)
    hand.tell(ctx, ctx.tx, row, row.vm_state)


def failed(ctx: Context) -> None:
    """The server is as it was; the action log says why there is no image."""
    images.abandon_snapshot(ctx.tx, ctx.doors, ctx.args["image"], ctx.id)
    row = hand.server(ctx, ctx.tx)
    if row is None:
        return
    now = ctx.world.now()
    store.SERVERS.put(
        ctx.tx, row.id, task_state=None, saga_id=None, verb_image=None, fault=hand.fault(ctx), updated=now
    )
    store.end(ctx.tx, row.id, now, EVENT[ctx.args["action"]], error=ctx.error, host=row.host)
    hand.tell(ctx, ctx.tx, row, row.vm_state, ctx.error)


def superseded(ctx: Context) -> None:
    """The server is deleted while an image of it is made: there will be no image. Its bytes are the sweeper's."""
    images.abandon_snapshot(ctx.tx, ctx.doors, ctx.args["image"], ctx.id)
    hand.superseded(ctx)


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
