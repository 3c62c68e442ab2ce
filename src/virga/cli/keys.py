# SPDX-License-Identifier: Apache-2.0
"""`virga keys`: new keys for tokens, credentials and objects."""

from __future__ import annotations

from pathlib import Path

import click

from virga.cli.context import settings_of
from virga.cli.process import pid_of


@click.group()
def keys() -> None:
    """The keys that seal tokens, credentials and objects."""


@keys.command("rotate")
@click.pass_context
def rotate_keys(ctx: click.Context) -> None:
    """Make a new token key. Nobody is logged out; the old keys go when no living token needs them."""
    from virga.roles.site import offline
    from virga.services.identity import api
    from virga.services.identity.part import PART

    with offline(settings_of(ctx), PART) as site, site.db.write() as tx:
        number = api.new_token_key(tx, site.registry)
    click.echo(f"Token key {number} is made.")


@keys.command("forget")
@click.pass_context
def forget_keys(ctx: click.Context) -> None:
    """The credential key file is lost: drop all token keys, so that the cloud starts again. Everybody logs in anew; credentials that the
    lost file sealed stay unreadable until it is found."""
    from virga.roles.site import offline
    from virga.services.identity import api
    from virga.services.identity.part import PART

    settings = settings_of(ctx)
    if pid_of(settings) is not None:
        raise click.ClickException("The cloud is running: 'virga down' first.")
    with offline(settings, PART) as site, site.db.write() as tx:
        api.forget_token_keys(tx, site.registry)
    click.echo("There is a new token key.")


@keys.command("objects")
@click.pass_context
def rotate_objects(ctx: click.Context) -> None:
    """Seal what comes from now on with a new key. The cloud may be up; what older keys sealed stays readable while the file keeps them."""
    from virga.ground.keyfile import KeyFile
    from virga.services.objects.api import keys_of

    file = KeyFile(keys_of(Path(settings_of(ctx).state)))
    file.rotate()
    count = len(file.read())
    click.echo(
        f"{file.path} has {count} key{'s' if count > 1 else ''}; new objects are sealed with the first. Keep a copy: without it they are lost."
    )


@keys.command("credentials")
@click.pass_context
def rotate_credentials(ctx: click.Context) -> None:
    """Seal all credentials and token keys with a new key, and drop the old keys. The cloud must be down: it keeps the keys in memory."""
    from virga.roles.site import offline
    from virga.services.identity import api
    from virga.services.identity.part import PART

    settings = settings_of(ctx)
    if pid_of(settings) is not None:
        raise click.ClickException("The cloud is running: 'virga down' first.")
    with offline(settings, PART) as site:
        click.echo(f"{api.reseal(site.db, site.registry)} secrets are sealed with a new key.")
