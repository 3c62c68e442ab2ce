# SPDX-License-Identifier: Apache-2.0
"""`virga openapi`: what the APIs are, for programs that read it."""

from __future__ import annotations

import json

import click


@click.command("openapi")
@click.argument("service")
def openapi(service: str) -> None:
    """Print the OpenAPI 3.1 of SERVICE, as JSON: compute@2.96, placement@1.39, identity. Without a microversion: the newest."""
    from virga import openapi as descriptions
    from virga.roles.parts import described

    try:
        which, version = descriptions.requested(described(), service)
    except ValueError as e:
        raise click.ClickException(str(e)) from None
    click.echo(json.dumps(descriptions.document(which, version), indent=2))
