# SPDX-License-Identifier: Apache-2.0
"""What the API says of itself: everything is in the views."""

from __future__ import annotations

from virga.ground.http.call import Call


def nothing(_: Call) -> None:
    """A document that depends on nothing."""
    return


def alias(_: Call, alias: str) -> str:
    """GET /v2.0/extensions/{alias}"""
    return alias
