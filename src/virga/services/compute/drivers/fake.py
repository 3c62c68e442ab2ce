# SPDX-License-Identifier: Apache-2.0
"""A hypervisor that pretends, for `--sim` and stories: machines outlive the process in one small file, take time to boot on the
world's clock, and fail where the failure dial says (`compute.spawn=5%`)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from virga.ground.world import World
from virga.services.compute.driver import Capacity, Machine, Unwanted


class SimulatedFailure(Exception):
    """The failure dial said so."""


class Dial:
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


class FakeHypervisor:
    def __init__(
        self,
        world: World,
        *,
        file: Path | None = None,
        dial: Dial | None = None,
        plug: Callable[[str, bool], None] | None = None,
        boot_seconds: float = 0.0,
    ) -> None:
        self.world, self.file, self.boot_seconds = world, file, boot_seconds
        self.dial = dial or Dial([], world)
        self.plug = plug or (lambda port, on: None)
        self.machines: dict[str, dict[str, object]] = {}
        self.offers: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        if file is not None and file.exists():
            self.machines = json.loads(file.read_text())
            for machine in self.machines.values():
                for port in machine["ports"]:  # type: ignore[attr-defined]
                    self.plug(port, machine["power"] == "running")

    def _save(self) -> None:
        if self.file is not None:
            fresh = self.file.with_suffix(".new")
            fresh.write_text(json.dumps(self.machines))
            fresh.rename(self.file)

    def _set(self, machine: Machine, power: str, line: str) -> None:
        ports = [c.port_id for c in machine.cards]
        with self._lock:
            known = self.machines.get(machine.id, {"log": "", "booted": 0.0})
            log = str(known["log"]) + f"[{self.world.now():.3f}] {machine.name}: {line}\n"
            booted = self.world.now() + self.boot_seconds if power == "running" else 0.0
            self.machines[machine.id] = {
                "power": power,
                "ports": ports,
                "log": log[-65536:],
                "booted": booted,
                "copies": known.get("copies", {}),
            }
            self._save()
        for port in ports:
            self.plug(port, power == "running")

    def run(self, machine: Machine) -> None:
        self.dial.maybe_fail("compute.spawn")
        known = self.machines.get(machine.id)
        if known is None or known["power"] != "running":
            self._set(machine, "running", "boot finished")

    def stop(self, machine: Machine) -> None:
        self.dial.maybe_fail("compute.stop")
        self._set(machine, "stopped", "power down")

    def reboot(self, machine: Machine, hard: bool) -> None:
        self.dial.maybe_fail("compute.reboot")
        self._set(machine, "running", "reset, boot finished" if hard else "reboot, boot finished")

    def remove(self, id: str) -> None:
        self.dial.maybe_fail("compute.remove")
        with self._lock:
            gone = self.machines.pop(id, None)
            if gone is not None:
                self._save()
        for port in gone["ports"] if gone is not None else ():  # type: ignore[attr-defined]
            self.plug(port, False)

    def snapshot(self, machine: Machine, image: str, wanted: Callable[[], bool]) -> None:
        self.dial.maybe_fail("compute.snapshot")
        if not wanted():
            raise Unwanted
        with self._lock:
            if machine.id not in self.machines:
                raise FileNotFoundError(f"machine {machine.id} is not here")
            disk = f"what {machine.name} had written by {self.world.now():.3f}\n" * 64
            self.machines[machine.id].setdefault("copies", {}).setdefault(image, disk)  # type: ignore[attr-defined]
            self._save()

    def _copy(self, id: str, image: str) -> bytes:
        with self._lock:
            copies: Any = self.machines.get(id, {}).get("copies", {})
        if image not in copies:
            raise FileNotFoundError(f"no copy {image} of machine {id}")
        return str(copies[image]).encode()

    def snapshot_size(self, id: str, image: str) -> int:
        return len(self._copy(id, image))

    def snapshot_format(self, id: str, image: str) -> str:
        return "raw"

    def snapshot_bytes(self, id: str, image: str) -> Iterator[bytes]:
        yield self._copy(id, image)

    def tidy(self, id: str) -> None:
        self.dial.maybe_fail("compute.tidy")
        with self._lock:
            if id in self.machines and self.machines[id].pop("copies", None) is not None:
                self._save()

    def observe(self) -> dict[str, str]:
        with self._lock:
            return {id: str(m["power"]) for id, m in self.machines.items()}

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
            offers=self.offers,
        )

    def close(self) -> None:
        return None
