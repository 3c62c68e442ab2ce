# SPDX-License-Identifier: Apache-2.0
"""Objects: accounts, containers, objects."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "obj_accounts",
        sa.Column(
            "name",
            sa.String(length=1024).with_variant(sa.String(length=1024, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("control", sa.JSON(), nullable=False),
        sa.Column("deleted", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_obj_accounts")),
    )
    op.create_table(
        "obj_containers",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column(
            "account",
            sa.String(length=1024).with_variant(sa.String(length=1024, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "name",
            sa.String(length=1024).with_variant(sa.String(length=1024, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("control", sa.JSON(), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_obj_containers")),
        sa.UniqueConstraint("account", "name", name="uq_obj_containers_account_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_obj_containers_name", "obj_containers", ["name"], unique=False)
    op.create_table(
        "obj_history",
        sa.Column(
            "container_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column(
            "name",
            sa.String(length=1024).with_variant(sa.String(length=1024, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("version", sa.String(length=24), nullable=False),
        sa.Column("unversioned", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.Column("etag", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("body", sa.String(length=40), nullable=True),
        sa.Column("delete_at", sa.BigInteger(), nullable=True),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("control", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("container_id", "name", "version", name=op.f("pk_obj_history")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_obj_history_body", "obj_history", ["body"], unique=False)
    op.create_table(
        "obj_objects",
        sa.Column(
            "container_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column(
            "name",
            sa.String(length=1024).with_variant(sa.String(length=1024, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("version", sa.String(length=24), nullable=False),
        sa.Column("unversioned", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.Column("etag", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("body", sa.String(length=40), nullable=True),
        sa.Column("delete_at", sa.BigInteger(), nullable=True),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("control", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("container_id", "name", name=op.f("pk_obj_objects")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_obj_objects_body", "obj_objects", ["body"], unique=False)
    op.create_index(
        "ix_obj_objects_delete_at",
        "obj_objects",
        ["delete_at"],
        unique=False,
        sqlite_where=sa.text("delete_at IS NOT NULL"),
        postgresql_where=sa.text("delete_at IS NOT NULL"),
    )
    op.create_table(
        "obj_parts",
        sa.Column("upload", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.String(length=40), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=64), nullable=False),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("upload", "number", name=op.f("pk_obj_parts")),
    )
    op.create_index(op.f("ix_obj_parts_body"), "obj_parts", ["body"], unique=False)
    op.create_table(
        "obj_pieces",
        sa.Column("body", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("blob", sa.String(length=40), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("body", "number", name=op.f("pk_obj_pieces")),
    )
    op.create_index(op.f("ix_obj_pieces_blob"), "obj_pieces", ["blob"], unique=False)
    op.create_table(
        "obj_quarantine",
        sa.Column("body", sa.String(length=40), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("body", name=op.f("pk_obj_quarantine")),
    )
    op.create_table(
        "obj_small",
        sa.Column("body", sa.String(length=40), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("body", name=op.f("pk_obj_small")),
    )
    op.create_table(
        "obj_trash",
        sa.Column("body", sa.String(length=40), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("body", name=op.f("pk_obj_trash")),
    )
    op.create_table(
        "obj_uploads",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("container_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "name",
            sa.String(length=1024).with_variant(sa.String(length=1024, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("control", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_obj_uploads")),
    )
    op.create_index("ix_obj_uploads_name", "obj_uploads", ["container_id", "name", "id"], unique=False)
