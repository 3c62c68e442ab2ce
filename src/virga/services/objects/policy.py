# SPDX-License-Identifier: Apache-2.0
"""Objects' rules. Swift has no names for them; ours say what they guard. The fact `reseller` of a target says whether the caller has one
of `objects.reseller_roles`, so that a policy file can ask it too: `True:%(reseller)s`."""

from __future__ import annotations

from collections.abc import Sequence

from virga.authority import rules
from virga.authority.rules import ADMIN, IN_PROJECT, ON_SYSTEM, Check, Rule, role
from virga.ground.act import NOBODY, Actor
from virga.services.objects import model

_OPERATOR = role("member") | role("manager") | ADMIN | role("swiftoperator")
RESELLER = Check("a reseller role", lambda _, f: bool(f.more and f.more.get("reseller")), "True:%(reseller)s") | (
    ADMIN & ON_SYSTEM
)

READ = Rule(
    "objects:read", RESELLER | ((_OPERATOR | role("reader")) & IN_PROJECT), "Read accounts, containers, objects"
)
WRITE = Rule("objects:write", RESELLER | (_OPERATOR & IN_PROJECT), "Change accounts, containers, objects; make buckets")
ADMINISTER = Rule(
    "objects:administer",
    RESELLER | (_OPERATOR & IN_PROJECT),
    "See and set access lists, keys and bucket policies; versioning, old versions",
)
MANAGE_ACCOUNT = Rule("objects:manage_account", RESELLER, "Create and delete accounts, set their quotas")
STATUS = Rule("objects:status", RESELLER | ADMIN, "See the figures of housekeeping")


def holds(actor: Actor, rule: Rule, account: str, reseller_roles: Sequence[str]) -> bool:
    """Whether a rule, as the operator has it, holds for the caller on an account. Nobody is let in by a rule: that is what access
    lists are for. An actor's roles are in small letters."""
    if actor is NOBODY:
        return False
    reseller = not actor.roles.isdisjoint(r.lower() for r in reseller_roles)
    project = model.project_of(account) if account.startswith(model.PREFIX) else None
    return rules.may(actor, rule, project_id=project, target={"reseller": reseller})
