# SPDX-License-Identifier: Apache-2.0
"""Images, whole: members, stores, tasks, metadata definitions."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LIVE = sa.text("status in ('saving', 'uploading', 'importing')")


def _text(name: str, size: int, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=size), nullable=null)


def _times() -> tuple[sa.Column[float], sa.Column[float]]:
    return sa.Column("created", sa.Double(), nullable=False), sa.Column("updated", sa.Double(), nullable=False)


def _upgrade_images() -> None:
    with op.batch_alter_table("images") as images:
        images.add_column(sa.Column("stores", sa.JSON(), nullable=False, server_default="[]"))
        images.add_column(_text("staged", 64, null=True))
        images.add_column(sa.Column("staged_size", sa.BigInteger(), nullable=False, server_default="0"))
        images.add_column(sa.Column("importing", sa.JSON(), nullable=False, server_default="[]"))
        images.add_column(sa.Column("failed", sa.JSON(), nullable=False, server_default="[]"))
        images.add_column(_text("saga_id", 36, null=True))
        images.add_column(_text("task_id", 36, null=True))
        images.add_column(sa.Column("reason", sa.Text(), nullable=True))
        images.create_check_constraint(
            "arriving_has_a_lease", "status not in ('saving', 'uploading') or upload_lease > 0"
        )
        images.create_check_constraint("importing_has_a_saga", "status <> 'importing' or saga_id is not null")
    op.create_index("ix_images_live", "images", ["status", "upload_lease"], sqlite_where=LIVE, postgresql_where=LIVE)
    op.create_index("ix_images_created", "images", ["created", "id"])
    op.create_index("ix_images_name", "images", ["name"])


def _create_tables() -> None:
    op.create_table(
        "image_members",
        _text("image_id", 36),
        _text("member_id", 255),
        _text("status", 20),
        *_times(),
        sa.PrimaryKeyConstraint("image_id", "member_id", name="pk_image_members"),
    )
    op.create_index("ix_image_members_member_id", "image_members", ["member_id", "status"])
    op.create_table(
        "image_locations",
        _text("id", 36),
        _text("image_id", 36),
        _text("store", 64),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_image_locations"),
    )
    op.create_index("ix_image_locations_image_id", "image_locations", ["image_id"])
    op.create_table(
        "image_tasks",
        _text("id", 36),
        _text("image_id", 36, null=True),
        _text("type", 30),
        _text("status", 30),
        _text("owner", 64),
        _text("user_id", 64),
        _text("request_id", 64),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        *_times(),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_image_tasks"),
    )
    op.create_index("ix_image_tasks_image_id", "image_tasks", ["image_id"])
    op.create_index("ix_image_tasks_owner", "image_tasks", ["owner", "created", "id"])
    op.create_table(
        "image_tags",
        _text("image_id", 36),
        _text("tag", 255),
        sa.PrimaryKeyConstraint("image_id", "tag", name="pk_image_tags"),
    )
    op.create_index("ix_image_tags_tag", "image_tags", ["tag", "image_id"])
    op.create_table(
        "image_properties",
        _text("image_id", 36),
        _text("name", 255),
        _text("head", 255),
        sa.PrimaryKeyConstraint("image_id", "name", name="pk_image_properties"),
    )
    op.create_index("ix_image_properties_name", "image_properties", ["name", "head", "image_id"])


def _create_metadefs() -> None:
    op.create_table(
        "metadef_namespaces",
        _text("id", 36),
        _text("namespace", 80),
        _text("display_name", 80, null=True),
        sa.Column("description", sa.Text(), nullable=True),
        _text("visibility", 16),
        sa.Column("protected", sa.Boolean(), nullable=False),
        _text("owner", 255),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_metadef_namespaces"),
        sa.UniqueConstraint("namespace", name="uq_metadef_namespaces_namespace"),
    )
    op.create_table(
        "metadef_items",
        _text("id", 36),
        _text("namespace_id", 36),
        _text("kind", 16),
        _text("name", 80),
        sa.Column("body", sa.JSON(), nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_metadef_items"),
        sa.UniqueConstraint("namespace_id", "kind", "name", name="uq_metadef_items_namespace_id"),
    )
    op.create_index("ix_metadef_items_kind", "metadef_items", ["kind", "name"])
    op.create_table(
        "metadef_resource_types",
        _text("name", 80),
        sa.Column("protected", sa.Boolean(), nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("name", name="pk_metadef_resource_types"),
    )


def _carry_over() -> None:
    """Images that were there before: where their bytes lie, and what lists look for."""
    conn = op.get_bind()
    rows = conn.execute(sa.text("select id, status, tags, properties, created from images")).all()
    for id, status, tags, properties, created in rows:
        tags, properties = (json.loads(v) if isinstance(v, str) else v for v in (tags, properties))
        for tag in tags:
            conn.execute(sa.text("insert into image_tags values (:i, :t)"), {"i": id, "t": tag})
        for name, value in properties.items():
            conn.execute(
                sa.text("insert into image_properties values (:i, :n, :h)"), {"i": id, "n": name, "h": str(value)[:255]}
            )
        if status == "active":
            conn.execute(sa.text("update images set stores = '[\"files\"]' where id = :i"), {"i": id})
            conn.execute(
                sa.text("insert into image_locations values (:i, :i, 'files', :i, '{}', :c)"), {"i": id, "c": created}
            )
    conn.execute(
        sa.text("update images set status = 'queued', upload = null where status = 'saving' and upload_lease <= 0")
    )


def upgrade() -> None:
    _upgrade_images()
    _create_tables()
    _create_metadefs()
    _carry_over()
