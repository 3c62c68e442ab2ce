# SPDX-License-Identifier: Apache-2.0
"""Ports on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from virga.ground.wire import UNSET, Meta, UnsetType, free, named, refers
from virga.services.network.wire.shapes import Ip, Name, Named, Owned, Uuid, Wire


class FixedIp(Wire):
    subnet_id: Annotated[Uuid, refers("subnet")] | UnsetType = UNSET
    ip_address: Ip | UnsetType = UNSET


Groups = Annotated[list[Annotated[Uuid, refers("security group")]], Meta(max_length=64)]
Mac = Annotated[str, Meta(pattern="^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$")]


class Pair(Wire):
    ip_address: Ip
    mac_address: Mac | UnsetType = UNSET


class CreatePort(Owned, kw_only=True):
    network_id: Annotated[Uuid, refers("network")]
    admin_state_up: bool = True
    mac_address: Mac | UnsetType = UNSET
    fixed_ips: Annotated[list[FixedIp], Meta(max_length=16)] | UnsetType = UNSET
    device_id: Annotated[str, Meta(max_length=255)] = ""
    device_owner: Annotated[str, Meta(max_length=255)] = ""
    security_groups: Groups | UnsetType | None = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: Annotated[list[Pair], Meta(max_length=32)] | None = []
    host: Annotated[Name | UnsetType, named("binding:host_id")] = UNSET
    vnic_type: Annotated[Literal["normal"], named("binding:vnic_type")] = "normal"
    profile: Annotated[dict[str, Any] | UnsetType, named("binding:profile"), free(size=4096)] = UNSET


class UpdatePort(Named):
    admin_state_up: bool | UnsetType = UNSET
    mac_address: Mac | UnsetType = UNSET
    fixed_ips: Annotated[list[FixedIp], Meta(max_length=16)] | UnsetType = UNSET
    device_id: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    device_owner: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    security_groups: Groups | UnsetType | None = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: Annotated[list[Pair], Meta(max_length=32)] | UnsetType | None = UNSET
    host: Annotated[Name | UnsetType, named("binding:host_id")] = UNSET
    vnic_type: Annotated[Literal["normal"] | UnsetType, named("binding:vnic_type")] = UNSET
    profile: Annotated[dict[str, Any] | UnsetType | None, named("binding:profile"), free(size=4096)] = UNSET
