# SPDX-License-Identifier: Apache-2.0
"""Compute's shapes on the wire (Compute API v2.1 with microversions to 2.96)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from virga.ground.wire import UNSET, Meta, Open, UnsetType, Wire, free, named, refers, since, times, until, varies

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=255)]
MetaKey = Annotated[str, Meta(min_length=1, max_length=255)]
MetaValue = Annotated[str, Meta(max_length=255)]
Meta255 = Annotated[dict[MetaKey, MetaValue], Meta(max_length=1024)]
Uuid = Annotated[str, Meta(pattern="^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$")]
Count = Annotated[int, Meta(ge=1, le=1000)]
Digits = Annotated[str, Meta(max_length=24)]
"""A number in words: what it says is read by the action."""
Number = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
NonNegativeInt = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Bool = bool | Literal["True", "true", "1", "yes", "on", "False", "false", "0", "no", "off"]
Tag = Annotated[str, Meta(min_length=1, max_length=60, pattern="^[^,/]*$")]


def true(value: Any) -> bool:
    """Nova's booleans also come as words."""
    return value is True or str(value).lower() in {"true", "1", "yes", "on"}


class RequestedNetwork(Wire):
    uuid: Annotated[Uuid, refers("network")] | UnsetType = UNSET
    port: Annotated[Uuid, refers("port")] | UnsetType | None = UNSET
    fixed_ip: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    tag: Annotated[Tag | UnsetType, since(2, 32)] = UNSET


class GroupName(Wire):
    name: Annotated[Name, refers("security group")] | UnsetType = UNSET


class BlockDevice(Wire):
    boot_index: Number | Digits | None = None
    uuid: Annotated[Text, refers("image")] | UnsetType = UNSET
    source_type: Literal["volume", "image", "snapshot", "blank"] | UnsetType = UNSET
    destination_type: Literal["local", "volume"] | UnsetType = UNSET
    delete_on_termination: Bool | UnsetType = UNSET
    volume_size: Number | Digits | UnsetType = UNSET
    device_name: Text | UnsetType = UNSET
    device_type: Text | UnsetType | None = UNSET
    disk_bus: Text | UnsetType | None = UNSET
    guest_format: Text | UnsetType | None = UNSET
    no_device: bool | Text | UnsetType = UNSET
    tag: Annotated[Tag | UnsetType, since(2, 32)] = UNSET
    volume_type: Annotated[Text | UnsetType | None, since(2, 67)] = UNSET


class InjectedFile(Wire, kw_only=True):
    path: Name
    contents: Annotated[str, Meta(max_length=65535)]


class CreateServer(Wire, kw_only=True):
    name: Name
    imageRef: Annotated[str, Meta(max_length=2048), refers("image")] = ""
    flavorRef: Annotated[str, Meta(min_length=1, max_length=2048), refers("flavor")] | NonNegativeInt
    networks: Annotated[list[RequestedNetwork], Meta(max_length=64)] | Literal["auto", "none"] | UnsetType = UNSET
    key_name: Annotated[str, Meta(max_length=255), refers("keypair")] | None = None
    user_data: Annotated[str, Meta(max_length=65535)] | None = None
    security_groups: Annotated[list[GroupName], Meta(max_length=64)] | UnsetType = UNSET
    metadata: Meta255 = {}
    config_drive: Bool | UnsetType | None = UNSET
    availability_zone: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    min_count: Count | Digits = 1
    max_count: Count | Digits | UnsetType = UNSET
    adminPass: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    return_reservation_id: Bool = False
    accessIPv4: Annotated[str, Meta(max_length=64)] = ""
    accessIPv6: Annotated[str, Meta(max_length=64)] = ""
    disk_config: Annotated[Literal["AUTO", "MANUAL"], named("OS-DCF:diskConfig")] = "MANUAL"
    personality: Annotated[list[InjectedFile], Meta(max_length=64), until(2, 56)] = []
    block_device_mapping_v2: Annotated[list[BlockDevice], Meta(max_length=64)] = []
    block_device_mapping: Annotated[list[Annotated[dict[str, Any], free(size=4096, depth=3)]], Meta(max_length=64)] = []
    description: Annotated[Text | None, since(2, 19)] = None
    tags: Annotated[list[Tag], Meta(max_length=50), since(2, 52)] = []
    trusted_image_certificates: Annotated[Annotated[list[Text], Meta(max_length=50)] | None, since(2, 63)] = None
    host: Annotated[Name | UnsetType, since(2, 74)] = UNSET  # by administrators alone, who see all hosts
    hypervisor_hostname: Annotated[Name | UnsetType, since(2, 74)] = UNSET
    hostname: Annotated[
        Annotated[str, Meta(pattern="^[a-zA-Z0-9][a-zA-Z0-9.-]*$", max_length=255)] | UnsetType, since(2, 90)
    ] = UNSET


AServer = Annotated[str, Meta(min_length=1, max_length=36), refers("server")]
AGroup = Annotated[str, Meta(min_length=1, max_length=36), refers("server group")]
"""`scheduler.hints` sees that these are UUIDs: a text with a pattern beside a list in one union is a type that msgspec 0.22 corrupts memory
with."""
Words = Text | Annotated[list[Text], Meta(max_length=64)]


class SchedulerHints(Open):
    """Where a server should be. Hints of other names are an operator's own filters' in Nova; here nobody reads them."""

    group: AGroup | Annotated[list[AGroup], Meta(min_length=1, max_length=1)] | UnsetType = UNSET
    different_host: AServer | Annotated[list[AServer], Meta(max_length=64)] | UnsetType = UNSET
    same_host: AServer | Annotated[list[AServer], Meta(max_length=64)] | UnsetType = UNSET
    query: Annotated[str, Meta(max_length=4096)] | Annotated[dict[str, Any], free(size=4096)] | UnsetType = UNSET
    target_cell: Name | UnsetType = UNSET
    different_cell: Words | UnsetType = UNSET
    build_near_host_ip: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    cidr: Annotated[str, Meta(pattern="^/[0-9a-f.:]+$", max_length=64)] | UnsetType = UNSET
    extra: Annotated[dict[str, Any], free(size=16384, depth=4)] = {}


class CreateServerBody(Wire, kw_only=True):
    server: CreateServer
    hints: Annotated[SchedulerHints | UnsetType, named("os:scheduler_hints")] = UNSET
    old_hints: Annotated[SchedulerHints | UnsetType, named("OS-SCH-HNT:scheduler_hints")] = UNSET


class CreateServerGroupOfPolicies(Wire, kw_only=True):
    """Until 2.63."""

    name: Name
    policies: Annotated[
        list[Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]],
        Meta(min_length=1, max_length=1),
        varies((since(2, 15),)),
    ]
    """The soft ones since 2.15."""


class GroupRules(Wire):
    max_server_per_host: Annotated[int, Meta(ge=1, le=2**31 - 1)] | Digits | UnsetType = UNSET


class CreateServerGroup(Wire, kw_only=True):
    name: Name
    policy: Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]
    rules: GroupRules | UnsetType = UNSET


class UpdateServer(Wire):
    name: Name | UnsetType = UNSET
    accessIPv4: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    accessIPv6: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    disk_config: Annotated[Literal["AUTO", "MANUAL"] | UnsetType, named("OS-DCF:diskConfig")] = UNSET
    description: Annotated[Text | UnsetType | None, since(2, 19)] = UNSET
    hostname: Annotated[
        Annotated[str, Meta(pattern="^[a-zA-Z0-9][a-zA-Z0-9.-]*$", max_length=255)] | UnsetType, since(2, 90)
    ] = UNSET


MetaKeyed = Annotated[
    dict[Annotated[str, Meta(pattern=r"^[a-zA-Z0-9-_:. ]{1,255}$")], Annotated[str, Meta(max_length=255)]],
    Meta(max_length=1024),
]


class CreateImage(Wire, kw_only=True):
    name: Name
    metadata: MetaKeyed = {}


class CreateBackup(Wire, kw_only=True):
    name: Name
    backup_type: Annotated[str, Meta(max_length=255)]
    rotation: NonNegativeInt | Digits
    metadata: MetaKeyed = {}


class Metadata(Wire):
    metadata: Meta255


class MetaItem(Wire):
    meta: Annotated[dict[MetaKey, MetaValue], Meta(min_length=1, max_length=1)]


class Tags(Wire):
    tags: Annotated[list[Tag], Meta(max_length=50)]


class Reboot(Wire):
    type: Literal["SOFT", "HARD", "soft", "hard", "Soft", "Hard"]


class ConsoleOutput(Wire):
    length: Number | Digits | None = None


class Lock(Wire):
    locked_reason: Annotated[Text | UnsetType, since(2, 73)] = UNSET


class ResetState(Wire):
    state: Literal["active", "error"]


class CreateFlavor(Wire, kw_only=True):
    name: Name
    ram: Annotated[int, Meta(ge=1, le=2**31 - 1)] | Digits
    vcpus: Annotated[int, Meta(ge=1, le=2**31 - 1)] | Digits
    disk: NonNegativeInt | Digits
    id: Text | Number | None = None
    swap: NonNegativeInt | Digits = 0
    rxtx_factor: Annotated[float, Meta(ge=0, le=3.40282e38)] | Digits = 1.0
    ephemeral: Annotated[NonNegativeInt | Digits, named("OS-FLV-EXT-DATA:ephemeral")] = 0
    is_public: Annotated[Bool, named("os-flavor-access:is_public")] = True
    description: Annotated[Annotated[str, Meta(max_length=65535)] | None, since(2, 55)] = None


class UpdateFlavor(Wire, kw_only=True):
    description: Annotated[str, Meta(max_length=65535)] | None


class ExtraSpecs(Wire):
    extra_specs: Annotated[
        dict[
            Annotated[str, Meta(min_length=1, max_length=255)],
            Text | Annotated[int, Meta(ge=-(2**53), le=2**53)] | Annotated[float, Meta(ge=-1e300, le=1e300)],
        ],
        Meta(max_length=256),
    ]


class ExtraSpec(Open):
    """One key, which the path names, too, and its value: what is in `extra`."""

    extra: Annotated[dict[str, Any], free(size=2048, depth=1)] = {}


class CreateKeypair(Wire, kw_only=True):
    name: Name
    type: Annotated[Literal["ssh", "x509"], since(2, 2)] = "ssh"
    public_key: Annotated[str, Meta(max_length=16384)] | UnsetType = UNSET
    user_id: Annotated[
        Annotated[str, Meta(max_length=64)] | UnsetType,
        refers("user", may="os_compute_api:os-keypairs:create"),
        since(2, 10),
    ] = UNSET


class UpdateService(Wire):
    status: Literal["enabled", "disabled"] | UnsetType = UNSET
    disabled_reason: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    forced_down: bool | UnsetType = UNSET


Most = Annotated[int, Meta(ge=-1, le=2**31 - 1)]
"""A limit; -1 is none."""


class Quota(Wire):
    """Nova's, at every version: those of the network are kept by the network (until 2.35), files are not injected (until 2.56)."""

    instances: Most | UnsetType = UNSET
    cores: Most | UnsetType = UNSET
    ram: Most | UnsetType = UNSET
    key_pairs: Most | UnsetType = UNSET
    metadata_items: Most | UnsetType = UNSET
    server_groups: Most | UnsetType = UNSET
    server_group_members: Most | UnsetType = UNSET
    injected_files: Annotated[Most | UnsetType, until(2, 56)] = UNSET
    injected_file_content_bytes: Annotated[Most | UnsetType, until(2, 56)] = UNSET
    injected_file_path_bytes: Annotated[Most | UnsetType, until(2, 56)] = UNSET
    force: Bool = False


# -- what queries may hold ---------------------------------------------------------------------------------------------

Word = Annotated[str, Meta(max_length=32)]
Id = Annotated[str, Meta(max_length=64)]
LIST = {
    "limit": Word,
    "sort_key": Annotated[Id, times(490)],
    "sort_dir": Annotated[Word, times(490)],
    "page_reverse": Word,
    "sort": Text,
}
"""What `ground.http.pages.page_request` reads, but for the marker."""
TAGS = {name: Annotated[str, Meta(max_length=3100)] for name in ("tags", "tags-any", "not-tags", "not-tags-any")}
"""Fifty tags of sixty characters, with their commas."""
SERVERS = (
    LIST
    | TAGS
    | {
        "marker": Annotated[Id, refers("server")],
        "all_tenants": Word,
        "all_projects": Word,
        "project_id": Annotated[Id, refers("project", may="os_compute_api:servers:index:get_all_tenants")],
        "tenant_id": Annotated[Id, refers("project", may="os_compute_api:servers:index:get_all_tenants")],
        "name": Text,
        "flavor": Annotated[Text, refers("flavor")],
        "image": Annotated[Id, refers("image")],
        "key_name": Annotated[Text, refers("keypair")],
        "user_id": Annotated[Id, refers("user")],
        "reservation_id": Id,
        "uuid": Annotated[Id, refers("server")],
        "host": Annotated[Text, refers("host", may="admin")],
        "node": Annotated[Text, refers("host", may="admin")],
        "availability_zone": Text,
        "status": Word,
        "vm_state": Word,
        "task_state": Word,
        "changes-since": Id,
        "deleted": Word,
        "ip": Id,
    }
)
SERVER_GROUPS = {"all_projects": Word, "limit": Word, "offset": Word}
FLAVORS = LIST | {
    "marker": Annotated[Text, refers("flavor")],
    "is_public": Word,
    "minRam": Word,
    "minDisk": Word,
}
KEYPAIRS = {
    "user_id": Annotated[Id, refers("user", may="os_compute_api:os-keypairs:index")],
    "limit": Word,
    "marker": Annotated[Text, refers("keypair")],
}
KEYPAIR = {"user_id": Annotated[Id, refers("user", may="os_compute_api:os-keypairs:show")]}
SERVICES = {"host": Text, "binary": Text}
HYPERVISORS = {"hypervisor_hostname_pattern": Text}
LIMITS = {"tenant_id": Annotated[Id, refers("project", may="os_compute_api:limits:other_project")]}
