# SPDX-License-Identifier: Apache-2.0
"""The action log: what was done to a server, also to one that is gone."""

from __future__ import annotations

from virga.authority.rules import Rule, allow, is_admin
from virga.ground.act import Act
from virga.ground.errors import NotFound
from virga.services.compute import model, policy, store


def actions(act: Act, id: str) -> list[model.ActionRow]:
    """GET /servers/{id}/os-instance-actions, newest first; also of servers that are gone."""
    return _log(act, id, policy.ACTIONS)


def _log(act: Act, id: str, rule: Rule) -> list[model.ActionRow]:
    """Newest first. Raises NotFound for a server that never was, or of another project."""
    rows = store.ACTIONS.find(act.tx, store.ACTIONS.c.server_id == id, order=store.ACTIONS.c.id.desc())
    if not rows or (rows[0].project_id != act.actor.project_id and not is_admin(act.actor)):
        raise NotFound(f"Instance {id[:64]} could not be found.")
    allow(act, rule, project_id=rows[0].project_id)
    return rows


def action(act: Act, id: str, request_id: str) -> model.ActionRow:
    """GET /servers/{id}/os-instance-actions/{request_id}. Raises NotFound."""
    row = next((a for a in _log(act, id, policy.ACTION) if a.request_id == request_id), None)
    if row is None:
        raise NotFound(f"Action for request_id {request_id[:64]} on instance {id} not found")
    return row
