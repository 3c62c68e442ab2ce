# SPDX-License-Identifier: Apache-2.0
"""`virga serve`: one role of a cloud in processes of its own."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from virga.cli.context import settings_of
from virga.cli.process import loop_factory

if TYPE_CHECKING:
    from virga.settings import Settings


@click.command()
@click.option("--roles", default="objects", show_default=True, help="What to serve: objects (Swift and S3).")
@click.option(
    "--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes that share the address."
)
@click.option("--listen", default="127.0.0.1:8780", show_default=True, metavar="HOST:PORT")
@click.option("--worker", type=int, hidden=True, help="The descriptor of the socket, for a worker.")
@click.pass_context
def serve(ctx: click.Context, roles: str, workers: int, listen: str, worker: int | None) -> None:
    """Serve one role of a cloud that is up, in processes of its own, on the same database and disks. Put it behind the same address,
    or name it in the catalogue."""
    settings = settings_of(ctx)
    if roles != "objects":
        raise click.ClickException(f"There is no role {roles} to serve alone; there is: objects.")
    if settings.ephemeral or not (settings.database.url or (Path(settings.state) / "virga.db").exists()):
        raise click.ClickException(f"There is no cloud on disk in {settings.state}: start one with 'virga up'.")
    if worker is not None:
        _work(settings, worker)
        return
    from virga.serving import listen as bound

    sock = bound(listen)
    words = [
        sys.executable,
        "-m",
        "virga",
        "--state",
        settings.state,
        *(["--config", str(ctx.obj["config"])] if ctx.obj["config"] else []),
        "serve",
    ]
    children = [
        subprocess.Popen([*words, "--worker", str(sock.fileno())], pass_fds=[sock.fileno()]) for _ in range(workers)
    ]
    click.echo(
        f"Objects are served at http://{sock.getsockname()[0]}:{sock.getsockname()[1]} by {workers} processes.",
        err=True,
    )

    def end(*_: object) -> None:
        for child in children:
            child.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    ctx.exit(max(abs(child.wait()) for child in children))


def _work(settings: Settings, descriptor: int) -> None:
    import socket

    from virga.app import Cloud
    from virga.ground import log
    from virga.roles.objects import OBJECTS
    from virga.serving import serve as answer

    log.setup(settings.server.log_level)
    cloud = Cloud(settings, OBJECTS)
    cloud.prepare()
    cloud.start()

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sig, stop.set)
        await answer(cloud, None, stop, socket.socket(fileno=descriptor))

    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run())
    finally:
        cloud.stop()
