# SPDX-License-Identifier: Apache-2.0
"""The version document."""

from __future__ import annotations

from virga.ground.act import Act


def show(act: Act) -> None:
    """GET /"""
