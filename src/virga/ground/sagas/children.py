# SPDX-License-Identifier: Apache-2.0
"""Sagas of sagas: a step for each card or volume. A child is started in the transaction that counts it on its parent's row, so that
only the parent's holder can; it wakes its parent when it ends. A parent ends after its children, and is undone after them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from virga.ground.db.engine import Tx
from virga.ground.errors import Problem
from virga.ground.processes import Fenced, Process
from virga.ground.registry import Registry
from virga.ground.sagas import resources
from virga.ground.sagas.saga import Again, Context, Saga, SagaRegistry, begin, poke
from virga.ground.sagas.table import SAGAS, TABLE, SagaRow

DEPTH = 8
"""A saga of sagas of sagas … ends here: deeper is a mistake."""
MOST = 1000
"""As many children as one saga may ever have."""


class ChildFailed(Problem):
    """A child did not do what it was started for; the message has its name and its words."""


def spawn(
    ctx: Context,
    tx: Tx,
    name: str,
    args: dict[str, Any],
    *,
    key: str | None,
    exclusive: str | Sequence[str] | None,
    shared: Sequence[str],
) -> str:
    """See `Context.spawn`."""
    if name not in ctx.saga.spawns:
        raise RuntimeError(f"{ctx.saga.name} does not declare that it spawns {name}")
    if ctx.saga.endless and not ctx.registry.use(SagaRegistry).sagas[name].endless:
        raise RuntimeError(f"{ctx.saga.name} has no way back, and its child {name} may fail")
    told = key if key is not None else msgspec.json.encode(args, order="sorted").decode()
    id = str(uuid.uuid5(uuid.UUID(ctx.id), f"{name} {told}"))
    if SAGAS.get(tx, id) is not None:
        return id
    mine = (TABLE.c.id == ctx.id, TABLE.c.epoch == ctx.row.epoch, TABLE.c.ended.is_(None))
    if not SAGAS.change(tx, *mine, children=TABLE.c.children + 1):
        raise Fenced
    ctx.spawned += 1
    if ctx.row.children + ctx.spawned > MOST:
        raise RuntimeError(f"{ctx.saga.name} has more than {MOST} children")
    begin(
        tx,
        ctx.registry,
        id,
        name,
        args,
        resources.wanted(exclusive, shared),
        request_id=ctx.row.request_id,
        family=_family(tx, ctx.row),
        parent_step=ctx.row.step,
    )
    return id


def _family(tx: Tx, row: SagaRow) -> list[str]:
    out = [row.id]
    parent = row.parent
    while parent is not None:
        out.append(parent)
        if len(out) > DEPTH:
            raise RuntimeError(f"saga {row.id} has more than {DEPTH} ancestors")
        above = SAGAS.get(tx, parent)
        parent = above.parent if above is not None else None
    return out


def join(ctx: Context, tx: Tx, ids: Sequence[str]) -> list[dict[str, Any]]:
    """See `Context.join`."""
    rows = {c.id: c for c in of(tx, ctx.id)}
    chosen = [rows[id] for id in ids] if ids else list(rows.values())
    ended(chosen, ctx.saga)
    return [c.notes for c in chosen]


def of(tx: Tx, parent: str) -> list[SagaRow]:
    """The children of a saga, in the order in which they were started."""
    return SAGAS.every(tx, order=("created", "id"), parent=parent)


def ended(children: Sequence[SagaRow], parent: Saga) -> None:
    """All of them have done. Raises ChildFailed for the first that did not (a parent without a way back takes it that another took a
    child's place), else Again while one is under way."""
    for child in children:
        if child.ended is not None and child.state != "done" and not parent.endless:
            raise ChildFailed(f"{child.name}: {child.error or child.state}")
    live = [c for c in children if c.ended is None]
    if live:
        raise Again(why=f"{len(live)} of {len(children)} children are under way, {live[0].name} in {live[0].step}")


def unwind(tx: Tx, registry: Registry, row: SagaRow, why: str) -> list[SagaRow]:
    """The step at which `row` stands is undone, and so are the children that it started: those under way turn round, those that have
    done come back to undo what they did. The ones that are not yet undone."""
    book, now = registry.use(SagaRegistry), registry.use(Process).now()
    live = []
    for child in SAGAS.every(tx, parent=row.id, parent_step=row.step):
        if child.ended is None or child.state == "done":
            live.append(child)
        if child.state not in {"run", "done"}:
            continue
        change: dict[str, object] = {"state": "undo", "error": why[:4000], "ended": None, "owner": None, "wake": 0.0}
        saga = book.sagas.get(child.name)
        if saga is not None:
            cursor = min(child.cursor, len(saga.steps) - 1)
            change |= {"cursor": cursor, "step": saga.steps[cursor].name, "until": now + saga.deadline}
        change |= {"attempts": 0, "awaits": None, "waits": None, "epoch": child.epoch + 1}
        if SAGAS.swap(tx, {"id": child.id, "epoch": child.epoch, "state": child.state}, **change) is None:
            raise Again(0.1, why=f"{child.name} moves")  # its worker recorded a step at this moment
        poke(tx, registry)
    return live
