# SPDX-License-Identifier: Apache-2.0
"""`virga openrc`: files that tell OpenStack's tools of this cloud."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from virga.cli.context import keep_private, settings_of, url_of

if TYPE_CHECKING:
    from virga.settings import Settings


@click.command()
@click.option("--print", "show", is_flag=True, help="Print the text instead of the file's path.")
@click.pass_context
def openrc(ctx: click.Context, show: bool) -> None:
    """The path of a file to source, so that OpenStack's tools find this cloud. A clouds.yaml lies beside it."""
    path = write_openrc(settings_of(ctx))
    click.echo(path.read_text() if show else str(path))


def write_openrc(settings: Settings) -> Path:
    """openrc and clouds.yaml in the state folder, readable by their owner."""
    state, url = Path(settings.state), url_of(settings)
    password = os.environ.get("VIRGA_ADMIN_PASSWORD") or (state / "admin-password").read_text().strip()
    values = {
        "OS_AUTH_URL": f"{url}/identity/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": settings.identity.region,
        "OS_IDENTITY_API_VERSION": "3",
    }
    if settings.server.tls and not settings.server.tls_cert:
        values["OS_CACERT"] = str(state / "tls.crt")
    quoted = {k: "'" + v.replace("'", "'\\''") + "'" for k, v in values.items()}
    keep_private(state / "openrc", "".join(f"export {k}={v}\n" for k, v in quoted.items()))
    auth = {
        "auth_url": values["OS_AUTH_URL"],
        "username": "admin",
        "password": password,
        "project_name": "admin",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    cloud: dict[str, Any] = {"auth": auth, "region_name": settings.identity.region, "identity_api_version": 3}
    if "OS_CACERT" in values:
        cloud["cacert"] = values["OS_CACERT"]
    # JSON is YAML, and quotes whatever a password may hold
    keep_private(state / "clouds.yaml", json.dumps({"clouds": {"virga": cloud}}, indent=2) + "\n")
    return state / "openrc"
