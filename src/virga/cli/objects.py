# SPDX-License-Identifier: Apache-2.0
"""`virga objects`: how the object store is."""

from __future__ import annotations

import json

import click

from virga.cli.context import client_of, settings_of


@click.group()
def objects() -> None:
    """The object store."""


@objects.command("status")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_context
def objects_status(ctx: click.Context, as_json: bool) -> None:
    """Disks, what waits to be removed, what is rotten, what housekeeping did."""
    from virga.ground.world import iso

    report = client_of(settings_of(ctx)).get("/object-store/housekeeping")
    if as_json:
        click.echo(json.dumps(report))
        return
    for disk in report["disks"]:
        click.echo(f"disk         {disk['name']}: {disk['free'] / 2**30:.1f} GiB free of {disk['size'] / 2**30:.1f}")
    click.echo(f"to remove    {report['trash']} bodies")
    click.echo("since start  " + ", ".join(f"{k} {v}" for k, v in report["done"].items()))
    for q in report["quarantine"]:
        click.echo(click.style("rotten       ", fg="red") + f"{q['body']} since {iso(q['since'])}: {q['why']}")
    ctx.exit(1 if report["quarantine"] else 0)
