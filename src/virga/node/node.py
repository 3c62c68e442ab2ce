# SPDX-License-Identifier: Apache-2.0
"""One node: converges its hypervisor to what compute assigned. Lost messages do not matter: it compares generations on every wake
and every few seconds, and removes machines that nobody assigned to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from virga.ground import log
from virga.ground.bus import Bus
from virga.ground.errors import Problem, told
from virga.services.compute.driver import Hypervisor, Machine

HELLO = 10.0
LOOK = 3.0
WORKERS = 4


class Node:
    """`host` is its name in the cloud. `before(machine)` and `after(id)` are the network's part of a machine's life on this node."""

    def __init__(
        self, host: str, bus: Bus, hypervisor: Hypervisor, *, workers: int = WORKERS, look: float = LOOK
    ) -> None:
        self.host, self.bus, self.hypervisor, self.look = host, bus, hypervisor, look
        self.log = log.get("node")
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="node")
        self._busy: dict[str, bool] = {}  # server → whether it must be looked at again
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._leave: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._rounds, name="node", daemon=True)
        self._strays: dict[str, int] = {}

    def start(self) -> None:
        self._leave.append(self.bus.subscribe(f"node.{self.host}.wake", lambda said: self.wake(said["server"])))
        self._leave.append(self.bus.serve(f"node.{self.host}.console", self.console))
        self.hello()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        for leave in self._leave:
            leave()
        self._thread.join(10)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def hello(self) -> None:
        capacity = msgspec.to_builtins(self.hypervisor.capacity())
        self.bus.call("compute.hello", {"host": self.host, "capacity": capacity})

    def console(self, said: dict[str, Any]) -> dict[str, Any]:
        return {"output": self.hypervisor.console(said["server"]).decode(errors="replace")}

    # -- convergence -----------------------------------------------------------------------------------------------

    def _rounds(self) -> None:
        since_hello = 0.0
        while not self._stop.is_set():
            try:
                if since_hello >= HELLO:
                    self.hello()
                    since_hello = 0.0
                self.compare()
            except Exception as e:
                self.log.warning("round_failed", why=f"{type(e).__name__}: {e}")
            self._stop.wait(self.look)
            since_hello += self.look

    def compare(self) -> None:
        """One look at everything: undone generations are woken, strays removed, power states reported."""
        there = self.hypervisor.observe()
        assigned = self.bus.call("compute.assignments", {"host": self.host})["servers"]
        for id, (generation, verb, seen) in assigned.items():
            if seen < generation:
                self.wake(id)
            del verb
        self._sweep(set(there) - set(assigned))
        self.bus.call("compute.powers", {"host": self.host, "powers": there})

    def _sweep(self, strays: set[str]) -> None:
        """A machine that is not assigned in two looks in a row is not ours to run."""
        self._strays = {id: self._strays.get(id, 0) + 1 for id in strays}
        for id, times in self._strays.items():
            if times >= 2 and id not in self._busy:
                self.log.warning("stray_removed", server=id)
                self.hypervisor.remove(id)

    def wake(self, id: str) -> None:
        """Look at one server soon; never twice at once."""
        with self._lock:
            if id in self._busy:
                self._busy[id] = True
                return
            self._busy[id] = False
        try:
            self._pool.submit(self._serve, id)
        except RuntimeError:  # stopping
            with self._lock:
                self._busy.pop(id, None)

    def _serve(self, id: str) -> None:
        while True:
            try:
                self.converge(id)
            except Exception as e:
                self.log.exception("converge_failed", server=id, why=str(e))
            with self._lock:
                if self._stop.is_set() or not self._busy.get(id):
                    self._busy.pop(id, None)
                    return
                self._busy[id] = False

    def converge(self, id: str) -> None:
        """Do what the newest generation asks and report it; the report of an older one is refused by compute."""
        said = self.bus.call("compute.assignment", {"host": self.host, "server": id})
        if not said or said["seen"] >= said["generation"]:
            return
        machine = msgspec.convert(said["machine"], Machine)
        error = None
        try:
            self._do(said["verb"], machine, said)
        except Exception as e:
            if not isinstance(e, Problem):
                self.log.warning("verb_failed", verb=said["verb"], server=id, why=str(e))
            error = told(e)
        self.bus.call(
            "compute.observed", {"host": self.host, "server": id, "generation": said["generation"], "error": error}
        )

    def _still(self, id: str, generation: int) -> bool:
        """Whether `generation` still is what compute wants; a bus that does not answer changes nothing."""
        try:
            return bool(
                self.bus.call("compute.assignment", {"host": self.host, "server": id}).get("generation") == generation
            )
        except Problem:
            return True

    def _do(self, verb: str, machine: Machine, said: dict[str, Any]) -> None:
        if verb == "run":
            self.hypervisor.run(machine)
        elif verb == "stop":
            self.hypervisor.stop(machine)
        elif verb in {"reboot_soft", "reboot_hard"}:
            self.hypervisor.reboot(machine, hard=verb == "reboot_hard")
        elif verb == "snapshot":
            self.hypervisor.snapshot(machine, said["image"], lambda: self._still(machine.id, said["generation"]))
        elif verb == "tidy":
            self.hypervisor.tidy(machine.id)
        elif verb == "remove":
            self.hypervisor.remove(machine.id)
