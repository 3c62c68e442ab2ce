# SPDX-License-Identifier: Apache-2.0
"""Rows as frozen types. A store declares `SERVERS = Rows(table, Server)`, the type's fields in the order of the columns, and
has get, find, page, insert, change (compare-and-set) and delete; what is special it writes in SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from virga.ground.db.engine import Tx
from virga.ground.errors import Invalid

T = TypeVar("T", bound=msgspec.Struct)
Where = sa.ColumnElement[bool]


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
        self._select = sa.select(table)
        self._by_id = self._select.where(table.c.id == sa.bindparam("id")) if "id" in table.c else None

    @property
    def c(self) -> Any:
        return self.table.c

    def get(self, tx: Tx, id: str) -> T | None:
        if self._by_id is None:
            raise TypeError(f"{self.table.name} has no id")
        row = tx.conn.execute(self._by_id, {"id": id}).first()
        return None if row is None else self.type(*row)

    def one(self, tx: Tx, *where: Where) -> T | None:
        row = tx.conn.execute(self._select.where(*where).limit(1)).first()
        return None if row is None else self.type(*row)

    def find(self, tx: Tx, *where: Where, order: Any = None, limit: int | None = None) -> list[T]:
        query = self._select.where(*where)
        if order is not None:
            query = query.order_by(*order) if isinstance(order, (list, tuple)) else query.order_by(order)
        return [self.type(*row) for row in tx.conn.execute(query.limit(limit) if limit is not None else query).all()]

    def within(self, tx: Tx, column: str, values: Iterable[str], *where: Where) -> list[T]:
        """All rows whose `column` is one of `values`, asked in slices that any database takes."""
        keys, found = sorted(set(values)), []
        for at in range(0, len(keys), 500):
            found += self.find(tx, self.table.c[column].in_(keys[at : at + 500]), *where)
        return found

    def count(self, tx: Tx, *where: Where) -> int:
        return tx.conn.execute(sa.select(sa.func.count()).select_from(self.table).where(*where)).scalar_one()

    def total(self, tx: Tx, column: str, *where: Where) -> int:
        return int(tx.conn.execute(sa.select(sa.func.coalesce(sa.func.sum(self.table.c[column]), 0)).where(*where)).scalar_one())

    def insert(self, tx: Tx, **values: object) -> T:
        """Write one row; gives it back as the database would."""
        row = self.type(**values)
        tx.conn.execute(sa.insert(self.table), {f: getattr(row, f) for f in self.table.c.keys()})  # noqa: SIM118 - column names
        return row

    def insert_many(self, tx: Tx, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            tx.conn.execute(sa.insert(self.table), list(rows))

    def change(self, tx: Tx, *where: Where, **values: object) -> int:
        """Compare-and-set: how many rows matched and were changed."""
        return tx.conn.execute(sa.update(self.table).where(*where).values(**values)).rowcount

    def put(self, tx: Tx, id: str, **values: object) -> None:
        self.change(tx, self.table.c.id == id, **values)

    def delete(self, tx: Tx, *where: Where) -> int:
        return tx.conn.execute(sa.delete(self.table).where(*where)).rowcount

    def page(
        self,
        tx: Tx,
        *where: Where,
        sort: Sequence[tuple[str, str]] = (),
        marker: str | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> list[T]:
        """One page after `marker` (an id), in the order of `sort` (column, asc|desc) made total by the id.
        `reverse` gives the page before the marker. Nulls sort as the smallest value."""
        order = [(name, way) for name, way in sort if name in self.table.c]
        if not any(name == "id" for name, _ in order):
            order.append(("id", order[-1][1] if order else "asc"))
        if reverse:
            order = [(name, "asc" if way == "desc" else "desc") for name, way in order]
        query = self._select.where(*where)
        if marker is not None:
            at = self.get(tx, marker)
            if at is None:
                raise Invalid(f"marker [{marker}] not found", field="marker")
            query = query.where(_after(self.table, order, at))
        for name, way in order:
            column = self.table.c[name]
            query = query.order_by(sa.nulls_first(column.asc()) if way == "asc" else sa.nulls_last(column.desc()))
        found = [self.type(*row) for row in tx.conn.execute(query.limit(limit) if limit is not None else query).all()]
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


def like_any(column: sa.ColumnElement[str], part: str) -> Where:
    """`part` anywhere in `column`, wildcards taken literally."""
    return column.contains(part, autoescape=True)
