# SPDX-License-Identifier: Apache-2.0
"""What a project has of a noun."""

from __future__ import annotations

import msgspec


class Used(msgspec.Struct, frozen=True):
    """How much a project may have of a noun (-1: no limit), and has."""

    limit: int
    used: int
