# SPDX-License-Identifier: Apache-2.0
"""What the NICs of a new server hang on."""

from __future__ import annotations

from virga.ground.errors import Invalid
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.compute import wire
from virga.services.compute.actions import server_addresses
from virga.services.network import api as network


def requested(call: Call, body: wire.CreateServer) -> list[network.RequestedNetwork]:
    """What the server's NICs hang on: the ports and networks named; `auto` or nothing said: the project's one network. Raises Invalid."""
    if body.networks == "none":
        return []
    if body.networks == "auto" or (body.networks is UNSET and call.version >= (2, 37)):
        if body.networks is UNSET:
            raise Invalid(
                "Invalid input for field 'networks': since microversion 2.37 it is required (a list, 'auto' or 'none')",
                field="networks",
            )
        return network.auto(call)
    if body.networks is UNSET or not body.networks:
        return network.auto(call)
    requested = []
    for each in body.networks:
        assert isinstance(each, wire.RequestedNetwork)
        if isinstance(each.port, str):
            if each.fixed_ip is not UNSET:
                raise Invalid(
                    f"Specified Fixed IP '{each.fixed_ip}' cannot be used with port '{each.port}': the two cannot be specified together.",
                    field="networks",
                )
            requested.append(network.RequestedNetwork(port_id=each.port))
        elif isinstance(each.uuid, str):
            if isinstance(each.fixed_ip, str):
                server_addresses.check_address(each.fixed_ip, None)
            requested.append(
                network.RequestedNetwork(
                    network_id=each.uuid, fixed_ip=each.fixed_ip if isinstance(each.fixed_ip, str) else None
                )
            )
        else:
            raise Invalid("Invalid input for field 'networks': each entry needs a uuid or a port", field="networks")
    return network.check_requested(call, requested)
