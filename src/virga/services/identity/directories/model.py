# SPDX-License-Identifier: Apache-2.0
"""What we remember of a directory's entry."""

from __future__ import annotations

import hashlib

from virga.ground.db.rows import Row


class Entry(Row, frozen=True):
    """A row of ours (`id`) and the user or group of a directory whose shadow it is. `gone` is since when the directory lacks it."""

    id: str
    domain_id: str
    kind: str
    local_id: str
    gone: float | None


def public_id(domain_id: str, kind: str, local_id: str) -> str:
    """The id of a directory's user or group here: the same that a Keystone with the same domain gives (its sha256 id generator), so
    that grants survive a move."""
    return hashlib.sha256(f"{domain_id}{kind}{local_id}".encode()).hexdigest()
