# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Prepared, Rows
from virga.services.network import model
from virga.services.network.store.columns import ID, OWNED, STAMPED, flag, head, only, tail

GROUPS = Rows(
    sa.Table(
        "security_groups",
        metadata,
        *head(),
        flag("stateful"),
        flag("is_default"),
        *tail(),
        only("uq_security_groups_default", "project_id", "is_default"),
    ),
    model.Group,
)
RULES = Rows(
    sa.Table(
        "security_group_rules",
        metadata,
        sa.Column("id", ID, primary_key=True),
        sa.Column("group_id", ID, sa.ForeignKey("security_groups.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("ethertype", sa.String(8), nullable=False),
        sa.Column("protocol", sa.String(40)),
        sa.Column("port_min", sa.Integer),
        sa.Column("port_max", sa.Integer),
        sa.Column("remote_ip_prefix", sa.String(64)),
        sa.Column("remote_group_id", ID, index=True),
        *tail(tags=False),
    ),
    model.GroupRule,
)
GROUP_FILTERS = OWNED | STAMPED | {"id": "id", "name": "name", "stateful": "stateful"}
RULE_FILTERS = (
    OWNED
    | STAMPED
    | {
        "id": "id",
        "security_group_id": "group_id",
        "direction": "direction",
        "ethertype": "ethertype",
        "protocol": "protocol",
        "port_range_min": "port_min",
        "port_range_max": "port_max",
        "remote_ip_prefix": "remote_ip_prefix",
        "remote_group_id": "remote_group_id",
    }
)
_RULES = Prepared(sa.select(RULES.table).order_by(RULES.c.created, RULES.c.id), RULES.c.group_id)
SAYS = ("direction", "ethertype", "protocol", "port_min", "port_max", "remote_ip_prefix", "remote_group_id")
"""What a rule says: two rules of a group never say the same."""
_SAID = Prepared(sa.select(RULES.c.group_id, RULES.c.id, *(RULES.c[name] for name in SAYS)), RULES.c.group_id)


_OWNERS = Prepared(sa.select(GROUPS.c.id, GROUPS.c.project_id), GROUPS.c.id)


def owners_of(tx: Tx, group_ids: Iterable[str]) -> dict[str, str]:
    """Group → the project that it is of, of those that there are."""
    return dict(_OWNERS.rows(tx, group_ids))


def rules_of(tx: Tx, group_ids: Iterable[str]) -> dict[str, list[model.GroupRule]]:
    """The rules of many groups, the oldest first."""
    out: dict[str, list[model.GroupRule]] = {}
    for row in _RULES.rows(tx, group_ids):
        rule = model.GroupRule(*row)
        out.setdefault(rule.group_id, []).append(rule)
    return out


def rules_said(tx: Tx, group_ids: Iterable[str]) -> dict[tuple[Any, ...], str]:
    """What the rules of many groups say: (group, *SAYS) → the rule's id."""
    return {(row[0], *row[2:]): row[1] for row in _SAID.rows(tx, group_ids)}


def group_details(tx: Tx, rows: Sequence[model.Group]) -> list[model.GroupDetails]:
    """Security groups with their rules, in one query."""
    rules = rules_of(tx, [g.id for g in rows])
    return [model.GroupDetails(g, rules.get(g.id, [])) for g in rows]
