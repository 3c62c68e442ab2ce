# SPDX-License-Identifier: Apache-2.0
"""Compute's rows as Nova v2.1 prints them, at every microversion to 2.96."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from virga.authority.rules import is_admin
from virga.ground.errors import public
from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page, next_link
from virga.ground.world import iso
from virga.services.compute import model, store
from virga.services.network import api as network

LOW, HIGH = (2, 1), (2, 96)


def _links(call: Call, noun: str, id: str) -> list[dict[str, str]]:
    base = call.request.base + call.request.service_path
    return [{"rel": "self", "href": f"{base}/v2.1/{noun}/{id}"}, {"rel": "bookmark", "href": f"{base}/{noun}/{id}"}]


def _time(seconds: float) -> str:
    """`2026-11-22T18:00:00.000000`, as Nova prints times of its own extensions."""
    return f"{iso(seconds)[:-1]}.{int(seconds % 1 * 1_000_000):06d}"


@functools.lru_cache(4096)
def _host_id(project: str, host: str | None) -> str:
    """A host as a tenant may know it: the same for all its machines there, and nothing else."""
    return hashlib.sha224((project + host).encode()).hexdigest() if host else ""


def brief(s: model.ListedServer, call: Call) -> dict[str, Any]:
    return {"id": s.id, "name": s.name, "links": _links(call, "servers", s.id)}


def _addresses(found: list[network.Shown]) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {}
    for a in found:
        out.setdefault(a.network, []).append(
            {"version": a.version, "addr": a.ip, "OS-EXT-IPS:type": a.kind, "OS-EXT-IPS-MAC:mac_addr": a.mac}
        )
    return out


def details(
    rows: Sequence[model.Server | model.ListedServer], call: Call, single: bool = False
) -> list[dict[str, Any]]:
    """Servers in full. Neighbours are asked once for all of them."""
    with call.db.read() as tx:
        addresses, groups = network.shown(tx, {s.id: s.project_id for s in rows})
        hosts = {h.name: h for h in store.HOSTS.every(tx)}
    v, admin, now = call.version, is_admin(call.actor), call.now()
    base = call.request.base + call.request.service_path
    images: dict[str, Any] = {
        i: {"id": i, "links": [_links(call, "images", i)[1]]} for i in {s.image_id for s in rows} if i
    }
    flavors: dict[str, Any] = {
        f: {"id": f, "links": [_links(call, "flavors", f)[1]]} for f in {s.flavor_id for s in rows}
    }
    out = []
    for s in rows:
        host = hosts.get(s.host or "")
        body: dict[str, Any] = {
            "id": s.id,
            "name": s.name,
            "status": model.status(s.vm_state, s.task_state),
            "tenant_id": s.project_id,
            "user_id": s.user_id,
            "metadata": s.metadata,
            "hostId": _host_id(s.project_id, s.host),
            "image": images[s.image_id] if s.image_id else "",
            "created": iso(s.created),
            "updated": iso(s.updated),
            "addresses": _addresses(addresses.get(s.id, [])),
            "accessIPv4": s.access_v4,
            "accessIPv6": s.access_v6,
            "links": [
                {"rel": "self", "href": f"{base}/v2.1/servers/{s.id}"},
                {"rel": "bookmark", "href": f"{base}/servers/{s.id}"},
            ],
            "OS-DCF:diskConfig": s.disk_config,
            "OS-EXT-AZ:availability_zone": host.zone if host else (s.zone or ""),
            "config_drive": "True" if s.config_drive else "",
            "key_name": s.key_name,
            "OS-SRV-USG:launched_at": _time(s.launched) if s.launched else None,
            "OS-SRV-USG:terminated_at": None,
            "OS-EXT-STS:task_state": s.task_state,
            "OS-EXT-STS:vm_state": s.vm_state,
            "OS-EXT-STS:power_state": s.power_state,
            "os-extended-volumes:volumes_attached": [],
        }
        if v >= (2, 47):
            body["flavor"] = s.flavor
        else:
            body["flavor"] = flavors[s.flavor_id]
        if s.vm_state in {model.ACTIVE, model.BUILDING} and s.vm_state != model.ERROR:
            body["progress"] = 100 if s.vm_state == model.ACTIVE else 0
        named = groups.get(s.id)
        if named:
            body["security_groups"] = [{"name": n} for n in named]
        if s.vm_state == model.ERROR and s.fault:
            fault = msgspec.json.decode(s.fault) if isinstance(s.fault, msgspec.Raw) else s.fault
            body["fault"] = {"code": fault["code"], "created": iso(fault["created"]), "message": fault["message"]}
            if fault["details"] and (admin or fault["code"] != 500):
                body["fault"]["details"] = fault["details"]
        if admin:
            body |= {
                "OS-EXT-SRV-ATTR:host": s.host,
                "OS-EXT-SRV-ATTR:hypervisor_hostname": s.host,
                "OS-EXT-SRV-ATTR:instance_name": f"instance-{s.id[:8]}",
            }
            if v >= (2, 3):
                boot = msgspec.json.decode(s.boot) if isinstance(s.boot, msgspec.Raw) else s.boot
                body |= {
                    "OS-EXT-SRV-ATTR:reservation_id": s.reservation_id,
                    "OS-EXT-SRV-ATTR:launch_index": s.launch_index,
                    "OS-EXT-SRV-ATTR:kernel_id": boot.get("kernel_id", ""),
                    "OS-EXT-SRV-ATTR:ramdisk_id": boot.get("ramdisk_id", ""),
                    "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
                    "OS-EXT-SRV-ATTR:user_data": s.user_data,
                }
            if v >= (2, 16):
                body["host_status"] = (
                    ""
                    if host is None
                    else "UNKNOWN"
                    if model.host_down(host, now)
                    else "UP"
                    if host.enabled
                    else "MAINTENANCE"
                )
        if (admin and v >= (2, 3)) or v >= (2, 90):
            body["OS-EXT-SRV-ATTR:hostname"] = s.hostname
        if v >= (2, 9):
            body["locked"] = s.locked
        if v >= (2, 19):
            body["description"] = s.description
        if v >= (2, 26):
            body["tags"] = s.tags
        if v >= (2, 63):
            body["trusted_image_certificates"] = None
        if v >= (2, 71) and single:
            body["server_groups"] = []
        if v >= (2, 73):
            body["locked_reason"] = s.locked_reason
        if v >= (2, 96):
            body["pinned_availability_zone"] = s.zone
        out.append(body)
    return out


def server(s: model.Server, call: Call) -> dict[str, Any]:
    return {"server": details([s], call, single=True)[0]}


def image_made(made: tuple[str, bool], call: Call) -> Answer:
    """createImage and createBackup: the image's id, in the body since 2.45, before that in Location. A backup that is not kept has no
    address."""
    id, stays = made
    if call.version >= (2, 45):
        return Answer({"image_id": id} if stays else None, 202)
    return Answer(None, 202, {"Location": f"{call.request.base}/image/images/{id}"} if stays else {})


def _page(key: str, bodies: list[dict[str, Any]], marker: str | None, call: Call) -> dict[str, Any]:
    body: dict[str, Any] = {key: bodies}
    if marker:
        body[f"{key}_links"] = [{"rel": "next", "href": next_link(call, marker)}]
    return body


def servers(page: Page[model.ListedServer], call: Call) -> dict[str, Any]:
    return _page("servers", [brief(s, call) for s in page.items], page.marker, call)


def servers_detail(page: Page[model.ListedServer], call: Call) -> dict[str, Any]:
    return _page("servers", details(page.items, call), page.marker, call)


def created(made: tuple[list[model.Server], str, str | None], call: Call) -> Answer:
    """202 at once: the server's address and password, or the reservation that was asked for."""
    rows, password, reservation = made
    if reservation is not None:
        return Answer({"reservation_id": reservation}, 202)
    first = rows[0]
    body: dict[str, Any] = {
        "id": first.id,
        "links": _links(call, "servers", first.id),
        "OS-DCF:diskConfig": first.disk_config,
        "adminPass": password,
        "security_groups": [{"name": "default"}],
    }
    return Answer({"server": body}, 202, {"location": call.request.link(f"/v2.1/servers/{first.id}")})


def flavor(f: model.Flavor, call: Call) -> dict[str, Any]:
    return {"flavor": _flavor(f, call)}


def _flavor(f: model.Flavor, call: Call) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": f.id,
        "name": f.name,
        "ram": f.ram,
        "disk": f.disk,
        "vcpus": f.vcpus,
        "swap": f.swap if f.swap or call.version >= (2, 75) else "",
        "OS-FLV-EXT-DATA:ephemeral": f.ephemeral,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": f.is_public,
        "rxtx_factor": f.rxtx_factor,
        "links": _links(call, "flavors", f.id),
    }
    if call.version >= (2, 55):
        body["description"] = f.description
    if call.version >= (2, 61):
        body["extra_specs"] = f.extra_specs
    return body


def flavors(page: Page[model.Flavor], call: Call) -> dict[str, Any]:
    rows = []
    for f in page.items:
        body = {"id": f.id, "name": f.name, "links": _links(call, "flavors", f.id)}
        rows.append(body | ({"description": f.description} if call.version >= (2, 55) else {}))
    return _page("flavors", rows, page.marker, call)


def flavors_detail(page: Page[model.Flavor], call: Call) -> dict[str, Any]:
    return _page("flavors", [_flavor(f, call) for f in page.items], page.marker, call)


def extra_specs(value: dict[str, str], call: Call) -> dict[str, Any]:
    return {"extra_specs": value}


def _keypair(k: model.Keypair, call: Call) -> dict[str, Any]:
    body = {"name": k.name, "public_key": k.public_key, "fingerprint": k.fingerprint}
    return body | ({"type": k.type} if call.version >= (2, 2) else {})


def keypair(k: model.Keypair, call: Call) -> dict[str, Any]:
    more = {
        "user_id": k.user_id,
        "id": k.id,
        "created_at": _time(k.created),
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    return {"keypair": _keypair(k, call) | more}


def new_keypair(made: tuple[model.Keypair, str | None], call: Call) -> Answer:
    key, private = made
    body = _keypair(key, call) | {"user_id": key.user_id} | ({"private_key": private} if private is not None else {})
    return Answer({"keypair": body}, 201 if call.version >= (2, 2) else 200)


def deleted_keypair(_: None, call: Call) -> Answer:
    return Answer(code=204 if call.version >= (2, 2) else 202)


def keypairs(rows: list[model.Keypair], call: Call) -> dict[str, Any]:
    body: dict[str, Any] = {"keypairs": [{"keypair": _keypair(k, call)} for k in rows]}
    limit = call.query.whole("limit")
    if limit and len(rows) == limit and call.version >= (2, 35):
        body["keypairs_links"] = [{"rel": "next", "href": next_link(call, rows[-1].name)}]
    return body


def _service(h: model.Host, call: Call) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": h.id if call.version >= (2, 53) else h.number,
        "binary": "nova-compute",
        "host": h.name,
        "zone": h.zone,
        "status": "enabled" if h.enabled else "disabled",
        "state": "down" if model.host_down(h, call.now()) else "up",
        "updated_at": _time(h.seen),
        "disabled_reason": h.disabled_reason,
    }
    return body | ({"forced_down": h.forced_down} if call.version >= (2, 11) else {})


def services(rows: list[model.Host], call: Call) -> dict[str, Any]:
    return {"services": [_service(h, call) for h in rows]}


def service(h: model.Host, call: Call) -> dict[str, Any]:
    return {"service": _service(h, call)}


def _hypervisor_brief(h: model.Host, call: Call) -> dict[str, Any]:
    state = "down" if model.host_down(h, call.now()) else "up"
    return {
        "id": h.id if call.version >= (2, 53) else h.number,
        "hypervisor_hostname": h.name,
        "state": state,
        "status": "enabled" if h.enabled else "disabled",
    }


def _hypervisor(h: model.Host, used: model.Used, call: Call) -> dict[str, Any]:
    info = h.hypervisor
    body = _hypervisor_brief(h, call) | {
        "hypervisor_type": info.get("type", ""),
        "hypervisor_version": info.get("version", 0),
        "host_ip": info.get("ip", "127.0.0.1"),
        "service": {
            "host": h.name,
            "id": h.id if call.version >= (2, 53) else h.number,
            "disabled_reason": h.disabled_reason,
        },
    }
    if call.version >= (2, 88):
        return body | {"uptime": None}
    body |= _capacity([(h, used)]) | {"disk_available_least": h.disk_gb - used.disk}
    return body | {"cpu_info": info.get("cpu", {})}


def _capacity(pairs: list[tuple[model.Host, model.Used]]) -> dict[str, int]:
    total = {
        "vcpus": 0,
        "vcpus_used": 0,
        "memory_mb": 0,
        "memory_mb_used": 0,
        "local_gb": 0,
        "local_gb_used": 0,
        "running_vms": 0,
    }
    for h, u in pairs:
        for key, value in (
            ("vcpus", h.vcpus),
            ("vcpus_used", u.vcpus),
            ("memory_mb", h.memory_mb),
            ("memory_mb_used", u.ram),
            ("local_gb", h.disk_gb),
            ("local_gb_used", u.disk),
            ("running_vms", u.machines),
        ):
            total[key] += value
    return total | {
        "free_ram_mb": total["memory_mb"] - total["memory_mb_used"],
        "free_disk_gb": total["local_gb"] - total["local_gb_used"],
        "current_workload": 0,
    }


def hypervisors(pairs: list[tuple[model.Host, model.Used]], call: Call) -> dict[str, Any]:
    return {"hypervisors": [_hypervisor_brief(h, call) for h, _ in pairs]}


def hypervisors_detail(pairs: list[tuple[model.Host, model.Used]], call: Call) -> dict[str, Any]:
    return {"hypervisors": [_hypervisor(h, u, call) for h, u in pairs]}


def hypervisor(pair: tuple[model.Host, model.Used], call: Call) -> dict[str, Any]:
    return {"hypervisor": _hypervisor(*pair, call)}


def statistics(pairs: list[tuple[model.Host, model.Used]], call: Call) -> dict[str, Any]:
    return {
        "hypervisor_statistics": _capacity(pairs)
        | {"count": len(pairs), "disk_available_least": sum(h.disk_gb - u.disk for h, u in pairs)}
    }


def zones(rows: list[model.Host], call: Call, detail: bool = False) -> dict[str, Any]:
    now = call.now()
    names = sorted({h.zone for h in rows}) or ["nova"]
    out = []
    for name in names:
        hosts = [h for h in rows if h.zone == name]
        shown = None
        if detail:
            shown = {
                h.name: {
                    "nova-compute": {
                        "available": not model.host_down(h, now),
                        "active": h.enabled,
                        "updated_at": _time(h.seen),
                    }
                }
                for h in hosts
            }
        out.append(
            {
                "zoneName": name,
                "zoneState": {"available": any(h.enabled and not model.host_down(h, now) for h in hosts) or not hosts},
                "hosts": shown,
            }
        )
    return {"availabilityZoneInfo": out}


def zones_detail(rows: list[model.Host], call: Call) -> dict[str, Any]:
    return zones(rows, call, detail=True)


def limits(value: dict[str, int], call: Call) -> dict[str, Any]:
    return {"limits": {"rate": [], "absolute": value}}


def quota(value: dict[str, Any], call: Call) -> dict[str, Any]:
    old = (
        {"floating_ips": -1, "fixed_ips": -1, "security_groups": -1, "security_group_rules": -1}
        if call.version <= (2, 35) and "id" in value
        else {}
    )
    if old and isinstance(value.get("instances"), dict):
        old = {k: {"limit": -1, "in_use": 0, "reserved": 0} for k in old}  # type: ignore[misc]
    gone = (
        {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
        if call.version >= (2, 57)
        else set()
    )
    return {"quota_set": {k: v for k, v in (value | old).items() if k not in gone}}


def metadata(value: dict[str, str], call: Call) -> dict[str, Any]:
    return {"metadata": value}


def meta(value: dict[str, str], call: Call) -> dict[str, Any]:
    return {"meta": value}


def tags(value: list[str], call: Call) -> dict[str, Any]:
    return {"tags": value}


def tag_added(fresh: bool, call: Call) -> Answer:
    return Answer(code=201 if fresh else 204)


def _action(a: model.ActionRow, call: Call) -> dict[str, Any]:
    body = {
        "action": a.action,
        "instance_uuid": a.server_id,
        "request_id": a.request_id,
        "user_id": a.user_id,
        "project_id": a.project_id,
        "start_time": _time(a.start),
        "message": a.message,
    }
    return body | ({"updated_at": _time(a.finish or a.start)} if call.version >= (2, 58) else {})


def actions(rows: list[model.ActionRow], call: Call) -> dict[str, Any]:
    return {"instanceActions": [_action(a, call) for a in rows]}


def action(a: model.ActionRow, call: Call) -> dict[str, Any]:
    events = []
    for e in a.events:
        row = {
            "event": e["event"],
            "start_time": _time(e["start"]),
            "finish_time": _time(e["finish"]),
            "result": e["result"],
        }
        if is_admin(call.actor) or call.version < (2, 51):
            row["traceback"] = None
        if call.version >= (2, 62):
            row["hostId"] = hashlib.sha224((a.project_id + (e["host"] or "")).encode()).hexdigest() if e["host"] else ""
            if is_admin(call.actor):
                row["host"] = e["host"]
        if call.version >= (2, 84):
            row["details"] = e["details"] if is_admin(call.actor) or not e["details"] else public(e["details"])
        events.append(row)
    return {"instanceAction": _action(a, call) | {"events": events}}


def addresses(found: list[network.Shown], call: Call) -> dict[str, Any]:
    return {
        "addresses": {
            name: [{"version": a["version"], "addr": a["addr"]} for a in rows]
            for name, rows in _addresses(found).items()
        }
    }


def interfaces(nics: list[network.Nic], call: Call) -> dict[str, Any]:
    return {
        "interfaceAttachments": [
            {
                "port_id": n.port_id,
                "net_id": n.network_id,
                "mac_addr": n.mac,
                "port_state": "ACTIVE" if n.active else "DOWN",
                "fixed_ips": [{"ip_address": ip} for ip in n.ips],
            }
            for n in nics
        ]
    }


def _version(call: Call, id: str, status: str, high: str, low: str, updated: str) -> dict[str, Any]:
    path = "/v2.1/" if id == "v2.1" else "/v2/"
    return {
        "id": id,
        "status": status,
        "version": high,
        "min_version": low,
        "updated": updated,
        "links": [{"rel": "self", "href": call.request.link(path)}],
    }


def versions(_: None, call: Call) -> dict[str, Any]:
    new = _version(call, "v2.1", "CURRENT", f"{HIGH[0]}.{HIGH[1]}", f"{LOW[0]}.{LOW[1]}", "2013-07-23T11:33:21Z")
    return {"versions": [_version(call, "v2.0", "SUPPORTED", "", "", "2011-01-21T11:33:21Z"), new]}


def version(_: None, call: Call) -> dict[str, Any]:
    if "/v2.1" in call.request.path:
        body = _version(call, "v2.1", "CURRENT", f"{HIGH[0]}.{HIGH[1]}", f"{LOW[0]}.{LOW[1]}", "2013-07-23T11:33:21Z")
        kind = "application/vnd.openstack.compute+json;version=2.1"
    else:
        body = _version(call, "v2.0", "SUPPORTED", "", "", "2011-01-21T11:33:21Z")
        kind = "application/vnd.openstack.compute+json;version=2"
    return {"version": body | {"media-types": [{"base": "application/json", "type": kind}]}}


def extensions(_: None, call: Call) -> dict[str, Any]:
    return {"extensions": []}
