# SPDX-License-Identifier: Apache-2.0
"""Compute's API inside the program: what the composition root may ask."""

from __future__ import annotations

from typing import Any

from virga.ground.db.engine import Tx
from virga.services.compute import model, store

FLAVORS = (
    ("1", "m1.tiny", 1, 512, 1),
    ("2", "m1.small", 1, 2048, 20),
    ("3", "m1.medium", 2, 4096, 40),
    ("4", "m1.large", 4, 8192, 80),
    ("5", "m1.xlarge", 8, 16384, 160),
    ("42", "m1.nano", 1, 192, 1),
    ("84", "m1.micro", 1, 256, 1),
)


def first_flavors(tx: Tx, now: float) -> int:
    """The flavors that everyone's guide begins with, in a cloud that has none."""
    if store.FLAVORS.count(tx):
        return 0
    for id, name, vcpus, ram, disk in FLAVORS:
        store.FLAVORS.insert(
            tx,
            id=id,
            name=name,
            vcpus=vcpus,
            ram=ram,
            disk=disk,
            ephemeral=0,
            swap=0,
            rxtx_factor=1.0,
            is_public=True,
            description=None,
            extra_specs={},
            created=now,
        )
    return len(FLAVORS)


def host_of(tx: Tx, name: str, *, claimed: bool) -> str | None:
    """The id of the host of that name; with `claimed` also of one whose node says its id itself."""
    host = store.HOSTS.by(tx, name=name)
    return host.id if host is not None and (claimed or not host.claimed) else None


def hosts(tx: Tx, now: float) -> list[dict[str, Any]]:
    return [{"name": h.name, "up": not model.host_down(h, now), "enabled": h.enabled} for h in store.HOSTS.find(tx)]
