# SPDX-License-Identifier: Apache-2.0
"""What the switch has yet to learn."""

from __future__ import annotations

from virga.ground.db.rows import Row


class Dirty(Row, frozen=True):
    """The switch does not yet know the newest `kind`/`id`."""

    kind: str
    id: str
    generation: int
