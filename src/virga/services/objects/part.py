# SPDX-License-Identifier: Apache-2.0
"""Objects as a part of a process: two applications of their own on the same rows and bodies, and the housekeeping."""

from __future__ import annotations

from collections.abc import Mapping

from virga.ground.doors import Doors
from virga.ground.http.table import Service
from virga.services.identity import api as identity
from virga.services.objects import api, loops, policy, routes
from virga.services.objects.desk import Desk
from virga.services.objects.settings import Objects
from virga.services.part import Part, Site, rules_of


def _furnish(site: Site) -> None:
    api.furnish(site.db, site.doors, site.doors.use(Objects), site.state)


def _prepare(site: Site) -> None:
    """The roles that mean something here; the catalogue names a Ceph gateway in our place where there is one."""
    own = site.doors.use(Objects)
    with site.db.write() as tx:
        for role in own.reseller_roles:
            identity.ensure_role(tx, role)
        for kind, url in api.gateway(own):
            identity.point(tx, kind, url, site.region)


def _stop(site: Site) -> None:
    site.doors.use(Desk).close()


def _ports(doors: Doors) -> Mapping[int, Service]:
    port = doors.use(Objects).s3_port
    return {port: routes.S3} if port else {}


PART = Part(
    name="objects",
    apis=lambda _: (routes.SERVICE, routes.S3),
    rules=rules_of(policy),
    settings=Objects,
    loops=lambda doors: loops.timed(doors.use(Objects)),
    furnish=_furnish,
    prepare=_prepare,
    stop=_stop,
    apps=lambda doors: routes.apps(doors.use(Desk)),
    pages=lambda doors: routes.pages(doors.use(Desk)),
    ports=_ports,
)
