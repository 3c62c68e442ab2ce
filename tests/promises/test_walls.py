# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: no circle, layers, services that meet at each other's `api.py`, and the order of modules inside a service. All of it is
read from the tree, so that a new service or a new module is held to it from its first day.

Exceptions are lists that shrink: one that is not needed any more fails the test until it is taken out."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator

import pytest

from imports import circles, graph, modules

LAYERS = {
    "ground": 0,
    "authority": 1,
    "protocol": 1,
    "services": 2,
    "settings": 3,
    "node": 3,
    "roles": 4,
    "app": 5,
    "serving": 6,
    "client": 6,
    "distributions": 7,
    "launch": 7,
    "doctor": 7,
    "purge": 7,
    "golden": 7,
    "openapi": 3,
    "cli": 8,
    "__main__": 9,
}
"""Modules and packages of `virga`. Each may import what is below it, and itself."""
OUTSIDE = frozenset({"api", "part", "settings", "driver", "drivers", "imports", "agent", "transfers"})
"""What the layers above know of a service: its `api`, its part, its settings, its plugs, what an operator brings into it, and the two ends
at which a node beside it meets control."""
ORDER = (
    ("part",),
    ("routes",),
    ("views", "loops", "sagas"),
    ("s3",),
    ("swift",),
    ("api",),
    ("context",),
    ("bodies",),
    ("actions",),
    ("store",),
    ("wire", "drivers"),
    ("driver",),
    ("model",),
)
"""The modules of a service, from the top: each may import lower ones, and those beside it not. `views_x.py` is a module `views`, a package of a
noun (`federation/actions`) has the same modules. S3, Swift, the context and the bodies are the object store's."""
MODULES = {word: -level for level, words in enumerate(ORDER) for word in words}
ENGINES = frozenset({"libvirt", "libvirt_qemu", "pyroute2", "rados", "rbd", "ldap3", "botocore"})

Edge = tuple[str, str]
READ_THE_DATABASE: set[Edge] = set()
"""Views that ask the database, and are to be given rows instead."""
SPEAK_SQL = {"services.identity.filters", "services.identity.imports.source", "services.identity.tokens", "golden"}
"""Outside of the stores."""
TOUCH_ENGINES = {"doctor"}
"""Outside of drivers: it says whether the bindings are there."""


def short(name: str) -> str:
    return name.removeprefix("virga.").removeprefix("services.")


def layer(name: str) -> str | None:
    """The layer that a module lies on; None for `virga` itself, which has a version and nothing else."""
    return name.split(".")[1] if "." in name else None


def service(name: str) -> str | None:
    """The service that a module is of; `services/part.py` is of none."""
    parts = name.split(".")
    return parts[2] if len(parts) > 2 and parts[1] == "services" and parts[2] != "part" else None


def services() -> list[str]:
    return sorted({s for name in modules() if (s := service(name)) is not None})


@functools.cache
def module(name: str) -> str | None:
    """The module that a module of a service is in; None for one of its own kind (tokens, hardware, a dialect)."""
    if service(name) is None:
        return None
    return next((word for part in name.split(".")[3:] if (word := part.partition("_")[0]) in MODULES), None)


def edges() -> Iterator[Edge]:
    for name, found in graph().items():
        for other in found:
            yield name, other


def ways(name: str) -> Iterator[str]:
    """Modules in modules that a module reaches directly, or by way of modules of the same service that are in no module."""
    seen, work = {name}, [name]
    while work:
        for other in graph()[work.pop()]:
            if other in seen or service(other) != service(name):
                continue
            seen.add(other)
            if module(other) is None:
                work.append(other)
            else:
                yield other


def broken(wrong: Callable[[str, str], bool]) -> set[Edge]:
    return {(short(a), short(b)) for a, b in edges() if wrong(a, b)}


def test_the_search_for_circles_finds_them() -> None:
    known = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d", "x"}, "f": {"a"}, "g": {"g"}}
    assert circles(known) == [["a", "b", "c"], ["d", "e"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Neither at the top, nor in a function, nor for types."""
    assert circles(graph()) == []


def test_no_service_asks_itself_by_way_of_others() -> None:
    known = {s: {t for a, b in edges() if service(a) == s and (t := service(b)) not in {None, s}} for s in services()}
    assert circles(known) == []


def test_layers() -> None:
    unknown = {layer(name) for name in modules()} - {None} - set(LAYERS)
    assert not unknown, f"say in LAYERS what {unknown} may know"

    def wrong(a: str, b: str) -> bool:
        above, below = layer(a), layer(b)
        if above is None or below is None or above == below or not b.startswith("virga."):
            return False
        return LAYERS[below] >= LAYERS[above]

    assert broken(wrong) == set()


def test_a_service_is_known_by_its_door() -> None:
    """Other services know its `api.py` alone; the layers above know what OUTSIDE says, and the composition root nothing."""

    def wrong(a: str, b: str) -> bool:
        if service(b) is None or service(a) == service(b):
            return False
        word = b.split(".")[3] if b.count(".") > 2 else ""
        if service(a) is not None:
            return word != "api"
        return word not in OUTSIDE or layer(a) in {"app", "serving", "ground", "authority"}

    assert broken(wrong) == set()


def test_the_node_knows_plugs_and_messages_alone() -> None:
    """It holds no database: of services it imports drivers, and nobody imports it but what composes and tends a host."""

    def wrong(a: str, b: str) -> bool:
        if layer(a) == "node" and b.startswith("virga.") and layer(b) not in {"node", "protocol", "ground"}:
            return service(b) is None or module(b) not in {"driver", "drivers"}
        return layer(b) == "node" and layer(a) in {"services", "settings", "authority", "ground", "protocol"}

    assert broken(wrong) == set()


def test_modules_of_a_service() -> None:
    found = {
        (short(name), short(other))
        for name in modules()
        if (own := module(name)) is not None
        for other in ways(name)
        if module(other) != own and MODULES[module(other) or ""] >= MODULES[own]
    }
    assert found == set()


@pytest.mark.parametrize("name", services())
def test_each_service_is_a_part(name: str) -> None:
    assert f"virga.services.{name}.part" in modules() and f"virga.services.{name}.policy" in modules()
    assert f"virga.services.{name}.part" in graph()["virga.roles.parts"], "roles do not know it"


def test_views_are_given_rows() -> None:
    found = broken(lambda a, b: module(a) == "views" and module(b) == "store")
    assert found - READ_THE_DATABASE == set(), "the action returns the row and its neighbours"
    assert READ_THE_DATABASE - found == set(), "mended: take it out of the list"


def test_stores_speak_sql_and_nobody_else() -> None:
    found = {short_of_virga(a) for a, b in edges() if b == "sqlalchemy" and layer(a) != "ground" and not of_store(a)}
    assert found - SPEAK_SQL == set() and SPEAK_SQL - found == set(), (
        "new ones must not be; what is mended leaves the list"
    )


def test_drivers_touch_engines_and_nobody_else() -> None:
    found = {short_of_virga(a) for a, b in edges() if b in ENGINES and module(a) != "drivers" and layer(a) != "node"}
    assert found - TOUCH_ENGINES == set() and TOUCH_ENGINES - found == set()


def short_of_virga(name: str) -> str:
    return name.removeprefix("virga.")


def of_store(name: str) -> bool:
    return "store" in name.split(".")


@pytest.mark.parametrize(
    ("rule", "importer", "imported"),
    [
        (test_no_module_imports_itself_by_way_of_others, "virga.ground.wire", "virga.ground.http.api_app"),
        (test_no_service_asks_itself_by_way_of_others, "virga.services.network.api", "virga.services.compute.api"),
        (test_layers, "virga.ground.wire", "virga.authority.rules"),
        (test_layers, "virga.services.compute.api", "virga.roles.role"),
        (test_layers, "virga.settings", "virga.node.node"),
        (test_a_service_is_known_by_its_door, "virga.services.compute.api", "virga.services.network.store"),
        (test_a_service_is_known_by_its_door, "virga.app", "virga.services.compute.api"),
        (test_a_service_is_known_by_its_door, "virga.roles.node", "virga.services.compute.store"),
        (test_the_node_knows_plugs_and_messages_alone, "virga.node.node", "virga.services.compute.api"),
        (test_the_node_knows_plugs_and_messages_alone, "virga.node.node", "virga.authority.rules"),
        (test_modules_of_a_service, "virga.services.compute.actions.servers", "virga.services.compute.views"),
        (test_modules_of_a_service, "virga.services.compute.model", "virga.services.compute.hosts"),
        (test_views_are_given_rows, "virga.services.placement.views", "virga.services.placement.store"),
        (test_stores_speak_sql_and_nobody_else, "virga.services.compute.hosts", "sqlalchemy"),
        (test_drivers_touch_engines_and_nobody_else, "virga.services.compute.hosts", "libvirt"),
    ],
)
def test_each_wall_stands(
    rule: Callable[[], None], importer: str, imported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One import too many, and the rule says so; also by way of a module that is in no module (`hosts` asks the store)."""
    assert importer in modules()
    known = dict(graph())
    known[importer] |= {imported}
    monkeypatch.setattr(sys.modules[__name__], "graph", lambda: known)
    with pytest.raises(AssertionError):
        rule()
