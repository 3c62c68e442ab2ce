# SPDX-License-Identifier: Apache-2.0
"""What the API says of itself: everything is in the views."""

from __future__ import annotations

from virga.ground.act import Act


def document(_: Act) -> None:
    """A document that depends on nothing."""
    return


def extension(_: Act, alias: str) -> str:
    """GET /v2.0/extensions/{alias}"""
    return alias
