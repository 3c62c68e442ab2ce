# SPDX-License-Identifier: Apache-2.0
"""What the switch has yet to learn: marks that are part of the commit that changed something."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.bus import Bus
from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Rows, Statement
from virga.ground.registry import Registry
from virga.services.network import model
from virga.services.network.store.columns import ID

DIRTY = Rows(
    sa.Table(
        "network_dirty",
        metadata,
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("id", ID, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
    ),
    model.Dirty,
)
WAKE = "network.wake"


_MARK = Statement(
    sa.text(
        "INSERT INTO network_dirty (kind, id, generation) VALUES (:kind, :id, 1)"
        " ON CONFLICT (kind, id) DO UPDATE SET generation = network_dirty.generation + 1"
    ),
    ["kind", "id"],
)


def touch(tx: Tx, registry: Registry, kind: str, *ids: str) -> None:
    """The switch must learn of these things of a kind (see `kinds`). Part of the same commit; the loop does the rest."""
    for id in sorted(set(ids)):
        _MARK(tx, {"kind": kind, "id": id})
    if ids:
        tx.after_commit(lambda: registry.use(Bus).publish(WAKE))
