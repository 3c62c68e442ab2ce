# SPDX-License-Identifier: Apache-2.0
"""A Keystone's database as tables of plain rows: an SQLite file, a PostgreSQL or MySQL-compatible URL, or the file that mysqldump
wrote. Read only; nothing in it is run."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from virga.ground.errors import Invalid

Row = dict[str, Any]
Tables = dict[str, list[Row]]
WANTED = (
    "project",
    "domain",
    "user",
    "local_user",
    "nonlocal_user",
    "federated_user",
    "password",
    "role",
    "group",
    "user_group_membership",
    "assignment",
    "system_assignment",
    "implied_role",
    "region",
    "service",
    "endpoint",
    "project_tag",
    "user_option",
    "project_option",
    "role_option",
)
"""The tables that matter (keystone, stable/2026.1 and back to 2014.1). Tokens, revocations and keys stay behind."""


def read(source: str) -> Tables:
    """The tables of `source`, a file or a database URL. Raises Invalid when it is no Keystone's."""
    if "://" in source:
        tables = _database(source)
    else:
        path = Path(source)
        if not path.is_file():
            raise Invalid(f"{source} is neither a file nor a database URL", field="source")
        with path.open("rb") as f:
            tables = _sqlite(path) if f.read(16) == b"SQLite format 3\0" else _dump(path)
    missing = {"user", "role", "project"} - set(tables)
    if missing:
        raise Invalid(
            f"{source} is not a Keystone's database: it has no table {', '.join(sorted(missing))}", field="source"
        )
    return tables


def _sqlite(path: Path) -> Tables:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    try:
        there = {r[0] for r in db.execute("select name from sqlite_master where type = 'table'")}
        return {t: [dict(r) for r in db.execute(f'select * from "{t}"')] for t in WANTED if t in there}
    except sqlite3.DatabaseError as e:
        raise Invalid(f"{path}: {e}", field="source") from None
    finally:
        db.close()


def _database(url: str) -> Tables:
    import sqlalchemy as sa

    try:
        engine = sa.create_engine(url)
        with engine.connect() as conn:
            there = set(sa.inspect(conn).get_table_names())
            quote = engine.dialect.identifier_preparer.quote
            names = [t for t in WANTED if t in there]
            return {t: [dict(r._mapping) for r in conn.exec_driver_sql(f"select * from {quote(t)}")] for t in names}
    except (sa.exc.SQLAlchemyError, ImportError) as e:
        raise Invalid(f"The database could not be read: {str(e).splitlines()[0]}", field="source") from None


# -- what mysqldump writes -----------------------------------------------------------------------------------------

_ESCAPES = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "Z": "\x1a"}
_create = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?`(\w+)` \($")
_column = re.compile(r"^\s+`(\w+)` ")
_insert = re.compile(r"^INSERT INTO `(\w+)`(?: \(([^)]*)\))? VALUES\s*", re.M)
_number = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def _dump(path: Path) -> Tables:
    """The rows of a dump's INSERTs, their columns from its CREATE TABLEs or from the INSERT itself."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    columns: dict[str, list[str]] = {}
    table: str | None = None
    for line in text.split("\n"):
        start = _create.match(line)
        if start:
            table = start[1]
            columns[table] = []
        elif table is not None:
            column = _column.match(line)
            if column:
                columns[table].append(column[1])
            elif line.startswith(")"):
                table = None
    tables: Tables = {t: [] for t in columns if t in WANTED}
    at = 0
    while (found := _insert.search(text, at)) is not None:
        name, at = found[1], found.end()
        names = [c.strip(" `") for c in found[2].split(",")] if found[2] else columns.get(name, [])
        for values, end in _rows(text, at):
            at = end
            if name in WANTED:
                if len(values) != len(names):
                    raise Invalid(
                        f"{path}: a row of {name} has {len(values)} values, the table {len(names)} columns",
                        field="source",
                    )
                tables.setdefault(name, []).append(dict(zip(names, values, strict=True)))
    return tables


def _rows(text: str, at: int) -> Iterator[tuple[list[Any], int]]:
    """The value lists from `at` on, each with where it ends."""
    while at < len(text) and text[at] == "(":
        values: list[Any] = []
        at += 1
        while True:
            value, at = _value(text, at)
            values.append(value)
            if text[at : at + 1] == ",":
                at += 1
                continue
            if text[at : at + 1] != ")":
                raise Invalid(f"the dump is broken at character {at}", field="source")
            break
        at += 1
        yield values, at
        if text[at : at + 1] != ",":
            return
        at += 1
        while text[at : at + 1] in {" ", "\n", "\r"}:
            at += 1


def _value(text: str, at: int) -> tuple[Any, int]:
    if text.startswith("_binary ", at):
        at += len("_binary ")
    if text[at : at + 1] == "'":
        out, at = [], at + 1
        while at < len(text):
            c = text[at]
            if c == "\\":
                out.append(_ESCAPES.get(text[at + 1], text[at + 1]))
                at += 2
            elif c == "'":
                if text[at + 1 : at + 2] != "'":
                    return "".join(out), at + 1
                out.append("'")
                at += 2
            else:
                out.append(c)
                at += 1
        raise Invalid("the dump ends inside of a text", field="source")
    if text.startswith("NULL", at):
        return None, at + 4
    number = _number.match(text, at)
    if number is None:
        raise Invalid(f"the dump is broken at character {at}", field="source")
    raw = number[0]
    return (int(raw) if raw.lstrip("-").isdecimal() else float(raw)), number.end()
