# SPDX-License-Identifier: Apache-2.0
"""`virga identity`: the first administrator, a catalogue template, a Keystone's database. All work on the cloud's database, whether
the cloud runs or not, and may be repeated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from virga.cli.context import settings_of

if TYPE_CHECKING:
    from virga.services.part import Site


@click.group()
def identity() -> None:
    """First administrator; bring in what a Keystone had."""


@contextlib.contextmanager
def _identity(ctx: click.Context) -> Iterator[Site]:
    """Identity's part of the cloud, with the schema made current. The catalogue knows the APIs of all parts."""
    from virga.roles.parts import PARTS, bring_up_to_date
    from virga.roles.site import offline
    from virga.services.identity.part import PART

    settings = settings_of(ctx)
    if settings.ephemeral:
        raise click.ClickException("An ephemeral cloud keeps nothing: there is no database to work on.")
    with offline(settings, PART, known=PARTS) as site:
        bring_up_to_date(site.db)
        yield site


def _tell(report: list[str], dry: bool = False) -> None:
    for line in report:
        click.echo(f"  {line}")
    if not report:
        click.echo("Nothing to do.")
    elif dry:
        click.echo(f"{len(report)} changes would be made; nothing was written.")
    else:
        click.echo(f"{len(report)} changes.")


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
    from virga.services.identity.part import hashed_password

    with _identity(ctx) as site:
        hashed = hashed_password(site, username)
        with site.db.read() as tx:
            before = api.census(tx)
        with site.db.write() as tx:
            api.bootstrap(tx, hashed, admin=username, project=project)
            api.register(tx, site.apis, site.region)
            after = api.census(tx)
    report = [f"{after[noun] - before[noun]} {noun}" for noun in after if after[noun] != before[noun]]
    _tell(report + ([f"the password of {username}"] if hashed is not None else []))


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
    with _identity(ctx) as site, site.db.read() if dry_run else site.db.write() as tx:
        report = templates.bring(tx, entries)
    _tell(report, dry_run)


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
        with _identity(ctx) as site, site.db.read() if dry_run else site.db.write() as tx:
            report = keystone.bring(tx, tables, {api.type for api in site.apis}, keep_ours)
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
