# SPDX-License-Identifier: Apache-2.0
"""Rules by OpenStack's names, decided in the action on facts from the database (never on keys of a request's body).
A refusal names the rule, what it needs and what the caller has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from virga.ground.errors import Forbidden
from virga.ground.http.call import Actor, Call


@dataclass(frozen=True)
class Facts:
    """What a rule may look at besides the actor: whose thing it is."""

    project_id: str | None = None
    user_id: str | None = None
    domain_id: str | None = None


@dataclass(frozen=True)
class Check:
    """A decision and how to say it in words; `|` is either, `&` both."""

    text: str
    holds: Callable[[Actor, Facts], bool]

    def __or__(self, other: Check) -> Check:
        return Check(f"{self.text} or {other.text}", lambda a, f: self.holds(a, f) or other.holds(a, f))

    def __and__(self, other: Check) -> Check:
        return Check(f"{self.text} and {other.text}", lambda a, f: self.holds(a, f) and other.holds(a, f))


def role(name: str) -> Check:
    return Check(f"role {name}", lambda a, _: name in a.roles)


def _in_project(a: Actor, f: Facts) -> bool:
    return a.project_id is not None and a.project_id == f.project_id


ADMIN = Check("role admin", lambda a, _: "admin" in a.roles)
SERVICE = Check("role service", lambda a, _: "service" in a.roles)
IN_PROJECT = Check("a token of the project", _in_project)
SCOPED = Check("a token of a project", lambda a, _: a.project_id is not None)
SELF = Check("to be the user", lambda a, f: bool(a.user_id) and a.user_id == f.user_id)
ANYBODY = Check("a token", lambda a, _: bool(a.user_id))
READ_ALL = ADMIN | Check("role reader on the system", lambda a, _: a.system and "reader" in a.roles)
READER = ADMIN | (role("reader") & IN_PROJECT)
MEMBER = ADMIN | (role("member") & IN_PROJECT)


@dataclass(frozen=True)
class Rule:
    """One decision, by the name it has in OpenStack's policy files."""

    name: str
    check: Check
    text: str


def may(actor: Actor, rule: Rule, *, project_id: str | None = None, user_id: str | None = None, domain_id: str | None = None) -> bool:
    return rule.check.holds(actor, Facts(project_id, user_id, domain_id))


def allow(call: Call, rule: Rule, *, project_id: str | None = None, user_id: str | None = None, domain_id: str | None = None) -> None:
    """Raise Forbidden unless `rule` holds for the caller on these facts."""
    call.notes["rule"] = rule.name
    if not may(call.actor, rule, project_id=project_id, user_id=user_id, domain_id=domain_id):
        raise refusal(call.actor, rule)


def refusal(actor: Actor, rule: Rule) -> Forbidden:
    """The sentence a refused caller reads."""
    scope = (
        f"project {actor.project_id}"
        if actor.project_id
        else f"domain {actor.domain_id}"
        if actor.domain_id
        else "the system"
        if actor.system
        else "no scope"
    )
    have = ", ".join(sorted(actor.roles)) or "no role"
    return Forbidden(
        f"Policy doesn't allow {rule.name} to be performed: it needs {rule.check.text}; you have {have} on {scope}.",
        type="PolicyNotAuthorized",
        rule=rule.name,
    )


def is_admin(actor: Actor) -> bool:
    return "admin" in actor.roles
