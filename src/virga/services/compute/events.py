# SPDX-License-Identifier: Apache-2.0
"""What compute tells the others."""

from __future__ import annotations

from typing import ClassVar

from virga.ground.events import Event


class ServerChanged(Event, frozen=True, kw_only=True):
    """A server reached a new state (`building`, `active`, `stopped`, `error`, `deleted`)."""

    topic: ClassVar[str] = "compute.server.changed"
    server_id: str
    project_id: str
    state: str
    host: str | None = None
    reason: str | None = None
