# SPDX-License-Identifier: Apache-2.0
"""v3's rows of users and groups with the directory in front."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from virga.ground.http.table import Route
from virga.services.identity.actions import groups, users
from virga.services.identity.directories import actions

IN_FRONT: dict[Callable[..., Any], Callable[..., Any]] = {
    users.create: actions.create_user,
    users.update: actions.update_user,
    users.delete: actions.delete_user,
    users.change_password: actions.change_password,
    groups.create: actions.create_group,
    groups.update: actions.update_group,
    groups.delete: actions.delete_group,
    groups.add: actions.add,
    groups.remove: actions.remove,
}


def fronted(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The same rows; those that write users and groups open their own transactions, after the directory has answered."""
    return tuple(replace(r, action=IN_FRONT[r.action], tx="none") if r.action in IN_FRONT else r for r in routes)
