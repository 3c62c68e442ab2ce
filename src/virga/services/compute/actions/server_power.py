# SPDX-License-Identifier: Apache-2.0
"""Start, stop and reboot a server."""

from __future__ import annotations

from virga.authority.rules import Rule
from virga.ground.act import Act
from virga.ground.errors import Conflict
from virga.ground.sagas import start as start_saga
from virga.services.compute import model, policy, store, wire
from virga.services.compute.actions import server_lookup


def _power(act: Act, id: str, verb: str, rule: Rule, action: str) -> None:
    """`verb` of `model.VERBS`, which the API calls `action`. Raises Conflict for a server that does not take it now."""
    server = server_lookup.changeable(act, id, rule)
    states, task, _ = model.VERBS[verb]
    if server.vm_state not in states or server.task_state is not None or server.host is None:
        what = f"task_state {server.task_state}" if server.task_state is not None else f"vm_state {server.vm_state}"
        why = (
            ""
            if server.host is not None
            else " and on no host: " + ((server.fault or {}).get("message") or "it was never built")
        )
        raise Conflict(f"Cannot '{action}' instance {id} while it is in {what}{why}")
    now = act.now()
    saga = start_saga(
        act.tx,
        act.registry,
        "compute.change_power",
        {"server": id, "verb": verb},
        exclusive=f"server:{id}",
        request_id=act.request_id,
    )
    store.begin(act.tx, server, action, act.request_id, act.actor.user_id, now)
    store.SERVERS.put(act.tx, id, task_state=task, saga_id=saga, updated=now)


def start(act: Act, id: str) -> None:
    """os-start"""
    _power(act, id, "start", policy.SERVERS_START, "start")


def stop(act: Act, id: str) -> None:
    """os-stop"""
    _power(act, id, "stop", policy.SERVERS_STOP, "stop")


def reboot(act: Act, id: str, body: wire.Reboot) -> None:
    """reboot, SOFT or HARD"""
    _power(act, id, f"reboot_{body.type.lower()}", policy.SERVERS_REBOOT, "reboot")
