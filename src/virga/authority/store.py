# SPDX-License-Identifier: Apache-2.0
"""The limits that an operator set for a project."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata

TABLE = sa.Table(
    "project_limits",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("service", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
)


def limit(tx: Tx, project_id: str, service: str, name: str) -> int | None:
    query = sa.select(TABLE.c.value).where(TABLE.c.project_id == project_id, TABLE.c.service == service, TABLE.c.name == name)
    return tx.conn.execute(query).scalar()


def set_limit(tx: Tx, project_id: str, service: str, name: str, value: int) -> None:
    where = (TABLE.c.project_id == project_id) & (TABLE.c.service == service) & (TABLE.c.name == name)
    if not tx.conn.execute(sa.update(TABLE).where(where).values(value=value)).rowcount:
        tx.conn.execute(sa.insert(TABLE).values(project_id=project_id, service=service, name=name, value=value))


def clear(tx: Tx, project_id: str, service: str) -> None:
    tx.conn.execute(sa.delete(TABLE).where(TABLE.c.project_id == project_id, TABLE.c.service == service))
