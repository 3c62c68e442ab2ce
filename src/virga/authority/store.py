# SPDX-License-Identifier: Apache-2.0
"""The limits that an operator set for a project."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Lookup

TABLE = sa.Table(
    "project_limits",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("service", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
)


def limit(tx: Tx, project_id: str, service: str, name: str) -> int | None:
    row = _OWN.first(tx, project_id=project_id, service=service, name=name)
    return None if row is None else row[0]


def set_limit(tx: Tx, project_id: str, service: str, name: str, value: int) -> None:
    where = (TABLE.c.project_id == project_id) & (TABLE.c.service == service) & (TABLE.c.name == name)
    if not tx.conn.execute(sa.update(TABLE).where(where).values(value=value)).rowcount:
        tx.conn.execute(sa.insert(TABLE).values(project_id=project_id, service=service, name=name, value=value))


def projects(tx: Tx, service: str) -> list[str]:
    """The projects that have limits of their own in a service."""
    query = sa.select(TABLE.c.project_id).where(TABLE.c.service == service).distinct().order_by(TABLE.c.project_id)
    return list(tx.conn.execute(query).scalars())


def clear(tx: Tx, project_id: str, service: str) -> None:
    tx.conn.execute(sa.delete(TABLE).where(TABLE.c.project_id == project_id, TABLE.c.service == service))


def unified(tx: Tx, project_id: str, service: str, names: tuple[str, ...]) -> tuple[int | None, int | None]:
    """By one name or two. Of identity's unified limits (its tables, read here because this layer is below it): the project's own, and the registered one."""
    row = _UNIFIED.first(tx, project_id=project_id, service=service, name=names[0], other=names[-1])
    return (None, None) if row is None else (row[0], row[1])


_SERVICES = sa.table("id_services", sa.column("id"), sa.column("type"))
_REGISTERED = sa.table(
    "id_registered_limits",
    sa.column("id"),
    sa.column("service_id"),
    sa.column("resource_name"),
    sa.column("default_limit"),
)
_LIMITS = sa.table("id_limits", sa.column("registered_limit_id"), sa.column("project_id"), sa.column("resource_limit"))
_OWN = Lookup(
    sa.select(TABLE.c.value).where(
        TABLE.c.project_id == sa.bindparam("project_id"),
        TABLE.c.service == sa.bindparam("service"),
        TABLE.c.name == sa.bindparam("name"),
    )
)
_UNIFIED = Lookup(
    sa.select(_LIMITS.c.resource_limit, _REGISTERED.c.default_limit)
    .select_from(
        _REGISTERED.join(_SERVICES, _SERVICES.c.id == _REGISTERED.c.service_id).outerjoin(
            _LIMITS,
            (_LIMITS.c.registered_limit_id == _REGISTERED.c.id) & (_LIMITS.c.project_id == sa.bindparam("project_id")),
        )
    )
    .where(
        _SERVICES.c.type == sa.bindparam("service"),
        sa.or_(
            _REGISTERED.c.resource_name == sa.bindparam("name"), _REGISTERED.c.resource_name == sa.bindparam("other")
        ),
    )
)
