# SPDX-License-Identifier: Apache-2.0
"""Roles by the OS-KSADM extension."""

from __future__ import annotations

from virga.ground.act import Act
from virga.ground.http.call import Call
from virga.services.identity import model
from virga.services.identity import wire as v3
from virga.services.identity.actions import roles
from virga.services.identity.v2 import wire
from virga.services.identity.v2.adapter import as_v3


def index(call: Call) -> list[model.Role]:
    """GET /v2.0/OS-KSADM/roles: the global ones."""
    return roles.index(as_v3(call)).items


def show(act: Act, id: str) -> model.Role:
    """GET /v2.0/OS-KSADM/roles/{id}"""
    return roles.show(act, id)


def create(act: Act, body: wire.WriteRole) -> model.Role:
    """POST /v2.0/OS-KSADM/roles"""
    return roles.create(act, v3.CreateRole(name=body.name, extra=body.extra))


def delete(act: Act, id: str) -> None:
    """DELETE /v2.0/OS-KSADM/roles/{id}"""
    roles.delete(act, id)
