# SPDX-License-Identifier: Apache-2.0
"""Mapping rules: from what a provider says of a user to who that is here (keystone, "Mapping Combinations"). Pure.

An assertion is `{type: [values]}`. Values come as lists and are never split again, so that a user who may choose a name with a
semicolon in it does not choose a group by it. `{0}` in a local part is replaced by a remote value and by nothing else: no attribute,
no format, no literal of it is evaluated."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from virga.ground import typed
from virga.ground.errors import Invalid, Unauthorized

Assertion = Mapping[str, Sequence[str]]
VERSIONS = ("1.0", "2.0", "3.0")
MOST_VALUES, LONGEST = 1000, 4096
_place = re.compile(r"\{(\d{1,3})\}")


class _Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    pass


class DomainRef(_Strict):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class UserPart(_Strict):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET
    type: Literal["ephemeral", "local"] | UnsetType = UNSET


class GroupPart(_Strict):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET


class RolePart(_Strict):
    name: str


class ProjectPart(_Strict):
    name: str
    roles: list[RolePart]
    domain: DomainRef | UnsetType = UNSET


class Local(_Strict):
    user: UserPart | UnsetType = UNSET
    projects: list[ProjectPart] | UnsetType = UNSET
    projects_json: str | UnsetType = UNSET
    group: GroupPart | UnsetType = UNSET
    groups: str | UnsetType = UNSET
    group_ids: str | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET


class Remote(_Strict):
    type: Annotated[str, Meta(min_length=1, max_length=255)]
    any_one_of: list[str] | UnsetType = UNSET
    not_any_of: list[str] | UnsetType = UNSET
    blacklist: list[str] | UnsetType = UNSET
    whitelist: list[str] | UnsetType = UNSET
    regex: bool | UnsetType = UNSET


class Rule(_Strict):
    local: list[Local]
    remote: Annotated[list[Remote], Meta(min_length=1)]


Rules = Annotated[list[Rule], Meta(min_length=1, max_length=1000)]


class Who(msgspec.Struct, frozen=True):
    """What the rules made of a user. `groups` are (name, domain); `projects` are as the rules wrote them."""

    user: UserPart
    group_ids: tuple[str, ...] = ()
    groups: tuple[tuple[str, DomainRef], ...] = ()
    projects: tuple[ProjectPart, ...] = ()


def check(raw: Any, version: str) -> list[Rule]:
    """The rules as they are to be, or Invalid with the place that is wrong."""
    if version not in VERSIONS:
        raise Invalid(
            f"Invalid input for field 'schema_version': '{version[:16]}' is not one of {', '.join(VERSIONS)}",
            field="schema_version",
        )
    try:
        rules = typed.convert(raw, Rules)
    except msgspec.ValidationError as e:
        raise Invalid(f"Invalid input for field 'mapping.rules': {e}", field="rules") from None
    for n, rule in enumerate(rules):
        for m, remote in enumerate(rule.remote):
            _check_remote(remote, f"mapping.rules[{n}].remote[{m}]")
        for m, local in enumerate(rule.local):
            _check_local(local, f"mapping.rules[{n}].local[{m}]", version)
    return rules


def _check_remote(remote: Remote, at: str) -> None:
    kinds = [k for k in ("any_one_of", "not_any_of", "blacklist", "whitelist") if getattr(remote, k) is not UNSET]
    if len(kinds) > 1:
        raise Invalid(f"Invalid input for field '{at}': {' and '.join(kinds)} do not go together", field=at)
    if remote.regex is not UNSET and not kinds:
        raise Invalid(
            f"Invalid input for field '{at}': regex is for any_one_of, not_any_of, blacklist or whitelist", field=at
        )
    if remote.regex is True:
        for pattern in getattr(remote, kinds[0]):
            try:
                re.compile(pattern)
            except re.error as e:
                raise Invalid(
                    f"Invalid input for field '{at}.{kinds[0]}': {pattern[:80]!r} is no regular expression: {e}",
                    field=at,
                ) from None


def _check_local(local: Local, at: str, version: str) -> None:
    if isinstance(local.group, GroupPart):
        by_id, by_name = local.group.id is not UNSET, local.group.name is not UNSET
        if by_id == by_name or by_name != (local.group.domain is not UNSET):
            raise Invalid(f"Invalid input for field '{at}.group': an id, or a name with a domain, is needed", field=at)
    if local.groups is not UNSET and local.domain is UNSET:
        raise Invalid(
            f"Invalid input for field '{at}': Both 'groups' and 'domain' keywords must be specified.", field=at
        )
    if version == "1.0" and isinstance(local.projects, list) and any(p.domain is not UNSET for p in local.projects):
        raise Invalid(
            f"Invalid input for field '{at}.projects': a domain of a project needs schema_version 2.0", field=at
        )
    if version != "3.0" and local.projects_json is not UNSET:
        raise Invalid(f"Invalid input for field '{at}.projects_json': it needs schema_version 3.0", field=at)


def process(rules: Sequence[Rule], assertion: Assertion, version: str) -> Who:
    """Who the assertion is, by all rules that apply to it. Raises Unauthorized when none does or none names a user."""
    user: UserPart | None = None
    group_ids: dict[str, None] = {}
    groups: dict[tuple[str, str, str], tuple[str, DomainRef]] = {}
    projects: list[ProjectPart] = []
    matched = False
    for rule in rules:
        values = _applies(rule.remote, assertion)
        if values is None:
            continue
        for local in rule.local:
            matched = True
            if isinstance(local.user, UserPart) and user is None:
                user = _user(local, values, version)
            if isinstance(local.group, GroupPart):
                if isinstance(local.group.id, str):
                    group_ids[_text(local.group.id, values)] = None
                elif isinstance(local.group.name, str) and isinstance(local.group.domain, DomainRef):
                    _add(groups, _text(local.group.name, values), _domain(local.group.domain, values))
            if isinstance(local.groups, str) and isinstance(local.domain, DomainRef):
                for name in _list(local.groups, values):
                    _add(groups, name, _domain(local.domain, values))
            if isinstance(local.group_ids, str):
                group_ids |= dict.fromkeys(_list(local.group_ids, values))
            if isinstance(local.projects, list) or isinstance(local.projects_json, str):
                projects = _projects(local, values, version)
    if not matched:
        raise Unauthorized("Could not map any federated user properties to identity values.")
    if user is None:
        user = UserPart(type="ephemeral")
    return Who(user, tuple(group_ids), tuple(groups.values()), tuple(projects))


def _applies(remotes: Sequence[Remote], assertion: Assertion) -> list[list[str]] | None:
    """The values for `{0}`, `{1}` …, or None when the rule is not for this assertion."""
    out: list[list[str]] = []
    for remote in remotes:
        values = [v for v in assertion.get(remote.type, ()) if len(v) <= LONGEST][:MOST_VALUES]
        if not values:
            return None
        regex = remote.regex is True
        if isinstance(remote.any_one_of, list):
            if not any(_matches(v, remote.any_one_of, regex) for v in values):
                return None
        elif isinstance(remote.not_any_of, list):
            if any(_matches(v, remote.not_any_of, regex) for v in values):
                return None
        elif isinstance(remote.blacklist, list):
            out.append([v for v in values if not _matches(v, remote.blacklist, regex)])
        elif isinstance(remote.whitelist, list):
            out.append([v for v in values if _matches(v, remote.whitelist, regex)])
        else:
            out.append(values)
    return out


def _matches(value: str, wanted: Sequence[str], regex: bool) -> bool:
    return any(re.search(w, value) for w in wanted) if regex else value in wanted


def _text(template: str, values: list[list[str]]) -> str:
    """The template with its places filled in, once; several values of one place are joined by `;`."""

    def value(m: re.Match[str]) -> str:
        n = int(m[1])
        if n >= len(values):
            raise Unauthorized(f"The mapping's rule asks for remote value {n}, and its remote part has {len(values)}.")
        return ";".join(values[n])

    return _place.sub(value, template)


def _list(template: str, values: list[list[str]]) -> list[str]:
    """A template that is one place alone stands for all its values."""
    alone = _place.fullmatch(template.strip())
    if alone and int(alone[1]) < len(values):
        return list(values[int(alone[1])])
    return [_text(template, values)]


def _domain(ref: DomainRef, values: list[list[str]]) -> DomainRef:
    return DomainRef(**{k: _text(v, values) for k in ("id", "name") if isinstance(v := getattr(ref, k), str)})


def _add(groups: dict[tuple[str, str, str], tuple[str, DomainRef]], name: str, domain: DomainRef) -> None:
    groups[(name, str(domain.id), str(domain.name))] = (name, domain)


def _user(local: Local, values: list[list[str]], version: str) -> UserPart:
    """The user of a local part; from version 2.0 on the part's own domain is the user's too, unless the user has one."""
    assert isinstance(local.user, UserPart)
    filled: dict[str, Any] = {
        k: _text(v, values) for k in ("id", "name", "email") if isinstance(v := getattr(local.user, k), str)
    }
    domain = local.user.domain if local.user.domain is not UNSET else local.domain if version != "1.0" else UNSET
    if isinstance(domain, DomainRef):
        filled["domain"] = _domain(domain, values)
    return UserPart(**filled, type=local.user.type if local.user.type is not UNSET else "ephemeral")


def _projects(local: Local, values: list[list[str]], version: str) -> list[ProjectPart]:
    parts = list(local.projects) if isinstance(local.projects, list) else []
    out = [
        ProjectPart(
            name=_text(p.name, values),
            roles=[RolePart(name=_text(r.name, values)) for r in p.roles],
            domain=_domain(p.domain, values) if isinstance(p.domain, DomainRef) else UNSET,
        )
        for p in parts
    ]
    if isinstance(local.projects_json, str):
        for text in _list(local.projects_json, values):
            try:
                found = json.loads(text)
                out += typed.convert(found if isinstance(found, list) else [found], list[ProjectPart])
            except (ValueError, RecursionError, msgspec.ValidationError) as e:
                raise Unauthorized(
                    f"The provider's projects are not of the form that projects_json takes: {str(e)[:200]}"
                ) from None
    if version != "1.0" and isinstance(local.domain, DomainRef):
        default = _domain(local.domain, values)
        out = [p if p.domain is not UNSET else ProjectPart(name=p.name, roles=p.roles, domain=default) for p in out]
    return out
