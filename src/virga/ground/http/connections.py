# SPDX-License-Identifier: Apache-2.0
"""The connections of one server: how many an address may have, which one gives way when there are too many, how long a head, a body and
an answer may stand still, and who really asks where a proxy that we trust says so."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import resource
from collections.abc import Iterable, Sequence
from typing import Protocol

HEAD_SECONDS = 20.0
"""From a connection's first moment, or the first byte of a later request, to the end of the head."""
BODY_SECONDS = 70.0
"""A body of which not one byte came for so long is given up: a little more than services wait, so that theirs is the answer."""
ANSWER_SECONDS = 60.0
"""An answer of which the client took not one byte for so long is cut off."""
LINGER_SECONDS = 20.0
"""A connection that is closed and whose last bytes nobody takes."""
LOOK_SECONDS = 1.0
SLICE = 256
OWN_FILES = 256
"""Files that are kept back for databases, disks and engines."""
MOST_FILES = 1 << 16

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Held(Protocol):
    """A connection, as it is looked after here."""

    def late(self, now: float) -> bool:
        """Whether the peer stood still for too long."""

    def give_up(self) -> None:
        """End: the peer is late."""

    def give_way(self) -> None:
        """End in favour of a newer one: nothing is under way."""


class AddressConnections:
    """The connections of one address. `fresh` have not sent a head yet, `idle` wait for the next one; the oldest come first."""

    __slots__ = ("count", "fresh", "idle")

    def __init__(self) -> None:
        self.count = 0
        self.fresh: dict[Held, None] = {}
        self.idle: dict[Held, None] = {}

    def longest(self) -> Held | None:
        """The connection that has waited the longest for a head."""
        return next(iter(self.fresh or self.idle), None)

    @property
    def waiting(self) -> int:
        return len(self.fresh) + len(self.idle)


class Connections:
    """`most` in all, `each` of one address (an IPv6 network of 64 bits counts as one). `proxies`: networks whose X-Forwarded-* is
    believed; they may have as many connections as there are. Lives on the event loop. Raises ValueError for what is no network."""

    def __init__(self, *, most: int = MOST_FILES, each: int = 1024, proxies: Iterable[str] = ()) -> None:
        self.most, self.each = most, each
        self.proxies: tuple[Network, ...] = tuple(ipaddress.ip_network(p, strict=False) for p in proxies)
        self.held: dict[Held, AddressConnections] = {}
        self.by_address: dict[str, AddressConnections] = {}
        self._look: asyncio.TimerHandle | None = None

    # -- coming and going ------------------------------------------------------------------------------------------

    def come(self, one: Held, peer: str) -> AddressConnections | None:
        """Take a connection in. Too many: the one that has waited longest for a head gives way, the address's own or, where the server
        is full, that of the address with most of them. None when nobody can give way: it must be refused."""
        name = place_of(peer)
        place = self.by_address.get(name)
        if place is not None and place.count >= self.each and not self.trusts(peer):
            if not self._make_room(place):
                return None
        elif len(self.held) >= self.most and not self._make_room(
            max(self.by_address.values(), key=lambda p: p.waiting)
        ):
            return None
        if place is None or place.count == 0:
            place = self.by_address[name] = AddressConnections()
        place.count += 1
        place.fresh[one] = None
        self.held[one] = place
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._all)
        return place

    def _make_room(self, place: AddressConnections) -> bool:
        one = place.longest()
        if one is None:
            return False
        place.fresh.pop(one, None)
        place.idle.pop(one, None)
        one.give_way()
        return True

    def go(self, one: Held, peer: str) -> None:
        """The connection is no more."""
        place = self.held.pop(one, None)
        if place is None:
            return
        place.fresh.pop(one, None)
        place.idle.pop(one, None)
        place.count -= 1
        if not place.count:
            self.by_address.pop(place_of(peer), None)

    # -- standing still --------------------------------------------------------------------------------------------

    def _all(self) -> None:
        self._some(list(self.held))

    def _some(self, rest: list[Held]) -> None:
        """Look at a slice of the connections, the others in the loop's next rounds."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for one in rest[-SLICE:]:
            if one in self.held and one.late(now):
                one.give_up()
        del rest[-SLICE:]
        if rest:
            self._look = loop.call_later(0, self._some, rest)
        else:
            self._look = loop.call_later(LOOK_SECONDS, self._all) if self.held else None

    def close(self) -> None:
        """Look at nothing any more."""
        if self._look is not None:
            self._look.cancel()
            self._look = None

    # -- who asks --------------------------------------------------------------------------------------------------

    def trusts(self, peer: str) -> bool:
        """Whether the address is one of the operator's proxies."""
        if not self.proxies:
            return False
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.proxies)

    def whence(self, peer: str, scheme: str, headers: Sequence[tuple[bytes, bytes]]) -> tuple[str, str]:
        """The client's address and scheme. From a trusted peer: the last address of X-Forwarded-For that is no trusted proxy's itself
        (what stands before it is the client's own word), and the last X-Forwarded-Proto; from anybody else both are the connection's."""
        if not self.trusts(peer):
            return peer, scheme
        by_name: dict[bytes, list[str]] = {b"x-forwarded-for": [], b"x-forwarded-proto": []}
        for name, value in headers:
            if name in by_name:
                by_name[name] += [part.strip() for part in value.decode("latin-1").split(",")]
        client = peer
        for forwarded in reversed(by_name[b"x-forwarded-for"]):
            address = address_in(forwarded)
            if address is None:
                break
            client = address
            if not self.trusts(address):
                break
        proto = by_name[b"x-forwarded-proto"][-1].lower() if by_name[b"x-forwarded-proto"] else scheme
        return client, proto if proto in {"http", "https"} else scheme


def address_in(text: str) -> str | None:
    """The IP address in a hop of X-Forwarded-For (`192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`), None where there is none."""
    text = text.strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def place_of(peer: str) -> str:
    """What counts as one address: an IPv4 address, or the 64 bits of an IPv6 network, of which a single customer has them all."""
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64))


def raise_files() -> int:
    """Let this process open as many files as it may (a soft limit of 1,024 is for programs that use select); how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft
