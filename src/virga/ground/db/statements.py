# SPDX-License-Identifier: Apache-2.0
"""Statements of a fixed shape, built once and run thousands of times a second. On SQLite, whose answer comes in microseconds, the text
goes to its own connection and rows are decoded here: SQLAlchemy's way there costs more than the question. This module decides that;
nobody above asks which database it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from virga.ground.db.direct import decoded, decoders
from virga.ground.db.engine import Tx, to_json

SQLITE = sqlite.dialect()
SQLITE._json_deserializer = msgspec.json.decode  # what the engine itself is given
SQLITE._json_serializer = to_json
Values = Mapping[str, Any]
Bind = Callable[[Values], Any]


class Statement:
    """`names` are the columns that it writes, by the names of the values; other parameters are its `bindparam`s. `embedded` stands in
    for it on SQLite, where the two say one thing in different words."""

    __slots__ = ("_bind", "_decoders", "_direct", "_driver", "_names", "_statement", "_text")

    def __init__(self, statement: Any, names: Sequence[str] = (), *, embedded: Any = None) -> None:
        self._statement, self._names = statement, list(names)
        compiled = (statement if embedded is None else embedded).compile(
            dialect=SQLITE, column_keys=self._names or None
        )
        self._text, self._bind = _form(compiled)
        columns = statement.selected_columns if statement.is_select else getattr(statement, "_returning", ())
        self._direct = not statement.is_select and not columns
        self._decoders = decoders(columns, SQLITE)
        self._driver: tuple[str, Bind] | None = None

    def first(self, tx: Tx, values: Values) -> Sequence[Any] | None:
        """The first row, or None."""
        row = self._run(tx, values).fetchone()
        return row if row is None or tx.embedded is None or not self._decoders else decoded(row, self._decoders)

    def all(self, tx: Tx, values: Values) -> Sequence[Sequence[Any]]:
        """Every row."""
        rows: Sequence[Sequence[Any]] = self._run(tx, values).fetchall()
        return rows if tx.embedded is None or not self._decoders else [decoded(row, self._decoders) for row in rows]

    def __call__(self, tx: Tx, values: Values) -> int:
        """How many rows it wrote."""
        return int(self._run(tx, values).rowcount)

    def _run(self, tx: Tx, values: Values) -> Any:
        if tx.embedded is not None:
            return tx.embedded.execute(self._text, self._bind(values))
        if not self._direct:
            return tx.conn.execute(self._statement, values)
        if self._driver is None:
            self._driver = _form(self._statement.compile(dialect=tx.conn.dialect, column_keys=self._names or None))
        text, bind = self._driver
        return tx.conn.exec_driver_sql(text, bind(values))


def _form(compiled: Any) -> tuple[str, Bind]:
    """The text, and how values become its parameters: by position where the driver counts, else by name."""
    encode, order = compiled._bind_processors, compiled.positiontup
    own = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    if own:  # values that stand in the statement itself
        text, bind = _form_of(compiled.string, encode, order, list(compiled.binds))
        return text, lambda v: bind({**own, **v})
    return _form_of(compiled.string, encode, order, list(compiled.binds))


def _form_of(text: str, encode: Mapping[str, Any], order: list[str] | None, names: list[str]) -> tuple[str, Bind]:
    if order is None:
        return text, lambda v: {k: encode[k](v[k]) if k in encode else v[k] for k in names}
    if not any(k in encode for k in order):
        return text, lambda v: [v[k] for k in order]
    return text, lambda v: [encode[k](v[k]) if k in encode else v[k] for k in order]


class Lookup:
    """A select for one row that most requests begin with; its parameters come by name."""

    def __init__(self, select: sa.Select[Any]) -> None:
        self._statement = Statement(select)

    def first(self, tx: Tx, **values: Any) -> Sequence[Any] | None:
        """The row, or None."""
        return self._statement.first(tx, values)


class Prepared:
    """A select for what lists and views need beside their rows. `among` is a column whose values are given at each call; the select's
    own parameters come by name."""

    def __init__(self, select: sa.Select[Any], among: sa.ColumnElement[Any]) -> None:
        each = sa.func.json_each(sa.bindparam("among", type_=sa.Text)).table_valued("value")
        self._statement = Statement(
            select.where(among == sa.any_(sa.bindparam("among", type_=sa.ARRAY(sa.Text)))),
            embedded=select.where(among.in_(sa.select(each.c.value))),
        )

    def rows(self, tx: Tx, among: Iterable[str], **values: object) -> Sequence[Any]:
        """The rows as tuples; none without a question when `among` is empty."""
        keys = sorted(set(among))
        if not keys:
            return ()
        return self._statement.all(tx, {"among": _list(tx, keys), **values})


def _list(tx: Tx, keys: list[str]) -> object:
    """Many values as one parameter: an array, or JSON where there are none."""
    return keys if tx.embedded is None else msgspec.json.encode(keys).decode()
