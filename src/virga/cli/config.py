# SPDX-License-Identifier: Apache-2.0
"""`virga config` and `virga policy`: every setting and every rule, as a file to start from."""

from __future__ import annotations

import json

import click


@click.command()
@click.pass_context
def config(ctx: click.Context) -> None:
    """Print every setting with its meaning and default; save it as virga.toml in the state folder and change what you need."""
    from virga.settings import sample

    click.echo(sample())


@click.command()
def policy() -> None:
    """Print every rule with its default, as a policy.yaml to start from."""
    from virga.roles.parts import PARTS

    for rule in sorted((rule for part in PARTS for rule in part.rules), key=lambda r: r.name):
        scopes = f" (scope: {', '.join(rule.scopes)})" if rule.scopes else ""
        click.echo(f"# {rule.text}{scopes}\n#{json.dumps(rule.name)}: {json.dumps(rule.source)}\n")
