# SPDX-License-Identifier: Apache-2.0
"""What identity tells the others."""

from __future__ import annotations

from typing import ClassVar

from virga.ground.events import Event


class ProjectDeleted(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "identity.project.deleted"
    project_id: str
