# SPDX-License-Identifier: Apache-2.0
"""The network of one host: Open vSwitch and ovn-controller in a network namespace of their own, the external network's end, machines' taps
and metadata's namespaces. Everything carries the cloud's name, so that `purge` finds all of it. What the whole cloud has once is in
`central.py`; a chassis is only told where that is."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import threading
import zlib
from pathlib import Path

from virga.ground.errors import Unavailable
from virga.ground.world import CommandFailed, run
from virga.node.daemons import Daemons, answers
from virga.node.supervisor import Engine, Supervisor
from virga.services.network.drivers.ovsdb import Ovsdb, ovs_map, ovs_set, plain

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def namespaces() -> set[str]:
    folder = Path("/run/netns")
    return {p.name for p in folder.iterdir()} if folder.exists() else set()


def links(namespace: str | None = None) -> set[str]:
    """The names of the links in a namespace (or here)."""
    out = run(["ip", *(["-n", namespace] if namespace else []), "-o", "link"])
    return {line.split(": ")[1].partition("@")[0] for line in out.splitlines()}


def veth(link: str, other: str, namespace: str, *, near: str | None = None) -> None:
    """Two links that are each other's ends: `link` in `near` (or here), `other` in `namespace`. Ends of this kind, and plain taps, are what
    Open vSwitch finds again after it was started anew; a port of its own making in another namespace would be lost to it."""
    here = ["-n", near] if near else []
    run(["ip", *here, "link", "add", link, "type", "veth", "peer", "name", other, "netns", namespace])


class Chassis:
    """`name` is the cloud's. `uplink`: none | host | auto | a link's name."""

    def __init__(self, name: str, folder: Path, uplink: str, external_cidr: str, supervisor: Supervisor) -> None:
        self.name, self.folder, self.uplink, self.supervisor = name, folder, uplink, supervisor
        net, _, prefix = external_cidr.partition("/")
        a, b, c, d = (int(x) for x in net.split("."))
        self.gateway = f"{a}.{b}.{c}.{d + 1}/{prefix}"
        self.external_cidr = external_cidr
        self.namespace = f"{name}-net"
        self.outside = f"{name}-out"
        self.host_link = f"{name}-ext"
        self.storage_link = f"{name}-sto"
        self.table = f"virga_{name}"
        self.id = f"{name}-{socket.gethostname()}"
        self.daemons = Daemons(folder)
        self._lock = threading.Lock()
        self.conf: Ovsdb | None = None

    # -- start and stop --------------------------------------------------------------------------------------------

    def start(self, southbound: str) -> None:
        """Namespace, daemons, bridges, the external end. `southbound`: where OVN's southbound database is (`unix:…`). Repeatable; what runs
        is adopted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._namespace(self.namespace)
        own = self.daemons
        self.supervisor.run(own.database("conf", SCHEMA, data_plane=True))
        self._configure(southbound)
        inside = ("--net", self.namespace, "--")
        control = self.folder / "vswitchd.ctl"
        vswitchd = (
            *inside,
            "ovs-vswitchd",
            f"unix:{own.sock('conf')}",
            "--disable-system",
            f"--unixctl={control}",
            *own.logged("ovs-vswitchd"),
        )
        self.supervisor.run(
            Engine(
                "ovs-vswitchd",
                vswitchd,
                own.env,
                ready=lambda: answers(self.folder / "br-int.mgmt"),
                data_plane=True,
                # told to end, it takes its taps along; ended by a signal, it leaves them for its successor
                stop=lambda: run(["ovs-appctl", "-t", str(control), "exit", "--cleanup"], timeout=10),
            )
        )
        controller = (*inside, "ovn-controller", f"unix:{own.sock('conf')}", *own.logged("ovn-controller"))
        self.supervisor.run(Engine("ovn-controller", controller, own.env, data_plane=True))
        self._external()
        self.conf = Ovsdb(str(own.sock("conf")), "Open_vSwitch")

    def _configure(self, southbound: str) -> None:
        """What Open vSwitch and ovn-controller read when they start.

        `datapath_type=netdev` and `--disable-system`: packets are switched in ovs-vswitchd itself, so that no kernel module is needed. One
        vswitchd makes a tap `ovs-netdev` of that very name, hence the namespace of our own.

        `userspace-tso-enable`: a guest or a veth leaves checksums and the cutting of segments to the NIC that it believes in. A switch in
        user space reads the bare frame and would hand it on with the checksum undone: ping and DHCP work, TCP hangs. Either every such
        end has its offloads off, or, as here, vswitchd finishes what was left undone, which is six to nine times faster between machines
        of this host. The price: with this option on, Open vSwitch 3.1 drops offloaded packets that go into a tunnel. It must be off, and
        guests' offloads with it, on a chassis that has tunnels to others; it is read only when vswitchd starts.

        `ovn-encap-ip=127.0.0.1`: OVN registers no chassis without an end for tunnels, and with one chassis none is built.

        `fail-mode=secure`: until ovn-controller has written flows, the integration bridge passes nothing; the other mode would make it an
        ordinary switch between tenants. `ovn-bridge-mappings` is how the external network's `localnet` port finds its bridge.
        """
        about = (
            f"external_ids:system-id={self.id}",
            f"external_ids:hostname={socket.gethostname()}",
            f"external_ids:ovn-remote={southbound}",
            "external_ids:ovn-encap-type=geneve",
            "external_ids:ovn-encap-ip=127.0.0.1",
            "external_ids:ovn-bridge=br-int",
            "external_ids:ovn-bridge-datapath-type=netdev",
            "external_ids:ovn-bridge-mappings=physnet1:br-ex",
            "other_config:userspace-tso-enable=true",
        )
        self._vsctl("--no-wait", "init")
        self._vsctl(
            *("--no-wait", "set", "Open_vSwitch", ".", *about),
            *("--", "--may-exist", "add-br", "br-int"),
            *("--", "set", "bridge", "br-int", "datapath_type=netdev", "fail-mode=secure"),
            *("--", "--may-exist", "add-br", "br-ex"),
            *("--", "set", "bridge", "br-ex", "datapath_type=netdev"),
        )

    def _vsctl(self, *words: str) -> None:
        run(["ovs-vsctl", f"--db=unix:{self.daemons.sock('conf')}", *words])

    def close(self) -> None:
        """Hang up; what the supervisor left running goes on."""
        if self.conf is not None:
            self.conf.close()

    # -- links -----------------------------------------------------------------------------------------------------

    def _namespace(self, name: str) -> None:
        if name not in namespaces():
            run(["ip", "netns", "add", name])
        run(["ip", "-n", name, "link", "set", "lo", "up"])
        run(
            [
                "nsenter",
                f"--net=/run/netns/{name}",
                "--",
                sys.executable,
                "-I",
                "-S",
                "-c",
                "import pathlib\nfor k in ('all', 'default'): pathlib.Path(f'/proc/sys/net/ipv6/conf/{k}/disable_ipv6').write_text('1')",
            ]
        )

    def _external(self) -> None:
        """The external network's end: a namespace of our own, or this machine with its way out."""
        inner = "ex0"
        there = (
            self.outside in namespaces() and "ext0" in links(self.outside)
            if self.uplink == "none"
            else self.host_link in links()
        )
        if not there and inner in links(self.namespace):  # the uplink was another one before
            run(["ip", "-n", self.namespace, "link", "del", inner])
        if inner not in links(self.namespace):
            if self.uplink == "none":
                self._namespace(self.outside)
                veth(inner, "ext0", self.outside, near=self.namespace)
            else:
                veth(self.host_link, inner, self.namespace)
        run(["ip", "-n", self.namespace, "link", "set", inner, "up"])
        where = ["-n", self.outside] if self.uplink == "none" else []
        link = "ext0" if self.uplink == "none" else self.host_link
        run(["ip", *where, "addr", "replace", self.gateway, "dev", link])
        run(["ip", *where, "link", "set", link, "up"])
        self._vsctl("--no-wait", "--may-exist", "add-port", "br-ex", inner)
        if self.uplink != "none":
            self._way_out()

    def _way_out(self) -> None:
        """Masquerade through the machine's uplink, and keep tenants off this machine's own services."""
        rules = [
            f'iifname "{self.host_link}" ct state established,related accept',
            f'iifname "{self.host_link}" icmp type echo-request accept',
            f'iifname "{self.host_link}" drop',
        ]
        text = f"table inet {self.table} {{}}\nflush table inet {self.table}\ntable inet {self.table} {{\n"
        text += (
            "  chain input { type filter hook input priority 0; policy accept;\n    " + "\n    ".join(rules) + "\n  }\n"
        )
        if self.uplink != "host":
            out = self._default_link() if self.uplink == "auto" else self.uplink
            if out is not None:
                text += "  chain postrouting { type nat hook postrouting priority 100; policy accept;\n"
                text += f'    ip saddr {self.external_cidr} oifname "{out}" masquerade\n  }}\n'
                Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        run(["nft", "-f", "-"], input=(text + "}\n").encode())

    @staticmethod
    def _default_link() -> str | None:
        words = run(["ip", "-4", "route", "show", "default"]).split()
        return words[words.index("dev") + 1] if "dev" in words else None

    def storage(self, networks: list[str]) -> None:
        """A way for the hypervisor's own processes, which are in the namespace, to a storage cluster, and to nothing else. Tenants' packets
        do not come here: their taps are on the integration bridge. Repeatable."""
        # each cloud of a machine has two addresses of its own, away from metadata's
        nth = zlib.crc32(self.name.encode()) % 2048
        here, there = (f"169.254.{192 + nth // 64}.{nth % 64 * 4 + n}" for n in (1, 2))
        if "sto0" not in links(self.namespace):
            veth(self.storage_link, "sto0", self.namespace)
        run(["ip", "addr", "replace", f"{here}/30", "dev", self.storage_link])
        run(["ip", "link", "set", self.storage_link, "up"])
        run(["ip", "-n", self.namespace, "addr", "replace", f"{there}/30", "dev", "sto0"])
        run(["ip", "-n", self.namespace, "link", "set", "sto0", "up"])
        for network in networks:
            run(["ip", "-n", self.namespace, "route", "replace", network, "via", here])
        table = f"{self.table}_sto"
        text = f"table inet {table} {{}}\nflush table inet {table}\ntable inet {table} {{\n"
        text += f'  chain input {{ type filter hook input priority 0; policy accept;\n    iifname "{self.storage_link}" ip daddr {here} drop\n  }}\n'
        text += f'  chain postrouting {{ type nat hook postrouting priority 100; policy accept;\n    ip saddr {there} oifname != "lo" masquerade\n  }}\n'
        run(["nft", "-f", "-"], input=(text + "}\n").encode())
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    # -- ports -----------------------------------------------------------------------------------------------------

    def tap(self, port_id: str) -> str:
        return f"tap{port_id[:11]}"

    def plug(self, port_id: str, mtu: int) -> str:
        """A tap on the integration bridge for a machine's NIC; its name. Repeatable."""
        tap = self.tap(port_id)
        with self._lock:
            if tap not in links(self.namespace):
                run(["ip", "-n", self.namespace, "tuntap", "add", tap, "mode", "tap", "vnet_hdr"])
            run(["ip", "-n", self.namespace, "link", "set", tap, "mtu", str(mtu), "up"])
            self.bridge(tap, port_id)
        return tap

    def unplug(self, port_id: str) -> None:
        tap = self.tap(port_id)
        with self._lock:
            self.unbridge(tap)
            if tap in links(self.namespace):
                run(["ip", "-n", self.namespace, "link", "del", tap])

    def bridge(self, link: str, port_id: str) -> None:
        """Make `link` a port of the integration bridge that stands for the logical port."""
        conf = self._conf()
        ids = ovs_map({"iface-id": port_id})
        if conf.rows("Interface", [["name", "==", link]], ["_uuid"]):
            conf.transact(
                [{"op": "update", "table": "Interface", "where": [["name", "==", link]], "row": {"external_ids": ids}}]
            )
            return
        conf.transact(
            [
                {"op": "insert", "table": "Interface", "row": {"name": link, "external_ids": ids}, "uuid-name": "i"},
                {
                    "op": "insert",
                    "table": "Port",
                    "row": {"name": link, "interfaces": ["named-uuid", "i"]},
                    "uuid-name": "p",
                },
                {
                    "op": "mutate",
                    "table": "Bridge",
                    "where": [["name", "==", "br-int"]],
                    "mutations": [["ports", "insert", ovs_set([["named-uuid", "p"]])]],
                },
                {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
            ]
        )

    def unbridge(self, link: str) -> None:
        conf = self._conf()
        for row in conf.rows("Port", [["name", "==", link]], ["_uuid"]):
            conf.transact(
                [
                    {
                        "op": "mutate",
                        "table": "Bridge",
                        "where": [["name", "==", "br-int"]],
                        "mutations": [["ports", "delete", ovs_set([row["_uuid"]])]],
                    },
                    {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
                ]
            )

    def plugged(self) -> dict[str, str]:
        """Links on the integration bridge: name → logical port."""
        rows = self._conf().rows("Interface", [], ["name", "external_ids"])
        return {r["name"]: ids["iface-id"] for r in rows if "iface-id" in (ids := plain(r["external_ids"]))}

    def _conf(self) -> Ovsdb:
        if self.conf is None:
            raise Unavailable("Open vSwitch is not started yet.")
        return self.conf

    # -- the namespaces of metadata -----------------------------------------------------------------------------------

    def metadata_namespace(self, network_id: str) -> str:
        return f"{self.name}-md-{network_id}"

    def open_metadata_namespace(self, network_id: str, port_id: str, mac: str, mtu: int, cidrs: list[str]) -> str:
        """A namespace on a tenant network with metadata's addresses; its name. Repeatable."""
        name, outer = self.metadata_namespace(network_id), f"md{port_id[:11]}"
        with self._lock:
            self._namespace(name)
            if "md0" not in links(name):
                if outer in links(self.namespace):
                    run(["ip", "-n", self.namespace, "link", "del", outer])
                veth(outer, "md0", name, near=self.namespace)
            run(["ip", "-n", name, "link", "set", "md0", "address", mac, "mtu", str(mtu), "up"])
            for cidr in [*cidrs, "169.254.169.254/32"]:
                run(["ip", "-n", name, "addr", "replace", cidr, "dev", "md0"])
            run(["ip", "-n", self.namespace, "link", "set", outer, "up"])
            self.bridge(outer, port_id)
        return name

    def close_metadata_namespace(self, network_id: str) -> None:
        name = self.metadata_namespace(network_id)
        with self._lock:
            if name in namespaces():
                run(["ip", "netns", "del", name])
            there = links(self.namespace)
            for link in [x for x in self.plugged() if x.startswith("md") and x not in there]:
                self.unbridge(link)

    def metadata_namespaces(self) -> set[str]:
        """The networks that have a metadata namespace here."""
        prefix = f"{self.name}-md-"
        return {n.removeprefix(prefix) for n in namespaces() if n.startswith(prefix)}

    # -- the end ---------------------------------------------------------------------------------------------------

    def purge(self) -> None:
        """Take away every link, namespace and rule of this cloud; the daemons are stopped already."""
        for name in sorted(namespaces()):
            if name.startswith(f"{self.name}-md-") or name in {self.namespace, self.outside}:
                with contextlib.suppress(CommandFailed):
                    run(["ip", "netns", "del", name])
        for link in (self.host_link, self.storage_link):
            if link in links():
                run(["ip", "link", "del", link])
        if shutil.which("nft"):
            there = run(["nft", "list", "tables"]).splitlines()
            for table in (self.table, f"{self.table}_sto"):
                if f"table inet {table}" in there:
                    run(["nft", "delete", "table", "inet", table])
        shutil.rmtree(self.folder, ignore_errors=True)
