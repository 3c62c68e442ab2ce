# SPDX-License-Identifier: Apache-2.0
"""Which addresses and MACs a port gets: what is asked for, or what is free."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator

from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid
from virga.ground.wire import UNSET
from virga.services.network import model, settings, store, wire

Given = tuple[str, str]
"""Subnet and address."""


class Addresses:
    """The addresses of one network for as long as one request gives them out: what they are given from is read once. Whoever makes one
    holds the network."""

    def __init__(self, act: Act, network_id: str) -> None:
        self._act = act
        self._network = network_id
        self.subnets = store.SUBNETS.every(act.tx, ("created", "id"), network_id=network_id)
        self._by_id = {s.id: s for s in self.subnets}
        self._nets = {s.id: model.network_of(s.cidr) for s in self.subnets}
        self._hosts = {id: model.hosts(net) for id, net in self._nets.items()}
        self._prefixes = model.Prefixes(self._nets)
        self._read: dict[str, model.Exact] = {}
        self._holders: dict[tuple[str, str], str | None] = {}
        self._ranges: dict[str, list[tuple[int, int]]] = {}
        self._taken: dict[str, set[str]] = {}
        self._free: dict[str, Iterator[str]] = {}

    def look_up(self, fixed: Iterable[wire.FixedIp]) -> None:
        """Read at once who has the addresses that are asked for: for whoever will give many. Raises Invalid for what is no address."""
        wanted: dict[str, set[str]] = {}
        for each in fixed:
            if each.ip_address is not UNSET:
                address = self._address(each.ip_address)
                subnet = self._prefixes.holding(address)
                if subnet is not None:
                    wanted.setdefault(subnet, set()).add(address.text)
        for subnet, texts in wanted.items():
            holders = store.holders_of(self._act.tx, subnet, texts)
            self._holders |= {(subnet, text): holders.get(text) for text in texts}

    def _address(self, text: str) -> model.Exact:
        found = self._read.get(text)
        if found is None:
            found = self._read[text] = model.exact(text)
        return found

    def _holder(self, subnet_id: str, text: str) -> str | None:
        """The port that has an address."""
        if (subnet_id, text) not in self._holders:
            row = store.PORT_IPS.by(self._act.tx, subnet_id=subnet_id, ip=text)
            self._holders[subnet_id, text] = row.port_id if row is not None else None
        return self._holders[subnet_id, text]

    def automatic(self, owner: str) -> list[model.Subnet]:
        """The subnets that every port of this owner has an address of, whatever is asked for: guests make it themselves (SLAAC). A
        router's ports have none."""
        return [] if owner == model.ROUTER_INTERFACE else [s for s in self.subnets if s.makes_itself]

    def give(
        self, owner: str, mac: str, fixed: list[wire.FixedIp] | None, handled: Collection[str] = ()
    ) -> list[Given]:
        """What a port gets: what is asked for, or one address of each IP version; and one of each automatic subnet that is not in
        `handled`. Raises Invalid for what cannot be an address of it, Conflict for what is taken or used up."""
        auto = self.automatic(owner)
        out = self._usual(mac) if fixed is None else self._asked(mac, fixed, auto)
        for subnet in auto:
            ip = self.free(subnet, mac) if subnet.id not in handled else None
            if ip is not None and (subnet.id, ip) not in out:
                out.append((subnet.id, ip))
        return out

    def free(self, subnet: model.Subnet, mac: str) -> str | None:
        """An address of the subnet that no port has and that nobody was given; None when there is none."""
        net = self._nets[subnet.id]
        if isinstance(net, ipaddress.IPv6Network) and subnet.makes_itself:
            return model.eui64(net, mac)
        taken = self._taken.setdefault(subnet.id, set())
        if subnet.id not in self._ranges:
            self._ranges[subnet.id] = list(model.ranges(subnet.pools))
        ranges = self._ranges[subnet.id]
        for guess in model.guesses(net, ranges, self._act.world.chance):
            if guess not in taken and store.PORT_IPS.by(self._act.tx, subnet_id=subnet.id, ip=guess) is None:
                taken.add(guess)
                return guess
        if subnet.id not in self._free:
            taken |= store.used_ips(self._act.tx, subnet.id)
            self._free[subnet.id] = model.free(net, ranges, taken)
        ip = next(self._free[subnet.id], None)
        if ip is not None:
            taken.add(ip)
        return ip

    def _usual(self, mac: str) -> list[Given]:
        out = []
        for version in (4, 6):
            wide = [s for s in self.subnets if s.ip_version == version and not s.makes_itself]
            found = next(((s.id, ip) for s in wide if (ip := self.free(s, mac)) is not None), None)
            if found is not None:
                out.append(found)
            elif wide:
                raise Conflict(
                    f"No more IP addresses available on network {self._network}: {', '.join(s.cidr for s in wide)} are used up.",
                    type="IpAddressGenerationFailure",
                )
        return out

    def _asked(self, mac: str, fixed: list[wire.FixedIp], auto: list[model.Subnet]) -> list[Given]:
        out: list[Given] = []
        automatic = {s.id for s in auto}
        for each in fixed:
            if each.ip_address is UNSET and each.subnet_id in automatic:
                continue  # it is given anyway
            one = self._one(mac, each, automatic, out)
            self._taken.setdefault(one[0], set()).add(one[1])
            out.append(one)
        return out

    def _one(self, mac: str, requested: wire.FixedIp, automatic: Collection[str], before: list[Given]) -> Given:
        subnet = self._by_id.get(requested.subnet_id) if requested.subnet_id is not UNSET else None
        if requested.subnet_id is not UNSET and subnet is None:
            raise Invalid(
                f"Invalid input for operation: Failed to create port on network {self._network}, because fixed_ips included invalid subnet {requested.subnet_id}.",
                field="fixed_ips",
                type="InvalidInput",
            )
        if requested.ip_address is not UNSET:
            return self._exact(self._address(requested.ip_address), subnet, automatic, before)
        if subnet is None:
            raise Invalid(
                "Invalid input for fixed_ips: a subnet_id or an ip_address is needed.",
                field="fixed_ips",
                type="InvalidInput",
            )
        ip = self.free(subnet, mac)
        if ip is None:
            raise Conflict(
                f"No more IP addresses available on network {self._network}: subnet {subnet.cidr} is used up.",
                type="IpAddressGenerationFailure",
            )
        return subnet.id, ip

    def _exact(
        self, address: model.Exact, subnet: model.Subnet | None, automatic: Collection[str], before: list[Given]
    ) -> Given:
        """The very address, of the subnet that is named or of the one that it is in."""
        if subnet is None:
            subnet = self._by_id.get(self._prefixes.holding(address) or "")
        if subnet is None:
            raise Invalid(
                f"IP address {address.text} is not a valid IP for any of the subnets on network {self._network}.",
                field="fixed_ips",
                type="InvalidIpForNetwork",
            )
        if subnet.id in automatic:
            raise Invalid(
                f"IPv6 address {address.text} can not be directly assigned to a port on subnet {subnet.id} as the subnet is configured for automatic addresses.",
                field="fixed_ips",
                type="AllocationOnAutoAddressSubnet",
            )
        first, last = self._hosts[subnet.id]
        if address.version != subnet.ip_version or not first <= address.number <= last:
            raise Invalid(
                f"IP address {address.text} is not a valid IP for the specified subnet {subnet.cidr}.",
                field="fixed_ips",
                type="InvalidIpForSubnet",
            )
        one = (subnet.id, address.text)
        if one in before:
            raise Invalid(
                f"Invalid input for fixed_ips. Reason: Duplicate IP address '{address.text}'.",
                field="fixed_ips",
                type="InvalidInput",
            )
        holder = self._holder(*one)
        if holder is not None or address.text in self._taken.get(subnet.id, ()):
            raise Conflict(
                f"IP address {address.text} already allocated in subnet {subnet.id}.",
                type="IpAddressAlreadyAllocated",
                blocking=[holder] if holder is not None else [],
            )
        return one


def macs(act: Act, network_id: str, requested: list[str | None]) -> list[str]:
    """As many MACs as are asked for, each the one that is named or one that no port of the network has. Raises Invalid for one that is no
    NIC's, Conflict for one that a port has (or that is asked for twice)."""
    named = [mac.lower() for mac in requested if mac is not None]
    for mac in named:
        if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
            raise Invalid(
                f"Invalid input for mac_address. Reason: '{mac}' is not a unicast address.",
                field="mac_address",
                type="InvalidInput",
            )
    taken = store.macs_among(act.tx, network_id, named)
    for mac in named:
        if mac in taken:
            raise Conflict(
                f"Unable to complete operation for network {network_id}. The mac address {mac} is in use.",
                type="MacAddressInUse",
            )
        taken.add(mac)
    fresh = iter(_fresh(act, network_id, len(requested) - len(named), taken))
    return [mac.lower() if mac is not None else next(fresh) for mac in requested]


def _fresh(act: Act, network_id: str, count: int, taken: set[str]) -> list[str]:
    prefix = act.use(settings.Network).mac_prefix
    out: list[str] = []
    for _ in range(64):
        guesses = {
            prefix + "".join(f":{act.world.chance.randrange(256):02x}" for _ in range(3))
            for _ in range(count - len(out))
        }
        fresh = guesses - taken
        fresh -= store.macs_among(act.tx, network_id, fresh)
        taken |= fresh
        out += sorted(fresh)
        if len(out) == count:
            return out
    raise Conflict(f"Unable to generate unique mac on network {network_id}.", type="MacAddressGenerationFailure")
