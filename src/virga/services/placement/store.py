# SPDX-License-Identifier: Apache-2.0
"""Placement's tables and queries."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Prepared, Rows, Statement, Where, among
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
Amount = int | sa.BindParameter[int]
Word = str | sa.BindParameter[str]


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


def has_room(resource_class: str, amount: Amount, of: sa.FromClause = INVENTORIES.table) -> Where:
    """The inventories of a class that could give `amount` more."""
    c = of.c
    return sa.and_(
        c.resource_class == resource_class,
        c.free >= amount,
        c.min_unit <= amount,
        c.max_unit >= amount,
        # the first half is what the planner has figures of: of the second alone it believes that nearly nothing passes
        sa.or_(c.step_size == 1, (sa.literal(amount) if isinstance(amount, int) else amount) % c.step_size == 0),
    )


def with_room(amounts: Mapping[str, Amount], provider: sa.ColumnElement[str]) -> list[Where]:
    """`provider` alone could give all of `amounts` more."""
    other = (
        INVENTORIES.table.alias()
    )  # a query that reads inventories itself would take its own row for the one that is looked for
    return [
        sa.exists(sa.select(1).select_from(other).where(other.c.provider_id == provider, has_room(name, amount, other)))
        for name, amount in amounts.items()
    ]


def has_trait(provider: sa.ColumnElement[str], names: Iterable[Word]) -> Where:
    """`provider` has one of the traits."""
    return sa.exists(sa.select(1).where(t.provider_id == provider, t.trait.in_(list(names))))


def in_aggregate(provider: sa.ColumnElement[str], ids: Iterable[Word]) -> Where:
    """`provider` is in one of the aggregates."""
    return sa.exists(sa.select(1).where(g.provider_id == provider, g.aggregate_id.in_(list(ids))))


@dataclass(frozen=True)
class Wanted:
    """What one provider alone must have: `amounts` of classes; of each set of `required` a trait, of each set of `member_of` an aggregate;
    no trait of `forbidden`, no aggregate of `not_member_of`; the root `in_tree`, if that is given: itself, where nothing is nested."""

    amounts: Mapping[str, int]
    required: Sequence[frozenset[str]] = ()
    forbidden: frozenset[str] = frozenset()
    member_of: Sequence[frozenset[str]] = ()
    not_member_of: frozenset[str] = frozenset()
    in_tree: str | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Its resource classes: by the first of them the providers are walked."""
        return tuple(sorted(self.amounts, key=lambda name: (name != "MEMORY_MB", name)))


def roots_by_room(tx: Tx, wanted: Wanted, limit: int, after: tuple[int, str] | None = None) -> list[tuple[int, str]]:
    """(free, provider) of those that are whole trees by themselves (no parent) and have what is wanted, those with the most memory free
    (or of the first class) first: the search walks an index, begins behind `after` and ends at `limit`."""
    values: dict[str, object] = {"at_most": limit}
    values |= {f"amount{n}": wanted.amounts[name] for n, name in enumerate(wanted.classes)}
    sets = (*wanted.required, wanted.forbidden, *wanted.member_of, wanted.not_member_of)
    values |= {f"s{n}_{k}": name for n, each in enumerate(sets) for k, name in enumerate(sorted(each))}
    if wanted.in_tree is not None:
        values["in_tree"] = wanted.in_tree
    if after is not None:
        values["after_free"], values["after_id"] = after
    query = _by_room(
        wanted.classes,
        required=tuple(len(each) for each in wanted.required),
        forbidden=len(wanted.forbidden),
        member_of=tuple(len(each) for each in wanted.member_of),
        not_member_of=len(wanted.not_member_of),
        in_tree=wanted.in_tree is not None,
        after=after is not None,
    )
    return [(row[0], row[1]) for row in query.all(tx, values)]


@functools.lru_cache(256)
def _by_room(
    classes: tuple[str, ...],
    *,
    required: tuple[int, ...],
    forbidden: int,
    member_of: tuple[int, ...],
    not_member_of: int,
    in_tree: bool,
    after: bool,
) -> Statement:
    """The query of `roots_by_room`, whose text depends on how many there are of what: to build it costs more than to ask it."""
    sizes = enumerate((*required, forbidden, *member_of, not_member_of))
    sets = iter([[sa.bindparam(f"s{n}_{k}", type_=sa.Text) for k in range(size)] for n, size in sizes])
    amounts = [sa.bindparam(f"amount{n}", type_=sa.BigInteger) for n in range(len(classes))]
    where = [has_room(classes[0], amounts[0])]
    where += [has_trait(i.provider_id, next(sets)) for _ in required]
    no_trait = next(sets)
    where += [~has_trait(i.provider_id, no_trait)] if no_trait else []
    where += [in_aggregate(i.provider_id, next(sets)) for _ in member_of]
    no_aggregate = next(sets)
    where += [~in_aggregate(i.provider_id, no_aggregate)] if no_aggregate else []
    where += with_room(dict(zip(classes[1:], amounts[1:], strict=True)), i.provider_id)
    if in_tree:
        where.append(i.provider_id == sa.bindparam("in_tree", type_=sa.Text))
    if after:
        free, id = sa.bindparam("after_free", type_=sa.BigInteger), sa.bindparam("after_id", type_=sa.Text)
        where += [i.free <= free, sa.or_(i.free < free, i.provider_id < id)]
    return Statement(
        sa.select(i.free, i.provider_id)
        .where(*where)
        .order_by(i.free.desc(), i.provider_id.desc())
        .limit(sa.bindparam("at_most", type_=sa.Integer))
    )


_PROVIDERS = Prepared(sa.select(PROVIDERS.table), among=p.id)
_HELD = Prepared(sa.select(INVENTORIES.table), among=i.provider_id)


def providers(tx: Tx, ids: Iterable[str]) -> dict[str, model.Provider]:
    """id → provider."""
    return {row[0]: model.Provider(*row) for row in _PROVIDERS.rows(tx, ids)}


def inventories_of(tx: Tx, ids: Iterable[str]) -> dict[str, dict[str, model.Inventory]]:
    """provider → resource class → what it has of it."""
    out: dict[str, dict[str, model.Inventory]] = {}
    for row in _HELD.rows(tx, ids):
        out.setdefault(row[0], {})[row[1]] = model.Inventory(*row)
    return out


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


_provider, _class_name = sa.bindparam("provider", type_=sa.Text), sa.bindparam("class_name", type_=sa.Text)
_amount = sa.bindparam("amount", type_=sa.BigInteger)
_USE = (
    sa.update(INVENTORIES.table)
    .where(i.provider_id == _provider, i.resource_class == _class_name)
    .values(used=i.used + _amount, free=i.free - _amount)
)
_TAKE, _TAKE_IF_FREE = Statement(_USE), Statement(_USE.where(i.free >= _amount))
_COUNT = (
    sa.update(PROVIDERS.table)
    .where(p.id == _provider)
    .values(generation=p.generation + 1, updated=sa.bindparam("now", type_=sa.Double))
)
_TOUCH = Statement(_COUNT)
_TOUCH_IF_KNOWN = Statement(_COUNT.where(p.generation == sa.bindparam("known", type_=sa.Integer)))


def take(tx: Tx, provider_id: str, resource_class: str, amount: int, *, even_if_full: bool = False) -> bool:
    """Use `amount` more (or, negative, less) of an inventory: the row changes only if that much is free when it changes, whoever
    else takes from it at this moment. False when it is not, or the inventory is not there."""
    statement = _TAKE_IF_FREE if amount > 0 and not even_if_full else _TAKE
    return bool(statement(tx, {"provider": provider_id, "class_name": resource_class, "amount": amount}))


def touch(tx: Tx, provider_id: str, now: float, generation: int | None = None) -> bool:
    """Count one more change of a provider; with `generation` only if that is still its own."""
    if generation is None:
        return bool(_TOUCH(tx, {"provider": provider_id, "now": now}))
    return bool(_TOUCH_IF_KNOWN(tx, {"provider": provider_id, "now": now, "known": generation}))


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
