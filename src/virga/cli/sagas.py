# SPDX-License-Identifier: Apache-2.0
"""`virga sagas`: long operations."""

from __future__ import annotations

import click

from virga.cli.context import settings_of


@click.command()
@click.pass_context
def sagas(ctx: click.Context) -> None:
    """Long operations under way, and those that failed lately, with the reason."""
    from virga.ground.db.engine import Database
    from virga.ground.sagas.saga import SAGAS
    from virga.ground.world import iso

    with Database(settings_of(ctx).records()).read() as tx:
        rows = SAGAS.find(
            tx, SAGAS.c.ended.is_(None) | (SAGAS.c.state == "failed"), order=SAGAS.c.created.desc(), limit=50
        )
    for s in rows:
        click.echo(f"{iso(s.created)}  {s.state:<6} {s.name} {s.exclusive or ''}  {s.error or ''}")
