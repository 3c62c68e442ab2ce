# SPDX-License-Identifier: Apache-2.0
"""What a subnet may look like: its gateway, pools, nameservers and routes. Pure."""

from __future__ import annotations

import ipaddress
import itertools

from virga.ground.errors import Conflict, Invalid
from virga.ground.wire import UNSET, UnsetType
from virga.services.network import model, wire


def prefix(body: wire.CreateSubnet) -> model.Net:
    """The prefix that is asked for. Raises Invalid for one that cannot be a subnet, or is not of the version that is said."""
    net = model.network_of(body.cidr)
    if body.ip_version is not UNSET and net.version != body.ip_version:
        raise Invalid(
            f"Invalid input for operation: ip_version {body.ip_version} does not match cidr {body.cidr}.",
            field="cidr",
            type="InvalidInput",
        )
    if net.prefixlen == 0 or net.is_multicast or net.is_loopback or (net.version == 4 and net.is_link_local):
        raise Invalid(f"Invalid input for cidr. Reason: {net} cannot be a subnet.", field="cidr", type="InvalidInput")
    if net.version == 4 and (body.ipv6_ra_mode or body.ipv6_address_mode):
        raise Invalid(
            "Invalid input for operation: ipv6_address_mode and ipv6_ra_mode are not valid when ip_version is 4",
            field="ipv6_ra_mode",
            type="InvalidInput",
        )
    if net.version == 6:
        _ipv6_modes(body, net)
    return net


def _ipv6_modes(body: wire.CreateSubnet, net: model.Net) -> None:
    """How guests come by their addresses (Networking API, "ipv6_ra_mode" and "ipv6_address_mode"). Raises Invalid."""
    ra, address = body.ipv6_ra_mode, body.ipv6_address_mode
    if (ra or address) and not body.enable_dhcp:
        raise Invalid(
            "Invalid input for operation: ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.",
            field="enable_dhcp",
            type="InvalidInput",
        )
    if ra and address and ra != address:
        raise Invalid(
            f"Invalid input for operation: ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{address}' is not valid. "
            "If both attributes are set, they must be the same value.",
            field="ipv6_address_mode",
            type="InvalidInput",
        )
    if address in {"slaac", "dhcpv6-stateless"} and net.prefixlen != 64:
        raise Invalid(
            f"Invalid input for operation: Invalid CIDR {net} for IPv6 address mode. OpenStack uses the EUI-64 address format, which "
            "requires the prefix to be /64.",
            field="cidr",
            type="InvalidInput",
        )


def gateway(net: model.Net, requested: str | UnsetType | None, first: bool) -> str | None:
    """The gateway that is asked for; `first`: the usual one, where a subnet has room for one. Raises Invalid."""
    if first:
        return str(net.network_address + 1) if net.num_addresses > 2 else None
    if requested is None or requested is UNSET:
        return None
    address = model.address_of(requested, "gateway_ip")
    if address.version != net.version:
        raise Invalid(
            f"Invalid input for operation: gateway_ip {requested} is not of the subnet's IP version.",
            field="gateway_ip",
            type="InvalidInput",
        )
    if (
        address in net
        and net.version == 4
        and net.prefixlen < 31
        and address in (net.network_address, net.broadcast_address)
    ):
        raise Invalid(
            f"Invalid input for operation: Gateway is not valid on subnet: {requested} is its network or broadcast address.",
            field="gateway_ip",
            type="InvalidInput",
        )
    return str(address)


def pools(net: model.Net, gateway: str | None, requested: list[wire.Pool]) -> list[dict[str, str]]:
    """The allocation pools that are asked for, each address in its one spelling. Raises Invalid for one that is not of the subnet,
    Conflict for two that overlap and for one that holds the gateway."""
    spans: list[tuple[int, int]] = []
    out: list[dict[str, str]] = []
    way = int(ipaddress.ip_address(gateway)) if gateway is not None else None
    for pool in requested:
        a, b = model.address_of(pool.start, "allocation_pools"), model.address_of(pool.end, "allocation_pools")
        if a.version != net.version or b.version != net.version or a not in net or b not in net:
            raise Invalid(
                f"The allocation pool {pool.start}-{pool.end} spans beyond the subnet cidr {net}.",
                field="allocation_pools",
                type="OutOfBoundsAllocationPool",
            )
        if int(a) > int(b):
            raise Invalid(
                f"The allocation pool {pool.start}-{pool.end} is not valid.",
                field="allocation_pools",
                type="InvalidAllocationPool",
            )
        if way is not None and int(a) <= way <= int(b):
            raise Conflict(
                f"Gateway ip {gateway} conflicts with allocation pool {pool.start}-{pool.end}.",
                type="GatewayConflictWithAllocationPools",
            )
        spans.append((int(a), int(b)))
        out.append({"start": str(a), "end": str(b)})
    kind = type(net.network_address)
    for one, other in itertools.pairwise(sorted(spans)):
        if other[0] <= one[1]:
            found = ", ".join(f"{kind(a)}-{kind(b)}" for a, b in (one, other))
            raise Conflict(
                f"Found overlapping allocation pools: {found} for subnet {net}.", type="OverlappingAllocationPools"
            )
    return out


def nameservers(values: list[str]) -> None:
    """Raise Invalid for what is no address, or comes twice."""
    field = "dns_nameservers"
    for value in values:
        model.address_of(value, field)
    if len(set(values)) != len(values):
        raise Invalid(
            f"Invalid input for {field}. Reason: Duplicate items in the list: '{', '.join(values)}'.",
            field=field,
            type="InvalidInput",
        )


def routes(requested: list[wire.HostRoute]) -> list[dict[str, str]]:
    """Routes as one reads them: each address in its one spelling, both ends of the same IP version. Raises Invalid."""
    out = []
    for route in requested:
        to = model.network_of(route.destination, "host_routes")
        via = model.address_of(route.nexthop, "host_routes")
        if to.version != via.version:
            raise Invalid(
                f"Invalid input for host_routes. Reason: {to} and {via} are not of one IP version.",
                field="host_routes",
                type="InvalidInput",
            )
        out.append({"destination": str(to), "nexthop": str(via)})
    return out
