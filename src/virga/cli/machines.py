# SPDX-License-Identifier: Apache-2.0
"""`virga launch` and `virga ssh`: a machine at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from virga.cli.context import client_of, settings_of
from virga.cli.progress import Steps

if TYPE_CHECKING:
    from virga.settings import Settings

GUEST_IMAGE = "virga-guest"


def _outside(settings: Settings) -> str | None:
    return f"{settings.name}-out" if settings.network.uplink == "none" and not settings.simulated else None


@click.command()
@click.argument("name")
@click.option("--flavor", default="m1.nano", show_default=True)
@click.option(
    "--image", default=GUEST_IMAGE, show_default=True, help="An image's name; the tiny guest is uploaded when it lacks."
)
@click.option(
    "--image-file",
    type=click.Path(path_type=Path),
    envvar="VIRGA_GUEST_IMAGE",
    default=Path(".cache/guest/guest.qcow2"),
    show_default=True,
)
@click.option("--wait/--no-wait", "wait_ssh", default=True, help="Wait until ssh answers.")
@click.pass_context
def launch(ctx: click.Context, name: str, flavor: str, image: str, image_file: Path, wait_ssh: bool) -> None:
    """Start a machine with all it needs: network, router, key, rule, floating IP. Prints its ssh line."""
    from virga import launch as launching
    from virga.client import Refused

    settings = settings_of(ctx)
    client, key, steps = client_of(settings), Path(settings.state) / "id_virga", Steps()
    try:
        _, address = launching.launch(
            client, name, image=image, image_file=image_file, key=key, say=steps, flavor=flavor
        )
        words = launching.ssh_words(address, key, _outside(settings))
        if wait_ssh and not settings.simulated:
            steps("wait for ssh")
            if not launching.answers_ssh(words, 240):
                raise launching.LaunchFailed(
                    f"{name} is ACTIVE and does not answer ssh at {address}; look at 'openstack console log show {name}'."
                )
        steps.done()
    except (launching.LaunchFailed, Refused) as e:
        steps.done("FAIL")
        raise click.ClickException(str(e)) from None
    click.echo(" ".join(words))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def ssh(ctx: click.Context, name: str, command: tuple[str, ...]) -> None:
    """Log in to a machine by its name, or run a command on it."""
    from virga import launch as launching

    settings = settings_of(ctx)
    client = client_of(settings)
    found = client.get(f"/compute/v2.1/servers/detail?name=^{name}$")["servers"]
    if not found:
        raise click.ClickException(f"There is no server {name}.")
    address = next(
        (a["addr"] for rows in found[0]["addresses"].values() for a in rows if a["OS-EXT-IPS:type"] == "floating"), None
    )
    if address is None:
        raise click.ClickException(f"{name} has no floating IP; 'virga launch {name}' gives it one.")
    words = [*launching.ssh_words(address, Path(settings.state) / "id_virga", _outside(settings)), *command]
    os.execvp(words[0], words)
