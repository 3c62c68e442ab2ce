# SPDX-License-Identifier: Apache-2.0
"""`virga identity`: the first administrator, a catalogue template, a Keystone's database. All work on the cloud's database, whether
the cloud runs or not, and may be repeated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from virga.app import Cloud


@click.group()
def identity() -> None:
    """First administrator; bring in what a Keystone had."""


def _cloud(ctx: click.Context) -> Cloud:
    """The cloud of the settings with its schema made current."""
    from virga.app import Cloud
    from virga.cli import _settings
    from virga.ground.db.migrate import migrate

    settings = _settings(ctx)
    if settings.ephemeral:
        raise click.ClickException("An ephemeral cloud keeps nothing: there is no database to work on.")
    if not settings.database.url:
        Path(settings.state).mkdir(parents=True, exist_ok=True, mode=0o711)
    cloud = Cloud(settings)
    migrate(cloud.db, contract=cloud.db.sqlite)
    return cloud


def _tell(said: list[str], dry: bool = False) -> None:
    for line in said:
        click.echo(f"  {line}")
    if not said:
        click.echo("Nothing to do.")
    elif dry:
        click.echo(f"{len(said)} changes would be made; nothing was written.")
    else:
        click.echo(f"{len(said)} changes.")


@identity.command()
@click.option("--username", default="admin", show_default=True, help="The administrator's name.")
@click.option("--project", default="admin", show_default=True, help="The administrator's project.")
@click.pass_context
def bootstrap(ctx: click.Context, username: str, project: str) -> None:
    """Make the default domain, roles, projects, the administrator and our own endpoints, as far as they are missing.

    The password comes from VIRGA_ADMIN_PASSWORD; without it one that is there stays, and a new administrator gets the one kept in the
    state folder.
    """
    from virga.services.identity import api

    cloud = _cloud(ctx)
    password = os.environ.get("VIRGA_ADMIN_PASSWORD") or cloud._kept_password()
    with cloud.db.read() as tx:
        hashed = (
            cloud.passwords.hash(password) if api.needs_bootstrap(tx, password, cloud.passwords, username) else None
        )
        before = api.census(tx)
    with cloud.db.write() as tx:
        api.bootstrap(tx, hashed, admin=username, project=project)
        api.register(tx, cloud.services, cloud.settings.identity.region)
        after = api.census(tx)
    said = [f"{after[noun] - before[noun]} {noun}" for noun in after if after[noun] != before[noun]]
    _tell(said + ([f"the password of {username}"] if hashed is not None else []))
    cloud.db.close()


@identity.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.pass_context
def catalog(ctx: click.Context, file: Path, dry_run: bool) -> None:
    """Bring in a default_catalog.templates: services and endpoints as it has them."""
    from virga.ground.errors import Problem
    from virga.services.identity.imports import templates

    try:
        entries = templates.parse(file.read_text())
    except (Problem, UnicodeDecodeError) as e:
        raise click.ClickException(f"{file}: {e}") from None
    if not entries:
        raise click.ClickException(f"{file}: no line of the form catalog.REGION.SERVICE.KEY = VALUE")
    cloud = _cloud(ctx)
    with cloud.db.read() if dry_run else cloud.db.write() as tx:
        said = templates.bring(tx, entries)
    _tell(said, dry_run)
    cloud.db.close()


@identity.command("import")
@click.argument("source")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option(
    "--keep-ours",
    is_flag=True,
    help="Take users, projects, groups and domains with equal names for the ones that are here.",
)
@click.pass_context
def import_(ctx: click.Context, source: str, dry_run: bool, keep_ours: bool) -> None:
    """Bring in a Keystone's database: domains, users with their password hashes, projects, roles, groups, grants, services, endpoints.

    SOURCE is an SQLite file, a database URL (postgresql+psycopg://…), or the file that mysqldump wrote. Ids stay. All or nothing.
    """
    from virga.ground.errors import Problem
    from virga.services.identity.imports import keystone
    from virga.services.identity.imports import source as sources

    try:
        tables = sources.read(source)
        cloud = _cloud(ctx)
        ours = {s.type for s in cloud.services}
        with cloud.db.read() if dry_run else cloud.db.write() as tx:
            report = keystone.bring(tx, tables, ours, keep_ours)
    except Problem as e:
        conflicts = e.facts.get("blocking")
        if isinstance(conflicts, list):
            lines = "\n".join(f"  {c}" for c in conflicts)
            raise click.ClickException(
                f"{len(conflicts)} conflicts, and nothing was written:\n{lines}\nRename one of each pair, or say --keep-ours."
            ) from None
        raise click.ClickException(e.message) from None
    for line in report.lines():
        click.echo(f"  {line}")
    made = sum(report.made.values())
    click.echo(
        "Nothing to do." if not made else f"{made} {'would be made; nothing was written' if dry_run else 'made'}."
    )
    cloud.db.close()
