# SPDX-License-Identifier: Apache-2.0
"""Quotas as Neutron prints them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virga.ground.http.call import Call
from virga.services.network import wire


def quota(amounts: dict[str, Any], _: bool) -> wire.QuotaShown:
    """Amounts, by the names of limits; `project_id` where a list needs it."""
    return wire.QuotaShown(**amounts)


def details(amounts: dict[str, wire.Used], _: bool) -> wire.QuotaDetails:
    """Limit and use, by the names of limits."""
    return wire.QuotaDetails(**amounts)


def tenant(word: str) -> Callable[[dict[str, str], Call], dict[str, Any]]:
    """Whose quota it is, under the word of its time."""
    return lambda row, _: {word: {f"{word}_id": row["id"]}}
