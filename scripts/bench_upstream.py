# SPDX-License-Identifier: Apache-2.0
"""Measure OpenStack's own services (from PyPI) beside ours, in one run on one machine: both live at once, every request is measured in
rounds that alternate, so that what else the machine does falls on both. Cost is processor time of all processes of a side, its database
and broker included, per request: it is steadier than rates.

    .venv/bin/python scripts/bench_upstream.py [--only identity,image,network,compute,objects] [--row WORDS] [--rounds 3] [--out docs]

Prints a table; writes performance.json, performance.svg and the table in performance.md to --out. Needs root, `make bench-upstream`
installs what it needs. Everything that it started is stopped at its end, also after Ctrl-C or an error."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upstream.bars import picture
from upstream.client import Crowd, Job, Talk, login, storm
from upstream.sides import ROOT, UPSTREAM, Ours, Side, Theirs, say

FAMILIES = ("identity", "image", "network", "compute", "objects")
OBJECT = os.urandom(4096)
IMAGE = os.urandom(1 << 20) * 16


class Cloud:
    """One side as its user sees it, and what was made in it for the run."""

    def __init__(self, side: Side, sizes: argparse.Namespace) -> None:
        self.side, self.sizes = side, sizes
        self.talk = Talk(side)
        self.urls, self.token, self.project = self.talk.urls, self.talk.token, self.talk.project
        self.kept: dict[str, Any] = {}
        self.last = 0

    def name(self) -> str:
        """A name that was never given before in this cloud."""
        self.last += 1
        return f"bench-{self.last:06}"

    def once(self, what: Callable[[Cloud], Any]) -> Any:
        """What was made by that function at its first call here."""
        if what.__name__ not in self.kept:
            say(f"  {self.side.name}: {(what.__doc__ or what.__name__).splitlines()[0].rstrip('.').lower()}")
            self.kept[what.__name__] = what(self)
        return self.kept[what.__name__]

    def many(self, count: int, job: Job) -> None:
        """Do a job so often, by four clients; nothing is measured."""
        storm(self.token, job, count, 1800, 4)


# -- what both clouds are filled with ----------------------------------------------------------------------------------


def crew(c: Cloud) -> str:
    """A domain with 100 users and 100 projects."""
    url = c.urls["identity"]
    domain = c.talk.post(f"{url}/domains", {"domain": {"name": "bench"}})["domain"]["id"]

    async def one(crowd: Crowd, n: int) -> None:
        await crowd.ask("POST", f"{url}/users", {"user": {"name": c.name(), "domain_id": domain}})
        await crowd.ask("POST", f"{url}/projects", {"project": {"name": c.name(), "domain_id": domain}})

    c.many(100, one)
    return str(domain)


def images(c: Cloud) -> str:
    """100 images, one of them with bytes."""
    url, new = f"{c.urls['image']}/images", {"disk_format": "raw", "container_format": "bare"}
    no_image_quota(c)

    async def one(crowd: Crowd, n: int) -> None:
        await crowd.ask("POST", url, {"name": c.name()} | new)

    c.many(99, one)
    image = c.talk.post(url, {"name": "bytes"} | new)["id"]
    c.talk.ask("PUT", f"{url}/{image}/file", bytes(1 << 20), "application/octet-stream")
    return str(image)


def no_image_quota(c: Cloud) -> None:
    """As many images as the run makes; upstream's Glance knows no quota unless it is configured to ask Keystone for one."""
    url = c.urls["identity"]
    service = c.talk.get(f"{url}/services?type=image")["services"][0]["id"]
    limit = {"service_id": service, "resource_name": "image_count_total", "default_limit": 10**6}
    c.talk.post(f"{url}/registered_limits", {"registered_limits": [limit]})


def network(c: Cloud) -> str:
    """A network with a subnet; no quotas."""
    url = c.urls["network"]
    c.talk.ask("PUT", f"{url}/quotas/{c.project}", {"quota": {"network": -1, "subnet": -1, "port": -1}})
    made = c.talk.post(f"{url}/networks", {"network": {"name": "bench"}})["network"]["id"]
    c.talk.post(f"{url}/subnets", {"subnet": {"network_id": made, "cidr": "10.128.0.0/16", "ip_version": 4}})
    return str(made)


def ports(c: Cloud) -> str:
    """Ports on that network."""
    net, url = c.once(network), f"{c.urls['network']}/ports"

    async def some(crowd: Crowd, n: int) -> None:
        await crowd.ask("POST", url, {"ports": [{"network_id": net, "name": c.name()} for _ in range(20)]})

    c.many(-(-c.sizes.ports // 20), some)
    return str(c.talk.get(f"{url}?limit=1&fields=id")["ports"][0]["id"])


def networks(c: Cloud) -> None:
    """50 networks."""
    c.once(network)

    async def one(crowd: Crowd, n: int) -> None:
        await crowd.ask("POST", f"{c.urls['network']}/networks", {"network": {"name": c.name()}})

    c.many(49, one)


def flavor(c: Cloud) -> str:
    """Five flavors; no quotas."""
    url = c.urls["compute"]
    quota = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
    c.talk.ask("PUT", f"{url}/os-quota-sets/{c.project}", quota)
    for old in c.talk.get(f"{url}/flavors")["flavors"]:
        c.talk.ask("DELETE", f"{url}/flavors/{old['id']}")
    new = [{"flavor": {"name": f"bench{n}", "ram": 64, "vcpus": 1, "disk": 1}} for n in range(5)]
    return str([c.talk.post(f"{url}/flavors", f)["flavor"]["id"] for f in new][-1])


def order(c: Cloud) -> dict[str, Any]:
    """What a new machine is to be."""
    nets = [{"uuid": c.once(network)}]
    return {"name": c.name(), "imageRef": c.once(images), "flavorRef": c.once(flavor), "networks": nets}


def actives(c: Cloud) -> set[str]:
    """Ids of the machines that run. Raises SystemExit when one failed."""
    got = c.talk.get(f"{c.urls['compute']}/servers/detail?limit=1000")["servers"]
    if bad := [s for s in got if s["status"] == "ERROR"]:
        raise SystemExit(f"{c.side.name}: a machine failed: {bad[0].get('fault')}")
    return {s["id"] for s in got if s["status"] == "ACTIVE"}


def boot(c: Cloud, count: int) -> None:
    """So many machines, each by a request of its own; back when all run."""
    url, made = f"{c.urls['compute']}/servers", []

    async def one(crowd: Crowd, n: int) -> None:
        _, raw = await crowd.ask("POST", url, {"server": order(c)})
        made.append(json.loads(raw)["server"]["id"])

    for thing in (network, images, flavor):
        c.once(thing)
    c.many(count, one)
    end = time.monotonic() + 1200
    pause = 0.05
    while not actives(c) >= set(made):
        if time.monotonic() > end:
            raise SystemExit(f"{c.side.name}: {count} machines do not run after 20 minutes")
        threading.Event().wait(pause)
        pause = min(pause * 1.5, 2)


def servers(c: Cloud) -> str:
    """Machines that run."""
    boot(c, c.sizes.servers - len(actives(c)))
    return str(c.talk.get(f"{c.urls['compute']}/servers?limit=1")["servers"][0]["id"])


def container(c: Cloud) -> str:
    """A container with 1,000 objects of 4 KiB."""
    url = f"{c.urls['object-store']}/bench"
    c.talk.ask("PUT", url)

    async def one(crowd: Crowd, n: int) -> None:
        await crowd.ask("PUT", f"{url}/o{n:04}", OBJECT)

    c.many(1000, one)
    return url


# -- rows --------------------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """A request that is measured: `make` prepares a side for so many of them and gives the job. `times` is how often a round asks upstream
    and us (or fewer, if the time of a round is over). `lists` names the member whose items must be as many on both sides."""

    family: str
    name: str
    goal: float
    make: Callable[[Cloud, int], Job]
    times: tuple[int, int] = (200, 4000)
    clients: int = 4
    writes: bool = False
    whole: bool = False  # not bounded by the time of a round
    figures: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def get(of: str, path: str | Callable[[Cloud], str], lists: str = "") -> Callable[[Cloud, int], Job]:
    """A GET of always the same path of a service. A list must have as many items on both sides: how many is kept as `seen`."""

    def make(c: Cloud, times: int) -> Job:
        url = c.urls[of] + (path if isinstance(path, str) else path(c))
        if lists:
            got = c.talk.get(url)
            c.kept["seen"] = len(got[lists] if isinstance(got, dict) else got)

        async def job(crowd: Crowd, n: int) -> None:
            await crowd.ask("GET", url)

        return job

    return make


def check(c: Cloud, times: int) -> Job:
    async def job(crowd: Crowd, n: int) -> None:
        await crowd.ask("GET", f"{c.urls['identity']}/auth/tokens", X_Subject_Token=c.token)

    return job


def rescope(c: Cloud) -> dict[str, Any]:
    identity = {"methods": ["token"], "token": {"id": c.token}}
    return {"auth": {"identity": identity, "scope": {"project": {"id": c.project}}}}


def check_new(c: Cloud, times: int) -> Job:
    url, fresh = f"{c.urls['identity']}/auth/tokens", []
    body = rescope(c)

    async def one(crowd: Crowd, n: int) -> None:
        headers, _ = await crowd.ask("POST", url, body)
        fresh.append(headers[b"x-subject-token"].decode())

    c.many(times, one)

    async def job(crowd: Crowd, n: int) -> None:
        await crowd.ask("GET", url, X_Subject_Token=fresh[n])

    return job


def posts(of: str, path: str, body: Callable[[Cloud], Any]) -> Callable[[Cloud, int], Job]:
    """A POST whose body is made anew each time."""

    def make(c: Cloud, times: int) -> Job:
        url = c.urls[of] + path
        body(c)

        async def job(crowd: Crowd, n: int) -> None:
            await crowd.ask("POST", url, body(c))

        return job

    return make


def password_new(c: Cloud, times: int) -> Job:
    """Users who log in for the first time since the cloud started."""
    url, names = c.urls["identity"], [c.name() for _ in range(times)]
    role = c.talk.get(f"{url}/roles?name=member")["roles"][0]["id"]

    async def one(crowd: Crowd, n: int) -> None:
        new = {"name": names[n], "password": f"secret-{n}", "domain_id": "default"}
        _, raw = await crowd.ask("POST", f"{url}/users", {"user": new})
        user = json.loads(raw)["user"]["id"]
        await crowd.ask("PUT", f"{url}/projects/{c.project}/users/{user}/roles/{role}")

    c.many(times, one)

    async def job(crowd: Crowd, n: int) -> None:
        await crowd.ask("POST", f"{url}/auth/tokens", login(names[n], f"secret-{n}"))

    return job


def grant(c: Cloud, times: int) -> Job:
    url, domain = c.urls["identity"], c.once(crew)
    role = c.talk.get(f"{url}/roles?name=reader")["roles"][0]["id"]
    users = [
        c.talk.post(f"{url}/users", {"user": {"name": c.name(), "domain_id": "default"}})["user"]["id"]
        for _ in range(times)
    ]

    async def job(crowd: Crowd, n: int) -> None:
        await crowd.ask("PUT", f"{url}/domains/{domain}/users/{users[n]}/roles/{role}")

    return job


def update_user(c: Cloud, times: int) -> Job:
    url, new = c.urls["identity"], {"user": {"name": c.name(), "domain_id": "default"}}
    user = c.talk.post(f"{url}/users", new)["user"]["id"]

    async def job(crowd: Crowd, n: int) -> None:
        await crowd.ask("PATCH", f"{url}/users/{user}", {"user": {"description": c.name()}})

    return job


def remove_project(c: Cloud, times: int) -> Job:
    url = f"{c.urls['identity']}/projects"
    made = [
        c.talk.post(url, {"project": {"name": c.name(), "domain_id": "default"}})["project"]["id"] for _ in range(times)
    ]

    async def job(crowd: Crowd, n: int) -> None:
        await crowd.ask("DELETE", f"{url}/{made[n]}")

    return job


def upload(c: Cloud, times: int) -> Job:
    url = f"{c.urls['image']}/images"

    async def job(crowd: Crowd, n: int) -> None:
        _, raw = await crowd.ask("POST", url, {"name": c.name(), "disk_format": "raw", "container_format": "bare"})
        c.kept["uploaded"] = f"{url}/{json.loads(raw)['id']}/file"
        await crowd.ask("PUT", c.kept["uploaded"], IMAGE)

    return job


def download(c: Cloud, times: int) -> Job:
    url = c.kept["uploaded"]

    async def job(crowd: Crowd, n: int) -> None:
        _, raw = await crowd.ask("GET", url)
        assert raw == IMAGE

    return job


def chain(c: Cloud, times: int) -> Job:
    """A network with a subnet and a port."""
    url = c.urls["network"]
    c.once(network)

    async def job(crowd: Crowd, n: int) -> None:
        _, raw = await crowd.ask("POST", f"{url}/networks", {"network": {"name": c.name()}})
        net = json.loads(raw)["network"]["id"]
        subnet = {"network_id": net, "cidr": "10.1.0.0/24", "ip_version": 4}
        await crowd.ask("POST", f"{url}/subnets", {"subnet": subnet})
        await crowd.ask("POST", f"{url}/ports", {"port": {"network_id": net, "name": c.name()}})

    return job


def builds(c: Cloud, times: int) -> Job:
    """Machines, each counted when it runs."""
    for thing in (network, images, flavor):
        c.once(thing)

    async def job(crowd: Crowd, n: int) -> None:
        import asyncio

        url = f"{c.urls['compute']}/servers"
        _, raw = await crowd.ask("POST", url, {"server": order(c)})
        made, pause = json.loads(raw)["server"]["id"], 0.02
        while True:
            _, raw = await crowd.ask("GET", f"{url}/{made}")
            now = json.loads(raw)["server"]
            if now["status"] == "ACTIVE":
                return
            if now["status"] == "ERROR":
                raise SystemExit(f"{c.side.name}: a machine failed: {now.get('fault')}")
            await asyncio.sleep(pause)
            pause = min(pause * 1.4, 0.5)

    return job


def objects(method: str) -> Callable[[Cloud, int], Job]:
    """An object of 4 KiB, another one each time."""

    def make(c: Cloud, times: int) -> Job:
        url = c.once(container)
        names = [c.name() for _ in range(times)] if method == "PUT" else [f"o{n % 1000:04}" for n in range(times)]
        if method == "PUT":
            c.talk.ask("PUT", f"{url}-new")
            url += "-new"

        async def job(crowd: Crowd, n: int) -> None:
            await crowd.ask(method, f"{url}/{names[n]}", OBJECT if method == "PUT" else None)

        return job

    return make


def of_default(c: Cloud) -> dict[str, str]:
    return {"name": c.name(), "domain_id": "default"}


LIST, WRITE = (60, 800), (30, 300)
ROWS = [
    Row("identity", "token check", 40, check),
    Row("identity", "token check, first time", 40, check_new, (100, 1000)),
    Row("identity", "token by token", 40, posts("identity", "/auth/tokens", rescope), (100, 1000)),
    Row("identity", "password token, first time", 20, password_new, (12, 40)),
    Row("identity", "catalogue", 40, get("identity", "/auth/catalog")),
    Row("identity", "user get", 40, get("identity", lambda c: f"/users/{c.talk.user}")),
    Row("identity", "project get", 40, get("identity", lambda c: f"/projects/{c.project}")),
    Row("identity", "user list, 100", 40, get("identity", lambda c: f"/users?domain_id={c.once(crew)}", "users"), LIST),
    Row("identity", "project list, 100", 40, get("identity", lambda c: f"/projects?domain_id={c.once(crew)}", "projects"), LIST),
    Row("identity", "project create", 40, posts("identity", "/projects", lambda c: {"project": of_default(c)}), WRITE, writes=True),
    Row("identity", "user create, no password", 40, posts("identity", "/users", lambda c: {"user": of_default(c)}), WRITE, writes=True),
    Row("identity", "user update", 40, update_user, WRITE, 1, writes=True),
    Row("identity", "role grant", 40, grant, WRITE, writes=True),
    Row("identity", "project delete", 40, remove_project, WRITE, writes=True),
    Row("image", "image get", 40, get("image", lambda c: f"/images/{c.once(images)}")),
    Row("image", "image list, 100", 40, get("image", lambda c: c.once(images) and "/images?limit=100", "images"), LIST),
    Row("image", "image create", 40, posts("image", "/images", lambda c: {"name": c.name(), "disk_format": "raw", "container_format": "bare"}), WRITE, writes=True),
    Row("image", "image upload, 16 MiB", 0, upload, (4, 8), 1, writes=True),
    Row("image", "image download, 16 MiB", 0, download, (4, 16), 1),
    Row("network", "port get", 40, get("network", lambda c: f"/ports/{c.once(ports)}")),
    Row("network", "network get", 40, get("network", lambda c: f"/networks/{c.once(network)}")),
    Row("network", "port list", 40, get("network", lambda c: c.once(ports) and f"/ports?limit={c.sizes.ports}", "ports"), (10, 100)),
    Row("network", "network list, 50", 40, get("network", lambda c: c.once(networks) or "/networks?limit=50", "networks"), LIST),
    Row("network", "network + subnet + port", 40, chain, (10, 100), writes=True),
    Row("compute", "flavor list", 40, get("compute", lambda c: c.once(flavor) and "/flavors", "flavors")),
    Row("compute", "server to ACTIVE", 40, builds, (8, 40), writes=True, whole=True),
    Row("compute", "server get", 40, get("compute", lambda c: f"/servers/{c.once(servers)}")),
    Row("compute", "server list", 40, get("compute", lambda c: c.once(servers) and f"/servers?limit={c.sizes.servers}", "servers"), (30, 400)),
    Row("compute", "server list, detail", 50, get("compute", lambda c: c.once(servers) and f"/servers/detail?limit={c.sizes.servers}", "servers"), (10, 100)),
    Row("objects", "object PUT, 4 KiB", 6, objects("PUT"), (400, 2000), writes=True),
    Row("objects", "object GET, 4 KiB", 8, objects("GET"), (400, 4000)),
    Row("objects", "object HEAD", 8, objects("HEAD"), (400, 4000)),
    Row("objects", "container list, 1,000", 8, get("object-store", lambda c: c.once(container) and "/bench?format=json&limit=1000"), (100, 400)),
]  # fmt: skip


# -- the run -----------------------------------------------------------------------------------------------------------


def measure(row: Row, cloud: Cloud, seconds: float) -> None:
    """One round of a row on one side."""
    times = row.times[0 if cloud.side.name != "virga" else 1]
    job = row.make(cloud, times)
    cpu = cloud.side.cpu()
    took, wall = storm(cloud.token, job, times, 1e9 if row.whole else seconds, row.clients)
    if row.writes:  # what the answer left to do is part of its cost
        threading.Event().wait(0.5)
    cost = cloud.side.cpu() - cpu
    row.figures.setdefault(cloud.side.name.partition(" ")[0], []).append(
        {"n": len(took), "wall": wall, "cpu": cost, "ms": took}
    )


def swift(folder: Path, sizes: argparse.Namespace) -> Cloud:
    """Upstream's Swift as a side of its own: a proxy and three servers, one worker each, logins by its own `tempauth`."""
    import bench_objects

    side = Side(folder)
    side.name = "upstream swift"

    class Kept(bench_objects.Swift):
        def run(self, *words: str, **env: str) -> None:
            super().run(*words, **env)
            side.started[f"{len(side.started)}"] = self.processes[-1]

    try:
        made = Kept(folder)
    except BaseException:
        side.stop()
        raise
    cloud = object.__new__(Cloud)
    cloud.side, cloud.sizes, cloud.kept, cloud.last, cloud.token = side, sizes, {}, 0, made.token
    cloud.talk = object.__new__(Talk)
    cloud.talk.token = made.token
    cloud.urls = {"object-store": f"http://{made.host}:{made.port}{made.base}"}
    return cloud


def summary(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """Figures of all rounds of one side together."""
    n, took = sum(r["n"] for r in rounds), sorted(t for r in rounds for t in r["ms"])
    spread = [r["cpu"] * 1000 / r["n"] for r in rounds]
    return {
        "requests": n,
        "cpu_ms": round(sum(r["cpu"] for r in rounds) * 1000 / n, 4),
        "cpu_ms_least": round(min(spread), 4),
        "cpu_ms_most": round(max(spread), 4),
        "per_second": round(n / sum(r["wall"] for r in rounds), 2),
        "p50_ms": round(statistics.median(took), 3),
        "p99_ms": round(took[min(len(took) - 1, int(len(took) * 0.99))], 3),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Rows for people, as Markdown."""
    out = [
        "| request | CPU ms upstream | CPU ms Virga | **CPU ratio** | goal | requests/s upstream | requests/s Virga | rate ratio |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in rows:
        up, us = r["upstream"], r["virga"]
        goal = f"{r['goal']:g}× {'✓' if r['cpu_ratio'] >= r['goal'] else '✗'}" if r["goal"] else ""
        out.append(
            f"| {r['request']} | {up['cpu_ms']:.4g} | {us['cpu_ms']:.3g} | **{r['cpu_ratio']:.3g}×** | {goal} "
            f"| {up['per_second']:.4g} | {us['per_second']:.4g} | {r['rate_ratio']:.3g}× |"
        )
    return "\n".join(out) + "\n"


def machine() -> dict[str, Any]:
    """What the run was made on and with."""
    names = ("keystone", "glance", "nova", "openstack-placement", "neutron")
    code = f"from importlib.metadata import version as v; print(*(n + ' ' + v(n) for n in {names!r}), sep=', ')"
    out = {"date": time.strftime("%Y-%m-%d"), "cpus": os.cpu_count(), "python": platform.python_version()}
    if (UPSTREAM / "bin/python").exists():
        done = subprocess.run([UPSTREAM / "bin/python", "-c", code], capture_output=True, text=True)
        out["upstream"] = done.stdout.strip()
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return out | {"commit": done.stdout.strip()}


def write(folder: Path, result: dict[str, Any]) -> None:
    """performance.json, performance.svg and the table between the marks in performance.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "performance.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    bars = [(r["family"], r["request"], r["upstream"]["cpu_ms"], r["virga"]["cpu_ms"]) for r in result["requests"]]
    (folder / "performance.svg").write_text(
        picture(bars, f"{result['machine']['cpus']} shared cores, {result['machine']['date']}")
    )
    page = folder / "performance.md"
    first, last = "<!-- figures -->\n", "<!-- end of figures -->"
    text = page.read_text() if page.exists() else f"{first}{last}\n"
    facts = "\n".join(
        [
            "| fact | upstream | Virga |",
            "|---|--:|--:|",
            *(f"| {k} | {v[0]} | {v[1]} |" for k, v in result["facts"].items()),
        ]
    )
    head = f"Run of {result['machine']['date']} on {result['machine']['cpus']} shared cores; upstream: {result['machine'].get('upstream', '')}; Swift 2.\n\n"
    before, _, rest = text.partition(first)
    page.write_text(
        before + first + head + table(result["requests"]) + "\n" + facts + "\n" + last + rest.partition(last)[2]
    )


def main() -> None:
    """Start both sides, fill them alike, measure row by row, stop both."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--only", default=",".join(FAMILIES), help="families, with commas")
    words.add_argument("--row", default="", help="only requests that have these words in their names")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument(
        "--seconds", type=float, default=4, help="the most that a round of one request takes on one side"
    )
    words.add_argument(
        "--servers", type=int, default=50, help="machines in the lists (upstream takes about 3 s for one)"
    )
    words.add_argument("--ports", type=int, default=300, help="ports in the list, beside those of machines")
    words.add_argument("--out", type=Path, default=ROOT / "docs")
    words.add_argument("--keep-logs", type=Path, help="copy upstream's logs there before they are removed")
    args = words.parse_args()
    rows = [r for r in ROWS if r.family in args.only.split(",") and args.row in r.name]
    if not rows:
        words.error("nothing to measure")
    if os.getuid():
        raise SystemExit("Upstream's services are started as root: run this as root.")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started us with it ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    folder = Path(tempfile.mkdtemp(prefix="bench-upstream-"))
    sides: list[Side] = []
    try:
        result = run(rows, args, folder, sides)
    except KeyboardInterrupt:
        raise SystemExit("stopped") from None
    finally:
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, signal.SIG_IGN)
        say("stop everything (up to half a minute)")
        for side in reversed(sides):
            side.stop()
        if args.keep_logs:
            shutil.copytree(
                folder,
                args.keep_logs,
                ignore=lambda d, names: [
                    n for n in names if not (n.endswith(".log") or n in ("log", "theirs", "ours"))
                ],
                dirs_exist_ok=True,
            )
        shutil.rmtree(folder, ignore_errors=True)
    write(args.out, result)
    print(table(result["requests"]))
    for name, (up, us) in result["facts"].items():
        print(f"{name:32} upstream {up!s:>8}   virga {us!s:>8}")
    short = [r["request"] for r in result["requests"] if r["goal"] and r["cpu_ratio"] < r["goal"]]
    print("Every goal is met." if not short else f"Short of its goal: {', '.join(short)}")


def run(rows: list[Row], args: argparse.Namespace, folder: Path, sides: list[Side]) -> dict[str, Any]:
    """The whole measurement; `sides` gets what was started as soon as it is, so that it can be stopped."""
    for name in ("ours", "theirs", "swift"):
        (folder / name).mkdir()
    facts: dict[str, list[Any]] = {}
    both = [f for f in FAMILIES if f != "objects" and any(r.family == f for r in rows)]
    clouds: list[Cloud] = []
    for kind, name in ((Theirs, "theirs"), (Ours, "ours")):
        if kind is Theirs and not both:
            continue
        side = kind(folder / name)
        sides.append(side)
        say(f"start {side.name}")
        began = time.perf_counter()
        side.start()
        clouds.append(Cloud(side, args))
        facts.setdefault("from nothing to all APIs, s", []).append(round(time.perf_counter() - began, 1))
    if both:
        idle(clouds, facts)
    for family in FAMILIES:
        todo = [r for r in rows if r.family == family]
        if family == "objects" and todo:
            say("start upstream's Swift")
            other = swift(folder / "swift", args)
            sides.append(other.side)
            clouds = [other, clouds[-1]]
        for row in todo:
            for r in range(args.rounds):
                seen = set()
                for cloud in clouds if r % 2 == 0 else clouds[::-1]:
                    cloud.kept.pop("seen", None)
                    measure(row, cloud, args.seconds)
                    seen.add(cloud.kept.get("seen"))
                if len(seen) > 1:
                    raise SystemExit(f"{row.name}: the sides list different things: {seen}")
            row_now = line(row)
            say(
                f"{row.name:28} CPU {row_now['upstream']['cpu_ms']:9.2f} / {row_now['virga']['cpu_ms']:7.3f} ms = {row_now['cpu_ratio']:6.1f}x   rate {row_now['rate_ratio']:6.1f}x"
            )
        if both and family == both[-1]:
            for cloud in clouds:
                facts.setdefault("memory after the run, MiB PSS", []).append(round(cloud.side.pss()))
    return {"machine": machine(), "facts": facts, "requests": [line(r) for r in rows]}


def idle(clouds: list[Cloud], facts: dict[str, list[Any]]) -> None:
    """What both cost while nobody asks anything."""
    say("both idle for ten seconds")
    threading.Event().wait(5)
    before = [c.side.cpu() for c in clouds]
    threading.Event().wait(10)
    for cloud, was in zip(clouds, before, strict=True):
        facts.setdefault("processes", []).append(len(cloud.side.pids()))
        facts.setdefault("memory idle, MiB PSS", []).append(round(cloud.side.pss()))
        facts.setdefault("idle, % of a core", []).append(round((cloud.side.cpu() - was) * 10, 1))


def line(row: Row) -> dict[str, Any]:
    """A row's result."""
    up, us = summary(row.figures["upstream"]), summary(row.figures["virga"])
    return {
        "family": row.family,
        "request": row.name,
        "goal": row.goal,
        "cpu_ratio": round(up["cpu_ms"] / us["cpu_ms"], 2),
        "rate_ratio": round(us["per_second"] / up["per_second"], 2),
        "upstream": up,
        "virga": us,
    }


if __name__ == "__main__":
    main()
