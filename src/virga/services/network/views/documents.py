# SPDX-License-Identifier: Apache-2.0
"""What the API says of itself: versions, its collections, extensions, zones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from virga.ground.errors import NotFound
from virga.ground.http.call import Call
from virga.services.network import wire


def versions(_: None, call: Call) -> dict[str, Any]:
    """GET /"""
    links = [{"rel": "self", "href": call.request.link("/v2.0/")}]
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}


def resources(collections: Sequence[tuple[str, str]]) -> Callable[[None, Call], dict[str, Any]]:
    """GET /v2.0: `collections` by name and as paths say them."""

    def view(_: None, call: Call) -> dict[str, Any]:
        return {
            "resources": [
                {
                    "name": name,
                    "collection": collection,
                    "links": [{"rel": "self", "href": call.request.link(f"/v2.0/{collection}")}],
                }
                for name, collection in collections
            ]
        }

    return view


def extensions(offered: Mapping[str, wire.Extension]) -> Callable[[None, Call], dict[str, Any]]:
    """GET /v2.0/extensions"""
    rows = [offered[alias] for alias in sorted(offered)]
    return lambda _, __: {"extensions": rows}


def extension(offered: Mapping[str, wire.Extension]) -> Callable[[str, Call], dict[str, Any]]:
    """GET /v2.0/extensions/{alias}. Raises NotFound."""

    def view(alias: str, _: Call) -> dict[str, Any]:
        if alias not in offered:
            raise NotFound(f"Extension with alias {alias[:64]} does not exist", type="HTTPNotFound")
        return {"extension": offered[alias]}

    return view


def zones(_: None, __: Call) -> dict[str, Any]:
    """GET /v2.0/availability_zones: all is in one."""
    return {
        "availability_zones": [{"name": "nova", "resource": r, "state": "available"} for r in ("network", "router")]
    }
