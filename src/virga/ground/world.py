# SPDX-License-Identifier: Apache-2.0
"""Time, chance and commands: the effects that a test or a simulator wants to own."""

from __future__ import annotations

import datetime as dt
import functools
import math
import random
import subprocess
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...


class SystemClock:
    def now(self) -> float:
        return time.time()


class VirtualClock:
    """A clock that moves when told (tests, `virga up --sim --sim-clock`); it starts at the real time unless told."""

    def __init__(self, start: float | None = None) -> None:
        self._now = time.time() if start is None else start
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> float:
        """Move forward by `seconds` (>= 0); returns the new time."""
        if seconds < 0:
            raise ValueError("time does not go back")
        with self._lock:
            self._now += seconds
            return self._now


class World:
    """The effects in one place. `chance` is seeded in simulations so that a run can be repeated."""

    def __init__(self, clock: Clock | None = None, seed: int | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.chance = random.Random(seed)

    def now(self) -> float:
        return self.clock.now()

    def uuid(self) -> str:
        return str(uuid.uuid4())


def iso(seconds: float) -> str:
    """`2026-11-22T18:00:00Z`, as Nova and Glance print times."""
    return _iso(int(seconds))


@functools.lru_cache(4096)
def _iso(seconds: int) -> str:
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_micro(seconds: float) -> str:
    """`2026-11-22T18:00:00.000000Z`, as Keystone prints times; rounded as `datetime` does (half to even)."""
    part, whole = math.modf(seconds)
    micro = round(part * 1e6)
    if not 0 <= micro < 1_000_000:
        carry, micro = divmod(micro, 1_000_000)
        whole += carry
    return f"{_iso(int(whole))[:-1]}.{micro:06}Z"


class CommandFailed(Exception):
    """A command ended badly; the message has the argument list and the end of its error output."""


def run(
    argv: Sequence[str], *, timeout: float = 60, input: bytes | None = None, env: dict[str, str] | None = None
) -> str:
    """Run one command from an argument list (never a shell) and return what it printed; raises `CommandFailed`."""
    try:
        done = subprocess.run(list(argv), input=input, capture_output=True, timeout=timeout, env=env, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise CommandFailed(f"{argv[0]}: {e}") from e
    if done.returncode:
        tail = (done.stderr or done.stdout).decode(errors="replace").strip()[-600:]
        raise CommandFailed(f"{' '.join(map(str, argv))}: exit {done.returncode}: {tail}")
    return done.stdout.decode(errors="replace")
