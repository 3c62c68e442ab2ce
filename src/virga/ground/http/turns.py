# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is. Everything that requests share is taken in turns: the event loop, the threads of requests and those of passwords, the
memory of bodies. A turn belongs to a party: a project, or a client's address while nobody knows a token. Who has had least goes first,
by measured cost, so that a flood waits for itself and a quiet party goes past it (start-time fair queueing: Goyal, Vin, Cheng, 1996)."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Generator, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, Generic, Protocol, TypeVar

from virga.ground.act import Actor
from virga.ground.errors import TooMany
from virga.ground.http.call import Cold
from virga.ground.http.connections import place_of

T = TypeVar("T")
WAITING = 256
"""Requests of one party that may wait for one thing; the next is told to come again."""
CROWD = 8
"""Requests of one party that wait at all, past which its other connections are not read."""
RECENT = 2.0
"""Seconds for which a party counts as there after its last request."""
SLICE = 0.0003
"""Seconds of steps that the loop takes before it looks at its sockets again."""
PAUSE = 0.001
"""Seconds that the loop leaves the interpreter to threads that work for another party."""
CREDIT = 0.003
"""Seconds of the loop that a quiet party has ahead of a busy one."""
PUMP_SECONDS = 0.005
PARTIES = 20_000


class Parked(Protocol):
    """A connection that is not read for a while."""

    def unpark(self) -> None: ...


class Party:
    """Who takes turns. `steps` and `waiting`: its requests that wait, for the loop and for other things; `parked`: its connections that are
    not read meanwhile. `bounded`: whether too many of them are refused."""

    __slots__ = ("bounded", "name", "parked", "pumping", "step", "steps", "waiting")

    def __init__(self, name: str, *, bounded: bool = True) -> None:
        self.name, self.bounded = name, bounded
        self.steps = self.waiting = 0
        self.parked: deque[Parked] = deque()
        self.pumping = False
        self.step: Line[asyncio.Future[None]] = Line(self)

    @property
    def room(self) -> int:
        """How many more may wait before its connections are left alone."""
        return CROWD - self.steps - self.waiting

    def park(self, one: Parked) -> None:
        """Keep a connection from being read until fewer requests wait."""
        self.parked.append(one)
        if not self.pumping:
            self.pumping = True
            asyncio.get_running_loop().call_later(PUMP_SECONDS, self._pump)

    def _pump(self) -> None:
        for _ in range(self.room):
            if not self.parked:
                break
            self.parked.popleft().unpark()
        self.pumping = bool(self.parked)
        if self.pumping:
            asyncio.get_running_loop().call_later(PUMP_SECONDS, self._pump)

    def stepped(self) -> None:
        """One waits for the loop no more: a connection takes its place."""
        self.steps -= 1
        if self.parked and self.room > 0:
            self.parked.popleft().unpark()


class Parties:
    """The parties by name; those that have been quiet for longest are forgotten. `know` gives the actor of a token from memory, as an
    Authenticator's `hot` does."""

    def __init__(self, know: Callable[[str], Actor | None]) -> None:
        self._know = know
        self._known: OrderedDict[str, Party] = OrderedDict()
        self._tokens: OrderedDict[str, str] = OrderedDict()
        """The parties of tokens that were good when they were last looked at: a token that must be looked at again keeps its turns."""

    def of(self, scope: MutableMapping[str, Any]) -> Party:
        """In whose name a request comes: its token's project (or user), the client's address while nobody knows the token."""
        for name, value in scope["headers"]:
            if name in _TOKENS:
                token = value.decode("latin-1")
                try:
                    actor = self._know(token)
                except Cold:
                    known = self._tokens.get(token)
                    if known is not None:
                        return self._get(known)
                else:
                    if actor is not None:
                        known = self._tokens.get(token)
                        party = self.seen(token, actor) if known is None else self._get(known)
                        assert party is not None
                        return party
        return self._get(f"address {place_of((scope.get('client') or ('',))[0])}")

    def seen(self, token: str, actor: Actor | None) -> Party | None:
        """A token was looked at, and is this one's, or nobody's any more; the party, if there is one."""
        self._tokens.pop(token, None)
        if actor is None:
            return None
        name = self._tokens[token] = _behind(actor)
        if len(self._tokens) > PARTIES:
            self._tokens.popitem(last=False)
        return self._get(name)

    def _get(self, name: str) -> Party:
        party = self._known.get(name)
        if party is None:
            party = self._known[name] = Party(name)
            if len(self._known) > PARTIES:
                oldest = next(iter(self._known.values()))
                if oldest.room == CROWD and not oldest.parked:
                    del self._known[oldest.name]
                else:
                    self._known.move_to_end(oldest.name)
        return party


def _behind(actor: Actor) -> str:
    return f"project {actor.project_id}" if actor.project_id else f"user {actor.user_id}"


_TOKENS = frozenset({b"x-auth-token", b"x-storage-token"})


class Line(Generic[T]):
    """A party before one thing: what it has had of it (`spent`, counted on from where it began), and who waits."""

    __slots__ = ("busy", "guess", "listed", "party", "queue", "spent")

    def __init__(self, party: Party) -> None:
        self.party = party
        self.spent = 0.0
        self.guess = 0.0
        """What one turn costs, about."""
        self.busy = 0
        self.listed = False
        self.queue: deque[T] = deque()


OWN = Party("this cloud", bounded=False)
"""Whoever does the cloud's own work."""
PARTY: ContextVar[Party] = ContextVar("party", default=OWN)
"""On whose behalf this is done."""


class Order(Generic[T]):
    """The lines in which somebody waits, the one that has had least first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Line[T]]] = []
        self._count = itertools.count()
        self.clock = 0.0
        """How far those have come who are served."""

    def start(self, line: Line[T], credit: float = 0.0) -> None:
        """A line that was empty begins where the others are: nobody saves turns up by being away."""
        line.spent = max(line.spent, self.clock - credit)

    def add(self, line: Line[T]) -> None:
        if not line.listed:
            line.listed = True
            heapq.heappush(self._heap, (line.spent, next(self._count), line))

    def first(self) -> Line[T] | None:
        """The line in which somebody waits that has had least; it stays where it is."""
        while self._heap:
            spent, _, line = self._heap[0]
            if not line.queue:
                self.drop()
            elif line.spent > spent:  # it was served meanwhile
                heapq.heapreplace(self._heap, (line.spent, next(self._count), line))
            else:
                return line
        return None

    def drop(self) -> None:
        """Leave the first line out until it is added again."""
        heapq.heappop(self._heap)[2].listed = False


Wait = tuple[int, Callable[[], bool]]
"""How many units, and what to call when they are had; it says False when nobody wants them any more."""


class Turns:
    """`width` of something that is used in whole units: threads, bytes. One party may have `alone` of them, and only `shared` while
    others are about, so that there is always one free for the next. Any thread may call."""

    def __init__(
        self,
        what: str,
        width: int,
        *,
        alone: int,
        shared: int,
        waiting: int = WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.what, self.width, self.alone, self.shared, self.waiting = what, width, alone, shared, waiting
        self.free = width
        self.clock = clock
        self.order: Order[Wait] = Order()
        self.lines: OrderedDict[str, Line[Wait]] = OrderedDict()
        self._seen: dict[str, float] = {}

    def ask(self, party: Party, units: int, go: Callable[[], bool]) -> bool:
        """Have `units` at once: True, and `go` is not called. False: it is, from any thread, when it is this one's turn. Raises TooMany
        when too many of the party wait already."""
        with _LOCK:
            line = self._line(party)
            if not line.queue and self._may(line, units) and self._next() is None and self.order.first() is None:
                self._begin(line, units)
                return True
            if len(line.queue) >= self.waiting and party.bounded:
                raise TooMany(
                    f"{self.waiting} requests of {party.name} wait for {self.what} already; send fewer at a time.",
                    limit=self.waiting,
                )
            self.order.start(line)
            line.queue.append((units, go))
            line.party.waiting += 1
            self.order.add(line)
            ready = self._ready()
        self._go(ready)
        return False

    async def wait(self, party: Party, units: int) -> None:
        """Have `units`, later where there are none. Raises TooMany."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def told() -> None:
            if future.cancelled():
                self.leave(party, units, 0.0)
            else:
                future.set_result(None)

        def go() -> bool:
            loop.call_soon_threadsafe(told)
            return True

        if self.ask(party, units, go):
            return
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.leave(party, units, 0.0)
            raise

    def leave(self, party: Party, units: int, cost: float) -> None:
        """Give back; `cost` is what it took, in seconds of one unit."""
        with _LOCK:
            line = self.lines.get(party.name)
            self.free += units
            if line is not None:
                line.busy -= units
                line.spent += cost - line.guess
                line.guess += (cost - line.guess) / 4
                if line.queue:
                    self.order.add(line)
            ready = self._ready()
        if ready:
            self._go(ready)

    def _go(self, ready: list[tuple[Line[Wait], Wait]]) -> None:
        """Outside of the lock."""
        for line, (units, go) in ready:
            if not go():
                self.leave(line.party, units, 0.0)

    def _line(self, party: Party) -> Line[Wait]:
        """The party's line, which is the latest of those that are about."""
        now, name = self.clock(), party.name
        line = self.lines.get(name)
        if line is None:
            line = self.lines[name] = Line(party)
        self.lines.move_to_end(name)
        self._seen[name] = now
        while True:
            first = next(iter(self.lines))
            old = self.lines[first]
            if self._seen[first] > now - RECENT:
                break
            if old.busy or old.queue:
                self.lines.move_to_end(first)
                self._seen[first] = now
                break
            del self.lines[first], self._seen[first]
        return line

    def _most(self) -> int:
        return self.alone if len(self.lines) < 2 else self.shared

    def _may(self, line: Line[Wait], units: int) -> bool:
        """Whether the party may have so many more. The first is always its own."""
        return self.free >= units and (not line.busy or line.busy + units <= self._most())

    def _begin(self, line: Line[Wait], units: int) -> None:
        self.order.start(line)
        self.order.clock = max(self.order.clock, line.spent)
        line.busy += units
        line.spent += line.guess
        self.free -= units

    def _next(self) -> Line[Wait] | None:
        """The line whose turn it is, still in the order; None while there is nothing to be had. A line that has all it may have is
        forgotten until it gives some back."""
        while (line := self.order.first()) is not None:
            units = line.queue[0][0]
            if not line.busy or line.busy + units <= self._most():
                return line if self.free >= units else None
            self.order.drop()
        return None

    def _ready(self) -> list[tuple[Line[Wait], Wait]]:
        """Those whose turn has come."""
        ready = []
        while (line := self._next()) is not None:
            wait = line.queue.popleft()
            line.party.waiting -= 1
            self._begin(line, wait[0])
            ready.append((line, wait))
        return ready


_LOCK = threading.Lock()
"""Of all turns: it is held for microseconds, and parties wait for several things."""


class Threads(ThreadPoolExecutor):
    """Threads that take on work in turns: of the party in whose name it is submitted."""

    def __init__(self, what: str, workers: int, *, alone: int, shared: int, prefix: str = "call") -> None:
        super().__init__(workers, thread_name_prefix=prefix)
        self.turns = Turns(what, workers, alone=alone, shared=shared)
        self.working: dict[Party, int] = {}
        """For whom threads work at this moment, and how many."""

    def work_for_others(self, party: Party) -> bool:
        """Whether a thread works for somebody else. Told without the lock: it is a hint."""
        working = self.working
        return len(working) > 1 or (bool(working) and party not in working)

    def submit(self, call: Callable[..., T], /, *args: Any, **named: Any) -> Future[T]:
        """As an executor does. Raises TooMany."""
        party, future = PARTY.get(), Future[T]()

        def go() -> bool:
            try:
                ThreadPoolExecutor.submit(self, self._do, party, future, call, args, named)
            except RuntimeError as e:  # shut down
                if future.set_running_or_notify_cancel():
                    future.set_exception(e)
                return False
            return True

        if self.turns.ask(party, 1, go) and not go():
            self.turns.leave(party, 1, 0.0)
        return future

    def _do(self, party: Party, future: Future[T], call: Callable[..., T], args: Any, named: Any) -> None:
        if not future.set_running_or_notify_cancel():
            self.turns.leave(party, 1, 0.0)
            return
        began = time.perf_counter()
        self._working(party, 1)
        try:
            value = call(*args, **named)
        except BaseException as e:
            self._working(party, -1)
            self.turns.leave(party, 1, time.perf_counter() - began)
            future.set_exception(e)
            del (
                future,
                call,
                args,
                named,
            )  # this frame is in the traceback, which the future holds: no circle, as in the standard library
            return
        self._working(party, -1)
        self.turns.leave(party, 1, time.perf_counter() - began)
        future.set_result(value)

    def _working(self, party: Party, more: int) -> None:
        with _LOCK:
            now = self.working.get(party, 0) + more
            if now:
                self.working[party] = now
            else:
                del self.working[party]


class Rounds:
    """The event loop's own turns: each step of a request's coroutine is measured. When steps of one round have taken their slice, the
    others wait for the next, who has had least first; in between the loop looks at its sockets."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        threads: Threads | None = None,
        slice: float = SLICE,
        waiting: int = WAITING,
    ) -> None:
        self.loop, self.threads, self.slice, self.waiting = loop, threads, slice, waiting
        self.order: Order[asyncio.Future[None]] = Order()
        self.used = 0.0
        self.live = 0
        self.armed = False
        self.paused = False

    def full(self, party: Party) -> bool:
        """Whether no more requests of the party are taken in."""
        return len(party.step.queue) >= self.waiting

    def run(self, party: Party, inner: Coroutine[Any, Any, None]) -> Steps:
        """The coroutine, taking its steps in turns."""
        return Steps(self, party.step, inner)

    def begin(self, line: Line[asyncio.Future[None]]) -> asyncio.Future[None] | None:
        """None when a step of this line may be taken now, else what it has to wait for."""
        if not self.armed:
            self.armed, self.used = True, 0.0
            self.loop.call_soon(self._round)
        if not line.queue:
            self.order.start(line, CREDIT)
            first = self.order.first()
            if (line.spent <= first.spent) if first is not None else (self.used < self.slice):
                return None
        future = self.loop.create_future()
        line.queue.append(future)
        line.party.steps += 1
        self.order.add(line)
        return future

    def end(self, line: Line[asyncio.Future[None]], cost: float, charged: float) -> None:
        """A step took so long, of which some was charged when it was let go."""
        self.used += cost
        self.order.clock = max(self.order.clock, line.spent - charged)
        line.spent += cost - charged
        line.guess += (cost - line.guess) / 8

    def _threads_first(self, party: Party) -> bool:
        return self.threads is not None and self.threads.work_for_others(party)

    def _round(self) -> None:
        """Let those go on whose turn it is, for a slice; they run in the loop's next round. The interpreter is one for the loop and the
        threads: while a thread works for somebody else than who is first here, the loop leaves it alone for a moment between slices."""
        first = self.order.first()
        self.paused = not self.paused and first is not None and self._threads_first(first.party)
        if self.paused:
            self.loop.call_later(PAUSE, self._round)
            return
        self.used = granted = 0.0
        while granted < self.slice and (line := self.order.first()) is not None:
            future = line.queue.popleft()
            if not future.done():
                charged = max(line.guess, 1e-6)
                granted += charged
                line.spent += charged
                future.set_result(None)
            line.party.stepped()
        self.armed = self.order.first() is not None
        if self.armed:
            self.loop.call_soon(self._round)


class Steps(Coroutine[Any, Any, None]):
    """A request's coroutine. A step that must wait gives the task a future instead; the task's next step is then the one that waited
    (what a task sends into its coroutine is always None, so nothing is lost)."""

    __slots__ = ("_granted", "_inner", "_line", "_rounds")

    def __init__(self, rounds: Rounds, line: Line[asyncio.Future[None]], inner: Coroutine[Any, Any, None]) -> None:
        self._rounds, self._line, self._inner = rounds, line, inner
        self._granted = False
        rounds.live += 1

    def send(self, value: Any) -> Any:
        rounds, line = self._rounds, self._line
        charged = 0.0
        if self._granted:
            self._granted, charged = False, max(line.guess, 1e-6)
        elif rounds.live > 1:
            future = rounds.begin(line)
            if future is not None:
                self._granted = True
                future._asyncio_future_blocking = True
                return future
        began = time.perf_counter()
        try:
            return self._inner.send(value)
        except BaseException:
            rounds.live -= 1
            raise
        finally:
            rounds.end(line, time.perf_counter() - began, charged)

    def throw(self, *exception: Any) -> Any:
        self._granted = False
        try:
            return self._inner.throw(*exception)
        except BaseException:
            self._rounds.live -= 1
            raise

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, None]:
        raise TypeError("a request's steps are a task's own")
