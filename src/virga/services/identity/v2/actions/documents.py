# SPDX-License-Identifier: Apache-2.0
"""Version and extension documents: nothing to decide, everything is in the view."""

from __future__ import annotations

from virga.ground.act import Act
from virga.ground.errors import NotFound

EXTENSIONS = {
    "OS-KSADM": ("OpenStack Keystone Admin", "Users, tenants, roles and services by an administrator."),
    "OS-KSCRUD": ("OpenStack Keystone User CRUD", "A user changes the own password."),
    "OS-EC2": ("OpenStack EC2 API", "Credentials for EC2 and S3."),
}


def version(_: Act) -> None:
    return None


def extensions(_: Act) -> list[str]:
    """GET /v2.0/extensions"""
    return list(EXTENSIONS)


def extension(_: Act, alias: str) -> str:
    """GET /v2.0/extensions/{alias}. Raises NotFound."""
    if alias not in EXTENSIONS:
        raise NotFound(f"Could not find extension: {alias[:64]}.")
    return alias
