# SPDX-License-Identifier: Apache-2.0
"""Network's table (Networking API v2.0): the core's rows and those of the extensions."""

from __future__ import annotations

from collections.abc import Sequence

from virga.ground.http.faults import Faults, neutron
from virga.ground.http.table import Service
from virga.services.network.extensions import offer
from virga.services.network.extensions.extension import Extension


def spelled(parts: list[str]) -> list[str]:
    """Without the `.json` that neutronclient ends every path with (Neutron's router takes it); a tag may be called so."""
    if parts and parts[-1].endswith(".json") and parts[-2:-1] != ["tags"]:
        return [*parts[:-1], parts[-1].removesuffix(".json")]
    return parts


def service(extensions: Sequence[Extension] = offer.ALL) -> Service:
    """The API with these extensions."""
    return Service(
        name="network",
        type="network",
        path="/network",
        ports=(9696,),
        catalog="/network",
        routes=offer.routes(extensions),
        faults=Faults(neutron, over_quota=409),
        spelled=spelled,
    )


SERVICE = service()
