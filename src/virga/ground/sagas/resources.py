# SPDX-License-Identifier: Apache-2.0
"""What sagas hold: `server:ID`, `volume:ID`, each for itself (exclusive) or beside others (shared). A claim lives as long as its
saga. What an ancestor holds, a child is lent; what a child claimed itself is its parent's when it has done, until the whole is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Row, Rows, Statement

EXCLUSIVE, SHARED, LENT = "exclusive", "shared", "lent"
TABLE = sa.Table(
    "saga_resources",
    metadata,
    sa.Column("resource", sa.String(128), primary_key=True),
    sa.Column("saga_id", sa.String(36), primary_key=True),
    sa.Column("hold", sa.String(9), nullable=False),  # exclusive | shared | lent
)
sa.Index("ix_saga_resources_saga_id", TABLE.c.saga_id)
sa.Index("uq_saga_resources_exclusive", TABLE.c.resource, unique=True, sqlite_where=sa.text("hold = 'exclusive'"))


class Claim(Row, frozen=True):
    """One saga's hold on one resource."""

    resource: str
    saga_id: str
    hold: str


CLAIMS = Rows(TABLE, Claim)
RELEASE = Statement(sa.delete(TABLE).where(TABLE.c.saga_id == sa.bindparam("saga")), ["saga"])


def wanted(exclusive: str | Sequence[str] | None, shared: Sequence[str] = ()) -> dict[str, str]:
    """What a saga asks for, as resource → hold, in the order in which everybody takes them (two sagas never wait for each other)."""
    alone = [exclusive] if isinstance(exclusive, str) else list(exclusive or ())
    return dict(sorted({**dict.fromkeys(shared, SHARED), **dict.fromkeys(alone, EXCLUSIVE)}.items()))


def seen(tx: Tx, wants: dict[str, str], family: Iterable[str]) -> tuple[list[Claim], set[str]]:
    """The claims in the way of `wants`, and those of `wants` that an ancestor (`family`) holds already. Until the commit nobody else
    claims the same."""
    ours, in_the_way, lent = set(family), [], set()
    for resource, hold in wants.items():
        tx.hold(f"saga:{resource}")
        for claim in CLAIMS.every(tx, resource=resource):
            if claim.saga_id in ours:
                if claim.hold in (EXCLUSIVE, hold):
                    lent.add(resource)
            elif claim.hold != LENT and EXCLUSIVE in (claim.hold, hold):
                in_the_way.append(claim)
    return in_the_way, lent


def take(tx: Tx, saga: str, wants: dict[str, str], lent: set[str]) -> None:
    """Write the claims of a new saga."""
    for resource, hold in wants.items():
        CLAIMS.insert(tx, resource=resource, saga_id=saga, hold=LENT if resource in lent else hold)


def release(tx: Tx, saga: str) -> None:
    """The saga is over: what it held is free."""
    RELEASE(tx, {"saga": saga})


def pass_on(tx: Tx, child: str, parent: str) -> None:
    """The child has done: what it held stays held, by its parent, so that nobody builds on what may still be undone."""
    mine = [c for c in CLAIMS.every(tx, saga_id=child) if c.hold != LENT]
    release(tx, child)
    theirs = {c.resource: c.hold for c in CLAIMS.every(tx, saga_id=parent)}
    for claim in mine:
        if claim.resource not in theirs:
            CLAIMS.insert(tx, resource=claim.resource, saga_id=parent, hold=claim.hold)
        elif claim.hold == EXCLUSIVE:
            CLAIMS.change(tx, TABLE.c.saga_id == parent, TABLE.c.resource == claim.resource, hold=EXCLUSIVE)


def of(tx: Tx, sagas: Iterable[str]) -> dict[str, list[str]]:
    """The resources of each of the sagas."""
    out: dict[str, list[str]] = {}
    for claim in CLAIMS.within(tx, "saga_id", sagas):
        out.setdefault(claim.saga_id, []).append(claim.resource)
    return {id: sorted(names) for id, names in out.items()}
