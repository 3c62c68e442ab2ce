# SPDX-License-Identifier: Apache-2.0
"""Where the two dialects live. They stream bytes and have HTTP of their own, so each is an application that `ApiApp` hands over to."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from virga.ground.http.api_app import App
from virga.ground.http.faults import Faults, keystone
from virga.ground.http.table import Service
from virga.services.objects.context import ObjectContext
from virga.services.objects.s3 import app as s3
from virga.services.objects.swift.app import Swift
from virga.services.objects.swift.info import CROSSDOMAIN, capabilities

SERVICE = Service(
    name="swift",
    type="object-store",
    path="/object-store",
    ports=(8080,),
    catalog="/object-store/v1/AUTH_%(project_id)s",
    routes=(),
    faults=Faults(keystone),
)
S3 = Service(name="s3", type="s3", path="/s3", ports=(), catalog="/s3", routes=(), faults=Faults(keystone))


def apps(context: ObjectContext) -> dict[str, App]:
    """What answers at each service's path."""
    return {SERVICE.name: Swift(context), S3.name: s3.S3(context)}


def pages(context: ObjectContext) -> dict[str, Callable[[], tuple[str, bytes]]]:
    """Swift's clients ask for these at the root of the address, whatever the path of the endpoint."""
    return {
        "info": lambda: (
            "application/json; charset=UTF-8",
            msgspec.json.encode(capabilities(context.settings, context.realms)),
        ),
        "healthcheck": lambda: ("text/plain", b"OK"),
        "crossdomain.xml": lambda: ("application/xml", CROSSDOMAIN),
    }
