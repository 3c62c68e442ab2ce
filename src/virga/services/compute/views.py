# SPDX-License-Identifier: Apache-2.0
"""Compute's rows as Nova v2.1 prints them: in full, whatever any microversion shows. Which of it a caller sees is said in `answers`."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from virga.authority.rules import is_admin
from virga.ground import typed
from virga.ground.errors import public
from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page, next_link
from virga.ground.wire import UNSET, UnsetType
from virga.ground.world import iso
from virga.services.compute import answers, model
from virga.services.compute.actions.neighbours import Neighbours
from virga.services.compute.actions.quotas import Limits, Used
from virga.services.compute.answers import Link
from virga.services.network import api as network

LOW, HIGH = (2, 1), (2, 96)
NO_LIMIT = answers.Usage(limit=-1, in_use=0, reserved=0)


def _links(call: Call, noun: str, id: str) -> list[Link]:
    base = call.request.base + call.request.service_path
    return [Link(rel="self", href=f"{base}/v2.1/{noun}/{id}"), Link(rel="bookmark", href=f"{base}/{noun}/{id}")]


def _next(marker: str | None, call: Call) -> list[Link] | UnsetType:
    return [Link(rel="next", href=next_link(call, marker))] if marker else UNSET


def _time(seconds: float) -> str:
    """`2026-11-22T18:00:00.000000`, as Nova prints times of its own extensions."""
    return f"{iso(seconds)[:-1]}.{int(seconds % 1 * 1_000_000):06d}"


@functools.lru_cache(4096)
def _host_id(project: str, host: str | None) -> str:
    """A host as a tenant may know it: the same for all its machines there, and nothing else."""
    return hashlib.sha224((project + host).encode()).hexdigest() if host else ""


# -- servers -----------------------------------------------------------------------------------------------------------


def _addresses(found: list[network.ServerAddress]) -> dict[str, list[answers.Address]]:
    out: dict[str, list[answers.Address]] = {}
    for a in found:
        out.setdefault(a.network, []).append(answers.Address(version=a.version, addr=a.ip, kind=a.kind, mac=a.mac))
    return out


def _decoded(column: Any) -> Any:
    """A JSON column: lists have it as it is stored."""
    return msgspec.json.decode(column) if isinstance(column, msgspec.Raw) else column


class _Parts(msgspec.Struct):
    """What of a server's `boot` is shown."""

    kernel_id: str = ""
    ramdisk_id: str = ""


_PARTS, _NO_PARTS = msgspec.json.Decoder(_Parts), _Parts()


def _parts(boot: Any) -> _Parts:
    return _PARTS.decode(boot) if isinstance(boot, msgspec.Raw) else typed.convert(boot, _Parts)


class _Shared:
    """What many servers of one answer have in common, made once."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._flavor = call.making(answers.ServerFlavor)
        self._images: dict[str, answers.ServerImage] = {}
        self._flavors: dict[tuple[str, bytes], answers.ServerFlavor] = {}

    def image(self, id: str) -> answers.ServerImage:
        made = self._images.get(id)
        if made is None:
            made = self._images[id] = answers.ServerImage(id=id, links=[_links(self.call, "images", id)[1]])
        return made

    def flavor(self, id: str, stored: Any) -> answers.ServerFlavor:
        """The flavor of the server's row: `stored` is what it was when the server was made."""
        key = (id, bytes(stored) if isinstance(stored, msgspec.Raw) else b"")
        made = self._flavors.get(key)
        if made is None:
            was = _decoded(stored)
            made = self._flavors[key] = self._flavor(
                id=id,
                links=[_links(self.call, "flavors", id)[1]],
                vcpus=was.get("vcpus", 0),
                ram=was.get("ram", 0),
                disk=was.get("disk", 0),
                ephemeral=was.get("ephemeral", 0),
                swap=was.get("swap", 0),
                original_name=was.get("original_name", ""),
                extra_specs=was.get("extra_specs") or {},
            )
        return made


def _fault(s: model.Server | model.ListedServer, admin: bool) -> answers.Fault | UnsetType:
    if s.vm_state != model.ERROR or not s.fault:
        return UNSET
    fault = _decoded(s.fault)
    told = fault["details"] and (admin or fault["code"] != 500)
    return answers.Fault(
        code=fault["code"],
        created=iso(fault["created"]),
        message=fault["message"],
        details=fault["details"] if told else UNSET,
    )


def _host_status(host: model.HostState | None, now: float) -> str:
    if host is None:
        return ""
    if model.host_down(host, now):
        return "UNKNOWN"
    return "UP" if host.enabled else "MAINTENANCE"


def _groups_of(s: model.Server) -> list[str]:
    return [s.server_group_id] if s.server_group_id is not None else []


PROGRESS = {model.ACTIVE: 100, model.BUILDING: 0}


def _servers(rows: Sequence[model.Server | model.ListedServer], beside: Neighbours, call: Call) -> list[answers.Server]:
    """Servers in full. Their server groups are shown where they were read, which lists do not."""
    admin, now = is_admin(call.actor), call.now()
    shared, make = _Shared(call), call.making(answers.Server)
    base = call.request.base + call.request.service_path
    out = []
    for s in rows:
        host = beside.hosts.get(s.host or "")
        groups = beside.groups.get(s.id)
        parts = _parts(s.boot) if admin else _NO_PARTS
        out.append(
            make(
                id=s.id,
                name=s.name,
                status=model.status(s.vm_state, s.task_state),
                tenant_id=s.project_id,
                user_id=s.user_id,
                metadata=cast(Any, s.metadata),
                hostId=_host_id(s.project_id, s.host),
                image=shared.image(s.image_id) if s.image_id else "",
                flavor=shared.flavor(s.flavor_id, s.flavor),
                created=iso(s.created),
                updated=iso(s.updated),
                addresses=_addresses(beside.addresses.get(s.id, [])),
                accessIPv4=s.access_v4,
                accessIPv6=s.access_v6,
                links=[
                    Link(rel="self", href=f"{base}/v2.1/servers/{s.id}"),
                    Link(rel="bookmark", href=f"{base}/servers/{s.id}"),
                ],
                disk_config=s.disk_config,
                zone=host.zone if host is not None else (s.zone or ""),
                config_drive="True" if s.config_drive else "",
                key_name=s.key_name,
                launched_at=_time(s.launched) if s.launched else None,
                terminated_at=None,
                task_state=s.task_state,
                vm_state=s.vm_state,
                power_state=s.power_state,
                volumes_attached=[],
                progress=PROGRESS.get(s.vm_state, UNSET),
                security_groups=[answers.GroupName(name=n) for n in groups] if groups else UNSET,
                fault=_fault(s, admin),
                host=s.host if admin else UNSET,
                hypervisor_hostname=s.host if admin else UNSET,
                instance_name=f"instance-{s.id[:8]}" if admin else UNSET,
                reservation_id=s.reservation_id if admin else UNSET,
                launch_index=s.launch_index if admin else UNSET,
                kernel_id=parts.kernel_id if admin else UNSET,
                ramdisk_id=parts.ramdisk_id if admin else UNSET,
                root_device_name="/dev/vda" if admin else UNSET,
                user_data=s.user_data if admin else UNSET,
                hostname_for_admins=s.hostname if admin else UNSET,
                locked=s.locked,
                host_status=_host_status(host, now) if admin else UNSET,
                description=s.description,
                tags=cast(Any, s.tags),
                trusted_image_certificates=None,
                server_groups=_groups_of(s) if isinstance(s, model.Server) else UNSET,
                locked_reason=s.locked_reason,
                hostname=s.hostname,
                pinned_availability_zone=s.zone,
            )
        )
    return out


def server(found: tuple[model.Server, Neighbours], call: Call) -> answers.ServerAnswer:
    row, beside = found
    return answers.ServerAnswer(server=_servers([row], beside, call)[0])


def servers(page: Page[model.ListedServer], call: Call) -> answers.ServersAnswer:
    return answers.ServersAnswer(
        servers=[answers.BriefServer(id=s.id, name=s.name, links=_links(call, "servers", s.id)) for s in page.items],
        servers_links=_next(page.marker, call),
    )


def servers_detail(found: tuple[Page[model.ListedServer], Neighbours], call: Call) -> answers.ServersDetailAnswer:
    page, beside = found
    return answers.ServersDetailAnswer(
        servers=_servers(page.items, beside, call), servers_links=_next(page.marker, call)
    )


def created(made: tuple[list[model.Server], str, str | None], call: Call) -> Answer:
    """202 at once: the server's address and password, or the reservation that was asked for."""
    rows, password, reservation = made
    if reservation is not None:
        return Answer(answers.ReservationAnswer(reservation_id=reservation))
    first = rows[0]
    shown = answers.CreatedServer(
        id=first.id,
        links=_links(call, "servers", first.id),
        disk_config=first.disk_config,
        adminPass=password,
        security_groups=[answers.GroupName(name="default")],
    )
    place = call.request.link(f"/v2.1/servers/{first.id}")
    return Answer(answers.CreatedServerAnswer(server=shown), headers={"location": place})


def image_made(made: tuple[str, bool], call: Call) -> answers.ImageMadeAnswer | None:
    """createImage and createBackup, since 2.45: the image's id. A backup that is not kept has none to tell."""
    id, stays = made
    return answers.ImageMadeAnswer(image_id=id) if stays else None


def image_place(made: tuple[str, bool], call: Call) -> Answer:
    """createImage and createBackup, until 2.44: the image's address. A backup that is not kept has none."""
    id, stays = made
    return Answer(None, headers={"location": f"{call.request.base}/image/images/{id}"} if stays else {})


def console_output(text: str, call: Call) -> answers.ConsoleOutputAnswer:
    return answers.ConsoleOutputAnswer(output=text)


def metadata(value: dict[str, str], call: Call) -> answers.MetadataAnswer:
    return answers.MetadataAnswer(metadata=value)


def meta(value: dict[str, str], call: Call) -> answers.MetaAnswer:
    return answers.MetaAnswer(meta=value)


def tags(value: list[str], call: Call) -> answers.TagsAnswer:
    return answers.TagsAnswer(tags=value)


def tag_added(fresh: bool, call: Call) -> Answer:
    return Answer(code=201 if fresh else 204)


def addresses(found: list[network.ServerAddress], call: Call) -> answers.AddressesAnswer:
    out: dict[str, list[answers.BriefAddress]] = {}
    for a in found:
        out.setdefault(a.network, []).append(answers.BriefAddress(version=a.version, addr=a.ip))
    return answers.AddressesAnswer(addresses=out)


def interfaces(nics: list[network.Nic], call: Call) -> answers.InterfacesAnswer:
    rows = [
        answers.Interface(
            port_id=n.port_id,
            net_id=n.network_id,
            mac_addr=n.mac,
            port_state="ACTIVE" if n.active else "DOWN",
            fixed_ips=[answers.FixedIp(ip_address=ip) for ip in n.ips],
        )
        for n in nics
    ]
    return answers.InterfacesAnswer(interfaceAttachments=rows)


# -- server groups -----------------------------------------------------------------------------------------------------


def _server_group(group: model.ServerGroup, members: list[str], call: Call) -> answers.ServerGroup:
    return call.making(answers.ServerGroup)(
        id=group.id,
        name=group.name,
        policies=[group.policy],
        metadata=answers.NoMetadata(),
        policy=group.policy,
        rules=answers.GroupRules(**group.rules),
        members=members,
        project_id=group.project_id,
        user_id=group.user_id,
    )


def server_group(found: tuple[model.ServerGroup, list[str]], call: Call) -> answers.ServerGroupAnswer:
    return answers.ServerGroupAnswer(server_group=_server_group(*found, call))


def server_groups(found: list[tuple[model.ServerGroup, list[str]]], call: Call) -> answers.ServerGroupsAnswer:
    return answers.ServerGroupsAnswer(server_groups=[_server_group(*each, call) for each in found])


# -- the action log ----------------------------------------------------------------------------------------------------


def _action(a: model.ActionRow) -> dict[str, Any]:
    """What lists and the action itself say alike."""
    return {
        "action": a.action,
        "instance_uuid": a.server_id,
        "request_id": a.request_id,
        "user_id": a.user_id,
        "project_id": a.project_id,
        "start_time": _time(a.start),
        "message": a.message,
        "updated_at": _time(a.finish or a.start),
    }


def actions(rows: list[model.ActionRow], call: Call) -> answers.InstanceActionsAnswer:
    return answers.InstanceActionsAnswer(instanceActions=[answers.InstanceAction(**_action(a)) for a in rows])


def action(a: model.ActionRow, call: Call) -> answers.InstanceActionAnswer:
    admin = is_admin(call.actor)
    events = [
        answers.ActionEvent(
            event=e["event"],
            start_time=_time(e["start"]),
            finish_time=_time(e["finish"]),
            result=e["result"],
            traceback=None if admin else UNSET,
            hostId=_host_id(a.project_id, e["host"]),
            host=e["host"] if admin else UNSET,
            details=e["details"] if admin or not e["details"] else public(e["details"]),
        )
        for e in a.events
    ]
    return answers.InstanceActionAnswer(instanceAction=answers.FullInstanceAction(**_action(a), events=events))


# -- flavors, keypairs -------------------------------------------------------------------------------------------------


def _flavor(f: model.Flavor, call: Call) -> answers.Flavor:
    return call.making(answers.Flavor)(
        id=f.id,
        name=f.name,
        ram=f.ram,
        disk=f.disk,
        vcpus=f.vcpus,
        old_swap=f.swap or "",
        swap=f.swap,
        ephemeral=f.ephemeral,
        disabled=False,
        is_public=f.is_public,
        rxtx_factor=f.rxtx_factor,
        links=_links(call, "flavors", f.id),
        description=f.description,
        extra_specs=f.extra_specs,
    )


def flavor(f: model.Flavor, call: Call) -> answers.FlavorAnswer:
    return answers.FlavorAnswer(flavor=_flavor(f, call))


def flavors(page: Page[model.Flavor], call: Call) -> answers.FlavorsAnswer:
    rows = [
        answers.BriefFlavor(id=f.id, name=f.name, links=_links(call, "flavors", f.id), description=f.description)
        for f in page.items
    ]
    return answers.FlavorsAnswer(flavors=rows, flavors_links=_next(page.marker, call))


def flavors_detail(page: Page[model.Flavor], call: Call) -> answers.FlavorsDetailAnswer:
    return answers.FlavorsDetailAnswer(
        flavors=[_flavor(f, call) for f in page.items], flavors_links=_next(page.marker, call)
    )


def extra_specs(value: dict[str, str], call: Call) -> answers.ExtraSpecsAnswer:
    return answers.ExtraSpecsAnswer(extra_specs=value)


def keypair(k: model.Keypair, call: Call) -> answers.KeypairAnswer:
    shown = answers.FullKeypair(
        name=k.name,
        public_key=k.public_key,
        fingerprint=k.fingerprint,
        type=k.type,
        user_id=k.user_id,
        id=k.id,
        created_at=_time(k.created),
        updated_at=None,
        deleted=False,
        deleted_at=None,
    )
    return answers.KeypairAnswer(keypair=shown)


def new_keypair(made: tuple[model.Keypair, str | None], call: Call) -> answers.NewKeypairAnswer:
    k, private = made
    shown = answers.NewKeypair(
        name=k.name,
        public_key=k.public_key,
        fingerprint=k.fingerprint,
        type=k.type,
        user_id=k.user_id,
        private_key=private if private is not None else UNSET,
    )
    return answers.NewKeypairAnswer(keypair=shown)


def keypairs(rows: list[model.Keypair], call: Call) -> answers.KeypairsAnswer:
    limit = call.query.whole("limit")
    shown = [
        answers.ListedKeypair(
            keypair=answers.Keypair(name=k.name, public_key=k.public_key, fingerprint=k.fingerprint, type=k.type)
        )
        for k in rows
    ]
    more = rows[-1].name if limit and len(rows) == limit else None
    return answers.KeypairsAnswer(keypairs=shown, keypairs_links=_next(more, call))


# -- services, hypervisors, zones --------------------------------------------------------------------------------------


def _state(h: model.Host, call: Call) -> str:
    return "down" if model.host_down(h, call.now()) else "up"


def _status(h: model.Host) -> str:
    return "enabled" if h.enabled else "disabled"


def _service(h: model.Host, call: Call) -> answers.Service:
    return answers.Service(
        number=h.number,
        id=h.id,
        binary="nova-compute",
        host=h.name,
        zone=h.zone,
        status=_status(h),
        state=_state(h, call),
        updated_at=_time(h.seen),
        disabled_reason=h.disabled_reason,
        forced_down=h.forced_down,
    )


def services(rows: list[model.Host], call: Call) -> answers.ServicesAnswer:
    return answers.ServicesAnswer(services=[_service(h, call) for h in rows])


def service(h: model.Host, call: Call) -> answers.ServiceAnswer:
    return answers.ServiceAnswer(service=_service(h, call))


Held = tuple[model.Host, model.Used]
"""A host and what is used of it."""


def _hypervisor(held: Held, call: Call) -> answers.Hypervisor:
    h, _ = held
    info = h.hypervisor
    return answers.Hypervisor(
        number=h.number,
        id=h.id,
        hypervisor_hostname=h.name,
        state=_state(h, call),
        status=_status(h),
        hypervisor_type=info.get("type", ""),
        hypervisor_version=info.get("version", 0),
        host_ip=info.get("ip", "127.0.0.1"),
        service=answers.HypervisorService(host=h.name, number=h.number, id=h.id, disabled_reason=h.disabled_reason),
        uptime=None,
        cpu_info_text=msgspec.json.encode(info.get("cpu", {})).decode(),
        cpu_info=info.get("cpu", {}),
        **_capacity([held]),
    )


def _capacity(held: list[Held]) -> dict[str, int]:
    """What the hosts have together, and what of it is used."""
    vcpus = sum(h.vcpus for h, _ in held)
    memory, memory_used = sum(h.memory_mb for h, _ in held), sum(u.ram for _, u in held)
    disk, disk_used = sum(h.disk_gb for h, _ in held), sum(u.disk for _, u in held)
    return {
        "vcpus": vcpus,
        "vcpus_used": sum(u.vcpus for _, u in held),
        "memory_mb": memory,
        "memory_mb_used": memory_used,
        "local_gb": disk,
        "local_gb_used": disk_used,
        "running_vms": sum(u.machines for _, u in held),
        "free_ram_mb": memory - memory_used,
        "free_disk_gb": disk - disk_used,
        "current_workload": 0,
        "disk_available_least": disk - disk_used,
    }


def hypervisors(held: list[Held], call: Call) -> answers.HypervisorsAnswer:
    rows = [
        answers.BriefHypervisor(
            number=h.number, id=h.id, hypervisor_hostname=h.name, state=_state(h, call), status=_status(h)
        )
        for h, _ in held
    ]
    return answers.HypervisorsAnswer(hypervisors=rows)


def hypervisors_detail(held: list[Held], call: Call) -> answers.HypervisorsDetailAnswer:
    return answers.HypervisorsDetailAnswer(hypervisors=[_hypervisor(each, call) for each in held])


def hypervisor(held: Held, call: Call) -> answers.HypervisorAnswer:
    return answers.HypervisorAnswer(hypervisor=_hypervisor(held, call))


def statistics(held: list[Held], call: Call) -> answers.StatisticsAnswer:
    return answers.StatisticsAnswer(hypervisor_statistics=answers.Statistics(count=len(held), **_capacity(held)))


def zones(rows: list[model.Host], call: Call, detail: bool = False) -> answers.ZonesAnswer:
    now = call.now()
    out = []
    for name in sorted({h.zone for h in rows}) or ["nova"]:
        hosts = [h for h in rows if h.zone == name]
        shown = {
            h.name: {
                "nova-compute": answers.HostInZone(
                    active=h.enabled, available=not model.host_down(h, now), updated_at=_time(h.seen)
                )
            }
            for h in hosts
        }
        available = any(h.enabled and not model.host_down(h, now) for h in hosts) or not hosts
        out.append(
            answers.Zone(
                zoneName=name,
                zoneState=answers.ZoneState(available=available),
                hosts=shown if detail else None,
            )
        )
    return answers.ZonesAnswer(availabilityZoneInfo=out)


def zones_detail(rows: list[model.Host], call: Call) -> answers.ZonesAnswer:
    return zones(rows, call, detail=True)


# -- limits and quotas -------------------------------------------------------------------------------------------------


def limits(found: tuple[Limits, Used], call: Call) -> answers.LimitsAnswer:
    stored, used = found
    absolute = answers.Absolute(
        maxTotalInstances=stored["instances"],
        maxTotalCores=stored["cores"],
        maxTotalRAMSize=stored["ram"],
        maxTotalKeypairs=stored["key_pairs"],
        maxServerMeta=stored["metadata_items"],
        maxServerGroups=stored["server_groups"],
        maxServerGroupMembers=stored["server_group_members"],
        totalInstancesUsed=used.instances,
        totalCoresUsed=used.cores,
        totalRAMUsed=used.ram,
        totalServerGroupsUsed=used.server_groups,
        maxTotalFloatingIps=-1,
        maxSecurityGroups=-1,
        maxSecurityGroupRules=-1,
        totalFloatingIpsUsed=0,
        totalSecurityGroupsUsed=0,
        maxImageMeta=stored["metadata_items"],
        maxPersonality=0,
        maxPersonalitySize=0,
    )
    return answers.LimitsAnswer(limits=answers.Limits(rate=[], absolute=absolute))


def _quota(stored: Limits, **more: Any) -> answers.Quota:
    fields: dict[str, Any] = {**stored, **more}
    return answers.Quota(**fields)


def quota(found: tuple[str, Limits], call: Call) -> answers.QuotaAnswer:
    """A project's limits; those of the network are the network's own business, so there are none here."""
    id, stored = found
    shown = _quota(stored, id=id, floating_ips=-1, fixed_ips=-1, security_groups=-1, security_group_rules=-1)
    return answers.QuotaAnswer(quota_set=shown)


def quota_set(stored: Limits, call: Call) -> answers.QuotaAnswer:
    """After a change: what is kept, without the project's name."""
    return answers.QuotaAnswer(quota_set=_quota(stored))


def quota_detail(found: tuple[str, Limits, dict[str, int]], call: Call) -> answers.QuotaDetailAnswer:
    id, stored, used = found
    own = {name: answers.Usage(limit=value, in_use=used[name], reserved=0) for name, value in stored.items()}
    shown = answers.QuotaDetail(
        id=id,
        **own,
        floating_ips=NO_LIMIT,
        fixed_ips=NO_LIMIT,
        security_groups=NO_LIMIT,
        security_group_rules=NO_LIMIT,
    )
    return answers.QuotaDetailAnswer(quota_set=shown)


# -- documents ---------------------------------------------------------------------------------------------------------

_NEW = {
    "id": "v2.1",
    "status": "CURRENT",
    "version": f"{HIGH[0]}.{HIGH[1]}",
    "min_version": f"{LOW[0]}.{LOW[1]}",
    "updated": "2013-07-23T11:33:21Z",
}
_OLD = {"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "", "updated": "2011-01-21T11:33:21Z"}


def _self(call: Call, path: str) -> list[Link]:
    return [Link(rel="self", href=call.request.link(path))]


def versions(_: None, call: Call) -> answers.VersionsAnswer:
    return answers.VersionsAnswer(
        versions=[
            answers.ApiVersion(**_OLD, links=_self(call, "/v2/")),
            answers.ApiVersion(**_NEW, links=_self(call, "/v2.1/")),
        ]
    )


def version(_: None, call: Call) -> answers.VersionAnswer:
    new = "/v2.1" in call.request.path
    kind = f"application/vnd.openstack.compute+json;version={'2.1' if new else '2'}"
    shown = answers.ShownApiVersion(
        **(_NEW if new else _OLD),
        links=_self(call, "/v2.1/" if new else "/v2/"),
        media_types=[answers.MediaType(base="application/json", type=kind)],
    )
    return answers.VersionAnswer(version=shown)


def extensions(_: None, call: Call) -> answers.ExtensionsAnswer:
    return answers.ExtensionsAnswer(extensions=[])
