# SPDX-License-Identifier: Apache-2.0
"""Objects' rules. Swift has no names for them; ours say what they guard."""

from __future__ import annotations

from collections.abc import Sequence

from virga.authority.rules import IN_PROJECT, Rule, role
from virga.ground.http.call import Actor

OPERATORS = frozenset({"admin", "manager", "member", "swiftoperator"})
_OPERATOR = role("member") | role("manager") | role("admin") | role("swiftoperator")
RESELLER = role("reselleradmin")

READ = Rule("objects:read", RESELLER | ((_OPERATOR | role("reader")) & IN_PROJECT), "Read accounts, containers, objects")
WRITE = Rule("objects:write", RESELLER | (_OPERATOR & IN_PROJECT), "Change accounts, containers, objects")
MANAGE_ACCOUNT = Rule("objects:manage_account", RESELLER, "Create and delete accounts, set their quotas")


def operator(actor: Actor) -> bool:
    return not OPERATORS.isdisjoint(actor.roles)


def reader(actor: Actor) -> bool:
    return "reader" in actor.roles


def reseller(actor: Actor, roles: Sequence[str]) -> bool:
    """May do everything in every account: the reseller roles, and the administrator of the system. An actor's roles are in small
    letters."""
    return not actor.roles.isdisjoint(r.lower() for r in roles) or (actor.system and "admin" in actor.roles)
