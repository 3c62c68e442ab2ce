# SPDX-License-Identifier: Apache-2.0
"""Handing a server to its node and waiting for it: the steps that sagas share."""

from __future__ import annotations

from typing import Any

from virga.ground.bus import Bus
from virga.ground.db.engine import Tx
from virga.ground.errors import Problem, public
from virga.ground.events import emit
from virga.ground.http.call import Call, Query, Request
from virga.ground.sagas import Again, Context
from virga.services.compute import events, model, store
from virga.services.network import api as network

POLL = 5.0


class NodeFailed(Problem):
    """The node says that it could not; the message is the hypervisor's."""


def server(ctx: Context, tx: Tx) -> model.Server | None:
    return store.SERVERS.get(tx, ctx.args["server"])


def want(ctx: Context, tx: Tx, row: model.Server, verb: str) -> int:
    """Set what the node should do next; the generation it will carry."""
    generation = row.generation + 1
    store.SERVERS.put(tx, row.id, generation=generation, verb=verb, seen_error=None)
    bus = ctx.doors.use(Bus)
    tx.after_commit(lambda: bus.publish(f"node.{row.host}.wake", {"server": row.id}))
    return generation


def awaited(ctx: Context, generation: int) -> model.Server | None:
    """The server once its node has done `generation`; Again until then. Raises NodeFailed with the node's words."""
    with ctx.db.read() as tx:
        row = server(ctx, tx)
    if row is None:
        return None
    if row.seen_generation < generation:
        raise Again(POLL, why=f"host {row.host} has not done {row.verb} (generation {generation}) yet")
    if row.seen_error:
        raise NodeFailed(row.seen_error)
    return row


def gone_from_node(ctx: Context) -> None:
    """Have the node remove the machine, and wait until it has; a node that is away is not waited for: it removes what is not its
    own when it comes back."""
    with ctx.db.read() as tx:
        row = server(ctx, tx)
        host = store.HOSTS.by(tx, name=row.host) if row is not None and row.host is not None else None
    if row is None or row.host is None:
        return
    if row.verb != "remove":
        with ctx.db.write() as tx:
            fresh = server(ctx, tx)
            if fresh is not None and fresh.verb != "remove":
                want(ctx, tx, fresh, "remove")
        raise Again(POLL, why=f"host {row.host} is told to remove the machine")
    if row.seen_generation >= row.generation and row.seen_error is None:
        return
    if host is None or model.host_down(host, ctx.world.now()):
        return
    if row.seen_generation >= row.generation:
        with ctx.db.write() as tx:
            fresh = server(ctx, tx)
            if fresh is not None:
                want(ctx, tx, fresh, "remove")
    raise Again(POLL, why=f"host {row.host} has not removed the machine: {row.seen_error or 'it has not answered yet'}")


def as_call(ctx: Context, tx: Tx, project_id: str) -> Call:
    """A call on Virga's own behalf, for the neighbours' doors."""
    request = Request("saga", "POST", "/", "", Query({}), "", {}, "", "")
    return Call(network.system_actor(project_id), (0, 0), request, ctx.doors, ctx.db, open=tx)


def tell(ctx: Context, tx: Tx, row: model.Server, state: str, reason: str | None = None) -> None:
    emit(
        tx,
        ctx.doors,
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
