# SPDX-License-Identifier: Apache-2.0
"""`virga doctor` and `virga status`: this machine, its engines, and what runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from virga.cli.context import client_of, settings_of, url_of
from virga.cli.process import pid_of

if TYPE_CHECKING:
    from virga.ground.sagas.progress import Progress
    from virga.settings import Settings


@click.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check this machine and the engines; every finding names its fix. Changes nothing."""
    from virga.doctor import check, engines

    settings = settings_of(ctx)
    worst = 0
    running = pid_of(settings) is not None
    for f in [*check(settings), *(engines(settings) if running and not settings.simulated else [])]:
        colour = {"ok": "green", "warn": "yellow", "bad": "red"}[f.level]
        click.echo(click.style(f"  {f.level:<5}", fg=colour) + f"{f.name}: {f.text}")
        if f.fix:
            click.echo(f"         -> {f.fix}")
        worst = max(worst, 1 if f.level == "bad" else 0)
    for saga in _troubled(settings):
        on = f" on {' '.join(saga.resources)}" if saga.resources else ""
        what = f"its undo is tried for the {saga.tries}th time" if saga.state == "undo" else "it is late, and goes on"
        click.echo(click.style("  warn ", fg="yellow") + f"saga {saga.kind} {saga.id}{on}: {what}: {saga.error}")
    ctx.exit(worst)


def _troubled(settings: Settings) -> list[Progress]:
    if settings.ephemeral or (not (Path(settings.state) / "virga.db").exists() and not settings.database.url):
        return []
    from virga.ground.db.engine import Database
    from virga.ground.sagas import progress

    with Database(settings.records()).read() as tx:
        return progress.troubled(tx)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """What runs: process, engines, hosts, servers."""
    settings = settings_of(ctx)
    pid = pid_of(settings)
    body: dict[str, Any] = {"state": settings.state, "url": url_of(settings), "pid": pid}
    if pid is not None:
        client = client_of(settings)
        servers = client.get("/compute/v2.1/servers/detail?all_tenants=1")["servers"]
        body["hosts"] = {h["host"]: h["state"] for h in client.get("/compute/v2.1/os-services")["services"]}
        body["servers"] = {s["name"]: s["status"] for s in servers}
    if as_json:
        click.echo(json.dumps(body))
    else:
        click.echo(
            f"cloud    {'up' if pid else 'down'}"
            + (f" (pid {pid}) at {body['url']}" if pid else f", state in {settings.state}")
        )
        for name, what in body.get("hosts", {}).items():
            click.echo(f"host     {name}: {what}")
        for name, what in body.get("servers", {}).items():
            click.echo(f"server   {name}: {what}")
    ctx.exit(0 if pid else 3)
