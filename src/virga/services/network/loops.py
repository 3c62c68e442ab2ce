# SPDX-License-Identifier: Apache-2.0
"""Network's loops: bring what changed to the switch, compare everything now and then, follow ports as they come up."""

from __future__ import annotations

from virga.ground.loops.loop import Loop, Round
from virga.services.network import model, store
from virga.services.network.driver import Switch
from virga.services.network.kinds import KINDS

MARKS = 2000
"""How many marks are read at once."""
BATCH = 200
"""How many of them the switch is told of between two commits."""
REST = 0.02
"""Seconds between two rounds: what is made in a hurry is told together."""


def sync(round: Round) -> int:
    """Tell the switch of every dirty thing: as it should be, or that it is gone. A mark is dropped only if nothing changed meanwhile."""
    done = 0
    while True:
        with round.db.read() as tx:
            marks = store.DIRTY.find(tx, store.DIRTY.c.kind.in_(KINDS), limit=MARKS)
        marks.sort(key=lambda mark: KINDS[mark.kind].order)
        for at in range(0, len(marks), BATCH):
            part = marks[at : at + BATCH]
            _sync_rows(round, part)
            with round.db.write() as tx:
                for mark in part:
                    store.DIRTY.delete(
                        tx,
                        store.DIRTY.c.kind == mark.kind,
                        store.DIRTY.c.id == mark.id,
                        store.DIRTY.c.generation == mark.generation,
                    )
            done += len(part)
        if len(marks) < MARKS:  # what was marked meanwhile has woken the loop again
            return done


def _sync_rows(round: Round, marks: list[model.Dirty]) -> None:
    with round.db.read() as tx:
        round.prove(tx)
        specs = [KINDS[mark.kind].spec(tx, mark.id, round.registry) for mark in marks]
    for mark, spec in zip(marks, specs, strict=True):
        if spec is not None:
            KINDS[mark.kind].ensure(round.registry, spec)
        else:
            KINDS[mark.kind].remove(round.registry, mark.id)


def repair(round: Round) -> int:
    """Mark everything that we have, and everything that only the switch has; `sync` does the rest. Runs at start and every ten
    minutes, so that a switch that lost its memory gets it back."""
    there = round.registry.use(Switch).observe()
    marked = 0
    for kind in KINDS.values():
        with round.db.read() as tx:
            have = store.ids(tx, kind.rows)
        for ids in _slices(sorted(have | there.get(kind.name, set()))):
            with round.db.write() as tx:
                store.touch(tx, round.registry, kind.name, *ids)
            marked += len(ids)
    return marked


def _slices(ids: list[str]) -> list[list[str]]:
    return [ids[at : at + 500] for at in range(0, len(ids), 500)]


LOOPS = (
    Loop("network.sync", sync, every=5, topic=store.WAKE, rest=REST),
    Loop("network.repair", repair, every=600),
)
