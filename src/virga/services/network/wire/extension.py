# SPDX-License-Identifier: Apache-2.0
"""Extensions on the wire."""

from __future__ import annotations

from typing import Any

import msgspec


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """An extension as it is listed."""

    alias: str
    name: str
    description: str
    updated: str
    links: list[Any] = []
