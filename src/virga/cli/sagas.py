# SPDX-License-Identifier: Apache-2.0
"""`virga sagas`: the long operations under way, where each stands and what it waits for; and those that failed lately. It reads the
cloud's database, whether the cloud runs or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from virga.cli.context import settings_of

if TYPE_CHECKING:
    from virga.ground.sagas.progress import Progress


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--failed", "with_failed", is_flag=True, help="Also those that failed lately, with the reason.")
@click.pass_context
def sagas(ctx: click.Context, as_json: bool, with_failed: bool) -> None:
    """Long operations under way: what, on what, how far, and why not further."""
    from virga.ground.db.engine import Database
    from virga.ground.processes import clock
    from virga.ground.sagas import progress
    from virga.ground.world import World

    settings = settings_of(ctx)
    if settings.ephemeral or (not settings.database.url and not (Path(settings.state) / "virga.db").exists()):
        raise click.ClickException(f"There are no records in {settings.state}: start a cloud with 'virga up -d'.")
    db = Database(settings.records())
    with db.read() as tx:
        now = clock(tx, World())
        rows = [*progress.live(tx), *(progress.failed(tx) if with_failed else [])]
    db.close()
    if as_json:
        click.echo(json.dumps([_facts(row, now) for row in rows], indent=2))
        return
    if not rows:
        click.echo("Nothing is under way.")
        return
    lines = [("SAGA", "ON", "STEP", "TRIES", "AGE", "PROGRESS", "WHY"), *(_line(row, now) for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(6)]
    for line in lines:
        click.echo(
            "  ".join([*(text.ljust(width) for text, width in zip(line[:6], widths, strict=True)), line[6]]).rstrip()
        )


def _facts(row: Progress, now: float) -> dict[str, Any]:
    import msgspec

    return {**msgspec.to_builtins(row), "percent": row.percent, "age": round((row.ended or now) - row.created, 1)}


def _line(row: Progress, now: float) -> tuple[str, ...]:
    """One saga on a line: its error, if there is one, says more than what it waits for."""
    step = {"undo": f"undo {row.step}", "failed": "failed"}.get(row.state, row.step)
    why = "; ".join(" ".join(text.split()) for text in (row.error, row.waits) if text)
    kind = f"  {row.kind}" if row.parent else row.kind
    return (kind, " ".join(row.resources) or "-", step, str(row.tries), _age(row, now), _progress(row), why)


def _age(row: Progress, now: float) -> str:
    seconds = max(0, int((row.ended or now) - row.created))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _progress(row: Progress) -> str:
    if row.what is None and not row.done:
        return "-"
    share = f"{row.percent} %" if row.percent is not None else str(row.done)
    return f"{share} {row.what or ''}".rstrip()
