# SPDX-License-Identifier: Apache-2.0
"""Tables of metadata definitions."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Rows
from virga.services.images.metadefs import model

NAMESPACES = Rows(
    sa.Table(
        "metadef_namespaces",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("namespace", sa.String(80), nullable=False, unique=True),
        sa.Column("display_name", sa.String(80)),
        sa.Column("description", sa.Text),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("protected", sa.Boolean, nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
    ),
    model.Namespace,
)
ITEMS = Rows(
    sa.Table(
        "metadef_items",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("namespace_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.UniqueConstraint("namespace_id", "kind", "name"),
        sa.Index("ix_metadef_items_kind", "kind", "name"),
    ),
    model.Item,
)
TYPES = Rows(
    sa.Table(
        "metadef_resource_types",
        metadata,
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("protected", sa.Boolean, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
    ),
    model.ResourceType,
)
n, i = NAMESPACES.c, ITEMS.c


def seen(project_id: str | None, admin: bool) -> sa.ColumnElement[bool]:
    return sa.true() if admin else sa.or_(n.visibility == "public", n.owner == (project_id or ""))


def for_types(names: list[str]) -> sa.ColumnElement[bool]:
    """Namespaces that are for one of these resource types."""
    has: sa.ColumnElement[bool] = n.id.in_(
        sa.select(i.namespace_id).where(i.kind == model.ASSOCIATION, i.name.in_(names))
    )
    return has


def items(tx: Tx, namespace_id: str, kind: str | None = None) -> list[model.Item]:
    where = [i.namespace_id == namespace_id] + ([i.kind == kind] if kind else [])
    return ITEMS.find(tx, *where, order=[i.created, i.name])


def item(tx: Tx, namespace_id: str, kind: str, name: str) -> model.Item | None:
    return ITEMS.one(tx, i.namespace_id == namespace_id, i.kind == kind, i.name == name)


def clear(tx: Tx, namespace_id: str, kind: str | None = None) -> int:
    where = [i.namespace_id == namespace_id] + ([i.kind == kind] if kind else [])
    return ITEMS.delete(tx, *where)


def know_type(tx: Tx, name: str, now: float) -> None:
    if TYPES.one(tx, TYPES.c.name == name) is None:
        TYPES.insert(tx, name=name, protected=False, created=now, updated=now)
