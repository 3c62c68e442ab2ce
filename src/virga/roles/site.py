# SPDX-License-Identifier: Apache-2.0
"""From settings to a site with parts on it: the database, what all share, and each part furnished. Nothing runs yet. A whole cloud begins
here, and so does an offline command that needs one part of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from virga.authority.overrides import Overrides
from virga.ground.bus import Bus, LocalBus
from virga.ground.db.engine import Database
from virga.ground.processes import Process
from virga.ground.registry import Registry
from virga.ground.sagas.saga import SagaRegistry
from virga.ground.world import VirtualClock, World
from virga.services.part import Part, Site
from virga.settings import Settings


def private(file: Path) -> None:
    """Have the file there, for its owner alone; what SQLite puts beside it is made with the same rights."""
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    file.chmod(0o600)


def open_site(
    settings: Settings, parts: Sequence[Part], *, known: Sequence[Part] = (), world: World | None = None
) -> Site:
    """The site of these settings with `parts` furnished. `known`: parts whose APIs the catalogue has, where those are more. Raises
    OSError for a state folder that cannot be made, Broken for a key file that opens nothing."""
    state = None if settings.ephemeral else Path(settings.state)
    if state is not None:
        state.mkdir(parents=True, exist_ok=True, mode=0o711)
        if not settings.database.url:
            private(state / "virga.db")
    registry = Registry()
    clock = VirtualClock() if settings.simulated and settings.sim.clock else None
    seed = settings.sim.seed if settings.simulated else None
    registry.put(World, world or World(clock, seed=seed))
    registry.put(Database, Database(settings.records()))
    registry.put(Bus, LocalBus())
    folder = state / "processes" if state is not None else None
    registry.put(Process, Process(registry.use(Database), registry.use(World), settings.name, folder))
    registry.put(Overrides, Overrides(state, settings.server.policy_file))
    registry.put(SagaRegistry, SagaRegistry([saga for part in parts for saga in part.sagas]))
    for part in {part.name: part for part in (*parts, *known)}.values():
        if part.settings is not None:
            registry.put(part.settings, getattr(settings, part.name))
    site = Site(
        registry=registry,
        db=registry.use(Database),
        world=registry.use(World),
        state=state,
        apis=tuple(api for part in known or parts for api in part.apis(registry)),
        region=settings.identity.region,
        classic_ports=settings.server.classic_ports and not settings.server.public_url,
    )
    for part in parts:
        part.furnish(site)
    return site


@contextlib.contextmanager
def offline(settings: Settings, *parts: Part, known: Sequence[Part] = ()) -> Iterator[Site]:
    """A site for one command, whether the cloud runs or not: these parts furnished and closed again, nothing started."""
    site = open_site(settings, parts, known=known)
    try:
        yield site
    finally:
        for part in reversed(parts):
            part.stop(site)
        site.db.close()
