# SPDX-License-Identifier: Apache-2.0
"""What is remembered of sagas and events has an end."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa

from rigs import Rig
from virga.ground import events
from virga.ground.events import Event
from virga.ground.loops.loop import Loop
from virga.ground.sagas import history, table
from virga.ground.sagas.saga import Again, Context, Saga, Step
from virga.ground.world import VirtualClock


def once(ctx: Context) -> None:
    return


class Happened(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "rig.happened"


def test_ended_sagas_are_forgotten_but_not_what_a_living_parent_may_undo(database: str | None) -> None:
    held = [True]

    def spawn(ctx: Context) -> None:
        ctx.spawn("rig.child", {})

    def wait(ctx: Context) -> None:
        if held:
            raise Again(3600, why="not yet")

    family = [
        Saga("rig.alone", (Step(once),)),
        Saga("rig.child", (Step(once),)),
        Saga("rig.parent", (Step(spawn), Step(wait)), deadline=90 * 86400.0, spawns=("rig.child",)),
    ]
    rig = Rig(database, family, clock=VirtualClock(), loops=[history.FORGET])
    rig.process.beat()
    alone, parent = rig.start("rig.alone"), rig.start("rig.parent")
    for _ in range(10):
        rig.runner.tick()
    assert rig.row(alone).state == "done"

    def there() -> list[str]:
        return sorted(r.name for r in rig.rows(sa.select(table.TABLE.c.name)))

    def later(seconds: float) -> None:
        rig.world.clock.advance(seconds)  # type: ignore[attr-defined]
        assert rig.loops.once("sagas.forget")

    later(history.KEEP - 3600)
    assert there() == ["rig.alone", "rig.child", "rig.parent"]
    later(7200)
    assert there() == ["rig.child", "rig.parent"]
    held.clear()
    rig.process.beat()
    rig.drain()
    assert rig.row(parent).state == "done"
    later(history.KEEP + 3600)
    assert there() == []
    rig.close()


def test_a_month_of_sagas_goes_in_batches(database: str | None) -> None:
    rig = Rig(database, [Saga("rig.alone", (Step(once),))], loops=[history.FORGET])
    rig.process.beat()
    pattern = rig.row(rig.start("rig.alone"))
    with rig.db.write() as tx:
        columns = {c.name: getattr(pattern, c.name) for c in table.TABLE.c} | {"state": "done", "ended": 1.0}
        many = [columns | {"id": f"old-{n}"} for n in range(2 * history.BATCH + 1)]
        tx.conn.execute(sa.insert(table.TABLE), many)
    assert rig.loops.once("sagas.forget")
    assert [r.id for r in rig.rows(sa.select(table.TABLE.c.id))] == [pattern.id]
    rig.close()


def test_published_events_are_forgotten_after_a_day(database: str | None) -> None:
    rig = Rig(database, [], clock=VirtualClock(), loops=events.LOOPS)
    assert {loop.name for loop in events.LOOPS if isinstance(loop, Loop)} == {"outbox", "outbox.forget"}

    def left() -> int:
        return len(rig.rows(sa.select(events.TABLE.c.id)))

    def emit() -> None:
        with rig.db.write() as tx:
            events.emit(tx, rig.registry, Happened())

    emit()
    assert rig.loops.once("outbox") and rig.loops.once("outbox.forget") and left() == 1
    rig.world.clock.advance(events.KEEP + 1)  # type: ignore[attr-defined]
    emit()
    assert rig.loops.once("outbox.forget") and left() == 1, "what nobody was told of stays"
    assert rig.loops.once("outbox") and rig.loops.once("outbox.forget") and left() == 1
    rig.close()
