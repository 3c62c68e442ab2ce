# SPDX-License-Identifier: Apache-2.0
"""Engines as children: started once, adopted after a restart, started again when they die, stopped in order. An engine is known
by its pid and start time, so that a recycled pid is never taken for it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from virga.ground import log, metrics

PR_SET_CHILD_SUBREAPER = 36
ENTER = Path(__file__).with_name("enter.py")


@dataclass(frozen=True)
class Engine:
    """`argv` starts it in the foreground; `ready` tells when it answers; `data_plane` engines keep running for guests that stay."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    before: Callable[[], None] = lambda: None
    stop: Callable[[], object] | None = None
    data_plane: bool = False
    wait: float = 20.0


class EngineFailed(Exception):
    """An engine did not come up; the message has the end of its log."""


def started(pid: int) -> str | None:
    """The start time of a live process, None for one that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def end(pid: int, start: str | None, seconds: float = 10.0) -> None:
    """TERM, then KILL when it takes longer than `seconds`; nothing if the process is another one by now."""
    pause = threading.Event()
    for sig, tries in ((signal.SIGTERM, int(seconds * 20)), (signal.SIGKILL, 100)):
        if started(pid) != start or start is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)
        for _ in range(tries):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if started(pid) != start:
                return
            pause.wait(0.05)


def _entered(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The engine's words for `enter.py`: its own flags, if it has any, then the program."""
    return argv if argv[0].startswith("--") else ("--", *argv)


def adopt_orphans() -> None:
    """Machines' processes leave their parent; they come to us and not to init, so that somebody hears of their end."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_machines() -> int:
    """Take the exit status of QEMU processes that ended; how many. Only theirs: other children are waited for by who began them."""
    reaped, mine = 0, str(os.getpid())
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError, IndexError):
            name, _, rest = (entry / "stat").read_text().partition(" (")[2].rpartition(") ")
            fields = rest.split()
            if fields[0] == "Z" and fields[1] == mine and name.startswith("qemu-system"):
                os.waitpid(int(entry.name), os.WNOHANG)
                reaped += 1
    return reaped


class Supervisor:
    """The engines of one machine, in the order in which they start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.engines: dict[str, Engine] = {}
        self.failures: dict[str, int] = {}
        self.log = log.get("supervisor")
        self._halt = threading.Event()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def known(self, name: str) -> tuple[int, str] | None:
        """The pid and start time of the engine, if it lives."""
        try:
            pid, start = (self.folder / f"{name}.pid").read_text().split()
        except (OSError, ValueError):
            return None
        return (int(pid), start) if started(int(pid)) == start else None

    def run(self, engine: Engine) -> bool:
        """Have the engine running and ready; whether it had to be started. Raises EngineFailed."""
        with self._lock:
            self.engines[engine.name] = engine
            child = self._spawn(engine) if self.known(engine.name) is None else None
        pause = threading.Event()
        for _ in range(int(engine.wait * 50)):
            if engine.ready():
                metrics.ENGINES.labels(engine.name).set(1)
                return child is not None
            if child.poll() is not None if child is not None else self.known(engine.name) is None:
                break
            pause.wait(0.02)
        raise EngineFailed(f"{engine.name} did not come up: {self.tail(engine.name)}")

    def _spawn(self, engine: Engine) -> subprocess.Popen[bytes]:
        engine.before()
        out = open(self.folder / f"{engine.name}.out", "ab")
        with out:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(ENTER),
                    "--record",
                    str(self.folder / f"{engine.name}.pid"),
                    *_entered(engine.argv),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **engine.env},
                start_new_session=True,
            )

    def tail(self, name: str) -> str:
        file = self.folder / f"{name}.out"
        return file.read_text(errors="replace")[-800:].strip() if file.exists() else "no output"

    def watch(self) -> None:
        """Start engines again when they die."""
        self._thread = threading.Thread(target=self._rounds, name="supervisor", daemon=True)
        self._thread.start()

    def _rounds(self) -> None:
        while not self._halt.wait(1.0):
            reap_machines()
            for engine in list(self.engines.values()):
                found = self._reap(engine.name)
                metrics.ENGINES.labels(engine.name).set(1 if found else 0)
                if found:
                    continue
                self.failures[engine.name] = self.failures.get(engine.name, 0) + 1
                self.log.error("engine_died", engine=engine.name, tail=self.tail(engine.name)[-300:])
                with self._lock:
                    if not self._halt.is_set():
                        self._spawn(engine)

    def _reap(self, name: str) -> bool:
        try:
            pid = int((self.folder / f"{name}.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return False
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return self.known(name) is not None

    def halt(self) -> None:
        """Stop watching; the engines go on."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join(5)

    def stop(self, *, data_plane: bool) -> None:
        """End the engines, the last started first; those of the data plane only if asked."""
        self.halt()
        for engine in reversed(list(self.engines.values())):
            if not engine.data_plane or data_plane:
                self.end(engine.name, engine.stop)
        reap_machines()

    def end(self, name: str, graceful: Callable[[], object] | None = None) -> None:
        found = self.known(name)
        if found is not None:
            if graceful is not None:
                with contextlib.suppress(Exception):
                    graceful()
            end(*found)
        (self.folder / f"{name}.pid").unlink(missing_ok=True)
        metrics.ENGINES.labels(name).set(0)
