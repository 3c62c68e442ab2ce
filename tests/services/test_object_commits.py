# SPDX-License-Identifier: Apache-2.0
"""Group commit on the embedded database: what shares a transaction shares its flush of the disk, and nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from virga.ground.db.engine import Database, Tx, metadata
from virga.ground.errors import Conflict, Invalid
from virga.services.objects import model
from virga.services.objects.commits import Commits
from virga.services.objects.store import containers
from virga.services.objects.store import listing as lists
from virga.services.objects.store import objects as rows
from virga.services.objects.swift import listings

SMALL = rows.SMALL


class Bench:
    """A database of its own, with the loop that keeps its connections."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = Database(f"sqlite:///{path}")
        metadata.create_all(self.db.engine)
        self.threads = ThreadPoolExecutor(4)
        self.commits = Commits(self.db, self.threads)

    def run(self, *changes: Callable[[Tx], Any]) -> list[Any]:
        """What each of them came to, asked in the same breath."""

        async def all_of() -> list[Any]:
            self.db.hold_connections()
            return await asyncio.gather(*(self.commits.write_short(c) for c in changes), return_exceptions=True)

        return asyncio.run(all_of())

    def names(self) -> list[str]:
        with self.db.read() as tx:
            return list(tx.conn.execute(sa.select(SMALL.c.body).order_by(SMALL.c.body)).scalars())

    def close(self) -> None:
        self.commits.stop()
        self.threads.shutdown()
        self.db.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    b = Bench(tmp_path / "a.db")
    yield b
    b.close()


def storing(name: str) -> Callable[[Tx], str]:
    def change(tx: Tx) -> str:
        rows.put_small(tx, name, b"x")
        return name

    return change


def refuses(name: str | None = None) -> Callable[[Tx], None]:
    def change(tx: Tx) -> None:
        if name is not None:
            rows.put_small(tx, name, b"x")
        raise Invalid("no", field="x")

    return change


def test_one_flush_for_all_and_a_refusal_takes_nothing_from_the_others(bench: Bench) -> None:
    got = bench.run(storing("a"), refuses(), storing("b"), storing("c"))
    assert got[0] == "a" and isinstance(got[1], Invalid) and got[2:] == ["b", "c"]
    assert bench.names() == ["a", "b", "c"] and bench.commits.batches == 1


def test_what_was_written_before_a_refusal_is_undone_alone(bench: Bench) -> None:
    got = bench.run(storing("a"), refuses("gone"), storing("b"))
    assert got[0] == "a" and isinstance(got[1], Invalid) and got[2] == "b" and bench.names() == ["a", "b"]


def test_what_collides_is_a_conflict_of_its_own(bench: Bench) -> None:
    got = bench.run(storing("a"), storing("a"), storing("b"))
    assert got[0] == "a" and isinstance(got[1], Conflict) and got[2] == "b" and bench.names() == ["a", "b"]


def test_callbacks_of_the_refused_do_not_run(bench: Bench) -> None:
    told: list[str] = []

    def good(tx: Tx) -> None:
        rows.put_small(tx, "a", b"")
        tx.after_commit(lambda: told.append("a"))

    def bad(tx: Tx) -> None:
        tx.after_commit(lambda: told.append("b"))
        raise Invalid("no", field="x")

    bench.run(good, bad)
    assert told == ["a"]


def test_while_another_process_writes_the_loop_goes_on(bench: Bench) -> None:
    """The change waits in its thread, the loop does not."""
    other = sqlite3.connect(bench.path, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    ticks = 0

    async def go() -> Any:
        nonlocal ticks
        bench.db.hold_connections()
        requested = [asyncio.ensure_future(bench.commits.write_short(storing(n))) for n in ("a", "b")]
        for _ in range(20):
            await asyncio.sleep(0.01)
            ticks += 1
            assert not any(a.done() for a in requested)
        other.execute("commit")
        return await asyncio.gather(*requested)

    assert asyncio.run(go()) == ["a", "b"] and ticks == 20 and bench.names() == ["a", "b"]
    other.close()


def test_a_thread_of_ours_that_writes_is_waited_for_off_the_loop(bench: Bench) -> None:
    inside, leave = threading.Event(), threading.Event()

    def long() -> None:
        with bench.db.write() as tx:
            rows.put_small(tx, "long", b"")
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=long)

    async def go() -> Any:
        bench.db.hold_connections()
        thread.start()
        await asyncio.to_thread(inside.wait, 5)
        requested = asyncio.ensure_future(bench.commits.write_short(storing("a")))
        await asyncio.sleep(0.05)
        assert not requested.done()
        leave.set()
        return await requested

    assert asyncio.run(go()) == "a"
    thread.join()
    assert bench.names() == ["a", "long"]


def test_short_ones_long_ones_and_the_loops_own_pass_each_other(bench: Bench) -> None:
    """Nobody waits for a commit that waits for him."""

    async def go() -> None:
        bench.db.hold_connections()
        requested = []
        for n in range(300):
            requested.append(asyncio.ensure_future(bench.commits.write_short(storing(f"s{n:03d}"))))
            if n % 3 == 0:
                requested.append(asyncio.ensure_future(bench.commits.write(storing(f"t{n:03d}"))))
            if n % 5 == 0:
                with bench.db.write() as tx:
                    rows.put_small(tx, f"u{n:03d}", b"")
            if n % 7 == 0:
                await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*requested), 20)

    asyncio.run(go())
    assert len(bench.names()) == 300 + 100 + 60


def test_a_long_one_in_the_queue_does_not_wait_for_a_commit_behind_it(bench: Bench) -> None:
    inside, gate = threading.Event(), threading.Event()

    def busy(tx: Tx) -> None:
        rows.put_small(tx, "busy", b"")
        tx.after_commit(lambda: (inside.set(), gate.wait(5)))  # type: ignore[func-returns-value]

    async def go() -> None:
        bench.db.hold_connections()
        requested = [asyncio.ensure_future(bench.commits.write(busy))]
        await asyncio.to_thread(inside.wait, 5)
        requested.append(asyncio.ensure_future(bench.commits.write(storing("long"))))
        await asyncio.sleep(0.02)
        requested.append(asyncio.ensure_future(bench.commits.write_short(storing("short"))))
        await asyncio.sleep(0.02)
        gate.set()
        await asyncio.wait_for(asyncio.gather(*requested), 5)

    asyncio.run(go())
    assert bench.names() == ["busy", "long", "short"]


def test_the_loops_own_write_waits_for_a_commit_under_way(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same thread, and yet not the same turn."""
    end, order = bench.db.end, []

    def slow(tx: Tx, *, commit: bool) -> None:
        threading.Event().wait(0.1)
        order.append("commit")
        end(tx, commit=commit)

    monkeypatch.setattr(bench.db, "end", slow)

    async def go() -> None:
        bench.db.hold_connections()
        requested = asyncio.ensure_future(bench.commits.write_short(storing("a")))
        await asyncio.sleep(0.02)
        with bench.db.write() as tx:
            order.append("own")
            rows.put_small(tx, "b", b"")
        await requested

    asyncio.run(go())
    assert order == ["commit", "own"] and bench.names() == ["a", "b"]


def test_what_takes_long_runs_in_the_thread(bench: Bench) -> None:
    where: list[str] = []

    def change(tx: Tx) -> str:
        rows.put_small(tx, "m", b"")
        tx.takes_long()
        where.append(threading.current_thread().name)
        return "m"

    assert (
        bench.run(storing("a"), change) == ["a", "m"] and where == ["objects-commits"] and bench.names() == ["a", "m"]
    )


def test_who_gives_up_waiting_takes_nobody_along(bench: Bench) -> None:
    async def go() -> Any:
        bench.db.hold_connections()
        requested = [asyncio.ensure_future(bench.commits.write_short(storing(n))) for n in ("a", "b")]
        await asyncio.sleep(0)
        requested[0].cancel()
        return await requested[1], await bench.commits.write_short(storing("c"))

    assert asyncio.run(go()) == ("b", "c") and {"b", "c"} <= set(bench.names())


def test_only_the_thread_that_keeps_connections_writes_on_its_loop(bench: Bench) -> None:
    """Another loop in this process has its writes done by the thread: futures belong to their own loop."""

    def elsewhere() -> str:
        assert not bench.db.holds_connections
        return asyncio.run(bench.commits.write_short(storing("b")))

    async def go() -> Any:
        bench.db.hold_connections()
        assert bench.db.holds_connections
        other = asyncio.create_task(asyncio.to_thread(elsewhere))
        return await bench.commits.write_short(storing("a")), await asyncio.wait_for(other, 5)

    assert asyncio.run(go()) == ("a", "b") and bench.names() == ["a", "b"]


def test_a_read_inside_a_read_and_a_write_inside_the_loop(bench: Bench) -> None:
    """The kept connection is given once; whoever asks meanwhile gets another one, and sees what is committed."""

    async def go() -> None:
        bench.db.hold_connections()
        with bench.db.read() as one:
            assert rows.small(one, "a") is None
            with bench.db.write() as tx:
                rows.put_small(tx, "a", b"1")
            with bench.db.read() as two:
                assert rows.small(two, "a") == b"1"
            assert rows.small(one, "a") is None
        with bench.db.read() as three:
            assert rows.small(three, "a") == b"1"

    asyncio.run(go())


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=20),
        unique=True,
        max_size=12,
    ),
    kind=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12),
    at=st.floats(0, 4e9),
    reverse=st.booleans(),
)
def test_a_page_that_the_database_prints_is_the_page_of_its_rows(
    names: list[str], kind: str, at: float, reverse: bool
) -> None:
    db = Database("sqlite://")
    metadata.create_all(db.engine)
    now = int(at * 100000) / 100000
    with db.write() as tx:
        c = containers.make_container(tx, "AUTH_a", "c", policy="p", now=now, meta={}, control={})
        for name in names:
            o = model.Object(c.id, name, "1", True, now, now, "e" * 32, len(name), kind, "", None, None, {}, None)
            rows.write(tx, o, replaces=False)
    with db.read() as tx:
        page: dict[str, Any] = {"reverse": reverse, "alive_at": now}
        found = lists.lines(tx, c.id, **page)
        text = lists.printed(tx, c.id, **page, json=True)
        plain = lists.printed(tx, c.id, **page, json=False)
    assert text is not None and msgspec.json.decode(f"[{text}]") == msgspec.json.decode(listings.json_lines(found))
    assert plain == "".join(f"{n}\n" for n in sorted(names, key=str.encode, reverse=reverse))
    db.close()


def test_a_row_with_more_to_show_is_not_printed() -> None:
    db = Database("sqlite://")
    metadata.create_all(db.engine)
    with db.write() as tx:
        c = containers.make_container(tx, "AUTH_a", "c", policy="p", now=1.0, meta={}, control={})
        rows.write(
            tx,
            model.Object(c.id, "o", "1", True, 1.0, 1.0, "e", 1, "t", "slo", None, None, {}, {"total": 9}),
            replaces=False,
        )
        assert lists.printed(tx, c.id, alive_at=2.0, json=True) is None
    db.close()
