# SPDX-License-Identifier: Apache-2.0
"""Images as a part of a process: the stores, the threads that carry bytes for sagas, this machine's cache."""

from __future__ import annotations

from virga.services.identity import api as identity
from virga.services.images import api, loops, policy, routes
from virga.services.images.cache import ImageCache
from virga.services.images.driver import Stores
from virga.services.images.drivers.stores import image_stores
from virga.services.images.inspect import Inspector
from virga.services.images.metadefs import policy as metadefs_policy
from virga.services.images.sagas import SAGAS
from virga.services.images.settings import Images
from virga.services.images.transfers import ImageTransfers
from virga.services.part import Part, Site, rules_of


def _furnish(site: Site) -> None:
    registry = site.registry
    registry.put(Inspector, Inspector())
    registry.put(Stores, image_stores(registry.use(Images), site.file("images")))
    registry.put(ImageTransfers, ImageTransfers())
    registry.put(ImageCache, api.cache(registry, site.file("cache")))


def _prepare(site: Site) -> None:
    with site.db.write() as tx:
        api.first_definitions(tx, site.world.now(), site.world.uuid)


def _load(site: Site) -> None:
    """Places of stores at the other end of a network are marked with the cloud's own project."""
    with site.db.read() as tx:
        cloud = identity.project_id(tx, "service") or identity.project_id(tx, "admin")
    site.registry.use(Stores).belong(cloud)


def _start(site: Site) -> None:
    site.registry.use(ImageTransfers).start()
    site.registry.use(ImageCache).start()


def _stop(site: Site) -> None:
    site.registry.use(ImageTransfers).stop()
    site.registry.use(ImageCache).stop()


PART = Part(
    name="images",
    apis=lambda _: (routes.SERVICE,),
    rules=rules_of(policy, metadefs_policy),
    settings=Images,
    sagas=SAGAS,
    loops=lambda _: loops.LOOPS,
    furnish=_furnish,
    prepare=_prepare,
    load=_load,
    start=_start,
    stop=_stop,
)
