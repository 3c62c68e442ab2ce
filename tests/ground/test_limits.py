# SPDX-License-Identifier: Apache-2.0
"""Limits of a step and of the whole, waiting by name, and what a saga says of itself while it goes on."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rigs import Rig, until
from virga.cli.main import main
from virga.ground.errors import Problem, Unavailable
from virga.ground.events import Event, deliver, emit
from virga.ground.loops.loop import Round
from virga.ground.sagas import progress
from virga.ground.sagas.runner import Runner
from virga.ground.sagas.saga import Again, Context, Saga, Step, wake
from virga.ground.world import SystemClock, VirtualClock


@pytest.fixture
def rig(database: str | None) -> Iterator[Rig]:
    made = Rig(database, [])
    made.process.beat()
    yield made
    made.close()


def kind(rig: Rig, *steps: Step, **more: Any) -> str:
    saga = Saga("rig.kind", steps, **more)
    rig.book.sagas[saga.name] = rig.runner.sagas[saga.name] = saga
    return saga.name


def advance(rig: Rig, seconds: float) -> None:
    assert isinstance(rig.world.clock, VirtualClock)
    rig.world.clock.advance(seconds)


def test_a_step_has_its_own_limit(rig: Rig) -> None:
    undone: list[str] = []

    def ask(ctx: Context) -> None:
        raise Again(3600, why="host a does not answer")

    name = kind(rig, Step(ask, lambda ctx: undone.append("ask"), within=30), deadline=9999)
    id = rig.start(name)
    rig.runner.tick()
    advance(rig, 29)
    assert not rig.runner.tick()
    advance(rig, 1)
    rig.runner.tick()
    row = rig.row(id)
    assert row.state == "failed" and undone == ["ask"]
    assert row.error == "rig.kind: step ask was not done within 30 s; it waits: host a does not answer"


def test_the_limit_begins_with_the_step(rig: Rig) -> None:
    def first(ctx: Context) -> None:
        if ctx.world.now() < start + 50:
            raise Again(10)

    def second(ctx: Context) -> None:
        if ctx.world.now() < start + 75:
            raise Again(5)

    start = rig.world.now()
    id = rig.start(kind(rig, Step(first), Step(second, within=30), deadline=1000))
    rig.drain()
    assert rig.row(id).state == "done"


def test_the_whole_has_a_deadline(rig: Rig) -> None:
    def ask(ctx: Context) -> None:
        raise Again(7)

    id = rig.start(kind(rig, Step(ask, within=500), deadline=100))
    rig.drain()
    row = rig.row(id)
    assert row.state == "failed" and row.error == "rig.kind passed its deadline of 100 s in step ask"
    assert row.ended is not None and row.ended - row.created < 103


def test_a_hung_call_is_left_to_itself(database: str | None, tmp_path: Path) -> None:
    """A driver's call never comes back. At the limit the saga is undone by another worker, who takes the hung one's place; what the
    call brings when it does come back is refused."""
    hangs, undone = threading.Event(), threading.Event()

    def call(ctx: Context) -> str:
        assert hangs.wait(30)
        return "late"

    url = database or f"sqlite:///{tmp_path / 'r.db'}"
    rig = Rig(url, [Saga("rig.kind", (Step(call, lambda ctx: undone.set(), within=0.5),))], clock=SystemClock())
    rig.process.start()
    rig.runner.start(1)
    id = rig.start("rig.kind")
    assert undone.wait(15) and until(lambda: rig.row(id).ended)
    assert rig.row(id).error == "rig.kind: step call was not done within 0.5 s"
    second = rig.start("rig.kind")
    assert until(lambda: rig.row(second).owner), "there still is a worker"
    hangs.set()
    assert until(lambda: rig.row(second).ended)
    assert rig.row(id).notes == {} and rig.row(id).state == "failed"
    assert until(lambda: sum(t.is_alive() for t in rig.runner._threads) == 1), "whose place was taken goes"
    rig.close()


def test_what_has_no_way_back_never_gives_up_and_says_so(rig: Rig) -> None:
    """A delete is past its deadline: alarmed, in the log, the metrics, `virga doctor`; it goes on, and ends when it can."""
    from virga.ground import metrics

    away = [True]

    def remove(ctx: Context) -> None:
        if away[0]:
            raise Again(20, why="host a has not removed the machine")

    name = kind(rig, Step(remove), deadline=100, endless=True)
    late = metrics.SAGAS_LATE.labels(name, "remove")._value.get
    before = late()
    id = rig.start(name, exclusive="server:x")
    for _ in range(12):
        while rig.runner.tick():
            pass
        advance(rig, 20)
    assert late() - before == 2, "at the deadline and once more after each further one"
    with rig.db.read() as tx:
        (seen,) = progress.troubled(tx)
    assert seen.id == id and seen.state == "run" and seen.resources == ["server:x"]
    assert (
        seen.error
        == "rig.kind passed its deadline of 100 s in step remove; it waits: host a has not removed the machine"
    )
    away.clear()
    away.append(False)
    rig.drain()
    assert rig.row(id).state == "done"


def test_what_has_no_way_back_tries_again_what_fails(rig: Rig) -> None:
    tries: list[float] = []

    def remove(ctx: Context) -> None:
        tries.append(ctx.world.now())
        if len(tries) < 6:
            raise Problem("the switch said no")

    id = rig.start(kind(rig, Step(remove), endless=True))
    rig.drain()
    assert rig.row(id).state == "done" and len(tries) == 6
    gaps = [b - a for a, b in itertools.pairwise(tries)]
    assert gaps == sorted(gaps) and gaps[-1] >= 4, "it backs off"


def test_an_engine_that_is_away_is_waited_for(rig: Rig) -> None:
    tries: list[int] = []

    def ask(ctx: Context) -> None:
        tries.append(1)
        if len(tries) < 4:
            raise Unavailable("The switch does not answer.")

    id = rig.start(kind(rig, Step(ask)), exclusive="port:1")
    rig.runner.tick()
    (seen,) = rig.progress("port:1")
    assert (seen.tries, seen.waits) == (1, "The switch does not answer.")
    rig.drain()
    assert rig.row(id).state == "done" and rig.progress("port:1") == []


def test_waiting_by_name(rig: Rig) -> None:
    """Nothing is lost between the look and the sleep: what happens in between is seen by the second look."""
    ready, looks = [False], []

    def step(ctx: Context) -> None:
        looks.append(ctx.row.awaits)
        if not ready[0]:
            raise Again(1000, on="image:1:bytes", why="the image has no bytes yet")

    id = rig.start(kind(rig, Step(step), deadline=5000))
    rig.runner.tick()
    assert looks == [None, "image:1:bytes"], "it looks once more when the call would be heard"
    assert not rig.runner.tick() and rig.row(id).waits == "the image has no bytes yet"
    with rig.db.write() as tx:
        wake(tx, rig.registry, "image:2:bytes")
    assert not rig.runner.tick()
    ready[0] = True
    with rig.db.write() as tx:
        wake(tx, rig.registry, "image:1:bytes")
    assert rig.runner.tick() and rig.row(id).state == "done"


def test_woken_while_it_looks(rig: Rig) -> None:
    """The call comes while the step is still on its way to say that it will sleep."""
    looks: list[str | None] = []

    def step(ctx: Context) -> None:
        looks.append(ctx.row.awaits)
        if len(looks) == 3:
            return
        with ctx.db.write() as tx:
            wake(tx, ctx.registry, "x")
        raise Again(1000, on="x")

    id = rig.start(kind(rig, Step(step), deadline=5000))
    while rig.runner.tick():
        pass
    assert rig.row(id).state == "done" and looks == [None, "x", "x"]


class Happened(Event, frozen=True, kw_only=True):
    topic = "rig.happened"


def test_waiting_for_an_event(rig: Rig) -> None:
    looks: list[int] = []

    def step(ctx: Context) -> None:
        looks.append(1)
        if len(looks) < 3:
            raise Again(1000, on="event.rig.happened")

    id = rig.start(kind(rig, Step(step), deadline=5000))
    rig.runner.tick()
    with rig.db.write() as tx:
        emit(tx, rig.registry, Happened())
    assert deliver(Round(rig.db, rig.world, rig.registry)) == 1
    assert rig.runner.tick() and rig.row(id).state == "done"


def test_a_step_says_how_far_it_is(rig: Rig) -> None:
    seen: list[Any] = []

    def copy(ctx: Context) -> None:
        for n in (0, 10, 20, 30, 40):
            ctx.say(n, 40, "MiB copied")
            seen.append((rig.progress("volume:1")[0].done, rig.progress("volume:1")[0].percent))
            advance(rig, 0.6)
        assert rig.progress("volume:1")[0].what == "MiB copied"

    def rest(ctx: Context) -> None:
        (now,) = rig.progress("volume:1")
        seen.append((now.step, now.done, now.what))

    rig.start(kind(rig, Step(copy), Step(rest)), exclusive="volume:1")
    rig.drain()
    assert seen == [(0, 0), (0, 0), (20, 50), (20, 50), (40, 100), ("rest", 0, None)], (
        "at most once a second; then the next step"
    )


def test_saying_is_how_a_step_learns_that_it_is_over(rig: Rig) -> None:
    ended: list[str] = []

    def copy(ctx: Context) -> None:
        rig.start("rig.delete", exclusive="volume:1", supersede=True)
        try:
            ctx.say(1, 2, "copied")
        except BaseException as e:
            ended.append(type(e).__name__)
            raise

    def away(ctx: Context) -> None:
        return None

    delete = Saga("rig.delete", (Step(away),))
    rig.book.sagas[delete.name] = rig.runner.sagas[delete.name] = delete
    id = rig.start(kind(rig, Step(copy)), exclusive="volume:1")
    rig.drain()
    assert ended == ["Fenced"] and rig.row(id).state == "superseded"


def test_the_command_shows_them(tmp_path: Path) -> None:
    """`virga sagas`, for people and for machines."""

    def copy(ctx: Context) -> None:
        ctx.say(3, 4, "GiB copied")
        raise Again(50, why="host a is slow")

    def no(ctx: Context) -> None:
        raise Problem("no such volume")

    rig = Rig(f"sqlite:///{tmp_path / 'virga.db'}", [], clock=SystemClock())
    rig.start(kind(rig, Step(copy)), exclusive="volume:1", shared=["server:2"])
    rig.runner.tick()
    rig.book.sagas["rig.no"] = rig.runner.sagas["rig.no"] = Saga("rig.no", (Step(no),))
    rig.start("rig.no", exclusive="volume:2")
    rig.runner.tick()
    rig.close()
    assert isinstance(rig.runner, Runner)
    words = ["--state", str(tmp_path), "sagas"]
    told = CliRunner().invoke(main, words)
    assert told.exit_code == 0, told.output
    head, line = told.output.splitlines()
    assert head.split() == ["SAGA", "ON", "STEP", "TRIES", "AGE", "PROGRESS", "WHY"]
    for text in ("rig.kind", "server:2 volume:1", "copy", "75 % GiB copied", "host a is slow"):
        assert text in line
    facts = json.loads(CliRunner().invoke(main, [*words, "--json", "--failed"]).output)
    assert [(f["kind"], f["state"], f["percent"], f["resources"]) for f in facts] == [
        ("rig.kind", "run", 75, ["server:2", "volume:1"]),
        ("rig.no", "failed", None, []),
    ]
    assert facts[1]["error"] == "no such volume" and facts[0]["age"] >= 0
