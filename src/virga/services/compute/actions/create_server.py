# SPDX-License-Identifier: Apache-2.0
"""Create servers: everything that can be refused is refused here, with its reason; then the rows and their sagas are written."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass

import msgspec

from virga.authority import limits as limit_checks
from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Forbidden, Invalid
from virga.ground.http.call import Call
from virga.ground.sagas import start as start_saga
from virga.ground.wire import UNSET
from virga.services.compute import hardware, limits, model, policy, store, wire
from virga.services.compute.actions import (
    boot_sources,
    flavors,
    keypairs,
    requested_networks,
    scheduler_hints,
    server_addresses,
    server_metadata,
)
from virga.services.compute.settings import Compute as _Settings
from virga.services.images import api as images
from virga.services.network import api as network


@dataclass(frozen=True, kw_only=True)
class NewServer:
    """What a server is made of that all servers of one request have in common, looked up and checked. `host`: the only one that it may
    be on, by name; `user_data` in base64; `security_groups` are ids."""

    project_id: str
    flavor: model.Flavor
    image: images.ImageRef
    boot: model.Boot
    key: model.Keypair | None
    user_data: str | None
    config_drive: bool
    networks: list[network.RequestedNetwork]
    security_groups: list[str]
    zone: str | None
    host: str | None
    placing: scheduler_hints.Placing
    reservation_id: str


def create(call: Call, body: wire.CreateServerBody) -> tuple[list[model.Server], str, str | None]:
    """POST /servers. Gives the servers, the administrator's password, and the reservation id if one was asked for. Raises Forbidden
    (a rule, a limit), OverQuota, or Invalid that names the field."""
    server = body.server
    if call.actor.project_id is None:
        raise Forbidden("A token of a project is needed to create servers.")
    allow(call, policy.SERVERS_CREATE, project_id=call.actor.project_id)
    new, count = _checked(call, body, call.actor.project_id)
    password = server.adminPass if isinstance(server.adminPass, str) else secrets.token_urlsafe(9)
    rows = [_insert(call, server, new, name=_name(server, n, count), index=n) for n in range(count)]
    return rows, password, new.reservation_id if wire.true(server.return_reservation_id) else None


def _checked(call: Call, whole: wire.CreateServerBody, project_id: str) -> tuple[NewServer, int]:
    """What is asked for, and how many of it."""
    body = whole.server
    host = _host(call, body)
    boot_sources.refuse_unsupported(body)
    flavor = flavors.usable(call, str(body.flavorRef).rpartition("/")[2])
    if not flavor.disk:
        allow(call, policy.SERVERS_NO_DISK)
    image = boot_sources.image_for(call, body, flavor)
    boot = boot_sources.boot_of(call, image)
    key = keypairs.mine(call, body.key_name) if body.key_name else None
    user_data = _user_data(body.user_data)
    server_metadata.check_count(call, project_id, body.metadata)
    _, count = _counts(body)
    networks = requested_networks.requested(call, body)
    if count > 1 and any(w.port_id or w.fixed_ip for w in networks):
        raise Invalid(
            "A port or a fixed IP can be used for one server only; min_count and max_count must be 1.", field="networks"
        )
    security_groups = _security_groups(call, body)
    server_addresses.check_address(body.accessIPv4, 4)
    server_addresses.check_address(body.accessIPv6, 6)
    placing = scheduler_hints.checked(call, whole, count)
    _check_quota(call, project_id, flavor, networks, count)
    hardware.hardware_for(boot, flavor.extra_specs, flavor.vcpus)
    settings = call.use(_Settings)
    new = NewServer(
        project_id=project_id,
        flavor=flavor,
        image=image,
        boot=boot,
        key=key,
        user_data=user_data,
        config_drive=settings.config_drive if body.config_drive in (UNSET, None) else wire.true(body.config_drive),
        networks=networks,
        security_groups=security_groups,
        zone=(body.availability_zone or "").partition(":")[0] or None,
        host=host,
        placing=placing,
        reservation_id=f"r-{secrets.token_hex(4)}",
    )
    return new, count


def _check_quota(
    act: Act, project_id: str, flavor: model.Flavor, networks: list[network.RequestedNetwork], count: int
) -> None:
    """Raise OverQuota unless `count` servers and the ports that are made for them fit."""
    wanted = {limits.INSTANCES: count, limits.CORES: count * flavor.vcpus, limits.RAM: count * flavor.ram}
    limit_checks.check(act.tx, project_id, wanted)
    network.room_for(act, project_id, count * sum(1 for each in networks if each.port_id is None))


def _insert(act: Act, body: wire.CreateServer, new: NewServer, *, name: str, index: int) -> model.Server:
    """One server's row with its saga, the `index`-th of its request."""
    now, id = act.now(), act.world.uuid()
    group_id = new.placing.group.id if new.placing.group is not None else None
    verified = act.use(_Settings).verify_image_signatures
    saga = start_saga(
        act.tx,
        act.registry,
        "compute.create_verified_server" if verified else "compute.create_server",
        {"server": id, "host": new.host, "group": group_id},
        exclusive=f"server:{id}",
        request_id=act.request_id,
    )
    server = store.SERVERS.insert(
        act.tx,
        id=id,
        name=name,
        project_id=new.project_id,
        user_id=act.actor.user_id,
        vm_state=model.BUILDING,
        task_state="scheduling",
        power_state=model.NOSTATE,
        host=None,
        flavor_id=new.flavor.id,
        vcpus=new.flavor.vcpus,
        ram=new.flavor.ram,
        disk=new.flavor.disk,
        flavor=_kept_flavor(new.flavor),
        image_id=new.image.id,
        key_name=new.key.name if new.key is not None else None,
        key_data=new.key.public_key if new.key is not None else None,
        user_data=new.user_data,
        metadata=body.metadata,
        config_drive=new.config_drive,
        zone=new.zone,
        description=body.description,
        hostname=body.hostname if isinstance(body.hostname, str) else hostname_of(name),
        locked=False,
        locked_reason=None,
        locked_by=None,
        tags=sorted(set(body.tags)),
        access_v4=body.accessIPv4,
        access_v6=body.accessIPv6,
        disk_config=body.disk_config,
        wanted=msgspec.to_builtins(new.networks),
        groups=new.security_groups,
        reservation_id=new.reservation_id,
        launch_index=index,
        saga_id=saga,
        fault=None,
        created=now,
        updated=now,
        launched=None,
        boot=msgspec.to_builtins(new.boot),
        ephemeral=new.flavor.ephemeral,
        hints=new.placing.hints,
        server_group_id=group_id,
    )
    store.begin(act.tx, server, "create", act.request_id, act.actor.user_id, now)
    return server


def _kept_flavor(flavor: model.Flavor) -> dict[str, object]:
    """The flavor as its servers keep it: it may change or go."""
    return {
        "vcpus": flavor.vcpus,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "ephemeral": flavor.ephemeral,
        "swap": flavor.swap,
        "original_name": flavor.name,
        "extra_specs": flavor.extra_specs,
    }


def _name(body: wire.CreateServer, index: int, count: int) -> str:
    name = body.name.strip()
    return name if count == 1 else f"{name}-{index + 1}"


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


def _security_groups(act: Act, body: wire.CreateServer) -> list[str]:
    """The ids of the groups that are named, or of the project's default group."""
    if body.security_groups is UNSET:
        return [network.default_group(act)]
    names = [each.name for each in body.security_groups if isinstance(each.name, str)]
    return network.group_ids(act, names) if names else [network.default_group(act)]


def _user_data(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("Invalid input for field 'user_data': it is not base64", field="user_data") from None
    return text


def _counts(body: wire.CreateServer) -> tuple[int, int]:
    """How many servers at least, and at most."""
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
