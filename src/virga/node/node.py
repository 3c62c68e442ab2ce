# SPDX-License-Identifier: Apache-2.0
"""One node: converges its hypervisor to what control wants of it, does what it was ordered once, and reports what changed. Lost messages
do not matter: control says in each answer for which servers there is something to do, and the node looks at its machines every few
seconds. It destroys disks by order only; a machine that nobody assigned to it is withdrawn, and its disks stay."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from virga.ground import log
from virga.ground.errors import Problem, Unavailable, told
from virga.node.journal import Journal
from virga.protocol import topics
from virga.protocol.machines import Assignment, AssignmentRequest, ConsoleOutput, ConsoleRequest, Empty, Machine, Order
from virga.protocol.reports import Found, Hello, MachineReport, OrderReport, Progress, Report, Taken
from virga.protocol.transfers import DataApi
from virga.services.compute.driver import Cancelled, Hypervisor

BEAT = 10.0
"""How often control hears of a node of which nothing changed."""
LOOK = 3.0
WORKERS = 4


class Node:
    """`link` is its connection, and with it its id; `name` is what people call the host. `data_api` is where bytes go; `journal` remembers the
    orders that are finished. Without `workers` nothing begins by itself: a test calls `converge`."""

    def __init__(
        self,
        link: topics.Link,
        hypervisor: Hypervisor,
        *,
        name: str,
        data_api: DataApi,
        journal: Journal | None = None,
        address: str = "127.0.0.1",
        workers: int = WORKERS,
        look: float = LOOK,
        beat: float = BEAT,
    ) -> None:
        self.link, self.hypervisor, self.data_api = link, hypervisor, data_api
        self.name, self.address = name, address
        self.look, self.beat = look, beat
        self.journal = journal or Journal(None)
        self.log = log.get("node")
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="node") if workers else None
        self._lock = threading.Lock()
        self._busy: dict[str, bool] = {}  # server → whether it must be looked at again
        self._turns: dict[str, int] = {}  # server → how often it was worked at: an older look at it says nothing
        self._done: dict[str, int] = {}  # server → the newest generation that was done, or given up
        self._again: set[str] = set()  # servers of which something could not be done, and is tried again
        self._told: dict[str, Found | None] = {}  # server → what control was last told of its machine
        self._strays: dict[str, int] = {}
        self._said: Any = None
        self._listed = False
        self._stop = threading.Event()
        self._leave: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._rounds, name="node", daemon=True)

    @property
    def id(self) -> str:
        return self.link.node

    def start(self) -> None:
        self._leave.append(self.link.hear(topics.WAKE, lambda message: self.wake(message.server)))
        self._leave.append(self.link.serve(topics.CONSOLE, self.console))
        try:
            self.hello()
        except Problem as e:
            self.log.warning("not_welcome", why=e.message)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        for leave in self._leave:
            leave()
        if self._thread.is_alive():
            self._thread.join(10)
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def hello(self) -> None:
        """Introduce this node. Raises what control refuses with: Conflict when another host has its name."""
        capacity = self.hypervisor.capacity()
        self.link.call(topics.HELLO, Hello(name=self.name, capacity=capacity, address=self.address))
        self._said = capacity

    def console(self, message: ConsoleRequest) -> ConsoleOutput:
        return ConsoleOutput(self.hypervisor.console(message.server).decode(errors="replace"))

    # -- rounds ----------------------------------------------------------------------------------------------------

    def _rounds(self) -> None:
        since = self.beat
        while not self._stop.is_set():
            try:
                beat = since >= self.beat
                since = 0.0 if beat else since
                self.compare(beat=beat)
            except Exception as e:
                self.log.warning("round_failed", why=f"{type(e).__name__}: {e}")
            self._stop.wait(self.look)
            since += self.look

    def compare(self, *, beat: bool = True) -> None:
        """One look at all machines here. Control hears of it if something changed, or if it is time to (`beat`); what it wants done is
        begun."""
        if beat and self._said != self.hypervisor.capacity():
            self.hello()
        if not self._listed:
            self._list()
        with self._lock:
            turns = dict(self._turns)
        there = self.hypervisor.observe()
        changed, found = self._changes(there, turns)
        strays = self._stray(there)
        for id in list(self._again):
            self.wake(id)
        if changed or strays or beat:
            self._report(Report(machines=changed, strays=strays))
            with self._lock:
                self._told |= {id: seen for id, seen in found.items() if self._turns.get(id) == turns.get(id)}

    def _list(self) -> None:
        """Learn which machines are this node's: at its start, and when there is one that it does not know."""
        answer = self.link.call(topics.ASSIGNED, Empty())
        with self._lock:
            self._done = {id: max(seen, self._done.get(id, 0)) for id, seen in answer.servers.items()}
            self._listed = True

    def _changes(
        self, there: dict[str, str], turns: dict[str, int]
    ) -> tuple[list[MachineReport], dict[str, Found | None]]:
        """Machines that are not as control was last told, and that nobody works at just now."""
        with self._lock:
            quiet = [id for id in self._done if id not in self._busy and self._turns.get(id, 0) == turns.get(id, 0)]
            told_of = {id: self._told[id] for id in quiet if id in self._told}
        found: dict[str, Found | None] = {}
        for id in quiet:
            seen = told_of.get(id)
            if id not in told_of or there.get(id) != (seen.power if seen is not None else None):
                found[id] = self._find(id) if id in there else None
        with self._lock:
            return [
                MachineReport(server=id, generation=self._done[id], found=seen)
                for id, seen in sorted(found.items())
                if id in self._done and self._turns.get(id, 0) == turns.get(id, 0)
            ], found

    def _stray(self, there: dict[str, str]) -> list[str]:
        """Machines that are not this node's in two looks in a row are withdrawn; what they had written stays on their disks."""
        with self._lock:
            unknown = {id for id in there if id not in self._done and id not in self._busy}
        if unknown:
            self._list()
            with self._lock:
                unknown = {id for id in unknown if id not in self._done and id not in self._busy}
        self._strays = {id: self._strays.get(id, 0) + 1 for id in unknown}
        gone = [id for id, times in self._strays.items() if times >= 2]
        for id in gone:
            self.log.warning("stray_withdrawn", server=id)
            try:
                self.hypervisor.withdraw(id)
            except Exception as e:
                self.log.warning("stray_stays", server=id, why=f"{type(e).__name__}: {e}")
        return gone

    def _report(self, report: Report) -> Taken:
        """Tell control, and begin with what it wants done."""
        taken = self.link.call(topics.REPORT, report)
        if taken.unknown:
            self.hello()
            taken = self.link.call(topics.REPORT, report)
        self._forget()
        for id in taken.undone:
            self.wake(id)
        return taken

    def _forget(self) -> None:
        with self._lock:
            for known in (self._told, self._turns):
                for id in [id for id in known if id not in self._done and id not in self._busy]:
                    del known[id]

    # -- one server ------------------------------------------------------------------------------------------------

    def wake(self, id: str) -> None:
        """Look at one server soon; never twice at once."""
        if self._pool is None:
            return
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
                with self._lock:
                    self._again.add(id)
                if not isinstance(e, Unavailable):
                    self.log.exception("converge_failed", server=id, why=str(e))
            with self._lock:
                if self._stop.is_set() or not self._busy.get(id):
                    self._busy.pop(id, None)
                    return
                self._busy[id] = False

    def converge(self, id: str) -> None:
        """Bring the server's machine to the newest generation, then do its orders, and report each; what is reported of an older generation
        changes nothing at control."""
        with self._lock:
            self._again.discard(id)
            self._turns[id] = self._turns.get(id, 0) + 1
        answer = self.link.call(topics.ASSIGNMENT, AssignmentRequest(id))
        gone = answer.power == "gone"
        if answer.power is not None and answer.seen < answer.generation:
            error = self._bring(answer)
            found = None if gone and error is None else self._find(id)
            with self._lock:
                if gone and error is None:
                    self._done.pop(id, None)
                    self._told.pop(id, None)
                elif not gone:
                    self._done[id] = answer.generation
                    self._told[id] = found
                else:
                    self._again.add(id)
            done = MachineReport(server=id, generation=answer.generation, tried=True, error=error, found=found)
            self._report(Report(machines=[done]))
            if gone and error is not None:
                return
        for order in answer.orders:
            self._obey(answer, order)

    def _find(self, id: str) -> Found | None:
        try:
            return self.hypervisor.find(id)
        except Exception as e:
            self.log.warning("not_found", server=id, why=f"{type(e).__name__}: {e}")
            return None

    def _bring(self, message: Assignment) -> str | None:
        """Make the machine what it should be; why that could not be, or None."""
        try:
            if message.power == "gone":
                self.hypervisor.withdraw(message.server)
            elif message.machine is None:
                raise LookupError("control says how the machine should be, and not which it is")
            elif message.power == "running":
                self.hypervisor.run(message.machine)
            else:
                self.hypervisor.stop(message.machine)
        except Exception as e:
            if not isinstance(e, Problem):
                self.log.warning("not_converged", power=message.power, server=message.server, why=str(e))
            return told(e)
        return None

    # -- orders ----------------------------------------------------------------------------------------------------

    def _obey(self, message: Assignment, order: Order) -> None:
        """Do an order that was not finished before, and report how it ended."""
        finished = self.journal.finished(order.id)
        if finished is None:
            try:
                result = self._do(message, order)
                finished = OrderReport(order.id, "done", result=result)
            except Cancelled:
                return
            except Exception as e:
                if not isinstance(e, Problem):
                    self.log.warning("order_failed", kind=order.kind, server=message.server, why=str(e))
                finished = OrderReport(order.id, "failed", error=told(e))
            self.journal.write(finished)
        found = []
        if message.machine is not None:
            seen = self._find(message.server)
            with self._lock:
                self._told[message.server] = seen
            found = [MachineReport(server=message.server, generation=message.generation, found=seen)]
        self._report(Report(machines=found, orders=[finished]))
        self.journal.forget(order.id)

    def _do(self, message: Assignment, order: Order) -> dict[str, Any]:
        machine, given = message.machine, order.arguments
        if order.kind == "destroy_disks":
            self.hypervisor.destroy_disks(message.server, shared=bool(given["shared"]))
            return {}
        if order.kind == "tidy":
            self.hypervisor.tidy(message.server)
            return {}
        if order.kind == "upload":
            copy = self.hypervisor.copied(message.server, given["image"])
            self.data_api.put(given["reference"], copy)
            return {"size": copy.size, "format": copy.format}
        if machine is None:
            raise LookupError(f"there is no machine of server {message.server} on this host to {order.kind}")
        if order.kind == "reboot":
            self.hypervisor.reboot(machine, hard=bool(given["hard"]))
        elif order.kind == "snapshot":
            self._snapshot(machine, order)
        return {}

    def _snapshot(self, machine: Machine, order: Order) -> None:
        told_of = 0

        def say(done: int, total: int) -> None:
            nonlocal told_of
            if total and done - told_of >= total // 20:
                told_of = done
                progress = Progress(done, total)
                self._try(
                    lambda: self.link.call(topics.REPORT, Report(orders=[OrderReport(order.id, "working", progress)]))
                )

        self.hypervisor.snapshot(machine, order.arguments["image"], lambda: self._still(machine.id, order.id), say)

    def _still(self, server: str, order: str) -> bool:
        """Whether the order still is wanted; a bus that does not answer changes nothing."""
        answer = self._try(lambda: self.link.call(topics.ASSIGNMENT, AssignmentRequest(server)))
        return answer is None or _names(answer.orders, order)

    def _try(self, request: Callable[[], Any]) -> Any:
        try:
            return request()
        except Problem:
            return None


def _names(orders: Iterable[Order], id: str) -> bool:
    return any(order.id == id for order in orders)
