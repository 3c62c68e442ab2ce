# SPDX-License-Identifier: Apache-2.0
"""What things may be called (Nova's format `name`)."""

from __future__ import annotations

from virga.ground.errors import Invalid


def printable(text: str) -> str:
    """`text`. Raises Invalid for characters that are not printed, and for white space at an end."""
    if text != text.strip() or not text.strip() or not text.isprintable():
        raise Invalid(
            "Invalid input for field 'name': printable characters are needed, without white space at the beginning or end",
            field="name",
        )
    return text
