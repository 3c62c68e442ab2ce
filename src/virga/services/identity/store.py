# SPDX-License-Identifier: Apache-2.0
"""Identity's tables and queries."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Rows
from virga.services.identity import model

_id = sa.String(64)


def _name() -> sa.Column[str]:
    return sa.Column("name", sa.String(255), nullable=False)


DOMAINS = Rows(
    sa.Table(
        "id_domains", metadata, sa.Column("id", _id, primary_key=True), sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("description", sa.Text, nullable=False), sa.Column("enabled", sa.Boolean, nullable=False), sa.Column("extra", sa.JSON, nullable=False),
    ),
    model.Domain,
)  # fmt: skip
PROJECTS = Rows(
    sa.Table(
        "id_projects", metadata, sa.Column("id", _id, primary_key=True), _name(), sa.Column("domain_id", _id, nullable=False),
        sa.Column("parent_id", _id, nullable=False), sa.Column("description", sa.Text, nullable=False), sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False), sa.Column("extra", sa.JSON, nullable=False), sa.UniqueConstraint("domain_id", "name"),
    ),
    model.Project,
)  # fmt: skip
USERS = Rows(
    sa.Table(
        "id_users", metadata, sa.Column("id", _id, primary_key=True), _name(), sa.Column("domain_id", _id, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False), sa.Column("default_project_id", _id), sa.Column("password_hash", sa.String(255)),
        sa.Column("password_expires_at", sa.Double), sa.Column("valid_after", sa.Double, nullable=False), sa.Column("options", sa.JSON, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False), sa.UniqueConstraint("domain_id", "name"),
    ),
    model.User,
)  # fmt: skip
ROLES = Rows(
    sa.Table(
        "id_roles", metadata, sa.Column("id", _id, primary_key=True), _name(), sa.Column("domain_id", _id), sa.Column("description", sa.Text),
        sa.Column("extra", sa.JSON, nullable=False), sa.UniqueConstraint("domain_id", "name"),
    ),
    model.Role,
)  # fmt: skip
GRANTS = Rows(
    sa.Table(
        "id_grants", metadata, sa.Column("role_id", _id, primary_key=True), sa.Column("user_id", _id, primary_key=True, index=True),
        sa.Column("target", sa.String(8), primary_key=True), sa.Column("target_id", _id, primary_key=True), sa.Column("inherited", sa.Boolean, primary_key=True),
    ),
    model.Grant,
)  # fmt: skip
REGIONS = Rows(
    sa.Table(
        "id_regions", metadata, sa.Column("id", sa.String(255), primary_key=True), sa.Column("description", sa.Text, nullable=False),
        sa.Column("parent_region_id", sa.String(255)), sa.Column("extra", sa.JSON, nullable=False),
    ),
    model.Region,
)  # fmt: skip
SERVICES = Rows(
    sa.Table(
        "id_services", metadata, sa.Column("id", _id, primary_key=True), sa.Column("type", sa.String(255), nullable=False), sa.Column("name", sa.String(255)),
        sa.Column("description", sa.Text), sa.Column("enabled", sa.Boolean, nullable=False), sa.Column("extra", sa.JSON, nullable=False),
    ),
    model.CatalogService,
)  # fmt: skip
ENDPOINTS = Rows(
    sa.Table(
        "id_endpoints", metadata, sa.Column("id", _id, primary_key=True), sa.Column("service_id", _id, sa.ForeignKey("id_services.id"), nullable=False),
        sa.Column("interface", sa.String(8), nullable=False), sa.Column("region_id", sa.String(255), sa.ForeignKey("id_regions.id")),
        sa.Column("url", sa.Text, nullable=False), sa.Column("enabled", sa.Boolean, nullable=False), sa.Column("extra", sa.JSON, nullable=False),
    ),
    model.Endpoint,
)  # fmt: skip
KEYS = Rows(
    sa.Table(
        "id_keys", metadata, sa.Column("number", sa.Integer, primary_key=True), sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
    ),
    model.Key,
)  # fmt: skip
REVOCATIONS = Rows(
    sa.Table(
        "id_revocations",
        metadata,
        sa.Column("audit_id", sa.String(32), primary_key=True),
        sa.Column("expires", sa.Double, nullable=False, index=True),
    ),
    model.Revocation,
)
STATE = sa.Table("id_state", metadata, sa.Column("one", sa.Integer, primary_key=True), sa.Column("generation", sa.Integer, nullable=False))


def generation(tx: Tx) -> int:
    """Grows with every change that may take something from a token."""
    return tx.conn.execute(sa.select(STATE.c.generation)).scalar() or 0


def grow(tx: Tx) -> int:
    """The next generation; every process resolves its tokens anew when it sees it."""
    fresh = tx.conn.execute(sa.update(STATE).values(generation=STATE.c.generation + 1).returning(STATE.c.generation)).scalar()
    if fresh is None:
        tx.conn.execute(sa.insert(STATE).values(one=1, generation=1))
        return 1
    return int(fresh)


def grants_of(tx: Tx, user_id: str, target: str, target_id: str, inherited: bool = False) -> list[model.Grant]:
    c = GRANTS.c
    return GRANTS.find(tx, c.user_id == user_id, c.target == target, c.target_id == target_id, c.inherited.is_(inherited))


def forget_grants(tx: Tx, *, user_id: str | None = None, target_id: str | None = None, role_id: str | None = None) -> None:
    c = GRANTS.c
    pairs = ((c.user_id, user_id), (c.target_id, target_id), (c.role_id, role_id))
    GRANTS.delete(tx, *(column == value for column, value in pairs if value is not None))


def users_with_role_on(tx: Tx, target: str, target_id: str) -> list[str]:
    """The ids of the users who have a role on the target itself."""
    c = GRANTS.c
    return sorted({g.user_id for g in GRANTS.find(tx, c.target == target, c.target_id == target_id, c.inherited.is_(False))})
