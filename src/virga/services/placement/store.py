# SPDX-License-Identifier: Apache-2.0
"""Placement's tables and queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Rows, Where, among
from virga.services.placement import model

_id = sa.String(36)
_class = sa.String(255)

PROVIDERS = Rows(
    sa.Table(
        "placement_providers",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("root_id", _id, nullable=False, index=True),
        sa.Column("parent_id", _id, index=True),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
    ),
    model.Provider,
)
INVENTORIES = Rows(
    sa.Table(
        "placement_inventories",
        metadata,
        sa.Column("provider_id", _id, primary_key=True),
        sa.Column("resource_class", _class, primary_key=True),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("min_unit", sa.BigInteger, nullable=False),
        sa.Column("max_unit", sa.BigInteger, nullable=False),
        sa.Column("step_size", sa.BigInteger, nullable=False),
        sa.Column("allocation_ratio", sa.Double, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("free", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        # The providers of a class with the most left come first, and a search ends when it has enough of them.
        sa.Index("ix_placement_inventories_free", "resource_class", "free", "provider_id"),
    ),
    model.Inventory,
)
CONSUMERS = Rows(
    sa.Table(
        "placement_consumers",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("project_id", sa.String(255), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("type", sa.String(255)),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Index("ix_placement_consumers_project", "project_id", "user_id"),
    ),
    model.Consumer,
)
ALLOCATIONS = Rows(
    sa.Table(
        "placement_allocations",
        metadata,
        sa.Column("consumer_id", _id, primary_key=True),
        sa.Column("provider_id", _id, primary_key=True),
        sa.Column("resource_class", _class, primary_key=True),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Index("ix_placement_allocations_provider", "provider_id", "resource_class"),
    ),
    model.Allocation,
)
CLASSES = Rows(
    sa.Table(
        "placement_classes",
        metadata,
        sa.Column("name", _class, primary_key=True),
        sa.Column("created", sa.Double, nullable=False),
    ),
    model.CustomClass,
)
TRAITS = Rows(
    sa.Table(
        "placement_traits",
        metadata,
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("created", sa.Double, nullable=False),
    ),
    model.CustomTrait,
)
PROVIDER_TRAITS = Rows(
    sa.Table(
        "placement_provider_traits",
        metadata,
        sa.Column("provider_id", _id, primary_key=True),
        sa.Column("trait", sa.String(255), primary_key=True, index=True),
    ),
    model.ProviderTrait,
)
PROVIDER_AGGREGATES = Rows(
    sa.Table(
        "placement_provider_aggregates",
        metadata,
        sa.Column("provider_id", _id, primary_key=True),
        sa.Column("aggregate_id", _id, primary_key=True, index=True),
    ),
    model.ProviderAggregate,
)
p, i, a, c = PROVIDERS.c, INVENTORIES.c, ALLOCATIONS.c, CONSUMERS.c
t, g = PROVIDER_TRAITS.c, PROVIDER_AGGREGATES.c


def traits_of(tx: Tx, ids: Iterable[str]) -> dict[str, set[str]]:
    """provider → its traits."""
    out: dict[str, set[str]] = {}
    for row in PROVIDER_TRAITS.within(tx, "provider_id", ids):
        out.setdefault(row.provider_id, set()).add(row.trait)
    return out


def aggregates_of(tx: Tx, ids: Iterable[str]) -> dict[str, set[str]]:
    """provider → its aggregates."""
    out: dict[str, set[str]] = {}
    for row in PROVIDER_AGGREGATES.within(tx, "provider_id", ids):
        out.setdefault(row.provider_id, set()).add(row.aggregate_id)
    return out


def has_room(resource_class: str, amount: int, of: sa.FromClause = INVENTORIES.table) -> Where:
    """The inventories of a class that could give `amount` more."""
    c = of.c
    return sa.and_(
        c.resource_class == resource_class,
        c.free >= amount,
        c.min_unit <= amount,
        c.max_unit >= amount,
        # the first half is what the planner has figures of: of the second alone it believes that nearly nothing passes
        sa.or_(c.step_size == 1, sa.literal(amount) % c.step_size == 0),
    )


def with_room(amounts: Mapping[str, int], provider: sa.ColumnElement[str]) -> list[Where]:
    """`provider` alone could give all of `amounts` more."""
    other = (
        INVENTORIES.table.alias()
    )  # a query that reads inventories itself would take its own row for the one that is looked for
    return [
        sa.exists(sa.select(1).select_from(other).where(other.c.provider_id == provider, has_room(name, amount, other)))
        for name, amount in amounts.items()
    ]


def has_trait(provider: sa.ColumnElement[str], names: Iterable[str]) -> Where:
    """`provider` has one of the traits."""
    return sa.exists(sa.select(1).where(t.provider_id == provider, t.trait.in_(sorted(names))))


def in_aggregate(provider: sa.ColumnElement[str], ids: Iterable[str]) -> Where:
    """`provider` is in one of the aggregates."""
    return sa.exists(sa.select(1).where(g.provider_id == provider, g.aggregate_id.in_(sorted(ids))))


def roots_by_room(
    tx: Tx,
    amounts: Mapping[str, int],
    conditions: Sequence[Where],
    limit: int,
    after: tuple[int, str] | None = None,
) -> list[tuple[int, str]]:
    """(free, provider) of those that are whole trees by themselves (no parent) with room for all of `amounts`, those with the most
    memory free (or of the first class) first: the search walks an index, begins behind `after` and ends at `limit`."""
    first = "MEMORY_MB" if "MEMORY_MB" in amounts else next(iter(amounts))
    rest = {name: amount for name, amount in amounts.items() if name != first}
    query = (
        sa.select(i.free, i.provider_id)
        .select_from(INVENTORIES.table.join(PROVIDERS.table, p.id == i.provider_id))
        .where(has_room(first, amounts[first]), *with_room(rest, p.id), *conditions)
        .order_by(i.free.desc(), i.provider_id.desc())
        .limit(limit)
    )
    if after is not None:
        free, id = after
        query = query.where(i.free <= free, sa.or_(i.free < free, i.provider_id < id))
    return [(row[0], row[1]) for row in tx.conn.execute(query)]


def providers_with_room(tx: Tx, resource_class: str, amount: int) -> list[tuple[str, str]]:
    """(provider, its tree's root) of those that could give `amount` more, the most free first."""
    query = (
        sa.select(p.id, p.root_id)
        .select_from(INVENTORIES.table.join(PROVIDERS.table, p.id == i.provider_id))
        .where(has_room(resource_class, amount))
        .order_by(i.free.desc(), p.id)
    )
    return [(row[0], row[1]) for row in tx.conn.execute(query)]


def any_nested(tx: Tx) -> bool:
    """Whether any provider has a parent."""
    return PROVIDERS.one(tx, p.parent_id > "") is not None  # a range of the index: `is not null` is read row by row


def sharing(tx: Tx) -> dict[str, set[str]]:
    """The providers that share what they have, and the aggregates they share it with."""
    ids = [row.provider_id for row in PROVIDER_TRAITS.every(tx, trait=model.SHARES)]
    found = aggregates_of(tx, ids)
    return {id: found.get(id, set()) for id in ids}


def roots_in_aggregates(tx: Tx, aggregates: Iterable[str]) -> set[str]:
    """The roots of the trees of which a provider is in one of the aggregates."""
    query = (
        sa.select(p.root_id)
        .select_from(PROVIDERS.table.join(PROVIDER_AGGREGATES.table, g.provider_id == p.id))
        .where(among(tx, g.aggregate_id, aggregates))
    )
    return set(tx.conn.execute(query).scalars())


def take(tx: Tx, provider_id: str, resource_class: str, amount: int, *, even_if_full: bool = False) -> bool:
    """Use `amount` more (or, negative, less) of an inventory: the row changes only if that much is free when it changes, whoever
    else takes from it at this moment. False when it is not, or the inventory is not there."""
    where = [i.provider_id == provider_id, i.resource_class == resource_class]
    if amount > 0 and not even_if_full:
        where.append(i.free >= amount)
    return bool(INVENTORIES.change(tx, *where, used=i.used + amount, free=i.free - amount))


def touch(tx: Tx, provider_id: str, now: float, generation: int | None = None) -> bool:
    """Count one more change of a provider; with `generation` only if that is still its own."""
    where = [p.id == provider_id] + ([p.generation == generation] if generation is not None else [])
    return bool(PROVIDERS.change(tx, *where, generation=p.generation + 1, updated=now))


def usages(tx: Tx, *where: Where) -> list[tuple[str | None, str, int, int]]:
    """(consumer type, resource class, used, consumers of that type) summed over the consumers that `where` leaves."""
    base = CONSUMERS.table.join(ALLOCATIONS.table, a.consumer_id == c.id)
    sums = tx.conn.execute(
        sa.select(c.type, a.resource_class, sa.func.sum(a.used))
        .select_from(base)
        .where(*where)
        .group_by(c.type, a.resource_class)
        .order_by(a.resource_class)
    ).all()
    counts = dict(
        tuple(row)
        for row in tx.conn.execute(
            sa.select(c.type, sa.func.count(sa.distinct(c.id))).select_from(base).where(*where).group_by(c.type)
        )
    )
    return [(kind, name, int(total), int(counts[kind])) for kind, name, total in sums]
