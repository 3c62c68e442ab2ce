# SPDX-License-Identifier: Apache-2.0
"""The command line. `virga up` starts a cloud, `virga down` ends it; the rest looks, explains and helps.

A module of this package holds the commands of one subject. Nothing heavy is imported before a command runs: `virga --help` is quick."""

from __future__ import annotations

from pathlib import Path

import click

from virga import __version__
from virga.cli.config import config as config_sample
from virga.cli.config import policy
from virga.cli.db import db
from virga.cli.down import down
from virga.cli.identity import identity
from virga.cli.images import image
from virga.cli.keys import keys
from virga.cli.machines import launch, ssh
from virga.cli.nodes import doctor, status
from virga.cli.objects import objects
from virga.cli.openapi import openapi
from virga.cli.openrc import openrc
from virga.cli.sagas import sagas
from virga.cli.serve import serve
from virga.cli.up import up

COMMANDS: tuple[click.Command, ...] = (
    up,
    down,
    serve,
    status,
    doctor,
    launch,
    ssh,
    openrc,
    config_sample,
    policy,
    identity,
    image,
    objects,
    keys,
    sagas,
    db,
    openapi,
)
"""Every command. A new one is imported above and has a line here."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="virga")
@click.option(
    "--state",
    metavar="DIR",
    help="The folder that holds the cloud. Default: /var/lib/virga for root, ~/.local/state/virga for others.",
)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A settings file; default: virga.toml in the state folder.",
)
@click.pass_context
def main(ctx: click.Context, state: str | None, config: Path | None) -> None:
    """Virga: OpenStack that starts in two seconds, never gets stuck, and always tells you why.

    \b
    First steps:
      virga up --sim --ephemeral    a simulated cloud in memory; no root, nothing installed
      virga doctor                  what this machine lacks for a real one
      virga up -d                   a real cloud in the background
      virga launch first            a machine, with everything it needs; prints its ssh line
      source $(virga openrc)        then use openstack, Terraform, your own tools
      virga down                    stop; machines keep running. --purge leaves nothing behind
    """
    ctx.obj = {"state": state, "config": config}


for command in COMMANDS:
    main.add_command(command)
