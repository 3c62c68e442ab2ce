# SPDX-License-Identifier: Apache-2.0
"""Compute's side of the talk with nodes, over the bus: what they should run, what they saw, what their guests may know.
A node holds no database credentials; it asks and reports, and old generations are refused."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from virga.ground.bus import Bus
from virga.ground.db.engine import Database
from virga.ground.doors import Doors
from virga.ground.sagas import wake
from virga.ground.world import World
from virga.services.compute import hosts, metadata, model, store
from virga.services.compute.driver import Capacity, Card, Machine
from virga.services.compute.settings import Compute
from virga.services.images import api as images
from virga.services.network import api as network

POWER = {"running": model.RUNNING, "stopped": model.SHUTDOWN, "crashed": model.SHUTDOWN}


class Desk:
    """Serves `compute.*` on the bus."""

    def __init__(self, db: Database, doors: Doors) -> None:
        self.db, self.doors = db, doors
        self.world = doors.use(World)

    def open(self) -> None:
        bus = self.doors.use(Bus)
        for subject, handler in (
            ("compute.hello", self.hello),
            ("compute.assignments", self.assignments),
            ("compute.assignment", self.assignment),
            ("compute.observed", self.observed),
            ("compute.powers", self.powers),
            ("compute.metadata", self.metadata),
            ("compute.metadata_ports", self.metadata_ports),
            ("compute.port", self.port),
        ):
            bus.serve(subject, self._repeated(handler))

    def _repeated(
        self, handler: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """The handler, begun again when the database asks."""
        return lambda said: self.db.again(lambda: handler(said))

    def hello(self, said: dict[str, Any]) -> dict[str, Any]:
        """A node reports itself: name and capacity. Repeated every ten seconds; silence for a minute is being down."""
        c = msgspec.convert(said["capacity"], Capacity)
        now, name = self.world.now(), said["host"]
        about = {
            "type": c.type,
            "version": c.version,
            "cpu": c.cpu,
            "ip": said.get("ip", "127.0.0.1"),
            "offers": c.offers,
        }
        with self.db.write() as tx:
            host = store.HOSTS.by(tx, name=name)
            values = {
                "vcpus": c.vcpus,
                "memory_mb": c.memory_mb,
                "disk_gb": c.disk_gb,
                "hypervisor": about,
                "seen": now,
            }
            if host is None:
                store.HOSTS.insert(
                    tx,
                    id=self.world.uuid(),
                    name=name,
                    zone=self.doors.use(Compute).zone,
                    enabled=True,
                    disabled_reason=None,
                    forced_down=False,
                    created=now,
                    number=store.next_number(tx),
                    **values,
                )
            else:
                store.HOSTS.put(tx, host.id, **values)
            kept = store.HOSTS.by(tx, name=name)
            assert kept is not None
            hosts.report(tx, now, kept, self.doors.use(Compute))
        return {}

    def assignments(self, said: dict[str, Any]) -> dict[str, Any]:
        """Every machine of a host: id → (generation, verb, done generation)."""
        with self.db.read() as tx:
            rows = store.SERVERS.find(tx, store.c.host == said["host"])
        return {"servers": {s.id: [s.generation, s.verb, s.seen_generation] for s in rows}}

    def assignment(self, said: dict[str, Any]) -> dict[str, Any]:
        """One machine in full, or nothing if it is not this host's."""
        with self.db.read() as tx:
            s = store.SERVERS.one(tx, store.c.id == said["server"], store.c.host == said["host"])
            if s is None:
                return {}
            cards = network.nics(tx, s.id, s.project_id)
            boot = store.boot(s)
            if not boot.format and s.image_id:  # a server of before this was kept with it
                image = images.visible(tx, s.image_id, None, True)
                boot = model.Boot(image.format) if image is not None else boot
        machine = Machine(
            id=s.id,
            name=s.name,
            project_id=s.project_id,
            generation=s.generation,
            vcpus=s.vcpus,
            ram=s.ram,
            disk=s.disk,
            ephemeral=s.ephemeral,
            image_id=s.image_id,
            image_format=boot.format or "qcow2",
            cards=[Card(n.port_id, n.mac, n.mtu, n.network_id) for n in cards],
            files=metadata.drive_files(s, cards, _seed(s)) if s.config_drive else None,
            hardware=store.hardware(s),
        )
        return {
            "machine": msgspec.to_builtins(machine),
            "verb": s.verb,
            "generation": s.generation,
            "seen": s.seen_generation,
            "image": s.verb_image,
        }

    def observed(self, said: dict[str, Any]) -> dict[str, Any]:
        """A node has done what a generation asked, or says why it could not. Older generations change nothing."""
        id, generation = said["server"], said["generation"]
        with self.db.write() as tx:
            changed = store.SERVERS.change(
                tx,
                store.c.id == id,
                store.c.host == said["host"],
                store.c.generation == generation,
                store.c.seen_generation < generation,
                seen_generation=generation,
                seen_error=said.get("error"),
            )
            if changed:
                wake(tx, self.doors, f"server:{id}")
        return {"taken": bool(changed)}

    def powers(self, said: dict[str, Any]) -> dict[str, Any]:
        """What the hypervisor really runs. A machine that the guest switched off, or that came up by itself, is shown as it is."""
        with self.db.read() as tx:
            rows = store.SERVERS.find(
                tx,
                store.c.host == said["host"],
                store.c.task_state.is_(None),
                store.c.vm_state.in_([model.ACTIVE, model.STOPPED]),
            )
        now, changed = self.world.now(), 0
        for s in rows:
            power = POWER.get(said["powers"].get(s.id, "stopped"), model.NOSTATE)
            state = model.ACTIVE if power == model.RUNNING else model.STOPPED
            if s.seen_generation != s.generation or (power == s.power_state and state == s.vm_state):
                continue
            with self.db.write() as tx:
                changed += store.SERVERS.change(
                    tx,
                    store.c.id == s.id,
                    store.c.task_state.is_(None),
                    store.c.generation == s.generation,
                    vm_state=state,
                    power_state=power,
                    updated=now,
                )
        return {"changed": changed}

    def metadata(self, said: dict[str, Any]) -> dict[str, Any]:
        """What a guest reads at 169.254.169.254. The network is where the node's socket listens, the address is the guest's own,
        which port security keeps it from choosing; a port answers for servers of its own project alone, whatever device it names
        (OSSA-2013-033)."""
        with self.db.read() as tx:
            device, project = network.who(tx, said["network"], said["ip"]) or ("", "")
            s = store.SERVERS.by(tx, id=device, project_id=project)
            if s is None:
                return {"status": 404, "type": "text/plain", "body": base64.b64encode(b"404 Not Found").decode()}
            cards = network.nics(tx, s.id, s.project_id)
            floating = next(
                (a.ip for a in network.shown(tx, {s.id: s.project_id})[0].get(s.id, []) if a.kind == "floating"), None
            )
        status, kind, body = metadata.answer(said["path"], s, cards, floating, _seed(s))
        return {"status": status, "type": kind, "body": base64.b64encode(body).decode()}

    def metadata_ports(self, said: dict[str, Any]) -> dict[str, Any]:
        with self.db.read() as tx:
            return {"ports": network.metadata_ports(tx)}

    def port(self, said: dict[str, Any]) -> dict[str, Any]:
        """The switch on a node saw a port come up or go down."""
        with self.db.write() as tx:
            network.port_seen(tx, said["port"], said["up"])
        return {}


def _seed(s: model.Server) -> str:
    """A random-looking seed that stays the same for a machine."""
    return base64.b64encode(hashlib.sha512(f"{s.id}{s.reservation_id}{s.created}".encode()).digest()).decode()
