# SPDX-License-Identifier: Apache-2.0
"""Pages of names as SQL."""

from __future__ import annotations

from typing import Any


def bounds(column: Any, after: str, from_: str, before: str, prefix: str) -> list[Any]:
    where = []
    if after:
        where.append(column > after)
    if from_:
        where.append(column >= from_)
    if before:
        where.append(column < before)
    if prefix:
        where.append(column >= prefix)
        end = beyond(prefix)
        if end is not None:
            where.append(column < end)
    return where


def beyond(prefix: str) -> str | None:
    """The least string above everything that begins with `prefix`."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            up = last + 1
            return prefix[:-1] + chr(0xE000 if 0xD800 <= up <= 0xDFFF else up)
        prefix = prefix[:-1]
    return None
