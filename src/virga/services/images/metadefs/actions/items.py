# SPDX-License-Identifier: Apache-2.0
"""What is in a namespace: objects, properties, tags, and what the namespace is for. One set of verbs for all kinds."""

from __future__ import annotations

from typing import Any

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import given
from virga.services.images.metadefs import model, policy, store, wire
from virga.services.images.metadefs.actions.namespaces import found, object_body

Listed = tuple[model.Namespace, list[model.Item]]
One = tuple[model.Namespace, model.Item]


def _all(call: Call, name: str, kind: str) -> Listed:
    row = found(call, name)
    items = store.items(call.tx, row.id, kind)
    marker, limit = call.query.get("marker"), call.query.whole("limit")
    if marker is not None:
        at = next((n for n, item in enumerate(items) if item.name == marker), None)
        if at is None:
            raise NotFound(f"The {kind} {marker[:80]} was not found in namespace {name}.")
        items = items[at + 1 :]
    return row, items if limit is None else items[:limit]


def _one(act: Act, name: str, kind: str, item: str) -> One:
    row = found(act, name)
    got = store.item(act.tx, row.id, kind, item)
    if got is None:
        raise NotFound(f"The metadata definition {kind} with name={item[:80]} was not found in namespace={name}.")
    return row, got


def _add(act: Act, name: str, kind: str, item: str, body: dict[str, Any]) -> One:
    row = found(act, name)
    allow(act, policy.ADD[kind])
    if not 0 < len(item) <= 80:
        raise Invalid("Invalid input for field 'name': 1 to 80 characters", field="name")
    if store.item(act.tx, row.id, kind, item) is not None:
        raise Conflict(f"A metadata definition {kind} with name={item} already exists in namespace={name}.")
    now = act.now()
    return row, store.ITEMS.insert(
        act.tx, id=act.world.uuid(), namespace_id=row.id, kind=kind, name=item, body=body, created=now, updated=now
    )


def _put(act: Act, name: str, kind: str, item: str, fresh: str, body: dict[str, Any]) -> One:
    _, old = _one(act, name, kind, item)
    allow(act, policy.MODIFY[kind])
    if fresh != item and store.item(act.tx, old.namespace_id, kind, fresh) is not None:
        raise Conflict(f"A metadata definition {kind} with name={fresh} already exists in namespace={name}.")
    store.ITEMS.put(act.tx, old.id, name=fresh, body=body, updated=act.now())
    return _one(act, name, kind, fresh)


def _remove(act: Act, name: str, kind: str, item: str) -> None:
    row, got = _one(act, name, kind, item)
    allow(act, policy.DELETE[kind])
    if row.protected:
        raise Forbidden(f"Metadata definition namespace {name} is protected: nothing of it can be deleted.")
    store.ITEMS.delete(act.tx, store.i.id == got.id)


def _clear(act: Act, name: str, kind: str) -> None:
    row = found(act, name)
    allow(act, policy.DELETE[kind])
    if row.protected:
        raise Forbidden(f"Metadata definition namespace {name} is protected: nothing of it can be deleted.")
    store.clear(act.tx, row.id, kind)


def objects(call: Call, name: str) -> Listed:
    """GET …/objects"""
    return _all(call, name, model.OBJECT)


def show_object(act: Act, name: str, item: str) -> One:
    """GET …/objects/{object}"""
    return _one(act, name, model.OBJECT, item)


def add_object(act: Act, name: str, body: wire.Object) -> One:
    """POST …/objects"""
    return _add(act, name, model.OBJECT, body.name, object_body(body))


def put_object(act: Act, name: str, item: str, body: wire.Object) -> One:
    """PUT …/objects/{object}"""
    return _put(act, name, model.OBJECT, item, body.name, object_body(body))


def remove_object(act: Act, name: str, item: str) -> None:
    """DELETE …/objects/{object}"""
    _remove(act, name, model.OBJECT, item)


def clear_objects(act: Act, name: str) -> None:
    """DELETE …/objects"""
    _clear(act, name, model.OBJECT)


def properties(call: Call, name: str) -> Listed:
    """GET …/properties"""
    return _all(call, name, model.PROPERTY)


def show_property(call: Call, name: str, item: str) -> One:
    """GET …/properties/{property}; with `resource_type` the name has that type's prefix. Raises NotFound."""
    kind = call.query.get("resource_type")
    if kind is not None:
        row = found(call, name)
        type_ = store.item(call.tx, row.id, model.ASSOCIATION, kind)
        prefix = (type_.body.get("prefix") or "") if type_ is not None else None
        if prefix is None or not item.startswith(prefix):
            raise NotFound(
                f"Property {item[:80]} does not start with the expected resource type association prefix of '{kind[:80]}'."
            )
        item = item.removeprefix(prefix)
    return _one(call, name, model.PROPERTY, item)


def _schema(body: wire.Property) -> dict[str, Any]:
    return {k: v for k, v in given(body).items() if k != "name"}


def add_property(act: Act, name: str, body: wire.Property) -> One:
    """POST …/properties"""
    return _add(act, name, model.PROPERTY, body.name, _schema(body))


def put_property(act: Act, name: str, item: str, body: wire.Property) -> One:
    """PUT …/properties/{property}"""
    return _put(act, name, model.PROPERTY, item, body.name, _schema(body))


def remove_property(act: Act, name: str, item: str) -> None:
    """DELETE …/properties/{property}"""
    _remove(act, name, model.PROPERTY, item)


def clear_properties(act: Act, name: str) -> None:
    """DELETE …/properties"""
    _clear(act, name, model.PROPERTY)


def tags(call: Call, name: str) -> Listed:
    """GET …/tags"""
    return _all(call, name, model.TAG)


def show_tag(act: Act, name: str, item: str) -> One:
    """GET …/tags/{tag}"""
    return _one(act, name, model.TAG, item)


def add_tag(act: Act, name: str, item: str) -> One:
    """POST …/tags/{tag}"""
    return _add(act, name, model.TAG, item, {})


def put_tag(act: Act, name: str, item: str, body: wire.Tag) -> One:
    """PUT …/tags/{tag}: another name."""
    return _put(act, name, model.TAG, item, body.name, {})


def remove_tag(act: Act, name: str, item: str) -> None:
    """DELETE …/tags/{tag}"""
    _remove(act, name, model.TAG, item)


def clear_tags(act: Act, name: str) -> None:
    """DELETE …/tags"""
    _clear(act, name, model.TAG)


def set_tags(call: Call, name: str, body: wire.Tags) -> Listed:
    """POST …/tags: these tags instead of those that are there, or besides them with `X-Openstack-Append: true`."""
    row = found(call, name)
    allow(call, policy.ADD[model.TAG])
    if call.request.headers.get("x-openstack-append", "").lower() not in {"true", "1", "yes", "t", "y", "on"}:
        store.clear(call.tx, row.id, model.TAG)
    fresh = [_add(call, name, model.TAG, tag.name, {})[1] for tag in body.tags]
    return row, fresh


def types(act: Act) -> list[model.ResourceType]:
    """GET /v2/metadefs/resource_types"""
    allow(act, policy.READ)
    return store.TYPES.find(act.tx, order=store.TYPES.c.name)


def associations(call: Call, name: str) -> Listed:
    """GET …/resource_types"""
    return _all(call, name, model.ASSOCIATION)


def add_association(act: Act, name: str, body: wire.Association) -> One:
    """POST …/resource_types"""
    more = {k: v for k, v in given(body).items() if k != "name"}
    both = _add(act, name, model.ASSOCIATION, body.name, more)
    store.know_type(act.tx, body.name, act.now())
    return both


def remove_association(act: Act, name: str, item: str) -> None:
    """DELETE …/resource_types/{type}"""
    _remove(act, name, model.ASSOCIATION, item)
