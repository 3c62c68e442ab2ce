# SPDX-License-Identifier: Apache-2.0
"""Network's loops: bring what changed to the switch, compare everything now and then, follow ports as they come up."""

from __future__ import annotations

from typing import Any

from virga.ground import log
from virga.ground.bus import Bus
from virga.ground.db.rows import Rows
from virga.ground.loops.loop import Loop, Round
from virga.services.network import model, specs, store
from virga.services.network.driver import Switch
from virga.services.network.settings import Network

ORDER = {"network": 0, "group": 1, "port": 2, "router": 3}
BATCH = 200
LOG = log.get("network")


def sync(round: Round) -> int:
    """Tell the switch of every dirty thing: as it should be, or that it is gone. A mark is dropped only if nothing changed meanwhile."""
    done = 0
    while True:
        with round.db.read() as tx:
            marks = store.DIRTY.find(tx, limit=2000)
        if not marks:
            return done
        marks.sort(key=lambda d: ORDER[d.kind])
        for at in range(0, len(marks), BATCH):
            part = marks[at : at + BATCH]
            for mark in part:
                _tell(round, mark)
            with round.db.write() as tx:
                for mark in part:
                    store.DIRTY.delete(
                        tx,
                        store.DIRTY.c.kind == mark.kind,
                        store.DIRTY.c.id == mark.id,
                        store.DIRTY.c.generation == mark.generation,
                    )
            done += len(part)


def _tell(round: Round, mark: model.Dirty) -> None:
    switch = round.doors.use(Switch)
    with round.db.read() as tx:
        if mark.kind == "network":
            network = specs.network(tx, mark.id, round.doors.use(Network))
        elif mark.kind == "group":
            group = specs.group(tx, mark.id)
        elif mark.kind == "router":
            router = specs.router(tx, mark.id)
        else:
            port = specs.port(tx, mark.id)
    if mark.kind == "network":
        switch.ensure_network(network) if network is not None else switch.remove_network(mark.id)
    elif mark.kind == "group":
        switch.ensure_group(group) if group is not None else switch.remove_group(mark.id)
    elif mark.kind == "router":
        switch.ensure_router(router) if router is not None else switch.remove_router(mark.id)
    else:
        switch.ensure_port(port) if port is not None else switch.remove_port(mark.id)
    if mark.kind == "network":
        round.doors.use(Bus).publish("all.network.changed", {"network": mark.id})


def repair(round: Round) -> int:
    """Mark everything that we have, and everything that only the switch has; `sync` does the rest. Runs at start and every ten
    minutes, so that a switch that lost its memory gets it back."""
    seen = round.doors.use(Switch).observe()
    ours: dict[str, Rows[Any]] = {
        "network": store.NETWORKS,
        "group": store.GROUPS,
        "router": store.ROUTERS,
        "port": store.PORTS,
    }
    with round.db.read() as tx:
        have = {
            kind: set(tx.conn.execute(rows.table.select().with_only_columns(rows.c.id)).scalars())
            for kind, rows in ours.items()
        }
    marked = 0
    for kind, there in seen.items():
        for ids in _slices(sorted(have[kind] | there)):
            with round.db.write() as tx:
                store.touch(tx, round.doors, kind, *ids)
            marked += len(ids)
    return marked


def _slices(ids: list[str]) -> list[list[str]]:
    return [ids[at : at + 500] for at in range(0, len(ids), 500)]


LOOPS = (Loop("network.sync", sync, every=5, topic=store.WAKE), Loop("network.repair", repair, every=600))
