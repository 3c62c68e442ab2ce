# SPDX-License-Identifier: Apache-2.0
"""Compute's nouns as rows, the states of a server, and which of its verbs each state takes."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from virga.ground.db.rows import Row


class Used(Row, frozen=True):
    """What machines take of a host."""

    vcpus: int = 0
    ram: int = 0
    disk: int = 0
    machines: int = 0


BUILDING, ACTIVE, STOPPED, ERROR = "building", "active", "stopped", "error"
NOSTATE, RUNNING, SHUTDOWN = 0, 1, 4
VERBS: dict[str, tuple[frozenset[str], str, str]] = {
    # verb: the states that take it, the task meanwhile, the state after it
    "start": (frozenset({STOPPED, ERROR}), "powering-on", ACTIVE),
    "stop": (frozenset({ACTIVE, ERROR}), "powering-off", STOPPED),
    "reboot_soft": (frozenset({ACTIVE}), "rebooting", ACTIVE),
    "reboot_hard": (frozenset({ACTIVE, STOPPED, ERROR}), "rebooting_hard", ACTIVE),
}
SNAPSHOT_FROM = frozenset({ACTIVE, STOPPED})
"""The states of a server whose disk can be made an image of (Nova: also paused and suspended)."""


class Flavor(Row, frozen=True):
    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int
    swap: int
    rxtx_factor: float
    is_public: bool
    description: str | None
    extra_specs: dict[str, str]
    created: float


class Keypair(Row, frozen=True):
    id: int
    user_id: str
    name: str
    type: str
    public_key: str
    fingerprint: str
    created: float


class Boot(msgspec.Struct, frozen=True):
    """What a server was made from: its image as it was, and who made it. Empty for servers of before it was kept."""

    format: str = ""
    disk_format: str | None = None
    container_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    properties: dict[str, Any] = {}
    kernel_id: str = ""
    ramdisk_id: str = ""
    roles: list[str] = []
    user_name: str = ""
    project_name: str = ""


class Host(Row, frozen=True):
    """A machine that runs machines, as its node last reported it."""

    id: str
    name: str
    zone: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    hypervisor: dict[str, Any]
    enabled: bool
    disabled_reason: str | None
    forced_down: bool
    seen: float
    created: float
    number: int
    storages: list[str] = []
    """Storage that it shares with other hosts, by names that are the same on each."""
    claimed: bool = False
    """Whether its node has said this id itself; hosts of before nodes had ids are claimed at their first hello."""


RUN, INCOMING, WITHDRAWN = "run", "incoming", "withdrawn"


class MachineRow(Row, frozen=True):
    """One machine of a server on one host, as control wants it (`wanted`, of type `protocol.machines.DesiredState`, counted by `generation`) and
    as its node has it: `seen` is the newest generation that it did or gave up, `error` why it could not, `power` and `found` (of type
    `protocol.reports.Found`) how it is. A server has one machine of role `run`, or none; `incoming` is one that is on its way to another
    host; `withdrawn` is one that its host must let go of. That may outlive its server: the host may be away."""

    id: str
    server_id: str
    host_id: str
    role: str
    wanted: dict[str, Any]
    generation: int
    seen: int
    error: str | None
    power: str | None
    found: dict[str, Any] | None
    reported: float
    created: float


WANTED, DONE, FAILED, VOID = "wanted", "done", "failed", "void"


class OrderRow(Row, frozen=True):
    """Something that a host does once: `kind` and `arguments` are those of `protocol.machines.Order`. `state` is wanted until the node says
    done (with `result`) or failed (with `error`), or nobody wants it any more (void)."""

    id: str
    server_id: str
    host_id: str
    kind: str
    arguments: dict[str, Any]
    state: str
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    error: str | None
    saga_id: str | None
    created: float
    ended: float | None


class HostState(NamedTuple):
    """As much of a host as its servers show."""

    name: str
    zone: str
    enabled: bool
    forced_down: bool
    seen: float


OWNER, ADMIN = "owner", "admin"
"""Who locked a server: somebody of its project, or somebody else, who must be an administrator."""


class Server(Row, frozen=True):
    """What the API shows. `host` is the name of the host of the machine that runs (`MachineRow`), which is what counts. `boot` is what the
    server was made from, as it was then: the image may change or go, the machine stays what it is. `groups` are security groups;
    `hints` what the scheduler was told (`scheduler.hints`), `server_group_id` the group that it was built in."""

    id: str
    name: str
    project_id: str
    user_id: str
    vm_state: str
    task_state: str | None
    power_state: int
    host: str | None
    flavor_id: str
    vcpus: int
    ram: int
    disk: int
    flavor: dict[str, Any]
    image_id: str | None
    key_name: str | None
    key_data: str | None
    user_data: str | None
    metadata: dict[str, str]
    config_drive: bool
    zone: str | None
    description: str | None
    hostname: str
    locked: bool
    locked_reason: str | None
    tags: list[str]
    access_v4: str
    access_v6: str
    disk_config: str
    wanted: list[dict[str, Any]]
    groups: list[str]
    reservation_id: str
    launch_index: int
    saga_id: str | None
    fault: dict[str, Any] | None
    created: float
    updated: float
    launched: float | None
    boot: dict[str, Any]
    ephemeral: int
    locked_by: str | None
    hints: dict[str, Any] | None
    server_group_id: str | None


class ListedServer(Row, frozen=True):
    """A server as lists read it: what a list shows, JSON columns as they are stored."""

    id: str
    name: str
    project_id: str
    user_id: str
    vm_state: str
    task_state: str | None
    power_state: int
    host: str | None
    flavor_id: str
    flavor: msgspec.Raw
    image_id: str | None
    key_name: str | None
    user_data: str | None
    metadata: msgspec.Raw
    config_drive: bool
    zone: str | None
    description: str | None
    hostname: str
    locked: bool
    locked_reason: str | None
    tags: msgspec.Raw
    access_v4: str
    access_v6: str
    disk_config: str
    reservation_id: str
    launch_index: int
    fault: msgspec.Raw | None
    created: float
    updated: float
    launched: float | None
    boot: msgspec.Raw


AFFINITY, ANTI_AFFINITY = "affinity", "anti-affinity"
SOFT_AFFINITY, SOFT_ANTI_AFFINITY = "soft-affinity", "soft-anti-affinity"


class ServerGroup(Row, frozen=True):
    """Servers that should be on one host (`affinity`) or on hosts apart (`anti-affinity`), or rather so than not (soft). Its members are the
    servers that were built in it (`Server.server_group_id`). `rules`: `max_server_per_host`, of anti-affinity alone."""

    id: str
    name: str
    project_id: str
    user_id: str
    policy: str
    rules: dict[str, int]
    created: float

    @property
    def most_on_a_host(self) -> int:
        """How many members a host may have, where they should be apart."""
        return self.rules.get("max_server_per_host", 1)


class ActionRow(Row, frozen=True):
    id: int
    server_id: str
    project_id: str
    user_id: str
    action: str
    request_id: str
    start: float
    finish: float | None
    message: str | None
    events: list[dict[str, Any]]


_STATUS = {BUILDING: "BUILD", ACTIVE: "ACTIVE", STOPPED: "SHUTOFF", ERROR: "ERROR"}


def status(vm_state: str, task_state: str | None) -> str:
    """Nova's one word for both states."""
    if vm_state == ACTIVE and task_state in {"rebooting", "rebooting_hard"}:
        return "REBOOT" if task_state == "rebooting" else "HARD_REBOOT"
    return _STATUS[vm_state]


def host_down(host: Host | HostState, now: float) -> bool:
    return host.forced_down or now - host.seen > 60.0
