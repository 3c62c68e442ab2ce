# SPDX-License-Identifier: Apache-2.0
"""What a request for candidates asks for: groups of resources with traits, aggregates and a tree. Pure; the syntax is that of the
Placement API's query parameters ("Allocation candidates")."""

from __future__ import annotations

import re
import uuid
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from virga.ground.errors import Invalid
from virga.ground.wire import Version

MOST_GROUPS, MOST_NAMES = 32, 64
"""How many groups a request has, and how many names one parameter lists."""
BIG = 2**31 - 1


@dataclass
class Group:
    """One group. `required`: of each set at least one trait; `member_of`: of each set at least one aggregate."""

    suffix: str = ""
    resources: dict[str, int] = field(default_factory=dict)
    required: list[frozenset[str]] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    member_of: list[frozenset[str]] = field(default_factory=list)
    not_member_of: set[str] = field(default_factory=set)
    in_tree: str | None = None


@dataclass
class Request:
    """All groups of a request, by suffix (`` is the one whose resources may come from several providers of a tree)."""

    groups: dict[str, Group]
    isolate: bool = False
    policy_given: bool = False
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    same_subtree: tuple[frozenset[str], ...] = ()
    limit: int | None = None


def bad(text: str, field: str, code: str = "placement.query.bad_value") -> Invalid:
    return Invalid(text, field=field, code=code)


def only(items: Mapping[str, Sequence[str]], known: Container[str]) -> None:
    """Raise Invalid for a query parameter that there is not."""
    for name in items:
        if name not in known:
            raise bad(
                f"Invalid query string parameters: Additional properties are not allowed ('{name[:64]}' was unexpected)",
                name[:64],
            )


def resources(text: str, field: str = "resources") -> dict[str, int]:
    """`VCPU:2,MEMORY_MB:512` as a map. Raises Invalid."""
    out: dict[str, int] = {}
    for part in text.split(","):
        name, colon, number = (each.strip() for each in part.partition(":"))
        if not colon or not name:
            raise bad(
                f"Badly formed {field} parameter. Expected {field} query string parameter in form: "
                f"?{field}=VCPU:2,MEMORY_MB:1024. Got: {(part if text else 'empty string')[:200]}.",
                field,
            )
        if _INTEGER.fullmatch(number) is None:
            raise bad(f"Requested resource {name[:80]} expected positive integer amount. Got: {number[:40]}.", field)
        if not 1 <= int(number) <= BIG:
            raise bad(f"Requested resource {name[:80]} requires amount >= 1. Got: {number}. At most {BIG}.", field)
        if name in out:
            raise bad(f"Resource class {name[:80]} stands twice in {field}.", field)
        out[name] = int(number)
    if len(out) > MOST_NAMES:
        raise bad(f"{field} lists {len(out)} resource classes, at most {MOST_NAMES} are taken.", field)
    return out


def traits(
    values: Sequence[str], version: Version, *, forbids: bool, field: str = "required"
) -> tuple[list[frozenset[str]], set[str]]:
    """`A,!B` and, from 1.39, `in:A,B`, repeated: sets of which one each is required, and what is forbidden. Raises Invalid."""
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for text in values:
        if text.startswith("in:") and version >= (1, 39):
            names = [n.strip() for n in text[3:].split(",")]
            if any(not n or n.startswith("!") for n in names):
                raise bad(
                    f"Invalid query string parameters: Expected '{field}' parameter value of the form: "
                    f"HW_CPU_X86_VMX,!CUSTOM_MAGIC, or in:HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: {text[:200]}",
                    field,
                )
            required.append(frozenset(names))
            continue
        if text.startswith("in:"):
            raise bad(
                f"The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39. Got: {text[:200]}",
                field,
            )
        for name in (n.strip() for n in text.split(",")):
            if not name or name == "!" or (name.startswith("!") and not forbids):
                form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC" if forbids else "HW_CPU_X86_VMX,CUSTOM_MAGIC"
                raise bad(
                    f"Invalid query string parameters: Expected '{field}' parameter value of the form: {form}. Got: {text[:200]}",
                    field,
                )
            if name.startswith("!"):
                forbidden.add(name[1:])
            else:
                required.append(frozenset((name,)))
    if len(required) + len(forbidden) > MOST_NAMES or any(len(names) > MOST_NAMES for names in required):
        raise bad(f"{field} lists more than {MOST_NAMES} traits.", field)
    both = {n for names in required if len(names) == 1 for n in names} & forbidden
    if both:
        raise bad(f"Conflicting required and forbidden traits found in {'root_required: ' if field == 'root_required' else f'the following traits keys: {field}: '}{', '.join(sorted(both))}", field)  # fmt: skip
    return required, forbidden


def aggregates(
    values: Sequence[str], version: Version, field: str = "member_of"
) -> tuple[list[frozenset[str]], set[str]]:
    """`ID`, `in:ID,ID`, and from 1.32 `!ID` and `!in:ID,ID`: sets of which one each is needed, and what is excluded."""
    needed: list[frozenset[str]] = []
    excluded: set[str] = set()
    if len(values) > 1 and version < (1, 24):
        raise bad(
            f"Multiple member_of parameters are not supported in the specified microversion ({field}).",
            field,
            "placement.query.duplicate_key",
        )
    for text in values:
        rest, negative = text, False
        if rest.startswith("!"):
            if version < (1, 32):
                raise bad(
                    f"Forbidden {field} parameters are not supported in the specified microversion: {text[:200]}", field
                )
            rest, negative = rest[1:], True
        several = rest.startswith("in:")
        ids = (rest[3:] if several else rest).split(",")
        if len(ids) > 1 and not several:
            raise bad(
                f"Multiple values for '{field}' must be prefixed with the 'in:' or '!in:' keyword using the valid "
                f"microversion. Got: {text[:200]}",
                field,
            )
        if len(ids) > MOST_NAMES or any(not is_uuid(id) for id in ids):
            raise bad(
                f"Invalid query string parameters: Expected '{field}' parameter to contain valid UUID(s). Got: {text[:200]}",
                field,
            )
        if negative:
            excluded |= set(map(plain, ids))
        else:
            needed.append(frozenset(map(plain, ids)))
    return needed, excluded


_INTEGER = re.compile(r"-?[0-9]{1,10}")


def is_uuid(text: str) -> bool:
    try:
        return len(text) <= 45 and str(uuid.UUID(text)) is not None
    except ValueError:
        return False


def plain(text: str) -> str:
    """A UUID in its usual spelling."""
    return str(uuid.UUID(text))


_PARAMETER = re.compile(r"(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{0,64})")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
ONCE = {"limit", "group_policy", "root_required"}


def parse(items: Mapping[str, Sequence[str]], version: Version) -> Request:
    """A request for candidates as `version` of the API reads it. Raises Invalid that names the parameter."""
    groups: dict[str, Group] = {}
    for key, values in items.items():
        if key in ONCE or key == "same_subtree":
            continue
        match = _PARAMETER.fullmatch(key)
        suffix = match.group(2) if match else ""
        if match is None or not _suffix_lives(suffix, version) or not _parameter_lives(match.group(1), version):
            raise bad(f"Invalid query string parameters: Additional properties are not allowed ('{key[:64]}' was unexpected)", key[:64])  # fmt: skip
        what = match.group(1)
        if what not in {"required", "member_of"} and len(values) > 1:
            raise bad(f"Parameter {key} is given {len(values)} times.", key, "placement.query.duplicate_key")
        group = groups.setdefault(suffix, Group(suffix))
        if what == "resources":
            group.resources = resources(values[0], key)
        elif what == "required":
            given = values if version >= (1, 39) else values[-1:]  # before, the last one counts
            group.required, group.forbidden = traits(given, version, forbids=version >= (1, 22), field=key)
        elif what == "member_of":
            group.member_of, group.not_member_of = aggregates(values, version, key)
        else:
            if not is_uuid(values[0]):
                raise bad(f"Expected '{key}' parameter to be a format of uuid. Got: {values[0][:80]}", key)
            group.in_tree = plain(values[0])
    if len(groups) > MOST_GROUPS:
        raise bad(f"{len(groups)} groups are asked for, at most {MOST_GROUPS} are taken.", "resources")
    request = Request(dict(sorted(groups.items())))
    if len(items.get("root_required", ())) > 1:
        raise bad(
            "Query parameter 'root_required' may be specified only once.",
            "root_required",
            "placement.query.duplicate_key",
        )
    _whole(request, items, version)
    _sense(request, version)
    return request


def _suffix_lives(suffix: str, version: Version) -> bool:
    if not suffix:
        return True
    if version >= (1, 33):
        return True
    return version >= (1, 25) and _NUMBER.fullmatch(suffix) is not None


def _parameter_lives(name: str, version: Version) -> bool:
    return version >= {"resources": (1, 10), "required": (1, 17), "member_of": (1, 21), "in_tree": (1, 31)}[name]


def _whole(request: Request, items: Mapping[str, Sequence[str]], version: Version) -> None:
    """The parameters that belong to no group."""
    since = {"limit": (1, 16), "group_policy": (1, 25), "root_required": (1, 35), "same_subtree": (1, 36)}
    for key, first in since.items():
        if key in items and version < first:
            raise bad(f"Invalid query string parameters: Additional properties are not allowed ('{key}' was unexpected)", key)  # fmt: skip
    if "limit" in items:
        text = items["limit"][0]
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= 1):
            raise bad(f"Invalid query string parameters: '{text[:40]}' does not match '^[1-9][0-9]*$'", "limit")
        request.limit = int(text)
    if "group_policy" in items:
        text = items["group_policy"][0].strip()
        if text not in {"none", "isolate"}:
            raise bad(f"Invalid query string parameters: '{text[:40]}' is not one of ['none', 'isolate']", "group_policy")  # fmt: skip
        request.isolate, request.policy_given = text == "isolate", True
    if "root_required" in items:
        required, forbidden = traits(items["root_required"], (1, 22), forbids=True, field="root_required")
        request.root_required = frozenset(name for names in required for name in names)
        request.root_forbidden = frozenset(forbidden)
    subtrees = []
    for text in items.get("same_subtree", ()):
        suffixes = [s.strip() for s in text.split(",")]
        if any(not s for s in suffixes):
            raise bad(f"Empty string (unsuffixed group) can not be specified in `same_subtree`. Got: {text[:200]}", "same_subtree")  # fmt: skip
        unknown = [s for s in suffixes if s not in request.groups]
        if unknown:
            raise bad(f"Real suffixes should be specified in `same_subtree`: {', '.join(unknown)[:200]} not found in {', '.join(request.groups)[:200]}", "same_subtree")  # fmt: skip
        subtrees.append(frozenset(suffixes))
    request.same_subtree = tuple(subtrees)


def _sense(request: Request, version: Version) -> None:
    """What a request must have to mean something."""
    grouped = [g for s, g in request.groups.items() if s]
    if not any(g.resources for g in request.groups.values()):
        raise bad("At least one request group (`resources` or `resources{$S}`) is required.", "resources", "placement.query.missing_value")  # fmt: skip
    related: set[str] = set().union(*request.same_subtree) if request.same_subtree else set()
    for group in request.groups.values():
        if group.resources:
            continue
        if not group.suffix:
            raise bad("Orphaned parameters without `resources` were found: the unnumbered group needs resources.", "resources")  # fmt: skip
        if version < (1, 36):
            for what, held in (("required", group.required or group.forbidden), ("member_of", group.member_of)):
                if held:
                    raise bad(f"All traits parameters must be associated with resources.  Found the following orphaned traits keys: {what}{group.suffix}", what)  # fmt: skip
            raise bad(f"Group {group.suffix} has no resources.", f"resources{group.suffix}")
        if group.suffix not in related:
            raise bad(f"Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - {group.suffix}.", "same_subtree")  # fmt: skip
    if len([g for g in grouped if g.resources]) > 1 and not request.policy_given:
        raise bad('The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.', "group_policy", "placement.query.missing_value")  # fmt: skip


def merged(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Amounts of several groups on one provider, summed by class."""
    out: dict[str, int] = {}
    for part in parts:
        for name, amount in part.items():
            out[name] = out.get(name, 0) + amount
    return out
