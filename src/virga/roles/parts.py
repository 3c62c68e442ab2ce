# SPDX-License-Identifier: Apache-2.0
"""Every service of the cloud, in the order in which they are furnished and listed: a part comes after those that it asks at start."""

from __future__ import annotations

from virga.ground.db import migrate
from virga.ground.db.engine import Database
from virga.ground.http.table import Service
from virga.ground.registry import Registry
from virga.services.compute.part import PART as COMPUTE
from virga.services.identity.part import PART as IDENTITY
from virga.services.images.part import PART as IMAGES
from virga.services.network.part import PART as NETWORK
from virga.services.objects.part import PART as OBJECTS
from virga.services.part import Part
from virga.services.placement.part import PART as PLACEMENT

PARTS: tuple[Part, ...] = (IDENTITY, IMAGES, NETWORK, PLACEMENT, COMPUTE, OBJECTS)


def described() -> tuple[Service, ...]:
    """Every API, as it is with the settings that nobody changed: for what describes them without a cloud."""
    registry = Registry()
    for part in PARTS:
        if part.settings is not None:
            registry.put(part.settings, part.settings())
    return tuple(api for part in PARTS for api in part.apis(registry))


def bring_up_to_date(db: Database) -> str:
    """Make the schema that of this program: the stores of all parts are imported here, and with them every table is declared. Says what
    was done: see `migrate.migrate`. Where several processes share a database, it is contracted by `virga db migrate`: others may not be
    as new as this one."""
    return migrate.migrate(db, contract=db.sqlite)
