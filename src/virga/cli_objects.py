# SPDX-License-Identifier: Apache-2.0
"""`virga serve`, the object store in processes of its own, and `virga objects`, how it is."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

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
    from virga.cli import _settings

    settings = _settings(ctx)
    if roles != "objects":
        raise click.ClickException(f"There is no role {roles} to serve alone; there is: objects.")
    if settings.ephemeral or not (settings.database.url or (Path(settings.state) / "virga.db").exists()):
        raise click.ClickException(f"There is no cloud on disk in {settings.state}: start one with 'virga up'.")
    if worker is not None:
        _work(settings, worker)
        return
    from virga.app import listen as bound

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
    from virga.app import serve as answer
    from virga.cli import _loop_factory
    from virga.ground import log

    log.setup(settings.server.log_level)
    cloud = Cloud(settings)
    cloud.only_objects()

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sig, stop.set)
        await answer(cloud, None, stop, socket.socket(fileno=descriptor))

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run())
    finally:
        cloud.loops.stop()
        cloud.objects.close()
        cloud.db.close()


@click.group()
def objects() -> None:
    """The object store."""


@objects.command("status")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_context
def objects_status(ctx: click.Context, as_json: bool) -> None:
    """Disks, what waits to be removed, what is rotten, what housekeeping did."""
    from virga.cli import _client, _settings
    from virga.ground.world import iso

    said = _client(_settings(ctx)).get("/object-store/housekeeping")
    if as_json:
        click.echo(json.dumps(said))
        return
    for disk in said["disks"]:
        click.echo(f"disk         {disk['name']}: {disk['free'] / 2**30:.1f} GiB free of {disk['size'] / 2**30:.1f}")
    click.echo(f"to remove    {said['trash']} bodies")
    click.echo("since start  " + ", ".join(f"{k} {v}" for k, v in said["done"].items()))
    for q in said["quarantine"]:
        click.echo(click.style("rotten       ", fg="red") + f"{q['body']} since {iso(q['since'])}: {q['why']}")
    ctx.exit(1 if said["quarantine"] else 0)
