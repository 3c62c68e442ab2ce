# SPDX-License-Identifier: Apache-2.0
"""Hosts as paths: `container.AUTH-project.domain/object`, and foreign names that point into the domain by a CNAME."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from urllib.parse import quote

from virga.services.objects import model
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Request
from virga.services.objects.swift.replies import refuse

LOOKUP_SECONDS = 5.0
"""Who names a host chooses its name server, and so how long an answer would be waited for."""


def _canonical(host: str) -> str | None:
    try:
        return socket.gethostbyname_ex(host)[0]
    except OSError:
        return None


async def remap(context: ObjectContext, request: Request) -> None:
    """Write the path that the host stands for. Raises 400 for a host that has too many parts, or when no CNAME leads here."""
    host = request.host.partition(":")[0].rstrip(".")
    domain = "." + context.settings.domain.strip(".").lower()
    if not host.lower().endswith(domain):
        if (
            not context.settings.cname_lookup
            or not host
            or host.replace(".", "").isdecimal()
            or "." not in host
            or request.path.startswith("/v1")
        ):
            return
        found = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOKUP_SECONDS):
                found = await asyncio.get_running_loop().run_in_executor(context.names, _canonical, host)
        if found is None or not found.rstrip(".").lower().endswith(domain):
            raise refuse(400, "CNAME lookup failed to resolve to a valid domain")
        host = found.rstrip(".")
    parts = host[: -len(domain)].split(".")
    if len(parts) > 2 or not all(parts):
        raise refuse(400, "Bad domain in host header")
    request.path = "/".join(
        [
            "/v1",
            quote(account_of(context, parts[-1])),
            *([quote(parts[0])] if len(parts) == 2 else []),
            request.path[1:],
        ]
    )


def account_of(context: ObjectContext, label: str) -> str:
    """The account that a part of a host means: hosts have no capitals and no underscores, accounts begin with both."""
    if "_" not in label:
        label = label.replace("-", "_", 1)
    for prefix in (model.PREFIX, context.settings.service_prefix):
        if prefix and label.lower().startswith(prefix.lower()):
            return prefix + label[len(prefix) :]
    return model.PREFIX + label
