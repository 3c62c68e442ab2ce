# SPDX-License-Identifier: Apache-2.0
"""Servers are shown as their machines are: one that its guest switched off is stopped, one that came up by itself runs."""

from __future__ import annotations

from virga.ground.db.engine import Tx
from virga.services.compute import model, store

POWER = {"running": model.RUNNING, "paused": model.RUNNING, "stopped": model.SHUTDOWN, "crashed": model.SHUTDOWN}


def settle(tx: Tx, now: float, server_id: str) -> int:
    """Show the server as its machine was last reported, unless a saga is at it or its node has not done yet what is wanted. Gives how many
    rows changed: 0 or 1."""
    machine = store.MACHINES.by(tx, server_id=server_id, role=model.RUN)
    if machine is None or machine.seen != machine.generation or not machine.reported:
        return 0
    server = store.SERVERS.get(tx, server_id)
    if server is None or server.task_state is not None or server.vm_state not in {model.ACTIVE, model.STOPPED}:
        return 0
    power = POWER.get(machine.power or "stopped", model.NOSTATE)
    state = model.ACTIVE if power == model.RUNNING else model.STOPPED
    if (server.power_state, server.vm_state) == (power, state):
        return 0
    return store.SERVERS.change(
        tx,
        store.c.id == server.id,
        store.c.task_state.is_(None),
        vm_state=state,
        power_state=power,
        updated=now,
    )
