# SPDX-License-Identifier: Apache-2.0
"""A service as a process takes it up. Each service says in its `part.py` what it is made of, as one value; roles (`virga.roles`) pick
from these values, and the composition root furnishes what was picked without knowing what is inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType

import msgspec

from virga.authority.rules import Rule
from virga.ground.db.engine import Database
from virga.ground.http.api_app import App
from virga.ground.http.table import Service
from virga.ground.loops.loop import Loop
from virga.ground.registry import Registry
from virga.ground.sagas.saga import Saga
from virga.ground.world import World

Page = Callable[[], tuple[str, bytes]]
"""A page at the root of the address: its type and its bytes."""


@dataclass(frozen=True)
class Site:
    """Where parts are set up: what they share. `state` is the folder that keeps what is no row, None where nothing is kept; `apis` are
    all APIs that the cloud has, `region` is where the catalogue has them, `classic_ports` says whether they are on ports of their own, too."""

    registry: Registry
    db: Database
    world: World
    state: Path | None
    apis: tuple[Service, ...]
    region: str
    classic_ports: bool

    def file(self, name: str, chosen: str = "") -> Path | None:
        """The file `chosen` by a setting, or `name` in the state folder; None where nothing is kept."""
        if chosen:
            return Path(chosen)
        return self.state / name if self.state is not None else None


def _no_loops(_: Registry) -> tuple[Loop, ...]:
    return ()


def _no_apps(_: Registry) -> Mapping[str, App]:
    return MappingProxyType({})


def _no_pages(_: Registry) -> Mapping[str, Page]:
    return MappingProxyType({})


def _no_ports(_: Registry) -> Mapping[int, Service]:
    return MappingProxyType({})


def _nothing(_: Site) -> None:
    return None


@dataclass(frozen=True)
class Part:
    """One service. `name` is its section of the settings, too, and `settings` the shape of that section. What a setting decides is a
    function of the registry, where the sections lie by their shapes.

    A process takes it up in this order: `furnish` leaves in the registry what actions, sagas and loops use, and opens what it needs;
    `listen` answers nodes on the bus; `prepare` writes what the database must have before the first call, and may be repeated;
    `load` reads what is kept in memory; `start` sets threads going. `stop` ends threads and closes what `furnish` opened."""

    name: str
    apis: Callable[[Registry], tuple[Service, ...]]
    rules: tuple[Rule, ...]
    settings: type[msgspec.Struct] | None = None
    sagas: tuple[Saga, ...] = ()
    loops: Callable[[Registry], tuple[Loop, ...]] = _no_loops
    furnish: Callable[[Site], None] = _nothing
    listen: Callable[[Site], None] = _nothing
    prepare: Callable[[Site], None] = _nothing
    load: Callable[[Site], None] = _nothing
    start: Callable[[Site], None] = _nothing
    stop: Callable[[Site], None] = _nothing
    apps: Callable[[Registry], Mapping[str, App]] = _no_apps
    """APIs with an HTTP of their own, by the names of their services."""
    pages: Callable[[Registry], Mapping[str, Page]] = _no_pages
    """Pages at the root of the address, by their paths."""
    ports: Callable[[Registry], Mapping[int, Service]] = _no_ports
    """Ports on which one API answers alone, by setting."""


def rules_of(*modules: ModuleType) -> tuple[Rule, ...]:
    """The rules that modules declare as values, alone or in dicts and tuples; each once, in their order."""
    found: dict[str, Rule] = {}

    def look(value: object) -> None:
        if isinstance(value, Rule):
            found[value.name] = value
        elif isinstance(value, dict):
            look(tuple(value.values()))
        elif isinstance(value, tuple):
            for inner in value:
                look(inner)

    for module in modules:
        look(tuple(vars(module).values()))
    return tuple(found.values())
