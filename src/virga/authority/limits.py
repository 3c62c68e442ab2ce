# SPDX-License-Identifier: Apache-2.0
"""How much a project may have. Use is counted from the rows themselves inside the writing transaction: nothing is reserved, so
nothing drifts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from virga.authority import store
from virga.ground.db.engine import Tx
from virga.ground.errors import OverQuota


@dataclass(frozen=True)
class Limit:
    """`name` as the service's quota API says it; `default` -1 is no limit; `count(tx, project_id)` is the use right now."""

    service: str
    name: str
    default: int
    count: Callable[[Tx, str], int]


UNIFIED = {
    ("compute", "instances"): "servers",
    ("compute", "cores"): "class:VCPU",
    ("compute", "ram"): "class:MEMORY_MB",
    ("compute", "key_pairs"): "server_key_pairs",
}
"""What unified limits call a resource, where it is not the quota's own name (Nova, "Unified limits")."""


def value(tx: Tx, limit: Limit, project_id: str) -> int:
    """How much: the project's unified limit, or its quota, or the registered limit, or the default."""
    known = UNIFIED.get((limit.service, limit.name))
    mine, registered = store.unified(
        tx, project_id, limit.service, (limit.name,) if known is None else (limit.name, known)
    )
    if mine is not None:
        return mine
    own = store.limit(tx, project_id, limit.service, limit.name)
    if own is not None:
        return own
    return limit.default if registered is None else registered


def check(tx: Tx, project_id: str, wanted: dict[Limit, int]) -> None:
    """Raise OverQuota, with each limit that would be passed and its use, unless all of `wanted` fits. Serialises the project's
    other checks until this transaction ends, so that two requests never share the last unit."""
    tx.hold(f"quota:{project_id}")
    over = []
    for limit, more in wanted.items():
        most = value(tx, limit, project_id)
        if most < 0 or more <= 0:
            continue
        used = limit.count(tx, project_id)
        if used + more > most:
            over.append((limit.name, more, used, most))
    if over:
        names = ", ".join(name for name, *_ in over)
        requested = ", ".join(str(more) for _, more, _, _ in over)
        have = ", ".join(str(used) for _, _, used, _ in over)
        limits = ", ".join(str(most) for *_, most in over)
        raise OverQuota(
            f"Quota exceeded for {names}: Requested {requested}, but already used {have} of {limits} {names}",
            type="OverQuota",
            limits=[{"limit": n, "wanted": w, "used": u, "max": m} for n, w, u, m in over],
        )
