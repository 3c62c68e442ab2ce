# SPDX-License-Identifier: Apache-2.0
"""Selects that go to SQLite's own connection find what SQLAlchemy finds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from virga.ground.db import direct
from virga.ground.db.engine import Database
from virga.ground.db.rows import Row, Rows, among, holds
from virga.ground.db.statements import SQLITE

META = sa.MetaData()
TABLE = sa.Table(
    "things",
    META,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("weight", sa.Float),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
)


class Thing(Row, frozen=True):
    id: str
    name: str | None
    size: int
    weight: float | None
    open: bool
    tags: list[str]


THINGS = Rows(TABLE, Thing)


@pytest.fixture
def db() -> Database:
    db = Database("sqlite://")
    with db.write() as tx:
        META.create_all(tx.conn)
        for n in range(40):
            THINGS.insert(
                tx,
                id=f"{n:02}",
                name=None if n % 5 == 0 else f"n{n % 7}",
                size=n % 3,
                weight=None if n % 4 == 0 else n / 3,
                open=n % 2 == 0,
                tags=[f"t{n % 6}", "x"],
            )
    return db


def _wheres(tx: Any) -> dict[str, list[Any]]:
    c = TABLE.c
    return {
        "all": [],
        "equal": [c.name == "n3", c.open.is_(True)],
        "null": [c.name.is_(None)],
        "true": [c.open == sa.true()],
        "number": [c.weight > 3.5],
        "like": [c.name.contains("%", autoescape=True)],
        "in a list": [c.size.in_([0, 2])],
        "among": [among(tx, c.id, {"01", "07", "nothing"})],
        "tag": [holds(tx, c.tags, "t4")],
        "nothing": [sa.false()],
    }


def test_the_same_is_found(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of condition that stores use, with a limit and without, asked both ways, twice (the text is kept)."""
    with db.read() as tx:
        for name, where in _wheres(tx).items():
            for limit in (None, 3):
                for _ in range(2):
                    got = THINGS.find(tx, *where, order=TABLE.c.id, limit=limit)
                    query = sa.select(TABLE).where(*where).order_by(TABLE.c.id).limit(limit)
                    assert got == [Thing(*row) for row in tx.conn.execute(query).all()], name
            assert THINGS.one(tx, *where) == next(iter(THINGS.find(tx, *where)), None), name
        assert THINGS.one(tx, TABLE.c.tags == sa.null()) is None


def test_pages_are_the_same(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, in both directions, sorted by columns with nulls."""

    def pages(reverse: bool) -> list[Thing]:
        with db.read() as tx:
            out: list[Thing] = []
            marker = None
            while True:
                page = THINGS.page(
                    tx, seen=None, sort=[("name", "desc"), ("size", "asc")], marker=marker, limit=7, reverse=reverse
                )
                if not page:
                    return out
                out += page
                marker = page[0 if reverse else -1].id

    fast = pages(False), pages(True)
    assert len({t.id for t in fast[0]}) == 40 and len(fast[1]) == 40
    monkeypatch.setattr("virga.ground.db.rows.direct", lambda *_: None)
    assert (pages(False), pages(True)) == fast


def test_what_depends_on_its_values_is_left_to_sqlalchemy(db: Database) -> None:
    with db.read() as tx:
        assert tx.embedded is not None
        assert direct.direct(tx.embedded, sa.select(TABLE).where(TABLE.c.size.in_([1])), SQLITE) is None
        plain = direct.direct(tx.embedded, sa.select(TABLE.c.tags).where(TABLE.c.id == "01"), SQLITE)
        assert plain is not None and msgspec.json.decode(plain[0][0]) == ["t1", "x"]
