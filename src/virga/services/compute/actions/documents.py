# SPDX-License-Identifier: Apache-2.0
"""Version and extension documents."""

from __future__ import annotations

from virga.ground.act import Act


def document(_: Act, *__: str) -> None:
    """Version and extension documents: everything is in the view."""
    return
