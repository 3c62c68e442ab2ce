# SPDX-License-Identifier: Apache-2.0
"""The bodies that the APIs take, read from their tables: what a sweep over all nouns needs, so that a new noun is swept from its first day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from policy_matrix import body
from virga.ground.http.table import Service
from virga.ground.registry import Registry
from virga.ground.wire import Open
from virga.roles.parts import PARTS


@dataclass(frozen=True)
class Created:
    """One noun that is created with a name: where, under which key, with what, and whether its shape keeps what it does not know."""

    path: str
    key: str | None
    good: dict[str, Any]
    keeps: bool
    headers: dict[str, str]


NAMED = {"/placement/resource_classes": "CUSTOM_N"}
"""Names of nouns that may not be called anything."""


def apis() -> Iterator[Service]:
    """Every API of the program, with the settings that nobody changed."""
    registry = Registry()
    for part in PARTS:
        if part.settings is not None:
            registry.put(part.settings, part.settings())
    for part in PARTS:
        yield from part.apis(registry)


def created() -> dict[str, Created]:
    """Every `POST` of a body with a `name` to a collection, by its path. One shape that answers at two paths (`/v2/servers`) is one noun."""
    out: dict[str, Created] = {}
    seen: set[type[msgspec.Struct]] = set()
    for service in apis():
        for route in service.routes:
            if route.method != "POST" or route.body is None or route.verb is not None or "{" in route.path:
                continue
            shape, key, good = route.body, route.key, body(route.body)
            only = msgspec.structs.fields(shape)
            if key is None and len(only) >= 1 and isinstance(good.get(only[0].encode_name), dict):
                inner = next((kind for kind in _shapes(only[0].type)), None)
                if inner is not None and "name" in inner.__struct_fields__:
                    shape, key, good = inner, only[0].encode_name, good[only[0].encode_name]
            if shape in seen or "name" not in {f.encode_name for f in msgspec.structs.fields(shape)}:
                continue
            seen.add(shape)
            low = max(route.since, service.versions.default)
            spoken = service.versions.service
            headers = {"OpenStack-API-Version": f"{spoken} {low[0]}.{low[1]}"} if spoken else {}
            out[service.path + route.path] = Created(
                path=service.path + route.path,
                key=key,
                good=good | {"name": NAMED.get(service.path + route.path, "n")},
                keeps=issubclass(shape, Open),
                headers=headers,
            )
    return out


def _shapes(kind: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for inner in getattr(kind, "__args__", ()):
        yield from _shapes(inner)
