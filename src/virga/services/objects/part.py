# SPDX-License-Identifier: Apache-2.0
"""Objects as a part of a process: two applications of their own on the same rows and bodies, and the housekeeping."""

from __future__ import annotations

from collections.abc import Mapping

from virga.ground.http.table import Service
from virga.ground.registry import Registry
from virga.services.identity import api as identity
from virga.services.objects import api, loops, policy, routes
from virga.services.objects.context import ObjectContext
from virga.services.objects.settings import Objects
from virga.services.part import Part, Site, rules_of


def _furnish(site: Site) -> None:
    api.create_context(site.db, site.registry, site.registry.use(Objects), site.state)


def _prepare(site: Site) -> None:
    """The roles that mean something here; the catalogue names a Ceph gateway in our place where there is one."""
    own = site.registry.use(Objects)
    with site.db.write() as tx:
        for role in own.reseller_roles:
            identity.ensure_role(tx, role)
        for kind, url in api.gateway(own):
            identity.point(tx, kind, url, site.region)


def _stop(site: Site) -> None:
    site.registry.use(ObjectContext).close()


def _ports(registry: Registry) -> Mapping[int, Service]:
    port = registry.use(Objects).s3_port
    return {port: routes.S3} if port else {}


PART = Part(
    name="objects",
    apis=lambda _: (routes.SERVICE, routes.S3),
    rules=rules_of(policy),
    settings=Objects,
    loops=lambda registry: loops.timed(registry.use(Objects)),
    furnish=_furnish,
    prepare=_prepare,
    stop=_stop,
    apps=lambda registry: routes.apps(registry.use(ObjectContext)),
    pages=lambda registry: routes.pages(registry.use(ObjectContext)),
    ports=_ports,
)
