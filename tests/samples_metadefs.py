# SPDX-License-Identifier: Apache-2.0
"""Scenes of the operations of metadata definitions, for the golden samples."""

from __future__ import annotations

from typing import Any

from samples import Request, Scene, Stage
from virga.services.images.metadefs import schemas

ALL = "/v2/metadefs/namespaces"
COLOUR = {"title": "Colour", "type": "string", "enum": ["red", "blue"], "description": "What it looks like"}
SIZE = {"title": "Size", "type": "integer", "minimum": 1, "default": 4}
WHOLE: dict[str, Any] = {
    "display_name": "Sample",
    "description": "What samples have",
    "visibility": "private",
    "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}],
    "properties": {"colour": COLOUR},
    "objects": [{"name": "box", "description": "A box", "required": ["size"], "properties": {"size": SIZE}}],
    "tags": [{"name": "fragile"}],
}


def _namespace(stage: Stage, name: str = "sample") -> str:
    def made() -> str:
        stage.admin.post(f"/image{ALL}", {"namespace": name} | WHOLE)
        return name

    return str(stage.once(f"namespace {name}", made))


def _read(path: str) -> Scene:
    return lambda stage, version: Request(path)


def _of(path: str = "", body: Any = None, name: str = "sample") -> Scene:
    return lambda stage, version: Request(f"{ALL}/{_namespace(stage, name)}{path}", body)


def _listed(stage: Stage, version: str) -> Request:
    _namespace(stage)
    return Request(f"{ALL}?visibility=private&resource_type=OS::Glance::Image")


# fmt: off
SCENES: dict[str, Scene] = {
    **{f"images.document.{name}": _read(f"/v2/schemas/metadefs/{name}") for name in schemas.OWN},
    "namespaces.index": _listed,
    "namespaces.show": _of(),
    "namespaces.create": lambda stage, version: Request(ALL, {"namespace": "new"} | WHOLE),
    "namespaces.update": _of("", {"namespace": "changed", "display_name": "Changed"}, "changing"),
    "namespaces.delete": _of("", name="going"),
    "items.types": _read("/v2/metadefs/resource_types"),
    "items.associations": _of("/resource_types"),
    "items.add_association": _of("/resource_types", {"name": "OS::Nova::Flavor", "prefix": "box:"}, "filling"),
    "items.remove_association": _of("/resource_types/OS::Nova::Flavor", name="filling"),
    "items.objects": _of("/objects"),
    "items.show_object": _of("/objects/box"),
    "items.add_object": _of("/objects", {"name": "chest", "properties": {"size": SIZE}}, "filling"),
    "items.put_object": _of("/objects/chest", {"name": "chest", "description": "Of oak"}, "filling"),
    "items.remove_object": _of("/objects/chest", name="filling"),
    "items.clear_objects": _of("/objects", name="filling"),
    "items.properties": _of("/properties"),
    "items.show_property": _of("/properties/colour"),
    "items.add_property": _of("/properties", {"name": "size"} | SIZE, "filling"),
    "items.put_property": _of("/properties/size", {"name": "length"} | SIZE, "filling"),
    "items.remove_property": _of("/properties/length", name="filling"),
    "items.clear_properties": _of("/properties", name="filling"),
    "items.tags": _of("/tags"),
    "items.show_tag": _of("/tags/fragile"),
    "items.add_tag": _of("/tags/heavy", name="filling"),
    "items.put_tag": _of("/tags/heavy", {"name": "light"}, "filling"),
    "items.remove_tag": _of("/tags/light", name="filling"),
    "items.set_tags": _of("/tags", {"tags": [{"name": "one"}, {"name": "two"}]}, "filling"),
    "items.clear_tags": _of("/tags", name="filling"),
}
# fmt: on
