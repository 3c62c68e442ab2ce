# SPDX-License-Identifier: Apache-2.0
"""What the API says of itself: versions, its collections, extensions, zones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from virga.ground.errors import NotFound
from virga.ground.http.call import Call
from virga.services.network import answers

ZONED = ("network", "router")
"""What is in a zone."""


def versions(_: None, call: Call) -> answers.VersionsAnswer:
    """GET /"""
    link = answers.Link(rel="self", href=call.request.link("/v2.0/"))
    return answers.VersionsAnswer(versions=[answers.ApiVersion(id="v2.0", status="CURRENT", links=[link])])


def resources(collections: Sequence[tuple[str, str]]) -> Callable[[None, Call], answers.ResourcesAnswer]:
    """GET /v2.0: `collections` by name and as paths say them."""

    def view(_: None, call: Call) -> answers.ResourcesAnswer:
        return answers.ResourcesAnswer(
            resources=[
                answers.Resource(
                    name=name,
                    collection=collection,
                    links=[answers.Link(rel="self", href=call.request.link(f"/v2.0/{collection}"))],
                )
                for name, collection in collections
            ]
        )

    return view


def extensions(offered: Mapping[str, answers.Extension]) -> Callable[[None, Call], answers.ExtensionsAnswer]:
    """GET /v2.0/extensions"""
    rows = [offered[alias] for alias in sorted(offered)]
    return lambda _, __: answers.ExtensionsAnswer(extensions=rows)


def extension(offered: Mapping[str, answers.Extension]) -> Callable[[str, Call], answers.ExtensionAnswer]:
    """GET /v2.0/extensions/{alias}. Raises NotFound."""

    def view(alias: str, _: Call) -> answers.ExtensionAnswer:
        if alias not in offered:
            raise NotFound(f"Extension with alias {alias[:64]} does not exist", type="HTTPNotFound")
        return answers.ExtensionAnswer(extension=offered[alias])

    return view


def zones(_: None, __: Call) -> answers.ZonesAnswer:
    """GET /v2.0/availability_zones: all is in one."""
    return answers.ZonesAnswer(
        availability_zones=[answers.Zone(name="nova", resource=each, state="available") for each in ZONED]
    )
