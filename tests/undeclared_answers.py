# SPDX-License-Identifier: Apache-2.0
"""What does not declare its answers yet, or has no golden samples. These lists only shrink."""

from __future__ import annotations

from virga.ground.http.table import Route

PACKAGES = (
    "virga.services.images.metadefs.",
    "virga.services.images.v1.",
    "virga.services.network.",
)
"""Where the actions live of rows whose views still make dicts."""
UNSAMPLED = frozenset({"network"})
"""Services whose operations have no golden samples."""
ALWAYS_REFUSED = frozenset({"auth.pki", "caching.clean", "caching.nodes", "users.no_tenant"})
"""Rows that never answer with a body, and say 200 by no word of theirs: bytes are swept, or the thing is refused."""


def undeclared(route: Route) -> bool:
    return f"{route.action.__module__}.".startswith(PACKAGES)
