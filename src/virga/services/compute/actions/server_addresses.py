# SPDX-License-Identifier: Apache-2.0
"""Addresses of servers: those of their NICs, and those that their owners say they are reached at."""

from __future__ import annotations

import ipaddress

from virga.ground.act import Act
from virga.ground.errors import Invalid
from virga.services.compute import policy
from virga.services.compute.actions import server_lookup
from virga.services.network import api as network


def check_address(text: str, version: int | None) -> None:
    """Raise Invalid unless `text` is empty or an IP address, of `version` (4 or 6) if that is given."""
    if not text:
        return
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Invalid(f"Invalid input: '{text[:64]}' is not an IP address", field="accessIPv4") from None
    if version is not None and address.version != version:
        raise Invalid(f"Invalid input: '{text[:64]}' is not an IPv{version} address", field=f"accessIPv{version}")


def addresses(act: Act, id: str) -> list[network.ServerAddress]:
    """GET /servers/{id}/ips"""
    return network.server_addresses(act.tx, {id: server_lookup.readable(act, id, policy.IPS).project_id})[0].get(id, [])


def interfaces(act: Act, id: str) -> list[network.Nic]:
    """GET /servers/{id}/os-interface"""
    return network.nics(act.tx, id, server_lookup.readable(act, id, policy.INTERFACES).project_id)
