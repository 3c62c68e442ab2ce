# SPDX-License-Identifier: Apache-2.0
"""Messages between roles. The contract, which NATS will also meet: payloads are JSON objects; `publish` may be lost, arrive twice
or late, and never blocks or raises; `call` answers, or raises Unavailable in time; nobody may depend on a message for more than
speed, because both ends converge by level. Here: in one process, delivered in the caller's thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from virga.ground import log
from virga.ground.errors import Forbidden, Unavailable

Payload = dict[str, Any]


class Bus(Protocol):
    def publish(self, subject: str, payload: Payload | None = None) -> None: ...

    def subscribe(self, subject: str, handler: Callable[[Payload], None]) -> Callable[[], None]: ...

    def call(self, subject: str, payload: Payload | None = None, timeout: float = 5.0) -> Payload: ...

    def serve(self, subject: str, handler: Callable[[Payload], Payload]) -> Callable[[], None]: ...

    def serve_each(self, pattern: str, handler: Callable[[str, Payload], Payload]) -> Callable[[], None]:
        """Answer all subjects of a pattern with one `*` for one word, which the handler is told: it is the sender's name, to which the
        sender's credential holds it."""
        ...


class Connection(Protocol):
    """A bus as one who is not trusted has it: `rpc.<name>.>` is its to call, `node.<name>.>` its to serve and hear, `all.>` its to hear."""

    @property
    def name(self) -> str: ...

    def subscribe(self, subject: str, handler: Callable[[Payload], None]) -> Callable[[], None]: ...

    def call(self, subject: str, payload: Payload | None = None, timeout: float = 5.0) -> Payload: ...

    def serve(self, subject: str, handler: Callable[[Payload], Payload]) -> Callable[[], None]: ...


class LocalConnection:
    """A connection within one process: the subjects are held to the name that it was made with."""

    def __init__(self, bus: Bus, name: str) -> None:
        if not name or not set(name).isdisjoint(".*> \t\r\n"):
            raise ValueError(f"'{name}' cannot be a name on the bus: it is one word of a subject")
        self._bus = bus
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def _held(self, subject: str, *below: str) -> None:
        if not any(subject.startswith(f"{part}.") for part in below):
            raise Forbidden(f"{self._name} may not use the subject {subject}")

    def subscribe(self, subject: str, handler: Callable[[Payload], None]) -> Callable[[], None]:
        self._held(subject, f"node.{self._name}", "all")
        return self._bus.subscribe(subject, handler)

    def call(self, subject: str, payload: Payload | None = None, timeout: float = 5.0) -> Payload:
        self._held(subject, f"rpc.{self._name}")
        return self._bus.call(subject, payload, timeout)

    def serve(self, subject: str, handler: Callable[[Payload], Payload]) -> Callable[[], None]:
        self._held(subject, f"node.{self._name}")
        return self._bus.serve(subject, handler)


class LocalBus:
    """The bus of one process. Payloads pass through JSON, so that what works here works over a wire."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: dict[str, list[Callable[[Payload], None]]] = {}
        self._servers: dict[str, Callable[[Payload], Payload]] = {}
        self._each: dict[tuple[str, str], Callable[[str, Payload], Payload]] = {}
        self.log = log.get("bus")

    def publish(self, subject: str, payload: Payload | None = None) -> None:
        with self._lock:
            handlers = list(self._subscribers.get(subject, ()))
        if not handlers:
            return
        raw = msgspec.json.encode(payload or {})
        for handler in handlers:
            try:
                handler(msgspec.json.decode(raw))
            except Exception:
                self.log.exception("bus_handler", subject=subject)

    def subscribe(self, subject: str, handler: Callable[[Payload], None]) -> Callable[[], None]:
        with self._lock:
            self._subscribers.setdefault(subject, []).append(handler)

        def leave() -> None:
            with self._lock:
                self._subscribers[subject].remove(handler)

        return leave

    def call(self, subject: str, payload: Payload | None = None, timeout: float = 5.0) -> Payload:
        """Ask `subject` and wait for its answer, `timeout` seconds at most. Raises Unavailable."""
        with self._lock:
            server = self._servers.get(subject) or self._of_each(subject)
        if server is None:
            raise Unavailable(f"nobody answers {subject}")
        reply: Payload = msgspec.json.decode(
            msgspec.json.encode(server(msgspec.json.decode(msgspec.json.encode(payload or {}))))
        )
        return reply

    def _of_each(self, subject: str) -> Callable[[Payload], Payload] | None:
        head, _, rest = subject.partition(".")
        name, _, tail = rest.partition(".")
        handler = self._each.get((head, tail))
        return None if handler is None else functools.partial(handler, name)

    def serve_each(self, pattern: str, handler: Callable[[str, Payload], Payload]) -> Callable[[], None]:
        head, star, tail = pattern.partition(".*.")
        if not star or "." in head or "*" in tail:
            raise ValueError(f"{pattern} is not 'word.*.words'")
        with self._lock:
            if (head, tail) in self._each:
                raise ValueError(f"{pattern} is served already")
            self._each[head, tail] = handler

        def leave() -> None:
            with self._lock:
                self._each.pop((head, tail), None)

        return leave

    def serve(self, subject: str, handler: Callable[[Payload], Payload]) -> Callable[[], None]:
        with self._lock:
            if subject in self._servers:
                raise ValueError(f"{subject} is served already")
            self._servers[subject] = handler

        def leave() -> None:
            with self._lock:
                self._servers.pop(subject, None)

        return leave
