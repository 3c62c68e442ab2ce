# SPDX-License-Identifier: Apache-2.0
"""Version documents: nothing to decide, everything is in the view."""

from __future__ import annotations

from virga.ground.http.call import Call


def versions(_: Call) -> None:
    return None


def version(_: Call) -> None:
    return None
