# SPDX-License-Identifier: Apache-2.0
"""Identity's tables and queries."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Rows
from virga.ground.db.statements import Lookup, Statement
from virga.services.identity import model

_id = sa.String(64)


def _name() -> sa.Column[str]:
    return sa.Column("name", sa.String(255), nullable=False)


DOMAINS = Rows(
    sa.Table(
        "id_domains",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
    ),
    model.Domain,
)
PROJECTS = Rows(
    sa.Table(
        "id_projects",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _name(),
        sa.Column("domain_id", _id, nullable=False),
        sa.Column("parent_id", _id, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.UniqueConstraint("domain_id", "name"),
        sa.Index("ix_id_projects_parent_id", "parent_id"),
    ),
    model.Project,
)
USERS = Rows(
    sa.Table(
        "id_users",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _name(),
        sa.Column("domain_id", _id, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("default_project_id", _id),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("password_expires_at", sa.Double),
        sa.Column("valid_after", sa.Double, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False),
        sa.Column("password_set", sa.Double),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failed_at", sa.Double),
        sa.Column("active_at", sa.Double),
        sa.UniqueConstraint("domain_id", "name"),
        sa.Index("ix_id_users_name", "name", "id"),
    ),
    model.User,
)
ROLES = Rows(
    sa.Table(
        "id_roles",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _name(),
        sa.Column("domain_id", _id),
        sa.Column("description", sa.Text),
        sa.Column("extra", sa.JSON, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.UniqueConstraint("domain_id", "name"),
        # No two nulls are the same to a constraint: the names of roles of no domain are one another's by this.
        sa.Index(
            "uq_id_roles_global_name",
            "name",
            unique=True,
            sqlite_where=sa.text("domain_id IS NULL"),
            postgresql_where=sa.text("domain_id IS NULL"),
        ),
    ),
    model.Role,
)
GRANTS = Rows(
    sa.Table(
        "id_grants",
        metadata,
        sa.Column("role_id", _id, primary_key=True),
        sa.Column("user_id", _id, primary_key=True, index=True),
        sa.Column("target", sa.String(8), primary_key=True),
        sa.Column("target_id", _id, primary_key=True),
        sa.Column("inherited", sa.Boolean, primary_key=True),
    ),
    model.Grant,
)
GROUPS = Rows(
    sa.Table(
        "id_groups",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _name(),
        sa.Column("domain_id", _id, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False),
        sa.UniqueConstraint("domain_id", "name"),
    ),
    model.Group,
)
MEMBERSHIPS = Rows(
    sa.Table(
        "id_memberships",
        metadata,
        sa.Column("group_id", _id, primary_key=True),
        sa.Column("user_id", _id, primary_key=True, index=True),
    ),
    model.Membership,
)
OLD_PASSWORDS = Rows(
    sa.Table(
        "id_old_passwords",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("user_id", _id, nullable=False, index=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("made", sa.Double, nullable=False),
        sa.Column("by_user", sa.Boolean, nullable=False),
    ),
    model.OldPassword,
)
IMPLIED_ROLES = Rows(
    sa.Table(
        "id_implied_roles",
        metadata,
        sa.Column("prior_id", _id, primary_key=True),
        sa.Column("implied_id", _id, primary_key=True),
    ),
    model.ImpliedRole,
)
GROUP_GRANTS = Rows(
    sa.Table(
        "id_group_grants",
        metadata,
        sa.Column("role_id", _id, primary_key=True),
        sa.Column("group_id", _id, primary_key=True, index=True),
        sa.Column("target", sa.String(8), primary_key=True),
        sa.Column("target_id", _id, primary_key=True),
        sa.Column("inherited", sa.Boolean, primary_key=True),
    ),
    model.GroupGrant,
)
REGIONS = Rows(
    sa.Table(
        "id_regions",
        metadata,
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("parent_region_id", sa.String(255)),
        sa.Column("extra", sa.JSON, nullable=False),
    ),
    model.Region,
)
SERVICES = Rows(
    sa.Table(
        "id_services",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("description", sa.Text),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False),
    ),
    model.CatalogService,
)
ENDPOINTS = Rows(
    sa.Table(
        "id_endpoints",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("service_id", _id, sa.ForeignKey("id_services.id"), nullable=False),
        sa.Column("interface", sa.String(8), nullable=False),
        sa.Column("region_id", sa.String(255), sa.ForeignKey("id_regions.id")),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False),
    ),
    model.Endpoint,
)
KEYS = Rows(
    sa.Table(
        "id_keys",
        metadata,
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
    ),
    model.Key,
)
REVOCATIONS = Rows(
    sa.Table(
        "id_revocations",
        metadata,
        sa.Column("audit_id", sa.String(32), primary_key=True),
        sa.Column("expires", sa.Double, nullable=False, index=True),
    ),
    model.Revocation,
)
SPENT = Rows(
    sa.Table(
        "id_spent",
        metadata,
        sa.Column("what", sa.String(128), primary_key=True),
        sa.Column("expires", sa.Double, nullable=False, index=True),
    ),
    model.Spent,
)
CREDENTIALS = Rows(
    sa.Table(
        "id_credentials",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("user_id", _id, nullable=False, index=True),
        sa.Column("project_id", _id),
        sa.Column("blob", sa.Text, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False),
    ),
    model.Credential,
)
ACCESS_RULES = Rows(
    sa.Table(
        "id_access_rules",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("user_id", _id, nullable=False, index=True),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("path", sa.String(128), nullable=False),
    ),
    model.AccessRule,
)
APP_CREDENTIALS = Rows(
    sa.Table(
        "id_app_credentials",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _name(),
        sa.Column("user_id", _id, nullable=False),
        sa.Column("project_id", _id, nullable=False, index=True),
        sa.Column("description", sa.Text),
        sa.Column("secret_hash", sa.String(255), nullable=False),
        sa.Column("expires", sa.Double),
        sa.Column("unrestricted", sa.Boolean, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("access_rules", sa.JSON),
        sa.Column("made_by", _id, index=True),
        sa.UniqueConstraint("user_id", "name"),
    ),
    model.AppCredential,
)
TRUSTS = Rows(
    sa.Table(
        "id_trusts",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("trustor_id", _id, nullable=False, index=True),
        sa.Column("trustee_id", _id, nullable=False, index=True),
        sa.Column("project_id", _id, index=True),
        sa.Column("impersonation", sa.Boolean, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("expires", sa.Double),
        sa.Column("remaining_uses", sa.Integer),
        sa.Column("redelegated_id", _id, index=True),
        sa.Column("redelegation_count", sa.Integer, nullable=False),
        sa.Column("allow_redelegation", sa.Boolean, nullable=False),
        sa.Column("deleted_at", sa.Double),
        sa.Column("extra", sa.JSON, nullable=False),
    ),
    model.Trust,
)
POLICIES = Rows(
    sa.Table(
        "id_policies",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("blob", sa.Text, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False),
    ),
    model.PolicyBlob,
)
POLICY_USES = Rows(
    sa.Table(
        "id_policy_uses",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("policy_id", _id, nullable=False, index=True),
        sa.Column("endpoint_id", _id),
        sa.Column("service_id", _id),
        sa.Column("region_id", sa.String(255)),
    ),
    model.PolicyUse,
)
ENDPOINT_GROUPS = Rows(
    sa.Table(
        "id_endpoint_groups",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _name(),
        sa.Column("description", sa.Text),
        sa.Column("filters", sa.JSON, nullable=False),
    ),
    model.EndpointGroup,
)
PROJECT_ENDPOINTS = Rows(
    sa.Table(
        "id_project_endpoints",
        metadata,
        sa.Column("project_id", _id, primary_key=True),
        sa.Column("endpoint_id", _id, primary_key=True),
    ),
    model.ProjectEndpoint,
)
PROJECT_ENDPOINT_GROUPS = Rows(
    sa.Table(
        "id_project_endpoint_groups",
        metadata,
        sa.Column("project_id", _id, primary_key=True),
        sa.Column("endpoint_group_id", _id, primary_key=True),
    ),
    model.ProjectEndpointGroup,
)
REGISTERED_LIMITS = Rows(
    sa.Table(
        "id_registered_limits",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("service_id", _id, nullable=False),
        sa.Column("region_id", sa.String(255)),
        sa.Column("resource_name", sa.String(255), nullable=False),
        sa.Column("default_limit", sa.Integer, nullable=False),
        sa.Column("description", sa.Text),
    ),
    model.RegisteredLimit,
)
PROJECT_LIMITS = Rows(
    sa.Table(
        "id_limits",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("project_id", _id, index=True),
        sa.Column("domain_id", _id),
        sa.Column("service_id", _id, nullable=False),
        sa.Column("region_id", sa.String(255)),
        sa.Column("resource_name", sa.String(255), nullable=False),
        sa.Column("resource_limit", sa.Integer, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("registered_limit_id", _id, nullable=False),
    ),
    model.ProjectLimit,
)
DOMAIN_OPTIONS = Rows(
    sa.Table(
        "id_domain_options",
        metadata,
        sa.Column("domain_id", _id, primary_key=True),
        sa.Column("group", sa.String(255), primary_key=True),
        sa.Column("option", sa.String(255), primary_key=True),
        sa.Column("value", sa.JSON),
        sa.Column("secret", sa.Boolean, nullable=False),
    ),
    model.DomainOption,
)
REVOKE_EVENTS = Rows(
    sa.Table(
        "id_revoke_events",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("made", sa.Double, nullable=False, index=True),
    ),
    model.RevokeEvent,
)
STATE = sa.Table(
    "id_state",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
)
_GENERATION = Lookup(sa.select(STATE.c.generation))


def generation(tx: Tx) -> int:
    """Grows with every change that may take something from a token."""
    row = _GENERATION.first(tx)
    return 0 if row is None else int(row[0])


def grow(tx: Tx) -> int:
    """The next generation; every process resolves its tokens anew when it sees it."""
    fresh = tx.conn.execute(
        sa.update(STATE).values(generation=STATE.c.generation + 1).returning(STATE.c.generation)
    ).scalar()
    if fresh is None:
        tx.conn.execute(sa.insert(STATE).values(one=1, generation=1))
        return 1
    return int(fresh)


def group_ids(user_id: str) -> sa.Select[Any]:
    """The ids of the groups of a user, as a part of a query."""
    return sa.select(MEMBERSHIPS.c.group_id).where(MEMBERSHIPS.c.user_id == user_id)


def member_ids(group_id: str) -> sa.Select[Any]:
    """The ids of the users in a group, as a part of a query."""
    return sa.select(MEMBERSHIPS.c.user_id).where(MEMBERSHIPS.c.group_id == group_id)


_IMPLIES = Statement(sa.select(IMPLIED_ROLES.c.prior_id, IMPLIED_ROLES.c.implied_id))


def groups_of(tx: Tx, user_id: str) -> list[str]:
    """The ids of the groups that a user is in."""
    return [m.group_id for m in MEMBERSHIPS.every(tx, user_id=user_id)]


RoleTarget = tuple[str, Collection[str], bool]
"""A kind of target, ids of such, and whether grants there count that are inherited, or those that are not."""


def role_ids(tx: Tx, user_id: str, *targets: RoleTarget) -> set[str]:
    """The roles that a user has in any of the places, by own grants and by those of the user's groups."""
    mine = groups_of(tx, user_id)
    if tx.embedded is not None and len(mine) < 16:
        roles: set[str] = set()
        for kind, ids, inherited in targets:
            for id in ids:
                own = GRANTS.every(tx, user_id=user_id, target=kind, target_id=id, inherited=inherited)
                roles |= {g.role_id for g in own}
                for group in mine:
                    lent = GROUP_GRANTS.every(tx, group_id=group, target=kind, target_id=id, inherited=inherited)
                    roles |= {g.role_id for g in lent}
        return roles

    def at(rows: Rows[Any]) -> sa.ColumnElement[bool]:
        c = rows.c
        return sa.or_(
            *(
                sa.and_(c.target == kind, c.target_id.in_(ids), c.inherited.is_(inherited))
                for kind, ids, inherited in targets
            )
        )

    found = set(tx.conn.execute(sa.select(GRANTS.c.role_id).where(GRANTS.c.user_id == user_id, at(GRANTS))).scalars())
    if mine:
        g = GROUP_GRANTS.c
        found |= set(tx.conn.execute(sa.select(g.role_id).where(g.group_id.in_(mine), at(GROUP_GRANTS))).scalars())
    return found


def grants_of(tx: Tx, user_id: str, target: str, target_id: str, inherited: bool = False) -> list[model.Grant]:
    c = GRANTS.c
    return GRANTS.find(
        tx, c.user_id == user_id, c.target == target, c.target_id == target_id, c.inherited.is_(inherited)
    )


def forget_grants(
    tx: Tx,
    *,
    user_id: str | None = None,
    group_id: str | None = None,
    target_id: str | None = None,
    role_id: str | None = None,
) -> None:
    """Take back every grant that names what is given."""
    for rows, column, id in ((GRANTS, GRANTS.c.user_id, user_id), (GROUP_GRANTS, GROUP_GRANTS.c.group_id, group_id)):
        if id is not None:
            rows.delete(tx, column == id)
    for rows in (GRANTS, GROUP_GRANTS):
        pairs = ((rows.c.target_id, target_id), (rows.c.role_id, role_id))
        where = [column == value for column, value in pairs if value is not None]
        if where:
            rows.delete(tx, *where)


def insert_passwordless(
    tx: Tx, *, id: str, name: str, domain_id: str, enabled: bool, extra: dict[str, Any]
) -> model.User:
    """A user whose password, if there is one, is kept elsewhere: of an identity provider or a directory."""
    return USERS.insert(
        tx,
        id=id,
        name=name,
        domain_id=domain_id,
        enabled=enabled,
        default_project_id=None,
        password_hash=None,
        password_expires_at=None,
        valid_after=0.0,
        options={},
        extra=extra,
        password_set=None,
        failures=0,
        failed_at=None,
        active_at=None,
    )


def forget_user(tx: Tx, user_id: str) -> None:
    """Everything that belongs to a user and goes with the user."""
    forget_grants(tx, user_id=user_id)
    for rows in (MEMBERSHIPS, OLD_PASSWORDS, CREDENTIALS, APP_CREDENTIALS, ACCESS_RULES):
        rows.delete(tx, rows.c.user_id == user_id)
    TRUSTS.delete(tx, (TRUSTS.c.trustor_id == user_id) | (TRUSTS.c.trustee_id == user_id))


def forget_project(tx: Tx, project_id: str) -> None:
    """Everything of identity's that belongs to a project and goes with it."""
    forget_grants(tx, target_id=project_id)
    for rows in (CREDENTIALS, APP_CREDENTIALS, TRUSTS, PROJECT_ENDPOINTS, PROJECT_ENDPOINT_GROUPS, PROJECT_LIMITS):
        rows.delete(tx, rows.c.project_id == project_id)
    USERS.change(tx, USERS.c.default_project_id == project_id, default_project_id=None)


def forget_role(tx: Tx, role_id: str) -> None:
    """A role and wherever it was granted or implied."""
    forget_grants(tx, role_id=role_id)
    IMPLIED_ROLES.delete(tx, (IMPLIED_ROLES.c.prior_id == role_id) | (IMPLIED_ROLES.c.implied_id == role_id))
    ROLES.delete(tx, ROLES.c.id == role_id)


def all_implied(tx: Tx, ids: Collection[str]) -> set[str]:
    """The roles with all that they bring along, and what that brings."""
    brings: dict[str, list[str]] = {}
    for prior, implied in _IMPLIES.all(tx, {}):
        brings.setdefault(prior, []).append(implied)
    found, fresh = set(ids), list(ids)
    while fresh:
        for more in brings.get(fresh.pop(), ()):
            if more not in found:
                found.add(more)
                fresh.append(more)
    return found


def tagged(tx: Tx, tags: list[str], any_of: bool) -> list[str]:
    """The ids of the projects that have any, or all, of the tags."""
    c, out = PROJECTS.c, []
    for row in tx.conn.execute(sa.select(c.id, c.tags).where(sa.cast(c.tags, sa.Text) != "[]")):
        have = set(row.tags)
        if (have & set(tags)) if any_of else set(tags) <= have:
            out.append(row.id)
    return out


def add_event(tx: Tx, facts: dict[str, object], made: float) -> None:
    tx.conn.execute(sa.insert(REVOKE_EVENTS.table), {"facts": facts, "made": made})


def once(tx: Tx, rows: Rows[Any], **values: object) -> bool:
    """Write a row that is nothing but its key; whether it was not there yet. Whoever writes the same at the same time is told so by
    the database, and nobody is refused."""
    dialect = postgresql if tx.conn.dialect.name == "postgresql" else sqlite
    return tx.conn.execute(dialect.insert(rows.table).values(**values).on_conflict_do_nothing()).rowcount == 1


def spend(tx: Tx, kind: str, what: str, expires: float) -> bool:
    """Whether `what` is used for the first time, in any process; from now until `expires` it cannot be used again."""
    key = f"{kind}:{hashlib.sha256(what.encode()).hexdigest()}"
    text = "INSERT INTO id_spent (what, expires) VALUES (:what, :expires) ON CONFLICT DO NOTHING"
    return tx.conn.execute(sa.text(text), {"what": key, "expires": expires}).rowcount == 1


def remember_password(tx: Tx, user_id: str, password_hash: str, made: float, by_user: bool) -> None:
    row = {"user_id": user_id, "password_hash": password_hash, "made": made, "by_user": by_user}
    tx.conn.execute(sa.insert(OLD_PASSWORDS.table), row)


def users_with_role_on(tx: Tx, target: str, target_id: str) -> list[str]:
    """The ids of the users who have a role on the target itself."""
    c = GRANTS.c
    return sorted(
        {g.user_id for g in GRANTS.find(tx, c.target == target, c.target_id == target_id, c.inherited.is_(False))}
    )


def endpoints_of(tx: Tx, project_id: str) -> set[str] | None:
    """The endpoints that a project is shown, one by one and by group; None when nobody chose any, which means all."""
    single = PROJECT_ENDPOINTS.find(tx, PROJECT_ENDPOINTS.c.project_id == project_id)
    grouped = PROJECT_ENDPOINT_GROUPS.find(tx, PROJECT_ENDPOINT_GROUPS.c.project_id == project_id)
    if not single and not grouped:
        return None
    found = {r.endpoint_id for r in single}
    for group in ENDPOINT_GROUPS.within(tx, "id", {r.endpoint_group_id for r in grouped}):
        found |= {
            e.id for e in ENDPOINTS.find(tx, *(ENDPOINTS.c[key] == value for key, value in group.filters.items()))
        }
    return found
