# SPDX-License-Identifier: Apache-2.0
"""The version document."""

from __future__ import annotations

from virga.ground.http.call import Call


def show(call: Call) -> None:
    """GET /"""
