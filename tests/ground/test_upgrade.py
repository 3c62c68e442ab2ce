# SPDX-License-Identifier: Apache-2.0
"""Sagas that were under way when the program was replaced: the new one carries them on."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

import schemas
from rigs import Rig
from virga.ground.db import migrate
from virga.ground.db.engine import Database
from virga.ground.sagas.saga import Context, Saga, Step

OLD = sa.table(
    "sagas",
    *(
        sa.column(name, kind)
        for name, kind in {
            "id": sa.String,
            "name": sa.String,
            "args": sa.JSON,
            "notes": sa.JSON,
            "state": sa.String,
            "cursor": sa.Integer,
            "exclusive": sa.String,
            "owner": sa.String,
            "epoch": sa.Integer,
            "lease": sa.Double,
            "wake": sa.Double,
            "nudges": sa.Integer,
            "attempts": sa.Integer,
            "deadline": sa.Double,
            "created": sa.Double,
            "ended": sa.Double,
        }.items()
    ),
)


def test_live_sagas_keep_their_resources_and_go_on(
    database: str | None, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ran: list[str] = []

    def first(ctx: Context) -> None:
        raise AssertionError("that was done before")

    def second(ctx: Context) -> None:
        ran.append(ctx.notes["first"])

    def back(ctx: Context) -> None:
        ran.append("back")

    url = database or f"sqlite:///{tmp_path / 'v.db'}"
    db = Database(url)
    schemas.at(db, "0015")
    common = {
        "name": "rig.kind",
        "args": {},
        "notes": {"first": "noted"},
        "cursor": 1,
        "owner": "host:12",
        "epoch": 3,
        "lease": 9e9,
        "wake": 0.0,
        "nudges": 0,
        "attempts": 0,
        "deadline": 1_800_000_900.0,
        "created": 1_799_999_999.0,
    }
    with db.write() as tx:
        for id, state, exclusive, ended in (
            ("a", "run", "server:a", None),
            ("b", "undo", "server:b", None),
            ("c", "done", "server:a", 1.0),
            ("d", "run", None, None),
        ):
            row = {"id": id, "state": state, "exclusive": exclusive, "ended": ended}
            tx.conn.execute(sa.insert(OLD).values(**common, **row))
    assert migrate.migrate(db) == "migrated"
    db.close()
    rig = Rig(url, [Saga("rig.kind", (Step(first, back), Step(second, back)), deadline=900)])
    assert rig.rows(sa.text("select resource, saga_id, hold from saga_resources order by resource")) == [  # type: ignore[arg-type]
        ("server:a", "a", "exclusive"),
        ("server:b", "b", "exclusive"),
    ]
    assert [p.id for p in rig.progress("server:a")] == ["a"]
    rig.drain()
    assert [rig.row(id).state for id in "abcd"] == ["done", "failed", "done", "done"]
    assert sorted(ran) == ["back", "back", "noted", "noted"]
    rig.close()
