# SPDX-License-Identifier: Apache-2.0
"""Times that callers write in bodies and queries of the Identity API: ISO 8601, in UTC unless they say otherwise."""

from __future__ import annotations

import datetime as dt

from virga.ground.errors import Invalid


def moment(text: str, field: str) -> float:
    """Seconds since the epoch. Raises Invalid, naming the field."""
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"Invalid input for field '{field}': '{text[:64]}' is not a time of the form 2026-01-31T12:00:00.000000Z",
            field=field,
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=dt.UTC)
    return when.timestamp()
