# SPDX-License-Identifier: Apache-2.0
"""Images' references (see the package)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from references import Case
from sim_cloud import SimCloud, Tenant

I = "/image/v2/images"  # noqa: E741 - images
N = "/image/v2/metadefs/namespaces"
COUNT = itertools.count()


def image(sim: SimCloud, who: Tenant) -> str:
    return str(sim.image(who)["id"])


def task(sim: SimCloud, who: Tenant) -> str:
    """The task of an import."""
    id = who.post(I, {"disk_format": "raw", "container_format": "bare"})["id"]
    octets = {"Content-Type": "application/octet-stream"}
    assert who.ask("PUT", f"{I}/{id}/stage", raw=b"x" * 512, headers=octets).code == 204
    who.post(f"{I}/{id}/import", {"method": {"name": "glance-direct"}})
    return str(who.get(f"{I}/{id}/tasks")["tasks"][0]["id"])


def namespace(sim: SimCloud, who: Tenant) -> str:
    """Namespaces are made by administrators; this one is for its owner alone."""
    name = f"ns-{next(COUNT)}"
    sim.admin.post(N, {"namespace": name, "owner": who.project, "visibility": "private"})
    return name


MAKE: dict[str, Callable[[SimCloud, Tenant], str]] = {"image": image, "task": task, "namespace": namespace}
DROP: dict[str, Callable[[SimCloud, Tenant, str], None]] = {
    "image": lambda sim, who, id: who.delete(f"{I}/{id}"),
    "namespace": lambda sim, who, name: sim.admin.delete(f"{N}/{name}"),
}
GOOD: dict[str, Callable[[Case], list[dict[str, Any]]]] = {
    "POST /v2/images": lambda case: [{"name": "n", "owner": case.me.project}],
}
PATHS: dict[str, Callable[[Case], str]] = {"PUT /v1/images/{id}": lambda case: f"/v1/images/{case.own('image')}"}
ALIKE: dict[str, str] = {}
