# SPDX-License-Identifier: Apache-2.0
"""Version documents: nothing to decide, everything is in the view."""

from __future__ import annotations

from virga.ground.act import Act


def versions(_: Act) -> None:
    return None


def version(_: Act) -> None:
    return None
