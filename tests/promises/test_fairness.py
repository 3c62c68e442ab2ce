# SPDX-License-Identifier: Apache-2.0
"""Turns, in deterministic form: who is served after whom, by counted costs and a clock of the test's own. How long it takes is measured in
scripts/bench_fairness.py."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections import Counter, deque
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_cloud import SimCloud, make, served
from virga.ground.errors import TooMany
from virga.ground.http import api_app, turns
from virga.ground.http.call import Cold
from virga.ground.http.turns import CROWD, PARTY, Parties, Party, Rounds, Threads, Turns
from virga.services.identity import passwords
from virga.services.identity.tokens import Tokens


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TurnLog:
    """Turns with its log: who was let in, in which order."""

    def __init__(self, width: int, alone: int, shared: int, waiting: int = 1000) -> None:
        self.clock = Clock()
        self.turns = Turns("it", width, alone=alone, shared=shared, waiting=waiting, clock=self.clock)
        self.served: list[Party] = []

    def ask(self, party: Party, units: int = 1) -> bool:
        def go() -> bool:
            self.served.append(party)
            return True

        had = self.turns.ask(party, units, go)
        if had:
            self.served.append(party)
        return had


def test_parties_take_turns() -> None:
    """A hundred of one party wait; the other's are served between them, whenever they come."""
    log, flood, quiet = TurnLog(1, 1, 1), Party("flood"), Party("quiet")
    for _ in range(100):
        log.ask(flood)
    for _ in range(3):
        log.ask(quiet)
    for _ in range(102):
        log.turns.leave(log.served[-1], 1, 1.0)
    names = [p.name for p in log.served]
    assert (len(names) == 103 and set(names[1:7:2]) == {"quiet"}) or set(names[2:8:2]) == {"quiet"}, names[:10]
    assert flood.waiting == quiet.waiting == 0


def test_turns_are_counted_by_cost() -> None:
    """Who takes nine times as long has a tenth of the turns."""
    log, dear, cheap = TurnLog(1, 1, 1), Party("dear"), Party("cheap")
    for _ in range(400):
        log.ask(dear)
        log.ask(cheap)
    for _ in range(200):
        party = log.served[-1]
        log.turns.leave(party, 1, 0.9 if party is dear else 0.1)
    count = Counter(p.name for p in log.served)
    assert 160 <= count["cheap"] <= 190, count


def test_nobody_saves_turns_up() -> None:
    """A party that was away for a long time does not take the whole for a long time after."""
    log, old, fresh = TurnLog(1, 1, 1), Party("old"), Party("fresh")
    for _ in range(1000):
        assert log.ask(old)
        log.turns.leave(old, 1, 1.0)
    for _ in range(50):
        log.ask(old)
        log.ask(fresh)
    begin = len(log.served)
    for _ in range(40):
        log.turns.leave(log.served[-1], 1, 1.0)
    count = Counter(p.name for p in log.served[begin:])
    assert 18 <= count["fresh"] <= 22, count


def test_one_party_leaves_room_for_the_next() -> None:
    """Alone it has all but one; while others are about it has its share, and all again when they have been away for a while."""
    log, flood, quiet = TurnLog(8, 7, 2), Party("flood"), Party("quiet")
    assert [log.ask(flood) for _ in range(9)] == [True] * 7 + [False] * 2
    assert log.ask(quiet), "no thread was left for the next"
    log.turns.leave(quiet, 1, 0.1)
    for _ in range(6):
        log.turns.leave(flood, 1, 0.1)
    assert log.turns.free == 6 and log.turns.lines["flood"].busy == 2
    for _ in range(3):
        log.turns.leave(flood, 1, 0.1)
    log.clock.now = 10.0
    assert [log.ask(flood) for _ in range(8)] == [True] * 7 + [False]


def test_what_waits_is_bounded() -> None:
    log, flood, quiet = TurnLog(1, 1, 1, waiting=5), Party("flood"), Party("quiet")
    for _ in range(6):
        log.ask(flood)
    with pytest.raises(TooMany, match="5 requests of flood wait for it") as refused:
        log.ask(flood)
    assert refused.value.facts == {"limit": 5}
    assert not log.ask(quiet), "the other party may wait"
    for _ in range(50):
        log.ask(turns.OWN)


def test_large_units_are_not_passed_for_ever() -> None:
    """Who needs much memory is served although others need little, and are many."""
    log, large, small = TurnLog(10, 10, 5), Party("large"), Party("small")
    assert log.ask(small, 5)
    assert not log.ask(large, 8)
    assert not log.ask(Party("third"), 1), "it would pass the one who waits"
    log.turns.leave(small, 5, 0.1)
    assert [p.name for p in log.served] == ["small", "large", "third"]


ACTS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.floats(0.001, 1)), max_size=120)


@settings(max_examples=150, deadline=None)
@given(ACTS, st.integers(0, 2**32))
def test_nothing_is_lost(acts: list[tuple[int, int, float]], seed: int) -> None:
    """Whatever is asked and given back in whatever order: never more than there is, everybody is served, all comes back."""
    import random

    rng = random.Random(seed)
    log = TurnLog(6, 5, 3)
    parties = [Party(str(n)) for n in range(4)]
    held: list[tuple[Party, int, float]] = []

    def asking(who: Party, units: int, cost: float) -> None:
        def go() -> bool:
            held.append((who, units, cost))
            return True

        if log.turns.ask(who, units, go):
            go()

    for who, units, cost in acts:
        asking(parties[who], units, cost)

        log.clock.now += cost
        assert sum(h[1] for h in held) == 6 - log.turns.free and log.turns.free >= 0
        if held and rng.random() < 0.5:
            log.turns.leave(*held.pop(rng.randrange(len(held))))
    while held:
        log.turns.leave(*held.pop(rng.randrange(len(held))))
    assert log.turns.free == 6 and log.turns.order.first() is None
    assert all(p.waiting == 0 for p in parties) and all(not line.busy for line in log.turns.lines.values())


# -- the loop ------------------------------------------------------------------------------------------------------


def loop_of(*works: tuple[Party, int, int], slice: float = 1e-9) -> list[str]:
    """Run so many coroutines of each party, each of so many steps that cost the same; who had a step, in order."""
    log: list[str] = []

    async def work(party: Party, steps: int) -> None:
        for _ in range(steps):
            log.append(party.name)
            await asyncio.sleep(0)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        rounds = Rounds(loop, slice=slice)
        ended = rounds.end
        rounds.end = lambda line, cost, charged: ended(line, 1.0, charged)  # type: ignore[method-assign]
        tasks = []
        for party, count, steps in works:
            for _ in range(count):
                steps_of: Coroutine[Any, Any, None] = rounds.run(party, work(party, steps))
                tasks.append(loop.create_task(steps_of))
        await asyncio.gather(*tasks)
        assert rounds.live == 0 and rounds.order.first() is None

    asyncio.run(run())
    return log


def test_steps_of_the_loop_are_taken_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request beside a hundred of another party has half of the loop, not a hundredth of it."""
    monkeypatch.setattr(turns, "CREDIT", 0.0)
    log = loop_of((Party("flood"), 100, 10), (Party("quiet"), 1, 10), slice=1e-9)
    assert len(log) == 1010
    last = max(n for n, name in enumerate(log) if name == "quiet")
    assert last < 60, f"the quiet one had to wait for {last} steps"


def test_steps_keep_results_failures_and_cancellation() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        rounds = Rounds(loop, slice=1e-9)
        party = Party("p")
        seen: list[Any] = []

        async def inner(n: int) -> None:
            future = loop.create_future()
            loop.call_later(0.001, future.set_result, n)
            seen.append(await future)
            failing = loop.create_future()
            loop.call_soon(failing.set_exception, KeyError(n))
            with contextlib.suppress(KeyError):
                await failing
                seen.append("no failure")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.005):
                    await loop.create_future()
            if n == 3:
                raise ValueError
            await asyncio.sleep(5 if n == 4 else 0)

        tasks = [loop.create_task(rounds.run(party, inner(n))) for n in range(5)]
        await asyncio.sleep(0.1)
        tasks[4].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(seen) == [0, 1, 2, 3, 4]
        assert [type(d) for d in done] == [type(None)] * 3 + [ValueError, asyncio.CancelledError]
        assert rounds.live == 0 and party.steps == 0

    asyncio.run(run())


def test_the_loop_leaves_the_interpreter_to_threads_of_others() -> None:
    """While a thread works for somebody else, a flood's steps pause between slices; work for the flood itself stops nothing."""
    pool = Threads("a thread", 2, alone=2, shared=1)
    flood, quiet = Party("flood"), Party("quiet")
    free, began = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        free.wait(10)

    async def paused(worker: Party) -> int:
        rounds = Rounds(asyncio.get_running_loop(), threads=pool, slice=1e-9)
        later: list[float] = []
        wait = rounds.loop.call_later
        rounds.loop.call_later = lambda after, *what: later.append(after) or wait(after, *what)  # type: ignore[method-assign,assignment,func-returns-value]

        async def steps() -> None:
            for _ in range(20):
                await asyncio.sleep(0)

        token = PARTY.set(worker)
        began.clear()
        work = pool.submit(hold)
        PARTY.reset(token)
        assert await asyncio.to_thread(began.wait, 5)
        try:
            tasks = [rounds.loop.create_task(rounds.run(flood, steps())) for _ in range(40)]
            await asyncio.wait_for(asyncio.gather(*tasks), 10)
        finally:
            free.set()
            await asyncio.wrap_future(work)
            free.clear()
        return later.count(turns.PAUSE)

    assert asyncio.run(paused(quiet)) > 0
    assert asyncio.run(paused(flood)) == 0
    pool.shutdown()
    assert not pool.working


# -- threads -------------------------------------------------------------------------------------------------------


def test_threads_serve_the_party_that_submits() -> None:
    pool = Threads("a thread", 2, alone=1, shared=1)
    free, ran = threading.Event(), []
    quiet = Party("quiet")

    def hold(name: str) -> str:
        ran.append(name)
        free.wait(10)
        return name

    PARTY.set(Party("flood"))
    waiting = [pool.submit(hold, f"flood{n}") for n in range(20)]
    PARTY.set(quiet)
    other = pool.submit(lambda: ran.append("quiet") or "quiet")  # type: ignore[func-returns-value]
    assert other.result(5) == "quiet", "it waited for the flood"
    assert [r for r in ran if r != "quiet"] == ["flood0"]
    assert waiting[7].cancel()
    free.set()
    assert [w.result(5) for n, w in enumerate(waiting) if n != 7] == [f"flood{n}" for n in range(20) if n != 7]
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 / 0).result(5)
    pool.shutdown()
    PARTY.set(turns.OWN)
    assert pool.turns.free == 2


def test_commits_of_objects_take_some_of_each() -> None:
    """A hundred writes of one project wait: another's goes with the next flush of the disk."""
    from virga.services.objects import commits

    waiting = commits.Commits.__new__(commits.Commits)
    waiting._waiting = {}
    jobs = {name: [(name, n) for n in range(many)] for name, many in (("flood", 300), ("quiet", 1), ("other", 40))}
    for name, each in jobs.items():
        waiting._waiting[name] = deque(each)  # type: ignore[arg-type]
    first, second = waiting._batch(), waiting._batch()
    count = Counter(name for name, _ in first)  # type: ignore[misc]
    assert len(first) == len(second) == commits.MOST and count["quiet"] == 1 and count["other"] >= 31, count
    rest = first + second
    while batch := waiting._batch():
        rest += batch
    assert [j for j in rest if j[0] == "flood"] == jobs["flood"] and len(rest) == 341  # type: ignore[comparison-overlap]


# -- who a party is ------------------------------------------------------------------------------------------------


def test_a_party_is_the_project_or_else_the_address(sim: SimCloud) -> None:
    parties = sim.cloud.api_app.parties
    alice, mallory = sim.tenant("alice"), sim.tenant("mallory")

    def of(*headers: tuple[str, str], client: str = "192.0.2.1") -> str:
        raw = [(k.encode(), v.encode()) for k, v in headers]
        return parties.of({"headers": raw, "client": (client, 1)}).name

    for who in (alice, mallory):
        who.get("/network/v2.0/networks")
    assert of(("x-auth-token", alice.token)) == f"project {alice.project}" != of(("x-auth-token", mallory.token))
    assert of(("x-storage-token", alice.token)) == f"project {alice.project}"
    sim.tenant("bob")
    sim.admin.delete(f"/identity/v3/users/{mallory.user}")  # tokens must be looked at again
    with pytest.raises(Cold):
        sim.cloud.registry.use(Tokens).hot(alice.token)
    assert of(("x-auth-token", alice.token)) == f"project {alice.project}", (
        "whose turns a token has is forgotten too soon"
    )
    assert mallory.ask("GET", "/network/v2.0/networks").code == 401
    assert of(("x-auth-token", mallory.token)) == "address 192.0.2.1", "a dead token has a project's turns"
    assert of() == of(("x-auth-token", "made up")) == "address 192.0.2.1"
    assert of(client="2001:db8::1") == of(client="2001:db8::2") != of(client="2001:db8:1::1")


def test_forgotten_parties_are_the_quiet_ones() -> None:
    parties = Parties(lambda token: None)
    old = parties.of({"headers": [], "client": ("192.0.2.1", 1)})
    old.waiting = 1
    for n in range(turns.PARTIES + 10):
        parties.of({"headers": [], "client": (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 1)})
    assert parties.of({"headers": [], "client": ("192.0.2.1", 1)}) is old
    assert len(parties._known) <= turns.PARTIES + 1


# -- the whole -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def front(**over: Any) -> Iterator[tuple[SimCloud, int]]:
    cloud = make(**({"server.listen": "127.0.0.1:0"} | over))
    sim = SimCloud(cloud)
    with served(cloud) as address:
        yield sim, int(address.rpartition(":")[2])
    cloud.stop()


def send(port: int, raw: bytes, source: str = "127.0.0.1") -> socket.socket:
    s = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
    s.settimeout(20)
    s.sendall(raw)
    return s


def code(s: socket.socket) -> int:
    return int(s.recv(65536)[9:12])


def login(name: str, password: str) -> bytes:
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    body = json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}).encode()
    head = f"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[str], threading.Event]]:
    """Wrong passwords are looked at until the event; gives which."""
    free, seen = threading.Event(), []
    right = passwords._right

    def slow(stored: str, password: str) -> bool:
        if password.startswith("wrong"):
            seen.append(password)
            free.wait(20)
            return False
        return right(stored, password)

    monkeypatch.setattr(passwords, "_right", slow)
    monkeypatch.setattr(passwords, "_slots", threading.BoundedSemaphore(64))
    yield seen, free
    free.set()


def test_m12_wrong_passwords_wait_for_themselves(stuck: tuple[list[str], threading.Event]) -> None:
    """One address guesses without end: another address logs in, and so does the same one with a password that is remembered."""
    with front() as (sim, port):
        sim.tenant("alice")  # she has just logged in
        sim.admin.post("/identity/v3/users", {"user": {"name": "bob", "password": "first"}})
        flood = [send(port, login("alice", f"wrong{n}"), "127.0.0.2") for n in range(40)]
        assert wait_for(lambda: len(stuck[0]) >= 1)
        with send(port, login("alice", "pw"), "127.0.0.2") as again:
            assert code(again) == 201, "a remembered password waits for those that are not"
        with send(port, login("bob", "first"), "127.0.0.3") as fresh:
            assert code(fresh) == 201, "another address waits for the one that guesses"
        stuck[1].set()
        for s in flood:
            s.close()


def wait_for(what: Any) -> bool:
    from virga.client import wait

    return bool(wait(what, 10))


def test_f17_threads_are_left_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A project whose requests hold their threads does not hold all of them, however many it sends; past the bound it reads 429 with the
    limit and when to come again."""
    monkeypatch.setattr(turns, "WAITING", 256)
    free, inside = threading.Event(), []
    act = api_app.ApiApp._act

    def slow(self: Any, route: Any, call: Any, args: Any) -> Any:
        if call.request.headers.get("x-slow"):
            inside.append(1)
            free.wait(20)
        return act(self, route, call, args)

    monkeypatch.setattr(api_app.ApiApp, "_act", slow)
    with front(**{"server.workers": 4}) as (sim, port):
        alice, mallory = sim.tenant("alice"), sim.tenant("mallory")
        raw = f"GET /network/v2.0/networks HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {mallory.token}\r\nX-Slow: 1\r\n\r\n".encode()
        flood = [send(port, raw, "127.0.0.2") for _ in range(64)]
        assert wait_for(lambda: len(inside) >= 1)
        requested = f"GET /network/v2.0/networks HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {alice.token}\r\n\r\n".encode()
        with send(port, requested) as s:
            assert code(s) == 200, "a list waits for another project's"
        party = sim.cloud.api_app.parties.of({"headers": [(b"x-auth-token", mallory.token.encode())]})
        assert wait_for(lambda: party.waiting == 64 - len(inside)) and len(inside) <= 3 and party.room < 0
        free.set()
        assert [code(s) for s in flood] == [200] * 64, "sixty-four at once are no flood"
        free.clear()
        sim.cloud.api_app.threads.turns.waiting = 10
        flood += [send(port, raw, "127.0.0.2") for _ in range(20)]
        told = [s for s in flood[64:] if _told(s)]
        assert told
        for s in flood:
            s.close()
        free.set()


def _told(s: socket.socket) -> bool:
    s.settimeout(1)
    try:
        answer = s.recv(65536).decode().lower()
    except TimeoutError:
        return False
    assert answer.startswith("http/1.1 429 ") and "retry-after: 1" in answer and "10 requests of project" in answer
    return True


def test_f17_a_crowd_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """While requests of a party wait its other connections are not read, and go on when there is room."""
    with front() as (sim, port):
        alice = sim.tenant("alice")
        raw = f"GET /network/v2.0/networks HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {alice.token}\r\n\r\n".encode()
        party = sim.cloud.api_app.parties.of({"headers": [(b"x-auth-token", alice.token.encode())]})
        party.waiting = CROWD
        with send(port, raw) as s:
            assert code(s) == 200
            assert wait_for(lambda: len(party.parked) == 1)
            s.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                s.recv(65536)  # the rest of the answer
            s.sendall(raw)
            with pytest.raises(TimeoutError):
                s.recv(1)
            party.waiting = 0
            s.settimeout(10)
            assert code(s) == 200


def test_m11_bodies_take_turns_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one project holds in memory is bounded; small bodies, and those of others, go past it."""
    with front() as (sim, port):
        alice, mallory = sim.tenant("alice"), sim.tenant("mallory")
        memory = sim.cloud.api_app.memory
        size = api_app.MAX_JSON
        head = f"POST /network/v2.0/networks HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {mallory.token}\r\nContent-Length: {size}\r\n\r\n{{"
        flood = [send(port, head.encode()) for _ in range(40)]
        assert wait_for(lambda: memory.free < memory.width)
        body = json.dumps({"network": {"name": "n"}}).encode()
        for long in (0, 200_000):
            sent = body + b" " * long
            ask = f"POST /network/v2.0/networks HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {alice.token}\r\nContent-Length: {len(sent)}\r\n\r\n"
            with send(port, ask.encode() + sent) as s:
                assert code(s) == 201
        assert memory.width - memory.free <= memory.alone
        line = memory.lines[f"project {mallory.project}"]
        assert line.busy <= memory.alone and len(line.queue) == 40 - line.busy // size
        for s in flood:
            s.close()
        assert wait_for(lambda: memory.free == memory.width), "memory of clients that went is not given back"
