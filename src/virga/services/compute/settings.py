# SPDX-License-Identifier: Apache-2.0
"""Compute's settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Compute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    virt_type: Annotated[
        str,
        Meta(pattern="^(auto|kvm|qemu)$", description="auto: KVM if a probe boots with it, else QEMU's own emulation"),
    ] = "auto"
    cpu_ratio: Annotated[float, Meta(gt=0, description="Virtual CPUs per CPU")] = 4.0
    ram_ratio: Annotated[float, Meta(gt=0, description="Memory given out per memory there")] = 1.0
    disk_ratio: Annotated[float, Meta(gt=0, description="Disk given out per disk there")] = 1.0
    reserved_mb: Annotated[int, Meta(ge=0, description="Memory kept for the machine itself, MiB")] = 1024
    zone: Annotated[str, Meta(description="The availability zone of this machine")] = "nova"
    config_drive: Annotated[bool, Meta(description="Give every machine a config drive")] = False
    disks: Annotated[
        str,
        Meta(
            pattern="^(|rbd:.+)$",
            description="Where machines' root disks are: empty: files in the state folder; 'rbd:pool?conf=/etc/ceph/ceph.conf&user=admin': in Ceph, "
            "as clones of images whose store is in the same cluster",
        ),
    ] = ""
    verify_image_signatures: Annotated[
        bool,
        Meta(description="Build machines only from images whose signature (img_signature*) holds when they are built"),
    ] = False
