# SPDX-License-Identifier: Apache-2.0
"""Images' table and queries."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Rows
from virga.services.images import model

IMAGES = Rows(
    sa.Table(
        "images", metadata, sa.Column("id", sa.String(36), primary_key=True), sa.Column("name", sa.String(255)), sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False), sa.Column("visibility", sa.String(16), nullable=False), sa.Column("disk_format", sa.String(20)),
        sa.Column("container_format", sa.String(20)), sa.Column("detected", sa.String(20)), sa.Column("min_disk", sa.Integer, nullable=False),
        sa.Column("min_ram", sa.Integer, nullable=False), sa.Column("size", sa.BigInteger), sa.Column("virtual_size", sa.BigInteger),
        sa.Column("checksum", sa.String(32)), sa.Column("os_hash_algo", sa.String(16)), sa.Column("os_hash_value", sa.String(128)),
        sa.Column("protected", sa.Boolean, nullable=False), sa.Column("os_hidden", sa.Boolean, nullable=False), sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("properties", sa.JSON, nullable=False), sa.Column("upload", sa.String(36)), sa.Column("upload_lease", sa.Double, nullable=False),
        sa.Column("created", sa.Double, nullable=False), sa.Column("updated", sa.Double, nullable=False),
        sa.Index("ix_images_owner", "owner", "created", "id"), sa.Index("ix_images_visible", "visibility", "created", "id"),
    ),
    model.Image,
)  # fmt: skip
c = IMAGES.c


def visible_to(project_id: str | None, admin: bool) -> sa.ColumnElement[bool]:
    """What a caller sees by id: what is the project's own, what is public, what the community has."""
    if admin:
        return sa.true()
    return sa.or_(c.owner == (project_id or ""), c.visibility.in_(("public", "community")))


def listed_to(project_id: str | None, admin: bool, visibility: str | None) -> sa.ColumnElement[bool]:
    """What a list shows: community images of others only when asked for."""
    own: sa.ColumnElement[bool] = sa.true() if admin else c.owner == (project_id or "")
    if visibility == "all":
        return visible_to(project_id, admin)
    if visibility in {"public", "community"}:
        shown: sa.ColumnElement[bool] = c.visibility == visibility
        return shown
    if visibility is not None:
        return sa.and_(own, c.visibility == visibility)
    return sa.or_(sa.and_(own, c.visibility != "community"), c.owner == (project_id or ""), c.visibility == "public")


def seen(tx: Tx, id: str, project_id: str | None, admin: bool) -> model.Image | None:
    return IMAGES.one(tx, c.id == id, visible_to(project_id, admin))


def used_bytes(tx: Tx, project_id: str) -> int:
    return IMAGES.total(tx, "size", c.owner == project_id)
