# SPDX-License-Identifier: Apache-2.0
"""`virga up`: a cloud in the foreground, or by itself."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from virga.cli.context import keep_private, settings_of, url_of
from virga.cli.openrc import write_openrc
from virga.cli.process import loop_factory, pid_of, write_pid
from virga.cli.progress import Steps

if TYPE_CHECKING:
    from virga.settings import Settings


@click.command()
@click.option("--sim", is_flag=True, help="Simulated machines, networks and disks: no root, no packages.")
@click.option("--ephemeral", is_flag=True, help="Keep everything in memory; it is gone at the end. (Only with --sim.)")
@click.option("--listen", metavar="HOST:PORT", help="Where all APIs listen. Default: 127.0.0.1:8700.")
@click.option("-d", "--detach", is_flag=True, help="Start in the background and return when the cloud is ready.")
@click.option(
    "--sim-fail",
    multiple=True,
    metavar="POINT=N%",
    help="Make a verb fail that often: compute.spawn=5%, compute.stop, compute.reboot, compute.remove.",
)
@click.option(
    "--sim-clock", is_flag=True, help='Simulated time stands still until POST /sim/clock {"advance": seconds} moves it.'
)
@click.pass_context
def up(
    ctx: click.Context,
    *,
    sim: bool,
    ephemeral: bool,
    listen: str | None,
    detach: bool,
    sim_fail: tuple[str, ...],
    sim_clock: bool,
) -> None:
    """Start the cloud. Started twice, it says so; killed anywhere, the next start goes on where it was."""
    over: dict[str, Any] = {
        "server.listen": listen,
        "simulated": sim or None,
        "ephemeral": ephemeral or None,
        "sim.fail": list(sim_fail) or None,
        "sim.clock": sim_clock or None,
    }
    settings = settings_of(ctx, **over)
    if settings.ephemeral and not settings.simulated:
        raise click.ClickException("--ephemeral needs --sim: real disks and networks cannot live in memory.")
    if not settings.ephemeral and (pid := pid_of(settings)) is not None:
        click.echo(f"The cloud in {settings.state} is up already (pid {pid}), at {url_of(settings)}.")
        return
    if detach:
        if settings.ephemeral:
            raise click.ClickException("--detach and --ephemeral do not go together: nobody could find it again.")
        _detach(settings, sys.argv)
        return
    _foreground(settings)


def _foreground(settings: Settings) -> None:
    from virga.ground import log

    log.setup(settings.server.log_level)
    from virga.app import Cloud
    from virga.ground.errors import Broken
    from virga.roles.all import ALL
    from virga.serving import serve

    steps = Steps()
    if not settings.simulated:
        _must_be_fit(settings)
    state = Path(settings.state)
    if not settings.ephemeral:
        state.mkdir(parents=True, exist_ok=True, mode=0o711)
        _remember(settings)
        write_pid(state)
    steps("database and first accounts")
    cloud = Cloud(settings, ALL)
    guests = {"how": "leave"}
    try:
        try:
            cloud.prepare()
        except Broken as e:
            raise click.ClickException(
                f"{e} Restore that file from its copy; if it is lost, see 'virga keys forget'."
            ) from e
        if settings.simulated:
            cloud.simulate()
            cloud.stock()
        else:
            cloud.equip(steps)
        steps("loops, sagas, APIs")
        cloud.start()

        def ready(addresses: list[str]) -> None:
            steps.done()
            if not settings.ephemeral:
                write_openrc(settings)
            click.echo(f"Virga is ready at {url_of(settings)}  (identity at {url_of(settings)}/identity/v3)", err=True)

        async def run() -> None:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            for sig in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(sig, stop.set)

            def ending(how: str) -> None:
                guests["how"] = how
                stop.set()

            loop.add_signal_handler(signal.SIGUSR1, ending, "stop")
            loop.add_signal_handler(signal.SIGUSR2, ending, "kill")
            await serve(cloud, ready, stop)

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run())
    except BaseException:
        steps.done("FAIL")
        raise
    finally:
        cloud.stop(guests=guests["how"])
        if not settings.ephemeral:
            (state / "virga.pid").unlink(missing_ok=True)


def _must_be_fit(settings: Settings) -> None:
    from virga.doctor import check

    bad = [f for f in check(settings) if f.level == "bad"]
    if bad:
        lines = "\n".join(f"  {f.name}: {f.text}\n    -> {f.fix}" for f in bad)
        raise click.ClickException(
            f"This machine is not ready:\n{lines}\nOn Debian, 'make deps' installs what is missing; 'virga up --sim' needs nothing."
        )


def _remember(settings: Settings) -> None:
    """What the first start was told by flags and environment becomes this cloud's settings file, so that every later command
    means the same cloud."""
    file = Path(settings.state) / "virga.toml"
    if not file.exists():
        lines = [
            f"name = {json.dumps(settings.name)}",
            f"simulated = {json.dumps(settings.simulated)}",
            "",
            "[server]",
            f"listen = {json.dumps(settings.server.listen)}",
        ]
        lines += [
            "",
            "[network]",
            f"uplink = {json.dumps(settings.network.uplink)}",
            f"external_cidr = {json.dumps(settings.network.external_cidr)}",
        ]
        keep_private(
            file, "\n".join(["# Written by the first 'virga up'. 'virga config' prints every setting.", *lines]) + "\n"
        )


def _detach(settings: Settings, argv: list[str]) -> None:
    """Start ourselves without a terminal, and wait until the cloud answers."""
    from virga.client import wait

    state = Path(settings.state)
    state.mkdir(parents=True, exist_ok=True, mode=0o711)
    words = [sys.executable, "-m", "virga", *[w for w in argv[1:] if w not in {"-d", "--detach"}]]
    with open(state / "virga.log", "ab") as out:
        at = out.tell()
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    printed = 0

    def ready() -> Any:
        nonlocal printed
        text = (state / "virga.log").read_bytes()[at:].decode(errors="replace")
        lines = [x for x in text.splitlines() if x.startswith(("  ok", "  FAIL", "Virga is ready"))]
        for line in lines[printed:]:
            click.echo(line)
        printed = len(lines)
        if child.poll() is not None:
            tail = "\n".join(x for x in text.splitlines()[-25:] if not x.startswith("  ok"))
            raise click.ClickException(f"The cloud did not start (exit {child.returncode}):\n{tail}")
        return any(x.startswith("Virga is ready") for x in lines)

    if not wait(ready, 120, every=0.05):
        raise click.ClickException(f"The cloud is not ready after 120 s; see {state / 'virga.log'} and 'virga doctor'.")
