# SPDX-License-Identifier: Apache-2.0
"""The process of a cloud: who it is, how it runs, how it is ended."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from virga.settings import Settings


def pid_of(settings: Settings) -> int | None:
    """The id of the cloud's process; None when it does not run, whoever has that number now."""
    from virga.node.supervisor import started

    try:
        pid, start = (Path(settings.state) / "virga.pid").read_text().split()[:2]
    except (OSError, ValueError):
        return None
    return int(pid) if started(int(pid)) == start else None


def write_pid(state: Path) -> None:
    """Say in the state folder that we are the cloud's process: our id, and when we began."""
    from virga.node.supervisor import started

    fresh = state / "virga.pid.new"
    fresh.write_text(f"{os.getpid()} {started(os.getpid())}")
    fresh.rename(state / "virga.pid")


def stop_process(settings: Settings, guests: str) -> None:
    """End the running process of the cloud, if there is one."""
    from virga.node.supervisor import started

    pid = pid_of(settings)
    if pid is None:
        click.echo("The cloud is not running.")
        return
    start = started(pid)
    os.kill(pid, {"stop": signal.SIGUSR1, "kill": signal.SIGUSR2, "leave": signal.SIGTERM}[guests])
    pause = threading.Event()
    for _ in range(1500):
        if started(pid) != start:
            click.echo(
                "The cloud is stopped."
                + (" Machines keep running." if guests == "leave" and not settings.simulated else "")
            )
            return
        pause.wait(0.1)
    os.kill(pid, signal.SIGKILL)
    click.echo("The cloud did not stop in time and was ended; the next start puts everything right.")


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop that serves: uvloop's where it is installed."""
    try:
        import uvloop

        return uvloop.new_event_loop
    except ImportError:
        return asyncio.new_event_loop
