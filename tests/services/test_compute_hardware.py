# SPDX-License-Identifier: Apache-2.0
"""Image properties and extra specs that say what a machine is: chosen, refused, and written down so that no word of a tenant is
anything but text (attack B8)."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from sim_cloud import SimCloud
from virga.ground.errors import Invalid
from virga.services.compute import hardware
from virga.services.compute.driver import Hardware, Hypervisor, Machine, Nic
from virga.services.compute.drivers import description
from virga.services.compute.model import Boot


def hardware_for(vcpus: int = 4, specs: dict[str, str] | None = None, **properties: str) -> Hardware:
    return hardware.hardware_for(Boot("raw", "raw", properties=properties), specs or {}, vcpus)


def described(h: Hardware, kvm: bool = False, **more: Any) -> ET.Element:
    fields: dict[str, Any] = {"files": {}, "name": "m"} | more
    machine = Machine(
        id="00000000-0000-4000-8000-000000000001",
        project_id="p",
        generation=1,
        vcpus=4,
        ram=128,
        disk=1,
        image_id="i",
        image_format="raw",
        nics=[Nic("port", "fa:16:3e:00:00:01", 1442, "n")],
        hardware=h,
        **fields,
    )
    return ET.fromstring(ET.tostring(description.domain(machine, Path("/f"), {"port": "tap0"}, kvm=kvm, direct=True)))


def test_nothing_said() -> None:
    d = described(hardware_for())
    assert d.find("./os/type").attrib["machine"] == "pc"  # type: ignore[union-attr]
    assert [t.attrib for t in d.findall("./devices/disk/target")] == [
        {"dev": "vda", "bus": "virtio"},
        {"dev": "vdz", "bus": "virtio"},
    ]
    assert d.find("./devices/interface/model").attrib == {"type": "virtio"}  # type: ignore[union-attr]
    assert (
        d.find("./devices/channel") is None
        and d.find("./devices/rng") is not None
        and d.find("./devices/watchdog") is None
    )
    assert d.find("./clock").attrib == {"offset": "utc"}  # type: ignore[union-attr]
    assert d.find("./cpu/topology").attrib == {"sockets": "4", "cores": "1", "threads": "1"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("properties", "path", "attributes"),
    [
        ({"hw_disk_bus": "scsi"}, "./devices/disk/target", {"dev": "sda", "bus": "scsi"}),
        ({"hw_disk_bus": "scsi"}, "./devices/controller", {"type": "scsi", "index": "0", "model": "virtio-scsi"}),
        (
            {"hw_disk_bus": "scsi", "hw_scsi_model": "lsisas1068"},
            "./devices/controller",
            {"type": "scsi", "index": "0", "model": "lsisas1068"},
        ),
        ({"hw_disk_bus": "ide"}, "./devices/disk/target", {"dev": "hda", "bus": "ide"}),
        ({"hw_disk_bus": "sata", "hw_machine_type": "q35"}, "./devices/disk/target", {"dev": "sda", "bus": "sata"}),
        ({"hw_cdrom_bus": "ide"}, "./devices/disk[2]", {"type": "file", "device": "cdrom"}),
        ({"hw_vif_model": "e1000"}, "./devices/interface/model", {"type": "e1000"}),
        ({"hw_vif_model": "VirtualVmxnet3"}, "./devices/interface/model", {"type": "vmxnet3"}),
        ({"hw_video_model": "virtio"}, "./devices/video/model", {"type": "virtio"}),
        ({"hw_machine_type": "q35"}, "./os/type", {"arch": "x86_64", "machine": "q35"}),
        ({"hw_firmware_type": "uefi"}, "./os", {"firmware": "efi"}),
        (
            {"hw_firmware_type": "uefi", "hw_machine_type": "q35", "os_secure_boot": "required"},
            "./features/smm",
            {"state": "on"},
        ),
        (
            {"hw_qemu_guest_agent": "yes"},
            "./devices/channel/target",
            {"type": "virtio", "name": "org.qemu.guest_agent.0"},
        ),
        ({"hw_watchdog_action": "reset"}, "./devices/watchdog", {"model": "i6300esb", "action": "reset"}),
        ({"hw_boot_menu": "true"}, "./os/bootmenu", {"enable": "yes"}),
        ({"hw_pointer_model": "usbtablet"}, "./devices/input", {"type": "tablet", "bus": "usb"}),
        ({"hw_input_bus": "virtio"}, "./devices/input", {"type": "tablet", "bus": "virtio"}),
        ({"hw_serial_port_count": "2"}, "./devices/serial[2]/target", {"port": "1"}),
        ({"hw_cpu_cores": "2"}, "./cpu/topology", {"sockets": "2", "cores": "2", "threads": "1"}),
        ({"os_type": "windows"}, "./clock", {"offset": "localtime"}),
        ({"hw_time_hpet": "true"}, "./clock/timer", {"name": "hpet", "present": "yes"}),
    ],
)
def test_what_is_asked_for_is_there(properties: dict[str, str], path: str, attributes: dict[str, str]) -> None:
    found = described(hardware_for(**properties)).find(path)
    assert found is not None and found.attrib == attributes


def test_the_empty_disk() -> None:
    d = described(hardware_for(), ephemeral=3)
    assert [t.attrib["dev"] for t in d.findall("./devices/disk/target")] == ["vda", "vdb", "vdz"]
    iso = hardware.hardware_for(Boot("iso", "iso"), {}, 1)
    d = described(iso, ephemeral=3)
    assert [(e.attrib["device"], e.find("target").attrib["dev"]) for e in d.findall("./devices/disk")] == [
        ("cdrom", "hda"),
        ("disk", "vda"),
        ("disk", "vdz"),
    ]  # type: ignore[union-attr]


def test_windows_under_kvm() -> None:
    d = described(hardware_for(os_type="windows"), kvm=True)
    assert d.find("./features/hyperv/relaxed") is not None and d.find("./clock/timer[@name='hypervclock']") is not None
    assert described(hardware_for(os_type="windows"), kvm=False).find("./features/hyperv") is None


@pytest.mark.parametrize(
    ("properties", "specs", "topology"),
    [
        ({}, {}, (4, 1, 1)),
        ({"hw_cpu_sockets": "1"}, {}, (1, 4, 1)),
        ({"hw_cpu_threads": "2"}, {}, (2, 1, 2)),
        ({"hw_cpu_max_sockets": "2"}, {}, (2, 2, 1)),
        ({"hw_cpu_max_sockets": "1", "hw_cpu_max_cores": "2"}, {}, (1, 2, 2)),
        ({"hw_cpu_cores": "4"}, {"hw:cpu_sockets": "2"}, (2, 2, 1)),
        ({}, {"hw:cpu_max_sockets": "1", "hw:cpu_threads": "2"}, (1, 2, 2)),
    ],
)
def test_topology(properties: dict[str, str], specs: dict[str, str], topology: tuple[int, int, int]) -> None:
    h = hardware_for(4, specs, **properties)
    assert (h.sockets, h.cores, h.threads) == topology


@pytest.mark.parametrize(
    ("properties", "specs", "names"),
    [
        ({"hw_disk_bus": "xen"}, {}, "hw_disk_bus"),
        ({"hw_disk_bus": "ide", "hw_machine_type": "q35"}, {}, "hw_disk_bus"),
        ({"hw_cdrom_bus": "virtio"}, {}, "hw_cdrom_bus"),
        ({"hw_scsi_model": "buslogic"}, {}, "hw_scsi_model"),
        ({"hw_vif_model": "netfront"}, {}, "hw_vif_model"),
        ({"hw_video_model": "gop"}, {}, "hw_video_model"),
        ({"hw_machine_type": "virt-6.2"}, {}, "hw_machine_type"),
        ({"hw_machine_type": "pc' or '1"}, {}, "hw_machine_type"),
        ({"os_secure_boot": "required"}, {}, "os_secure_boot"),
        ({"hw_serial_port_count": "9"}, {}, "hw_serial_port_count"),
        ({"hw_serial_port_count": "3"}, {"hw:serial_port_count": "2"}, "hw_serial_port_count"),
        ({"hw_cpu_max_sockets": "1", "hw_cpu_max_cores": "1", "hw_cpu_max_threads": "1"}, {}, "sockets"),
        ({"hw_cpu_max_sockets": "8"}, {"hw:cpu_max_sockets": "2"}, "hw_cpu_max_sockets"),
        ({"hw_cpu_cores": "8"}, {"hw:cpu_max_cores": "2"}, "hw_cpu_cores"),
        ({"hw_video_ram": "64"}, {}, "hw_video_ram"),
        ({"hw_video_ram": "64"}, {"hw_video:ram_max_mb": "32"}, "hw_video_ram"),
        ({"hw_cpu_policy": "dedicated"}, {}, "hw_cpu_policy"),
        ({}, {"hw:cpu_policy": "dedicated"}, "hw:cpu_policy"),
        ({"hw_tpm_version": "2.0"}, {}, "hw_tpm_version"),
        ({}, {"hw:mem_page_size": "large"}, "hw:mem_page_size"),
        ({}, {"hw:watchdog_action": "explode"}, "hw:watchdog_action"),
        ({}, {"hw:cpu_sockets": "-1"}, "hw:cpu_sockets"),
        ({}, {"hw:cpu_sockets": "1e9"}, "hw:cpu_sockets"),
    ],
)
def test_what_cannot_be_is_refused_by_name(properties: dict[str, str], specs: dict[str, str], names: str) -> None:
    with pytest.raises(Invalid, match=names):
        hardware_for(4, specs, **properties)


HOSTILE = (
    "</name><devices/>",
    "\"'><!ENTITY x SYSTEM 'file:///etc/shadow'>",
    "&x;]]>",
    "a,b=c -drive file=/etc/shadow",
    "-S -gdb tcp::1",
    "$(id)`id`",
    "../../etc/passwd",
    "\u202e\u0000x".replace("\u0000", ""),
    "%s%n{0}",
    "x" * 255,
)
PROPERTIES = (
    "hw_disk_bus",
    "hw_vif_model",
    "hw_cdrom_bus",
    "hw_scsi_model",
    "hw_video_model",
    "hw_machine_type",
    "hw_firmware_type",
    "hw_qemu_guest_agent",
    "hw_rng_model",
    "hw_watchdog_action",
    "hw_cpu_sockets",
    "hw_cpu_cores",
    "hw_cpu_threads",
    "hw_serial_port_count",
    "hw_boot_menu",
    "hw_input_bus",
    "hw_pointer_model",
    "os_type",
    "os_require_quiesce",
    "os_command_line",
    "os_secure_boot",
    "hw_video_ram",
    "os_distro",
    "kernel_id",
)
SPECS = (
    "hw:cpu_sockets",
    "hw:watchdog_action",
    "hw:boot_menu",
    "hw:serial_port_count",
    "hw_rng:rate_bytes",
    "hw_video:ram_max_mb",
    "hw:machine_type",
)


def words(d: ET.Element) -> set[str]:
    return {w for e in d.iter() for w in (e.tag, *e.attrib, *e.attrib.values())}


@pytest.mark.parametrize("evil", HOSTILE)
def test_b8_hostile_properties(evil: str) -> None:
    """Each property with each hostile word: refused by its name, or without any effect but on the text that it is."""
    plain = words(described(hardware_for(), name="m"))
    for name in PROPERTIES:
        try:
            h = hardware_for(**{name: evil})
        except Invalid as e:
            assert name in e.message
            continue
        assert words(described(h, name=evil)) == plain, name
    for name in SPECS:
        try:
            h = hardware_for(specs={name: evil})
        except Invalid as e:
            assert name in e.message
            continue
        assert words(described(h)) == plain, name


@pytest.mark.parametrize("evil", [h for h in HOSTILE if h.isprintable()])
def test_b8_hostile_kernel_arguments(evil: str) -> None:
    """The one text of a tenant that a machine gets: it is the kernel's command line and nothing else, and only with a kernel."""
    plain = Boot("raw", "raw", properties={"os_command_line": evil}, kernel_id="k", ramdisk_id="r")
    d = described(hardware.hardware_for(plain, {}, 1))
    assert d.find("./os/cmdline").text == evil  # type: ignore[union-attr]
    assert [e.tag for e in d.find("./os")] == ["type", "kernel", "initrd", "cmdline", "boot", "smbios"]  # type: ignore[union-attr]
    assert d.find("./os/kernel").text == "/f/kernel"  # type: ignore[union-attr]
    assert described(hardware_for(os_command_line=evil)).find("./os/cmdline") is None


def test_a_host_that_lacks_it_says_so(sim: SimCloud) -> None:
    a = sim.admin
    hypervisor: Any = sim.cloud.registry.use(Hypervisor)
    hypervisor.offers = {
        "hw_video_model": ["vga", "cirrus"],
        "hw_disk_bus": ["virtio"],
        "hw_machine_type": ["pc"],
        "hw_vif_model": ["virtio"],
    }
    sim.cloud.node.hello()  # type: ignore[union-attr]
    net, _ = sim.network(a)
    for property, value in (("hw_video_model", "qxl"), ("hw_disk_bus", "scsi"), ("hw_machine_type", "pc-q35-1.0")):
        image = sim.image(**{property: value})
        s = sim.settled(a, sim.server(a, image["id"], net["id"])["id"])
        assert s["status"] == "ERROR" and f"{property}: {value} is not offered here" in s["fault"]["message"], s
    image = sim.image(hw_video_model="vga")
    assert sim.settled(a, sim.server(a, image["id"], net["id"])["id"])["status"] == "ACTIVE"


def test_what_no_host_can_is_refused_at_once(shared: SimCloud) -> None:
    a = shared.admin
    net, _ = shared.network(a, name="n2")
    image = shared.image(hw_disk_bus="xen")
    body = {"name": "x", "imageRef": image["id"], "flavorRef": "42", "networks": [{"uuid": net["id"]}]}
    got = a.ask("POST", "/compute/v2.1/servers", {"server": body})
    assert got.code == 400 and "hw_disk_bus=xen" in got.json["badRequest"]["message"]


def test_kernel_and_ramdisk(shared: SimCloud) -> None:
    a = shared.admin
    net, _ = shared.network(a, name="n3")
    kernel = shared.image(disk_format="aki", container_format="aki")
    ramdisk = shared.image(disk_format="ari", container_format="ari")
    whole = shared.image(disk_format="ami", container_format="ami", kernel_id=kernel["id"], ramdisk_id=ramdisk["id"])
    id = shared.server(a, whole["id"], net["id"])["id"]
    assert shared.settled(a, id)["status"] == "ACTIVE"
    a.version = "2.3"
    s = a.get(f"/compute/v2.1/servers/{id}")["server"]
    a.version = None
    assert (s["OS-EXT-SRV-ATTR:kernel_id"], s["OS-EXT-SRV-ATTR:ramdisk_id"]) == (kernel["id"], ramdisk["id"])
    copied = (
        a.ask("POST", f"/compute/v2.1/servers/{id}/action", {"createImage": {"name": "s"}})
        .headers["location"]
        .rpartition("/")[2]
    )
    shared.settled(a, id)
    image = a.get(f"/image/v2/images/{copied}")
    assert (image["disk_format"], image["container_format"], image["kernel_id"]) == ("ami", "ami", kernel["id"])
    broken = shared.image(disk_format="ami", container_format="ami", kernel_id="00000000-0000-4000-8000-000000000000")
    body = {"name": "x", "imageRef": broken["id"], "flavorRef": "42", "networks": [{"uuid": net["id"]}]}
    got = a.ask("POST", "/compute/v2.1/servers", {"server": body})
    assert got.code == 400 and "kernel_id" in got.json["badRequest"]["message"]


def test_every_combination_is_well_formed() -> None:
    for machine, disk, cdrom, firmware, kvm in itertools.product(
        ("pc", "q35"), hardware.DISK_BUSES, ("", *hardware.CDROM_BUSES), ("bios", "uefi"), (False, True)
    ):
        properties = {"hw_machine_type": machine, "hw_disk_bus": disk, "hw_firmware_type": firmware} | (
            {"hw_cdrom_bus": cdrom} if cdrom else {}
        )
        if "ide" in (disk, cdrom) and machine == "q35":
            continue
        d = described(hardware_for(**properties), kvm=kvm)
        targets = [t.attrib["dev"] for t in d.findall("./devices/disk/target")]
        assert len(targets) == len(set(targets)) == 2
