# SPDX-License-Identifier: Apache-2.0
"""A server as the caller may see it, read it, or change it."""

from __future__ import annotations

from virga.authority.rules import Rule, allow, is_admin
from virga.ground.act import Act
from virga.ground.errors import Conflict, NotFound
from virga.services.compute import model, store


def found(act: Act, id: str) -> model.Server:
    """Raises NotFound for a server that there is not, or of another project unless the caller is an administrator."""
    server = store.seen(act.tx, id, act.actor.project_id, is_admin(act.actor))
    if server is None:
        raise NotFound(f"Instance {id[:64]} could not be found.")
    return server


def changing(act: Act, id: str) -> model.Server:
    """The server as it is until this transaction ends: what is changed by what was read is changed by one request at a time."""
    act.tx.hold(f"changed:{id}")
    return found(act, id)


def readable(act: Act, id: str, rule: Rule) -> model.Server:
    """The server, to be read by `rule`. Raises NotFound, or Forbidden."""
    server = found(act, id)
    allow(act, rule, project_id=server.project_id)
    return server


def changeable(act: Act, id: str, rule: Rule) -> model.Server:
    """The server, to be changed by `rule`, as it is until this transaction ends. Raises NotFound, Forbidden, or Conflict when it is
    locked against its owner."""
    server = changing(act, id)
    allow(act, rule, project_id=server.project_id)
    if server.locked and not is_admin(act.actor):
        raise Conflict(f"Instance {id} is locked" + (f": {server.locked_reason}" if server.locked_reason else ""))
    return server
