# SPDX-License-Identifier: Apache-2.0
"""Import an image's bytes: gather them where they can be looked at, examine (and convert) them, deliver them to the stores, publish.
Whatever dies on the way: the image ends active, or as it was before, with the reason, and no byte is left behind."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import msgspec

from virga.ground import typed
from virga.ground.errors import NoSpace, NotFound, Problem, Unavailable, public
from virga.ground.events import emit
from virga.ground.sagas import Again, Context, Saga, Step
from virga.ground.sagas.saga import wake
from virga.services.images import events, limits, model, store
from virga.services.images.actions.imports import COPY, DIRECT, GLANCE, LOCATION, WEB
from virga.services.images.driver import Stores
from virga.services.images.intake import Intake, Stored
from virga.services.images.sagas import sources, work
from virga.services.images.settings import Images
from virga.services.images.transfers import ImageTransfers, TransferProgress

TASK_KEPT = 48 * 3600


class StoreFailed(Problem):
    """A store that was asked for did not take the bytes."""


def image(ctx: Context) -> model.Image:
    """The image, as long as it is this saga's. Raises NotFound when it was deleted meanwhile."""
    with ctx.db.read() as tx:
        row = store.IMAGES.one(tx, store.c.id == ctx.args["image"], store.c.saga_id == ctx.id)
    if row is None:
        raise NotFound(f"Image {ctx.args['image']} was deleted while it was imported.")
    return row


def key(ctx: Context) -> str:
    return store.key(ctx.args["image"], ctx.id)


def carried(ctx: Context, step: str, job: Callable[[TransferProgress], Any]) -> Any:
    """What `job` gives, when it is done; until then Again, and the task says how far it is."""
    transfers = ctx.registry.use(ImageTransfers)

    def done() -> None:
        with ctx.db.write() as tx:
            wake(tx, ctx.registry, f"image:{ctx.args['image']}")

    def once(progress: TransferProgress) -> Any:
        try:
            return job(progress)
        except (Unavailable, NoSpace, OSError) as e:
            # the work tried again by itself where that helps: what is left is an answer, not a reason to wait for hours
            full = isinstance(e, OSError) and e.errno in {errno.ENOSPC, errno.EDQUOT}
            raise StoreFailed("The disk is full; nothing was kept." if full else str(e)) from e

    try:
        return transfers.ensure(f"{ctx.id}:{step}", once, done, whose=ctx.args["project"], tell=ctx.say)
    except Again:
        with ctx.db.write() as tx:
            text = transfers.progress(f"{ctx.id}:{step}") or step
            store.TASKS.put(tx, ctx.args["task"], status=model.PROCESSING, message=text, updated=ctx.world.now())
        raise


def quiet(ctx: Context) -> None:
    """Nothing is carried for this saga any more; Again until that is so."""
    if not ctx.registry.use(ImageTransfers).cancel(f"{ctx.id}:"):
        raise Again(0.2)


def gather(ctx: Context) -> dict[str, Any]:
    """The bytes in the staging area: {key, from}. What is staged already stays where it is; a copy is read from its store."""
    method = ctx.args["method"]
    image(ctx)
    if method == DIRECT:
        return {"key": ctx.args["staged"]}
    if method == COPY:
        return {"key": None}
    stores = ctx.registry.use(Stores)

    def job(progress: TransferProgress) -> dict[str, Any]:
        most, why = ctx.args["most"], ctx.args["why"]
        if method == GLANCE:
            return sources.from_glance(ctx, stores, key(ctx), most, why, progress)
        url = ctx.args["from"]["uri"] if method == WEB else ctx.args["url"]
        return sources.from_web(ctx, stores, url, key=key(ctx), most=most, why=why, progress=progress)

    found: dict[str, Any] = carried(ctx, "gather", job)
    return found


def ungather(ctx: Context) -> None:
    quiet(ctx)
    staging = ctx.registry.use(Stores).staging
    for each in {ctx.args.get("staged"), key(ctx)} - {None}:
        staging.remove(str(each))


def examine(ctx: Context) -> dict[str, Any]:
    """What the bytes are, and, by setting, unpacked and in another format: {key, format, virtual, disk_format, container_format}."""
    row, own = image(ctx), ctx.registry.use(Images)
    gathered = ctx.notes["gather"]
    if ctx.args["method"] == COPY:
        return {"key": None, "format": row.detected, "virtual": row.virtual_size}
    declared = gathered.get("disk_format") or row.disk_format, gathered.get("container_format") or row.container_format
    found: dict[str, Any] = carried(
        ctx,
        "examine",
        lambda progress: work.examine(
            ctx,
            own,
            gathered["key"],
            fresh=f"{key(ctx)}-x",
            declared=declared,
            may_change=ctx.args["method"] != LOCATION,
            progress=progress,
        ),
    )
    return found


def unexamine(ctx: Context) -> None:
    quiet(ctx)
    staging = ctx.registry.use(Stores).staging
    for end in ("-x1", "-x2"):
        staging.remove(f"{key(ctx)}{end}")


def deliver(ctx: Context) -> dict[str, Any]:
    """The bytes in every store that was asked for: {kept, places, failed}."""
    row = image(ctx)
    found: dict[str, Any] = carried(ctx, "deliver", lambda progress: _deliver(ctx, row, progress))
    return found


def _deliver(ctx: Context, row: model.Image, progress: TransferProgress) -> dict[str, Any]:
    stores, known = ctx.registry.use(Stores), ctx.args.get("known") or {}
    source = work.source(ctx, stores, row, ctx.notes["examine"]["key"])
    algorithm = known.get("algorithm") or (row.os_hash_algo if ctx.args["method"] == COPY else None) or "sha512"
    signature = None if ctx.args["method"] == COPY or ctx.notes["examine"].get("changed") else work.signature(ctx, row)
    intake = Intake(
        ctx.args["most"] if ctx.args["method"] != COPY else 1 << 62,
        ctx.args["why"],
        algorithm=algorithm,
        signature=signature,
    )
    failed = work.fan_out(
        stores,
        ctx.args["places"],
        key(ctx),
        source=source,
        intake=intake,
        must=ctx.args["must"],
        size=row.size or 0,
        progress=progress,
    )
    stored = intake.finish()
    if known and known["value"] != stored.value:
        raise StoreFailed("The bytes do not have the hash that was given for them.")
    if ctx.args["method"] == COPY and row.os_hash_value and stored.value != row.os_hash_value:
        raise StoreFailed("The copy does not have the hash of the image: its source is damaged.")
    keys_by_store = {p: key(ctx) for p in ctx.args["places"] if p not in failed}
    if ctx.args["method"] == LOCATION:
        keys_by_store = {ctx.args["store"]: ctx.args["url"]}
    if not keys_by_store:
        raise StoreFailed("No store took the bytes: " + "; ".join(f"{s}: {why}" for s, why in failed.items()))
    return {"kept": msgspec.to_builtins(stored), "places": keys_by_store, "failed": failed}


def undeliver(ctx: Context) -> None:
    quiet(ctx)
    stores = ctx.registry.use(Stores)
    for place in ctx.args["places"]:
        if place in stores.by_id:
            stores.by_id[place].blobs.remove(key(ctx))


def publish(ctx: Context) -> None:
    """The image is active, in the transaction that counts what its project has. Raises NotFound."""
    tx, found, seen = ctx.tx, ctx.notes["deliver"], ctx.notes["examine"]
    where = (store.c.id == ctx.args["image"], store.c.saga_id == ctx.id)
    row, now = store.IMAGES.one(tx, *where), ctx.world.now()
    if row is None:
        raise NotFound(f"Image {ctx.args['image']} was deleted while it was imported.")
    stored = typed.convert(found["kept"], Stored)
    if ctx.args["places"]:
        limits.check_bytes(tx, row.owner, stored.size, len(found["places"]))
    if ctx.args["method"] == COPY:
        store.place(tx, row.id, found["places"], now, ctx.world.uuid)
        store.IMAGES.put(tx, row.id, stores=sorted({*row.stores, *found["places"]}))
        return
    gathered = ctx.notes["gather"]
    more = {k: seen[k] for k in ("disk_format", "container_format") if seen.get(k)}
    if gathered.get("properties"):
        store.put(tx, row.id, properties=row.properties | gathered["properties"])
    store.activate(
        tx,
        where,
        row.id,
        stored=stored,
        detected=seen["format"],
        virtual=seen["virtual"],
        keys_by_store=found["places"],
        now=now,
        mint=ctx.world.uuid,
        **more,
    )
    emit(tx, ctx.registry, events.ImageActive(image_id=row.id))


def done(ctx: Context) -> None:
    failed = sorted(ctx.notes["deliver"]["failed"])
    store.IMAGES.put(ctx.tx, ctx.args["image"], saga_id=None, task_id=None, importing=[], failed=failed)
    _end(ctx, model.SUCCESS, "", {"image_id": ctx.args["image"]})
    ctx.tx.after_commit(lambda: _tidy(ctx))


def _tidy(ctx: Context) -> None:
    """What was staged is not needed any more; what this forgets, the sweeper finds."""
    staging = ctx.registry.use(Stores).staging
    for each in {ctx.args.get("staged"), key(ctx), f"{key(ctx)}-x1", f"{key(ctx)}-x2"} - {None}:
        staging.remove(str(each))


def failed(ctx: Context) -> None:
    where = (store.c.id == ctx.args["image"], store.c.saga_id == ctx.id)
    reason = public(ctx.error or "The import failed.")[:1000]
    change: dict[str, Any] = {
        "saga_id": None,
        "task_id": None,
        "importing": [],
        "failed": ctx.args["places"],
        "reason": reason,
    }
    store.IMAGES.change(ctx.tx, *where, store.c.status != model.IMPORTING, **change)
    change |= {"status": model.QUEUED, "staged": None, "staged_size": 0, "size": None, "upload_lease": 0.0}
    if ctx.args["method"] == LOCATION:
        change["stores"] = [ctx.args["store"]]
    store.IMAGES.change(ctx.tx, *where, store.c.status == model.IMPORTING, **change)
    _end(ctx, model.FAILURE, reason, None)


def _end(ctx: Context, status: str, message: str, result: dict[str, Any] | None) -> None:
    now = ctx.world.now()
    store.TASKS.put(
        ctx.tx, ctx.args["task"], status=status, message=message, result=result, updated=now, expires=now + TASK_KEPT
    )
    ctx.registry.use(ImageTransfers).secrets.pop(ctx.id, None)


IMPORT = Saga(
    "images.import",
    (Step(gather, ungather), Step(examine, unexamine), Step(deliver, undeliver), Step(publish, None, atomic=True)),
    deadline=6 * 3600,
    done=done,
    failed=failed,
)
