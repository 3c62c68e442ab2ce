# SPDX-License-Identifier: Apache-2.0
"""Messages between roles. The contract, which NATS will also meet: payloads are JSON objects; `publish` may be lost, arrive twice
or late, and never blocks or raises; `call` answers, or raises Unavailable in time; nobody may depend on a message for more than
speed, because both ends converge by level. Here: in one process, delivered in the caller's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from virga.ground import log
from virga.ground.errors import Unavailable

Payload = dict[str, Any]


class Bus(Protocol):
    def publish(self, subject: str, payload: Payload | None = None) -> None: ...

    def subscribe(self, subject: str, handler: Callable[[Payload], None]) -> Callable[[], None]: ...

    def call(self, subject: str, payload: Payload | None = None, timeout: float = 5.0) -> Payload: ...

    def serve(self, subject: str, handler: Callable[[Payload], Payload]) -> Callable[[], None]: ...


class LocalBus:
    """The bus of one process. Payloads pass through JSON, so that what works here works over a wire."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: dict[str, list[Callable[[Payload], None]]] = {}
        self._servers: dict[str, Callable[[Payload], Payload]] = {}
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
        with self._lock:
            server = self._servers.get(subject)
        if server is None:
            raise Unavailable(f"nobody answers {subject}")
        reply: Payload = msgspec.json.decode(
            msgspec.json.encode(server(msgspec.json.decode(msgspec.json.encode(payload or {}))))
        )
        return reply

    def serve(self, subject: str, handler: Callable[[Payload], Payload]) -> Callable[[], None]:
        with self._lock:
            if subject in self._servers:
                raise ValueError(f"{subject} is served already")
            self._servers[subject] = handler

        def leave() -> None:
            with self._lock:
                self._servers.pop(subject, None)

        return leave
