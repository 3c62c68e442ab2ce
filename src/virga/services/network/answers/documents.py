# SPDX-License-Identifier: Apache-2.0
"""What the API says of itself: versions, its collections, extensions, zones."""

from __future__ import annotations

from virga.ground.wire import Shape


class Link(Shape):
    rel: str
    href: str


class ApiVersion(Shape):
    id: str
    status: str
    links: list[Link]


class VersionsAnswer(Shape):
    versions: list[ApiVersion]


class Resource(Shape):
    """A collection of the API, and where it is."""

    name: str
    collection: str
    links: list[Link]


class ResourcesAnswer(Shape):
    resources: list[Resource]


class Extension(Shape, kw_only=True):
    """An extension as it is listed."""

    alias: str
    name: str
    description: str
    updated: str
    links: list[Link] = []


class ExtensionAnswer(Shape):
    extension: Extension


class ExtensionsAnswer(Shape):
    extensions: list[Extension]


class Zone(Shape):
    """A zone, and the kind of things that is in it."""

    name: str
    resource: str
    state: str


class ZonesAnswer(Shape):
    availability_zones: list[Zone]
