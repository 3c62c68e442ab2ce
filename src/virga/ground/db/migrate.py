# SPDX-License-Identifier: Apache-2.0
"""Bring a database to this program's schema. An empty one is made in one go (a test holds that equal to the migrations);
an older one is migrated by alembic; a newer one is refused with the way out."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from virga.ground.db.engine import Database, metadata

HEAD = "0018"
HERE = Path(__file__).parent / "migrations"


def migrate(db: Database) -> str:
    """Make the schema current; says what was done: `made`, `current` or `migrated`."""
    inspector = sa.inspect(db.engine)
    if not inspector.has_table("alembic_version"):
        if not db.sqlite:
            _partial_too()
        with db.write() as tx:
            metadata.create_all(tx.conn)
            tx.conn.exec_driver_sql("create table alembic_version (version_num varchar(32) not null primary key)")
            tx.conn.exec_driver_sql(f"insert into alembic_version values ('{HEAD}')")
        return "made"
    with db.read() as tx:
        at = tx.conn.exec_driver_sql("select version_num from alembic_version").scalar()
    if at == HEAD:
        return "current"
    if at is not None and at > HEAD:
        raise SystemExit(
            f"The database is at schema {at}, this program knows {HEAD}: start the newer program, or restore the backup made before the upgrade."
        )
    upgrade(db)
    return "migrated"


def _partial_too() -> None:
    """Partial indexes are declared for SQLite, and are the same on PostgreSQL: declared for both, they would load a dialect that costs a
    twentieth of a second at every start."""
    for table in metadata.tables.values():
        for index in table.indexes:
            where = index.dialect_options["sqlite"]["where"]
            if where is not None:
                index.dialect_options["postgresql"]["where"] = where


def upgrade(db: Database) -> None:
    """Run every migration that the database lacks."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(HERE))

    def steps(rev: object, _: object) -> object:
        return scripts._upgrade_revs("head", rev)  # type: ignore[arg-type]

    with db.write() as tx:
        context = MigrationContext.configure(
            tx.conn, opts={"fn": steps, "target_metadata": metadata, "render_as_batch": True}
        )
        with Operations.context(context):
            context.run_migrations()
