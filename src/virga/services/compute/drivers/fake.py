# SPDX-License-Identifier: Apache-2.0
"""A hypervisor that pretends, for `--sim` and stories: machines outlive the process in one small file, take time to boot on the
world's clock, and fail by the failure rates (`compute.spawn=5%`)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from virga.ground.world import World
from virga.protocol.machines import Machine
from virga.protocol.reports import Capacity, DiskSeen, Found, NicSeen
from virga.protocol.transfers import Content
from virga.services.compute.driver import Cancelled, StillHere, silent


class SimulatedFailure(Exception):
    """The failure rates said so."""


class FailureRates:
    """`compute.spawn=5%`, `compute.stop=100%`: how often a verb fails."""

    def __init__(self, points: list[str], world: World) -> None:
        self.world = world
        self.rates: dict[str, float] = {}
        for point in points:
            name, _, rate = point.partition("=")
            self.set(name.strip(), float(rate.rstrip("% ")) / 100)

    def set(self, name: str, rate: float) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"{name}: a rate is between 0% and 100%")
        self.rates[name] = rate

    def maybe_fail(self, name: str) -> None:
        rate = self.rates.get(name, 0.0)
        if rate and self.world.chance.random() < rate:
            raise SimulatedFailure(f"simulated failure at {name} ({rate:.0%})")


class FakeDisks:
    """Disks that pretend: which machines have one here, kept in one small file. Given to several hypervisors it is storage that they
    share, and `storage` is its name there."""

    def __init__(self, file: Path | None = None, storage: str = "") -> None:
        self.file, self.storage = file, storage
        self._lock = threading.Lock()
        self.there: dict[str, float] = {}
        if file is not None and file.exists():
            self.there = json.loads(file.read_text())

    def ensure(self, id: str, now: float) -> None:
        with self._lock:
            if id not in self.there:
                self.there[id] = now
                self._save()

    def destroy(self, id: str) -> None:
        with self._lock:
            if self.there.pop(id, None) is not None:
                self._save()

    def _save(self) -> None:
        if self.file is not None:
            fresh = self.file.with_suffix(".new")
            fresh.write_text(json.dumps(self.there))
            fresh.rename(self.file)


class FakeHypervisor:
    """`plug(port, on)` is told of every NIC. `disks`: where machines' disks are; without, on this host alone, beside `file`."""

    def __init__(
        self,
        world: World,
        *,
        file: Path | None = None,
        failure_rates: FailureRates | None = None,
        plug: Callable[[str, bool], None] | None = None,
        boot_seconds: float = 0.0,
        disks: FakeDisks | None = None,
    ) -> None:
        self.world, self.file, self.boot_seconds = world, file, boot_seconds
        self.failure_rates = failure_rates or FailureRates([], world)
        self.plug = plug or (lambda port, on: None)
        self.disks = disks or FakeDisks(file.with_name("disks.json") if file is not None else None)
        self.machines: dict[str, dict[str, Any]] = {}
        self.offers: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        if file is not None and file.exists():
            self.machines = json.loads(file.read_text())
            for id, machine in self.machines.items():
                self.disks.ensure(id, world.now())
                for port in machine["ports"]:
                    self.plug(port, machine["power"] == "running")

    def _save(self) -> None:
        if self.file is not None:
            fresh = self.file.with_suffix(".new")
            fresh.write_text(json.dumps(self.machines))
            fresh.rename(self.file)

    def _set(self, machine: Machine, power: str, line: str) -> None:
        """The machine is there, as described, in that state; `line` is what it writes to its console."""
        ports = [nic.port_id for nic in machine.nics]
        self.disks.ensure(machine.id, self.world.now())
        with self._lock:
            known = self.machines.get(machine.id, {"log": "", "booted": 0.0, "ports": [], "boots": 0})
            log = str(known["log"]) + f"[{self.world.now():.3f}] {machine.name}: {line}\n"
            booted = self.world.now() + self.boot_seconds if power == "running" else 0.0
            before = list(known["ports"])
            self.machines[machine.id] = {
                "power": power,
                "ports": ports,
                "disks": [disk.id for disk in machine.disks],
                "log": log[-65536:],
                "booted": booted,
                "boots": known.get("boots", 0) + (power == "running"),
                "copies": known.get("copies", {}),
            }
            self._save()
        self._plugged(before, ports, power == "running")

    def _plugged(self, before: list[str], ports: list[str], running: bool) -> None:
        for port in before:
            if port not in ports:
                self.plug(port, False)
        for port in ports:
            self.plug(port, running)

    def run(self, machine: Machine) -> None:
        self.disks.ensure(machine.id, self.world.now())  # a machine that does not start may have its disk already
        self.failure_rates.maybe_fail("compute.spawn")
        known = self.machines.get(machine.id)
        if known is None or known["power"] != "running":
            self._set(machine, "running", "boot finished")
        else:
            self._converge(machine)

    def _converge(self, machine: Machine) -> None:
        """What is new is plugged into the machine as it runs, what is not wanted any more pulled out."""
        ports, disks = [nic.port_id for nic in machine.nics], [disk.id for disk in machine.disks]
        with self._lock:
            known = self.machines[machine.id]
            before = list(known["ports"])
            if (before, known.get("disks", [])) == (ports, disks):
                return
            for what, old, new in (("card", before, ports), ("disk", known.get("disks", []), disks)):
                for id in [i for i in new if i not in old]:
                    known["log"] += f"[{self.world.now():.3f}] {machine.name}: {what} {id} plugged in\n"
                for id in [i for i in old if i not in new]:
                    known["log"] += f"[{self.world.now():.3f}] {machine.name}: {what} {id} pulled out\n"
            known |= {"ports": ports, "disks": disks}
            self._save()
        self._plugged([p for p in before if p not in ports], [p for p in ports if p not in before], True)

    def stop(self, machine: Machine) -> None:
        self.failure_rates.maybe_fail("compute.stop")
        self._set(machine, "stopped", "power down")

    def reboot(self, machine: Machine, hard: bool) -> None:
        self.failure_rates.maybe_fail("compute.reboot")
        self._set(machine, "running", "reset, boot finished" if hard else "reboot, boot finished")

    def withdraw(self, id: str) -> None:
        self.failure_rates.maybe_fail("compute.withdraw")
        with self._lock:
            gone = self.machines.pop(id, None)
            if gone is not None:
                self._save()
        for port in gone["ports"] if gone is not None else ():
            self.plug(port, False)

    def destroy_disks(self, id: str, *, shared: bool) -> None:
        self.failure_rates.maybe_fail("compute.destroy_disks")
        if id in self.machines:
            raise StillHere(f"machine {id} is here, and its disks are in use")
        if shared or not self.disks.storage:
            self.disks.destroy(id)

    def snapshot(
        self, machine: Machine, image: str, wanted: Callable[[], bool], say: Callable[[int, int], None] = silent
    ) -> None:
        self.failure_rates.maybe_fail("compute.snapshot")
        if not wanted():
            raise Cancelled
        with self._lock:
            if machine.id not in self.machines:
                raise FileNotFoundError(f"machine {machine.id} is not here")
            disk = f"what {machine.name} had written by {self.world.now():.3f}\n" * 64
            self.machines[machine.id].setdefault("copies", {}).setdefault(image, disk)
            self._save()
        say(len(disk), len(disk))

    def _copy(self, id: str, image: str) -> bytes:
        with self._lock:
            copies: Any = self.machines.get(id, {}).get("copies", {})
        if image not in copies:
            raise FileNotFoundError(f"no copy {image} of machine {id}")
        return str(copies[image]).encode()

    def copied(self, id: str, image: str) -> Content:
        return Content(
            size=len(self._copy(id, image)),
            format="raw",
            read=lambda: iter([self._copy(id, image)]),
        )

    def tidy(self, id: str) -> None:
        self.failure_rates.maybe_fail("compute.tidy")
        with self._lock:
            if id in self.machines and self.machines[id].pop("copies", None) is not None:
                self._save()

    def observe(self) -> dict[str, str]:
        with self._lock:
            return {id: str(m["power"]) for id, m in self.machines.items()}

    def find(self, id: str) -> Found | None:
        with self._lock:
            known = self.machines.get(id)
            if known is None:
                return None
            disks = [DiskSeen("root", "vda", self.disks.storage)]
            disks += [
                DiskSeen(disk, f"vd{'bcdefghijklmnopqrstuvwxyz'[n % 25]}")
                for n, disk in enumerate(known.get("disks", []))
            ]
            return Found(
                power=known["power"],
                nics=[NicSeen(port, f"tap{port[:11]}") for port in known["ports"]],
                disks=disks,
            )

    def console(self, id: str) -> bytes:
        with self._lock:
            return str(self.machines[id]["log"]).encode() if id in self.machines else b""

    def capacity(self) -> Capacity:
        return Capacity(
            vcpus=4096,
            memory_mb=1 << 24,
            disk_gb=1 << 20,
            type="fake",
            version=1000,
            cpu={"vendor": "sim", "arch": "x86_64"},
            offers=dict(self.offers),
            storages=[self.disks.storage] if self.disks.storage else [],
        )

    def close(self) -> None:
        return None
