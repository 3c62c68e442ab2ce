# SPDX-License-Identifier: Apache-2.0
"""`virga down`: the end of a cloud's process, or of all that it left."""

from __future__ import annotations

import sys

import click

from virga.cli.context import settings_of
from virga.cli.process import stop_process


@click.command()
@click.option(
    "--guests",
    type=click.Choice(["leave", "stop"]),
    default="leave",
    show_default=True,
    help="Leave machines running (with their network), or switch them off first.",
)
@click.option(
    "--purge", is_flag=True, help="Take everything away: machines, disks, networks, links, rules, the state folder."
)
@click.option("--yes", is_flag=True, help="Do not ask before a purge.")
@click.pass_context
def down(ctx: click.Context, guests: str, purge: bool, yes: bool) -> None:
    """Stop the cloud."""
    from virga.purge import purge as take_away

    settings = settings_of(ctx)
    if purge and not yes and sys.stdin.isatty():
        click.confirm(f"Take away the cloud in {settings.state} with all its machines and disks?", abort=True)
    stop_process(settings, "kill" if purge else guests)
    if purge:
        take_away(settings)
        click.echo("Nothing is left.")
