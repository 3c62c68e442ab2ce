# SPDX-License-Identifier: Apache-2.0
"""Selects asked of SQLite's own connection. SQLAlchemy builds the statement and keeps its text; what it does around an execution (a context,
a cursor's description, a row object for each row) costs as much as SQLite takes for a page of a list, and is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import LRUCache

Decoders = Sequence[tuple[int, Callable[[Any], Any]]]
"""For each column whose values are stored in another form: its position, and what makes the value of it."""
_TEXTS: MutableMapping[Any, Any] = LRUCache(500)


def direct(connection: Any, select: sa.Select[Any], dialect: sa.Dialect) -> list[tuple[Any, ...]] | None:
    """The rows of `select` as SQLite gives them, not decoded; None for a statement whose text depends on its values (`IN` with a list),
    which only SQLAlchemy can ask."""
    made, values, _, _ = select._compile_w_cache(dialect, compiled_cache=_TEXTS, column_keys=[])
    compiled = cast(SQLCompiler, made)
    if compiled.post_compile_params or compiled.literal_execute_params:
        return None
    named = compiled.construct_params(extracted_parameters=values, escape_names=False)
    encoders: Any = compiled._bind_processors
    bound = [encoders[name](named[name]) if name in encoders else named[name] for name in compiled.positiontup or ()]
    found: list[tuple[Any, ...]] = connection.execute(compiled.string, bound).fetchall()
    return found


def decoders(columns: Iterable[Any], dialect: sa.Dialect) -> Decoders:
    """What makes values of what these columns are stored as."""
    kinds = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    return [(n, decode) for n, decode in enumerate(kinds) if decode is not None]


def decoded(row: Sequence[Any], how: Decoders) -> Sequence[Any]:
    """The row with its values as they are meant; null is null."""
    out = list(row)
    for n, decode in how:
        if out[n] is not None:
            out[n] = decode(out[n])
    return out
