# SPDX-License-Identifier: Apache-2.0
"""Who may do what with an image by the operator's own rules, and what a download and a full quota say."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim_cloud import SimCloud, make

I = "/image/v2/images"  # noqa: E741 - images
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def ruled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SimCloud, Path]]:
    """A cloud with a policy file, and the file."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    file = tmp_path / "policy.yaml"
    file.write_text("{}\n")
    cloud = make(state=tmp_path)
    cloud.start()
    try:
        yield SimCloud(cloud), file
    finally:
        cloud.stop()


def rule(sim: SimCloud, file: Path, text: str) -> None:
    file.write_text(text)
    sim.cloud.loops.once("identity.follow")


@pytest.mark.parametrize(
    ("name", "method", "path", "body", "kind"),
    [
        ("upload_image", "PUT", "file", b"x", "application/octet-stream"),
        ("modify_image", "PUT", "stage", b"x", "application/octet-stream"),
        (
            "modify_image",
            "PATCH",
            "",
            b'[{"op":"replace","path":"/name","value":"n"}]',
            "application/openstack-images-v2.1-json-patch",
        ),
        ("modify_image", "PUT", "tags/t", b"", ""),
        ("modify_image", "POST", "import", b'{"method":{"name":"glance-direct"}}', "application/json"),
        ("download_image", "GET", "file", b"", ""),
        ("get_image", "GET", "", b"", ""),
        ("get_image", "GET", "tasks", b"", ""),
        ("deactivate", "POST", "actions/deactivate", b"", ""),
        ("reactivate", "POST", "actions/reactivate", b"", ""),
        ("add_member", "POST", "members", b'{"member":"x"}', "application/json"),
        ("get_members", "GET", "members", b"", ""),
        ("delete_image", "DELETE", "", b"", ""),
    ],
)
def test_each_rule_is_asked(
    ruled: tuple[SimCloud, Path], name: str, method: str, path: str, body: bytes, kind: str
) -> None:
    """The owner may, until the operator's file says who may; the refusal names the rule, and nothing was changed."""
    sim, file = ruled
    anna = sim.tenant("anna")
    staged = path == "import"
    if path in {"file", "stage", "import"} and method != "GET":
        id = anna.post(I, {"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
        if staged:
            assert anna.ask("PUT", f"{I}/{id}/stage", raw=b"x", headers=OCTETS).code == 204
    else:
        id = sim.image(anna, data=b"x")["id"]
    if path == "members":
        anna.ask(
            "PATCH",
            f"{I}/{id}",
            raw=b'[{"op":"replace","path":"/visibility","value":"shared"}]',
            headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
        )
    before = anna.get(f"{I}/{id}")
    where = f"{I}/{id}" + (f"/{path}" if path else "")
    headers = {"Content-Type": kind} if kind else {}
    rule(sim, file, f'"{name}": "role:keeper"\n')
    got = anna.ask(method, where, raw=body, headers=headers) if body else anna.ask(method, where, headers=headers)
    assert got.code == 403 and name in got.text and "role keeper" in got.text, (got.code, got.text)
    rule(sim, file, "{}\n")
    assert anna.get(f"{I}/{id}") == before, "a refusal changes nothing"
    got = anna.ask(method, where, raw=body, headers=headers) if body else anna.ask(method, where, headers=headers)
    assert got.code < 300, (got.code, got.text)


def test_rules_on_what_an_image_is(ruled: tuple[SimCloud, Path]) -> None:
    """Glance's own facts: owner, visibility, member, properties."""
    sim, file = ruled
    anna, berta = sim.tenant("anna"), sim.tenant("berta")
    plain, marked = sim.image(sim.admin, data=b"x"), sim.image(sim.admin, data=b"x", x_restricted="yes")
    rule(sim, file, '"download_image": "role:admin or not \'yes\':%(x_restricted)s"\n')
    assert anna.ask("GET", f"{I}/{plain['id']}/file").code == 200
    assert anna.ask("GET", f"{I}/{marked['id']}/file").code == 403
    rule(sim, file, '"download_image": "project_id:%(owner)s or project_id:%(member_id)s"\n')
    assert anna.ask("GET", f"{I}/{plain['id']}/file").code == 403
    mine = sim.image(anna, data=b"x", visibility="shared")
    assert anna.ask("GET", f"{I}/{mine['id']}/file").code == 200
    anna.post(f"{I}/{mine['id']}/members", {"member": berta.project})
    assert berta.ask("GET", f"{I}/{mine['id']}/file").code == 200, "a member of the image"
    assert sim.admin.ask("GET", f"{I}/{mine['id']}/file").code == 403
    rule(sim, file, '"get_image": "role:admin or \'public\':%(visibility)s"\n')
    assert anna.ask("GET", f"{I}/{plain['id']}").code == 200 and anna.ask("GET", f"{I}/{mine['id']}").code == 403


def test_ranges(shared: SimCloud) -> None:
    """As Glance: one range by Range or, from clients of old, by Content-Range; 206 with its place, 416 outside, 400 for several."""
    a, data = shared.admin, os.urandom(5000)
    image = shared.image(data=data)
    whole = shared.http.get(f"{I}/{image['id']}/file", headers={"X-Auth-Token": a.token})
    assert (whole.status_code, whole.content, whole.headers["content-length"]) == (200, data, "5000")
    assert (
        whole.headers["content-md5"] == hashlib.md5(data).hexdigest()
        and whole.headers["content-type"] == "application/octet-stream"
    )

    def part(value: str, name: str = "Range") -> tuple[int, bytes, str | None]:
        got = shared.http.get(f"{I}/{image['id']}/file", headers={"X-Auth-Token": a.token, name: value})
        assert got.status_code != 206 or (
            got.headers["content-length"] == str(len(got.content)) and "content-md5" not in got.headers
        )
        return got.status_code, got.content, got.headers.get("content-range")

    assert part("bytes=0-0") == (206, data[:1], "bytes 0-0/5000")
    assert part("bytes=4990-") == (206, data[4990:], "bytes 4990-4999/5000")
    assert part("bytes=-5") == (206, data[-5:], "bytes 4995-4999/5000")
    assert part("bytes=4000-9000") == (206, data[4000:], "bytes 4000-4999/5000")
    assert part("bytes 10-19/5000", "Content-Range") == (206, data[10:20], "bytes 10-19/5000")
    assert part("bytes 10-19/*", "Content-Range") == (206, data[10:20], "bytes 10-19/5000")
    for wrong in ("bytes=5000-", "bytes=9-3", "bytes=x", "items=0-1", "bytes=-"):
        assert part(wrong)[0] == 416, wrong
    assert part("bytes=0-1,4-5")[0] == 400
    assert part("10-19", "Content-Range")[0] == 416


def test_a_full_quota_says_how_much(sim: SimCloud) -> None:
    """413 with the limit and the use, whether the length is said or not; the image waits as before and nothing is kept."""
    anna = sim.tenant("full")
    with sim.cloud.db.write() as tx:
        from virga.authority.store import set_limit

        set_limit(tx, anna.project, "image", "image_size_total", 3)
    sim.image(anna, data=b"x" * (2 << 20))
    id = anna.post(I, {"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
    answer = "the quota image_size_total is 3 MiB, and 2 MiB of it are used"
    got = anna.ask("PUT", f"{I}/{id}/file", raw=b"x" * (2 << 20), headers=OCTETS)
    assert got.code == 413 and answer in got.text, got.text
    streamed = sim.http.put(
        f"{I}/{id}/file", content=iter([b"x" * (1 << 20)] * 3), headers=OCTETS | {"X-Auth-Token": anna.token}
    )
    assert streamed.status_code == 413 and answer in streamed.text, streamed.text
    image = anna.get(f"{I}/{id}")
    assert image["status"] == "queued" and answer in image["os_glance_reason"]
    assert anna.get("/image/v2/info/usage")["usage"]["image_size_total"] == {"usage": 2, "limit": 3}


def test_unified_limits(sim: SimCloud) -> None:
    """Limits of identity bound images by Glance's names: a registered one every project, a project's own that project."""
    a, anna = sim.admin, sim.tenant("unified")
    service = a.get("/identity/v3/services?type=image")["services"][0]["id"]
    registered = [
        {"service_id": service, "resource_name": n, "default_limit": 1}
        for n in ("image_count_total", "image_size_total", "image_stage_total")
    ]
    a.post("/identity/v3/registered_limits", {"registered_limits": registered}, 201)
    usage = anna.get("/image/v2/info/usage")["usage"]
    assert usage["image_count_total"] == {"usage": 0, "limit": 1} and usage["image_size_total"]["limit"] == 1
    id = anna.post(I, {"name": "one", "disk_format": "raw", "container_format": "bare"})["id"]
    assert anna.ask("POST", I, {"name": "two"}).code == 413
    assert anna.ask("PUT", f"{I}/{id}/stage", raw=b"x" * (2 << 20), headers=OCTETS).code == 413
    assert anna.ask("PUT", f"{I}/{id}/file", raw=b"x" * (2 << 20), headers=OCTETS).code == 413
    own = [
        {"project_id": anna.project, "service_id": service, "resource_name": n, "resource_limit": 3}
        for n in ("image_count_total", "image_size_total")
    ]
    a.post("/identity/v3/limits", {"limits": own}, 201)
    assert anna.ask("PUT", f"{I}/{id}/file", raw=b"x" * (2 << 20), headers=OCTETS).code == 204
    assert anna.ask("POST", I, {"name": "two"}).code == 201
    usage = anna.get("/image/v2/info/usage")["usage"]
    assert (usage["image_count_total"], usage["image_size_total"]) == (
        {"usage": 2, "limit": 3},
        {"usage": 2, "limit": 3},
    )
