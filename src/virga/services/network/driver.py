# SPDX-License-Identifier: Apache-2.0
"""The plug for a switch engine. The engine is told whole things, as they should be (`ensure`) or not be (`remove`), all kinds alike; each
verb may be repeated. What it keeps is a cache of our database and may be lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Generic, Protocol, TypeVar

import msgspec


class Spec(msgspec.Struct, frozen=True):
    """A thing of a kind (see `kinds`) as the engine should have it."""

    kind: ClassVar[str]
    id: str


class SubnetSpec(msgspec.Struct, frozen=True):
    id: str
    cidr: str
    gateway: str | None
    dhcp: bool
    dns: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    metadata_ip: str | None
    ra_mode: str | None


class NetworkSpec(Spec, frozen=True):
    """`physical` names the physical network that the external one ends on; `metadata` is (port id, MAC)."""

    kind: ClassVar[str] = "network"
    name: str
    mtu: int
    physical: str | None
    subnets: tuple[SubnetSpec, ...]
    metadata: tuple[str, str] | None


class PortSpec(Spec, frozen=True):
    """`ips`: (address, subnet id). `security` off: anything may pass."""

    kind: ClassVar[str] = "port"
    network_id: str
    mac: str
    ips: tuple[tuple[str, str], ...]
    enabled: bool
    security: bool
    pairs: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]
    device_id: str
    device_owner: str
    host: str


class RuleSpec(msgspec.Struct, frozen=True):
    id: str
    direction: str
    ethertype: str
    protocol: str | None
    port_min: int | None
    port_max: int | None
    remote_ip: str | None
    remote_group: str | None


class GroupSpec(Spec, frozen=True):
    kind: ClassVar[str] = "group"
    stateful: bool
    rules: tuple[RuleSpec, ...]


class InterfaceSpec(msgspec.Struct, frozen=True):
    """A router's leg: `cidrs` are its addresses with prefix length."""

    port_id: str
    network_id: str
    mac: str
    cidrs: tuple[str, ...]
    ra_mode: str | None = None
    mtu: int = 1442


class GatewaySpec(msgspec.Struct, frozen=True):
    port_id: str
    network_id: str
    mac: str
    cidrs: tuple[str, ...]
    next_hops: tuple[str, ...]


class FloatingSpec(msgspec.Struct, frozen=True):
    id: str
    external_ip: str
    fixed_ip: str
    port_id: str


class RouterSpec(Spec, frozen=True):
    kind: ClassVar[str] = "router"
    name: str
    enabled: bool
    interfaces: tuple[InterfaceSpec, ...]
    gateway: GatewaySpec | None
    snat: bool
    routes: tuple[tuple[str, str], ...]
    floating: tuple[FloatingSpec, ...]


S_contra = TypeVar("S_contra", bound=Spec, contravariant=True)


class Part(Protocol, Generic[S_contra]):
    """What an engine does with one kind."""

    def ensure(self, spec: S_contra) -> None:
        """Make the thing as it should be, whatever it was. Raises Unavailable while something that it needs is not there yet."""
        ...

    def remove(self, id: str) -> None:
        """Take the thing away; one that never was is fine."""
        ...

    def ids(self) -> set[str]:
        """The things of this kind that the engine has."""
        ...


class Switch(Protocol):
    """The central side of the engine."""

    def ensure(self, spec: Spec) -> None:
        """Make a thing as it should be, whatever it was. Raises Unavailable while something that it needs is not there yet."""
        ...

    def remove(self, kind: str, id: str) -> None:
        """Take a thing away; one that never was is fine."""
        ...

    def observe(self) -> dict[str, set[str]]:
        """What the engine has: kind → ids."""
        ...

    def watch(self, tell: Callable[[str, bool], None]) -> None:
        """Call `tell(port_id, up)` whenever a port comes up or goes down, and once for each that is up now."""
        ...
