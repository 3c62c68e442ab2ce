# SPDX-License-Identifier: Apache-2.0
"""Access lists of containers and accounts. Grammar: `.r:host`, `.r:.domain`, `.r:-host`, `.r:*`, `.rlistings`,
`project:user` by id or name with `*` for either, and role names; elements are parted by commas, of which empty ones do not count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from virga.ground.errors import Invalid

REFERRER = (".r", ".ref", ".referer", ".referrer")


def clean(name: str, value: str) -> str:
    """The list in its one spelling. Raises Invalid, naming the element, for what nobody could mean."""
    out = []
    for raw in value.split(","):
        element = raw.strip()
        if not element:
            continue
        if ":" not in element:
            if element.startswith(".") and element != ".rlistings":
                raise Invalid(f"Unknown designator {element!r} in ACL: {value!r}", field=name)
            out.append(element)
            continue
        first, _, second = element.partition(":")
        first, second = first.strip(), second.strip()
        if not first or not first.startswith("."):
            out.append(element)
        elif first in REFERRER:
            if "write" in name.lower():
                raise Invalid(f"Referrers not allowed in write ACL: {element!r}", field=name)
            negate = second.startswith("-")
            host = second[1:].strip() if negate else second
            if host != "*" and host.startswith("*"):
                host = host[1:].strip()
            if not host or host == ".":
                raise Invalid(f"No host/domain value after referrer designation in ACL: {element!r}", field=name)
            out.append(f".r:{'-' if negate else ''}{host}")
        else:
            raise Invalid(f"Unknown designator {first!r} in ACL: {element!r}", field=name)
    return ",".join(out)


def parse(text: str | None) -> tuple[list[str], list[str]]:
    """(referrers, groups) of a clean list."""
    referrers, groups = [], []
    for element in (text or "").split(","):
        element = element.strip()
        if element.startswith(".r:"):
            referrers.append(element[3:])
        elif element:
            groups.append(unquote(element))
    return referrers, groups


def referrer_allowed(referrer: str | None, allowed: Iterable[str]) -> bool:
    """Whether a page at `referrer` may use the container; the last element that fits decides."""
    ok = False
    try:
        host = (urlsplit(referrer).hostname or "unknown") if referrer else "unknown"
    except ValueError:
        host = "unknown"
    for rule in allowed:
        if rule.startswith("-"):
            what = rule[1:]
            if what == host or (what.startswith(".") and host.endswith(what)):
                ok = False
        elif rule in {"*", host} or (rule.startswith(".") and host.endswith(rule)):
            ok = True
    return ok


@dataclass(frozen=True, slots=True)
class Who:
    """The names under which a caller may stand in a list."""

    user_id: str
    user_name: str
    project_id: str
    project_name: str
    roles: frozenset[str]
    names_count: bool
    """Whether names are unique enough to be believed: only in the default domain."""


def listed(who: Who | None, groups: Iterable[str], *, names: bool = True, roles: bool = False) -> bool:
    """Whether one of the elements names the caller. `names`: whether names of projects and users may stand for their ids; `roles`:
    whether a role's name counts, as it does for those who came with a token of the account's own project."""
    if who is None:
        return False
    by_name = names and who.names_count
    users = {who.user_id, "*"} | ({who.user_name} if by_name else set())
    projects = {who.project_id, "*"} | ({who.project_name} if by_name else set())
    users.discard("")
    projects.discard("")
    held = {r.lower() for r in who.roles} if roles else set()
    for element in groups:
        project, colon, user = element.partition(":")
        if colon:
            if project in projects and user in users:
                return True
        elif not element.startswith(".") and element.lower() in held:
            return True
    return False


def account_access(text: str) -> dict[str, list[str]]:
    """X-Account-Access-Control: `{"admin": […], "read-write": […], "read-only": […]}`. Raises Invalid."""
    try:
        value: Any = msgspec.json.decode(text) if text.strip() else {}
    except (msgspec.DecodeError, RecursionError):
        raise Invalid("X-Account-Access-Control is not JSON", field="X-Account-Access-Control") from None
    if not isinstance(value, dict):
        raise Invalid("X-Account-Access-Control is not a JSON object", field="X-Account-Access-Control")
    for key, names in value.items():
        if key not in {"admin", "read-write", "read-only"}:
            raise Invalid(
                f"Key {key[:64]!r} not recognized in X-Account-Access-Control", field="X-Account-Access-Control"
            )
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise Invalid(
                f"Value of {key!r} must be a list of strings in X-Account-Access-Control",
                field="X-Account-Access-Control",
            )
    return value


def account_grant(
    who: Who | None, access: Mapping[str, list[str]], *, names: bool = True, roles: bool = False
) -> str | None:
    """The widest of admin, read-write, read-only that the account's list gives."""
    for level in ("admin", "read-write", "read-only"):
        if listed(who, access.get(level, ()), names=names, roles=roles):
            return level
    return None
