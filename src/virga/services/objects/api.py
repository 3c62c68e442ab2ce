# SPDX-License-Identifier: Apache-2.0
"""Objects' API inside the program: the composition root's way to set it up, and other services' way to keep bytes in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from virga.ground.db.engine import Database, Tx
from virga.ground.errors import NotFound
from virga.ground.keyfile import KeyFile
from virga.ground.registry import Registry
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.bodies import extents_of, steady
from virga.services.objects.context import ObjectContext
from virga.services.objects.drivers.sealed import Seal, SealedStore
from virga.services.objects.drivers.stores import blob_store, replica_store
from virga.services.objects.settings import Objects
from virga.services.objects.store import containers


def create_context(db: Database, registry: Registry, settings: Objects, state: Path | None) -> ObjectContext:
    """The context that routes, loops and other services use; `state` None keeps bodies in memory."""
    registry.put(Objects, settings)
    model.begin_stamps()
    blobs, second = blob_store(settings, state), replica_store(settings)
    seal = Seal(KeyFile(keys_of(state) if state is not None else None), settings.encrypt)
    seal.mark()  # a file that holds no key is told at the start
    context = ObjectContext(db, registry, SealedStore(blobs, seal), settings, seal)
    if second is not None:
        context.bodies.replica = SealedStore(second, seal)
    return registry.put(ObjectContext, context)


def gateway(settings: Objects) -> list[tuple[str, str]]:
    """The catalogue's addresses by service type, where a Ceph gateway answers in our place (radosgw, `rgw swift account in url`)."""
    base = settings.gateway.rstrip("/")
    return [("object-store", f"{base}/swift/v1/{model.PREFIX}%(project_id)s"), ("s3", f"{base}/")] if base else []


def keys_of(state: Path) -> Path:
    """The file of keys that bodies are sealed with."""
    return state / "objects.keys"


# -- for other services: whole objects under a project's account ---------------------------------------------------


def account(project_id: str) -> str:
    return model.account_of(project_id)


async def put(
    registry: Registry,
    project_id: str,
    container: str,
    name: str,
    stream: AsyncIterator[bytes],
    size: int | None = None,
) -> tuple[int, str]:
    """Keep a stream as an object, making the container when it lacks; (size, md5)."""
    context = registry.use(ObjectContext)
    got = await context.bodies.receive(stream, expected=size, most=1 << 50)
    now = context.now()
    new = actions.New(name, got.size, got.md5, "application/octet-stream", got.body, got.data)

    def run(tx: Tx) -> None:
        own = model.account_of(project_id)
        containers.ensure_account(tx, own, now)
        tx.hold(f"name:{own}/{container}")
        row = containers.container_row(tx, own, container)
        if row is None:
            row = containers.make_container(
                tx, own, container, policy=context.settings.policies[0], now=model.stamp(now)[1], meta={}, control={}
            )
        actions.put(tx, row.id, new, now, context.wake_trash)

    async with context.bodies.offered(got):
        await context.commits.write(run)
    return got.size, got.md5


async def get(
    registry: Registry, project_id: str, container: str, name: str, start: int = 0, length: int | None = None
) -> AsyncIterator[bytes]:
    """The bytes of an object. Raises NotFound."""
    context = registry.use(ObjectContext)

    async def read() -> AsyncIterator[bytes]:
        found = await context.commits.read(
            lambda tx: containers.look_up(tx, model.account_of(project_id), container, name, with_account=False)
        )
        if found.object is None:
            raise NotFound(f"There is no object {container}/{name}.")
        return await context.bodies.open(extents_of(found.object, start, length))

    return await steady(read)


async def remove(registry: Registry, project_id: str, container: str, name: str) -> None:
    """Take an object away; one that is not there is no trouble."""
    context = registry.use(ObjectContext)
    now = context.now()

    def run(tx: Tx) -> None:
        row = containers.container_row(tx, model.account_of(project_id), container)
        if row is not None:
            try:
                actions.delete(tx, row.id, name, now, context.wake_trash)
            except NotFound:
                return

    await context.commits.write(run)


def status(context: ObjectContext) -> dict[str, Any]:
    """Disks, counts and what housekeeping did; for `virga objects status`."""
    import dataclasses

    from virga.services.objects.store import objects as rows
    from virga.services.objects.store import sync

    def read(tx: Tx) -> dict[str, Any]:
        waits, failed = sync.waiting(tx)
        return {
            "sync": {
                "waiting": waits,
                "failed": [{"name": r.name, "tries": r.tries, "due": r.due, "why": r.why} for r in failed],
            },
            "trash": rows.trash_count(tx),
            "quarantine": [{"body": q.body, "why": q.why, "since": q.since} for q in rows.rotten(tx)],
        }

    out = context.commits.read_now(read)
    out["disks"] = [{"name": n, "free": f, "size": s} for n, f, s in context.blobs.free()]
    out["done"] = {k: v for k, v in dataclasses.asdict(context.usage).items() if k != "cursor"}
    if context.bodies.replica is not None:
        out["replica"] = {
            "disks": [{"name": n, "free": f, "size": s} for n, f, s in context.bodies.replica.free()],
            "waiting": len(context.bodies.fresh),
        }
    out["commits"] = {"batches": context.commits.batches, "writes": context.commits.written}
    return out
