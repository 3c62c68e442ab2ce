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
    import virga.app  # noqa: F401 - every service declares its rules
    from virga.authority.rules import REGISTRY

    for rule in sorted(REGISTRY.values(), key=lambda r: r.name):
        scopes = f" (scope: {', '.join(rule.scopes)})" if rule.scopes else ""
        click.echo(f"# {rule.text}{scopes}\n#{json.dumps(rule.name)}: {json.dumps(rule.source)}\n")
