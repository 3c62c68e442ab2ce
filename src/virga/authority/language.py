# SPDX-License-Identifier: Apache-2.0
"""oslo.policy's rule language (oslo.policy, "Policy Rule Expressions"), read into Checks: `and`, `or`, `not`, brackets, `role:x`,
`rule:x`, `@`, `!`, and `key:value`, where `%(name)s` in the value is a fact about the target. `http:` rules and plug-ins are refused:
a decision never waits for a network."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from virga.authority.rules import NO, YES, Check, Facts, role
from virga.ground.act import Actor

TOKEN = re.compile(r"""\(|\)|(?:"[^"]*"|'[^']*'|%\([^)]*\)s|[^\s()"'])+""")
TARGET = re.compile(r"%\(([^)]*)\)s\Z")
MAX_DEPTH = 32


class LanguageError(ValueError):
    """The expression is not one of the language's; the message shows where."""


def parse(text: Any, names: Mapping[str, Any], depth: int = 0) -> Check:
    """The Check of an expression; `names` holds the expressions of the rules that `rule:x` may name. Raises LanguageError."""
    if depth > MAX_DEPTH:
        raise LanguageError("rules name each other in a circle")
    if isinstance(text, list):
        return _lists(text, names, depth)
    if not isinstance(text, str):
        raise LanguageError(f"{text!r} is not an expression")
    if not text.strip():
        return YES
    check, rest = _either(TOKEN.findall(text), names, depth)
    if rest:
        raise LanguageError(f"'{' '.join(rest)}' is left over in '{text}'")
    return check


def _lists(rows: list[Any], names: Mapping[str, Any], depth: int) -> Check:
    """The old form: a list is `or`, a list in it is `and`."""
    if not rows:
        return YES
    out: Check | None = None
    for row in rows:
        both: Check | None = None
        for each in row if isinstance(row, list) else [row]:
            one = parse(each, names, depth)
            both = one if both is None else both & one
        if both is not None:
            out = both if out is None else out | both
    return out or NO


def _either(tokens: list[str], names: Mapping[str, Any], depth: int) -> tuple[Check, list[str]]:
    left, tokens = _both(tokens, names, depth)
    while tokens and tokens[0].lower() == "or":
        right, tokens = _both(tokens[1:], names, depth)
        left = left | right
    return left, tokens


def _both(tokens: list[str], names: Mapping[str, Any], depth: int) -> tuple[Check, list[str]]:
    left, tokens = _one(tokens, names, depth)
    while tokens and tokens[0].lower() == "and":
        right, tokens = _one(tokens[1:], names, depth)
        left = left & right
    return left, tokens


def _one(tokens: list[str], names: Mapping[str, Any], depth: int) -> tuple[Check, list[str]]:
    if not tokens:
        raise LanguageError("the expression ends where a check should be")
    if depth > MAX_DEPTH:
        raise LanguageError("brackets are nested too deep")
    first, rest = tokens[0], tokens[1:]
    if first == "(":
        inner, rest = _either(rest, names, depth + 1)
        if not rest or rest[0] != ")":
            raise LanguageError("a bracket is not closed")
        return inner, rest[1:]
    if first.lower() == "not":
        inner, rest = _one(rest, names, depth + 1)
        return ~inner, rest
    return _atom(first, names, depth), rest


def _atom(text: str, names: Mapping[str, Any], depth: int) -> Check:
    if text == "@":
        return YES
    if text == "!":
        return NO
    kind, colon, match = text.partition(":")
    if not colon or text in {"and", "or", ")"}:
        raise LanguageError(f"'{text}' is not a check: it has the form kind:value")
    if kind == "rule":
        if match not in names:
            raise LanguageError(f"there is no rule '{match}'")
        return parse(names[match], names, depth + 1)
    if kind in {"http", "https", "field"}:
        raise LanguageError(f"checks of the kind '{kind}:' are not taken")
    if kind == "role":
        named = TARGET.fullmatch(match)
        if named is None:
            return role(match.lower())
        wanted = _fact(named[1])
        return Check(f"the role {match}", lambda a, f: str(wanted(f)).lower() in a.roles, text)
    return _compare(text, kind, match)


def _compare(text: str, kind: str, match: str) -> Check:
    named = TARGET.fullmatch(match)
    if "%(" in match and named is None:
        raise LanguageError(f"'{match}' mixes text and facts")
    right: Callable[[Facts], Any] = _fact(named[1]) if named is not None else (lambda _: match)
    words = WORDS.get(text, text)
    try:
        literal = str(ast.literal_eval(kind))
    except (ValueError, SyntaxError):
        left = CREDS.get(kind)
        if left is None:
            return Check(words, lambda a, f: False, text)
        get = left
        if named is None:
            return Check(words, lambda a, f: str(get(a)) == match, text)
        return Check(words, lambda a, f: (mine := get(a)) is not None and _same(mine, right(f)), text)
    return Check(words, lambda a, f: _same(literal, right(f)), text)


ABSENT = object()


def _same(left: Any, right: Any) -> bool:
    return right is not ABSENT and str(left) == str(right)


def _fact(name: str) -> Callable[[Facts], Any]:
    """The fact `name` of a target; ABSENT when nothing is known of it. The services' three facts go by all of their usual names."""
    known = FACTS.get(name)

    def find(facts: Facts) -> Any:
        if facts.more is not None and name in facts.more:
            return facts.more[name]
        if known is not None:
            value = known(facts)
            return ABSENT if value is None else value
        if facts.chosen is not None and name in facts.chosen and not name.startswith("target."):
            return facts.chosen[name]
        return ABSENT

    return find


FACTS: dict[str, Callable[[Facts], Any]] = {
    **dict.fromkeys(
        ("project_id", "tenant_id", "owner", "target.project.id", "target.project_id"), lambda f: f.project_id
    ),
    **dict.fromkeys(("user_id", "target.user.id", "target.user_id"), lambda f: f.user_id),
    **dict.fromkeys(("domain_id", "target.domain.id", "target.domain_id"), lambda f: f.domain_id),
}
CREDS: dict[str, Callable[[Actor], Any]] = {
    **dict.fromkeys(("user_id", "token.user.id"), lambda a: a.user_id),
    **dict.fromkeys(("project_id", "tenant_id", "tenant", "token.project.id"), lambda a: a.project_id),
    **dict.fromkeys(("domain_id", "token.domain.id"), lambda a: a.domain_id),
    **dict.fromkeys(("user_domain_id", "token.user.domain.id"), lambda a: a.user_domain_id),
    **dict.fromkeys(("project_domain_id", "token.project.domain.id"), lambda a: a.project_domain_id),
    "system_scope": lambda a: "all" if a.system else None,
    "is_admin": lambda a: False,
    "is_admin_project": lambda a: True,
    "user_name": lambda a: a.user_name,
    "trust_id": lambda a: a.trust_id,
}
WORDS = {
    "system_scope:all": "a token of the system",
    "project_id:%(project_id)s": "a token of the project",
    "project_id:%(target.project.id)s": "a token of the project",
    "user_id:%(user_id)s": "to be the user",
    "user_id:%(target.user.id)s": "to be the user",
    "user_id:%(target.token.user_id)s": "to be the token's user",
    "user_id:%(target.credential.user_id)s": "to own the credential",
    "user_id:%(target.trust.trustor_user_id)s": "to be the trustor",
    "user_id:%(target.trust.trustee_user_id)s": "to be the trustee",
    "domain_id:%(target.domain_id)s": "a token of the domain",
    "domain_id:%(target.domain.id)s": "a token of the domain",
    "token.domain.id:%(target.domain.id)s": "a token of the domain",
    "token.project.domain.id:%(target.domain.id)s": "a token of a project in the domain",
    "domain_id:%(target.user.domain_id)s": "a token of the user's domain",
    "token.domain.id:%(target.user.domain_id)s": "a token of the user's domain",
    "domain_id:%(target.group.domain_id)s": "a token of the group's domain",
    "domain_id:%(target.project.domain_id)s": "a token of the project's domain",
}
