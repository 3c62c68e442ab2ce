# SPDX-License-Identifier: Apache-2.0
"""Images' table and queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Rows
from virga.services.images import model

LIVE = sa.text("status in ('saving', 'uploading', 'importing')")
IMAGES = Rows(
    sa.Table(
        "images",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255)),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("disk_format", sa.String(20)),
        sa.Column("container_format", sa.String(20)),
        sa.Column("detected", sa.String(20)),
        sa.Column("min_disk", sa.Integer, nullable=False),
        sa.Column("min_ram", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("virtual_size", sa.BigInteger),
        sa.Column("checksum", sa.String(32)),
        sa.Column("os_hash_algo", sa.String(16)),
        sa.Column("os_hash_value", sa.String(128)),
        sa.Column("protected", sa.Boolean, nullable=False),
        sa.Column("os_hidden", sa.Boolean, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("properties", sa.JSON, nullable=False),
        sa.Column("upload", sa.String(36)),
        sa.Column("upload_lease", sa.Double, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("stores", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("staged", sa.String(64)),
        sa.Column("staged_size", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("importing", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("failed", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("saga_id", sa.String(36)),
        sa.Column("task_id", sa.String(36)),
        sa.Column("reason", sa.Text),
        sa.CheckConstraint("status not in ('saving', 'uploading') or upload_lease > 0", name="arriving_has_a_lease"),
        sa.CheckConstraint("status <> 'importing' or saga_id is not null", name="importing_has_a_saga"),
        sa.Index("ix_images_live", "status", "upload_lease", sqlite_where=LIVE),
        sa.Index("ix_images_created", "created", "id"),
        sa.Index("ix_images_name", "name"),
        sa.Index("ix_images_owner", "owner", "created", "id"),
        sa.Index("ix_images_visible", "visibility", "created", "id"),
    ),
    model.Image,
)
IDS = sa.Table("image_ids", metadata, sa.Column("id", sa.String(36), primary_key=True))
"""The ids that images have or had. An id is given once: who boots an image by its id gets the one that was looked at, or none, and
never another that took the id of a deleted one (OSSN-0075)."""
MEMBERS = Rows(
    sa.Table(
        "image_members",
        metadata,
        sa.Column("image_id", sa.String(36), primary_key=True),
        sa.Column("member_id", sa.String(255), primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Index("ix_image_members_member_id", "member_id", "status"),
    ),
    model.Member,
)
LOCATIONS = Rows(
    sa.Table(
        "image_locations",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("image_id", sa.String(36), nullable=False, index=True),
        sa.Column("store", sa.String(64), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
    ),
    model.Location,
)
TASKS = Rows(
    sa.Table(
        "image_tasks",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("image_id", sa.String(36), index=True),
        sa.Column("type", sa.String(30), nullable=False),
        sa.Column("status", sa.String(30), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("input", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("expires", sa.Double),
        sa.Index("ix_image_tasks_owner", "owner", "created", "id"),
    ),
    model.Task,
)
TAGS = sa.Table(
    "image_tags",
    metadata,
    sa.Column("image_id", sa.String(36), primary_key=True),
    sa.Column("tag", sa.String(255), primary_key=True),
    sa.Index("ix_image_tags_tag", "tag", "image_id"),
)
PROPERTIES = sa.Table(
    "image_properties",
    metadata,
    sa.Column("image_id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("head", sa.String(255), nullable=False),
    sa.Index("ix_image_properties_name", "name", "head", "image_id"),
)
HEAD = 255
c = IMAGES.c


def _shared_with(project_id: str, status: str | None = None) -> sa.ColumnElement[bool]:
    m = MEMBERS.c
    where = [m.image_id == c.id, m.member_id == project_id]
    if status is not None:
        where.append(m.status == status)
    return sa.and_(
        c.visibility == "shared", sa.exists(sa.select(sa.literal(1)).select_from(MEMBERS.table).where(*where))
    )


def listed_to(
    project_id: str | None, admin: bool, visibility: str | None, member_status: str
) -> sa.ColumnElement[bool]:
    """What a list shows: community images of others only when asked for; shared ones that the project accepted, unless another
    `member_status` (or `all`) is asked for."""
    status = None if member_status == "all" else member_status
    shared = _shared_with(project_id, status) if project_id else sa.false()
    mine = c.owner == (project_id or "")
    own: sa.ColumnElement[bool] = sa.true() if admin else mine
    if visibility == "all":
        return own if admin else sa.or_(mine, c.visibility.in_(("public", "community")), shared)
    if visibility in {"public", "community"}:
        shown: sa.ColumnElement[bool] = c.visibility == visibility
        return shown
    if visibility == "shared":
        return sa.or_(sa.and_(own, c.visibility == "shared"), shared)
    if visibility is not None:
        return sa.and_(own, c.visibility == visibility)
    if admin:
        return sa.or_(c.visibility != "community", mine)
    return sa.or_(mine, c.visibility == "public", shared)


def tagged(tag: str) -> sa.ColumnElement[bool]:
    return sa.exists(sa.select(sa.literal(1)).where(TAGS.c.image_id == c.id, TAGS.c.tag == tag))


def having(name: str, value: str) -> sa.ColumnElement[bool]:
    """Images with a property whose value begins like `value` (its first 255 characters are in the index)."""
    p = PROPERTIES.c
    return sa.exists(sa.select(sa.literal(1)).where(p.image_id == c.id, p.name == name, p.head == value[:HEAD]))


def seen(tx: Tx, id: str, project_id: str | None, admin: bool) -> model.Image | None:
    """The image if the caller may know of it; the common cases need one look-up by id."""
    image = IMAGES.get(tx, id)
    if (
        image is None
        or admin
        or image.visibility in {"public", "community"}
        or (project_id and image.owner == project_id)
    ):
        return image
    if image.visibility == "shared" and project_id and member(tx, id, project_id) is not None:
        return image
    return None


def member(tx: Tx, id: str, project_id: str) -> model.Member | None:
    return MEMBERS.one(tx, MEMBERS.c.image_id == id, MEMBERS.c.member_id == project_id)


def add(tx: Tx, **values: Any) -> model.Image:
    """A new image, with what lists look for. Its id is taken for ever; the database refuses one that is."""
    tx.conn.execute(sa.insert(IDS).values(id=values["id"]))
    image = IMAGES.insert(tx, **values)
    _index(tx, image.id, image.tags, image.properties)
    return image


def taken(tx: Tx, id: str) -> bool:
    """Whether there is, or was, an image of this id."""
    return tx.conn.execute(sa.select(IDS.c.id).where(IDS.c.id == id)).first() is not None


def any_ever(tx: Tx) -> bool:
    """Whether this cloud has, or has had, an image."""
    return tx.conn.execute(sa.select(IDS.c.id).limit(1)).first() is not None


def put(tx: Tx, id: str, **values: Any) -> None:
    """Change an image, and what lists look for if its tags or properties change."""
    IMAGES.put(tx, id, **values)
    if "tags" in values:
        tx.conn.execute(sa.delete(TAGS).where(TAGS.c.image_id == id))
        _index(tx, id, values["tags"], {})
    if "properties" in values:
        tx.conn.execute(sa.delete(PROPERTIES).where(PROPERTIES.c.image_id == id))
        _index(tx, id, [], values["properties"])


def _index(tx: Tx, id: str, tags: Iterable[str], properties: dict[str, Any]) -> None:
    rows = [{"image_id": id, "tag": t} for t in tags]
    if rows:
        tx.conn.execute(sa.insert(TAGS), rows)
    more = [{"image_id": id, "name": k, "head": str(v)[:HEAD]} for k, v in properties.items()]
    if more:
        tx.conn.execute(sa.insert(PROPERTIES), more)


def remove(tx: Tx, id: str) -> int:
    """Delete an image's rows; its bytes are without a row then, and the sweeper takes them."""
    for table in (TAGS, PROPERTIES, MEMBERS.table, LOCATIONS.table):
        tx.conn.execute(sa.delete(table).where(table.c.image_id == id))
    return IMAGES.delete(tx, c.id == id)


def key(image_id: str, writer: str) -> str:
    """The name of a blob: of one write of one image, and never used again."""
    return f"{image_id}-{writer[:8]}"


def activate(
    tx: Tx,
    where: tuple[Any, ...],
    id: str,
    *,
    stored: Any,
    detected: str,
    virtual: int | None,
    keys_by_store: dict[str, str],
    now: float,
    mint: Callable[[], str],
    **more: Any,
) -> int:
    """The image has its bytes: their measure, and where they lie (store → key). 0 when `where` does not hold any more."""
    changed = IMAGES.change(
        tx,
        *where,
        status=model.ACTIVE,
        size=stored.size,
        virtual_size=virtual or stored.size,
        checksum=stored.checksum,
        os_hash_algo=stored.algorithm,
        os_hash_value=stored.value,
        detected=detected,
        upload=None,
        upload_lease=0.0,
        stores=list(keys_by_store),
        staged=None,
        staged_size=0,
        importing=[],
        saga_id=None,
        reason=None,
        updated=now,
        **more,
    )
    if changed:
        LOCATIONS.delete(tx, LOCATIONS.c.image_id == id)
        place(tx, id, keys_by_store, now, mint)
    return changed


def place(tx: Tx, id: str, keys_by_store: dict[str, str], now: float, mint: Callable[[], str]) -> None:
    for at, (store, key) in enumerate(keys_by_store.items()):
        LOCATIONS.insert(tx, id=mint(), image_id=id, store=store, key=key, meta={}, created=now + at / 1e6)


def locations(tx: Tx, id: str) -> list[model.Location]:
    return LOCATIONS.find(tx, LOCATIONS.c.image_id == id, order=LOCATIONS.c.created)


def used_bytes(tx: Tx, project_id: str) -> int:
    """What a project's images take: each copy counts."""
    both = sa.join(IMAGES.table, LOCATIONS.table, LOCATIONS.c.image_id == c.id)
    return int(
        tx.conn.execute(
            sa.select(sa.func.coalesce(sa.func.sum(c.size), 0)).select_from(both).where(c.owner == project_id)
        ).scalar_one()
    )


def staged_bytes(tx: Tx, project_id: str) -> int:
    return IMAGES.total(tx, "staged_size", c.owner == project_id)
