# SPDX-License-Identifier: Apache-2.0
"""Tags on the wire."""

from __future__ import annotations

from typing import Annotated

from virga.ground.wire import Meta
from virga.services.network.wire.shapes import Wire


class Tags(Wire):
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=255)]], Meta(max_length=50)]
