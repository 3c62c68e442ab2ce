# SPDX-License-Identifier: Apache-2.0
"""The plug for a switch engine. The engine is told whole things, as they should be (`ensure_*`) or not be (`remove_*`); each verb
may be repeated. What it keeps is a cache of our database and may be lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec


class Spec(msgspec.Struct, frozen=True):
    """A thing as the engine should have it."""


class SubnetSpec(Spec, frozen=True):
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

    id: str
    name: str
    mtu: int
    physical: str | None
    subnets: tuple[SubnetSpec, ...]
    metadata: tuple[str, str] | None


class PortSpec(Spec, frozen=True):
    """`ips`: (address, subnet id). `security` off: anything may pass."""

    id: str
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


class RuleSpec(Spec, frozen=True):
    id: str
    direction: str
    ethertype: str
    protocol: str | None
    port_min: int | None
    port_max: int | None
    remote_ip: str | None
    remote_group: str | None


class GroupSpec(Spec, frozen=True):
    id: str
    stateful: bool
    rules: tuple[RuleSpec, ...]


class InterfaceSpec(Spec, frozen=True):
    """A router's leg: `cidrs` are its addresses with prefix length."""

    port_id: str
    network_id: str
    mac: str
    cidrs: tuple[str, ...]
    ra_mode: str | None = None
    mtu: int = 1442


class GatewaySpec(Spec, frozen=True):
    port_id: str
    network_id: str
    mac: str
    cidrs: tuple[str, ...]
    next_hops: tuple[str, ...]


class FloatingSpec(Spec, frozen=True):
    id: str
    external_ip: str
    fixed_ip: str
    port_id: str


class RouterSpec(Spec, frozen=True):
    id: str
    name: str
    enabled: bool
    interfaces: tuple[InterfaceSpec, ...]
    gateway: GatewaySpec | None
    snat: bool
    routes: tuple[tuple[str, str], ...]
    floating: tuple[FloatingSpec, ...]


class Switch(Protocol):
    """The central side of the engine."""

    def ensure_network(self, spec: NetworkSpec) -> None: ...

    def remove_network(self, id: str) -> None: ...

    def ensure_port(self, spec: PortSpec) -> None: ...

    def remove_port(self, id: str) -> None: ...

    def ensure_group(self, spec: GroupSpec) -> None: ...

    def remove_group(self, id: str) -> None: ...

    def ensure_router(self, spec: RouterSpec) -> None: ...

    def remove_router(self, id: str) -> None: ...

    def observe(self) -> dict[str, set[str]]:
        """What the engine has: kind → ids."""
        ...

    def watch(self, tell: Callable[[str, bool], None]) -> None:
        """Call `tell(port_id, up)` whenever a port comes up or goes down, and once for each that is up now."""
        ...
