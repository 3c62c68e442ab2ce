# SPDX-License-Identifier: Apache-2.0
"""Compute's side of the talk with nodes: what they should run, what they saw, what their guests may know. A node holds no database
credentials; who it is says its connection, and it hears of no machine that is not on it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from virga.ground import log, typed
from virga.ground.bus import Bus
from virga.ground.db.engine import Database, Tx
from virga.ground.errors import Conflict, Invalid
from virga.ground.registry import Registry
from virga.ground.sagas import wake
from virga.ground.world import World
from virga.protocol import VERSION, topics
from virga.protocol.guests import MetadataAnswer, MetadataPort, MetadataPorts, MetadataRequest
from virga.protocol.machines import Assigned, Assignment, AssignmentRequest, Empty, Machine, Order
from virga.protocol.reports import Hello, MachineReport, OrderReport, Report, Taken, Welcome
from virga.protocol.topics import Answer, Ask
from virga.protocol.transfers import ImageReference, ImageRequest
from virga.services.compute import hosts, machines, metadata, model, power, store
from virga.services.compute.presence import EVERY, Presence
from virga.services.compute.settings import Compute
from virga.services.compute.transfers import Transfers
from virga.services.images import api as images
from virga.services.network import api as network

NOT_FOUND = MetadataAnswer(404, "text/plain", b"404 Not Found")


class NodeApi:
    """Answers the topics of `virga.protocol.topics`. Every method's `node` is the id of the host that asks, as its connection has it."""

    def __init__(self, db: Database, registry: Registry) -> None:
        self.db, self.registry = db, registry
        self.world = registry.use(World)
        self.presence = registry.put(Presence, Presence(db, self.world))
        self.log = log.get("nodes")

    def open(self) -> None:
        """Answer, each question again when the database asks."""
        bus = self.registry.use(Bus)
        self._serve(bus, topics.HELLO, self.hello)
        self._serve(bus, topics.REPORT, self.report)
        self._serve(bus, topics.ASSIGNED, self.assigned)
        self._serve(bus, topics.ASSIGNMENT, self.assignment)
        self._serve(bus, topics.METADATA, self.metadata)
        self._serve(bus, topics.METADATA_PORTS, self.metadata_ports)
        self._serve(bus, topics.IMAGE, self.image)

    def _serve(self, bus: Bus, topic: topics.Topic[Ask, Answer], handler: Callable[[str, Ask], Answer]) -> None:
        topics.serve(bus, topic, lambda node, requested: self.db.again(lambda: handler(node, requested)))

    # -- hosts -----------------------------------------------------------------------------------------------------

    def hello(self, node: str, message: Hello) -> Welcome:
        """A node introduces itself. Raises Invalid for a protocol that is not spoken here, Conflict for the name of another host."""
        if message.version != VERSION:
            raise Invalid(
                f"Node {message.name} speaks version {message.version} of the protocol, this control {VERSION}: "
                f"upgrade the {'node' if message.version < VERSION else 'control'}.",
                field="version",
            )
        c = message.capacity
        now = self.world.now()
        about = {"type": c.type, "version": c.version, "cpu": c.cpu, "ip": message.address, "offers": c.offers}
        values: dict[str, Any] = {
            "name": message.name,
            "vcpus": c.vcpus,
            "memory_mb": c.memory_mb,
            "disk_gb": c.disk_gb,
            "hypervisor": about,
            "storages": c.storages,
            "claimed": True,
            "seen": now,
        }
        with self.db.write() as tx:
            tx.hold("hosts")
            other = store.HOSTS.by(tx, name=message.name)
            if other is not None and other.id != node:
                raise Conflict(
                    f"There is a host {message.name} already, of id {other.id}, last seen {now - other.seen:.0f} s ago: "
                    f"this one ({node}) needs a name of its own.",
                    blocking=[other.id],
                )
            before = store.HOSTS.get(tx, node)
            if before is None:
                store.HOSTS.insert(
                    tx,
                    id=node,
                    zone=self.registry.use(Compute).zone,
                    enabled=True,
                    disabled_reason=None,
                    forced_down=False,
                    created=now,
                    number=store.next_number(tx),
                    **values,
                )
            else:
                store.HOSTS.put(tx, node, **values)
                if before.name != message.name:
                    store.SERVERS.change(tx, store.c.host == before.name, host=message.name)
            stored = store.HOSTS.get(tx, node)
            assert stored is not None
            hosts.report(tx, now, stored, self.registry.use(Compute))
        return Welcome(every=EVERY)

    def report(self, node: str, message: Report) -> Taken:
        """What changed on a node. A report without content says that the node is there, and costs one look-up and no write here."""
        with self.db.read() as tx:
            undone = store.heard(tx, node)
        if undone is None:
            return Taken(unknown=True)
        self.presence.note(node)
        if message.machines or message.orders:
            with self.db.write() as tx:
                for order in message.orders:
                    self._order(tx, node, order)
                for machine in sorted(message.machines, key=lambda m: m.server):
                    self._machine(tx, node, machine)
            with self.db.read() as tx:
                undone = store.undone(tx, node)
        for stray in message.strays[:100]:
            self.log.warning("stray", host=node, server=stray[:64])
        return Taken(undone=undone)

    def _machine(self, tx: Tx, node: str, message: MachineReport) -> None:
        row = store.MACHINES.by(tx, server_id=message.server, host_id=node)
        if row is None or message.generation > row.generation:
            return
        current = message.tried and message.generation == row.generation
        gone = row.role == model.WITHDRAWN
        if gone and current and message.error is None:
            store.MACHINES.delete(tx, store.MACHINES.c.id == row.id)
            wake(tx, self.registry, f"server:{row.server_id}")
            return
        change: dict[str, Any] = {}
        if current:
            change["error"] = message.error
        if (
            message.tried and message.generation > row.seen and not (gone and current)
        ):  # what must go is tried until it went
            change["seen"] = message.generation
        if message.generation >= row.seen:
            change |= {
                "power": message.found.power if message.found is not None else None,
                "found": msgspec.to_builtins(message.found),
                "reported": self.world.now(),
            }
        store.MACHINES.put(tx, row.id, **change)
        if message.tried:
            wake(tx, self.registry, f"server:{row.server_id}")
        power.settle(tx, self.world.now(), row.server_id)

    def _order(self, tx: Tx, node: str, message: OrderReport) -> None:
        """The end of an order is taken once; only its own host's word counts."""
        c = store.ORDERS.c
        where = (c.id == message.order, c.host_id == node, c.state == model.WANTED)
        if message.state == "working":
            store.ORDERS.change(tx, *where, progress=msgspec.to_builtins(message.progress))
            return
        row = store.ORDERS.one(tx, *where)
        if row is None:
            return
        store.ORDERS.put(
            tx,
            row.id,
            state=model.DONE if message.state == "done" else model.FAILED,
            result=message.result,
            error=message.error,
            ended=self.world.now(),
        )
        wake(tx, self.registry, f"server:{row.server_id}")

    # -- machines --------------------------------------------------------------------------------------------------

    def assigned(self, node: str, message: Empty) -> Assigned:
        """Every server of which the node has a machine."""
        with self.db.read() as tx:
            return Assigned({m.server_id: m.seen for m in store.MACHINES.every(tx, host_id=node)})

    def assignment(self, node: str, message: AssignmentRequest) -> Assignment:
        """One server's machine in full, and its orders; nothing if it has none on this host. What a server of another node is, is not told."""
        with self.db.read() as tx:
            row = store.MACHINES.by(tx, server_id=message.server, host_id=node)
            orders = store.standing(tx, message.server, node)
            server = store.SERVERS.get(tx, message.server) if row is not None and row.role != model.WITHDRAWN else None
            machine = self._described(tx, server, row) if server is not None and row is not None else None
        return Assignment(
            server=message.server,
            machine=machine,
            power=machines.desired(row).power if row is not None else None,
            generation=row.generation if row is not None else 0,
            seen=row.seen if row is not None else 0,
            orders=[typed.convert({"id": o.id, "kind": o.kind, "arguments": o.arguments}, Order) for o in orders],
        )

    def _described(self, tx: Tx, s: model.Server, row: model.MachineRow) -> Machine:
        boot = store.boot(s)
        if not boot.format and s.image_id:  # a server of before this was kept with it
            image = images.visible(tx, s.image_id, None, True)
            boot = model.Boot(image.format) if image is not None else boot
        want = machines.desired(row)
        nics = network.nics(tx, s.id, s.project_id) if s.config_drive else []
        return Machine(
            id=s.id,
            name=s.name,
            project_id=s.project_id,
            generation=row.generation,
            vcpus=s.vcpus,
            ram=s.ram,
            disk=s.disk,
            ephemeral=s.ephemeral,
            image_id=s.image_id,
            image_format=boot.format or "qcow2",
            nics=want.nics,
            disks=want.disks,
            files=metadata.drive_files(s, nics, _seed(s)) if s.config_drive else None,
            hardware=store.hardware(s),
        )

    def image(self, node: str, message: ImageRequest) -> ImageReference:
        """A reference to the bytes of an image, for a node that has a machine made of it."""
        with self.db.read() as tx:
            here = any(message.image in store.images_of(s) for s in store.servers_on(tx, node))
        if not here:
            return ImageReference()
        return ImageReference(
            reference=self.registry.use(Transfers).image(node, message.image),
            urls=images.urls(self.registry, message.image),
        )

    # -- guests ----------------------------------------------------------------------------------------------------

    def metadata(self, node: str, message: MetadataRequest) -> MetadataAnswer:
        """What a guest reads at 169.254.169.254. The network is where the node's socket listens, the address is the guest's own,
        which port security keeps it from choosing; a port answers for servers of its own project alone, whatever device it names
        (OSSA-2013-033), and to the node that has the server's machine alone."""
        with self.db.read() as tx:
            device, project = network.who(tx, message.network, message.ip) or ("", "")
            s = store.SERVERS.by(tx, id=device, project_id=project)
            if s is None or store.MACHINES.by(tx, server_id=s.id, host_id=node) is None:
                return NOT_FOUND
            nics = network.nics(tx, s.id, s.project_id)
            floating = next(
                (
                    a.ip
                    for a in network.server_addresses(tx, {s.id: s.project_id})[0].get(s.id, [])
                    if a.kind == "floating"
                ),
                None,
            )
        status, kind, body = metadata.answer(message.path, s, nics, floating, _seed(s))
        return MetadataAnswer(status, kind, body)

    def metadata_ports(self, node: str, message: Empty) -> MetadataPorts:
        """Where to listen: on the networks of the machines that the node has."""
        with self.db.read() as tx:
            rows = store.MACHINES.every(tx, host_id=node)
            here = {nic.network_id for row in rows for nic in machines.desired(row).nics}
            ports = network.metadata_ports(tx) if here else []
        return MetadataPorts([typed.convert(p, MetadataPort) for p in ports if p["network"] in here])

    def port(self, port: str, up: bool) -> None:
        """The switch saw a port come up or go down."""
        self.db.run(lambda tx: network.port_seen(tx, port, up))


def _seed(s: model.Server) -> str:
    """A random-looking seed that stays the same for a machine."""
    return base64.b64encode(hashlib.sha512(f"{s.id}{s.reservation_id}{s.created}".encode()).digest()).decode()
