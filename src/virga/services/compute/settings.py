# SPDX-License-Identifier: Apache-2.0
"""Compute's settings."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FilterName = Literal[
    "AvailabilityZoneFilter",
    "ComputeFilter",
    "ComputeCapabilitiesFilter",
    "ImagePropertiesFilter",
    "ServerGroupAntiAffinityFilter",
    "ServerGroupAffinityFilter",
    "SameHostFilter",
    "DifferentHostFilter",
    "SimpleCIDRAffinityFilter",
    "JsonFilter",
]
DEFAULT_FILTERS: tuple[FilterName, ...] = (
    "AvailabilityZoneFilter",
    "ComputeFilter",
    "ComputeCapabilitiesFilter",
    "ImagePropertiesFilter",
    "ServerGroupAntiAffinityFilter",
    "ServerGroupAffinityFilter",
    "SameHostFilter",
    "DifferentHostFilter",
)
"""Not those by which a tenant could ask what hosts are like and how they are called."""


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
    enabled_filters: Annotated[
        list[FilterName],
        Meta(description="The scheduler's filters, by Nova's names, in the order in which they are asked"),
    ] = msgspec.field(default_factory=lambda: list(DEFAULT_FILTERS))
    ram_weight_multiplier: Annotated[
        float, Meta(description="How much free memory makes a host better; negative: fill hosts up")
    ] = 1.0
    cpu_weight_multiplier: Annotated[float, Meta(description="The same for free VCPUs")] = 1.0
    disk_weight_multiplier: Annotated[float, Meta(description="The same for free disk")] = 1.0
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
