# SPDX-License-Identifier: Apache-2.0
"""`virga db`: the schema of the cloud's database, how it stands and how it is brought on. Works whether the cloud runs or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from virga.cli.context import settings_of

if TYPE_CHECKING:
    from virga.ground.db.engine import Database


@click.group()
def db() -> None:
    """The database's schema: how it stands; bring it on."""


def _database(ctx: click.Context) -> Database:
    """The database of the settings, with every table of the program known to it."""
    import virga.roles.parts  # noqa: F401 - which knows every store, and so every table
    from virga.ground.db.engine import Database
    from virga.roles.site import private

    settings = settings_of(ctx)
    if settings.ephemeral:
        raise click.ClickException("An ephemeral cloud keeps nothing: there is no database to work on.")
    if not settings.database.url:
        state = Path(settings.state)
        state.mkdir(parents=True, exist_ok=True, mode=0o711)
        private(state / "virga.db")
    return Database(settings.records())


@db.command()
@click.option("--expand", "way", flag_value="expand", help="Only what programs of before can work beside.")
@click.option("--contract", "way", flag_value="contract", help="Only what is for when the last old process is gone.")
@click.pass_context
def migrate(ctx: click.Context, way: str | None) -> None:
    """Bring the schema on: expand, then contract. Many may ask at once; killed, it is asked again."""
    from virga.ground.db import migrate as migrations

    database = _database(ctx)
    done = migrations.migrate(database, expand=way != "contract", contract=way != "expand")
    left = migrations.status(database)
    database.close()
    click.echo(
        {
            "made": "The schema is made.",
            "migrated": "The schema is migrated.",
            "current": "There is nothing to do.",
            "newer": "There is nothing to do: a newer program has expanded the schema already.",
        }[done]
    )
    if left.contract:
        click.echo("Left until no older process runs: 'virga db migrate --contract'.")


@db.command()
@click.pass_context
def status(ctx: click.Context) -> None:
    """What ran and what is to run. Ends with 0 when nothing is, 1 when something is, 2 when this program is too old for the
    database."""
    from virga.ground.db import migrate as migrations

    database = _database(ctx)
    at = migrations.status(database)
    database.close()
    if at.empty:
        click.echo("The database is empty: the first start, or 'virga db migrate', makes the schema.")
        ctx.exit(1)
    click.echo(f"schema    {at.applied[-1]}, {len(at.applied)} migrations")
    for word, todo in (("expand", at.expand), ("contract", at.contract)):
        for migration in todo:
            click.echo(f"{word:<9} {migration.number} {migration.name.replace('_', ' ')}: to be run")
    for number in at.unknown:
        click.echo(f"newer     {number}: ran by a newer program")
    if at.refused is not None:
        click.echo(f"refused   {at.refused}: this program is too old for the database")
        ctx.exit(2)
    ctx.exit(1 if at.expand or at.contract else 0)
