# SPDX-License-Identifier: Apache-2.0
"""Roles granted to users and groups on projects, domains and the system, and inherited ones. The target is looked at before the
decision, so that the rule sees its domain; who may not know whether it is there reads a refusal either way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virga.authority.rules import Rule, allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.db.rows import Rows, Where
from virga.ground.errors import NotFound
from virga.ground.http.call import Call
from virga.services.identity import model, policy, store
from virga.services.identity.actions import domains, groups, projects, roles, users
from virga.services.identity.tokens import Tokens

RULES = {
    "list": policy.LIST_GRANTS,
    "check": policy.CHECK_GRANT,
    "create": policy.CREATE_GRANT,
    "revoke": policy.REVOKE_GRANT,
}


class GrantTarget:
    """Where and to whom: `who` is `user` or `group`, `target` is `project`, `domain` or `system`."""

    def __init__(self, target: str, who: str, inherited: bool) -> None:
        self.target, self.who, self.inherited = target, who, inherited
        self.rows: Rows[Any] = store.GRANTS if who == "user" else store.GROUP_GRANTS
        self.actor: Any = self.rows.c[f"{who}_id"]

    def rule(self, verb: str) -> Rule:
        return policy.SYSTEM_GRANTS[(verb, self.who)] if self.target == "system" else RULES[verb]

    def allow(self, act: Act, verb: str, target_id: str, actor_id: str, role_id: str | None) -> None:
        """Decide on the facts that are there, then say what is not."""
        tx = act.tx
        who = (
            policy.on_user(store.USERS.get(tx, actor_id))
            if self.who == "user"
            else policy.on_group(store.GROUPS.get(tx, actor_id))
        )
        where = (
            policy.on_project(store.PROJECTS.get(tx, target_id))
            if self.target == "project"
            else policy.on_domain(target_id)
        )
        role = store.ROLES.get(tx, role_id) if role_id is not None else None
        facts = {**who, **({} if self.target == "system" else where), **policy.on_role(role)}
        allow(act, self.rule(verb), target=facts)

    def exist(self, tx: Tx, target_id: str, actor_id: str, role_id: str | None) -> None:
        if role_id is not None:
            roles.found(tx, role_id)
        if self.target == "project":
            projects.found(tx, target_id)
        elif self.target == "domain":
            domains.found(tx, target_id)
        (users.found if self.who == "user" else groups.found)(tx, actor_id)

    def where(self, target_id: str, actor_id: str, role_id: str | None = None) -> list[Where]:
        c = self.rows.c
        out = [
            self.actor == actor_id,
            c.target == self.target,
            c.target_id == target_id,
            c.inherited.is_(self.inherited),
        ]
        return out if role_id is None else [*out, c.role_id == role_id]

    def missing(self, target_id: str, actor_id: str, role_id: str) -> NotFound:
        return NotFound(
            f"Could not find role assignment with role: {role_id}, user or group: {actor_id}, project, domain, or system: {target_id}."
        )


def put(call: Call, target: GrantTarget, target_id: str, actor_id: str, role_id: str) -> None:
    """PUT …/roles/{role}"""
    target.allow(call, "create", target_id, actor_id, role_id)
    target.exist(call.tx, target_id, actor_id, role_id)
    role = roles.found(call.tx, role_id)
    roles.fits(call.tx, role, target.target, target_id)
    values = {f"{target.who}_id": actor_id}
    if store.once(
        call.tx,
        target.rows,
        role_id=role_id,
        target=target.target,
        target_id=target_id,
        inherited=target.inherited,
        **values,
    ):
        call.use(Tokens).bump_generation(call.tx)


def check(call: Call, target: GrantTarget, target_id: str, actor_id: str, role_id: str) -> None:
    """HEAD …/roles/{role}"""
    target.allow(call, "check", target_id, actor_id, role_id)
    target.exist(call.tx, target_id, actor_id, role_id)
    if target.rows.one(call.tx, *target.where(target_id, actor_id, role_id)) is None:
        raise target.missing(target_id, actor_id, role_id)


def take(call: Call, target: GrantTarget, target_id: str, actor_id: str, role_id: str) -> None:
    """DELETE …/roles/{role}: tokens lose it at once; a user's application credentials for the project end (as Keystone's do)."""
    target.allow(call, "revoke", target_id, actor_id, role_id)
    if not target.rows.delete(call.tx, *target.where(target_id, actor_id, role_id)):
        target.exist(call.tx, target_id, actor_id, role_id)
        raise target.missing(target_id, actor_id, role_id)
    if target.who == "user" and target.target == "project":
        c = store.APP_CREDENTIALS.c
        store.APP_CREDENTIALS.delete(call.tx, c.user_id == actor_id, c.project_id == target_id)
    call.use(Tokens).bump_generation(call.tx)


def of(call: Call, target: GrantTarget, target_id: str, actor_id: str) -> list[model.Role]:
    """GET …/roles"""
    target.allow(call, "list", target_id, actor_id, None)
    target.exist(call.tx, target_id, actor_id, None)
    ids = [g.role_id for g in target.rows.find(call.tx, *target.where(target_id, actor_id))]
    return store.ROLES.within(call.tx, "id", ids)


def at(target: str, who: str, way: Callable[..., object], inherited: bool = False) -> Callable[..., object]:
    """`way` for one kind of target and actor, with the parameters as the path has them."""
    grant_target = GrantTarget(target, who, inherited)

    def on_system(call: Call, actor_id: str, *role: str) -> object:
        return way(call, grant_target, "system", actor_id, *role)

    def on_target(call: Call, target_id: str, actor_id: str, *role: str) -> object:
        return way(call, grant_target, target_id, actor_id, *role)

    chosen = on_system if target == "system" else on_target
    chosen.__name__ = f"{way.__name__}_{who}_on_{target}{'_inherited' if inherited else ''}"
    chosen.__module__ = __name__
    return chosen
