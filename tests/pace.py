# SPDX-License-Identifier: Apache-2.0
"""How slow this machine is at this moment. Bounds in tests are seconds of a quiet machine of the kind that the figures were taken on; a
neighbour on the same core, or a slower one, stretches them, and only as much as it stretches a piece of work that is always the same."""

from __future__ import annotations

import json
import time

REFERENCE = 0.0022
"""Seconds of the piece of work below on a quiet machine."""
_DOCUMENT = json.dumps([{"name": f"n{n}", "tags": ["a", "b"], "size": n} for n in range(300)])


def slowness() -> float:
    """1.0 on a quiet machine, 2.0 where the same work takes twice the processor time; never less than 1."""
    best = 1e9
    for _ in range(3):
        began = time.thread_time()
        for each in json.loads(_DOCUMENT) * 4:
            sorted(f"{k}={v}" for k, v in each.items())
        best = min(best, time.thread_time() - began)
    return max(1.0, best / REFERENCE)
