# SPDX-License-Identifier: Apache-2.0
"""Scenes of the operations of images (v2), for the golden samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from samples import Request, Scene, Stage
from virga.services.images import schemas

BYTES = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def _image(stage: Stage, name: str = "picture", visibility: str = "private", full: bool = True) -> str:
    def made() -> str:
        more: dict[str, Any] = {"name": name, "visibility": visibility, "color": "red", "tags": ["one"]}
        if full:
            return str(stage.sim.image(data=b"x" * 512, **more)["id"])
        body = {"disk_format": "raw", "container_format": "bare"} | more
        return str(stage.admin.post("/image/v2/images", body)["id"])

    return str(stage.once(f"image {name}", made))


def _of(path: str = "", name: str = "picture", visibility: str = "private", full: bool = True) -> Scene:
    return lambda stage, version: Request(f"/v2/images/{_image(stage, name, visibility, full)}{path}")


def _read(path: str) -> Scene:
    return lambda stage, version: Request(path)


def _bytes(path: str, name: str) -> Scene:
    def scene(stage: Stage, version: str) -> Request:
        return Request(f"/v2/images/{_image(stage, name, full=False)}/{path}", raw=b"x" * 512, headers=BYTES)

    return scene


def _shared(stage: Stage) -> str:
    return _image(stage, "shared", "shared")


def _member(stage: Stage, name: str = "sharing") -> str:
    def made() -> str:
        project = stage.sim.tenant(name).project
        stage.admin.post(f"/image/v2/images/{_shared(stage)}/members", {"member": project})
        return project

    return str(stage.once(f"member {name}", made))


def _new_member(stage: Stage, version: str) -> Request:
    project = stage.sim.tenant("new").project
    return Request(f"/v2/images/{_shared(stage)}/members", {"member": project})


def _membership(path: str = "/{}", name: str = "sharing") -> Scene:
    def scene(stage: Stage, version: str) -> Request:
        member = _member(stage, name)
        return Request(f"/v2/images/{_shared(stage)}/members{path.format(member)}")

    return scene


def _accept(stage: Stage, version: str) -> Request:
    """As an administrator, who may decide for a member."""
    return Request(f"/v2/images/{_shared(stage)}/members/{_member(stage)}", {"status": "accepted"})


def _staged(stage: Stage, version: str) -> Request:
    id = _image(stage, "imported", full=False)
    got = stage.admin.ask("PUT", f"/image/v2/images/{id}/stage", raw=b"x" * 512, headers=BYTES)
    assert got.code == 204, got.text
    return Request(f"/v2/images/{id}/import", {"method": {"name": "glance-direct"}})


def _task(stage: Stage) -> str:
    id = _image(stage, "imported", full=False)
    for _ in range(500):
        tasks = stage.admin.get(f"/image/v2/images/{id}/tasks")["tasks"]
        if tasks and tasks[0]["status"] == "success":
            return str(tasks[0]["id"])
        stage.pause()
    raise AssertionError(f"the import of {id} does not end")


def _patched(stage: Stage, version: str) -> Request:
    raw = b'[{"op": "replace", "path": "/name", "value": "changed"}]'
    return Request(f"/v2/images/{_image(stage, 'changing')}", raw=raw, headers=PATCH)


def _after(thing: Callable[[Stage], str], path: str) -> Scene:
    return lambda stage, version: Request(path.format(thing(stage)))


# fmt: off
SCENES: dict[str, Scene] = {
    "images.document": _read("/"),
    "images.document.versions": _read("/versions"),
    "images.document.v2": _read("/v2"),
    **{f"images.document.{name}": _read(f"/v2/schemas/{name}") for name in schemas.OWN},
    "listing.index": _after(_image, "/v2/images?name=picture&limit=1"),
    "images.show_whole": _of(),
    "data.download": _of("/file"),
    "locations.index": _of("/locations"),
    "members.index": _membership(""),
    "members.show": _membership(),
    "info.methods": _read("/v2/info/import"),
    "info.stores": _read("/v2/info/stores"),
    "info.stores_detail": _read("/v2/info/stores/detail"),
    "info.usage": _read("/v2/info/usage"),
    "images.create_whole": lambda stage, version: Request("/v2/images", {"name": "new", "disk_format": "raw", "container_format": "bare", "color": "red"}),
    "images.delete_nothing": lambda stage, version: Request("/v2/images", refused=True),
    "patch.update": _patched,
    "images.add_tag": _of("/tags/two", "changing"),
    "images.remove_tag": _of("/tags/one", "changing"),
    "images.deactivate": _of("/actions/deactivate", "changing"),
    "images.reactivate": _of("/actions/reactivate", "changing"),
    "images.delete": _of("", "going"),
    "data.upload": _bytes("file", "filled"),
    "data.stage": _bytes("stage", "staged"),
    "imports.start_import": _staged,
    "info.image_tasks": lambda stage, version: Request(f"/v2/images/{_task(stage) and _image(stage, 'imported')}/tasks"),
    "info.task": _after(_task, "/v2/tasks/{}"),
    "info.tasks": _after(_task, "/v2/tasks?limit=1"),
    "info.create_task": lambda stage, version: Request("/v2/tasks", {"type": "import", "input": {}}, refused=True),
    "info.delete_task": lambda stage, version: Request(f"/v2/tasks/{_task(stage)}", refused=True),
    "members.create": _new_member,
    "members.update": _accept,
    "members.delete": _membership(name="leaving"),
    "locations.add": lambda stage, version: Request(f"/v2/images/{_image(stage, 'located', full=False)}/locations", {"url": "http://127.0.0.1/x"}, refused=True),
    "locations.delete_from_store": lambda stage, version: Request(f"/v2/stores/memory/{_image(stage, 'stored')}", refused=True),
    "caching.state": _read("/v2/cache"),
    "caching.queue": _after(_image, "/v2/cache/{}"),
    "caching.drop": _after(_image, "/v2/cache/{}"),
    "caching.clear": _read("/v2/cache"),
    "caching.clean": _read("/v2/cache/clean"),
    "caching.prune": _read("/v2/cache/prune"),
    "caching.nodes": lambda stage, version: Request(f"/v2/cache/nodes/{_image(stage)}", refused=True),
}
# fmt: on
