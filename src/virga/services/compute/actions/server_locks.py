# SPDX-License-Identifier: Apache-2.0
"""Lock a server against its owner's slips, and unlock it."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.services.compute import model, policy, store, wire
from virga.services.compute.actions import server_lookup


def lock(act: Act, id: str, body: wire.Lock) -> None:
    """lock: its owner's slips no longer reach the server. Who locks a server of another project is an administrator, and that lock is
    not the owner's to change (API reference, "Lock Server")."""
    server = server_lookup.changing(act, id)
    allow(act, policy.SERVERS_LOCK, project_id=server.project_id)
    mine = server.project_id == act.actor.project_id
    if server.locked and mine:
        return
    store.SERVERS.put(
        act.tx,
        id,
        locked=True,
        locked_by=model.OWNER if mine else model.ADMIN,
        locked_reason=body.locked_reason if isinstance(body.locked_reason, str) else None,
        updated=act.now(),
    )


def unlock(act: Act, id: str) -> None:
    """unlock: a lock of the other kind than the caller would make needs `unlock_override`."""
    server = server_lookup.changing(act, id)
    allow(act, policy.SERVERS_UNLOCK, project_id=server.project_id)
    mine = model.OWNER if server.project_id == act.actor.project_id else model.ADMIN
    if server.locked_by not in (None, mine):
        allow(act, policy.SERVERS_UNLOCK_OVERRIDE, project_id=server.project_id)
    store.SERVERS.put(act.tx, id, locked=False, locked_by=None, locked_reason=None, updated=act.now())
