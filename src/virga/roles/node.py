# SPDX-License-Identifier: Apache-2.0
"""The node of this host: its engines, its drivers, and what converges them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from virga.ground.bus import Bus, LocalConnection
from virga.node import identity
from virga.node.journal import Journal
from virga.node.node import Node
from virga.protocol.topics import Link
from virga.roles.role import Role
from virga.services.compute import api as compute
from virga.services.compute.agent import NodeApi
from virga.services.compute.driver import Hypervisor
from virga.services.compute.transfers import Transfers
from virga.services.network.driver import Switch
from virga.services.part import Site
from virga.settings import Settings

if TYPE_CHECKING:
    from virga.node.central import Central
    from virga.node.chassis import Chassis
    from virga.node.metadata import Metadata
    from virga.node.supervisor import Supervisor

NODE = Role(name="node", parts=(), node=True)
"""It has no part of its own, and is no process of its own yet: its bytes come through the data API of the process that it is in."""


@runtime_checkable
class GuestsEnd(Protocol):
    """A hypervisor whose machines outlive this process and can be ended with it."""

    def end_guests(self, *, gracefully: bool) -> None: ...


class LocalNode:
    """`equip` (or the simulation) leaves drivers in the site's registry; `start` begins to converge; `stop` and `close` end it."""

    def __init__(self, settings: Settings, site: Site) -> None:
        self.settings, self.site = settings, site
        self.node: Node | None = None
        self._link: Link | None = None
        self._metadata: Metadata | None = None
        self._supervisor: Supervisor | None = None
        self._central: Central | None = None
        self._chassis: Chassis | None = None

    def equip(self, step: Callable[[str], None]) -> None:
        """The drivers of a real cloud: OVN's daemons and libvirtd as children, each adopted if it still runs. Raises RuntimeError for a
        cloud that keeps nothing, and what engines say that do not come up."""
        from virga.node.central import Central
        from virga.node.chassis import Chassis
        from virga.node.images import Images
        from virga.node.libvirtd import engine, kvm_works
        from virga.node.metadata import Metadata
        from virga.node.supervisor import Supervisor, adopt_orphans
        from virga.services.compute.drivers.libvirt import LibvirtHypervisor
        from virga.services.compute.drivers.rbd_disks import RbdDisks
        from virga.services.network.drivers.ovn import OvnSwitch

        own, registry, state = self.settings, self.site.registry, self.site.state
        if state is None:
            raise RuntimeError("real disks and networks cannot live in memory")
        adopt_orphans()
        supervisor = self._supervisor = Supervisor(state / "engines")
        chassis = self._chassis = Chassis(
            own.name, state / "ovn", own.network.uplink, own.network.external_cidr, supervisor
        )
        central = self._central = Central(state / "ovn", supervisor)
        step("network engine (Open vSwitch, OVN)")
        central.start()
        chassis.start(central.southbound)
        central.await_chassis(chassis.id)
        switch = OvnSwitch(central.nb, chassis.id)
        switch.prepare()
        registry.put(Switch, switch)
        step("hypervisor (libvirt, QEMU)")
        (state / "machines").mkdir(exist_ok=True, mode=0o711)
        rbd = RbdDisks(own.compute.disks) if own.compute.disks else None
        if rbd is not None:
            chassis.storage(rbd.networks())
        kvm = own.compute.virt_type == "kvm" or (own.compute.virt_type == "auto" and kvm_works(state / "kvm.json")[0])
        supervisor.run(engine(own.name, state / "libvirt", state / "machines", chassis.namespace, kvm))
        stored = Images(self.link(), registry.use(Transfers))
        hypervisor = LibvirtHypervisor(
            state / "libvirt/run/libvirt-sock",
            state,
            kvm=kvm,
            plug=chassis.plug,
            unplug=chassis.unplug,
            image=stored.file,
            rbd=rbd,
            urls=stored.urls,
        )
        registry.put(Hypervisor, hypervisor)
        self._metadata = Metadata(chassis, self.link())
        supervisor.watch()

    def start(self) -> None:
        """Watch the switch, converge machines, answer their metadata."""
        registry, state = self.site.registry, self.site.state
        nodes = registry.use(NodeApi)

        def seen(port: str, up: bool) -> None:
            nodes.port(port, up)

        registry.use(Switch).watch(seen)
        self.node = Node(
            self.link(),
            registry.use(Hypervisor),
            name=self.host_name,
            data_api=registry.use(Transfers),
            journal=Journal(state / "node.orders" if state is not None else None),
        )
        self.node.start()
        if self._metadata is not None:
            self._metadata.start()

    @property
    def host_name(self) -> str:
        """What people call this host."""
        return self.settings.name if self.settings.simulated else socket.gethostname()

    def link(self) -> Link:
        """The node's connection, by its id."""
        if self._link is None:
            self._link = Link(LocalConnection(self.site.registry.use(Bus), self._id()))
        return self._link

    def _id(self) -> str:
        """Kept in the state folder. A host of before nodes had ids is this one, if it has this machine's name; a cloud in memory has no
        folder, and whose name it has, it is."""

        def before(claimed: bool) -> str | None:
            with self.site.db.read() as tx:
                return compute.host_of(tx, self.host_name, claimed=claimed)

        if self.site.state is None:
            return before(True) or self.site.world.uuid()
        return identity.read_or_create(self.site.state / "node.id", lambda: before(False))

    def stop(self, guests: str) -> None:
        """Converge no more. `guests`: `leave` them running, `stop` them first, or `kill` them without asking."""
        if self.node is not None:
            self.node.stop()
        if self._metadata is not None:
            self._metadata.stop()
        if self.node is not None:
            hypervisor = self.site.registry.use(Hypervisor)
            if guests != "leave" and isinstance(hypervisor, GuestsEnd):
                hypervisor.end_guests(gracefully=guests == "stop")
            hypervisor.close()

    def close(self, guests: str) -> None:
        """End the engines; while guests are left, their data plane goes on."""
        if self._supervisor is not None:
            self._supervisor.stop(data_plane=guests != "leave")
        if self._chassis is not None:
            self._chassis.close()
        if self._central is not None:
            self._central.close()
