# SPDX-License-Identifier: Apache-2.0
"""Scenes of the operations of the Image API of 2013, for the golden samples."""

from __future__ import annotations

from samples import Request, Scene, Stage

RAW = {"Content-Type": "application/octet-stream"}
NEW = {
    "x-image-meta-name": "new",
    "x-image-meta-disk_format": "raw",
    "x-image-meta-container_format": "bare",
    "x-image-meta-property-color": "red",
}


def _image(stage: Stage, name: str = "old") -> str:
    def made() -> str:
        image = stage.sim.image(data=b"x" * 512, name=name, visibility="shared", color="red")
        return str(image["id"])

    return str(stage.once(f"image of v1 {name}", made))


def _member(stage: Stage, name: str) -> str:
    def made() -> str:
        project = stage.sim.tenant(name).project
        stage.admin.put(f"/image/v1/images/{_image(stage)}/members/{project}", {})
        return project

    return str(stage.once(f"member of v1 {name}", made))


def _of(path: str = "", name: str = "old") -> Scene:
    return lambda stage, version: Request(f"/v1/images/{_image(stage, name)}{path}")


def _listed(path: str) -> Scene:
    return lambda stage, version: Request(f"/v1/images{path}?name=old&limit=1") if _image(stage) else Request("")


def _changed(stage: Stage, version: str) -> Request:
    headers = {"x-image-meta-name": "changed", "x-image-meta-property-color": "blue"}
    return Request(f"/v1/images/{_image(stage, 'changing in v1')}", headers=headers)


def _members(stage: Stage, version: str) -> Request:
    _member(stage, "shared in v1")
    return Request(f"/v1/images/{_image(stage)}/members")


def _joining(stage: Stage, version: str) -> Request:
    return Request(f"/v1/images/{_image(stage)}/members/{stage.sim.tenant('joining in v1').project}")


def _leaving(stage: Stage, version: str) -> Request:
    return Request(f"/v1/images/{_image(stage)}/members/{_member(stage, 'leaving in v1')}")


SCENES: dict[str, Scene] = {
    "actions.index": _listed(""),
    "actions.index.detail": _listed("/detail"),
    "actions.show": _of(),
    "actions.download": _of(),
    "actions.create": lambda stage, version: Request("/v1/images", raw=b"x" * 512, headers=RAW | NEW),
    "actions.update": _changed,
    "actions.delete": _of("", "going in v1"),
    "actions.image_members": _members,
    "actions.shared_images": lambda stage, version: Request(f"/v1/shared-images/{_member(stage, 'shared in v1')}"),
    "actions.add_member": _joining,
    "actions.remove_member": _leaving,
}
