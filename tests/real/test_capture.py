# SPDX-License-Identifier: Apache-2.0
"""createImage on a real cloud: what a guest wrote is in the machine that is booted from the image, and the server goes on meanwhile."""

from __future__ import annotations

import base64
import json
import os
import time

import pytest

from real_clouds import GUEST, Real
from virga.client import Client, wait
from virga.launch import ensure_image

pytestmark = pytest.mark.real
V = {"OpenStack-API-Version": "compute 2.45"}


def boot(cloud: Client, image: str, script: str, flavor: str = "42") -> str:
    body = {
        "name": "s",
        "imageRef": image,
        "flavorRef": flavor,
        "networks": "none",
        "config_drive": True,
        "user_data": base64.b64encode(f"#!/bin/sh\n{script}\n".encode()).decode(),
    }
    return str(cloud.raw("POST", "/compute/v2.1/servers", {"server": body}, headers=V)[0]["server"]["id"])


def says(cloud: Client, id: str, text: str, seconds: float = 180) -> bool:
    assert wait(lambda: cloud.get(f"/compute/v2.1/servers/{id}")["server"]["status"] == "ACTIVE", 60)
    path = f"/compute/v2.1/servers/{id}/action"
    return bool(wait(lambda: text in cloud.post(path, {"os-getConsoleOutput": {}})["output"], seconds, every=0.5))


def test_what_was_written_is_in_the_image(real: Real) -> None:
    a = real.client()
    image = ensure_image(a, "guest", GUEST, lambda _: None)
    # nothing is synced by the guest: that its file systems stand still for the copy is what brings the file to the disk
    quiesce = [
        {"op": "add", "path": f"/{name}", "value": "yes"} for name in ("hw_qemu_guest_agent", "os_require_quiesce")
    ]
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    a.raw("PATCH", f"/image/v2/images/{image}", quiesce, headers=patch)
    mark = os.urandom(8).hex()
    began = time.monotonic()
    id = boot(a, image, f"echo {mark} > /root/mark; echo 'WRITTEN' 'IT' > /dev/console")
    made: list[str] = []
    try:
        assert wait(lambda: a.get(f"/compute/v2.1/servers/{id}")["server"]["status"] == "ACTIVE", 60, every=0.05)
        active = time.monotonic() - began
        assert says(a, id, "WRITTEN IT")
        began = time.monotonic()
        answer, headers = a.raw(
            "POST", f"/compute/v2.1/servers/{id}/action", {"createImage": {"name": "golden"}}, headers=V
        )
        assert set(answer) == {"image_id"} and "location" not in headers
        made.append(answer["image_id"])
        states = set()

        def ready() -> bool:
            states.add(a.get(f"/compute/v2.1/servers/{id}")["server"]["OS-EXT-STS:task_state"])
            return bool(a.get(f"/image/v2/images/{made[0]}")["status"] == "active")

        assert wait(ready, 120, every=0.05)
        took = time.monotonic() - began
        shown = a.get(f"/image/v2/images/{made[0]}")
        print(
            json.dumps(
                {
                    "seconds from POST to ACTIVE": round(active, 2),
                    "seconds from createImage to active": round(took, 2),
                    "bytes": shown["size"],
                    "task states": sorted(map(str, states)),
                }
            )
        )
        assert shown["disk_format"] == "qcow2" and shown["base_image_ref"] == image and shown["instance_uuid"] == id
        assert {"image_snapshot", "image_uploading"} & states
        assert a.get(f"/compute/v2.1/servers/{id}")["server"]["status"] == "ACTIVE"
        assert wait(lambda: not list((real.state / "machines" / id).glob("copy-*")), 20), "the node keeps no copy"
        a.delete(f"/compute/v2.1/servers/{id}")
        assert wait(lambda: not (real.state / "machines" / id).exists(), 60)
        id = boot(a, made[0], "echo found $(cat /root/mark) > /dev/console")
        assert says(a, id, f"found {mark}")
    finally:
        a.raw(
            "PATCH",
            f"/image/v2/images/{image}",
            [{"op": "remove", "path": each["path"]} for each in quiesce],
            headers=patch,
        )
        a.delete(f"/compute/v2.1/servers/{id}")
        wait(lambda: not (real.state / "machines" / id).exists(), 60)
        for each in made:
            a.delete(f"/image/v2/images/{each}")
