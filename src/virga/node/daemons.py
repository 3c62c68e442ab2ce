# SPDX-License-Identifier: Apache-2.0
"""OVN's and Open vSwitch's daemons in a folder of our own, beside whatever the machine runs: their sockets, environment and logs, and how a
database server is started."""

from __future__ import annotations

import socket
from pathlib import Path

from virga.ground.world import run
from virga.node.supervisor import Engine

QUIET = ("-vconsole:off", "-vsyslog:off", "-vfile:warn")


def answers(path: Path) -> bool:
    """Whether something accepts on a unix socket."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(str(path))
        except OSError:
            return False
    return True


class Daemons:
    """Daemons that live in `folder` (an absolute path: theirs are looked for below their own run directory otherwise)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            f"{program}_{kind}": str(folder)
            for program in ("OVS", "OVN")
            for kind in ("RUNDIR", "DBDIR", "SYSCONFDIR", "LOGDIR")
        }
        self.env["PATH"] = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

    def sock(self, name: str) -> Path:
        """Where the database server `name` listens."""
        return self.folder / f"{name}.sock"

    def logged(self, name: str) -> tuple[str, ...]:
        """The options that every daemon takes: little in the log, and where log and pid are."""
        return (*QUIET, f"--log-file={self.folder / name}.log", f"--pidfile={self.folder / name}.pid")

    def database(self, name: str, schema: str, *, data_plane: bool) -> Engine:
        """A database server on `name`.db, which is made from the schema's file when it is not there. Half a database is never seen: it is
        made beside its place and moved."""
        file = self.folder / f"{name}.db"

        def before() -> None:
            self.sock(name).unlink(missing_ok=True)
            if not file.exists():
                fresh = file.with_suffix(".new")
                fresh.unlink(missing_ok=True)
                (self.folder / f".{fresh.name}.~lock~").unlink(missing_ok=True)
                run(["ovsdb-tool", "create", str(fresh), schema])
                fresh.rename(file)

        argv = (
            "ovsdb-server",
            str(file),
            f"--remote=punix:{self.sock(name)}",
            f"--unixctl={self.folder / name}.ctl",
            *self.logged(f"ovsdb-{name}"),
        )
        return Engine(
            f"ovsdb-{name}",
            argv,
            self.env,
            ready=lambda: answers(self.sock(name)),
            before=before,
            data_plane=data_plane,
        )
