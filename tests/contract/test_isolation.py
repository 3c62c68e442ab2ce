# SPDX-License-Identifier: Apache-2.0
"""What the two databases promise alike: a read is one moment, a write is as if nobody else wrote, and who loses begins again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from virga.ground.db import isolation
from virga.ground.db.engine import Database, Tx
from virga.ground.db.isolation import Retry
from virga.ground.db.rows import Row, Rows
from virga.ground.errors import Conflict

COUNTERS = sa.Table(
    "counters",
    sa.MetaData(),
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("owner", sa.String(16), nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
)
c = COUNTERS.c


@pytest.fixture
def db(request: pytest.FixtureRequest, database: str | None, tmp_path: Path) -> Iterator[Database]:
    made = Database(database or f"sqlite:///{tmp_path / 'x.db'}")
    with made.write() as tx:
        COUNTERS.create(tx.conn)
        for id in "abcd":
            add(tx, id)
    yield made
    made.close()


def add(tx: Tx, id: str, owner: str = "o", n: int = 0) -> None:
    tx.conn.execute(sa.insert(COUNTERS).values(id=id, owner=owner, n=n))


def value(tx: Tx, id: str) -> int:
    return int(tx.conn.execute(sa.select(c.n).where(c.id == id)).scalar_one())


def put(tx: Tx, id: str, n: int) -> None:
    tx.conn.execute(sa.update(COUNTERS).where(c.id == id).values(n=n))


def count(tx: Tx, owner: str) -> int:
    return int(tx.conn.execute(sa.select(sa.func.count()).select_from(COUNTERS).where(c.owner == owner)).scalar_one())


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    gate, out = threading.Barrier(len(calls)), [None] * len(calls)

    def one(n: int) -> None:
        gate.wait(10)
        try:
            out[n] = calls[n]()
        except Exception as e:
            out[n] = e

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    return out


def elsewhere(call: Callable[[], Any]) -> Any:
    """What a call gives in another thread, which is waited for."""
    out: list[Any] = []
    thread = threading.Thread(target=lambda: out.append(call()))
    thread.start()
    thread.join(30)
    return out[0]


def test_a_read_is_one_moment(db: Database) -> None:
    with db.read() as tx:
        assert value(tx, "a") == 0
        elsewhere(lambda: db.run(lambda other: (put(other, "a", 7), put(other, "b", 7))))
        assert value(tx, "a") == value(tx, "b") == 0
    with db.read() as tx:
        assert value(tx, "a") == value(tx, "b") == 7


def test_every_addition_counts(db: Database) -> None:
    """Read, add, write: eight threads, one row, no lock."""

    def more(tx: Tx) -> None:
        put(tx, "a", value(tx, "a") + 1)

    got = at_once(*[lambda: [db.run(more) for _ in range(20)]] * 8)
    assert not [g for g in got if isinstance(g, Exception)], got
    with db.read() as tx:
        assert value(tx, "a") == 160


@pytest.mark.parametrize("held", ["first", "late", "not at all"])
def test_what_is_counted_is_what_there_is(db: Database, held: str) -> None:
    """A limit over many rows (no two of them write the same one) is never passed, whether the counted thing is held or not."""

    def one(id: str) -> Callable[[], Any]:
        def take(tx: Tx) -> bool:
            if held == "first":
                tx.hold("quota")
            value(tx, "a")
            if held == "late":
                tx.hold("quota")
            if count(tx, "mine") >= 5:
                return False
            add(tx, id, "mine")
            return True

        return lambda: db.run(take)

    got = at_once(*[one(f"q{n}") for n in range(12)])
    assert sorted(got) == [False] * 7 + [True] * 5, got
    with db.read() as tx:
        assert count(tx, "mine") == 5


def test_two_that_find_nothing_do_not_both_insert(db: Database) -> None:
    """The second of two that would insert one key looks again, and changes the row instead: its caller sees no conflict."""

    def ensure(tx: Tx) -> str:
        if tx.conn.execute(sa.select(c.id).where(c.id == "new")).first() is None:
            add(tx, "new", n=1)
            return "made"
        put(tx, "new", value(tx, "new") + 1)
        return "changed"

    got = at_once(*[lambda: db.run(ensure)] * 6)
    assert sorted(got) == ["changed"] * 5 + ["made"], got
    with db.read() as tx:
        assert value(tx, "new") == 6


def test_a_key_that_is_taken_is_a_conflict(db: Database) -> None:
    tried = []

    def again(tx: Tx) -> None:
        tried.append(1)
        add(tx, "a")

    with pytest.raises(Conflict, match="same id has just been taken"):
        db.run(again)
    assert len(tried) == (1 if db.sqlite else 1 + isolation.COLLISIONS)


def test_whoever_holds_a_name_is_alone_with_it(db: Database) -> None:
    """Also with a view that was made before: then it begins again behind the other."""
    inside, most, tries = [], [], []

    def held(tx: Tx) -> None:
        tries.append(1)
        value(tx, "a")
        tx.hold("name")
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.01)
        inside.pop()

    got = at_once(*[lambda: db.run(held)] * 6)
    assert not [g for g in got if g is not None], got
    assert max(most) == 1 and len(most) == 6 and len(tries) <= 12, "each loses once at most: then it waits in the queue"


def test_locks_end_with_their_transaction(db: Database) -> None:
    for fail in (False, True):
        try:
            with db.write() as tx:
                tx.hold("one")
                value(tx, "a")
                tx.hold("two")
                if fail:
                    raise KeyError
        except KeyError:
            pass

        def both(tx: Tx) -> int:
            tx.hold("two")
            tx.hold("one")
            return value(tx, "a")

        assert elsewhere(lambda: db.run(both)) == 0
    if not db.sqlite:
        with db.read() as tx:
            kind = sa.text("select count(*) from pg_locks where locktype = 'advisory'")
            assert tx.conn.execute(kind).scalar_one() == 0


def test_locks_taken_the_other_way_round_never_stand_still(db: Database) -> None:
    def both(one: str, other: str) -> Callable[[], None]:
        def take(tx: Tx) -> None:
            tx.hold(one)
            put(tx, one, value(tx, one) + 1)
            tx.hold(other)
            put(tx, other, value(tx, other) + 1)

        return lambda: [db.run(take) for _ in range(10)] and None

    got = at_once(*[both("a", "b"), both("b", "a")] * 3)
    assert not [g for g in got if g is not None], got
    with db.read() as tx:
        assert value(tx, "a") == value(tx, "b") == 60


def test_who_lost_often_is_let_alone(db: Database) -> None:
    """A transaction that somebody always overtakes, and who never queues, gets through: at last nobody else may write."""
    if db.sqlite:
        pytest.skip("one writer at a time: nobody is overtaken")
    attempts, stop = [], threading.Event()

    def meddle() -> None:
        while not stop.is_set():
            with contextlib.suppress(Retry), db.write() as tx:
                put(tx, "a", value(tx, "a") + 1)

    def slow(tx: Tx) -> int:
        attempts.append(1)
        n = value(tx, "a")
        threading.Event().wait(0.1)
        put(tx, "b", n)
        put(tx, "a", n)
        return n

    threads = [threading.Thread(target=meddle) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        db.run(slow)
    finally:
        stop.set()
        for t in threads:
            t.join(30)
    assert isolation.ALONE < len(attempts) <= isolation.TRIES


def test_a_transaction_that_cannot_be_had_says_so(db: Database) -> None:
    """Outside of `run` and `again` the loser is told, and has written nothing."""
    if db.sqlite:
        pytest.skip("one writer at a time: nobody loses")
    with pytest.raises(Retry), db.write() as tx:
        n = value(tx, "a")
        elsewhere(lambda: db.run(lambda other: put(other, "a", 5)))
        put(tx, "a", n + 1)
    with db.read() as tx:
        assert value(tx, "a") == 5


def test_a_claim_sees_what_is_committed(db: Database) -> None:
    """Compare-and-set without beginning again: of two claims one gets the row."""

    def claim(n: int) -> Callable[[], int]:
        def take() -> int:
            with db.claim() as tx:
                tx.hold("claims")
                return tx.conn.execute(sa.update(COUNTERS).where(c.id == "a", c.n == 0).values(n=n)).rowcount

        return take

    assert sorted(at_once(*[claim(n) for n in range(1, 7)])) == [0] * 5 + [1]


def test_callbacks_run_once_and_only_for_what_was_written(db: Database) -> None:
    told: list[int] = []

    def more(tx: Tx) -> None:
        n = value(tx, "a")
        tx.after_commit(lambda: told.append(n + 1))
        put(tx, "a", n + 1)

    at_once(*[lambda: db.run(more)] * 6)
    assert sorted(told) == [1, 2, 3, 4, 5, 6]


class Counter(Row, frozen=True):
    id: str
    owner: str
    n: int


ROWS = Rows(COUNTERS, Counter)


def test_an_upsert_inserts_or_changes(db: Database) -> None:
    """One statement, whoever comes first; what is to be kept stays."""
    with db.write() as tx:
        assert ROWS.upsert(tx, ["id"], {"id": "new", "owner": "me", "n": 1}) == Counter("new", "me", 1)
        assert ROWS.upsert(tx, ["id"], {"id": "new", "owner": "you", "n": 2}) == Counter("new", "you", 2)
        assert ROWS.upsert(tx, ["id"], {"id": "new", "owner": "they", "n": 3}, keep=["owner"]) == Counter(
            "new", "you", 3
        )
        assert (
            ROWS.upsert(tx, ["id", "owner", "n"][:1], {"id": "new", "owner": "x", "n": 4}, keep=["owner", "n"]).n == 3
        )
    got = at_once(
        *[
            lambda n=n: db.run(lambda tx: ROWS.upsert(tx, ["id"], {"id": "raced", "owner": "o", "n": n}))
            for n in range(6)
        ]
    )
    assert sorted(row.n for row in got) == list(range(6))
    with db.read() as tx:
        assert ROWS.count(tx, c.id == "raced") == 1


def test_a_locked_row_is_one_transactions(db: Database) -> None:
    """Those that ask for it locked add up in turn, and nobody begins twice."""
    tries: list[int] = []

    def more(tx: Tx) -> None:
        tries.append(1)
        row = ROWS.locked(tx, "a")
        assert row is not None
        ROWS.put(tx, "a", n=row.n + 1)

    got = at_once(*[lambda: [db.run(more) for _ in range(10)] and None] * 6)
    assert not [g for g in got if g is not None], got
    with db.read() as tx:
        assert value(tx, "a") == 60 and ROWS.locked(tx, "nothing") is None
    assert len(tries) == 60, "said first, it waits before it looks"
