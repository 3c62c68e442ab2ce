# SPDX-License-Identifier: Apache-2.0
"""The largest body that a shape allows holds nobody up: at most 50 ms of computing inside transactions, at most 5 ms on the event loop.

Times are CPU time of the thread that does the work, so that whatever else the machine does is not in them, and the best of several."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
import time
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
import pytest

import references
from delegation_matrix import Undo, path_of
from pace import slowness
from sim_cloud import SimCloud, Tenant, make
from virga.ground import wire
from virga.ground.db.engine import Database, Tx
from virga.ground.http.api_app import BRIEF, MAX_JSON
from virga.ground.http.table import Route, Service

SERVICES = ("identity", "image", "network", "compute")
WRITE, LOOP = 0.050, 0.005
TRIES = 5
"""A figure above its bound is measured so often at most: what is better once is possible."""
PATTERNS: dict[str, Callable[[int, int], str]] = {
    r"\S": lambda n, i: f"{i}".rjust(n, "x"),
    "^[^,/]+$": lambda n, i: f"{i}".rjust(n, "x"),
    "^[^,/]*$": lambda n, i: f"{i}".rjust(n, "x"),
    "^[a-fA-F0-9]{32}$": lambda n, i: f"{i:032x}",
    "^/.*": lambda n, i: "/" + f"{i}".rjust(n - 1, "x"),
    r"^https?://[^\s]+$": lambda n, i: "http://" + f"{i}".rjust(max(1, n - 7), "x"),
    "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$": lambda n, i: (
        f"00000000-0000-4000-8000-{i:012x}"
    ),
    "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$": lambda n, i: (
        f"00000000-0000-4000-8000-{i:012x}"
    ),
    "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$": lambda n, i: (
        f"fa:16:3e:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"
    ),
    "^[a-zA-Z0-9][a-zA-Z0-9.-]*$": lambda n, i: f"{i}".rjust(n, "x"),
    "^/[0-9a-f.:]+$": lambda n, i: "/" + f"{i}".rjust(n - 1, "0"),
    "^[a-zA-Z0-9-_:. ]{1,255}$": lambda n, i: f"{i}".rjust(min(n, 255), "x"),
}
"""Pattern → (length, number) → a string that fits it."""


class Full(Exception):
    """More than the bytes that there are."""


class Largest:
    """Makes the largest values of a kind, at a microversion: `scale` of each list, map and free form, strings of at most `text`.
    Raises Full once their strings alone are much longer than `size`."""

    def __init__(self, version: wire.Version, scale: float, text: int, size: int) -> None:
        self.version, self.scale, self.text, self.left = version, scale, text, size
        self.next = itertools.count(1)

    def many(self, metas: list[msgspec.Meta], where: str) -> int:
        most = next((m.max_length for m in metas if m.max_length is not None), None)
        assert most is not None, f"{where}: without max_length"
        least = next((m.min_length for m in metas if m.min_length is not None), 0)
        return max(least, min(most, max(1, int(most * self.scale))))

    def string(self, metas: list[msgspec.Meta]) -> str:
        most = next((m.max_length for m in metas if m.max_length is not None), 255)
        least = next((m.min_length for m in metas if m.min_length is not None), 0)
        pattern = next((m.pattern for m in metas if m.pattern is not None), None)
        number, length = next(self.next), max(least, min(most, self.text))
        if pattern is None:
            return f"{number}".rjust(length, "x")[:most]
        assert pattern in PATTERNS, f"no generator in PATTERNS for {pattern}"
        return PATTERNS[pattern](length, number)[:most]

    def spent(self, made: str) -> str:
        self.left -= len(made) + 3
        if self.left < 0:
            raise Full
        return made

    def free(self, bound: wire.free) -> dict[str, Any]:
        """The most values that so many bytes hold: lists in lists."""
        nest: list[Any] = []
        for _ in range(bound.depth - 2):
            nest = [nest]
        deep: Any = nest if bound.depth > 1 else 0
        each = len(json.dumps(deep)) + 9
        return {f"{i:x}": deep for i in range(max(1, int(bound.size * self.scale) // each))}

    def of(self, kind: Any, where: str = "", metas: list[msgspec.Meta] | None = None) -> Any:
        """The largest value of `kind`."""
        metas = metas or []
        origin, args = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            bound = next((m for m in args[1:] if isinstance(m, wire.free)), None)
            if bound is not None:
                return self.free(bound)
            return self.of(args[0], where, [*metas, *(m for m in args[1:] if isinstance(m, msgspec.Meta))])
        if origin is Literal:
            return max(args, key=lambda each: len(str(each)))
        if origin in (typing.Union, types.UnionType):
            parts = [self.of(p, where, metas) for p in args if p not in (type(None), msgspec.UnsetType)]
            return max(parts, key=lambda each: len(json.dumps(each))) if len(parts) > 1 else next(iter(parts), None)
        if kind in (type(None), None, bool):
            return None if kind is not bool else False
        if kind is str:
            return self.spent(self.string(metas))
        if kind in (int, float):
            most = [m.le if m.le is not None else m.lt - 1 for m in metas if m.le is not None or m.lt is not None]
            assert most, f"{where}: a number without a maximum"
            return kind(most[0])
        if origin in (list, set, frozenset, tuple):
            return [self.of(args[0], f"{where}[]") for _ in range(self.many(metas, where))]
        if origin is dict:
            made = [(self.of(args[0], where), self.of(args[1], f"{where}{{}}")) for _ in range(self.many(metas, where))]
            return dict(made)
        assert isinstance(kind, type) and issubclass(kind, msgspec.Struct), f"{where}: what is {kind}?"
        return self.struct(kind, where)

    def struct(self, kind: type[msgspec.Struct], where: str) -> dict[str, Any]:
        hints, out = typing.get_type_hints(kind, include_extras=True), {}
        for f in msgspec.structs.fields(kind):
            marks = wire._marks(hints[f.name])
            if not wire._live(marks, self.version):
                continue
            name = next((m.name for m in marks if isinstance(m, wire.named)), f.encode_name)
            made = self.of(hints[f.name], f"{where}.{name}")
            if f.name == "extra" and issubclass(kind, wire.Open):
                out |= made
            else:
                out[name] = made
        return out


def at_most(make: Callable[[float], Any], size: int) -> bytes | None:
    """The largest that `make(scale)` gives in `size` bytes; None when even the smallest is longer."""

    def written(scale: float) -> bytes:
        try:
            return json.dumps(make(scale), separators=(",", ":")).encode()
        except Full:
            return b" " * (size + 1)

    low, best = 2.0**-12, b""
    scale = low
    while True:
        made = written(scale)
        if len(made) > size:
            break
        low, best = scale, made
        if scale >= 1:
            return best
        scale *= 4
    if not best:
        return None
    high = scale
    for _ in range(3):
        middle = (low + high) / 2
        made = written(middle)
        if len(made) <= size:
            low, best = middle, made
        else:
            high = middle
    return best


def bodies(route: Route, version: wire.Version, size: int) -> list[bytes]:
    """The largest bodies of a route within `size` bytes: with strings as long as they may be, and with as many values as may be."""
    found: dict[bytes, None] = {}
    for text in (65536, 1):

        def whole(scale: float, text: int = text) -> Any:
            assert route.body is not None
            largest = Largest(version, scale, text, 2 * size)
            if route.bulk is not None:
                many = max(1, int(route.most * scale))
                return {route.bulk: [largest.of(route.body, route.bulk) for _ in range(many)]}
            inner = largest.of(route.body, route.body.__name__)
            if route.verb is not None:
                return {route.verb: inner}
            return {route.key: inner} if route.key is not None else inner

        made = at_most(whole, size)
        if made is None:  # one string of each kind is already too much
            made = at_most(lambda scale: whole(scale, 255), size)
        if made is None and size <= BRIEF:
            continue  # a body of this shape with every field is never read on the loop
        assert made is not None, f"{references.key(route)}: no body of {size} bytes"
        found[made] = None
    return list(found)


class Meter:
    """CPU time that the calls' threads spend in write transactions, and the longest that anything holds the event loop."""

    def __init__(self) -> None:
        self.writes, self.hold, self.entered = 0.0, 0.0, 0

    def reset(self) -> None:
        self.writes, self.hold, self.entered = 0.0, 0.0, 0


@contextlib.contextmanager
def metered(db: Database, *, dry: bool) -> Iterator[Meter]:
    """Measure what calls do meanwhile; `dry` takes back what they write."""
    meter, real, run = Meter(), db.write, asyncio.Handle._run

    @contextlib.contextmanager
    def write() -> Iterator[Tx]:
        if not threading.current_thread().name.startswith(("call", "slow")):
            with real() as tx:
                yield tx
            return
        began = time.thread_time()
        try:
            with real() as tx:
                began = time.thread_time()
                yield tx
                if dry:
                    raise Undo
        except Undo:
            pass
        finally:
            meter.writes += time.thread_time() - began
            meter.entered += 1

    def timed(self: asyncio.Handle) -> None:
        began = time.thread_time()
        run(self)
        meter.hold = max(meter.hold, time.thread_time() - began)

    db.write = write  # type: ignore[method-assign]
    asyncio.Handle._run = timed  # type: ignore[attr-defined]
    try:
        yield meter
    finally:
        db.write = real  # type: ignore[method-assign]
        asyncio.Handle._run = run  # type: ignore[attr-defined]


def measured(meter: Meter, ask: Callable[[], int], tries: int = TRIES) -> tuple[float, float, int]:
    """Best times in transactions and on the loop of what `ask` asks, and the code of the answer."""
    writes = hold = float("inf")
    code, slow = 0, 1.0
    for _ in range(tries):
        meter.reset()
        code = ask()
        writes, hold = min(writes, meter.writes / slow), min(hold, meter.hold / slow)
        if writes > WRITE or hold > LOOP:
            slow = slowness()
        else:
            break
    return writes, hold, code


@pytest.fixture(scope="module")
def sim() -> Iterator[SimCloud]:
    cloud = make()
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


def things(sim: SimCloud) -> dict[str, str]:
    """The segment of a path before an id → the id of something that is there."""
    case = references.Case(sim, sim.admin, sim.admin, *references.nouns())
    helper = sim.tenant("large")
    out = {"users": helper.user, "projects": helper.project, "tenants": helper.project, "quotas": helper.project}
    out |= {"os-quota-sets": helper.project, "images": sim.image()["id"]}
    named = {"networks": "network", "subnets": "subnet", "ports": "port", "routers": "router", "servers": "server"}
    named |= {"security-groups": "security group", "floatingips": "floating ip"}
    return out | {segment: case.own(noun) for segment, noun in named.items() if noun in case.make}


def versioned(service: Service) -> dict[str, str]:
    version = references.spoken(service)
    return {"OpenStack-API-Version": f"{service.versions.service} {version[0]}.{version[1]}"} if any(version) else {}


@pytest.mark.parametrize("name", SERVICES)
def test_the_largest_body_of_every_route(sim: SimCloud, name: str) -> None:
    """Its ids are of nothing, so that much of it is refused: the reading and the first looks are what is timed here."""
    service = next(s for s in sim.cloud.services if s.name == name)
    there, slow, told = _things(sim), [], []
    with metered(sim.cloud.db, dry=True) as meter:
        for route in service.routes:
            if route.body is None or route.stream or route.method not in {"POST", "PUT", "PATCH"}:
                continue
            version = min(references.spoken(service), route.until)
            kind = {"Content-Type": route.accepts[0]}
            for size in (BRIEF, MAX_JSON):
                for body in bodies(route, version, size):
                    path = service.path + path_of(route, there)

                    def ask(
                        route: Route = route, path: str = path, body: bytes = body, kind: dict[str, str] = kind
                    ) -> int:
                        return sim.admin.ask(route.method, path, raw=body, headers=versioned(service) | kind).code

                    writes, hold, code = measured(meter, ask)
                    line = f"{references.key(route)}: {len(body)} bytes: {code}, {writes * 1e3:.1f} ms in transactions, {hold * 1e3:.1f} ms on the loop"
                    told.append(line)
                    assert code not in {413, 415, 500}, line
                    if writes > WRITE or hold > LOOP:
                        slow.append(line)
    print("\n".join(told))
    assert told and not slow, "\n".join(slow)


_THERE: dict[int, dict[str, str]] = {}


def _things(sim: SimCloud) -> dict[str, str]:
    if id(sim) not in _THERE:
        _THERE[id(sim)] = things(sim)
    return _THERE[id(sim)]


N, C = "/network/v2.0", "/compute/v2.1"
FREE = ("network", "subnet", "port", "router", "security_group", "security_group_rule", "floatingip")


def _networks(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    many = [{"name": f"{i}".rjust(255, "n"), "description": "d" * 255} for i in range(50)]
    return lambda: who.ask("POST", f"{N}/networks", {"networks": many}).code


def _network(who: Tenant) -> str:
    return str(who.post(f"{N}/networks", {"network": {"name": "n"}})["network"]["id"])


def _image(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    id = sim.image(who)["id"]
    body = [{"op": "add", "path": f"/k{i % 120}", "value": "v" * 255} for i in range(300)]
    kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    return lambda: who.ask("PATCH", f"/image/v2/images/{id}", raw=json.dumps(body).encode(), headers=kind).code


def _tags(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    path = f"{N}/networks/{_network(who)}/tags"
    return lambda: who.ask("PUT", path, {"tags": [f"{i}".rjust(60, "t") for i in range(50)]}).code


def _quota(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    return lambda: sim.admin.ask("PUT", f"{N}/quotas/{who.project}", {"quota": dict.fromkeys(FREE, 2**31 - 1)}).code


def _subnets(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    on = _network(who)
    many = [{"network_id": on, "cidr": f"10.{i}.0.0/24", "name": f"{i}".rjust(255, "s")} for i in range(50)]
    return lambda: who.ask("POST", f"{N}/subnets", {"subnets": many}).code


def _pools(first: int) -> list[dict[str, str]]:
    return [{"start": f"10.{first}.{i}.10", "end": f"10.{first}.{i}.200"} for i in range(64)]


def _pooled(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    one = {"network_id": _network(who), "cidr": "10.7.0.0/16", "allocation_pools": _pools(7)}
    return lambda: who.ask("POST", f"{N}/subnets", {"subnet": one}).code


def _whole_subnets(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    on = _network(who)
    many = [
        {
            "network_id": on,
            "cidr": f"10.{i}.0.0/16",
            "allocation_pools": _pools(i),
            "dns_nameservers": [f"9.9.9.{n}" for n in range(16)],
            "host_routes": [{"destination": f"192.168.{n}.0/24", "nexthop": f"10.{i}.0.{n + 1}"} for n in range(64)],
        }
        for i in range(50)
    ]
    return lambda: who.ask("POST", f"{N}/subnets", {"subnets": many}).code


def _ports(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    on = _network(who)
    who.post(f"{N}/subnets", {"subnet": {"network_id": on, "cidr": "10.7.0.0/16", "allocation_pools": _pools(7)}}, 201)
    group = who.post(f"{N}/security-groups", {"security_group": {"name": "g"}})["security_group"]["id"]
    many = [{"network_id": on, "name": f"{i}".rjust(255, "p"), "security_groups": [group]} for i in range(50)]
    return lambda: who.ask("POST", f"{N}/ports", {"ports": many}).code


def _whole_ports(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    on = _network(who)
    who.post(f"{N}/subnets", {"subnet": {"network_id": on, "cidr": "10.7.0.0/16"}}, 201)
    many = [{"name": f"{i}"} for i in range(64)]
    half = [who.post(f"{N}/security-groups", {"security_groups": some}) for some in (many[:50], many[50:])]
    groups = [group["id"] for made in half for group in made["security_groups"]]
    ports = [
        {
            "network_id": on,
            "security_groups": groups,
            "fixed_ips": [{"ip_address": f"10.7.{i + 1}.{n + 1}"} for n in range(16)],
        }
        for i in range(50)
    ]
    return lambda: who.ask("POST", f"{N}/ports", {"ports": ports}).code


def _rules(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    group = who.post(f"{N}/security-groups", {"security_group": {"name": "g"}})["security_group"]["id"]
    one = {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "remote_group_id": group}
    many = [one | {"port_range_min": i + 1, "port_range_max": i + 1, "description": "d" * 255} for i in range(50)]
    return lambda: who.ask("POST", f"{N}/security-group-rules", {"security_group_rules": many}).code


def _groups(sim: SimCloud, who: Tenant) -> Callable[[], int]:
    many = [{"name": f"{i}".rjust(255, "g"), "description": "d" * 255} for i in range(50)]
    return lambda: who.ask("POST", f"{N}/security-groups", {"security_groups": many}).code


WORK = {
    "50 networks": _networks,
    "50 subnets": _subnets,
    "50 subnets with all that they may have": _whole_subnets,
    "a subnet of 64 pools": _pooled,
    "50 ports": _ports,
    "50 ports of 64 groups and 16 addresses": _whole_ports,
    "50 rules of a group": _rules,
    "50 security groups": _groups,
    "300 changes of an image": _image,
    "50 tags": _tags,
    "a quota": _quota,
}


@pytest.mark.parametrize("what", WORK)
def test_the_largest_work(sim: SimCloud, what: str) -> None:
    """Everything in the body is there and is made, and then taken back."""
    who = sim.tenant(f"w{list(WORK).index(what)}")
    sim.admin.put(f"{N}/quotas/{who.project}", {"quota": dict.fromkeys(FREE, -1)})
    ask = WORK[what](sim, who)
    with metered(sim.cloud.db, dry=True) as meter:
        writes, hold, code = measured(meter, ask)
    line = f"{what}: {code}, {writes * 1e3:.1f} ms in {meter.entered} transactions, {hold * 1e3:.1f} ms on the loop"
    print(line)
    assert code < 300 and meter.entered, line
    assert writes <= WRITE and hold <= LOOP, line
