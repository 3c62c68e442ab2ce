# SPDX-License-Identifier: Apache-2.0
"""What the columns of network's tables have in common, and whose rows are seen."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from virga.ground.db.engine import Tx
from virga.ground.db.rows import Rows

ID = sa.String(36)


def head() -> list[sa.Column[Any]]:
    """Columns that a noun begins with."""
    return [
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False, index=True),
        sa.Column("description", sa.String(255), nullable=False),
    ]


def tail(tags: bool = True) -> list[sa.Column[Any]]:
    """Columns that a noun ends with."""
    first = [sa.Column("tags", sa.JSON, nullable=False)] if tags else []
    return [
        *first,
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
    ]


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def only(name: str, column: str, where: str) -> sa.Index:
    """One row a value of `column` among those that `where` says."""
    return sa.Index(name, column, unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


OWNED = {"project_id": "project_id", "tenant_id": "project_id"}
STAMPED = {"description": "description", "created_at": "created", "updated_at": "updated"}
"""Filters that nouns share: name on the wire → column."""


def of_project(column: sa.ColumnElement[Any], project_id: str | None) -> sa.ColumnElement[bool]:
    """Rows of a project; without one, none: what is the network's own has no project either."""
    return column == project_id if project_id else sa.false()


def owned(rows: Rows[Any], project_id: str | None, everything: bool) -> sa.ColumnElement[bool]:
    return sa.true() if everything else of_project(rows.c.project_id, project_id)


def ids(tx: Tx, rows: Rows[Any]) -> set[str]:
    """The ids of all rows of a table."""
    return set(tx.conn.execute(sa.select(rows.c.id)).scalars())
