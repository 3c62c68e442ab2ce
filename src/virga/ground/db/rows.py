# SPDX-License-Identifier: Apache-2.0
"""Rows as frozen types. A store declares `SERVERS = Rows(table, Server)`, the type's fields in the order of the columns, and has these
verbs; what is special it writes in SQLAlchemy Core.

    one row                                     many rows
    get      by its id                          every    columns have these values (the short way)
    by       columns have these values          find     conditions
    one      conditions, an order               within   a column is one of many values
    locked   get, and nobody else has it so     page     one page of a list, after a marker

    insert   a row that is new                  insert_many
    put      columns of the row with this id    change   columns of all rows that meet conditions: how many
    swap     compare-and-set, gives the row     delete   all rows that meet conditions: how many
    upsert   insert, or put where the key is taken

Read, decide and write with `get` and `put`: transactions see to it that no update is lost (`isolation.py`). `locked` is for a row that
many write at the same time: they queue instead of beginning again. `swap` and `change` with a condition are for `Database.claim`, and
for what a user compares (a revision, a generation)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from virga.ground.db.direct import decoded, decoders, direct
from virga.ground.db.engine import Tx
from virga.ground.db.statements import SQLITE, Lookup, Prepared, Statement
from virga.ground.errors import Invalid

__all__ = [
    "MOST_TAGS",
    "Lookup",
    "Prepared",
    "Row",
    "Rows",
    "Statement",
    "T",
    "Undecoded",
    "Where",
    "among",
    "holds",
    "like_any",
    "tagged",
]
T = TypeVar("T", bound=msgspec.Struct)
V = TypeVar("V", bound=msgspec.Struct)
Where = sa.ColumnElement[bool]


class Undecoded(sa.types.UserDefinedType[msgspec.Raw]):
    """A JSON column as the bytes that are stored, for views that print it as it is."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT"

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], msgspec.Raw | None]:
        return lambda value: None if value is None else msgspec.Raw(value)


class Row(msgspec.Struct, frozen=True):
    """A row of a table, read once, never changed in memory."""


class Rows(Generic[T]):
    """The plain verbs of one table. `type` takes the columns by position."""

    def __init__(self, table: sa.Table, type: type[T]) -> None:
        self.table = table
        self.type = type
        names = [f.name for f in msgspec.structs.fields(type)]
        columns = [c.name for c in table.columns]
        if names != columns:
            raise TypeError(f"{type.__name__} has {names}, {table.name} has {columns}")
        self._read(sa.select(table))
        self._insert = Statement(sa.insert(table), names)

    def _read(self, select: sa.Select[Any]) -> None:
        self._select = select
        self._decoders = decoders(select.selected_columns, SQLITE)
        self._statements: dict[tuple[Any, ...], Statement] = {}

    def narrow(self, type: type[V]) -> Rows[V]:
        """The same rows read as `type`, which names some of the columns (those that a list is sorted by among them); its fields of
        type `msgspec.Raw` come undecoded. To read long lists with; writes stay with the whole rows."""
        part: Rows[V] = Rows.__new__(Rows)
        part.table, part.type = self.table, type
        part._read(
            sa.select(
                *(
                    sa.cast(self.table.c[f.name], Undecoded).label(f.name)
                    if f.type in (msgspec.Raw, msgspec.Raw | None)
                    else self.table.c[f.name]
                    for f in msgspec.structs.fields(type)
                )
            )
        )
        return part

    @property
    def c(self) -> Any:
        return self.table.c

    def get(self, tx: Tx, id: str) -> T | None:
        return self.by(tx, id=id)

    def locked(self, tx: Tx, id: str) -> T | None:
        """The row, while no other transaction that asks for it like this runs beside this one. Best asked first: see `Tx.hold`."""
        tx.hold(f"{self.table.name}:{id}")
        return self.get(tx, id)

    def by(self, tx: Tx, **values: object) -> T | None:
        """The row whose columns have these values (null equals nothing): the way to one row is what most requests begin with."""
        row = self._of("by", tuple(values)).first(tx, values)
        return None if row is None else self.type(*row)

    def every(self, tx: Tx, order: tuple[str, ...] = (), limit: int | None = None, **values: object) -> list[T]:
        """The rows whose columns have these values, in the order of columns; as `by`, on a short way."""
        if limit is None:
            return [self.type(*row) for row in self._of("every", tuple(values), order).all(tx, values)]
        found = self._of("some", tuple(values), order).all(tx, {**values, "at_most": limit})
        return [self.type(*row) for row in found]

    def _of(self, verb: str, names: tuple[str, ...], more: tuple[str, ...] = ()) -> Statement:
        """The statement of a verb with these columns, built when it is first asked for."""
        found = self._statements.get((verb, names, more))
        return (
            found
            if found is not None
            else self._statements.setdefault((verb, names, more), self._built(verb, names, more))
        )

    def _built(self, verb: str, names: tuple[str, ...], more: tuple[str, ...]) -> Statement:
        c = self.table.c
        for name in names:
            c[name]  # a KeyError for what is no column: an update would leave it out
        if verb == "put":
            return Statement(sa.update(self.table).where(c.id == sa.bindparam("at_id")), names)
        if verb == "swap":
            where = [c[name].is_not_distinct_from(sa.bindparam(f"at_{name}", type_=c[name].type)) for name in more]
            return Statement(sa.update(self.table).where(*where).returning(*c), names)
        query = self._select.where(*(c[name] == sa.bindparam(name, type_=c[name].type) for name in names))
        query = query.order_by(*(c[name] for name in more))
        return Statement(query.limit(sa.bindparam("at_most", type_=sa.Integer)) if verb == "some" else query)

    def one(self, tx: Tx, *where: Where) -> T | None:
        found = self._all(tx, self._select.where(*where).limit(1))
        return found[0] if found else None

    def find(self, tx: Tx, *where: Where, order: Any = None, limit: int | None = None) -> list[T]:
        query = self._select.where(*where)
        if order is not None:
            query = query.order_by(*order) if isinstance(order, (list, tuple)) else query.order_by(order)
        return self._all(tx, query if limit is None else query.limit(limit))

    def _all(self, tx: Tx, query: sa.Select[Any]) -> list[T]:
        """What a select of these rows finds."""
        found = None if tx.embedded is None else direct(tx.embedded, query, SQLITE)
        if found is not None:
            made, decode = self.type, self._decoders
            return [made(*(decoded(row, decode) if decode else row)) for row in found]
        return [self.type(*row) for row in tx.conn.execute(query).all()]

    def within(self, tx: Tx, column: str, values: Iterable[str], *where: Where) -> list[T]:
        """All rows whose `column` is one of `values`, however many they are."""
        keys = set(values)
        return self.find(tx, among(tx, self.table.c[column], keys), *where) if keys else []

    def count(self, tx: Tx, *where: Where) -> int:
        return tx.conn.execute(sa.select(sa.func.count()).select_from(self.table).where(*where)).scalar_one()

    def total(self, tx: Tx, column: str, *where: Where) -> int:
        return int(
            tx.conn.execute(
                sa.select(sa.func.coalesce(sa.func.sum(self.table.c[column]), 0)).where(*where)
            ).scalar_one()
        )

    def insert(self, tx: Tx, **values: object) -> T:
        """Write one row; gives it back as the database would."""
        row = self.type(**values)
        full = {f: getattr(row, f) for f in self.type.__struct_fields__}
        self._insert(tx, full)
        return row

    def insert_many(self, tx: Tx, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            tx.conn.execute(sa.insert(self.table), list(rows))

    def change(self, tx: Tx, *where: Where, **values: object) -> int:
        """Compare-and-set: how many rows matched and were changed."""
        return tx.conn.execute(sa.update(self.table).where(*where).values(**values)).rowcount

    def put(self, tx: Tx, id: str, **values: object) -> None:
        if any(isinstance(v, sa.ClauseElement) for v in values.values()):
            self.change(tx, self.table.c.id == id, **values)
        elif values:
            self._of("put", tuple(values))(tx, {**values, "at_id": id})

    def upsert(self, tx: Tx, key: Sequence[str], values: Mapping[str, object], *, keep: Sequence[str] = ()) -> T:
        """The row with `values`, inserted; where one has these values in the columns of `key` (which are unique), that one takes them,
        but for the columns `keep`, which stay as they were (`id`, `created`). Gives the row as it now is."""
        row = self.type(**values)
        full = {f: getattr(row, f) for f in self.type.__struct_fields__}
        insert = self._insert_of(tx)(self.table).values(full)
        change = {name: insert.excluded[name] for name in full if name not in key and name not in keep}
        if not change:  # nothing to write, and the row is wanted all the same
            change = {key[0]: insert.excluded[key[0]]}
        done = insert.on_conflict_do_update(index_elements=list(key), set_=change).returning(*self.table.c)
        return self.type(*tx.conn.execute(done).one())

    @staticmethod
    def _insert_of(tx: Tx) -> Any:
        if tx.conn.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert

            return insert
        return sqlite.insert

    def swap(self, tx: Tx, at: Mapping[str, object], **values: object) -> T | None:
        """Compare-and-set of one row: the row as it now is if its columns were as `at` says (None: null), else None, and nothing
        is written."""
        if any(isinstance(v, sa.ClauseElement) for v in values.values()):
            where = [self.table.c[name].is_not_distinct_from(value) for name, value in at.items()]
            row: Sequence[Any] | None = tx.conn.execute(
                sa.update(self.table).where(*where).values(**values).returning(*self.table.c)
            ).first()
        else:
            both = values | {f"at_{name}": value for name, value in at.items()}
            row = self._of("swap", tuple(values), tuple(at)).first(tx, both)
        return None if row is None else self.type(*row)

    def delete(self, tx: Tx, *where: Where) -> int:
        return tx.conn.execute(sa.delete(self.table).where(*where)).rowcount

    def page(
        self,
        tx: Tx,
        *where: Where,
        seen: Where | None,
        sort: Sequence[tuple[str, str]] = (),
        marker: str | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> list[T]:
        """One page after `marker` (an id), in the order of `sort` (column, asc|desc) made total by the id.
        `seen` is what the caller may see at all (None: everything here is everybody's); `where` are the caller's own filters.
        `reverse` gives the page before the marker. Nulls sort as the smallest value.

        The marker is looked up among what is seen: a page that begins behind somebody else's row would tell, name by name,
        what that row holds. A key counts once, where it stands first: the rows behind a marker are told by conditions whose
        number grows with the square of the keys. Raises Invalid for a marker that is not there."""
        order = list({name: (name, way) for name, way in reversed(sort) if name in self.table.c}.values())[::-1]
        if seen is not None:
            where = (seen, *where)
        if not any(name == "id" for name, _ in order):
            order.append(("id", order[-1][1] if order else "asc"))
        if reverse:
            order = [(name, "asc" if way == "desc" else "desc") for name, way in order]
        query = self._select.where(*where)
        if marker is not None:
            at = self.get(tx, marker) if seen is None else self.one(tx, self.table.c.id == marker, seen)
            if at is None:
                raise Invalid(f"marker [{marker[:64]}] not found", field="marker")
            query = query.where(_after(self.table, order, at))
        for name, way in order:
            column = self.table.c[name]
            query = query.order_by(sa.nulls_first(column.asc()) if way == "asc" else sa.nulls_last(column.desc()))
        found = self._all(tx, query if limit is None else query.limit(limit))
        return found[::-1] if reverse else found


def _after(table: sa.Table, order: list[tuple[str, str]], at: msgspec.Struct) -> Where:
    """The rows behind `at`: (a > x) or (a = x and b > y) or …"""
    either: list[Where] = []
    equal: list[Where] = []
    for name, way in order:
        column, value = table.c[name], getattr(at, name)
        if value is None:
            beyond: Where = column.is_not(None) if way == "asc" else sa.false()
            same: Where = column.is_(None)
        else:
            beyond = column > value if way == "asc" else sa.or_(column < value, column.is_(None))
            same = column == value
        either.append(sa.and_(*equal, beyond))
        equal.append(same)
    return sa.or_(*either)


def among(tx: Tx, column: sa.ColumnElement[Any], values: Iterable[str]) -> Where:
    """`column` is one of `values`: one parameter and one statement to keep, however many values there are."""
    keys = sorted(set(values))
    if len(keys) == 1:
        return column == keys[0]
    if tx.conn.dialect.name == "postgresql":
        return column == sa.any_(sa.literal(keys, sa.ARRAY(sa.Text)))
    return column.in_(sa.select(sa.func.json_each(msgspec.json.encode(keys).decode()).table_valued("value").c.value))


def holds(tx: Tx, column: sa.ColumnElement[Any], value: str) -> Where:
    """The JSON list in `column` has `value` in it."""
    if tx.conn.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import (
            JSONB,
        )  # a dialect that costs a tenth of a second is for who speaks it

        return sa.cast(column, JSONB).contains([value])
    each = sa.func.json_each(column).table_valued("value")
    return sa.exists(sa.select(1).select_from(each).where(each.c.value == value))


MOST_TAGS = 50
"""As many as one server, port or network may carry."""


def tagged(tx: Tx, column: sa.ColumnElement[Any], filters: Mapping[str, Sequence[str]]) -> list[Where]:
    """The four tag filters that Nova and Neutron share: `tags` (all of them), `tags-any`, `not-tags` (not all), `not-tags-any`;
    each value may list several with commas. Raises Invalid for more than MOST_TAGS in one filter: nothing has more tags, and
    each is a condition that the database must read."""
    where: list[Where] = []
    for name, join, negate in (
        ("tags", sa.and_, False),
        ("tags-any", sa.or_, False),
        ("not-tags", sa.and_, True),
        ("not-tags-any", sa.or_, True),
    ):
        values = [text.split(",") for text in filters.get(name, ())]
        if sum(len(tags) for tags in values) > MOST_TAGS:
            raise Invalid(f"Invalid input for query parameter '{name}': more than {MOST_TAGS} tags", field=name)
        for tags in values:
            found = join(*(holds(tx, column, tag) for tag in sorted(set(tags))))
            where.append(sa.not_(found) if negate else found)
    return where


def like_any(column: sa.ColumnElement[str], part: str) -> Where:
    """`part` anywhere in `column`, wildcards taken literally."""
    return column.contains(part, autoescape=True)
