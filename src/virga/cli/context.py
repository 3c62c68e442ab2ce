# SPDX-License-Identifier: Apache-2.0
"""What a command is about: the cloud of `--state` and `--config`, its address, and a client that is its administrator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from virga.client import Client
    from virga.settings import Settings


def settings_of(ctx: click.Context, **over: Any) -> Settings:
    """The settings that the command's options, the environment and the file give; `over` by dotted names. Ends the command on a wrong one."""
    from virga.settings import SettingsError, load

    try:
        return load(ctx.obj["config"], **({"state": ctx.obj["state"]} | over))
    except SettingsError as e:
        raise click.ClickException(str(e)) from None


def url_of(settings: Settings) -> str:
    """The address of the cloud's APIs."""
    return (
        settings.server.public_url.rstrip("/")
        or f"{'https' if settings.server.tls else 'http'}://{settings.server.listen}"
    )


def client_of(settings: Settings) -> Client:
    """The administrator, logged in to the running cloud. Ends the command when nobody answers or the password is refused."""
    from virga.client import Client, Refused

    password = os.environ.get("VIRGA_ADMIN_PASSWORD")
    file = Path(settings.state) / "admin-password"
    if password is None:
        if not file.exists():
            raise click.ClickException(f"There is no cloud in {settings.state}: start one with 'virga up -d'.")
        password = file.read_text().strip()
    client = Client(url_of(settings), password, ca=Path(settings.state) / "tls.crt")
    try:
        client.login()
    except OSError:
        raise click.ClickException(
            f"Nobody answers at {url_of(settings)}: start the cloud with 'virga up -d'."
        ) from None
    except Refused as e:
        raise click.ClickException(f"The cloud refused the administrator's password: {e}") from None
    return client


def keep_private(file: Path, text: str) -> None:
    """Write a file that its owner alone may read; whole or not at all."""
    fresh = file.with_name(file.name + ".new")
    fd = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.write(fd, text.encode())
    os.close(fd)
    fresh.rename(file)
