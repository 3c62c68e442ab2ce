# SPDX-License-Identifier: Apache-2.0
"""Who may call what: every route of every service × role × scope, as text. `python tests/policy_matrix.py` writes docs/policy-matrix.txt.

The rules of a route are those that its action asks when an administrator calls it with a body of the right shape and ids of nothing.
For each rule two lines of letters: on what is the caller's own, and on somebody else's. A letter stands for a caller with that role:
A admin, M manager, m member, r reader, s service, - none; the groups are tokens of the system, a domain, a project, and unscoped ones."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from accounts import Account, S3Key
from sim_cloud import SimCloud, make
from virga.authority import rules
from virga.authority.rules import REGISTRY, Rule, may
from virga.ground.act import Actor
from virga.ground.http.table import Route, Service
from virga.ground.wire import named

FILE = Path(__file__).parents[1] / "docs/policy-matrix.txt"
NOTHING = "00000000-0000-4000-8000-000000000000"
ROLES = {
    "A": ("admin", "manager", "member", "reader"),
    "M": ("manager", "member", "reader"),
    "m": ("member", "reader"),
    "r": ("reader",),
    "s": ("service",),
    "-": (),
}
UNRULED = "any token: no rule is asked, for what is the caller's own or the same for everybody"
SCOPES = ("system", "domain", "project", "unscoped")


def sample(kind: Any) -> Any:
    """A value of a type, as small as it may be."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        meta = next((m for m in args[1:] if isinstance(m, msgspec.Meta)), None)
        if meta is not None and meta.pattern is not None:
            return {"^/.*": "/x"}.get(meta.pattern, NOTHING)
        if meta is not None and meta.ge is not None:
            return meta.ge
        return sample(args[0])
    if origin is typing.Literal:
        return args[0]
    if origin in (typing.Union, types.UnionType):
        return sample(next(a for a in args if a is not type(None) and a is not msgspec.UnsetType))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return body(kind)
    if origin is list or kind is list:
        return [sample(args[0])] if args else []
    return {str: "x", int: 1, bool: True, float: 1.0}.get(kind, {})


@functools.cache
def body(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """A body with the required fields of a shape."""
    hints, out = typing.get_type_hints(shape, include_extras=True), {}
    for f in msgspec.structs.fields(shape):
        if f.required or (shape.__name__ == "Signed" and f.name == "credentials"):
            marks = typing.get_args(hints[f.name])[1:] if typing.get_origin(hints[f.name]) is typing.Annotated else ()
            name = next((m.name for m in marks if isinstance(m, named)), f.encode_name)
            out[name] = sample(hints[f.name])
    return out


@contextlib.contextmanager
def recorded() -> Iterator[list[str]]:
    """The names of the rules that are asked meanwhile, in order."""
    seen: list[str] = []
    real = rules.may

    def recording(actor: Actor, rule: Rule, **facts: Any) -> bool:
        if rule.name not in seen:
            seen.append(rule.name)
        return real(actor, rule, **facts)

    rules.may = recording
    try:
        yield seen
    finally:
        rules.may = real


BYTES = {
    "swift": (
        "GET /v1/{account}",
        "POST /v1/{account}",
        "PUT /v1/{account}",
        "DELETE /v1/{account}",
        "GET /v1/{account}/{container}",
        "PUT /v1/{account}/{container}",
        "POST /v1/{account}/{container}",
        "DELETE /v1/{account}/{container}",
        "GET /v1/{account}/{container}/{object}",
        "PUT /v1/{account}/{container}/{object}",
        "POST /v1/{account}/{container}/{object}",
        "DELETE /v1/{account}/{container}/{object}",
        "COPY /v1/{account}/{container}/{object}",
        "PUT /v1/{account}?extract-archive=tar",
        "POST /v1/{account}?bulk-delete",
        "GET /housekeeping",
    ),
    "s3": (
        "GET /",
        "PUT /{bucket}",
        "GET /{bucket}",
        "DELETE /{bucket}",
        "POST /{bucket}?delete",
        "PUT /{bucket}?acl",
        "PUT /{bucket}?policy",
        "GET /{bucket}?policy",
        "DELETE /{bucket}?policy",
        "PUT /{bucket}?versioning",
        "GET /{bucket}/{key}",
        "PUT /{bucket}/{key}",
        "DELETE /{bucket}/{key}",
        "POST /{bucket}/{key}?uploads",
    ),
}
"""The two dialects of objects have no table of routes: these requests stand for them. Access lists, temporary addresses and bucket policies
let in whom they name, beside the rules."""


def dialect(sim: SimCloud, service: Service, request: str) -> list[str]:
    """The rules that a request in Swift's or S3's dialect asks, on something of somebody else's, so that every one is come by."""
    method, _, path = request.partition(" ")
    if request.startswith("COPY "):  # it reads before it writes: there must be something to read
        own = Account(sim.admin)
        own("PUT", "/matrix-of-rules", code=(201, 202))
        own("PUT", "/matrix-of-rules/o", b"x", 201)
        with recorded() as seen:
            own("COPY", "/matrix-of-rules/o", code=201, Destination="matrix-of-rules/p")
        for gone in ("/matrix-of-rules/o", "/matrix-of-rules/p", "/matrix-of-rules"):
            own("DELETE", gone, code=204)
        return seen
    if service.name == "swift":
        path = path.replace("{account}", f"AUTH_{NOTHING}").replace("{container}", "c").replace("{object}", "o")
        with recorded() as seen:
            sim.http.request(
                method, service.path + path, headers={"X-Auth-Token": sim.admin.token, "Destination": "c/p"}
            )
        return seen
    key, bucket = S3Key(sim), "matrix-of-rules"
    path = path.replace("{bucket}", bucket).replace("{key}", "k")
    if "{bucket}" in request and request != "PUT /{bucket}":
        key("PUT", f"/{bucket}", code=(200, 409))
    body = b"<Delete><Object><Key>k</Key></Object></Delete>" if path.endswith("?delete") else None
    with recorded() as seen:
        key(method, path, body)
    key("DELETE", f"/{bucket}")
    return seen


def rules_asked(sim: SimCloud, service: Service, route: Route) -> list[str]:
    """The names of the rules that a route's action asks, in order."""
    path = service.path + re.sub(r"{\w+}", NOTHING, route.path)
    content: Any = None
    if route.verb is not None:
        content = {route.verb: body(route.body) if route.body is not None else None}
    elif route.body is not None:
        inner = body(route.body)
        content = {route.key: inner} if route.key else inner
    with recorded() as seen:
        low = max(route.since, service.versions.default)
        headers = {
            "X-Auth-Token": sim.admin.token,
            "X-Subject-Token": sim.admin.token if route.method != "DELETE" else "x" * 60,
        }
        if service.versions.service:
            headers["OpenStack-API-Version"] = f"{service.versions.service} {low[0]}.{low[1]}"
        sim.http.request(route.method, path, json=content, headers=headers)
    return seen


def _named(text: str) -> list[tuple[str, str]]:
    """What a function calls, and the private functions that it hands on to be called: ("", name) or (module, name)."""
    found: dict[tuple[str, str], None] = {}
    for call in (n for n in ast.walk(ast.parse(textwrap.dedent(text))) if isinstance(n, ast.Call)):
        if isinstance(call.func, ast.Name):
            found["", call.func.id] = None
        elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            found[call.func.value.id, call.func.attr] = None
        found |= {("", a.id): None for a in call.args if isinstance(a, ast.Name) and a.id.startswith("_")}
    return list(found)


_VALUE = re.compile(r"\b(?:(\w+)\.)?([A-Z][A-Z_0-9]+)\b")
_CALLED = re.compile(r"\b(?:(\w+)\.)?(\w+)\(")
_HANDED = re.compile(r"[(,]\s*(?:(\w+)\.)?(_\w+)\s*(?=[,)])")


def written(route: Route) -> list[str]:
    """The rules named in the text of an action and of the functions that it calls or hands on: for those that look a thing up before
    they decide."""
    found: dict[str, None] = {}
    held = list(inspect.getclosurevars(route.action).nonlocals.values())
    words = [v for v in held if isinstance(v, str)]

    def keep(thing: Any) -> None:
        """A rule, or those of a table under the words that the action was made for."""
        if isinstance(thing, Rule):
            found[thing.name] = None
        elif isinstance(thing, dict):
            for each in [thing[w] for w in words if w in thing]:
                for part in each if isinstance(each, tuple) else (each,):
                    if isinstance(part, Rule):
                        found[part.name] = None

    def read(function: Any, depth: int, seen: set[Any]) -> None:
        module = sys.modules[function.__module__]
        text = _code(function)
        for left, name in dict.fromkeys(_VALUE.findall(text) + _CALLED.findall(text) + _HANDED.findall(text)):
            thing = getattr(getattr(module, left, None), name, None) if left else getattr(module, name, None)
            if isinstance(thing, Rule | dict):
                keep(thing)
            elif depth and inspect.isfunction(thing) and "virga.services" in thing.__module__ and thing not in seen:
                read(thing, depth - 1, seen | {thing})

    action = inspect.unwrap(route.action)
    read(action, 3, {action})
    for cell in held:
        keep(cell)
        if inspect.isfunction(cell):
            read(cell, 2, {cell})
    return list(found)


def _code(function: Any) -> str:
    """A function's text without its documentation."""
    text = inspect.getsource(function)
    return re.sub(r'(?s)""".*?"""', "", text, count=1) if function.__doc__ else text


def caller(roles: tuple[str, ...], scope: str) -> Actor:
    return Actor(
        "me",
        "me",
        "mine",
        frozenset(roles),
        "mine" if scope == "project" else None,
        "mine" if scope == "domain" else None,
        scope == "system",
        project_domain_id="mine" if scope == "project" else None,
    )


MORE = (
    "target.user.id",
    "target.user.domain_id",
    "target.group.domain_id",
    "target.project.id",
    "target.project.domain_id",
    "target.domain.id",
    "target.domain_id",
    "target.credential.user_id",
    "target.trust.trustor_user_id",
    "target.trust.trustee_user_id",
    "target.token.user_id",
    "target.limit.project_id",
    "target.limit.domain.id",
    "target.limit.project.domain_id",
)


def facts(own: bool) -> dict[str, Any]:
    """Everything a rule may look at: the caller's own, or somebody else's."""
    who, where = ("me", "mine") if own else ("other", "others")
    more: dict[str, Any] = {name: who if "user_id" in name or name == "target.user.id" else where for name in MORE}
    more |= {"target.role.name": "member", "target.role.domain_id": None}
    return {"project_id": where, "user_id": who, "domain_id": where, "target": more}


def letters(rule: Rule, own: bool) -> str:
    known = facts(own)

    def one(scope: str) -> str:
        return "".join(letter if may(caller(roles, scope), rule, **known) else "." for letter, roles in ROLES.items())

    return " ".join(one(scope) for scope in SCOPES if scope != "unscoped") + " " + one("unscoped")


def lines(sim: SimCloud) -> Iterator[str]:
    for service in sim.cloud.services:
        yield f"# {service.name}"
        for route in service.routes:
            name = f"{route.method} {route.path}{f' {route.verb}' if route.verb else ''}"
            found, later = rules_asked(sim, service, route), False
            if not found and not route.public:
                found, later = written(route), True
            if not found:
                yield f"{name}\n    {'public' if route.public else UNRULED}"
                continue
            yield f"{name}{'  (once it is found in what the caller sees; else 404)' if later else ''}"
            yield from map(line, found)
        for request in BYTES.get(service.name, ()):
            yield request
            yield from map(line, dialect(sim, service, request))


def line(rule: str) -> str:
    return f"    {rule:52} own {letters(REGISTRY[rule], True)}   other {letters(REGISTRY[rule], False)}"


def text(sim: SimCloud) -> str:
    head = (__doc__ or "").split("\n\n", 1)[1].strip()
    return (
        "\n".join(
            [
                "# Written by 'make matrix'; a test compares it.",
                *(f"# {line}" for line in head.splitlines()),
                "",
                *lines(sim),
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    cloud = make()
    cloud.start()
    FILE.write_text(text(SimCloud(cloud)))
    cloud.stop()
