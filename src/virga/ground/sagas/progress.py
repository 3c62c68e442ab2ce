# SPDX-License-Identifier: Apache-2.0
"""What live sagas say of themselves: for `virga sagas`, for `virga doctor`, and for services that show how far something is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from virga.ground.db.engine import Tx
from virga.ground.sagas import resources
from virga.ground.sagas.table import SAGAS, TABLE, SagaRow

MANY_TRIES = 2


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """One saga: its kind, what it holds, where it stands (`state` run or undo, `step`), how often the step was tried after it failed,
    how far it is (`done` of `total` of `what`; 0 and None when it did not say), why it is not further, what went wrong. Times are
    seconds since the epoch by the database's clock."""

    id: str
    kind: str
    resources: list[str]
    state: str
    step: str
    tries: int
    done: int
    total: int
    what: str | None
    waits: str | None
    error: str | None
    parent: str | None
    owner: str | None
    request_id: str | None
    created: float
    deadline: float
    ended: float | None

    @property
    def percent(self) -> int | None:
        """How much is done, 0 to 100; None when nobody knows."""
        return min(100, max(0, 100 * self.done // self.total)) if self.total > 0 else None


def of(tx: Tx, resource: str) -> list[Progress]:
    """The live sagas that hold `resource` (`server:ID`), the oldest first: a parent before its children."""
    holders = sa.select(resources.TABLE.c.saga_id).where(resources.TABLE.c.resource == resource)
    return _told(tx, SAGAS.find(tx, TABLE.c.id.in_(holders), TABLE.c.ended.is_(None), order=_oldest()))


def live(tx: Tx, limit: int = 1000) -> list[Progress]:
    """The sagas under way, the oldest first."""
    return _told(tx, SAGAS.find(tx, TABLE.c.ended.is_(None), order=_oldest(), limit=limit))


def failed(tx: Tx, limit: int = 50) -> list[Progress]:
    """The sagas that failed lately, the newest first."""
    return _told(tx, SAGAS.find(tx, TABLE.c.state == "failed", order=TABLE.c.ended.desc(), limit=limit))


def troubled(tx: Tx) -> list[Progress]:
    """Sagas that somebody should look at: an undo that does not succeed, a delete that is past its deadline."""
    stuck = sa.and_(TABLE.c.state == "undo", TABLE.c.attempts > MANY_TRIES)
    late = sa.and_(TABLE.c.state == "run", TABLE.c.error.is_not(None))
    return _told(tx, SAGAS.find(tx, TABLE.c.ended.is_(None), sa.or_(stuck, late), order=_oldest(), limit=1000))


def _oldest() -> list[sa.ColumnElement[object]]:
    return [TABLE.c.created, TABLE.c.id]


def _told(tx: Tx, rows: Sequence[SagaRow]) -> list[Progress]:
    held = resources.of(tx, [row.id for row in rows])
    return [
        Progress(
            id=row.id,
            kind=row.name,
            resources=held.get(row.id, []),
            state=row.state,
            step=row.step,
            tries=row.attempts,
            done=row.done,
            total=row.total,
            what=row.what,
            waits=row.waits,
            error=row.error,
            parent=row.parent,
            owner=row.owner,
            request_id=row.request_id,
            created=row.created,
            deadline=row.deadline,
            ended=row.ended,
        )
        for row in rows
    ]
