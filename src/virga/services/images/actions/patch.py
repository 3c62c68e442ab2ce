# SPDX-License-Identifier: Apache-2.0
"""PATCH of an image: JSON patch (RFC 6902's add, replace and remove), and the older form that names the path under the verb."""

from __future__ import annotations

from typing import Any

import msgspec

from virga.authority.rules import allow
from virga.ground import wire as ground_wire
from virga.ground.act import Act
from virga.ground.errors import Conflict, Forbidden, Invalid, UnsupportedMedia
from virga.ground.http.call import Call
from virga.ground.wire import given
from virga.services.images import model, policy, properties, store, wire
from virga.services.images.actions import locations
from virga.services.images.actions.images import TAGS, Whole, _may_show, changing, fits_together, found, permit, whole

VERBS = ("add", "remove", "replace")
ALWAYS = (
    "name",
    "owner",
    "visibility",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "protected",
    "os_hidden",
    "tags",
)


class Step(msgspec.Struct, frozen=True):
    """One operation, whichever form it came in; `older` has the rules of the older form."""

    verb: str
    path: list[str]
    value: Any
    older: bool


def update(call: Call, id: str) -> Whole:
    """PATCH /v2/images/{id}: all operations or none."""
    image = changing(call, id)
    steps = read(call)
    permit(call, policy.MODIFY_IMAGE, image)
    doc: dict[str, Any] = (
        {name: getattr(image, name) for name in ALWAYS} | {"tags": list(image.tags)} | image.properties
    )
    for step in steps:
        if step.path[0] == "locations":
            locations.patch(call, image, step.verb, step.path[1] if len(step.path) > 1 else None, step.value)
            image = found(call, call.tx, id)
        else:
            _apply(doc, step, image)
    if steps:
        _keep(call, image, doc)
    return whole(call, found(call, call.tx, id))


def _keep(act: Act, image: model.Image, doc: dict[str, Any]) -> None:
    shape = ground_wire.decode(wire.Settled, msgspec.json.encode(doc))
    assert isinstance(shape, wire.Settled)
    change = given(shape)
    change["owner"] = change["owner"] or image.owner
    if change["owner"] != image.owner:
        allow(act, policy.SET_OWNER)
    if shape.visibility != image.visibility:
        _may_show(act, image.owner, shape.visibility)
    change["properties"] = properties.checked(change.pop("extra"))
    fits_together(act, change["properties"], image.properties)
    change["tags"] = sorted(set(change["tags"]))
    if len(change["tags"]) > TAGS:
        raise Invalid(f"Invalid input for field 'tags': at most {TAGS} tags", field="tags")
    changed = {k: v for k, v in change.items() if v != getattr(image, k)}
    store.put(act.tx, image.id, **changed, updated=act.now())


def read(call: Call) -> list[Step]:
    """The operations of the body, in either media type. Raises UnsupportedMedia, Invalid."""
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip()
    if kind not in {wire.PATCH, wire.PATCH_OLD}:
        raise UnsupportedMedia(
            f"Image PATCH expects Content-Type one of: {wire.PATCH_OLD}, {wire.PATCH}", field="Content-Type"
        )
    try:
        operations = msgspec.json.decode(call.request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise Invalid(f"The body is not JSON: {e}", field="body") from None
    if not isinstance(operations, list):
        raise Invalid("Request body must be a JSON array of operation objects.", field="body")
    if len(operations) > wire.OPERATIONS:
        raise Invalid(f"The body has {len(operations)} operations, at most {wire.OPERATIONS} are taken", field="body")
    return [_step(o, kind == wire.PATCH_OLD) for o in operations]


def _step(operation: Any, older: bool) -> Step:
    if not isinstance(operation, dict):
        raise Invalid("Operations must be JSON objects.", field="body")
    verb: Any
    path: Any
    if older:
        named = [v for v in VERBS if v in operation]
        if len(named) != 1:
            raise Invalid(
                f"Operation objects must contain exactly one member named 'add', 'remove', or 'replace', not {len(named)}.",
                field="op",
            )
        verb, path = named[0], operation[named[0]]
    else:
        verb, path = operation.get("op"), operation.get("path")
        if verb not in VERBS:
            raise Invalid(
                f"Invalid operation: `{str(verb)[:40]}`. It must be one of the following: {', '.join(VERBS)}.",
                field="op",
            )
    if not isinstance(path, str) or not path.startswith("/"):
        raise Invalid(f"Pointer `{str(path)[:80]}` does not start with '/'.", field="path")
    if len(path) > wire.POINTER:
        raise Invalid(f"Pointer `{path[:80]}…` has {len(path)} characters, at most {wire.POINTER}", field="path")
    if path.endswith("/") or "//" in path:
        raise Invalid(f"Pointer `{path[:80]}` contains an empty part, or ends with '/'.", field="path")
    if "~" in path.replace("~0", "").replace("~1", ""):
        raise Invalid(
            f"Pointer `{path[:80]}` contains '~' that is not part of a recognized escape sequence.", field="path"
        )
    parts = [p.replace("~1", "/").replace("~0", "~") for p in path[1:].split("/")]
    deepest = 2 if parts[0] == "locations" and verb != "replace" else 1
    if len(parts) != deepest:
        raise Invalid(f"Invalid JSON pointer for this resource: '{path[:80]}'", field="path")
    if parts[0] != "locations":
        properties.own(parts[0])
    if verb != "remove" and "value" not in operation:
        raise Invalid(f'Operation "{verb}" requires a member named "value".', field="value")
    return Step(verb, parts, operation.get("value"), older)


def _apply(doc: dict[str, Any], step: Step, image: model.Image) -> None:
    name = step.path[0]
    if name in {"disk_format", "container_format"} and image.status != model.QUEUED:
        raise Forbidden(f"Attribute {name} can be only replaced for a queued image.", field=name)
    if step.verb == "remove":
        if name in ALWAYS:
            raise Forbidden(f"Property {name} may not be removed.", field=name)
        if name not in doc:
            raise Conflict(f"Property {name[:64]} does not exist.")
        del doc[name]
        return
    if step.verb == "replace" and name not in doc:
        raise Conflict(f"Property {name[:64]} does not exist.")
    if step.verb == "add" and step.older and name in doc:
        raise Conflict(f"Property {name[:64]} already present.")
    doc[name] = step.value
