# SPDX-License-Identifier: Apache-2.0
"""Machines by libvirt and QEMU. The description is built as a tree; what is asked of a machine may be asked again; a machine
outlives this process and is found again by its id."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import msgspec

from virga.ground import log, typed
from virga.ground.world import CommandFailed, run
from virga.protocol.machines import Machine
from virga.protocol.reports import Capacity, Console, DiskSeen, Found, NicSeen, Seen
from virga.protocol.transfers import Content
from virga.services.compute.driver import Cancelled, StillHere, silent
from virga.services.compute.drivers import description, offers, qemu_img
from virga.services.compute.drivers.description import PREFIX
from virga.services.compute.drivers.rbd_disks import RbdDisks

ASK_SECONDS = 60.0
LET_GO_SECONDS = 30.0
LOG_KEEP = 4 << 20
RECORD, WITHDRAWN = "machine.json", "withdrawn.json"
BOTH = libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG
STATES: dict[int, Seen] = {
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_BLOCKED: "running",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTDOWN: "running",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
}
PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")
libvirt.registerErrorHandler(lambda *_: None, None)


class LibvirtHypervisor:
    """`folder` holds machines/<id> and base/<image>; `plug(port, mtu)` gives a tap, `unplug(port)` takes it away;
    `image(id)` is the path of an image's bytes, `urls(id)` is how its stores call them. With `rbd` new root disks are in Ceph.

    In machines/<id> lies what the machine is (`machine.json`) beside its disks; of one that was withdrawn it is `withdrawn.json`."""

    def __init__(
        self,
        socket: Path,
        folder: Path,
        *,
        kvm: bool,
        plug: Callable[[str, int], str],
        unplug: Callable[[str], None],
        image: Callable[[str], Path | None],
        rbd: RbdDisks | None = None,
        urls: Callable[[str], list[str]] = lambda id: [],
    ) -> None:
        self.uri = f"qemu+unix:///system?socket={socket}"
        self.machines, self.base = folder / "machines", folder / "base"
        for made in (self.machines, self.base):
            made.mkdir(parents=True, exist_ok=True, mode=0o711)
        self.kvm, self.plug, self.unplug, self.image = kvm, plug, unplug, image
        self.rbd, self.urls = rbd, urls
        self.log = log.get("libvirt")
        self._lock = threading.Lock()
        self._held: Any = None
        self._direct = _direct_io(folder)
        self.nvram = socket.parent.parent / "lib/qemu/nvram"
        self._bases: dict[str, threading.Lock] = {}
        self._version = 0
        self._pause = threading.Event()
        self._offers: dict[str, list[str]] | None = None
        self._cluster, self._asked = 0, 0.0

    def conn(self) -> Any:
        """The connection, opened again when it broke."""
        with self._lock:
            if self._held is None or not self._held.isAlive():
                self._held = libvirt.open(self.uri)
            return self._held

    def _domain(self, id: str) -> Any:
        try:
            return self.conn().lookupByUUIDString(id)
        except libvirt.libvirtError as e:
            if e.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    # -- verbs -----------------------------------------------------------------------------------------------------

    def run(self, machine: Machine) -> None:
        domain = self._domain(machine.id)
        if domain is not None and domain.isActive():
            if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                domain.resume()
            self._converge(domain, machine)
            return
        domain = self._define(machine)
        domain.create()

    def _define(self, machine: Machine) -> Any:
        folder = self.machines / machine.id
        folder.mkdir(mode=0o711, exist_ok=True)
        _write(folder / RECORD, msgspec.json.encode(machine))
        (folder / WITHDRAWN).unlink(missing_ok=True)
        disk = folder / "disk.qcow2"
        root = self._in_ceph(machine.id)
        if root is not None:
            self._clone(machine, root)
        elif not disk.exists():
            self._disk(machine, disk)
        blank = folder / "ephemeral.qcow2"
        if machine.ephemeral and not blank.exists():
            qemu_img.empty(str(blank.with_suffix(".new")), machine.ephemeral << 30)
            blank.with_suffix(".new").rename(blank)
        drive = folder / "config.iso"
        if machine.files is not None and not drive.exists():
            _config_drive(machine.files, drive)
        for part, image in (("kernel", machine.hardware.kernel_id), ("ramdisk", machine.hardware.ramdisk_id)):
            if image and not (folder / part).exists():
                self._twin(image, folder / part)
        (folder / "console.log").touch()
        taps = {nic.port_id: self.plug(nic.port_id, nic.mtu) for nic in machine.nics}
        tree = description.domain(
            machine,
            folder,
            taps,
            kvm=self.kvm,
            direct=self._direct,
            root=root.described(machine.id) if root is not None else None,
        )
        return self.conn().defineXML(ET.tostring(tree, encoding="unicode"))

    def _in_ceph(self, id: str) -> RbdDisks | None:
        """Where the machine's root disk is, if it is in Ceph: a machine that has a file here keeps it."""
        return None if self.rbd is None or (self.machines / id / "disk.qcow2").exists() else self.rbd

    def _clone(self, machine: Machine, root: RbdDisks) -> None:
        """The root disk in Ceph; only raw bytes can be cloned, and everything else is copied there from this machine's base."""
        plain = qemu_img.format_of(machine.image_format) == "raw"
        clone = next((u for u in self.urls(machine.image_id or "") if u.startswith("rbd://")), None) if plain else None
        root.make(
            machine.id, 0 if machine.hardware.boots_cdrom else machine.disk << 30, clone, lambda: self._base_of(machine)
        )
        conn, id = self.conn(), root.secret_id()
        try:
            known = conn.secretLookupByUUIDString(id)
        except libvirt.libvirtError as e:
            if e.get_error_code() != libvirt.VIR_ERR_NO_SECRET:
                raise
            known = conn.secretDefineXML(ET.tostring(description.secret(id, root.user), encoding="unicode"))
        known.setValue(root.key())

    def _disk(self, machine: Machine, disk: Path) -> None:
        base, format = self._base_of(machine)
        whole = qemu_img.virtual_size(str(base), format)
        size = whole if machine.hardware.boots_cdrom else max(machine.disk << 30, whole)
        fresh = disk.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        qemu_img.overlay(str(fresh), str(base), format, size)
        fresh.rename(disk)

    def _base_of(self, machine: Machine) -> tuple[Path, str]:
        """The image as this host keeps it: a hard link to the store, or a copy, made once; it stays while machines stand on it."""
        format = qemu_img.format_of(machine.image_format)
        with self._of_image(machine.image_id or ""):
            base = self.base / f"{machine.image_id}.{format}"
            if not base.exists():
                self._twin(machine.image_id or "", base)
        return base, format

    def _of_image(self, image: str) -> threading.Lock:
        """One at a time works on what is kept of an image; others' images do not wait."""
        with self._lock:
            return self._bases.setdefault(image, threading.Lock())

    def _twin(self, image: str, file: Path) -> None:
        """The image's bytes as `file`: a hard link to what is kept of it on this machine, or a copy."""
        source = self.image(image)
        if source is None:
            raise FileNotFoundError(f"image {image} is gone: it was deleted before this machine had its disk")
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        try:
            os.link(source, fresh)
        except OSError:
            shutil.copyfile(source, fresh)
        fresh.chmod(0o644)
        fresh.rename(file)

    def stop(self, machine: Machine) -> None:
        domain = self._domain(machine.id)
        if domain is None or not domain.isActive():
            self._define(machine)
            return
        if not self._ask_off(domain):
            self._off(domain)

    def _ask_off(self, domain: Any) -> bool:
        """Press the power button and wait; whether the guest went."""
        with contextlib.suppress(libvirt.libvirtError):
            domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        for n in range(int(ASK_SECONDS * 5)):
            if not domain.isActive():
                return True
            if n and n % 50 == 0:  # a guest that was still booting missed the first one
                with contextlib.suppress(libvirt.libvirtError):
                    domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
            self._pause.wait(0.2)
        return False

    @staticmethod
    def _off(domain: Any) -> None:
        try:
            domain.destroy()
        except libvirt.libvirtError as e:
            if e.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
                raise

    def reboot(self, machine: Machine, hard: bool) -> None:
        domain = self._domain(machine.id)
        if domain is not None and domain.isActive() and (hard or not self._ask_off(domain)):
            self._off(domain)
        self.run(machine)

    # -- what hangs on a running machine ---------------------------------------------------------------------------

    def _converge(self, domain: Any, machine: Machine) -> None:
        """Plug in what is new, pull out what is not wanted any more; the guest runs on. What libvirt has is compared, not what was last
        asked for: a plug that was not finished is finished now."""
        tree = _tree(domain)
        before = self._record(machine.id)
        stored = {nic.port_id for nic in machine.nics}
        leaving = [nic for nic in (before.nics if before is not None else ()) if nic.port_id not in stored]
        record = self.machines / machine.id / RECORD
        both = msgspec.structs.replace(machine, nics=[*machine.nics, *leaving])
        _write(record, msgspec.json.encode(both))  # whoever withdraws it from here on finds every tap
        have = {mac.get("address", "") for mac in tree.iterfind("devices/interface/mac")}
        for nic in [n for n in machine.nics if n.mac not in have]:
            self._attach(domain, description.nic(nic, self.plug(nic.port_id, nic.mtu), machine.hardware.vif_model))
        wanted = {nic.mac for nic in machine.nics}
        for each in [i for i in tree.iterfind("devices/interface") if _mac(i) not in wanted]:
            self._detach(domain, each, "interface", _mac)
        for nic in leaving:
            self.unplug(nic.port_id)
        self._disks_of(domain, tree, machine)
        _write(record, msgspec.json.encode(machine))

    def _disks_of(self, domain: Any, tree: ET.Element, machine: Machine) -> None:
        """The disks beside the machine's own, told by their serial numbers."""
        own = {machine.id[:20]}
        found = {
            serial: each for each in tree.iterfind("devices/disk") if (serial := _serial(each)) and serial not in own
        }
        wanted = {disk.id[:20]: disk for disk in machine.disks}
        for serial, each in found.items():
            if serial not in wanted:
                self._detach(domain, each, "disk", _serial)
        taken = {target.get("dev", "") for target in tree.iterfind("devices/disk/target")}
        for serial, disk in wanted.items():
            if serial not in found:
                taken.add(target := description.free_target(disk.bus, taken))
                self._attach(domain, description.extra_disk(disk, target, self._cache))

    @property
    def _cache(self) -> str:
        return "none" if self._direct else "writeback"

    @staticmethod
    def _attach(domain: Any, device: ET.Element) -> None:
        domain.attachDeviceFlags(ET.tostring(device, encoding="unicode"), BOTH)

    def _detach(self, domain: Any, device: ET.Element, tag: str, key: Callable[[ET.Element], str]) -> None:
        """Pull a device out and wait until the guest has let go of it."""
        domain.detachDeviceFlags(ET.tostring(description.named(device), encoding="unicode"), BOTH)
        for _ in range(int(LET_GO_SECONDS * 10)):
            left = _tree(domain)
            if key(device) not in {key(each) for each in left.iterfind(f"devices/{tag}")}:
                return
            self._pause.wait(0.1)
        raise RuntimeError(f"the guest did not let go of {tag} {key(device)} within {LET_GO_SECONDS:.0f} s")

    # -- letting go ------------------------------------------------------------------------------------------------

    def _record(self, id: str) -> Machine | None:
        """What the machine was last described as; None when it never was here."""
        for name in (RECORD, WITHDRAWN):
            with contextlib.suppress(OSError):
                return _machine((self.machines / id / name).read_bytes())
        return None

    def withdraw(self, id: str) -> None:
        domain = self._domain(id)
        if domain is not None:
            if domain.isActive():
                self._off(domain)
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
        record = self._record(id)
        for nic in record.nics if record is not None else ():
            self.unplug(nic.port_id)
        folder = self.machines / id
        if (folder / RECORD).exists():
            (folder / RECORD).rename(folder / WITHDRAWN)

    def destroy_disks(self, id: str, *, shared: bool) -> None:
        if self._domain(id) is not None:
            raise StillHere(f"machine {id} is here, and its disks are in use")
        folder, record = self.machines / id, self._record(id)
        if self.rbd is not None and shared:
            self.rbd.remove(id)
        (self.nvram / f"{PREFIX}{id}_VARS.fd").unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        if record is not None and record.image_id is not None:
            self._forget_base(record.image_id)

    def _forget_base(self, image: str) -> None:
        """Drop a base that no machine's disk stands on any more."""
        with self._of_image(image):
            for record in (*self.machines.glob(f"*/{RECORD}"), *self.machines.glob(f"*/{WITHDRAWN}")):
                with contextlib.suppress(OSError, msgspec.DecodeError):
                    if _machine(record.read_bytes()).image_id == image:
                        return
            for base in self.base.glob(f"{image}.*"):
                base.unlink(missing_ok=True)

    # -- copies ----------------------------------------------------------------------------------------------------

    def snapshot(
        self, machine: Machine, image: str, wanted: Callable[[], bool], say: Callable[[int, int], None] = silent
    ) -> None:
        root = self._in_ceph(machine.id)
        if root is not None:
            domain = self._domain(machine.id)
            with self._frozen(domain, machine):
                root.snapshot(machine.id, image)
            return
        whole = self._copy(machine.id, image)
        if whole.exists():
            return
        fresh = whole.with_suffix(".new")
        for _ in range(3):  # a guest that switches itself off meanwhile is copied as it then lies there
            domain = self._domain(machine.id)
            fresh.unlink(missing_ok=True)
            if domain is None or not domain.isActive() or machine.hardware.boots_cdrom:
                qemu_img.convert(str(whole.parent / "disk.qcow2"), "qcow2", str(fresh), "qcow2", wanted)
                break
            if self._backup(domain, fresh, machine, wanted, say):
                break
        else:
            raise RuntimeError("the copy of the disk was broken off three times")
        os.chown(fresh, 0, 0)
        fresh.chmod(0o600)
        fresh.rename(whole)

    def _copy(self, id: str, image: str) -> Path:
        return self.machines / id / f"copy-{image}.qcow2"

    def _backup(
        self, domain: Any, target: Path, machine: Machine, wanted: Callable[[], bool], say: Callable[[int, int], None]
    ) -> bool:
        """Have QEMU copy the running machine's disk as it is at this moment into `target`; False when the machine went off meanwhile."""
        self._end_backup(domain)
        try:
            with self._frozen(domain, machine):
                domain.backupBegin(ET.tostring(description.backup(machine, target), encoding="unicode"), None, 0)
        except libvirt.libvirtError as e:
            if e.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and not domain.isActive():
                return False
            raise
        while True:
            try:
                job = domain.jobInfo()
                if job[0] == libvirt.VIR_DOMAIN_JOB_NONE:
                    break
                say(job[4], job[3])  # bytes processed, of how many
            except libvirt.libvirtError:
                if not domain.isActive():
                    return False
                raise
            if not wanted():
                self._end_backup(domain)
                raise Cancelled
            self._pause.wait(0.1)
        try:
            ended = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        except libvirt.libvirtError:
            ended = {}
        if ended.get("success", True) and ended.get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED:
            return True
        if not domain.isActive():
            return False
        raise RuntimeError(f"QEMU could not copy the disk: {ended.get('errmsg', 'it does not say why')}")

    def _end_backup(self, domain: Any) -> None:
        """No copy is under way: one that a process before this one began is not known to be whole."""
        for _ in range(100):
            try:
                if domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE:
                    return
                domain.abortJob()
            except libvirt.libvirtError:
                return
            self._pause.wait(0.1)

    @contextlib.contextmanager
    def _frozen(self, domain: Any, machine: Machine) -> Iterator[None]:
        """The guest's file systems stand still meanwhile, if they can."""
        frozen = domain is not None and bool(domain.isActive()) and self._freeze(domain, machine)
        try:
            yield
        finally:
            if frozen:
                with contextlib.suppress(libvirt.libvirtError):
                    domain.fsThaw()

    def _freeze(self, domain: Any, machine: Machine) -> bool:
        """The guest's file systems stand still, if the image says that it has an agent for that; whether they do. Where the image
        requires it, a guest that cannot is an error."""
        has, needs = machine.hardware.agent, machine.hardware.quiesce
        if not has:
            if needs:
                raise RuntimeError(
                    "the image requires os_require_quiesce, and does not say hw_qemu_guest_agent=yes: there is no agent to ask"
                )
            return False
        try:
            domain.fsFreeze()
        except libvirt.libvirtError as e:
            if needs:
                raise RuntimeError(
                    f"the image requires os_require_quiesce, and the guest's agent did not freeze its file systems: {e}"
                ) from e
            return False
        return True

    def copied(self, id: str, image: str) -> Content:
        root = self._in_ceph(id)
        if root is not None:
            return Content(root.snapshot_size(id, image), "raw", lambda: root.read(id, image))
        file = self._copy(id, image)
        return Content(file.stat().st_size, "qcow2", lambda: _pieces(file))

    def tidy(self, id: str) -> None:
        domain = self._domain(id)
        if domain is not None and domain.isActive():
            self._end_backup(domain)
        for copy in (self.machines / id).glob("copy-*"):
            copy.unlink(missing_ok=True)
        root = self._in_ceph(id)
        if root is not None:
            root.tidy(id)

    # -- looking ---------------------------------------------------------------------------------------------------

    def observe(self) -> dict[str, str]:
        out: dict[str, str] = {}
        for domain in self.conn().listAllDomains():
            try:
                if not domain.name().startswith(PREFIX):
                    continue
                out[domain.UUIDString()] = STATES.get(domain.state()[0], "stopped")
            except libvirt.libvirtError:
                continue
        for folder in self.machines.iterdir():
            if (folder / RECORD).exists():
                out.setdefault(folder.name, "stopped")
            self._trim(folder / "console.log")
        return out

    def find(self, id: str) -> Found | None:
        domain, record = self._domain(id), self._record(id)
        if domain is None:
            return Found("stopped") if (self.machines / id / RECORD).exists() else None
        tree = _tree(domain)
        ports = {nic.mac: nic.port_id for nic in record.nics} if record is not None else {}
        extra = {disk.id[:20]: disk.id for disk in record.disks} if record is not None else {}
        nics = [
            NicSeen(ports.get(_mac(each), ""), target.get("dev", ""))
            for each in tree.iterfind("devices/interface")
            if (target := each.find("target")) is not None
        ]
        disks = [self._seen(id, each, extra) for each in tree.iterfind("devices/disk")]
        consoles = [
            Console("vnc", int(each.get("port", "-1")))
            for each in tree.iterfind("devices/graphics[@type='vnc']")
            if int(each.get("port", "-1")) > 0
        ]
        return Found(STATES.get(domain.state()[0], "stopped"), nics, disks, consoles)

    def _seen(self, id: str, disk: ET.Element, extra: dict[str, str]) -> DiskSeen:
        source, target = disk.find("source"), disk.find("target")
        where = "" if source is None else source.get("file", "")
        own = {"disk.qcow2": "root", "ephemeral.qcow2": "ephemeral", "config.iso": "config"}
        network = source is not None and source.get("protocol") == "rbd"
        name = extra.get(_serial(disk)) or ("root" if network else own.get(Path(where).name, where))
        storage = self.rbd.storage() if network and self.rbd is not None else ""
        return DiskSeen(name, target.get("dev", "") if target is not None else "", storage)

    @staticmethod
    def _trim(file: Path) -> None:
        """A guest cannot fill the disk with its console: QEMU appends, so the file may be cut."""
        with contextlib.suppress(OSError):
            if file.stat().st_size > 2 * LOG_KEEP:
                os.truncate(file, 0)

    def console(self, id: str) -> bytes:
        file = self.machines / id / "console.log"
        if not file.exists():
            return b""
        with open(file, "rb") as f:
            f.seek(max(0, f.seek(0, os.SEEK_END) - (1 << 20)))
            return f.read()

    def capacity(self) -> Capacity:
        memory = (
            int(
                next(
                    line.split()[1]
                    for line in Path("/proc/meminfo").read_text().splitlines()
                    if line.startswith("MemTotal")
                )
            )
            // 1024
        )
        disk = self._room()
        if not self._version:
            self._version = self.conn().getVersion()
        cpu = {"arch": os.uname().machine, "topology": {"cores": os.cpu_count() or 1, "sockets": 1, "threads": 1}}
        return Capacity(
            os.cpu_count() or 1,
            memory,
            disk,
            "QEMU" if not self.kvm else "KVM",
            self._version,
            cpu,
            self._offered(),
            [self.rbd.storage()] if self.rbd is not None else [],
        )

    def _room(self) -> int:
        """GiB for disks: of this machine's file system, or of the cluster, which is asked once a minute."""
        if self.rbd is None:
            return shutil.disk_usage(self.machines).total >> 30
        if time.monotonic() - self._asked > 60 or not self._cluster:
            self._cluster, self._asked = self.rbd.room_gb(), time.monotonic()
        return self._cluster

    def _offered(self) -> dict[str, list[str]]:
        """What can be built here. libvirt takes seconds for the first answer, so it is asked beside the start; nothing is said before."""
        if self._offers is None:
            self._offers = {}

            def ask() -> None:
                try:
                    own = libvirt.open(self.uri)  # of its own: nobody closes it while it is being asked
                    try:
                        self._offers = offers.offered(own, self.kvm)
                    finally:
                        own.close()
                except (libvirt.libvirtError, CommandFailed) as e:
                    self._offers = None  # the next report asks again
                    self.log.warning("offers_unknown", why=str(e))

            threading.Thread(target=ask, name="offers", daemon=True).start()
        return self._offers or {}

    def close(self) -> None:
        with self._lock:
            if self._held is not None:
                with contextlib.suppress(libvirt.libvirtError):
                    self._held.close()
                self._held = None

    def end_guests(self, *, gracefully: bool) -> None:
        """Switch every machine off, all at once; with `gracefully` the guests get time to write their disks."""
        running = [
            d
            for d in self.conn().listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
            if d.name().startswith(PREFIX)
        ]
        threads = [
            threading.Thread(target=lambda d=d: (gracefully and self._ask_off(d)) or self._off(d)) for d in running
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _direct_io(folder: Path) -> bool:
    """Whether files here may be opened without the page cache (not on tmpfs)."""
    probe = folder / ".direct"
    try:
        fd = os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o600)
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    os.close(fd)
    return True


def _machine(record: bytes) -> Machine:
    """A machine as it was written down; what was written before NICs were called so has them as `NICs`."""
    raw = msgspec.json.decode(record)
    raw.setdefault("nics", raw.pop("cards", []))
    return typed.convert(raw, Machine)


def _tree(domain: Any) -> ET.Element:
    """The machine as libvirt has it just now."""
    return ET.fromstring(domain.XMLDesc())  # noqa: S314 - libvirt wrote it


def _mac(interface: ET.Element) -> str:
    found = interface.find("mac")
    return "" if found is None else found.get("address", "")


def _serial(disk: ET.Element) -> str:
    return disk.findtext("serial") or ""


def _pieces(file: Path) -> Iterator[bytes]:
    with open(file, "rb", buffering=0) as source:
        while piece := source.read(1 << 20):
            yield piece


def _write(file: Path, data: bytes) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.rename(file)


def _config_drive(files: dict[str, str], iso: Path) -> None:
    """An ISO 9660 disk labelled config-2. The paths are ours, and still none is believed; only the contents are a tenant's. Raises
    ValueError."""
    tree = iso.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()  # and not what somebody put there
    for path, text in files.items():
        target = tree / path
        if not PATH.fullmatch(path) or ".." in path.split("/"):
            raise ValueError(f"'{path[:80]}' is no path of a config drive")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(base64.b64decode(text[7:]) if text.startswith("base64:") else text.encode())
    fresh = iso.with_suffix(".new")
    run(["genisoimage", "-quiet", "-V", "config-2", "-J", "-r", "-o", str(fresh), str(tree)])
    shutil.rmtree(tree)
    fresh.rename(iso)
