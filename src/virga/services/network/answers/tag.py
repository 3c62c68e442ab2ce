# SPDX-License-Identifier: Apache-2.0
"""Tags as they are shown."""

from __future__ import annotations

from virga.ground.wire import Shape


class TagsAnswer(Shape):
    tags: list[str]
