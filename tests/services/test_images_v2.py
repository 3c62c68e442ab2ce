# SPDX-License-Identifier: Apache-2.0
"""Images' stories beyond upload and download: sharing, imports, stores, tasks, quota, cache, metadata definitions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant, make
from virga.client import wait
from virga.services.images.driver import Stores
from web_server import WebServer, web

OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
PATCH_OLD = {"Content-Type": "application/openstack-images-v2.0-json-patch"}
I = "/image/v2/images"  # noqa: E741


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with web() as made:
        yield made


@pytest.fixture(scope="module")
def many(server: WebServer) -> Iterator[SimCloud]:
    """A cloud with three stores: the default, a heavier one, the web."""
    cloud = make(
        **{
            "images.stores": ["files=memory:", "fast=memory:?weight=10&description=Fast", "web=http:"],
            "images.import_allow": [f"127.0.0.1:{server.port}"],
        }
    )
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


def create(who: Tenant, **more: Any) -> str:
    return str(who.post(I, {"name": "i", "disk_format": "raw", "container_format": "bare"} | more)["id"])


def over(who: Tenant, id: str) -> Any:
    """The image when nothing is under way any more."""

    def ended() -> Any:
        image = who.get(f"{I}/{id}")
        return image if "os_glance_import_task" not in image else None

    image = wait(ended, 30, every=0.02)
    assert image
    return image


def stage(who: Tenant, id: str, data: bytes) -> None:
    assert who.ask("PUT", f"{I}/{id}/stage", raw=data, headers=OCTETS).code == 204


def content(who: Tenant, id: str) -> bytes:
    return bytes(who.http.get(f"{I}/{id}/file", headers={"X-Auth-Token": who.token}).content)


def test_sharing(sim: SimCloud) -> None:
    anna, boris, carol = sim.tenant("s-anna"), sim.tenant("s-boris"), sim.tenant("s-carol")
    id = create(anna)
    members = f"{I}/{id}/members"
    assert boris.ask("GET", f"{I}/{id}").code == 404 and boris.ask("GET", members).code == 404
    made = anna.post(members, {"member": boris.project}, 200)
    assert (made["status"], made["schema"]) == ("pending", "/v2/schemas/member")
    assert anna.ask("POST", members, {"member": boris.project}).code == 409
    assert boris.get(f"{I}/{id}")["id"] == id and carol.ask("GET", f"{I}/{id}").code == 404
    listed = lambda who, **q: [i["id"] for i in who.get(I + "?" + "&".join(f"{k}={v}" for k, v in q.items()))["images"]]  # noqa: E731
    assert id not in listed(boris) and id in listed(boris, member_status="pending", visibility="shared")
    assert anna.ask("PUT", f"{members}/{boris.project}", {"status": "accepted"}).code == 403, (
        "the owner does not decide for the member"
    )
    assert carol.ask("PUT", f"{members}/{boris.project}", {"status": "accepted"}).code == 404
    assert boris.ask("PUT", f"{members}/{boris.project}", {"status": "maybe"}).code == 400
    boris.put(f"{members}/{boris.project}", {"status": "accepted"}, 200)
    assert id in listed(boris) and id not in listed(carol, member_status="all")
    anna.post(members, {"member": carol.project})
    assert {m["member_id"] for m in anna.get(members)["members"]} == {boris.project, carol.project}
    assert [m["member_id"] for m in boris.get(members)["members"]] == [boris.project], "a member sees itself only"
    assert boris.ask("GET", f"{members}/{carol.project}").code == 404
    assert (
        boris.ask("PATCH", f"{I}/{id}", [{"op": "replace", "path": "/name", "value": "x"}], headers=PATCH).code == 403
    )
    assert boris.ask("DELETE", f"{members}/{boris.project}").code == 403
    anna.delete(f"{members}/{boris.project}", 204)
    assert boris.ask("GET", f"{I}/{id}").code == 404
    anna.ask("PATCH", f"{I}/{id}", [{"op": "replace", "path": "/visibility", "value": "private"}], headers=PATCH)
    assert anna.ask("POST", members, {"member": boris.project}).code == 403
    assert carol.ask("GET", f"{I}/{id}").code == 404, "only a shared image is shared"


def test_community_is_found_when_asked_for(sim: SimCloud) -> None:
    anna, boris = sim.tenant("c-anna"), sim.tenant("c-boris")
    id = create(anna, visibility="community")
    ids = lambda q: [i["id"] for i in boris.get(I + q)["images"]]  # noqa: E731
    assert id not in ids("") and id in ids("?visibility=community") and id in ids("?visibility=all")
    assert boris.get(f"{I}/{id}")["visibility"] == "community"
    assert id in [i["id"] for i in anna.get(I)["images"]]


def test_a_reader_reads(sim: SimCloud) -> None:
    anna, rita = sim.tenant("r-anna"), sim.tenant("r-rita", role="reader")
    sim.admin.get(I)
    image = sim.image()
    assert rita.get(f"{I}/{image['id']}")["id"] == image["id"] and rita.ask("GET", I).code == 200
    assert rita.ask("POST", I, {"name": "x"}).code == 403 and rita.ask("GET", f"{I}/{image['id']}/file").code == 403
    assert anna.ask("GET", f"{I}/{image['id']}/file").code == 200


def test_filters_and_order(sim: SimCloud) -> None:
    a = sim.admin
    for n, name in enumerate(("alpha", "be,ta", "gamma")):
        create(a, name=name, min_ram=n, tags=["t", f"t{n}"], color="red" if n else "blue")
    names = lambda q: [i["name"] for i in a.get(I + q)["images"]]  # noqa: E731
    assert names('?name=in:alpha,"be,ta"&sort=name:asc') == ["alpha", "be,ta"]
    assert names("?sort_key=name&sort_dir=desc") == ["gamma", "be,ta", "alpha"] and names("?sort=name") == [
        "gamma",
        "be,ta",
        "alpha",
    ]
    assert names("?tag=t&tag=t1") == ["be,ta"] and names("?color=blue") == ["alpha"] and names("?color=green") == []
    assert names("?min_ram=2") == ["gamma"] and set(names("?created_at=gte:2020-01-01T00:00:00Z")) == {
        "alpha",
        "be,ta",
        "gamma",
    }
    assert names("?updated_at=lt:2020-01-01T00:00:00Z") == [] and names("?limit=0") == []
    for bad in (
        "name=in:%22x",
        "sort=name:up",
        "sort_key=nope",
        "sort=name&sort_key=id",
        "visibility=secret",
        "member_status=x",
        "os_hidden=maybe",
        "limit=x",
        "marker=00000000-0000-0000-0000-000000000000",
        "created_at=gt:yesterday",
        "changes-since=1",
    ):
        assert a.ask("GET", f"{I}?{bad}").code == 400, bad
    assert len(a.get(f"{I}?limit=2")["images"]) == 2


def test_hidden_images_are_found_when_asked_for(sim: SimCloud) -> None:
    a, anna = sim.admin, sim.tenant("hid-anna")
    id = sim.image(os_hidden=True)["id"]
    for who in (a, anna):
        assert id not in {i["id"] for i in who.get(I)["images"]}
        assert id in {i["id"] for i in who.get(f"{I}?os_hidden=true")["images"]}
        assert who.get(f"{I}/{id}")["os_hidden"] is True
    assert anna.ask("GET", f"{I}/{id}/file").code == 200, "hidden, not locked"


def test_the_first_page_has_25(sim: SimCloud) -> None:
    for _ in range(27):
        create(sim.admin)
    page = sim.admin.get(I)
    assert len(page["images"]) == 25 and len(sim.admin.get("/image" + page["next"])["images"]) == 2


def test_the_older_patch(shared: SimCloud) -> None:
    a, id = shared.admin, create(shared.admin, color="red")

    def patch(*operations: dict[str, Any]) -> int:
        return a.ask("PATCH", f"{I}/{id}", list(operations), headers=PATCH_OLD).code

    assert patch({"replace": "/name", "value": "two"}, {"add": "/size_hint", "value": "s"}, {"remove": "/color"}) == 200
    assert patch({"add": "/size_hint", "value": "t"}) == 409 and patch({"replace": "/color", "value": "x"}) == 409
    assert patch({"add": "/a", "remove": "/b", "value": "x"}) == 400 and patch({"replace": "name", "value": "x"}) == 400
    assert a.get(f"{I}/{id}")["name"] == "two"


@pytest.mark.parametrize(
    ("name", "value"),
    [("hw_disk_bus", "floppy-ish"), ("hw_cpu_cores", "many"), ("os_type", "amiga"), ("hw_firmware_type", "coreboot")],
)
def test_properties_with_meaning(shared: SimCloud, name: str, value: str) -> None:
    got = shared.admin.ask("POST", I, {"name": "x", name: value})
    assert got.code == 400 and name in got.text
    create(
        shared.admin,
        hw_disk_bus="scsi",
        hw_cpu_cores="4",
        os_type="windows",
        hw_firmware_type="uefi",
        anything="at all",
    )


def test_deactivate(shared: SimCloud) -> None:
    dora = shared.tenant("d-dora")
    image = shared.image(dora)
    net, _ = shared.network(dora)
    dora.post(f"{I}/{image['id']}/actions/deactivate", None, 204)
    assert dora.ask("GET", f"{I}/{image['id']}/file").code == 403
    body = {"name": "vm", "imageRef": image["id"], "flavorRef": "42", "networks": [{"uuid": net["id"]}]}
    assert dora.ask("POST", "/compute/v2.1/servers", {"server": body}).code == 400
    dora.post(f"{I}/{image['id']}/actions/reactivate", None, 204)
    assert dora.get(f"{I}/{image['id']}")["status"] == "active"
    assert dora.ask("POST", f"{I}/{create(dora)}/actions/deactivate").code == 403


def test_import_of_staged_bytes_to_several_stores(many: SimCloud) -> None:
    a, data = many.admin, os.urandom(2_000_003)
    id = create(a)
    assert a.ask("POST", f"{I}/{id}/import", {"method": {"name": "glance-direct"}}).code == 409, "nothing is staged"
    stage(a, id, data)
    image = a.get(f"{I}/{id}")
    assert image["status"] == "uploading" and a.ask("PUT", f"{I}/{id}/stage", raw=b"x", headers=OCTETS).code == 409
    got = a.ask("POST", f"{I}/{id}/import", {"method": {"name": "glance-direct"}, "all_stores": True})
    assert got.code == 202
    image = over(a, id)
    assert (image["status"], image["stores"]) == ("active", "fast,files"), "the heaviest store first"
    assert image["os_hash_value"] == hashlib.sha512(data).hexdigest() and content(a, id) == data
    (task,) = a.get(f"{I}/{id}/tasks")["tasks"]
    assert (task["status"], task["type"], task["request_id"]) == (
        "success",
        "api_image_import",
        got.headers["x-openstack-request-id"],
    )
    assert task["input"]["import_req"]["method"] == {"name": "glance-direct"}
    assert a.get(f"/image/v2/tasks/{task['id']}")["result"] == {"image_id": id}
    assert a.ask("DELETE", f"/image/v2/stores/none/{id}").code == 409
    a.delete(f"/image/v2/stores/fast/{id}", 204)
    assert a.get(f"{I}/{id}")["stores"] == "files" and content(a, id) == data
    assert a.ask("DELETE", f"/image/v2/stores/fast/{id}").code == 404
    assert a.ask("DELETE", f"/image/v2/stores/files/{id}").code == 403, "the last copy"
    assert many.cloud.loops.once("images.sweep")
    assert not many.cloud.registry.use(Stores).by_id["fast"].blobs.ids()
    a.post(f"{I}/{id}/import", {"method": {"name": "copy-image"}, "stores": ["fast"]}, 202)
    assert over(a, id)["stores"] == "fast,files"
    assert a.ask("POST", f"{I}/{id}/import", {"method": {"name": "copy-image"}, "stores": ["fast"]}).code == 400
    anna = many.tenant("copy-anna")
    mine = many.image(anna)
    assert (
        anna.ask("POST", f"{I}/{mine['id']}/import", {"method": {"name": "copy-image"}, "stores": ["fast"]}).code == 403
    )


def test_upload_to_a_store(many: SimCloud) -> None:
    a, id = many.admin, create(many.admin)
    file = f"{I}/{id}/file"
    assert a.ask("PUT", file, raw=b"x", headers=OCTETS | {"X-Image-Meta-Store": "nowhere"}).code == 400
    assert a.ask("PUT", file, raw=b"x", headers=OCTETS | {"X-Image-Meta-Store": "web"}).code == 409
    assert a.ask("PUT", file, raw=b"x" * 100, headers=OCTETS | {"X-Image-Meta-Store": "fast"}).code == 204
    assert a.get(f"{I}/{id}")["stores"] == "fast"


def test_stores_are_described(many: SimCloud) -> None:
    found = many.admin.get("/image/v2/info/stores")["stores"]
    assert found == [
        {"id": "files", "default": "true"},
        {"id": "fast", "description": "Fast"},
        {"id": "web", "read-only": "true"},
    ]
    detail = many.admin.get("/image/v2/info/stores/detail")["stores"]
    assert [(d["id"], d["type"], d["weight"]) for d in detail] == [
        ("files", "file", 0),
        ("fast", "file", 10),
        ("web", "http", 0),
    ]
    assert many.tenant("st-anna").ask("GET", "/image/v2/info/stores/detail").code == 403
    methods = many.admin.get("/image/v2/info/import")["import-methods"]["value"]
    assert methods == ["glance-direct", "web-download", "copy-image", "glance-download"]


def test_import_from_the_web(many: SimCloud, server: WebServer) -> None:
    a, data = many.admin, os.urandom(300_000)
    server.pages["/disk"] = data
    id = create(a)
    a.post(f"{I}/{id}/import", {"method": {"name": "web-download", "uri": f"{server.url}/disk"}}, 202)
    assert over(a, id)["status"] == "active" and content(a, id) == data
    for body, code in (
        ({"method": {"name": "web-download"}}, 400),
        ({"method": {"name": "by-post"}}, 400),
        ({}, 400),
        ({"method": {"name": "web-download", "uri": f"{server.url}/disk"}}, 409),
    ):
        assert a.ask("POST", f"{I}/{id}/import", body).code == code, body
    part = a.http.get(f"{I}/{id}/file", headers={"X-Auth-Token": a.token, "Range": "bytes=-10"})
    assert part.status_code == 206 and part.content == data[-10:]


def test_import_from_another_image(many: SimCloud) -> None:
    a, data = many.admin, os.urandom(5000)
    source = many.image(data=data, hw_disk_bus="scsi", os_distro="debian", speed="88")
    id = create(a, disk_format="iso", container_format="ovf")
    method = {"name": "glance-download", "glance_image_id": source["id"], "glance_region": "RegionOne"}
    assert a.ask("POST", f"{I}/{id}/import", {"method": method | {"glance_image_id": "x"}}).code == 400
    a.post(f"{I}/{id}/import", {"method": method}, 202)
    image = over(a, id)
    assert (image["status"], image["disk_format"], image["container_format"]) == ("active", "raw", "bare")
    assert (
        (image["hw_disk_bus"], image["os_distro"]) == ("scsi", "debian")
        and "speed" not in image
        and content(a, id) == data
    )
    stranger = many.tenant("gd-anna")
    private = many.image(visibility="private")
    own = create(stranger)
    stranger.post(f"{I}/{own}/import", {"method": method | {"glance_image_id": private["id"]}}, 202)
    image = over(stranger, own)
    assert image["status"] == "queued" and "does not exist" in image["os_glance_reason"]


def test_locations(many: SimCloud, server: WebServer) -> None:
    a, data = many.admin, os.urandom(20_000)
    server.pages["/there"] = data
    id = create(a)
    url = f"{server.url}/there"
    wrong = {"os_hash_algo": "sha256", "os_hash_value": "00" * 32}
    a.post(f"{I}/{id}/locations", {"url": url, "validation_data": wrong}, 202)
    image = over(a, id)
    assert image["status"] == "queued" and "hash" in image["os_glance_reason"]
    right = {"os_hash_algo": "sha256", "os_hash_value": hashlib.sha256(data).hexdigest()}
    a.post(f"{I}/{id}/locations", {"url": url, "validation_data": right}, 202)
    image = over(a, id)
    assert (image["status"], image["stores"], image["os_hash_algo"], image["size"]) == (
        "active",
        "web",
        "sha256",
        20_000,
    )
    assert content(a, id) == data and a.get(f"{I}/{id}/locations") == [{"url": url, "metadata": {"store": "web"}}]
    assert (
        a.ask(
            "PATCH",
            f"{I}/{id}",
            [{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}],
            headers=PATCH,
        ).code
        == 403
    )


def test_quota(sim: SimCloud) -> None:
    anna = sim.tenant("q-anna")
    with sim.cloud.db.write() as tx:
        from virga.authority.store import set_limit

        set_limit(tx, anna.project, "image", "image_size_total", 1)
        set_limit(tx, anna.project, "image", "image_stage_total", 1)
        set_limit(tx, anna.project, "image", "image_count_total", 3)
    image = sim.image(anna, data=b"x" * 600_000)
    assert anna.get("/image/v2/info/usage")["usage"]["image_size_total"] == {"usage": 1, "limit": 1}
    id = create(anna)
    got = anna.ask("PUT", f"{I}/{id}/file", raw=b"x" * 10, headers=OCTETS)
    assert got.code == 413 and "image_size_total" in got.text
    assert anna.ask("PUT", f"{I}/{id}/stage", raw=b"x" * 1_100_000, headers=OCTETS).code == 413
    anna.delete(f"{I}/{image['id']}")
    assert anna.ask("PUT", f"{I}/{id}/file", raw=b"x" * 10, headers=OCTETS).code == 204
    create(anna)
    create(anna)
    got = anna.ask("POST", I, {"name": "x"})
    assert got.code == 413 and "image_count_total" in got.text


def test_cache(shared: SimCloud) -> None:
    a, image = shared.admin, shared.image()
    assert shared.tenant("ca-anna").ask("GET", "/image/v2/cache").code == 403
    assert a.ask("PUT", "/image/v2/cache/none").code == 404 and a.ask("PUT", f"/image/v2/cache/{create(a)}").code == 400
    a.put(f"/image/v2/cache/{image['id']}", None, 202)
    assert wait(
        lambda: image["id"] in [c["image_id"] for c in a.get("/image/v2/cache")["cached_images"]], 10, every=0.02
    )
    assert a.ask("DELETE", "/image/v2/cache", headers={"x-image-cache-clear-target": "all"}).code == 400
    a.delete("/image/v2/cache", 204)
    assert a.get("/image/v2/cache") == {"cached_images": [], "queued_images": []}
    assert a.ask("POST", "/image/v2/cache/prune").json == {"total_files_pruned": 0, "total_bytes_pruned": 0}


def test_versions_and_schemas(shared: SimCloud) -> None:
    found = shared.http.get("/image/versions").json()["versions"]
    assert found[0]["id"] == "v2.17" and found[0]["status"] == "CURRENT" and found[-1]["id"] == "v2.0"
    names = ["image", "images", "member", "members", "task", "tasks"]
    names += [
        f"metadefs/{n}"
        for n in (
            "namespace",
            "namespaces",
            "object",
            "objects",
            "property",
            "properties",
            "tag",
            "tags",
            "resource_type",
            "resource_types",
        )
    ]
    for name in names:
        assert "properties" in shared.admin.get(f"/image/v2/schemas/{name}"), name


N = "/image/v2/metadefs/namespaces"


def test_metadefs(sim: SimCloud) -> None:
    a, anna = sim.admin, sim.tenant("m-anna")
    start = anna.get(f"{N}?limit=100")["namespaces"]
    assert {"OS::Compute::LibvirtImage", "OS::Compute::VirtCPUTopology"} <= {n["namespace"] for n in start}
    whole = anna.get(f"{N}/OS::Compute::VirtCPUTopology?resource_type=OS::Glance::Image")
    assert (
        whole["properties"]["hw_cpu_cores"]["type"] == "integer"
        and a.ask("DELETE", f"{N}/OS::Compute::VirtCPUTopology").code == 403
    )
    body = {
        "namespace": "My::Own",
        "display_name": "Mine",
        "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "my_"}],
        "properties": {"size": {"title": "Size", "type": "integer", "minimum": 1}},
        "tags": [{"name": "one"}],
        "objects": [
            {"name": "car", "required": ["wheels"], "properties": {"wheels": {"title": "Wheels", "type": "integer"}}}
        ],
    }
    assert anna.ask("POST", N, body).code == 403
    made = a.ask("POST", N, body)
    assert (
        made.code == 201
        and made.headers["location"] == "/v2/metadefs/namespaces/My::Own"
        and made.json["visibility"] == "private"
    )
    assert a.ask("POST", N, body).code == 409 and anna.ask("GET", f"{N}/My::Own").code == 404, "it is private"
    assert [n["namespace"] for n in a.get(f"{N}?resource_types=OS::Trove::Instance")["namespaces"]] == []
    got = a.get(f"{N}/My::Own?resource_type=OS::Glance::Image")
    assert list(got["properties"]) == ["my_size"] and got["objects"][0]["properties"].keys() == {"my_wheels"}
    a.put(f"{N}/My::Own", {"namespace": "My::Own", "visibility": "public", "protected": False})
    assert anna.get(f"{N}/My::Own/properties")["properties"]["size"]["minimum"] == 1
    one = {"name": "speed", "title": "Speed", "type": "number", "enum": [1, 2]}
    assert (
        a.post(f"{N}/My::Own/properties", one, 201) == one and a.ask("POST", f"{N}/My::Own/properties", one).code == 409
    )
    assert a.put(f"{N}/My::Own/properties/speed", one | {"name": "pace"})["name"] == "pace"
    assert a.ask("POST", f"{N}/My::Own/properties", {"name": "x", "type": "string"}).code == 400, "a title is needed"
    assert [t["name"] for t in a.post(f"{N}/My::Own/tags", {"tags": [{"name": "b"}, {"name": "c"}]}, 201)["tags"]] == [
        "b",
        "c",
    ]
    assert [t["name"] for t in a.get(f"{N}/My::Own/tags")["tags"]] == ["b", "c"], "the others went"
    a.post(f"{N}/My::Own/tags/d", None, 201)
    a.delete(f"{N}/My::Own/tags/b", 204)
    assert a.ask("GET", f"{N}/My::Own/tags/b").code == 404
    a.post(f"{N}/My::Own/resource_types", {"name": "My::Type"}, 201)
    assert "My::Type" in [t["name"] for t in anna.get("/image/v2/metadefs/resource_types")["resource_types"]]
    for part in ("objects", "properties", "tags"):
        a.delete(f"{N}/My::Own/{part}", 204)
    a.delete(f"{N}/My::Own/resource_types/My::Type", 204)
    a.delete(f"{N}/My::Own", 204)
    assert a.ask("GET", f"{N}/My::Own").code == 404
