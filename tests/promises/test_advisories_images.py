# SPDX-License-Identifier: Apache-2.0
"""Advisories of Glance that no other test holds, each as an attack on us. docs/security/advisories.md is the whole list."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from sim_cloud import SimCloud, make
from virga.client import wait
from virga.ground import log

OCTETS = {"Content-Type": "application/octet-stream"}
CANARY = "canary-9f31c2"


def test_2012_017_deletes_of_others(shared: SimCloud) -> None:
    """In both APIs: of a public, a shared, a community and a private image of somebody else, and of a protected one of one's own."""
    owner, t = shared.tenant("g12017"), shared.tenant("g12017b")
    images = [shared.image()["id"]]
    images += [shared.image(owner, visibility=v)["id"] for v in ("private", "shared", "community")]
    owner.post(f"/image/v2/images/{images[2]}/members", {"member": t.project})
    t.put(f"/image/v2/images/{images[2]}/members/{t.project}", {"status": "accepted"})
    stored = shared.image(t, protected=True)["id"]
    for version in ("v1", "v2"):
        for id in (*images, stored):
            assert t.ask("DELETE", f"/image/{version}/images/{id}").code in {403, 404}, f"{version} {id}"
    for id in (*images, stored):
        assert shared.admin.get(f"/image/v2/images/{id}")["status"] == "active"


def test_2013_002_a_stores_password_is_in_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """OSSA-2013-002, 2013-007, 2014-004: a store of a wrong address, with its password in its settings: an upload, a download through
    both APIs, what is shown afterwards, and the log say why, and not the password."""
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    log.setup("debug", json=True)
    store = f"away=swift:c?auth_address=http://127.0.0.1:9/identity/v3&user=service:glance&key={CANARY}"
    cloud = make(**{"images.stores": [store]})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        t = sim.tenant("g13002")
        body = {"name": "w", "disk_format": "raw", "container_format": "bare"}
        image = t.post("/image/v2/images", body)
        path = f"/image/v2/images/{image['id']}"
        got = t.ask("PUT", f"{path}/file", raw=b"x" * 5000, headers=OCTETS)
        assert got.code >= 400
        texts = [got.text, str(got.headers)]
        for way in (path, f"{path}/file", f"{path}/locations", "/image/v2/info/stores", "/image/v2/info/stores/detail"):
            for who in (t, sim.admin):
                answer = who.ask("GET", way)
                texts += [answer.text, str(answer.headers)]
        for v1 in ("/image/v1/images/detail", f"/image/v1/images/{image['id']}"):
            answer = t.ask("GET", v1)
            texts += [answer.text, str(answer.headers)]
    finally:
        cloud.stop()
        monkeypatch.undo()
        log.setup("error")
    assert CANARY not in "".join(texts) and CANARY not in output.getvalue()


@pytest.mark.parametrize("way", ["upload", "chunks", "stage", "v1"])
def test_2014_028_the_largest_image(way: str) -> None:
    """However it comes, with and without a length: not a byte of what is longer than an image may be is kept."""
    cloud = make(**{"images.max_bytes": 1 << 20})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        t = sim.tenant("g14028")
        headers = {"X-Auth-Token": t.token} | OCTETS
        whole: Any = b"x" * (2 << 20)
        if way == "v1":
            more = {
                "x-image-meta-name": "w",
                "x-image-meta-disk_format": "raw",
                "x-image-meta-container_format": "bare",
            }
            got = sim.http.post("/image/v1/images", content=iter([whole]), headers=headers | more)
        else:
            body = {"name": "w", "disk_format": "raw", "container_format": "bare"}
            id = t.post("/image/v2/images", body)["id"]
            sent = whole if way == "upload" else (whole[:9000] for _ in range(250))
            path = f"/image/v2/images/{id}/{'stage' if way == 'stage' else 'file'}"
            got = sim.http.put(path, content=sent, headers=headers)
        assert got.status_code == 413, got.text
        for image in t.get("/image/v2/images")["images"]:
            assert image["status"] in {"queued", "uploading", "killed"} and not image["size"], image
    finally:
        cloud.stop()


def test_2015_019_headers_of_the_first_api(shared: SimCloud) -> None:
    """OSSA-2015-019 and OSSA-2016-006: no header and no patch gives an image another state, other bytes or another owner."""
    t = shared.tenant("g15019")
    image = shared.image(t, b"first" * 1000)
    path = f"/image/v2/images/{image['id']}"
    names = ("status", "owner", "size", "checksum", "deleted", "deleted_at", "created_at", "id", "location", "uri")
    for name in names:
        for value in ("queued", "true", "1", "file:///etc/passwd", shared.admin.project):
            for purge in ({}, {"x-glance-registry-purge-props": "true"}):
                t.ask("PUT", f"/image/v1/images/{image['id']}", headers={f"x-image-meta-{name}": value} | purge)
        now = t.get(path)
        for key in ("status", "owner", "size", "checksum", "os_hash_value", "created_at", "id"):
            assert now[key] == image[key], name
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    for op in ({"op": "remove", "path": "/locations/0"}, {"op": "replace", "path": "/locations", "value": []}):
        assert t.ask("PATCH", path, [op], headers=patch).code in {400, 403, 409}
    assert t.ask("PUT", f"{path}/file", raw=b"second", headers=OCTETS).code == 409
    shared.admin.post(f"{path}/actions/deactivate", None, 204)
    t.ask("PUT", f"/image/v1/images/{image['id']}", headers={"x-image-meta-status": "active"})
    assert t.ask("GET", f"{path}/file").code == 403 and t.ask("GET", f"/image/v1/images/{image['id']}").code in {
        403,
        404,
    }
    assert t.get(path)["status"] == "deactivated"


def test_2015_004_imports_that_are_deleted_leave_nothing(shared: SimCloud) -> None:
    """OSSA-2015-004, 2015-013, 2015-020: staged, imported, deleted in the middle, many times: no byte and no use of the quota is left."""
    from virga.services.images.driver import Stores

    t, stores = shared.tenant("g15004"), shared.cloud.registry.use(Stores)
    shared.cloud.loops.once("images.sweep")
    before = stores.default.blobs.ids()
    for n in range(12):
        body = {"name": "w", "disk_format": "raw", "container_format": "bare"}
        path = f"/image/v2/images/{t.post('/image/v2/images', body)['id']}"
        assert t.ask("PUT", f"{path}/stage", raw=b"x" * 200_000, headers=OCTETS).code == 204
        if n % 3:
            t.post(f"{path}/import", {"method": {"name": "glance-direct"}}, 202)
        t.delete(path, 204)

    def empty() -> bool:
        shared.cloud.loops.once("images.sweep")
        return stores.default.blobs.ids() == before and not stores.staging.ids()

    assert wait(empty, 30, every=0.1)
