# SPDX-License-Identifier: Apache-2.0
"""Compute's loops: the keeper of transitional states, ports of machines that are gone, servers of projects that are gone."""

from __future__ import annotations

from virga.ground import log, metrics
from virga.ground.act import Act
from virga.ground.loops.loop import Loop, Round
from virga.ground.sagas.saga import SAGAS, start
from virga.services.compute import model, power, store
from virga.services.compute.presence import FLUSH, Presence
from virga.services.identity import api as identity
from virga.services.network import api as network

LOG = log.get("keeper")
KEPT = 24 * 3600.0


def settle(round: Round) -> int:
    """No server stays in a task whose saga is over: it becomes what the log can prove, and we hear of it as a bug."""
    with round.db.read() as tx:
        rows = store.SERVERS.find(tx, store.c.task_state.is_not(None))
        live = {s.id for s in SAGAS.within(tx, "id", [r.saga_id for r in rows if r.saga_id], SAGAS.c.ended.is_(None))}
    settled = 0
    for row in rows:
        if row.saga_id in live:
            continue
        with round.db.write() as tx:
            where = (store.c.id == row.id, store.c.saga_id == row.saga_id, store.c.task_state == row.task_state)
            if row.task_state == "deleting":
                saga = start(
                    tx,
                    round.registry,
                    "compute.delete_server",
                    {"server": row.id},
                    exclusive=f"server:{row.id}",
                    supersede=True,
                )
                settled += store.SERVERS.change(tx, *where, saga_id=saga)
            else:
                fault = {
                    "code": 500,
                    "created": round.world.now(),
                    "message": f"The task {row.task_state} ended without a result.",
                    "details": "",
                }
                state = model.ERROR if row.vm_state == model.BUILDING else row.vm_state
                settled += store.SERVERS.change(tx, *where, vm_state=state, task_state=None, saga_id=None, fault=fault)
        metrics.KEEPER.labels("server").inc()
        LOG.error("settled", server=row.id, task=row.task_state, saga=row.saga_id)
    return settled


def orphans(round: Round) -> int:
    """Ports that compute made for servers that are no more; servers of projects that are no more."""
    with round.db.read() as tx:
        owners = network.port_owners(tx)
        have = {s.id for s in store.SERVERS.within(tx, "id", owners)}
    freed = 0
    for id in set(owners) - have:
        with round.db.write() as tx:
            if store.SERVERS.get(tx, id) is None:
                act = Act(network.system_actor(""), round.registry, round.db, open=tx)
                freed += network.release(act, id, None)
    with round.db.read() as tx:
        projects = {
            p for (p,) in tx.conn.execute(store.SERVERS.table.select().with_only_columns(store.c.project_id).distinct())
        }
        gone = [p for p in projects if not identity.project_exists(tx, p)]
        doomed = [
            s for p in gone for s in store.SERVERS.find(tx, store.c.project_id == p) if s.task_state != "deleting"
        ]
    for s in doomed:
        with round.db.write() as tx:
            saga = start(
                tx,
                round.registry,
                "compute.delete_server",
                {"server": s.id},
                exclusive=f"server:{s.id}",
                supersede=True,
            )
            freed += store.SERVERS.change(tx, store.c.id == s.id, task_state="deleting", saga_id=saga)
    return freed


def powers(round: Round) -> int:
    """Servers that were in a task when their machine's power changed are shown as it is now."""
    with round.db.read() as tx:
        ids = store.unsettled(tx)
    changed = 0
    for id in ids:
        with round.db.write() as tx:
            changed += power.settle(tx, round.world.now(), id)
    return changed


def presence(round: Round) -> int:
    """Nodes that were heard of are written down."""
    return round.registry.use(Presence).flush()


def orders(round: Round) -> int:
    """Orders that were over yesterday are forgotten."""
    with round.db.write() as tx:
        return store.forget_old_orders(tx, round.world.now() - KEPT)


LOOPS = (
    Loop("compute.powers", powers, every=10),
    Loop("compute.presence", presence, every=FLUSH, shared=False),
    Loop("compute.orders", orders, every=3600),
    Loop("compute.keep", settle, every=10),
    Loop("compute.orphans", orphans, every=60, topic="event.identity.project.deleted"),
)
