# SPDX-License-Identifier: Apache-2.0
"""What there may be once is there once, on both databases, however many ask at the same time (M13)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant
from virga.ground.errors import Conflict
from virga.services.network import model, store

N = "/network/v2.0"


def together(who: Tenant, *requests: tuple[str, str, Any]) -> list[int]:
    """The codes of requests that begin at the same time, each in a thread."""
    codes: list[int] = []
    gate = threading.Barrier(len(requests))

    def run(method: str, path: str, body: Any) -> None:
        gate.wait()
        codes.append(who.ask(method, N + path, body).code)

    threads = [threading.Thread(target=run, args=r) for r in requests]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sorted(codes)


def external(who: Tenant) -> str:
    return str(who.get(f"{N}/networks?router:external=true")["networks"][0]["id"])


def refused_twice(sim: SimCloud, rows: Any, noun: str, *where: Any, **other: Any) -> None:
    """The database itself refuses a second row like the one that `where` finds."""
    with pytest.raises(Conflict), sim.cloud.db.write() as tx:
        row = rows.find(tx, *where)[0]
        rows.insert(tx, **({f: getattr(row, f) for f in row.__struct_fields__} | other))


def test_an_address_and_a_mac_are_given_once(sim: SimCloud) -> None:
    t = sim.tenant("racer")
    net, _ = sim.network(t)
    for more in ({"fixed_ips": [{"ip_address": "10.0.0.50"}]}, {"mac_address": "fa:16:3e:00:00:77"}):
        ask = ("POST", "/ports", {"port": {"network_id": net["id"]} | more})
        assert together(t, ask, ask) == [201, 409], more
    mac = store.PORTS.c.mac == "fa:16:3e:00:00:77"
    refused_twice(sim, store.PORTS, "port", mac, id="x" * 36)
    other = t.post(f"{N}/ports", {"port": {"network_id": net["id"]}})["port"]["id"]
    refused_twice(sim, store.PORT_IPS, "address", store.PORT_IPS.c.ip == "10.0.0.50", port_id=other)


def test_a_router_has_one_gateway_and_leaves_no_port_behind(sim: SimCloud) -> None:
    t = sim.tenant("racer")
    ext = external(t)
    router = t.post(f"{N}/routers", {"router": {"name": "r"}})["router"]["id"]
    on = ("PUT", f"/routers/{router}", {"router": {"external_gateway_info": {"network_id": ext}}})
    off = ("PUT", f"/routers/{router}", {"router": {"external_gateway_info": None}})
    for _ in range(3):
        assert set(together(t, on, off, on, off, on, on)) == {200}
    t.put(f"{N}/routers/{router}", on[2])
    gateway = store.PORTS.c.device_owner == model.ROUTER_GATEWAY
    with sim.cloud.db.read() as tx:
        found, stored = store.PORTS.find(tx, gateway, store.PORTS.c.device_id == router), store.ROUTERS.get(tx, router)
    assert stored is not None and [p.id for p in found] == [stored.gateway_port_id]
    refused_twice(sim, store.PORTS, "gateway", gateway, id="x" * 36, mac="fa:16:3e:00:00:78")
    t.delete(f"{N}/routers/{router}", 204)
    with sim.cloud.db.read() as tx:
        assert store.PORTS.find(tx, gateway, store.PORTS.c.device_id == router) == []


def test_a_subnet_has_one_leg_of_a_router_and_an_address_one_floating_ip(sim: SimCloud) -> None:
    t = sim.tenant("racer")
    ext = external(t)
    net, _ = sim.network(t)
    made = t.post(f"{N}/routers", {"router": {"external_gateway_info": {"network_id": ext}}})["router"]["id"]
    ports = [t.post(f"{N}/ports", {"port": {"network_id": net["id"]}})["port"]["id"] for _ in range(3)]
    path = f"/routers/{made}/add_router_interface"
    assert together(t, *(("PUT", path, {"port_id": p}) for p in ports[:2])) == [200, 400]
    leg = store.PORT_IPS.c.router_id == made
    refused_twice(sim, store.PORT_IPS, "leg", leg, port_id=ports[2], ip="10.0.0.200")
    fips = [
        t.post(f"{N}/floatingips", {"floatingip": {"floating_network_id": ext}})["floatingip"]["id"] for _ in "1234"
    ]
    codes = together(t, *(("PUT", f"/floatingips/{f}", {"floatingip": {"port_id": ports[2]}}) for f in fips))
    assert codes == [200, 409, 409, 409]
    held = store.FLOATING_IPS.c.fixed_port_id == ports[2]
    refused_twice(sim, store.FLOATING_IPS, "floating IP", held, id="x" * 36)


def test_the_last_unit_of_a_quota_goes_once_and_the_default_group_is_one(sim: SimCloud) -> None:
    t = sim.tenant("racer")
    sim.admin.put(f"{N}/quotas/{t.project}", {"quota": {"network": 1}})
    ask = ("POST", "/networks", {"network": {"name": "n"}})
    assert together(t, ask, ask) == [201, 409]
    assert together(t, *[("GET", "/security-groups", None)] * 4) == [200] * 4
    assert len(t.get(f"{N}/security-groups?name=default")["security_groups"]) == 1
    own = store.GROUPS.c.project_id == t.project
    refused_twice(sim, store.GROUPS, "default group", own, store.GROUPS.c.is_default.is_(True), id="x" * 36)
