# SPDX-License-Identifier: Apache-2.0
"""Rules by OpenStack's names, decided in the action on facts from the database (never on keys of a request's body).
A refusal names the rule, what it needs and what the caller has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from virga.ground.act import Act, Actor
from virga.ground.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule may look at besides the actor: whose thing it is. `more` holds facts by their names in policy files
    (`target.user.domain_id`). `chosen` are what tenants call as they like (properties of images): looked at only for names that are no
    fact's, so that nobody gives a thing another owner by a word in it."""

    project_id: str | None = None
    user_id: str | None = None
    domain_id: str | None = None
    more: Mapping[str, Any] | None = None
    chosen: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Check:
    """A decision, how to say it in words, and how a policy file would write it; `|` is either, `&` both, `~` not."""

    text: str
    holds: Callable[[Actor, Facts], bool]
    source: str = ""

    def __or__(self, other: Check) -> Check:
        mine, theirs = self.holds, other.holds
        text = self.text if self.text == other.text else f"{self.text} or {other.text}"
        return Check(text, lambda a, f: mine(a, f) or theirs(a, f), f"{self.source} or {other.source}")

    def __and__(self, other: Check) -> Check:
        mine, theirs = self.holds, other.holds
        text = " and ".join(f"({t})" if " or " in t else t for t in (self.text, other.text))
        source = " and ".join(f"({c.source})" if " or " in c.source else c.source for c in (self, other))
        return Check(text, lambda a, f: mine(a, f) and theirs(a, f), source)

    def __invert__(self) -> Check:
        mine = self.holds
        return Check(f"not ({self.text})", lambda a, f: not mine(a, f), f"not ({self.source})")


def role(name: str) -> Check:
    return Check(f"role {name}", lambda a, _: name in a.roles, f"role:{name}")


def _in_project(a: Actor, f: Facts) -> bool:
    return a.project_id is not None and a.project_id == f.project_id


YES = Check("a token", lambda a, f: True, "@")
NO = Check("what nobody has", lambda a, f: False, "!")
ADMIN = role("admin")
SERVICE = role("service")
IN_PROJECT = Check("a token of the project", _in_project, "project_id:%(project_id)s")
SCOPED = Check("a token of a project", lambda a, _: a.project_id is not None, "not project_id:None")
SELF = Check("to be the user", lambda a, f: bool(a.user_id) and a.user_id == f.user_id, "user_id:%(user_id)s")
ANYBODY = Check("a token", lambda a, _: bool(a.user_id), "@")
ON_SYSTEM = Check("a token of the system", lambda a, _: a.system, "system_scope:all")
READ_ALL = ADMIN | (role("reader") & ON_SYSTEM)
READER = ADMIN | (role("reader") & IN_PROJECT)
MEMBER = ADMIN | (role("member") & IN_PROJECT)
REGISTRY: dict[str, Rule] = {}
"""Every rule of the program by its name, for policy files and for the matrix."""


@dataclass(frozen=True)
class Rule:
    """One decision, by the name it has in OpenStack's policy files. `scopes`: the kinds of token it may be made for (`system`,
    `domain`, `project`; an unscoped token counts as a project's); none means all."""

    name: str
    check: Check
    text: str
    scopes: tuple[str, ...] = ()
    source: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """`source` is the rule as a policy file would say it, `names` what the rules are that it names."""
        if not self.source:
            object.__setattr__(self, "source", self.check.source)
        REGISTRY[self.name] = self


def may(
    actor: Actor,
    rule: Rule,
    *,
    project_id: str | None = None,
    user_id: str | None = None,
    domain_id: str | None = None,
    target: Mapping[str, Any] | None = None,
    chosen: Mapping[str, Any] | None = None,
) -> bool:
    """Whether `rule`, as the operator's policy file or else the program has it, holds for the actor on these facts."""
    if rule.scopes and scope_of(actor) not in rule.scopes:
        return False
    check = actor.overrides.get(rule.name) or rule.check
    return check.holds(actor, Facts(project_id, user_id, domain_id, target, chosen))


def scope_of(actor: Actor) -> str:
    return "system" if actor.system else "domain" if actor.domain_id is not None else "project"


def allow(
    act: Act,
    rule: Rule,
    *,
    project_id: str | None = None,
    user_id: str | None = None,
    domain_id: str | None = None,
    target: Mapping[str, Any] | None = None,
    chosen: Mapping[str, Any] | None = None,
) -> None:
    """Raise Forbidden unless `rule` holds for the caller on these facts."""
    act.notes["rule"] = rule.name
    if not may(
        act.actor,
        rule,
        project_id=project_id,
        user_id=user_id,
        domain_id=domain_id,
        target=target,
        chosen=chosen,
    ):
        raise refusal(act.actor, rule)


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
    needs = (actor.overrides.get(rule.name) or rule.check).text
    if rule.scopes and scope_of(actor) not in rule.scopes:
        needs = f"a token scoped to {' or '.join(rule.scopes)}"
    return Forbidden(
        f"Policy doesn't allow {rule.name} to be performed: it needs {needs}; you have {have} on {scope}.",
        type="PolicyNotAuthorized",
        rule=rule.name,
    )


def is_admin(actor: Actor) -> bool:
    return "admin" in actor.roles
