# SPDX-License-Identifier: Apache-2.0
"""Compute as a part of a process: the talk with nodes, the sagas of machines, the keeper."""

from __future__ import annotations

from virga.services.compute import api, loops, policy, routes
from virga.services.compute.agent import NodeApi
from virga.services.compute.sagas import SAGAS
from virga.services.compute.settings import Compute
from virga.services.compute.transfers import Transfers
from virga.services.images import api as images
from virga.services.part import Part, Site, rules_of


def _furnish(site: Site) -> None:
    registry = site.registry
    registry.put(Transfers, Transfers(lambda id: images.path(registry, id)))
    registry.put(NodeApi, NodeApi(site.db, registry))


def _listen(site: Site) -> None:
    site.registry.use(NodeApi).open()


def _prepare(site: Site) -> None:
    with site.db.write() as tx:
        api.first_flavors(tx, site.world.now())


PART = Part(
    name="compute",
    apis=lambda _: (routes.SERVICE,),
    rules=rules_of(policy),
    settings=Compute,
    sagas=SAGAS,
    loops=lambda _: loops.LOOPS,
    furnish=_furnish,
    listen=_listen,
    prepare=_prepare,
)
