# SPDX-License-Identifier: Apache-2.0
"""Network's settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    uplink: Annotated[
        str,
        Meta(
            description="The way out of the external network: auto (this machine's default route), host (this machine only), none (a namespace), or a link's name"
        ),
    ] = "auto"
    external_cidr: Annotated[str, Meta(description="The external network that is set up at first start")] = (
        "172.24.4.0/24"
    )
    external_name: Annotated[str, Meta(description="Its name")] = "public"
    mtu: Annotated[int, Meta(ge=1280, le=9000, description="MTU of tenant networks")] = 1442
    dns_servers: Annotated[list[str], Meta(description="Resolvers that DHCP hands out where a subnet names none")] = []
    mac_prefix: Annotated[
        str, Meta(pattern="^[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}$", description="First half of the ports' MAC addresses")
    ] = "fa:16:3e"
