# SPDX-License-Identifier: Apache-2.0
"""Addresses and prefixes: how they are written, which are free, what overlaps. Pure."""

from __future__ import annotations

import bisect
import ipaddress
import random
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from virga.ground.errors import Invalid

Net = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def network_of(text: str, field: str = "cidr", hosts: bool = False) -> Net:
    """A CIDR as a network; host bits are refused with the right spelling, or left out where `hosts` may stand.

    Raises Invalid for all else, and for a zone (RFC 4007): that is a name of one machine's links, it takes any characters, and what
    reads addresses after us takes none (OSSA-2014-014, OSSA-2014-039, OSSA-2021-005)."""
    try:
        _no_zone(text)
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Invalid(
            f"Invalid input for {field}. Reason: '{text[:64]}' is not a valid IP subnet.",
            field=field,
            type="InvalidInput",
        ) from None
    if hosts or ipaddress.ip_address(text.partition("/")[0]) == meant.network_address:
        return meant
    raise Invalid(
        f"Invalid input for {field}. Reason: '{text[:64]}' isn't a recognized IP subnet cidr, '{meant}' is recommended.",
        field=field,
    )


def _no_zone(text: str) -> None:
    if "%" in text:
        raise ValueError("an address with a zone")


def address_of(text: str, field: str = "ip_address") -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Text as an address. Raises Invalid for what is none, and for one with a zone, as `network_of` does."""
    try:
        _no_zone(text)
        return ipaddress.ip_address(text)
    except ValueError:
        raise Invalid(
            f"Invalid input for {field}. Reason: '{text[:64]}' is not a valid IP address.", field=field
        ) from None


class Exact(NamedTuple):
    """An address: IP version, number, and its one spelling."""

    version: int
    number: int
    text: str


def exact(text: str) -> Exact:
    """Text as an address; an IPv4 address that the system reads is spelled as it should be, and bodies have hundreds of them. Raises
    Invalid as `address_of` does."""
    try:
        return Exact(4, int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big"), text)
    except (OSError, ValueError):
        address = address_of(text)
        return Exact(address.version, int(address), str(address))


def hosts(net: Net) -> tuple[int, int]:
    """The first and the last address of the network that a host may have, as numbers: in IPv4 neither its first nor its last, which mean
    the network itself and everybody, but for networks of two (RFC 3021)."""
    first, last = int(net.network_address), int(net.broadcast_address)
    return (first + 1, last - 1) if net.version == 4 and net.prefixlen < 31 else (first, last)


def default_pools(net: Net, gateway: str | None) -> list[dict[str, str]]:
    """All host addresses but the gateway's."""
    first, last = int(net.network_address), int(net.broadcast_address)
    if net.version == 4 and net.prefixlen < 31:
        first, last = first + 1, last - 1
    elif net.version == 6 and net.prefixlen < 127:
        first += 1
    spans = [(first, last)]
    if gateway is not None and first <= (at := int(ipaddress.ip_address(gateway))) <= last:
        spans = [(first, at - 1), (at + 1, last)]
    kind = type(net.network_address)
    return [{"start": str(kind(a)), "end": str(kind(b))} for a, b in spans if a <= b]


def ranges(pools: list[dict[str, str]]) -> Iterator[tuple[int, int]]:
    """First and last address of each pool, as numbers; read as they are needed, for mostly the first has what is wanted."""
    for pool in pools:
        yield int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"]))


def guesses(net: Net, pools: Iterable[tuple[int, int]], chance: random.Random) -> Iterator[str]:
    """Random addresses of the large pools (of `ranges`): in a wide subnet nearly each is free, and asking is cheaper than reading all
    that are not."""
    kind = type(net.network_address)
    for first, last in pools:
        if last - first > 4096:
            for _ in range(8):
                yield str(kind(chance.randint(first, last)))


def free(net: Net, pools: Iterable[tuple[int, int]], used: set[str]) -> Iterator[str]:
    """The addresses of the pools (of `ranges`) that are not `used` when their turn comes (the set may grow meanwhile), in order; of
    each pool at most its first 65,537."""
    kind = type(net.network_address)
    for first, last in pools:
        for number in range(first, min(last, first + 65536) + 1):
            text = str(kind(number))
            if text not in used:
                yield text


def eui64(net: ipaddress.IPv6Network, mac: str) -> str:
    """The SLAAC address of a MAC (RFC 4291, appendix A)."""
    b = [int(x, 16) for x in mac.split(":")]
    tail = bytes([b[0] ^ 2, b[1], b[2], 0xFF, 0xFE, b[3], b[4], b[5]])
    return str(ipaddress.IPv6Address(int(net.network_address) | int.from_bytes(tail, "big")))


class Spans:
    """Prefixes that share no address with each other, as the subnets of one network do."""

    def __init__(self, cidrs: Iterable[str]) -> None:
        self._spans: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for net in map(ipaddress.ip_network, cidrs):
            self._spans[net.version].append((int(net.network_address), int(net.broadcast_address)))
        for spans in self._spans.values():
            spans.sort()

    def overlap(self, net: Net) -> str | None:
        """The prefix that shares addresses with `net`."""
        spans, first, last = self._spans[net.version], int(net.network_address), int(net.broadcast_address)
        at = bisect.bisect_right(spans, (first, last))
        for start, end in spans[max(0, at - 1) : at + 1]:
            if start <= last and first <= end:
                return f"{type(net.network_address)(start)}/{net.max_prefixlen - (end - start).bit_length()}"
        return None

    def add(self, net: Net) -> None:
        """One more, that overlaps with none."""
        bisect.insort(self._spans[net.version], (int(net.network_address), int(net.broadcast_address)))


class Prefixes:
    """Which of some prefixes an address is in; no two of them share one, as the subnets of a network do not."""

    def __init__(self, nets: Mapping[str, Net]) -> None:
        """`nets`: a name for each."""
        self._spans: dict[int, list[tuple[int, int, str]]] = {4: [], 6: []}
        for name, net in nets.items():
            self._spans[net.version].append((int(net.network_address), int(net.broadcast_address), name))
        for spans in self._spans.values():
            spans.sort()
        self._firsts = {version: [first for first, _, _ in spans] for version, spans in self._spans.items()}

    def holding(self, address: Exact) -> str | None:
        """The name of the one that `address` is in."""
        at = bisect.bisect_right(self._firsts[address.version], address.number) - 1
        if at < 0:
            return None
        _, last, name = self._spans[address.version][at]
        return name if address.number <= last else None


def overlap(cidr: str, other: str) -> bool:
    """Whether the two prefixes share addresses."""
    one, two = ipaddress.ip_network(cidr), ipaddress.ip_network(other)
    return one.version == two.version and one.overlaps(two)
