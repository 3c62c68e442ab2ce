# SPDX-License-Identifier: Apache-2.0
"""Who holds what: processes that live, die, hang and disagree about the time. Threads and clocks are real here, where they matter."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from rigs import Rig, until
from virga.ground import processes
from virga.ground.db.engine import Database
from virga.ground.loops.loop import LEASES, Loop, Round
from virga.ground.processes import LEASE, Fenced, Process
from virga.ground.sagas import table
from virga.ground.sagas.saga import Context, Saga, Step, start
from virga.ground.world import SystemClock, VirtualClock, World


class Wrong:
    """A wall clock that is set wrong by so many seconds."""

    def __init__(self, by: float) -> None:
        self.by = by

    def now(self) -> float:
        return time.time() + self.by


class Pace:
    """A step that the test holds in its hands."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.runs: list[str] = []

    def step(self, ctx: Context) -> str:
        self.runs.append(ctx.registry.use(Process).id)
        if len(self.runs) == 1:
            self.begun.set()
            assert self.go.wait(30)
        return ctx.registry.use(Process).id

    def kind(self, **more: float) -> Saga:
        def held(ctx: Context) -> str:
            return self.step(ctx)

        def after(ctx: Context) -> None:
            return None

        return Saga("rig.held", (Step(held, after, **more), Step(after)), deadline=86400)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> float:
    """A lease of 0.9 s and a beat in 0.1 s, so that real time is enough."""
    import virga.ground.sagas.runner as runner

    monkeypatch.setattr(processes, "BEAT", 0.1)
    monkeypatch.setattr(processes, "LEASE", 0.9)
    monkeypatch.setattr(runner, "LEASE", 0.9)
    return 0.9


def two(url: str | None, tmp_path: Path, kind: Saga, *clocks: object) -> tuple[Rig, Rig]:
    """Two processes on one database: a file of SQLite, or PostgreSQL."""
    url = url or f"sqlite:///{tmp_path / 'r.db'}"
    one = Rig(url, [kind], clock=clocks[0] if clocks else SystemClock())  # type: ignore[arg-type]
    other = Rig(url, [kind], clock=clocks[1] if clocks else SystemClock())  # type: ignore[arg-type]
    one.process.start()
    other.process.start()
    return one, other


def test_a_slow_step_keeps_its_saga(database: str | None, tmp_path: Path, short: float) -> None:
    """A step that takes four times the lease is its worker's, as long as the process lives."""
    pace = Pace()
    one, other = two(database, tmp_path, pace.kind())
    id = one.start("rig.held")
    one.runner.start(1)
    assert pace.begun.wait(10)
    other.runner.start(2)
    threading.Event().wait(4 * short)
    assert one.row(id).owner == one.process.id
    pace.go.set()
    assert until(lambda: one.row(id).ended)
    assert pace.runs == [one.process.id]
    one.close()
    other.close()


def test_a_dead_process_loses_what_it_holds(database: str | None, tmp_path: Path, short: float) -> None:
    """Its beat ends; in a lease's time another process repeats the step. What the dead one records when it comes back is refused."""
    pace = Pace()
    one, other = two(database, tmp_path, pace.kind())
    id = one.start("rig.held")
    one.runner.start(1)
    assert pace.begun.wait(10)
    one.process._stop.set()  # as a frozen process: no beat, no farewell
    begun = time.monotonic()
    other.runner.start(1)
    assert until(lambda: other.row(id).ended)
    assert time.monotonic() - begun < 10 * short
    assert other.row(id).notes["held"] == other.process.id
    pace.go.set()
    one.runner.stop()
    assert other.row(id).notes["held"] == other.process.id and pace.runs == [one.process.id, other.process.id]
    other.close()
    one.db.close()


def test_wrong_clocks_agree(postgres: Callable[[], str], tmp_path: Path, short: float) -> None:
    """One machine's clock is an hour fast, the other's an hour slow: neither takes the other for dead, and a wait is a wait."""
    pace = Pace()
    one, other = two(postgres(), tmp_path, pace.kind(), Wrong(3600), Wrong(-3600))
    assert abs(one.process.now() - other.process.now()) < 1 and abs(one.process.now() - time.time()) < 5
    id = one.start("rig.held")
    one.runner.start(1)
    assert pace.begun.wait(10)
    other.runner.start(1)
    threading.Event().wait(3 * short)
    assert one.row(id).owner == one.process.id and one.row(id).ended is None
    late = other.start("rig.held")
    assert until(lambda: other.row(late).ended)
    assert abs(other.row(late).created - one.row(id).created) < 60
    pace.go.set()
    assert until(lambda: one.row(id).ended)
    one.close()
    other.close()


def test_a_process_that_stops_gives_back_at_once(database: str | None, tmp_path: Path) -> None:
    loop = Loop("rig.loop", lambda round: 0, every=60)
    url = database or f"sqlite:///{tmp_path / 'r.db'}"
    one, other = (Rig(url, [], clock=SystemClock(), loops=[loop]) for _ in range(2))
    one.process.start()
    other.process.start()
    assert one.loops.take("rig.loop") == 1 and one.loops.take("rig.loop") == 1
    assert other.loops.take("rig.loop") is None
    one.process.stop()
    assert other.loops.take("rig.loop") == 2
    one.close()
    other.close()


def test_a_loop_is_fenced(database: str | None, tmp_path: Path) -> None:
    """A process pauses in the middle of a round, for longer than its lease. Another runs the loop meanwhile; the first one's writes are
    refused when it goes on, and it can know before it touches anything else."""
    seen: list[object] = []

    def run(round: Round) -> int:
        with round.db.write() as tx:
            tx.conn.execute(
                sa.insert(table.TABLE.metadata.tables["outbox"]).values(topic=f"{round.epoch}", payload={}, created=0)
            )
        if round.epoch == 1:
            with round.db.read() as tx:
                round.prove(tx)
            clock.advance(LEASE + 1)
            other.process.beat()
            epoch = other.loops.take("rig.loop")
            assert epoch == 2 and other.loops.once("rig.loop", epoch)
            with pytest.raises(Fenced), round.db.read() as tx:
                round.prove(tx)
            seen.append("known")
            with round.db.read() as tx:
                assert tx.conn.execute(sa.select(LEASES.c.epoch)).scalar() == 2, "it may still look"
            with round.db.write() as tx:
                seen.append("written")
                tx.conn.execute(
                    sa.insert(table.TABLE.metadata.tables["outbox"]).values(topic="late", payload={}, created=0)
                )
        return 1

    clock, loop = VirtualClock(1_800_000_000.0), Loop("rig.loop", run, every=60)
    url = database or f"sqlite:///{tmp_path / 'r.db'}"
    one, other = (Rig(url, [], clock=clock, loops=[loop]) for _ in range(2))
    one.process.beat()
    epoch = one.loops.take("rig.loop")
    assert epoch == 1 and other.loops.take("rig.loop") is None
    assert not one.loops.once("rig.loop", epoch)
    assert seen == ["known"]
    assert one.loops.status["rig.loop"].error == "Fenced: another process runs rig.loop now"
    assert [t for (t,) in one.rows(sa.text("select topic from outbox order by id"))] == ["1", "2"]  # type: ignore[arg-type]
    assert one.loops.take("rig.loop") is None
    one.close()
    other.close()


def test_nobody_takes_a_lease_between_proof_and_commit(postgres: Callable[[], str]) -> None:
    """The proof locks the lease: who wants it waits until the write that was proven is over."""
    url, clock, loop = postgres(), VirtualClock(1_800_000_000.0), Loop("rig.loop", lambda round: 0, every=60)
    one, other = (Rig(url, [], clock=clock, loops=[loop]) for _ in range(2))
    one.process.beat()
    epoch = one.loops.take("rig.loop")
    assert epoch == 1
    taken: list[int | None] = []
    with one.loops._round("rig.loop", epoch).db.write():
        clock.advance(LEASE + 1)
        thread = threading.Thread(target=lambda: taken.append(other.loops.take("rig.loop")))
        thread.start()
        thread.join(0.7)
        assert taken == []
    thread.join(20)
    assert taken == [2]
    one.close()
    other.close()


def test_two_processes_carry_each_saga_once(database: str | None, tmp_path: Path) -> None:
    """Many sagas, two processes with three workers each: every one is done, every atomic step once, and both had a share."""
    one, other = two(database, tmp_path, counted())
    with one.db.write() as tx:
        COUNT.create(tx.conn)
    for n in range(60):
        (one, other)[n % 2].start("rig.count", {"n": n, "pause": 0.01}, exclusive=f"thing:{n}")
    one.runner.start(3)
    other.runner.start(3)
    live = sa.select(table.TABLE.c.id).where(table.TABLE.c.ended.is_(None))
    assert until(lambda: not one.rows(live), 60)
    rows = one.rows(sa.select(COUNT))
    assert sorted(n for n, _ in rows) == list(range(60))
    assert {by for _, by in rows} == {one.process.id, other.process.id}
    one.close()
    other.close()


def test_a_killed_process_of_this_machine_is_buried_at_once(tmp_path: Path) -> None:
    """A restart after kill -9 does not wait for the lease: the kernel has given up the dead one's lock. One that lives keeps its."""
    url, folder = f"sqlite:///{tmp_path / 'r.db'}", tmp_path / "processes"
    rig = Rig(url, [])
    code = (
        "import sys, time; from pathlib import Path\n"
        "from virga.ground.db.engine import Database; from virga.ground.processes import Process; from virga.ground.world import World\n"
        "p = Process(Database(sys.argv[1]), World(), 'n', Path(sys.argv[2])); p.start(); print(p.id, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, url, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    id = child.stdout.readline().strip()
    first = Process(rig.db, World(), "n", folder)
    first.start()
    known = sa.select(processes.TABLE.c.id)
    assert {i for (i,) in rig.rows(known)} == {id, first.id}, "who lives stays"
    child.send_signal(signal.SIGKILL)
    child.wait()
    second = Process(rig.db, World(), "n", folder)
    second.start()
    assert {i for (i,) in rig.rows(known)} == {first.id, second.id}
    assert {f.name for f in folder.iterdir()} == {first.id, second.id}
    first.stop()
    second.stop()
    assert rig.rows(known) == [] and list(folder.iterdir()) == []
    rig.close()


def test_the_databases_clock_is_asked_once(postgres: Callable[[], str]) -> None:
    """Between beats it is carried by this machine's monotonic clock; a wall clock that jumps moves nothing."""
    db, clock = Database(postgres()), Wrong(0)
    process = Process(db, World(clock), "n")
    before = process.now()
    clock.by = 1e6
    assert 0 <= process.now() - before < 5
    db.close()


def test_a_row_that_could_not_be_let_go(database: str | None) -> None:
    """The database is away when a step's record is made: the process still has the row by name, and takes it up again by itself."""
    times: list[int] = []

    def step(ctx: Context) -> None:
        times.append(1)
        if len(times) == 1:
            broken.append(1)

    broken: list[int] = []
    rig = Rig(database, [Saga("rig.one", (Step(step),))])
    rig.process.beat()
    write, claim = rig.db.write, rig.db.claim

    def away(real: Callable[[], object]) -> object:
        if broken:
            raise Unavailable("away")
        return real()

    from virga.ground.errors import Unavailable

    id = rig.start("rig.one")
    rig.db.write = lambda: away(write)  # type: ignore[method-assign, assignment, return-value]
    rig.db.claim = lambda: away(claim)  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(Unavailable):
        rig.runner.tick()
    with pytest.raises(Unavailable):
        rig.runner.tick()
    broken.clear()
    assert rig.row(id).owner == rig.process.id
    rig.drain()
    assert rig.row(id).state == "done" and len(times) == 2
    del rig.db.write, rig.db.claim
    rig.close()


COUNT = sa.Table("rig_count", sa.MetaData(), sa.Column("n", sa.Integer), sa.Column("by", sa.String(40)))
WORKER = """
import sys, threading, time
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/ground"]
from virga.ground import processes
from virga.ground.sagas import runner
processes.BEAT, processes.LEASE, runner.LEASE = 0.2, 1.5, 1.5
from test_leases import counted
from rigs import Rig
from virga.ground.world import SystemClock
rig = Rig(sys.argv[2], [counted()], clock=SystemClock())
rig.process.start()
rig.runner.start(3)
print(rig.process.id, flush=True)
time.sleep(120)
"""


def counted() -> Saga:
    """A saga of one step outside of the database, which takes a moment, and one inside."""

    def think(ctx: Context) -> None:
        threading.Event().wait(ctx.args["pause"])

    def write(ctx: Context) -> None:
        ctx.tx.conn.execute(sa.insert(COUNT).values(n=ctx.args["n"], by=ctx.registry.use(Process).id))

    return Saga("rig.count", (Step(think), Step(write, atomic=True)))


def test_one_of_two_processes_is_killed(postgres: Callable[[], str]) -> None:
    """Two processes of the system on one PostgreSQL; kill -9 of one in the middle: every saga is done, every atomic step once."""
    url, tests = postgres(), str(Path(__file__).parents[1])
    rig = Rig(url, [counted()], clock=SystemClock())
    with rig.db.write() as tx:
        COUNT.create(tx.conn)
    words = [sys.executable, "-c", WORKER, tests, url]
    workers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ids = [w.stdout.readline().strip() for w in workers if w.stdout is not None]
    with rig.db.write() as tx:
        for n in range(200):
            start(tx, rig.registry, "rig.count", {"n": n, "pause": 0.05}, exclusive=f"thing:{n}")
    assert until(lambda: len({by for (by,) in rig.rows(sa.select(COUNT.c.by))}) == 2), "both carry"
    held = sa.select(table.TABLE.c.id).where(table.TABLE.c.owner == ids[0])
    assert until(lambda: rig.rows(held))
    workers[0].send_signal(signal.SIGKILL)
    workers[0].wait()
    assert len(rig.rows(sa.select(COUNT))) < 200, "it was killed in the middle"
    live = sa.select(table.TABLE.c.id).where(table.TABLE.c.ended.is_(None))
    assert until(lambda: not rig.rows(live), 60)
    assert sorted(n for n, _ in rig.rows(sa.select(COUNT))) == list(range(200))
    workers[1].terminate()
    workers[1].wait()
    rig.close()
