# SPDX-License-Identifier: Apache-2.0
"""Objects' tables. Names compare by their UTF-8 bytes on every database, as listings must."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import metadata
from virga.ground.db.rows import Rows
from virga.services.objects import model

_name = sa.String(1024).with_variant(sa.String(1024, collation="C"), "postgresql")
_key = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_json = sa.JSON(none_as_null=True)

ACCOUNTS = Rows(
    sa.Table(
        "obj_accounts",
        metadata,
        sa.Column("name", _name, primary_key=True),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("control", sa.JSON, nullable=False),
        sa.Column("deleted", sa.Double),
    ),
    model.Account,
)
CONTAINERS = Rows(
    sa.Table(
        "obj_containers",
        metadata,
        sa.Column("id", _key, primary_key=True, autoincrement=True),
        sa.Column("account", _name, nullable=False),
        sa.Column("name", _name, nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("changed", sa.Double, nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("control", sa.JSON, nullable=False),
        sa.Column("objects", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("account", "name", name="uq_obj_containers_account_name"),
        sa.Index("ix_obj_containers_name", "name"),
        sqlite_autoincrement=True,
    ),
    model.Container,
)


def _object_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("version", sa.String(24), nullable=False),
        sa.Column("unversioned", sa.Boolean, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("changed", sa.Double, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("body", sa.String(40)),
        sa.Column("delete_at", sa.BigInteger),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("control", _json),
    ]


OBJECTS = Rows(
    sa.Table(
        "obj_objects",
        metadata,
        sa.Column("container_id", _key, primary_key=True, autoincrement=False),
        sa.Column("name", _name, primary_key=True),
        *_object_columns(),
        sa.Index("ix_obj_objects_body", "body"),
        sqlite_with_rowid=False,
    ),
    model.Object,
)
_o = OBJECTS.table.c
sa.Index("ix_obj_objects_delete_at", _o.delete_at, sqlite_where=_o.delete_at.is_not(None))
_history_columns = _object_columns()
_history_columns[0].primary_key = True
HISTORY = Rows(
    sa.Table(
        "obj_history",
        metadata,
        sa.Column("container_id", _key, primary_key=True, autoincrement=False),
        sa.Column("name", _name, primary_key=True),
        *_history_columns,
        sa.Index("ix_obj_history_body", "body"),
        sqlite_with_rowid=False,
    ),
    model.Object,
)
SMALL = sa.Table(
    "obj_small",
    metadata,
    sa.Column("body", sa.String(40), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
PIECES = Rows(
    sa.Table(
        "obj_pieces",
        metadata,
        sa.Column("body", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("blob", sa.String(40), nullable=False, index=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("control", _json),
    ),
    model.Piece,
)
UPLOADS = Rows(
    sa.Table(
        "obj_uploads",
        metadata,
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("container_id", _key, nullable=False),
        sa.Column("name", _name, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("control", _json),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Index("ix_obj_uploads_name", "container_id", "name", "id"),
    ),
    model.Upload,
)
PARTS = Rows(
    sa.Table(
        "obj_parts",
        metadata,
        sa.Column("upload", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("body", sa.String(40), nullable=False, index=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("changed", sa.Double, nullable=False),
        sa.Column("control", _json),
    ),
    model.Part,
)
TRASH = Rows(
    sa.Table(
        "obj_trash",
        metadata,
        sa.Column("body", sa.String(40), primary_key=True),
        sa.Column("since", sa.Double, nullable=False),
    ),
    model.Trash,
)
QUARANTINE = Rows(
    sa.Table(
        "obj_quarantine",
        metadata,
        sa.Column("body", sa.String(40), primary_key=True),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    ),
    model.Quarantine,
)
SYNC = Rows(
    sa.Table(
        "obj_sync",
        metadata,
        sa.Column("container_id", _key, primary_key=True, autoincrement=False),
        sa.Column("name", _name, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("cursor", _name),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due", sa.Double, nullable=False, index=True),
        sa.Column("why", sa.Text),
    ),
    model.SyncEntry,
)
