# SPDX-License-Identifier: Apache-2.0
"""Who holds a lease: `host:pid`, so that a restart on the same machine need not wait for a dead process's lease to run out."""

from __future__ import annotations

import os


def alive(owner: str, me: str) -> bool:
    """A holder on this very machine whose process is gone holds nothing: a restart need not wait for the lease."""
    host, _, pid = owner.rpartition(":")
    if host != me.rpartition(":")[0]:
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
