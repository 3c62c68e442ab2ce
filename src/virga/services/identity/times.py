# SPDX-License-Identifier: Apache-2.0
"""Times that callers write in bodies and queries of the Identity API: ISO 8601, in UTC unless they say otherwise."""

from __future__ import annotations

import datetime as dt

from virga.ground.errors import Invalid

EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC).timestamp()
LATEST = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC).timestamp()


def moment(text: str, field: str) -> float:
    """Seconds since the epoch. Raises Invalid, naming the field, for what is no time, and for one that could not be printed again:
    beyond the year 9999, or so near to its end that a float rounds it there."""
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"Invalid input for field '{field}': '{text[:64]}' is not a time of the form 2026-01-31T12:00:00.000000Z",
            field=field,
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=dt.UTC)
    try:
        seconds = when.timestamp()
    except (OverflowError, ValueError):
        seconds = LATEST + 1
    if not EARLIEST <= seconds <= LATEST:
        raise Invalid(f"Invalid input for field '{field}': '{text[:64]}' is out of range", field=field)
    return seconds
