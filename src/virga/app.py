# SPDX-License-Identifier: Apache-2.0
"""The composition root: settings and a role in, a running cloud out. What services are made of, their parts say; what a role does not run is
not even imported."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virga.authority.overrides import Overrides
from virga.ground import log, metrics
from virga.ground.bus import Bus
from virga.ground.http.api_app import ApiApp
from virga.ground.http.connections import Connections
from virga.ground.loops.loop import LoopRunner
from virga.ground.processes import Process
from virga.ground.sagas.runner import Runner
from virga.ground.sagas.saga import Hook
from virga.ground.world import VirtualClock, World
from virga.roles.role import Role
from virga.roles.site import open_site
from virga.settings import Settings

if TYPE_CHECKING:
    from virga.node.node import Node
    from virga.roles.node import LocalNode


class Cloud:
    """One process of the cloud, in a role. It is built here; `prepare` makes the database ready, `simulate` or `equip` gives the node its
    drivers, `start` sets threads going, `stop` ends them. `api_app` is the ASGI application."""

    def __init__(self, settings: Settings, role: Role, *, world: World | None = None, hook: Hook | None = None) -> None:
        self.settings, self.role = settings, role
        self.log = log.get("cloud")
        site = self.site = open_site(settings, role.parts, world=world)
        self.state = Path(settings.state)
        self.registry, self.db, self.world = site.registry, site.db, site.world
        self.bus = self.registry.use(Bus)
        self.process = self.registry.use(Process)
        self.services = [api for part in role.serving for api in part.apis(self.registry)]
        self.runner: Runner | None = None
        if role.control:
            for part in role.parts:
                part.listen(site)
            sagas = [saga for part in role.parts for saga in part.sagas]
            self.runner = self.registry.put(Runner, Runner(self.db, self.registry, sagas, hook=hook))
        self.loops = self.registry.put(LoopRunner, LoopRunner(self.db, self.registry, role.loops(self.registry)))
        self.local: LocalNode | None = None
        if role.node:
            from virga.roles.node import LocalNode

            self.local = LocalNode(settings, site)
        self.connections: Connections | None = None
        self.api_app = self._rim()

    def _rim(self) -> ApiApp:
        """The front of the APIs that this role serves."""
        own = self.settings.server
        host, _, port = own.listen.rpartition(":")
        app = ApiApp(
            self.services,
            self.registry,
            self.db,
            public_url=own.public_url or None,
            main_port=int(port),
            hosts=own_names(host) | frozenset(own.hosts),
            workers=own.workers,
        )
        scheme = "https" if own.tls else "http"
        app.default_base = own.public_url.rstrip("/") or f"{scheme}://{host or '127.0.0.1'}:{port}"
        for part in self.role.serving:
            app.apps |= part.apps(self.registry)
            app.pages |= part.pages(self.registry)
        app.metrics = lambda: ("text/plain; version=0.0.4; charset=utf-8", metrics.page())
        app.metrics_token = own.metrics_token
        app.metrics_open = self.settings.simulated and not own.metrics_token
        return app

    @property
    def node(self) -> Node | None:
        """What converges the machines of this host, once it is started."""
        return self.local.node if self.local is not None else None

    def prepare(self) -> None:
        """Schema, first administrator, catalogue: whatever is missing, where this process is to care for that; then what parts keep in
        memory. Repeatable; of processes that start at once, one does it."""
        self.registry.use(Overrides).load()
        if self.role.control:
            from virga.ground.db.migrate import alone
            from virga.roles.parts import bring_up_to_date

            done = bring_up_to_date(self.db)
            with alone(self.db):
                for part in self.role.parts:
                    self.db.again(functools.partial(part.prepare, self.site))
            self.log.info("prepared", schema=done)
        for part in self.role.parts:
            part.load(self.site)

    def simulate(self) -> None:
        """The drivers of a simulated cloud: nothing outside of the state folder."""
        from virga.roles.simulated import simulate

        simulate(self.site, self.settings)
        if isinstance(self.world.clock, VirtualClock):
            self.api_app.hooks["sim/clock"] = self._move_clock

    def stock(self) -> None:
        """What a new simulated cloud begins with."""
        from virga.roles.simulated import stock

        stock(self.site, self.settings)

    def _move_clock(self, body: bytes) -> dict[str, Any]:
        """POST /sim/clock {"advance": seconds}: simulated time goes on, and what waited for it is looked at."""
        from virga.roles.simulated import advance

        now = advance(self.site, body)
        if self.node is not None:
            self.node.hello()
        self.process.beat()
        if self.runner is not None:
            self.runner.poke()
        return {"now": now}

    def equip(self, step: Callable[[str], None] = lambda what: None) -> None:
        """The drivers of a real cloud; `step` is told what is being started."""
        if self.local is not None:
            self.local.equip(step)

    def start(self) -> None:
        """Take up what the last process left, and go on."""
        for part in self.role.parts:
            part.start(self.site)
        self.process.start()
        if self.runner is not None:
            self.runner.start()
        self.loops.start()
        if self.local is not None:
            self.local.start()

    def stop(self, *, guests: str = "leave") -> None:
        """End this process's part. `leave`: machines and the data plane go on; `stop`: they are switched off first;
        `kill`: without asking them."""
        if self.local is not None:
            self.local.stop(guests)
        self.loops.stop()
        if self.runner is not None:
            self.runner.stop()
        self.process.stop()
        for part in reversed(self.role.parts):
            part.stop(self.site)
        self.api_app.threads.shutdown(wait=True)
        self.api_app.slow_threads.shutdown(wait=True)
        if self.local is not None:
            self.local.close(guests)
        self.db.close()


def own_names(host: str) -> frozenset[str]:
    """The names by which this machine is known to its callers."""
    names = {"localhost", "127.0.0.1", "::1", host.strip("[]"), socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(n for n in names if n and n != "0.0.0.0")  # noqa: S104 - left out, not bound
