# SPDX-License-Identifier: Apache-2.0
"""What a simulated cloud has in the place of engines: drivers that touch nothing outside of the state folder, time that is moved by a
request, and something to begin with."""

from __future__ import annotations

from typing import Annotated

from virga.ground import wire
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import NotFound
from virga.ground.world import VirtualClock
from virga.services.compute.driver import Hypervisor
from virga.services.compute.drivers.fake import FailureRates, FakeHypervisor
from virga.services.identity import api as identity
from virga.services.images import api as images
from virga.services.network import api as network
from virga.services.network.driver import Switch
from virga.services.network.drivers.fake import FakeSwitch
from virga.services.part import Site
from virga.settings import Settings


class Advance(wire.Wire):
    """How far simulated time moves, in seconds."""

    advance: Annotated[float, wire.Meta(ge=0, le=10**9)] = 0.0


def simulate(site: Site, settings: Settings) -> None:
    """Leave the simulated drivers in the registry."""
    switch = site.registry.put(FakeSwitch, FakeSwitch())
    site.registry.put(Switch, switch)
    failure_rates = site.registry.put(FailureRates, FailureRates(settings.sim.fail, site.world))
    hypervisor = FakeHypervisor(
        site.world,
        file=site.file("machines.json"),
        failure_rates=failure_rates,
        plug=switch.plug,
        boot_seconds=settings.sim.boot_seconds,
    )
    site.registry.put(Hypervisor, hypervisor)


def stock(site: Site, settings: Settings) -> None:
    """What a new simulated cloud begins with: an image and a network, for the administrator's first machine. Nothing when the cloud
    has had an image before, or by setting (`sim.stock`)."""
    if not settings.sim.stock:
        return

    def first(tx: Tx) -> None:
        project = identity.project_id(tx, "admin")
        if project is None:
            return
        act = Act(network.system_actor(project), site.registry, site.db, open=tx)
        if images.first_image(act) is not None:
            own = settings.network
            network.first_private(act, network.ensure_external(act, own.external_name, own.external_cidr))

    site.db.run(first)


def advance(site: Site, body: bytes) -> float:
    """Move simulated time as a body {"advance": seconds} says; the new time. Raises Invalid for another body, NotFound where time is real."""
    request = wire.decode(Advance, body) if body else Advance()
    if not isinstance(site.world.clock, VirtualClock) or not isinstance(request, Advance):
        raise NotFound("This cloud's time is the real one.")
    return site.world.clock.advance(request.advance)
