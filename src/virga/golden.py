# SPDX-License-Identifier: Apache-2.0
"""The golden schema: what migrations make, as SQL that a reviewer reads. `python -m virga.golden` writes it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from virga.ground.db.engine import metadata

FILE = Path(__file__).parent / "ground/db/schema.sql"


def text() -> str:
    """Every table and index of the program in SQLite's SQL, in the order of their names."""
    import virga.roles.parts  # noqa: F401 - every store registers its tables

    dialect = sqlite.dialect()
    parts = []
    for table in sorted(metadata.tables.values(), key=lambda t: t.name):
        parts.append(str(CreateTable(table).compile(dialect=dialect)).strip() + ";")
        parts += [
            str(CreateIndex(i).compile(dialect=dialect)).strip() + ";"
            for i in sorted(table.indexes, key=lambda i: str(i.name))
        ]
    lines = [line.rstrip() for part in parts for line in part.splitlines()]
    return (
        "-- Written by 'make schema'; a test compares it with the migrations.\n"
        + "\n".join(lines).replace("\t", "  ")
        + "\n"
    )


def shape(engine: sa.Engine) -> dict[str, dict[str, str]]:
    """What a database really has: table → column or index → what it is like."""
    found = sa.inspect(engine)
    out = {}
    for table in sorted(set(found.get_table_names()) - {"alembic_version"}):
        out[table] = {c["name"]: f"{c['type']}{'' if c['nullable'] else ' not null'}" for c in found.get_columns(table)}
        for index in found.get_indexes(table):
            options = index.get("dialect_options", {})
            where = options.get("sqlite_where", options.get("postgresql_where", ""))
            out[table][f"index {index['name']}"] = (
                f"{index['column_names']} {'unique ' if index['unique'] else ''}{where}"
            )
    return out


if __name__ == "__main__":
    FILE.write_text(text())
