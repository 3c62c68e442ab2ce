# SPDX-License-Identifier: Apache-2.0
"""OVN's centre: the northbound database, which is a cache of ours, the southbound one, which chassis read, and northd, which makes the second
from the first. A cloud has one; hosts of it that only run machines have a chassis and none of this."""

from __future__ import annotations

import threading
from pathlib import Path

from virga.ground.errors import Unavailable
from virga.ground.world import run
from virga.node.daemons import Daemons
from virga.node.supervisor import Engine, Supervisor
from virga.services.network.drivers.ovsdb import Ovsdb

NORTHBOUND = "/usr/share/ovn/ovn-nb.ovsschema"
SOUTHBOUND = "/usr/share/ovn/ovn-sb.ovsschema"


class Central:
    """`folder` is where its files lie; a chassis of the same host may lie there, too."""

    def __init__(self, folder: Path, supervisor: Supervisor) -> None:
        self.folder, self.supervisor = folder, supervisor
        self.daemons = Daemons(folder)
        self._nb: Ovsdb | None = None

    @property
    def nb(self) -> Ovsdb:
        """The northbound database. Raises Unavailable before `start`."""
        if self._nb is None:
            raise Unavailable("OVN's northbound database is not started yet.")
        return self._nb

    @property
    def southbound(self) -> str:
        """Where chassis find the southbound database, in OVSDB's own words."""
        return f"unix:{self.daemons.sock('sb')}"

    def start(self) -> None:
        """Databases and northd. Repeatable; what runs is adopted.

        The southbound database is data plane: machines go on when Virga stops, and their ovn-controller, which goes on with them, binds
        ports and renews what it learned there. The northbound one and northd are of use only to whoever changes something, and end with us.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        own = self.daemons
        northbound = f"unix:{own.sock('nb')}"
        self.supervisor.run(own.database("nb", NORTHBOUND, data_plane=False))
        self.supervisor.run(own.database("sb", SOUTHBOUND, data_plane=True))
        run(["ovn-nbctl", f"--db={northbound}", "init"])
        run(["ovn-sbctl", f"--db={self.southbound}", "init"])
        northd = (
            "ovn-northd",
            f"--ovnnb-db={northbound}",
            f"--ovnsb-db={self.southbound}",
            f"--unixctl={self.folder / 'northd.ctl'}",
            *own.logged("ovn-northd"),
        )
        self.supervisor.run(Engine("ovn-northd", northd, own.env))
        self._nb = Ovsdb(str(own.sock("nb")), "OVN_Northbound")

    def await_chassis(self, id: str) -> None:
        """Wait until a chassis has registered itself: only then do its ports come up. (`ovn-nbctl --wait=hv` does not tell: with no chassis
        at all it returns at once.) Raises Unavailable after 10 seconds."""
        sb = Ovsdb(str(self.daemons.sock("sb")), "OVN_Southbound")
        pause = threading.Event()
        try:
            for _ in range(500):
                if sb.rows("Chassis", [["name", "==", id]], ["name"]):
                    return
                pause.wait(0.02)
        finally:
            sb.close()
        raise Unavailable(
            f"ovn-controller did not register chassis {id} within 10 s; see {self.folder / 'ovn-controller.log'}"
        )

    def close(self) -> None:
        """Hang up; what the supervisor left running goes on."""
        if self._nb is not None:
            self._nb.close()
