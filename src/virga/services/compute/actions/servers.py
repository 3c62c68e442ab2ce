# SPDX-License-Identifier: Apache-2.0
"""A server shown, changed and deleted. An action writes intent and answers; sagas do the rest."""

from __future__ import annotations

from virga.authority.rules import Rule, allow
from virga.ground.act import Act
from virga.ground.errors import Conflict
from virga.ground.sagas import start as start_saga
from virga.ground.wire import UNSET
from virga.services.compute import model, policy, store, wire
from virga.services.compute.actions import neighbours, server_addresses, server_lookup
from virga.services.compute.actions.neighbours import Neighbours


def show(act: Act, id: str) -> tuple[model.Server, Neighbours]:
    """GET /servers/{id}"""
    server = server_lookup.readable(act, id, policy.SERVERS_SHOW)
    return server, neighbours.of(act.tx, [server])


def update(act: Act, id: str, body: wire.UpdateServer) -> tuple[model.Server, Neighbours]:
    """PUT /servers/{id}"""
    server_lookup.changeable(act, id, policy.SERVERS_UPDATE)
    names = {
        "name": "name",
        "accessIPv4": "access_v4",
        "accessIPv6": "access_v6",
        "disk_config": "disk_config",
        "description": "description",
        "hostname": "hostname",
    }
    change = {column: v for name, column in names.items() if (v := getattr(body, name)) is not UNSET}
    for text, version in ((change.get("access_v4", ""), 4), (change.get("access_v6", ""), 6)):
        server_addresses.check_address(text, version)
    if "name" in change:
        change["name"] = change["name"].strip()
    store.SERVERS.put(act.tx, id, **change, updated=act.now())
    server = server_lookup.found(act, id)
    return server, neighbours.of(act.tx, [server])


def delete(act: Act, id: str) -> None:
    """DELETE /servers/{id}: from every state; what runs on the server is superseded."""
    _delete(act, id, policy.SERVERS_DELETE)


def force_delete(act: Act, id: str) -> None:
    """forceDelete: nothing is ever kept back here, so it is the same as a delete."""
    _delete(act, id, policy.SERVERS_FORCE_DELETE)


def _delete(act: Act, id: str, rule: Rule) -> None:
    server = server_lookup.changeable(act, id, rule)
    if server.task_state == "deleting":
        return
    now = act.now()
    saga = start_saga(
        act.tx,
        act.registry,
        "compute.delete_server",
        {"server": id},
        exclusive=f"server:{id}",
        supersede=True,
        request_id=act.request_id,
    )
    store.begin(act.tx, server, "delete", act.request_id, act.actor.user_id, now)
    store.SERVERS.put(act.tx, id, task_state="deleting", saga_id=saga, updated=now)


def reset_state(act: Act, id: str, body: wire.ResetState) -> None:
    """os-resetState, for administrators: never needed here, kept for their scripts. Raises Conflict."""
    allow(act, policy.SERVERS_RESET)
    server = server_lookup.changing(act, id)
    if server.task_state is not None:
        raise Conflict(
            f"Instance {id} is in task_state {server.task_state}, which ends by itself; delete works at any time."
        )
    store.SERVERS.put(act.tx, id, vm_state=body.state, updated=act.now())
