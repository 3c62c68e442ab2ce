# SPDX-License-Identifier: Apache-2.0
"""What compute answers, as shapes: which field is there since and until which microversion is said here, and nowhere else
(Compute API v2.1 with microversions to 2.96)."""

from __future__ import annotations

from typing import Annotated, Any

from virga.ground.wire import UNSET, Shape, UnsetType, field, named, since, until


class Link(Shape):
    rel: str
    href: str


Next = list[Link] | UnsetType


# -- servers -----------------------------------------------------------------------------------------------------------


class ServerFlavor(Shape):
    """Until 2.46 a link, since then the flavor as it was when the server was made of it."""

    id: Annotated[str, until(2, 46)]
    links: Annotated[list[Link], until(2, 46)]
    vcpus: Annotated[int, since(2, 47)]
    ram: Annotated[int, since(2, 47)]
    disk: Annotated[int, since(2, 47)]
    ephemeral: Annotated[int, since(2, 47)]
    swap: Annotated[int, since(2, 47)]
    original_name: Annotated[str, since(2, 47)]
    extra_specs: Annotated[dict[str, str], since(2, 47)]


class ServerImage(Shape):
    id: str
    links: list[Link]


class Address(Shape):
    version: int
    addr: str
    kind: str = field(name="OS-EXT-IPS:type")
    mac: str = field(name="OS-EXT-IPS-MAC:mac_addr")


class GroupName(Shape):
    name: str


class Fault(Shape):
    code: int
    created: str
    message: str
    details: str | UnsetType = UNSET


class Server(Shape, kw_only=True):
    """Fields that are UNSET by default are those of administrators, or of some states."""

    id: str
    name: str
    status: str
    tenant_id: str
    user_id: str
    metadata: dict[str, str]
    hostId: str
    image: ServerImage | str
    flavor: ServerFlavor
    created: str
    updated: str
    addresses: dict[str, list[Address]]
    accessIPv4: str
    accessIPv6: str
    links: list[Link]
    disk_config: str = field(name="OS-DCF:diskConfig")
    zone: str = field(name="OS-EXT-AZ:availability_zone")
    config_drive: str
    key_name: str | None
    launched_at: str | None = field(name="OS-SRV-USG:launched_at")
    terminated_at: str | None = field(name="OS-SRV-USG:terminated_at")
    task_state: str | None = field(name="OS-EXT-STS:task_state")
    vm_state: str = field(name="OS-EXT-STS:vm_state")
    power_state: int = field(name="OS-EXT-STS:power_state")
    volumes_attached: list[dict[str, Any]] = field(name="os-extended-volumes:volumes_attached")
    progress: int | UnsetType = UNSET
    security_groups: list[GroupName] | UnsetType = UNSET
    fault: Fault | UnsetType = UNSET
    host: str | UnsetType | None = field(name="OS-EXT-SRV-ATTR:host", default=UNSET)
    hypervisor_hostname: str | UnsetType | None = field(name="OS-EXT-SRV-ATTR:hypervisor_hostname", default=UNSET)
    instance_name: str | UnsetType = field(name="OS-EXT-SRV-ATTR:instance_name", default=UNSET)
    reservation_id: Annotated[str | UnsetType, since(2, 3)] = field(
        name="OS-EXT-SRV-ATTR:reservation_id", default=UNSET
    )
    launch_index: Annotated[int | UnsetType, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:launch_index", default=UNSET)
    kernel_id: Annotated[str | UnsetType, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:kernel_id", default=UNSET)
    ramdisk_id: Annotated[str | UnsetType, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:ramdisk_id", default=UNSET)
    root_device_name: Annotated[str | UnsetType, since(2, 3)] = field(
        name="OS-EXT-SRV-ATTR:root_device_name", default=UNSET
    )
    user_data: Annotated[str | UnsetType | None, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:user_data", default=UNSET)
    hostname_for_admins: Annotated[str | UnsetType, named("OS-EXT-SRV-ATTR:hostname"), since(2, 3), until(2, 89)] = (
        UNSET
    )
    locked: Annotated[bool, since(2, 9)]
    host_status: Annotated[str | UnsetType, since(2, 16)] = UNSET
    description: Annotated[str | None, since(2, 19)]
    tags: Annotated[list[str], since(2, 26)]
    trusted_image_certificates: Annotated[list[str] | None, since(2, 63)] = None
    server_groups: Annotated[list[str] | UnsetType, since(2, 71)] = UNSET
    locked_reason: Annotated[str | None, since(2, 73)]
    hostname: Annotated[str, since(2, 90)] = field(name="OS-EXT-SRV-ATTR:hostname")
    pinned_availability_zone: Annotated[str | None, since(2, 96)]


class ServerAnswer(Shape):
    server: Server


class ServersDetailAnswer(Shape):
    servers: list[Server]
    servers_links: Next = UNSET


class BriefServer(Shape):
    id: str
    name: str
    links: list[Link]


class ServersAnswer(Shape):
    servers: list[BriefServer]
    servers_links: Next = UNSET


class CreatedServer(Shape):
    id: str
    links: list[Link]
    disk_config: str = field(name="OS-DCF:diskConfig")
    adminPass: str
    security_groups: list[GroupName]


class CreatedServerAnswer(Shape):
    server: CreatedServer


class ReservationAnswer(Shape):
    """To `return_reservation_id`."""

    reservation_id: str


class ImageMadeAnswer(Shape):
    image_id: str


class ConsoleOutputAnswer(Shape):
    output: str


class MetadataAnswer(Shape):
    metadata: dict[str, str]


class MetaAnswer(Shape):
    meta: dict[str, str]


class TagsAnswer(Shape):
    tags: list[str]


class BriefAddress(Shape):
    version: int
    addr: str


class AddressesAnswer(Shape):
    addresses: dict[str, list[BriefAddress]]


class FixedIp(Shape):
    ip_address: str


class Interface(Shape):
    port_id: str
    net_id: str
    mac_addr: str
    port_state: str
    fixed_ips: list[FixedIp]


class InterfacesAnswer(Shape):
    interfaceAttachments: list[Interface]


# -- server groups -----------------------------------------------------------------------------------------------------


class NoMetadata(Shape):
    """Server groups have none, and said so until 2.63."""


class GroupRules(Shape):
    max_server_per_host: int | UnsetType = UNSET


class ServerGroup(Shape, kw_only=True):
    id: str
    name: str
    policies: Annotated[list[str], until(2, 63)]
    metadata: Annotated[NoMetadata, until(2, 63)]
    policy: Annotated[str, since(2, 64)]
    rules: Annotated[GroupRules, since(2, 64)]
    members: list[str]
    """Ids of servers."""
    project_id: Annotated[str, since(2, 13)]
    user_id: Annotated[str, since(2, 13)]


class ServerGroupAnswer(Shape):
    server_group: ServerGroup


class ServerGroupsAnswer(Shape):
    server_groups: list[ServerGroup]


# -- the action log ----------------------------------------------------------------------------------------------------


class InstanceAction(Shape):
    action: str
    instance_uuid: str
    request_id: str
    user_id: str
    project_id: str
    start_time: str
    message: str | None
    updated_at: Annotated[str, since(2, 58)]


class ActionEvent(Shape, kw_only=True):
    event: str
    start_time: str
    finish_time: str | None
    result: str | None
    old_traceback: Annotated[str | None, named("traceback"), until(2, 50)] = None
    traceback: Annotated[str | UnsetType | None, since(2, 51)] = UNSET
    """For administrators."""
    hostId: Annotated[str, since(2, 62)]
    host: Annotated[str | UnsetType | None, since(2, 62)] = UNSET
    """For administrators."""
    details: Annotated[str | None, since(2, 84)]


class FullInstanceAction(InstanceAction, kw_only=True):
    events: list[ActionEvent]


class InstanceActionsAnswer(Shape):
    instanceActions: list[InstanceAction]


class InstanceActionAnswer(Shape):
    instanceAction: FullInstanceAction


# -- flavors, keypairs -------------------------------------------------------------------------------------------------


class Flavor(Shape):
    id: str
    name: str
    ram: int
    disk: int
    vcpus: int
    old_swap: Annotated[int | str, named("swap"), until(2, 74)]
    """An empty string for none."""
    swap: Annotated[int, since(2, 75)]
    ephemeral: Annotated[int, named("OS-FLV-EXT-DATA:ephemeral")]
    disabled: Annotated[bool, named("OS-FLV-DISABLED:disabled")]
    is_public: Annotated[bool, named("os-flavor-access:is_public")]
    rxtx_factor: float
    links: list[Link]
    description: Annotated[str | None, since(2, 55)]
    extra_specs: Annotated[dict[str, str], since(2, 61)]


class FlavorAnswer(Shape):
    flavor: Flavor


class FlavorsDetailAnswer(Shape):
    flavors: list[Flavor]
    flavors_links: Next = UNSET


class BriefFlavor(Shape):
    id: str
    name: str
    links: list[Link]
    description: Annotated[str | None, since(2, 55)]


class FlavorsAnswer(Shape):
    flavors: list[BriefFlavor]
    flavors_links: Next = UNSET


class ExtraSpecsAnswer(Shape):
    extra_specs: dict[str, str]


class Keypair(Shape):
    name: str
    public_key: str
    fingerprint: str
    type: Annotated[str, since(2, 2)]


class NewKeypair(Keypair, kw_only=True):
    user_id: str
    private_key: Annotated[str | UnsetType, until(2, 91)] = UNSET


class FullKeypair(Keypair, kw_only=True):
    user_id: str
    id: int
    created_at: str
    updated_at: str | None
    deleted: bool
    deleted_at: str | None


class NewKeypairAnswer(Shape):
    keypair: NewKeypair


class KeypairAnswer(Shape):
    keypair: FullKeypair


class ListedKeypair(Shape):
    keypair: Keypair


class KeypairsAnswer(Shape):
    keypairs: list[ListedKeypair]
    keypairs_links: Annotated[Next, since(2, 35)] = UNSET


# -- services, hypervisors, zones --------------------------------------------------------------------------------------


class Service(Shape):
    number: Annotated[int, named("id"), until(2, 52)]
    id: Annotated[str, since(2, 53)]
    binary: str
    host: str
    zone: str
    status: str
    state: str
    updated_at: str
    disabled_reason: str | None
    forced_down: Annotated[bool, since(2, 11)]


class ServicesAnswer(Shape):
    services: list[Service]


class ServiceAnswer(Shape):
    service: Service


class BriefHypervisor(Shape):
    number: Annotated[int, named("id"), until(2, 52)]
    id: Annotated[str, since(2, 53)]
    hypervisor_hostname: str
    state: str
    status: str


class HypervisorService(Shape):
    host: str
    number: Annotated[int, named("id"), until(2, 52)]
    id: Annotated[str, since(2, 53)]
    disabled_reason: str | None


class Hypervisor(BriefHypervisor, kw_only=True):
    """What a host has and what is used of it is told by placement since 2.88."""

    hypervisor_type: str
    hypervisor_version: int
    host_ip: str
    service: HypervisorService
    uptime: Annotated[str | None, since(2, 88)]
    vcpus: Annotated[int, until(2, 87)]
    vcpus_used: Annotated[int, until(2, 87)]
    memory_mb: Annotated[int, until(2, 87)]
    memory_mb_used: Annotated[int, until(2, 87)]
    local_gb: Annotated[int, until(2, 87)]
    local_gb_used: Annotated[int, until(2, 87)]
    running_vms: Annotated[int, until(2, 87)]
    free_ram_mb: Annotated[int, until(2, 87)]
    free_disk_gb: Annotated[int, until(2, 87)]
    current_workload: Annotated[int, until(2, 87)]
    disk_available_least: Annotated[int, until(2, 87)]
    cpu_info_text: Annotated[str, named("cpu_info"), until(2, 27)]
    """The same as JSON, written into a string."""
    cpu_info: Annotated[dict[str, Any], since(2, 28), until(2, 87)]


class HypervisorsAnswer(Shape):
    hypervisors: list[BriefHypervisor]


class HypervisorsDetailAnswer(Shape):
    hypervisors: list[Hypervisor]


class HypervisorAnswer(Shape):
    hypervisor: Hypervisor


class Statistics(Shape):
    count: int
    vcpus: int
    vcpus_used: int
    memory_mb: int
    memory_mb_used: int
    local_gb: int
    local_gb_used: int
    running_vms: int
    free_ram_mb: int
    free_disk_gb: int
    current_workload: int
    disk_available_least: int


class StatisticsAnswer(Shape):
    hypervisor_statistics: Statistics


class ZoneState(Shape):
    available: bool


class HostInZone(Shape):
    active: bool
    available: bool
    updated_at: str


class Zone(Shape):
    zoneName: str
    zoneState: ZoneState
    hosts: dict[str, dict[str, HostInZone]] | None


class ZonesAnswer(Shape):
    availabilityZoneInfo: list[Zone]


# -- limits and quotas -------------------------------------------------------------------------------------------------


class Absolute(Shape):
    maxTotalInstances: int
    maxTotalCores: int
    maxTotalRAMSize: int
    maxTotalKeypairs: int
    maxServerMeta: int
    maxServerGroups: int
    maxServerGroupMembers: int
    totalInstancesUsed: int
    totalCoresUsed: int
    totalRAMUsed: int
    totalServerGroupsUsed: int
    maxTotalFloatingIps: Annotated[int, until(2, 35)]
    maxSecurityGroups: Annotated[int, until(2, 35)]
    maxSecurityGroupRules: Annotated[int, until(2, 35)]
    totalFloatingIpsUsed: Annotated[int, until(2, 35)]
    totalSecurityGroupsUsed: Annotated[int, until(2, 35)]
    maxImageMeta: Annotated[int, until(2, 38)]
    maxPersonality: Annotated[int, until(2, 56)]
    maxPersonalitySize: Annotated[int, until(2, 56)]


class Limits(Shape):
    rate: list[dict[str, Any]]
    absolute: Absolute


class LimitsAnswer(Shape):
    limits: Limits


class Quota(Shape, kw_only=True):
    """A project's; the answer to a change does not name the project."""

    id: str | UnsetType = UNSET
    instances: int
    cores: int
    ram: int
    key_pairs: int
    metadata_items: int
    server_groups: int
    server_group_members: int
    injected_files: Annotated[int, until(2, 56)]
    injected_file_content_bytes: Annotated[int, until(2, 56)]
    injected_file_path_bytes: Annotated[int, until(2, 56)]
    floating_ips: Annotated[int | UnsetType, until(2, 35)] = UNSET
    fixed_ips: Annotated[int | UnsetType, until(2, 35)] = UNSET
    security_groups: Annotated[int | UnsetType, until(2, 35)] = UNSET
    security_group_rules: Annotated[int | UnsetType, until(2, 35)] = UNSET


class QuotaAnswer(Shape):
    quota_set: Quota


class Usage(Shape):
    limit: int
    in_use: int
    reserved: int


class QuotaDetail(Shape):
    id: str
    instances: Usage
    cores: Usage
    ram: Usage
    key_pairs: Usage
    metadata_items: Usage
    server_groups: Usage
    server_group_members: Usage
    injected_files: Annotated[Usage, until(2, 56)]
    injected_file_content_bytes: Annotated[Usage, until(2, 56)]
    injected_file_path_bytes: Annotated[Usage, until(2, 56)]
    floating_ips: Annotated[Usage, until(2, 35)]
    fixed_ips: Annotated[Usage, until(2, 35)]
    security_groups: Annotated[Usage, until(2, 35)]
    security_group_rules: Annotated[Usage, until(2, 35)]


class QuotaDetailAnswer(Shape):
    quota_set: QuotaDetail


# -- documents ---------------------------------------------------------------------------------------------------------


class MediaType(Shape):
    base: str
    type: str


class ApiVersion(Shape):
    id: str
    status: str
    version: str
    min_version: str
    updated: str
    links: list[Link]


class ShownApiVersion(ApiVersion, kw_only=True):
    media_types: Annotated[list[MediaType], named("media-types")]


class VersionsAnswer(Shape):
    versions: list[ApiVersion]


class VersionAnswer(Shape):
    version: ShownApiVersion


class ExtensionsAnswer(Shape):
    extensions: list[dict[str, Any]]
