# SPDX-License-Identifier: Apache-2.0
"""Bring a database to this program's schema. An empty one is made in one go (a test holds that equal to the migrations); an older
one is migrated.

A migration is one file, `NNNN_expand_*.py` or `NNNN_contract_*.py`. An expansion only adds (tables, indexes, columns that are null or
have a default): programs that do not know it go on beside it. A contraction takes away or tightens what no program that is still in use
relies on. So an upgrade of many processes is: expand; start the new ones, one by one; when the last old one is gone, contract. A process
that starts expands by itself, and contracts where it is the only one (SQLite); on PostgreSQL `virga db migrate --contract` does it.

`schema_history` has a row for every migration that ran, each in one transaction with its row: killed in the middle, it has not begun.
`alembic_version` holds the last one that a program must know to work here, an expansion never: programs of before 0015, which know
nothing else, refuse only what they must. The migrations up to 0014 are of neither kind: they run first, and must be known."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from virga.ground.db.engine import Database, Tx, metadata
from virga.ground.db.isolation import key

HERE = Path(__file__).parent / "migrations" / "versions"
HISTORY = sa.Table(
    "schema_history",
    metadata,
    sa.Column("number", sa.String(8), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),  # plain | expand | contract
    sa.Column("applied", sa.Double, nullable=False),
)
FILE = re.compile(r"(\d{4})_(?:(expand|contract)_)?(\w+)\.py")


@dataclass(frozen=True)
class Migration:
    """One file; `kind` is plain (before there were two), expand or contract."""

    number: str
    kind: str
    name: str
    path: Path

    def upgrade(self) -> None:
        """Run its statements on the connection that alembic's `op` stands for."""
        spec = importlib.util.spec_from_file_location(f"migration_{self.number}", self.path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.upgrade()


@dataclass(frozen=True)
class Status:
    """How a database stands to this program. `unknown` ran here and is not this program's: a newer one was here."""

    empty: bool
    applied: tuple[str, ...]
    expand: tuple[Migration, ...]
    contract: tuple[Migration, ...]
    unknown: tuple[str, ...]
    refused: str | None
    """The last migration that a program must know here, and this one does not."""


def known(folder: Path | None = None) -> list[Migration]:
    """The migrations of this program, in their order."""
    found = []
    for path in sorted((folder or HERE).iterdir()):
        match = FILE.fullmatch(path.name)
        if match:
            number, kind, name = match.groups()
            found.append(Migration(number, kind or "plain", name, path))
    return found


@contextlib.contextmanager
def alone(db: Database) -> Iterator[None]:
    """No other process of this database is in such a block: many may start at once. Waits as long as it takes; a process that dies
    lets go. On SQLite the database's folder is locked, on PostgreSQL a session holds the lock. Not to be nested."""
    if db.memory:
        yield
    elif db.sqlite:
        folder = os.open(Path(str(db.engine.url.database)).absolute().parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)
    else:
        with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
            conn.exec_driver_sql("select pg_advisory_lock(%s)", (key("schema"),))
            try:
                yield
            finally:
                conn.exec_driver_sql("select pg_advisory_unlock(%s)", (key("schema"),))


def status(db: Database, folder: Path | None = None) -> Status:
    """What ran, what is to run, and whether this program may work here at all."""
    mine = known(folder)
    numbers = {m.number for m in mine}
    tables = sa.inspect(db.engine).get_table_names()
    if "alembic_version" not in tables:
        return Status(True, (), (), (), (), None)
    with db.read() as tx:
        floor = tx.conn.exec_driver_sql("select version_num from alembic_version").scalar() or ""
        applied = {m.number for m in mine if m.number <= floor}
        if "schema_history" in tables:
            applied = set(tx.conn.execute(sa.select(HISTORY.c.number)).scalars())
    left = [m for m in mine if m.number not in applied]
    return Status(
        empty=False,
        applied=tuple(sorted(applied)),
        expand=tuple(m for m in left if m.kind != "contract"),
        contract=tuple(m for m in left if m.kind == "contract"),
        unknown=tuple(sorted(applied - numbers)),
        refused=floor if floor not in numbers else None,
    )


def migrate(db: Database, *, expand: bool = True, contract: bool = True, folder: Path | None = None) -> str:
    """Make the schema current; says what was done: `made`, `current`, `migrated`, or `newer` (a newer program has expanded it).
    Raises SystemExit, with the way out, when the database is past what this program can work with."""
    with alone(db):
        at = status(db, folder)
        if at.refused is not None:
            last = known(folder)[-1].number
            raise SystemExit(
                f"The database is at schema {at.refused}, this program knows {last}: start the newer program, "
                "or restore the backup made before the upgrade."
            )
        if at.empty:
            _make(db, known(folder))
            return "made"
        todo = (at.expand if expand else ()) + (at.contract if contract else ())
        if contract and not expand and at.contract and at.expand:
            raise SystemExit(f"Migration {at.expand[0].number} is an expansion that comes first: run --expand.")
        for migration in todo:
            _apply(db, migration, known(folder))
        return "migrated" if todo else "newer" if at.unknown else "current"


def upgrade(db: Database, folder: Path | None = None) -> None:
    """Make the schema by migrations alone, from nothing: what `_make` is compared with."""
    for migration in sorted(known(folder), key=lambda m: (m.kind == "contract", m.number)):
        _apply(db, migration, known(folder))


def _make(db: Database, mine: list[Migration]) -> None:
    if not db.sqlite:
        _partial_too()
    with db.write() as tx:
        metadata.create_all(tx.conn)
        _floor(tx, max(m.number for m in mine if m.kind != "expand"))
        for migration in mine:
            _record(tx, migration)


def _apply(db: Database, migration: Migration, mine: list[Migration]) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    def run(tx: Tx) -> None:
        context = MigrationContext.configure(tx.conn, opts={"target_metadata": metadata, "render_as_batch": True})
        with Operations.context(context):
            migration.upgrade()
        if sa.inspect(tx.conn).has_table("schema_history"):
            there = set(tx.conn.execute(sa.select(HISTORY.c.number)).scalars())
            if not there:  # the one that made the table: those of before it have run
                for before in mine:
                    if before.number < migration.number:
                        _record(tx, before)
            _record(tx, migration)
        if migration.kind != "expand":
            _floor(tx, migration.number)

    db.run(run)


def _record(tx: Tx, migration: Migration) -> None:
    tx.conn.execute(
        sa.insert(HISTORY).values(
            number=migration.number,
            name=migration.name[:64],
            kind=migration.kind,
            applied=time.time(),
        )
    )


def _floor(tx: Tx, number: str) -> None:
    """Say what a program must at least know; never less than before."""
    if not sa.inspect(tx.conn).has_table("alembic_version"):
        tx.conn.exec_driver_sql("create table alembic_version (version_num varchar(32) not null primary key)")
        tx.conn.exec_driver_sql(f"insert into alembic_version values ('{number}')")
    tx.conn.exec_driver_sql(f"update alembic_version set version_num = '{number}' where version_num < '{number}'")


def _partial_too() -> None:
    """Partial indexes are declared for SQLite, and are the same on PostgreSQL: declared for both, they would load a dialect that costs a
    twentieth of a second at every start."""
    for table in metadata.tables.values():
        for index in table.indexes:
            where = index.dialect_options["sqlite"]["where"]
            if where is not None:
                index.dialect_options["postgresql"]["where"] = where
