# SPDX-License-Identifier: Apache-2.0
"""Servers: create, list, show, change, delete, start, stop, reboot. An action writes intent and answers; sagas do the rest."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import ipaddress
import re
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from virga.authority import limits as limit_checks
from virga.authority.rules import Rule, allow, is_admin
from virga.ground.act import Act
from virga.ground.bus import Bus
from virga.ground.db.rows import like_any, tagged
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page, page_request, paginate
from virga.ground.sagas import start as start_saga
from virga.ground.wire import UNSET
from virga.protocol import topics
from virga.protocol.machines import ConsoleRequest
from virga.services.compute import hardware, limits, machines, model, policy, store, wire
from virga.services.compute.actions import flavors, keypairs, neighbours
from virga.services.compute.actions.neighbours import Neighbours
from virga.services.compute.settings import Compute as _Settings
from virga.services.identity import api as identity
from virga.services.images import api as images
from virga.services.network import api as network

SORTABLE = {
    "created_at": "created",
    "updated_at": "updated",
    "display_name": "name",
    "name": "name",
    "uuid": "id",
    "id": "id",
    "vm_state": "vm_state",
    "task_state": "task_state",
    "host": "host",
    "key_name": "key_name",
    "user_id": "user_id",
    "project_id": "project_id",
    "launched_at": "launched",
    "power_state": "power_state",
    "image_ref": "image_id",
    "instance_type_id": "flavor_id",
    "display_description": "description",
    "availability_zone": "zone",
    "created": "created",
    "updated": "updated",
    "status": "vm_state",
}
STATUSES = {
    "ACTIVE": (model.ACTIVE,),
    "BUILD": (model.BUILDING,),
    "SHUTOFF": (model.STOPPED,),
    "ERROR": (model.ERROR,),
    "REBOOT": (model.ACTIVE,),
    "HARD_REBOOT": (model.ACTIVE,),
}


def found(act: Act, id: str) -> model.Server:
    server = store.seen(act.tx, id, act.actor.project_id, is_admin(act.actor))
    if server is None:
        raise NotFound(f"Instance {id[:64]} could not be found.")
    return server


def changing(act: Act, id: str) -> model.Server:
    """The server as it is until this transaction ends: what is changed by what was read is changed by one request at a time."""
    act.tx.hold(f"changed:{id}")
    return found(act, id)


def create(call: Call, body: wire.CreateServerBody) -> tuple[list[model.Server], str, str | None]:
    """POST /servers: everything that can be refused is refused here, with its reason; then the rows and their sagas are written.
    Gives the servers, the administrator's password, and the reservation id if one was asked for."""
    server = body.server
    project = call.actor.project_id
    if project is None:
        raise Forbidden("A token of a project is needed to create servers.")
    allow(call, policy.SERVERS_CREATE, project_id=project)
    host = _host(call, server)
    _unsupported(server)
    flavor = flavors.usable(call, str(server.flavorRef).rpartition("/")[2])
    if not flavor.disk:
        allow(call, policy.SERVERS_NO_DISK)
    image = _image(call, server.imageRef.rpartition("/")[2] or _image_of_devices(server), flavor)
    boot = _boot(call, image)
    key = keypairs.mine(call, server.key_name) if server.key_name else None
    user_data = _user_data(server.user_data)
    _few_enough(call, project, server.metadata)
    _, high = _counts(server)
    requested = _networks(call, server)
    if high > 1 and any(w.port_id or w.fixed_ip for w in requested):
        raise Invalid(
            "A port or a fixed IP can be used for one server only; min_count and max_count must be 1.", field="networks"
        )
    names = (
        [g.name for g in server.security_groups if isinstance(g.name, str)]
        if server.security_groups is not UNSET
        else []
    )
    groups = network.group_ids(call, names) if names else [network.default_group(call)]
    for text, version in ((server.accessIPv4, 4), (server.accessIPv6, 6)):
        _access(text, version)
    limit_checks.check(
        call.tx, project, {limits.INSTANCES: high, limits.CORES: high * flavor.vcpus, limits.RAM: high * flavor.ram}
    )
    network.room_for(call, project, high * sum(1 for w in requested if w.port_id is None))
    password = server.adminPass if isinstance(server.adminPass, str) else secrets.token_urlsafe(9)
    reservation = f"r-{secrets.token_hex(4)}"
    hardware.hardware_for(boot, flavor.extra_specs, flavor.vcpus)
    rows = []
    for n in range(high):
        name = server.name.strip() if high == 1 else f"{server.name.strip()}-{n + 1}"
        hostname = server.hostname if isinstance(server.hostname, str) else hostname_of(name)
        rows.append(
            _insert(
                call,
                server,
                name,
                hostname=hostname,
                index=n,
                project=project,
                flavor=flavor,
                image=image,
                key=key,
                user_data=user_data,
                requested=requested,
                groups=groups,
                reservation=reservation,
                host=host,
                boot=boot,
            )
        )
    return rows, password, reservation if wire.true(server.return_reservation_id) else None


def _few_enough(act: Act, project: str, metadata: dict[str, str]) -> None:
    most = limits.metadata_items(act.tx, project)
    if len(metadata) > most:
        raise Forbidden(
            f"Quota exceeded for metadata_items: {len(metadata)} wanted, at most {most}", limit="metadata_items"
        )


def _insert(
    act: Act,
    body: wire.CreateServer,
    name: str,
    *,
    hostname: str,
    index: int,
    project: str,
    flavor: model.Flavor,
    image: images.ImageRef,
    key: model.Keypair | None,
    user_data: str | None,
    requested: list[network.RequestedNetwork],
    groups: list[str],
    reservation: str,
    host: str | None,
    boot: model.Boot,
) -> model.Server:
    now, id = act.now(), act.world.uuid()
    zone = (body.availability_zone or "").partition(":")[0] or None
    saga = start_saga(
        act.tx,
        act.registry,
        "compute.create_verified_server" if act.use(_Settings).verify_image_signatures else "compute.create_server",
        {"server": id, "host": host},
        exclusive=f"server:{id}",
        request_id=act.request_id,
    )
    shown = {
        "vcpus": flavor.vcpus,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "ephemeral": flavor.ephemeral,
        "swap": flavor.swap,
        "original_name": flavor.name,
        "extra_specs": flavor.extra_specs,
    }
    drive = act.use(_Settings).config_drive if body.config_drive in (UNSET, None) else wire.true(body.config_drive)
    server = store.SERVERS.insert(
        act.tx,
        id=id,
        name=name,
        project_id=project,
        user_id=act.actor.user_id,
        vm_state=model.BUILDING,
        task_state="scheduling",
        power_state=model.NOSTATE,
        host=None,
        flavor_id=flavor.id,
        vcpus=flavor.vcpus,
        ram=flavor.ram,
        disk=flavor.disk,
        flavor=shown,
        image_id=image.id,
        key_name=key.name if key is not None else None,
        key_data=key.public_key if key is not None else None,
        user_data=user_data,
        metadata=body.metadata,
        config_drive=bool(drive),
        zone=zone,
        description=body.description,
        hostname=hostname,
        locked=False,
        locked_reason=None,
        locked_by=None,
        tags=sorted(set(body.tags)),
        access_v4=body.accessIPv4,
        access_v6=body.accessIPv6,
        disk_config=body.disk_config,
        wanted=msgspec.to_builtins(requested),
        groups=groups,
        reservation_id=reservation,
        launch_index=index,
        saga_id=saga,
        fault=None,
        created=now,
        updated=now,
        launched=None,
        boot=msgspec.to_builtins(boot),
        ephemeral=flavor.ephemeral,
    )
    store.begin(act.tx, server, "create", act.request_id, act.actor.user_id, now)
    return server


def hostname_of(name: str) -> str:
    """A host name from a server's name, as Nova makes it: what DNS cannot say becomes a dash."""
    plain = (
        re.sub(r"[^a-zA-Z0-9.-]+", "", re.sub(r"[\s_]+", "-", name.encode("ascii", "ignore").decode()))
        .strip(".-")
        .lower()
    )
    return plain.split(".")[0][:63].strip("-") or "server"


def _host(act: Act, body: wire.CreateServer) -> str | None:
    """`zone:host`, or `host` since 2.74: for administrators."""
    host = (body.availability_zone or "").partition(":")[2] or (body.host if isinstance(body.host, str) else "")
    host = host or (body.hypervisor_hostname if isinstance(body.hypervisor_hostname, str) else "")
    if not host:
        return None
    named = bool((body.availability_zone or "").partition(":")[2])
    allow(act, policy.SERVERS_CREATE_HOST if named else policy.SERVERS_DESTINATION)
    if store.HOSTS.by(act.tx, name=host) is None:
        raise Invalid(f"Compute host {host} could not be found.", field="host")
    return host


def _unsupported(body: wire.CreateServer) -> None:
    """What is asked for and not built yet is refused in words, never ignored."""
    if body.block_device_mapping or any(
        d.destination_type == "volume" or d.source_type in {"volume", "snapshot"} for d in body.block_device_mapping_v2
    ):
        raise Invalid(
            "Booting from volumes is not available in this cloud: there is no volume service yet.",
            field="block_device_mapping_v2",
        )
    if body.personality:
        raise Invalid("File injection (personality) is not available; use user_data.", field="personality")
    if body.trusted_image_certificates:
        raise Invalid(
            "Image signature certificates are not available in this cloud.", field="trusted_image_certificates"
        )


def _image_of_devices(body: wire.CreateServer) -> str:
    for device in body.block_device_mapping_v2:
        if device.source_type == "image" and str(device.boot_index) == "0" and isinstance(device.uuid, str):
            return device.uuid
    return ""


def _image(act: Act, id: str, flavor: model.Flavor) -> images.ImageRef:
    if not id:
        raise Invalid("Invalid imageRef provided: an image to boot from is needed.", field="imageRef")
    image = images.visible(act.tx, id, act.actor.project_id, is_admin(act.actor))
    if image is None:
        raise Invalid(f"Can not find requested image {id[:64]}", field="imageRef")
    if image.status != "active":
        raise Invalid(f"Image {image.id} is not active: it is {image.status}.", field="imageRef")
    if image.min_ram > flavor.ram:
        raise Invalid(
            f"Flavor's memory is too small for requested image: {flavor.ram} MiB, the image needs {image.min_ram} MiB.",
            field="flavorRef",
        )
    least = max(image.min_disk << 30, image.virtual_size)
    if flavor.disk and flavor.disk << 30 < least:
        raise Invalid(
            f"Flavor's disk is too small for requested image. Flavor disk is {flavor.disk << 30} bytes, image is {least} bytes.",
            field="flavorRef",
        )
    return image


def _boot(act: Act, image: images.ImageRef) -> model.Boot:
    """What the server is made from, kept with it: its kernel and initial RAM disk too, where the image names them."""
    parts = {}
    for name in ("kernel_id", "ramdisk_id"):
        id = str(image.properties.get(name) or "")
        if id:
            part = images.visible(act.tx, id, act.actor.project_id, is_admin(act.actor))
            if part is None or part.status != "active":
                what = "does not exist" if part is None else f"is {part.status}"
                raise Invalid(f"Image {image.id} boots with {name} {id[:64]}, and that image {what}.", field="imageRef")
        parts[name] = id
    return model.Boot(
        image.format,
        image.disk_format,
        image.container_format,
        image.min_disk,
        image.min_ram,
        image.properties,
        parts["kernel_id"],
        parts["ramdisk_id"],
        sorted(act.actor.roles),
        act.actor.user_name,
        identity.project_name(act.tx, act.actor.project_id or "")[0],
    )


def _user_data(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("Invalid input for field 'user_data': it is not base64", field="user_data") from None
    return text


def _counts(body: wire.CreateServer) -> tuple[int, int]:
    try:
        low = int(body.min_count)
        high = int(body.max_count) if body.max_count is not UNSET else low
    except ValueError:
        raise Invalid(
            "Invalid input for field 'min_count': a whole number from 1 on is needed", field="min_count"
        ) from None
    if low < 1 or high < 1 or high > 1000:
        raise Invalid("Invalid input for field 'max_count': from 1 to 1000", field="max_count")
    if low > high:
        raise Invalid("min_count must be <= max_count", field="min_count")
    return low, high


def _networks(call: Call, body: wire.CreateServer) -> list[network.RequestedNetwork]:
    """What the server's NICs hang on: the ports and networks named; `auto` or nothing said: the project's one network."""
    if body.networks == "none":
        return []
    if body.networks == "auto" or (body.networks is UNSET and call.version >= (2, 37)):
        if body.networks is UNSET:
            raise Invalid(
                "Invalid input for field 'networks': since microversion 2.37 it is required (a list, 'auto' or 'none')",
                field="networks",
            )
        return network.auto(call)
    if body.networks is UNSET or not body.networks:
        return network.auto(call)
    requested = []
    for each in body.networks:
        assert isinstance(each, wire.RequestedNetwork)
        if isinstance(each.port, str):
            if each.fixed_ip is not UNSET:
                raise Invalid(
                    f"Specified Fixed IP '{each.fixed_ip}' cannot be used with port '{each.port}': the two cannot be specified together.",
                    field="networks",
                )
            requested.append(network.RequestedNetwork(port_id=each.port))
        elif isinstance(each.uuid, str):
            if isinstance(each.fixed_ip, str):
                _access(each.fixed_ip, None)
            requested.append(
                network.RequestedNetwork(
                    network_id=each.uuid, fixed_ip=each.fixed_ip if isinstance(each.fixed_ip, str) else None
                )
            )
        else:
            raise Invalid("Invalid input for field 'networks': each entry needs a uuid or a port", field="networks")
    return network.check_requested(call, requested)


def _access(text: str, version: int | None) -> None:
    if not text:
        return
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Invalid(f"Invalid input: '{text[:64]}' is not an IP address", field="accessIPv4") from None
    if version is not None and address.version != version:
        raise Invalid(f"Invalid input: '{text[:64]}' is not an IPv{version} address", field=f"accessIPv{version}")


def _read(act: Act, id: str, rule: Rule) -> model.Server:
    server = found(act, id)
    allow(act, rule, project_id=server.project_id)
    return server


def show(act: Act, id: str) -> tuple[model.Server, Neighbours]:
    """GET /servers/{id}"""
    server = _read(act, id, policy.SERVERS_SHOW)
    return server, neighbours.of(act.tx, [server])


def index(call: Call) -> Page[model.ListedServer]:
    """GET /servers"""
    return _listed(call, policy.SERVERS_INDEX, policy.SERVERS_ALL)


def detail(call: Call) -> tuple[Page[model.ListedServer], Neighbours]:
    """GET /servers/detail"""
    page = _listed(call, policy.SERVERS_DETAIL, policy.SERVERS_DETAIL_ALL)
    return page, neighbours.of(call.tx, page.items)


def _listed(call: Call, rule: Rule, all_rule: Rule) -> Page[model.ListedServer]:
    """With Nova's filters."""
    allow(call, rule, project_id=call.actor.project_id)
    page = page_request(call, sortable=SORTABLE, default=(("created", "desc"), ("id", "desc")), most=1000)
    q, c = call.query, store.c
    every = any(q.yes(name, False) for name in ("all_tenants", "all_projects") if name in q)
    where, seen = [], None
    if every:
        allow(call, all_rule)
        for name in ("project_id", "tenant_id"):
            if name in q:
                where.append(c.project_id == q.get(name))
    else:
        seen = c.project_id == (call.actor.project_id or "")
    if "name" in q:
        where.append(_named(q.get("name") or ""))
    pairs = {
        "flavor": c.flavor_id,
        "image": c.image_id,
        "key_name": c.key_name,
        "user_id": c.user_id,
        "reservation_id": c.reservation_id,
        "uuid": c.id,
    }
    if is_admin(call.actor):
        pairs |= {"host": c.host, "node": c.host, "availability_zone": c.zone}
    where += [column == q.get(name) for name, column in pairs.items() if name in q]
    if "status" in q:
        states = {s for value in q.all("status") for s in STATUSES.get(value.upper(), ())}
        where.append(c.vm_state.in_(states or {"none"}))
    if "vm_state" in q:
        where.append(c.vm_state == q.get("vm_state"))
    if "task_state" in q and is_admin(call.actor):
        where.append(c.task_state == q.get("task_state"))
    if "changes-since" in q:
        where.append(c.updated >= _moment(q.get("changes-since") or ""))
    if q.yes("deleted", False) if "deleted" in q else False:
        return Page([])
    if call.version >= (2, 26):
        where += tagged(call.tx, c.tags, q.items)
    if "ip" in q:
        pattern = re.escape(q.get("ip") or "")
        rows = store.LISTED.page(call.tx, *where, seen=seen, sort=page.sort)
        have, _ = network.server_addresses(call.tx, {r.id: r.project_id for r in rows})
        return paginate([r for r in rows if any(re.match(pattern, a.ip) for a in have.get(r.id, ()))], page)
    return paginate(
        store.LISTED.page(call.tx, *where, seen=seen, sort=page.sort, marker=page.marker, limit=page.limit + 1), page
    )


def _named(text: str) -> Any:
    """Nova takes a pattern; a plain part of the name is what people send. Anchors are understood, nothing else is."""
    start, end = text.startswith("^"), text.endswith("$")
    plain = text.removeprefix("^").removesuffix("$").replace("\\", "")
    if start and end:
        return store.c.name == plain
    if start:
        return store.c.name.startswith(plain, autoescape=True)
    if end:
        return store.c.name.endswith(plain, autoescape=True)
    return like_any(store.c.name, plain)


def _moment(text: str) -> float:
    try:
        when = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Invalid(
            f"Invalid input for query parameter 'changes-since': '{text[:40]}' is not a time", field="changes-since"
        ) from None
    return (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()


def _changeable(act: Act, id: str, rule: Rule) -> model.Server:
    """The server, allowed and not locked against its owner."""
    server = changing(act, id)
    allow(act, rule, project_id=server.project_id)
    if server.locked and not is_admin(act.actor):
        raise Conflict(f"Instance {id} is locked" + (f": {server.locked_reason}" if server.locked_reason else ""))
    return server


def update(act: Act, id: str, body: wire.UpdateServer) -> tuple[model.Server, Neighbours]:
    """PUT /servers/{id}"""
    _changeable(act, id, policy.SERVERS_UPDATE)
    names = {
        "name": "name",
        "accessIPv4": "access_v4",
        "accessIPv6": "access_v6",
        "disk_config": "disk_config",
        "description": "description",
        "hostname": "hostname",
    }
    change = {column: v for name, column in names.items() if (v := getattr(body, name)) is not UNSET}
    for text, version in ((change.get("access_v4", ""), 4), (change.get("access_v6", ""), 6)):
        _access(text, version)
    if "name" in change:
        change["name"] = change["name"].strip()
    store.SERVERS.put(act.tx, id, **change, updated=act.now())
    server = found(act, id)
    return server, neighbours.of(act.tx, [server])


def delete(act: Act, id: str) -> None:
    """DELETE /servers/{id}: from every state; what runs on the server is superseded."""
    _delete(act, id, policy.SERVERS_DELETE)


def force_delete(act: Act, id: str) -> None:
    """forceDelete: nothing is ever kept back here, so it is the same as a delete."""
    _delete(act, id, policy.SERVERS_FORCE_DELETE)


def _delete(act: Act, id: str, rule: Rule) -> None:
    server = _changeable(act, id, rule)
    if server.task_state == "deleting":
        return
    now = act.now()
    saga = start_saga(
        act.tx,
        act.registry,
        "compute.delete_server",
        {"server": id},
        exclusive=f"server:{id}",
        supersede=True,
        request_id=act.request_id,
    )
    store.begin(act.tx, server, "delete", act.request_id, act.actor.user_id, now)
    store.SERVERS.put(act.tx, id, task_state="deleting", saga_id=saga, updated=now)


def _power(act: Act, id: str, verb: str, rule: Rule, action: str) -> None:
    server = _changeable(act, id, rule)
    states, task, _ = model.VERBS[verb]
    if server.vm_state not in states or server.task_state is not None or server.host is None:
        what = f"task_state {server.task_state}" if server.task_state is not None else f"vm_state {server.vm_state}"
        why = (
            ""
            if server.host is not None
            else " and on no host: " + ((server.fault or {}).get("message") or "it was never built")
        )
        raise Conflict(f"Cannot '{action}' instance {id} while it is in {what}{why}")
    now = act.now()
    saga = start_saga(
        act.tx,
        act.registry,
        "compute.change_power",
        {"server": id, "verb": verb},
        exclusive=f"server:{id}",
        request_id=act.request_id,
    )
    store.begin(act.tx, server, action, act.request_id, act.actor.user_id, now)
    store.SERVERS.put(act.tx, id, task_state=task, saga_id=saga, updated=now)


def start(act: Act, id: str) -> None:
    """os-start"""
    _power(act, id, "start", policy.SERVERS_START, "start")


def stop(act: Act, id: str) -> None:
    """os-stop"""
    _power(act, id, "stop", policy.SERVERS_STOP, "stop")


def reboot(act: Act, id: str, body: wire.Reboot) -> None:
    """reboot, SOFT or HARD"""
    _power(act, id, f"reboot_{body.type.lower()}", policy.SERVERS_REBOOT, "reboot")


def lock(act: Act, id: str, body: wire.Lock) -> None:
    """lock: its owner's slips no longer reach the server. Who locks a server of another project is an administrator, and that lock is
    not the owner's to change (API reference, "Lock Server")."""
    server = changing(act, id)
    allow(act, policy.SERVERS_LOCK, project_id=server.project_id)
    mine = server.project_id == act.actor.project_id
    if server.locked and mine:
        return
    store.SERVERS.put(
        act.tx,
        id,
        locked=True,
        locked_by=model.OWNER if mine else model.ADMIN,
        locked_reason=body.locked_reason if isinstance(body.locked_reason, str) else None,
        updated=act.now(),
    )


def unlock(act: Act, id: str) -> None:
    """unlock: a lock of the other kind than the caller would make needs `unlock_override`."""
    server = changing(act, id)
    allow(act, policy.SERVERS_UNLOCK, project_id=server.project_id)
    mine = model.OWNER if server.project_id == act.actor.project_id else model.ADMIN
    if server.locked_by not in (None, mine):
        allow(act, policy.SERVERS_UNLOCK_OVERRIDE, project_id=server.project_id)
    store.SERVERS.put(act.tx, id, locked=False, locked_by=None, locked_reason=None, updated=act.now())


def reset_state(act: Act, id: str, body: wire.ResetState) -> None:
    """os-resetState, for administrators: never needed here, kept for their scripts."""
    allow(act, policy.SERVERS_RESET)
    server = changing(act, id)
    if server.task_state is not None:
        raise Conflict(
            f"Instance {id} is in task_state {server.task_state}, which ends by itself; delete works at any time."
        )
    store.SERVERS.put(act.tx, id, vm_state=body.state, updated=act.now())


def console_output(act: Act, id: str, body: wire.ConsoleOutput) -> str:
    """os-getConsoleOutput: the last `length` lines, or all that is kept. Asks the node, so outside of any transaction."""
    try:
        length = int(body.length) if body.length not in (None, "") else -1
    except ValueError:
        raise Invalid("Invalid input for field 'length': a whole number is needed", field="length") from None
    with act.db.read() as act.open:
        server = found(act, id)
        allow(act, policy.CONSOLE_OUTPUT, project_id=server.project_id)
        machine = machines.of(act.tx, id)
    if machine is None:
        raise Conflict(f"Instance {id} is not ready: it is on no host, and has no console yet.")
    reply = topics.call(act.use(Bus), machine.host_id, topics.CONSOLE, ConsoleRequest(id))
    lines = reply.output.splitlines(keepends=True)
    return "".join(lines if length < 0 else lines[-length:] if length else [])


# -- metadata and tags ---------------------------------------------------------------------------------------------


def metadata(act: Act, id: str) -> dict[str, str]:
    """GET /servers/{id}/metadata"""
    return _read(act, id, policy.META_INDEX).metadata


def _write_metadata(
    act: Act, id: str, rule: Rule, change: Callable[[dict[str, str]], dict[str, str]]
) -> dict[str, str]:
    server = _changeable(act, id, rule)
    values = change(dict(server.metadata))
    _few_enough(act, server.project_id, values)
    store.SERVERS.put(act.tx, id, metadata=values, updated=act.now())
    return values


def replace_metadata(act: Act, id: str, body: wire.Metadata) -> dict[str, str]:
    """PUT /servers/{id}/metadata"""
    return _write_metadata(act, id, policy.META_REPLACE, lambda _: body.metadata)


def merge_metadata(act: Act, id: str, body: wire.Metadata) -> dict[str, str]:
    """POST /servers/{id}/metadata"""
    return _write_metadata(act, id, policy.META_CREATE, lambda before: before | body.metadata)


def show_meta(act: Act, id: str, key: str) -> dict[str, str]:
    """GET /servers/{id}/metadata/{key}"""
    values = _read(act, id, policy.META_SHOW).metadata
    if key not in values:
        raise NotFound("Metadata item was not found")
    return {key: values[key]}


def set_meta(act: Act, id: str, key: str, body: wire.MetaItem) -> dict[str, str]:
    """PUT /servers/{id}/metadata/{key}"""
    if key not in body.meta:
        raise Invalid("Request body and URI mismatch", field="meta")
    _write_metadata(act, id, policy.META_UPDATE, lambda before: before | body.meta)
    return body.meta


def delete_meta(act: Act, id: str, key: str) -> None:
    """DELETE /servers/{id}/metadata/{key}"""

    def without(before: dict[str, str]) -> dict[str, str]:
        if key not in before:
            raise NotFound("Metadata item was not found")
        del before[key]
        return before

    _write_metadata(act, id, policy.META_DELETE, without)


def tags(act: Act, id: str) -> list[str]:
    """GET /servers/{id}/tags"""
    return _read(act, id, policy.TAGS_INDEX).tags


def replace_tags(act: Act, id: str, body: wire.Tags) -> list[str]:
    """PUT /servers/{id}/tags"""
    _changeable(act, id, policy.TAGS_REPLACE)
    fresh = sorted(set(body.tags))
    store.SERVERS.put(act.tx, id, tags=fresh, updated=act.now())
    return fresh


def has_tag(act: Act, id: str, tag: str) -> None:
    """GET /servers/{id}/tags/{tag}"""
    if tag not in _read(act, id, policy.TAGS_SHOW).tags:
        raise NotFound(f"Server {id} has no tag '{tag[:60]}'")


def add_tag(act: Act, id: str, tag: str) -> bool:
    """PUT /servers/{id}/tags/{tag}: whether it is new."""
    server = _changeable(act, id, policy.TAGS_UPDATE)
    if not 0 < len(tag) <= 60 or "," in tag:
        raise Invalid("Invalid input for field 'tag': 1 to 60 characters without a comma", field="tag")
    if tag in server.tags:
        return False
    if len(server.tags) >= 50:
        raise Invalid("The number of tags exceeded the per-server limit 50", field="tag")
    store.SERVERS.put(act.tx, id, tags=sorted({*server.tags, tag}), updated=act.now())
    return True


def remove_tag(act: Act, id: str, tag: str) -> None:
    """DELETE /servers/{id}/tags/{tag}"""
    server = _changeable(act, id, policy.TAGS_DELETE)
    if tag not in server.tags:
        raise NotFound(f"Server {id} has no tag '{tag[:60]}'")
    store.SERVERS.put(act.tx, id, tags=[t for t in server.tags if t != tag], updated=act.now())


def clear_tags(act: Act, id: str) -> None:
    """DELETE /servers/{id}/tags"""
    _changeable(act, id, policy.TAGS_CLEAR)
    store.SERVERS.put(act.tx, id, tags=[], updated=act.now())


# -- the action log ------------------------------------------------------------------------------------------------


def actions(act: Act, id: str) -> list[model.ActionRow]:
    """GET /servers/{id}/os-instance-actions, newest first; also of servers that are gone."""
    return _log(act, id, policy.ACTIONS)


def _log(act: Act, id: str, rule: Rule) -> list[model.ActionRow]:
    rows = store.ACTIONS.find(act.tx, store.ACTIONS.c.server_id == id, order=store.ACTIONS.c.id.desc())
    if not rows or (rows[0].project_id != act.actor.project_id and not is_admin(act.actor)):
        raise NotFound(f"Instance {id[:64]} could not be found.")
    allow(act, rule, project_id=rows[0].project_id)
    return rows


def action(act: Act, id: str, request_id: str) -> model.ActionRow:
    """GET /servers/{id}/os-instance-actions/{request_id}"""
    row = next((a for a in _log(act, id, policy.ACTION) if a.request_id == request_id), None)
    if row is None:
        raise NotFound(f"Action for request_id {request_id[:64]} on instance {id} not found")
    return row


def addresses(act: Act, id: str) -> list[network.ServerAddress]:
    """GET /servers/{id}/ips"""
    return network.server_addresses(act.tx, {id: _read(act, id, policy.IPS).project_id})[0].get(id, [])


def interfaces(act: Act, id: str) -> list[network.Nic]:
    """GET /servers/{id}/os-interface"""
    return network.nics(act.tx, id, _read(act, id, policy.INTERFACES).project_id)
