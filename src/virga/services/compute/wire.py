# SPDX-License-Identifier: Apache-2.0
"""Compute's shapes on the wire (Compute API v2.1 with microversions to 2.96)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from virga.ground.wire import UNSET, Meta, UnsetType, Wire, named, since, until

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=255)]
Meta255 = dict[Annotated[str, Meta(min_length=1, max_length=255)], Annotated[str, Meta(max_length=255)]]
Uuid = Annotated[str, Meta(pattern="^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$")]
Count = Annotated[int, Meta(ge=1, le=1000)]
Whole = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Bool = bool | Literal["True", "true", "1", "yes", "on", "False", "false", "0", "no", "off"]
Tag = Annotated[str, Meta(min_length=1, max_length=60, pattern="^[^,/]*$")]


def true(value: Any) -> bool:
    """Nova's booleans also come as words."""
    return value is True or str(value).lower() in {"true", "1", "yes", "on"}


class RequestedNetwork(Wire):
    uuid: Uuid | UnsetType = UNSET
    port: Uuid | UnsetType | None = UNSET
    fixed_ip: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    tag: Annotated[Tag | UnsetType, since(2, 32)] = UNSET


class GroupName(Wire):
    name: Name | UnsetType = UNSET


class BlockDevice(Wire):
    boot_index: int | str | None = None
    uuid: str | UnsetType = UNSET
    source_type: Literal["volume", "image", "snapshot", "blank"] | UnsetType = UNSET
    destination_type: Literal["local", "volume"] | UnsetType = UNSET
    delete_on_termination: Bool | UnsetType = UNSET
    volume_size: int | str | UnsetType = UNSET
    device_name: str | UnsetType = UNSET
    device_type: str | UnsetType | None = UNSET
    disk_bus: str | UnsetType | None = UNSET
    guest_format: str | UnsetType | None = UNSET
    no_device: bool | str | UnsetType = UNSET
    tag: Annotated[str | UnsetType, since(2, 32)] = UNSET
    volume_type: Annotated[str | UnsetType | None, since(2, 67)] = UNSET


class InjectedFile(Wire, kw_only=True):
    path: Name
    contents: str


class CreateServer(Wire, kw_only=True):
    name: Name
    imageRef: str = ""
    flavorRef: Annotated[str, Meta(min_length=1, max_length=2048)] | int
    networks: list[RequestedNetwork] | Literal["auto", "none"] | UnsetType = UNSET
    key_name: Annotated[str, Meta(max_length=255)] | None = None
    user_data: Annotated[str, Meta(max_length=65535)] | None = None
    security_groups: list[GroupName] | UnsetType = UNSET
    metadata: Meta255 = {}
    config_drive: Bool | UnsetType | None = UNSET
    availability_zone: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    min_count: Count | str = 1
    max_count: Count | str | UnsetType = UNSET
    adminPass: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    return_reservation_id: Bool = False
    accessIPv4: Annotated[str, Meta(max_length=64)] = ""
    accessIPv6: Annotated[str, Meta(max_length=64)] = ""
    disk_config: Annotated[Literal["AUTO", "MANUAL"], named("OS-DCF:diskConfig")] = "MANUAL"
    personality: Annotated[list[InjectedFile], until(2, 56)] = []
    block_device_mapping_v2: list[BlockDevice] = []
    block_device_mapping: list[dict[str, Any]] = []
    description: Annotated[Text | None, since(2, 19)] = None
    tags: Annotated[list[Tag], since(2, 52)] = []
    trusted_image_certificates: Annotated[list[str] | None, since(2, 63)] = None
    host: Annotated[str | UnsetType, since(2, 74)] = UNSET
    hypervisor_hostname: Annotated[str | UnsetType, since(2, 74)] = UNSET
    hostname: Annotated[
        Annotated[str, Meta(pattern="^[a-zA-Z0-9][a-zA-Z0-9.-]*$", max_length=255)] | UnsetType, since(2, 90)
    ] = UNSET


class CreateServerBody(Wire, kw_only=True):
    server: CreateServer
    hints: Annotated[dict[str, Any], named("os:scheduler_hints")] = {}
    old_hints: Annotated[dict[str, Any], named("OS-SCH-HNT:scheduler_hints")] = {}


class UpdateServer(Wire):
    name: Name | UnsetType = UNSET
    accessIPv4: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    accessIPv6: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    disk_config: Annotated[Literal["AUTO", "MANUAL"] | UnsetType, named("OS-DCF:diskConfig")] = UNSET
    description: Annotated[Text | UnsetType | None, since(2, 19)] = UNSET
    hostname: Annotated[
        Annotated[str, Meta(pattern="^[a-zA-Z0-9][a-zA-Z0-9.-]*$", max_length=255)] | UnsetType, since(2, 90)
    ] = UNSET


MetaKeyed = dict[Annotated[str, Meta(pattern=r"^[a-zA-Z0-9-_:. ]{1,255}$")], Annotated[str, Meta(max_length=255)]]


class CreateImage(Wire, kw_only=True):
    name: Name
    metadata: MetaKeyed = {}


class CreateBackup(Wire, kw_only=True):
    name: Name
    backup_type: Annotated[str, Meta(max_length=255)]
    rotation: Annotated[int, Meta(ge=0)] | str
    metadata: MetaKeyed = {}


class Metadata(Wire):
    metadata: Meta255


class MetaItem(Wire):
    meta: Annotated[Meta255, Meta(min_length=1, max_length=1)]


class Tags(Wire):
    tags: Annotated[list[Tag], Meta(max_length=50)]


class Reboot(Wire):
    type: Literal["SOFT", "HARD", "soft", "hard", "Soft", "Hard"]


class ConsoleOutput(Wire):
    length: int | str | None = None


class Lock(Wire):
    locked_reason: Annotated[Text | UnsetType, since(2, 73)] = UNSET


class ResetState(Wire):
    state: Literal["active", "error"]


class CreateFlavor(Wire, kw_only=True):
    name: Name
    ram: Annotated[int, Meta(ge=1, le=2**31 - 1)] | str
    vcpus: Annotated[int, Meta(ge=1, le=2**31 - 1)] | str
    disk: Whole | str
    id: str | int | None = None
    swap: Whole | str = 0
    rxtx_factor: float | str = 1.0
    ephemeral: Annotated[Whole | str, named("OS-FLV-EXT-DATA:ephemeral")] = 0
    is_public: Annotated[Bool, named("os-flavor-access:is_public")] = True
    description: Annotated[Annotated[str, Meta(max_length=65535)] | None, since(2, 55)] = None


class UpdateFlavor(Wire, kw_only=True):
    description: Annotated[str, Meta(max_length=65535)] | None


class ExtraSpecs(Wire):
    extra_specs: dict[Annotated[str, Meta(min_length=1, max_length=255)], str | int | float]


class CreateKeypair(Wire, kw_only=True):
    name: Name
    type: Annotated[Literal["ssh", "x509"], since(2, 2)] = "ssh"
    public_key: Annotated[str, Meta(max_length=16384)] | UnsetType = UNSET
    user_id: Annotated[str | UnsetType, since(2, 10)] = UNSET


class UpdateService(Wire):
    status: Literal["enabled", "disabled"] | UnsetType = UNSET
    disabled_reason: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    forced_down: bool | UnsetType = UNSET


class Quota(Wire):
    instances: int | UnsetType = UNSET
    cores: int | UnsetType = UNSET
    ram: int | UnsetType = UNSET
    key_pairs: int | UnsetType = UNSET
    metadata_items: int | UnsetType = UNSET
    server_groups: int | UnsetType = UNSET
    server_group_members: int | UnsetType = UNSET
    force: Bool = False
