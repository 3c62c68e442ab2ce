# SPDX-License-Identifier: Apache-2.0
"""Sagas of sagas: a machine with volumes and cards, each attached by a child. Hurt anywhere, on both databases, it is there whole or
not at all; what another takes the place of leaves nothing either."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from rigs import Rig
from virga.ground.errors import Conflict, Problem
from virga.ground.sagas import progress, resources, table
from virga.ground.sagas.saga import Context, Saga, Step
from virga.ground.sagas.testing import Hook, Injection, Killed, die, family, giving_way, injections

OUTSIDE: set[str] = set()
"""What exists outside of the database: engines' things."""
ROWS = sa.Table("rig_rows", sa.MetaData(), sa.Column("name", sa.String(64), primary_key=True))
"""What exists in it."""


def put(ctx: Context, name: str) -> None:
    ctx.tx.conn.execute(sa.insert(ROWS).values(name=name))


def take(ctx: Context, name: str) -> None:
    ctx.tx.conn.execute(sa.delete(ROWS).where(ROWS.c.name == name))


# a volume: a row, exactly once, and a connection of the host, at least once


def reserve(ctx: Context) -> str:
    put(ctx, f"row {ctx.args['volume']}")
    return str(ctx.args["volume"])


def unreserve(ctx: Context) -> None:
    take(ctx, f"row {ctx.args['volume']}")


def connect(ctx: Context) -> str:
    if ctx.args.get("broken"):
        raise Problem(f"volume {ctx.args['volume']} does not answer")
    OUTSIDE.add(f"path {ctx.args['volume']}")
    return f"/dev/{ctx.args['volume']}"


def disconnect(ctx: Context) -> None:
    OUTSIDE.discard(f"path {ctx.args['volume']}")


def detached(ctx: Context) -> None:
    OUTSIDE.discard(f"path {ctx.args['volume']}")
    take(ctx, f"row {ctx.args['volume']}")


ATTACH = Saga("rig.attach", (Step(reserve, unreserve, atomic=True), Step(connect, disconnect)), superseded=detached)

# a card: has a child of its own


def plug(ctx: Context) -> None:
    OUTSIDE.add(f"tap {ctx.args['card']}")
    ctx.spawn("rig.bind", {"card": ctx.args["card"]})


def unplug(ctx: Context) -> None:
    OUTSIDE.discard(f"tap {ctx.args['card']}")


def plugged(ctx: Context) -> None:
    ctx.join()


def unplugged(ctx: Context) -> None:
    OUTSIDE.discard(f"tap {ctx.args['card']}")


def bind(ctx: Context) -> None:
    put(ctx, f"bound {ctx.args['card']}")


def unbind(ctx: Context) -> None:
    take(ctx, f"bound {ctx.args['card']}")


CARD = Saga("rig.card", (Step(plug, unplug), Step(plugged)), spawns=("rig.bind",), superseded=unplugged)
BIND = Saga("rig.bind", (Step(bind, unbind, atomic=True),), superseded=unbind)

# the machine


def volumes(ctx: Context) -> list[str]:
    return [
        ctx.spawn("rig.attach", {"volume": v, "broken": v in ctx.args.get("broken", ())}, exclusive=[f"volume:{v}"])
        for v in ctx.args["volumes"]
    ]


def volumes_there(ctx: Context) -> list[str]:
    return [str(notes["connect"]) for notes in ctx.join(*ctx.notes["volumes"])]


def card(ctx: Context) -> str:
    return ctx.spawn("rig.card", {"card": "c"}, exclusive=f"server:{ctx.args['server']}")


def run(ctx: Context) -> None:
    with ctx.db.read() as tx:
        bound = tx.conn.execute(sa.select(ROWS).where(ROWS.c.name == "bound c")).first()
    if bound is None:
        ctx.join(ctx.notes["card"])  # once the card's child has done, the card itself may be under way
    OUTSIDE.add("machine")


def end(ctx: Context) -> None:
    OUTSIDE.discard("machine")


def done(ctx: Context) -> None:
    put(ctx, "active")


def gone(ctx: Context) -> None:
    """What children that have done left is this one's to give up."""
    OUTSIDE.clear()
    ctx.tx.conn.execute(sa.delete(ROWS))


MACHINE = Saga(
    "rig.machine",
    (Step(volumes, atomic=True), Step(volumes_there), Step(card), Step(run, end)),
    done=done,
    superseded=gone,
    spawns=("rig.attach", "rig.card"),
)


def look(ctx: Context) -> None:
    """Beside others: a backup of a volume."""
    OUTSIDE.add(f"copy {ctx.args['n']}")


def forget(ctx: Context) -> None:
    OUTSIDE.discard(f"copy {ctx.args['n']}")


BACKUP = Saga("rig.backup", (Step(look, forget),), superseded=forget)


def away(ctx: Context) -> None:
    OUTSIDE.discard("machine")


DELETE = Saga("rig.delete", (Step(away),), endless=True)
KINDS = {s.name: s for s in (MACHINE, ATTACH, CARD, BIND, BACKUP, DELETE)}
WHOLE = {"path a", "path b", "tap c", "machine"}, {"row a", "row b", "bound c", "active"}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def rigged(request: pytest.FixtureRequest) -> Iterator[Rig]:
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres")()
    rig = Rig(url, KINDS.values())
    with rig.db.write() as tx:
        ROWS.metadata.create_all(tx.conn)
    yield rig
    rig.close()


@pytest.fixture
def rig(rigged: Rig) -> Rig:
    rigged.wipe()
    OUTSIDE.clear()
    with rigged.db.write() as tx:
        tx.conn.execute(sa.delete(ROWS))
    rigged.process.beat()
    return rigged


def state(rig: Rig) -> tuple[set[str], set[str]]:
    return set(OUTSIDE), {name for (name,) in rig.rows(sa.select(ROWS.c.name))}


def machine(rig: Rig, **more: Any) -> str:
    args = {"server": "s", "volumes": ["a", "b"]} | more
    return rig.start("rig.machine", args, exclusive="server:s")


def nothing_held(rig: Rig) -> None:
    assert rig.rows(sa.select(resources.TABLE)) == []
    assert rig.rows(sa.select(table.TABLE.c.id).where(table.TABLE.c.ended.is_(None))) == []


@pytest.mark.parametrize("injection", list(injections(MACHINE, KINDS)), ids=lambda x: x.name)
def test_hurt_anywhere(rig: Rig, injection: Injection) -> None:
    hook = rig.runner.hook = Hook(injection)
    id = machine(rig)
    rig.drain()
    if injection.fail is not None:
        assert "fail" in hook.hit
    if injection.kill is not None:
        assert "kill" in hook.hit
    if injection.trip is not None:
        assert "trip" in hook.hit
    row = rig.row(id)
    if "fail" in hook.hit:
        assert state(rig) == (set(), set()), row
        assert row.state == "failed" and row.error is not None and "Injected" in row.error
    else:
        assert state(rig) == WHOLE
        assert row.state == "done" and row.children == 3
    nothing_held(rig)


def test_the_injector_reaches_grandchildren() -> None:
    names = {i.name for i in injections(MACHINE, KINDS)}
    assert [k.name for k in family(MACHINE, KINDS)] == ["rig.machine", "rig.attach", "rig.card", "rig.bind"]
    assert {"fail-after-rig.bind:bind", "kill-before-undo-rig.attach:connect", "kill-after-run"} <= names


@pytest.mark.parametrize("injection", list(giving_way(MACHINE, KINDS)), ids=lambda x: x.name)
def test_another_takes_its_place(rig: Rig, injection: Injection) -> None:
    """A delete at every step of the machine and of its children; a delete that dies before its commit has not happened."""
    hook = rig.runner.hook = Hook(injection)
    id = machine(rig)
    for _ in range(100):
        try:
            rig.runner.tick()
        except Killed:
            break
    assert "stood" in hook.hit
    if injection.kill is not None:
        with pytest.raises(Killed):
            rig.start("rig.delete", {}, exclusive="server:s", supersede=True)
        assert rig.row(id).state == "run"
    rig.start("rig.delete", {}, exclusive="server:s", supersede=True)
    assert rig.row(id).state == "superseded" and rig.row(id).error == "rig.delete took its place"
    die(rig.process)
    rig.drain()
    assert state(rig) == (set(), set())
    nothing_held(rig)


def test_a_parent_is_told_why_a_child_failed(rig: Rig) -> None:
    id = machine(rig, broken=["b"])
    rig.drain()
    assert rig.row(id).error == "rig.attach: volume b does not answer"
    assert state(rig) == (set(), set()), "the volume that was attached is detached again"
    nothing_held(rig)


def test_children_that_nobody_joins_are_waited_for(rig: Rig) -> None:
    """The last step is done before its child is; the saga ends after it, and fails if it fails."""

    def last(ctx: Context) -> None:
        ctx.spawn("rig.attach", {"volume": "a", "broken": ctx.args["broken"]})

    kind = Saga("rig.late", (Step(last, atomic=True),), done=done, spawns=("rig.attach",))
    rig.book.sagas[kind.name] = rig.runner.sagas[kind.name] = kind
    for broken, then in ((True, (set(), set())), (False, ({"path a"}, {"row a", "active"}))):
        id = rig.start("rig.late", {"broken": broken})
        rig.runner.tick()
        assert (rig.row(id).state, rig.row(id).step) == ("run", "(children)")
        rig.drain()
        assert rig.row(id).state == ("failed" if broken else "done") and state(rig) == then
    nothing_held(rig)


def test_a_child_is_taken_from_its_parent(rig: Rig) -> None:
    """A delete of a volume, not of the machine: the machine is told, and undoes itself."""
    hook = rig.runner.hook = Hook(Injection("k", give_way="rig.attach:connect"))
    id = machine(rig)
    with pytest.raises(Killed):
        while True:
            rig.runner.tick()
    assert hook.hit == ["stood"]
    rig.start("rig.delete", {}, exclusive="volume:a", supersede=True)
    die(rig.process)
    rig.drain()
    row = rig.row(id)
    assert row.state == "failed" and row.error == "rig.attach: rig.delete took its place"
    assert state(rig) == (set(), set())
    nothing_held(rig)


def test_a_repeated_step_starts_its_children_once(rig: Rig) -> None:
    rig.runner.hook = Hook(Injection("k", kill=("after", "do", "card")))
    id = machine(rig)
    rig.drain()
    assert rig.row(id).state == "done"
    kinds = [name for (name,) in rig.rows(sa.select(table.TABLE.c.name))]
    assert sorted(kinds) == ["rig.attach", "rig.attach", "rig.bind", "rig.card", "rig.machine"]


def test_what_a_child_did_stays_its_familys_until_the_end(rig: Rig) -> None:
    """A volume that was attached by a machine still in the making may have to be detached again: nobody else may have it yet."""
    rig.runner.hook = Hook(Injection("k", give_way="run"))
    machine(rig)
    with pytest.raises(Killed):
        while True:
            rig.runner.tick()
    with pytest.raises(Conflict) as met:
        rig.start("rig.backup", {"n": 1}, exclusive="volume:a")
    assert str(met.value) == "rig.machine is under way on volume a; wait until it ends"
    die(rig.process)
    rig.drain()
    assert rig.start("rig.backup", {"n": 1}, exclusive="volume:a")
    rig.drain()


def test_shared_and_exclusive(rig: Rig) -> None:
    one = rig.start("rig.backup", {"n": 1}, exclusive="snapshot:1", shared=["volume:a"])
    rig.start("rig.backup", {"n": 2}, exclusive=("snapshot:2", "snapshot:3"), shared=["volume:a"])
    for claim in ({"exclusive": "volume:a"}, {"exclusive": ["server:x", "snapshot:3"]}, {"shared": ["snapshot:1"]}):
        with pytest.raises(Conflict) as met:
            rig.start("rig.backup", {"n": 3}, **claim)
        assert "rig.backup is under way on" in str(met.value) and met.value.facts["saga"]
    assert one in {p.id for p in rig.progress("volume:a")} and len(rig.progress("volume:a")) == 2
    assert rig.progress("server:x") == [], "what was refused holds nothing"
    rig.start("rig.delete", {}, exclusive="volume:a", supersede=True)
    assert [p.kind for p in rig.progress("volume:a")] == ["rig.delete"], "each of those that share gives way"
    rig.drain()
    nothing_held(rig)


def test_two_that_want_the_same_at_once(rig: Rig) -> None:
    """Both wanted a and b, in another order: one has them, the other is refused; neither waits for ever."""
    told: list[str] = []

    def want(*names: str) -> None:
        try:
            rig.start("rig.backup", {"n": 1}, exclusive=names)
            told.append("has")
        except Conflict:
            told.append("refused")

    pairs = [("volume:a", "volume:b"), ("volume:b", "volume:a")] * 4
    threads = [threading.Thread(target=want, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(told) == ["has"] + ["refused"] * 7


def test_undeclared_children_are_refused(rig: Rig) -> None:
    def step(ctx: Context) -> None:
        ctx.spawn("rig.backup", {})

    kind = Saga("rig.liar", (Step(step),))
    rig.book.sagas[kind.name] = rig.runner.sagas[kind.name] = kind
    id = rig.start("rig.liar")
    rig.drain()
    assert "does not declare" in (rig.row(id).error or "")


def test_join_says_what_it_waits_for(rig: Rig) -> None:
    machine(rig)
    rig.runner.tick()
    (mine,) = [p for p in rig.progress("server:s") if p.kind == "rig.machine"]
    assert mine.step == "volumes_there" and mine.waits == "2 of 2 children are under way, rig.attach in reserve"
    (child,) = rig.progress("volume:a")
    assert child.parent == mine.id and (child.kind, child.state) == ("rig.attach", "run")
    with rig.db.read() as tx:
        assert {p.kind for p in progress.live(tx)} == {"rig.machine", "rig.attach"}
    rig.drain()


def test_spawn_is_fenced(rig: Rig) -> None:
    """A worker that was paused over its death starts no child of a saga that somebody else carries."""
    met: list[BaseException] = []

    def late(ctx: Context) -> None:
        die(rig.process)
        assert rig.runner.claim() is not None, "another took the saga meanwhile"
        try:
            ctx.spawn("rig.backup", {"n": 1})
        except BaseException as e:
            met.append(e)
            raise

    kind = Saga("rig.late", (Step(late),), spawns=("rig.backup",))
    rig.book.sagas[kind.name] = rig.runner.sagas[kind.name] = kind
    rig.start("rig.late")
    rig.runner.tick()
    assert [type(e).__name__ for e in met] == ["Fenced"]
    assert rig.rows(sa.select(table.TABLE.c.id).where(table.TABLE.c.name == "rig.backup")) == []
