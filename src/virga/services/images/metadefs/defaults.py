# SPDX-License-Identifier: Apache-2.0
"""The definitions that a new cloud begins with: the documented names of properties of images and flavors, in our words."""

from __future__ import annotations

from typing import Any

from virga.ground.db.engine import Tx
from virga.ground.wire import UNSET
from virga.services.images.metadefs import store, wire
from virga.services.images.metadefs.actions.namespaces import write
from virga.services.images.properties import CHOICES

IMAGE, FLAVOR, VOLUME, AGGREGATE = "OS::Glance::Image", "OS::Nova::Flavor", "OS::Cinder::Volume", "OS::Nova::Aggregate"
TYPES = (IMAGE, FLAVOR, VOLUME, AGGREGATE, "OS::Nova::Server", "OS::Trove::Instance")


def _p(title: str, type: str = "string", text: str = "", **more: Any) -> wire.Described:
    return wire.Described(title=title, type=type, description=text or UNSET, **more)  # type: ignore[arg-type]


def _choice(title: str, name: str, text: str = "") -> wire.Described:
    return _p(title, "string", text, enum=sorted(CHOICES[name]))


def _for(*types: tuple[str, str]) -> list[wire.Association]:
    return [wire.Association(name=t, prefix=p or UNSET) for t, p in types]


def _n(name: str, title: str, text: str, types: list[wire.Association], **properties: wire.Described) -> wire.Namespace:
    named = {k.replace("__", ":"): v for k, v in properties.items()}
    return wire.Namespace(
        namespace=name,
        display_name=title,
        description=text,
        visibility="public",
        protected=True,
        owner="admin",
        resource_type_associations=types,
        properties=named,
    )


SET = (
    _n(
        "OS::Compute::VirtCPUTopology",
        "Virtual CPU topology",
        "How the virtual processors of a machine are laid out, and how far a tenant may change that.",
        _for((IMAGE, "hw_"), (FLAVOR, "hw:")),
        cpu_sockets=_p("Sockets", "integer", "Sockets that the machine prefers", minimum=1),
        cpu_cores=_p("Cores", "integer", "Cores per socket that the machine prefers", minimum=1),
        cpu_threads=_p("Threads", "integer", "Threads per core that the machine prefers", minimum=1),
        cpu_max_sockets=_p("Most sockets", "integer", minimum=1),
        cpu_max_cores=_p("Most cores", "integer", minimum=1),
        cpu_max_threads=_p("Most threads", "integer", minimum=1),
    ),
    _n(
        "OS::Compute::CPUPinning",
        "CPU pinning",
        "Whether virtual processors have host processors to themselves.",
        _for((IMAGE, "hw_"), (FLAVOR, "hw:")),
        cpu_policy=_choice("Policy", "hw_cpu_policy"),
        cpu_thread_policy=_choice("Thread policy", "hw_cpu_thread_policy"),
    ),
    _n(
        "OS::Compute::LibvirtImage",
        "Virtual hardware",
        "What the virtual machine of an image is made of.",
        _for((IMAGE, "")),
        hw_disk_bus=_choice("Disk bus", "hw_disk_bus", "To what the disk is attached"),
        hw_cdrom_bus=_choice("CD-ROM bus", "hw_cdrom_bus"),
        hw_scsi_model=_choice("SCSI controller", "hw_scsi_model"),
        hw_vif_model=_choice("Network card", "hw_vif_model", "What kind of card the machine sees"),
        hw_video_model=_choice("Video card", "hw_video_model"),
        hw_video_ram=_p("Video memory", "integer", "In MiB", minimum=0),
        hw_rescue_bus=_choice("Rescue disk bus", "hw_rescue_bus"),
        hw_rescue_device=_choice("Rescue device", "hw_rescue_device"),
        hw_machine_type=_p("Machine type", "string", "The machine that QEMU builds, such as q35"),
        hw_firmware_type=_choice("Firmware", "hw_firmware_type"),
        os_secure_boot=_choice("Secure boot", "os_secure_boot"),
        hw_pointer_model=_choice("Pointer", "hw_pointer_model"),
        hw_input_bus=_choice("Input bus", "hw_input_bus"),
        hw_serial_port_count=_p("Serial ports", "integer", minimum=0),
        hw_qemu_guest_agent=_p("QEMU guest agent", "boolean", "Whether the image has the agent installed"),
        os_require_quiesce=_p(
            "Require quiesce", "boolean", "Whether a snapshot must ask the file systems to stand still"
        ),
        hw_boot_menu=_p("Boot menu", "boolean"),
        hw_vif_multiqueue_enabled=_p("Several queues per network card", "boolean"),
        os_command_line=_p("Kernel command line", "string", "For images that boot a kernel of their own"),
    ),
    _n(
        "OS::Compute::GuestMemoryBacking",
        "Guest memory",
        "What pages a machine's memory is made of.",
        _for((IMAGE, "hw_"), (FLAVOR, "hw:")),
        mem_page_size=_p("Page size", "string", "small, large, any, or a size in KiB"),
        locked_memory=_p("Locked memory", "boolean"),
    ),
    _n(
        "OS::Compute::Watchdog",
        "Watchdog",
        "What happens when a machine stops answering its watchdog.",
        _for((IMAGE, "hw_"), (FLAVOR, "hw:")),
        watchdog_action=_choice("Action", "hw_watchdog_action"),
    ),
    _n(
        "OS::Compute::RandomNumberGenerator",
        "Random numbers",
        "A source of random numbers for the machine.",
        _for((IMAGE, "hw_"), (FLAVOR, "hw_rng:")),
        rng_model=_p("Model", "string", "The device that the machine sees", enum=["virtio"]),
    ),
    _n(
        "OS::Compute::TPM",
        "Trusted platform module",
        "An emulated TPM.",
        _for((IMAGE, "hw_"), (FLAVOR, "hw:")),
        tpm_model=_choice("Model", "hw_tpm_model"),
        tpm_version=_choice("Version", "hw_tpm_version"),
    ),
    _n(
        "OS::Compute::GuestShutdownBehavior",
        "Shutdown",
        "How long a machine is given to shut down.",
        _for((IMAGE, "")),
        os_shutdown_timeout=_p("Timeout", "integer", "Seconds", minimum=0),
    ),
    _n(
        "OS::Compute::Quota",
        "Flavor quota",
        "How much of its host a machine of a flavor may use.",
        _for((FLAVOR, "")),
        quota__cpu_shares=_p("CPU shares", "integer"),
        quota__cpu_period=_p("CPU period", "integer", "Microseconds"),
        quota__cpu_quota=_p("CPU quota", "integer", "Microseconds in a period"),
        quota__disk_read_bytes_sec=_p("Disk reads", "integer", "Bytes a second"),
        quota__disk_write_bytes_sec=_p("Disk writes", "integer", "Bytes a second"),
        quota__disk_read_iops_sec=_p("Disk reads", "integer", "Operations a second"),
        quota__disk_write_iops_sec=_p("Disk writes", "integer", "Operations a second"),
        quota__vif_inbound_average=_p("Network in", "integer", "KiB a second"),
        quota__vif_outbound_average=_p("Network out", "integer", "KiB a second"),
    ),
    _n(
        "OS::Compute::Hypervisor",
        "Hypervisor",
        "On which hypervisors an image runs.",
        _for((IMAGE, "")),
        img_hv_type=_p("Type", "string", enum=["kvm", "qemu", "lxc", "xen", "vmware", "hyperv", "baremetal"]),
        img_hv_requested_version=_p("Version", "string", "A condition such as >=6.0"),
        hypervisor_type=_p("Type (older name)", "string"),
        vm_mode=_p("Mode", "string", enum=["hvm", "xen", "uml", "exe"]),
    ),
    _n(
        "OS::Glance::CommonImageProperties",
        "What an image is",
        "Properties that help to find and boot an image.",
        _for((IMAGE, "")),
        architecture=_p("Architecture", "string", "Of the processor, such as x86_64"),
        kernel_id=_p("Kernel", "string", "The image of the kernel of an AMI"),
        ramdisk_id=_p("Ramdisk", "string", "The image of the ramdisk of an AMI"),
        os_distro=_p("Distribution", "string", "By its short name, such as debian"),
        os_version=_p("Version", "string", "Of the distribution"),
        os_admin_user=_p("User", "string", "Who logs in first"),
        instance_uuid=_p("Machine", "string", "From which machine the image was made"),
    ),
    _n(
        "OS::Glance::Signatures",
        "Signature",
        "How an image's bytes are signed.",
        _for((IMAGE, "")),
        img_signature=_p("Signature", "string", "In base64"),
        img_signature_certificate_uuid=_p("Certificate", "string", "By its id"),
        img_signature_hash_method=_p("Hash", "string", enum=["SHA-224", "SHA-256", "SHA-384", "SHA-512"]),
        img_signature_key_type=_p(
            "Key",
            "string",
            enum=[
                "RSA-PSS",
                "DSA",
                "ECC_SECP384R1",
                "ECC_SECP521R1",
                "ECC_SECT409K1",
                "ECC_SECT409R1",
                "ECC_SECT571K1",
                "ECC_SECT571R1",
            ],
        ),
    ),
    _n(
        "OS::OperatingSystem",
        "Operating system",
        "What runs in the image.",
        _for((IMAGE, ""), (VOLUME, "")),
        os_distro=_p("Distribution", "string"),
        os_version=_p("Version", "string"),
        os_type=_choice("Family", "os_type"),
    ),
    _n(
        "OS::Compute::AggregateNumInstancesFilter",
        "Machines per host",
        "How many machines a host of an aggregate takes.",
        _for((AGGREGATE, "")),
        max_instances_per_host=_p("Most machines", "integer", minimum=0),
    ),
)


def begin(tx: Tx, now: float, mint: Any) -> int:
    """Write the set into a cloud that has no definitions at all; what an operator deleted stays deleted. How many were written."""
    if store.TYPES.one(tx) is not None or store.NAMESPACES.one(tx) is not None:
        return 0
    for name in TYPES:
        store.know_type(tx, name, now)
    for namespace in SET:
        write(tx, namespace, "admin", now, mint)
    return len(SET)
