# SPDX-License-Identifier: Apache-2.0
"""Namespaces of metadata definitions."""

from __future__ import annotations

from typing import Any

from virga.authority.rules import allow, is_admin
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET, given
from virga.services.images.metadefs import model, policy, store, wire

NamespaceWithItems = tuple[model.Namespace, list[model.Item]]
KEYS = {
    "created_at": "created",
    "updated_at": "updated",
    "namespace": "namespace",
    "owner": "owner",
    "visibility": "visibility",
    "protected": "protected",
}


def found(act: Act, name: str) -> model.Namespace:
    """A namespace that the caller may know of. Raises NotFound."""
    allow(act, policy.READ)
    row = store.NAMESPACES.one(act.tx, store.n.namespace == name, store.seen(act.actor.project_id, is_admin(act.actor)))
    if row is None:
        raise NotFound(f"Metadata definition namespace={name[:80]} was not found.")
    return row


def index(call: Call) -> Page[NamespaceWithItems]:
    """GET /v2/metadefs/namespaces, with what each is for. Raises Invalid."""
    allow(call, policy.READ)
    q, where = call.query, []
    seen = store.seen(call.actor.project_id, is_admin(call.actor))
    visibility = q.get("visibility")
    if visibility is not None:
        if visibility not in {"public", "private"}:
            raise Invalid(f"Invalid visibility value: {visibility[:40]}", field="visibility")
        where.append(store.n.visibility == visibility)
    if q.get("resource_types"):
        where.append(store.for_types([t.strip() for t in (q.get("resource_types") or "").split(",")]))
    limit = min(q.whole("limit", 25) or 0, 1000)
    key, way = q.get("sort_key", "created_at") or "", q.get("sort_dir", "desc") or ""
    if key not in KEYS or way not in {"asc", "desc"}:
        raise Invalid(f"Invalid sort key or direction: {key[:40]}:{way[:40]}", field="sort_key")
    marker = found(call, q.get("marker") or "").id if "marker" in q else None
    rows = store.NAMESPACES.page(call.tx, *where, seen=seen, sort=[(KEYS[key], way)], marker=marker, limit=limit + 1)
    shown = rows[:limit]
    items = store.ITEMS.within(call.tx, "namespace_id", [r.id for r in shown], store.i.kind == model.ASSOCIATION)
    return Page(
        [(r, [i for i in items if i.namespace_id == r.id]) for r in shown],
        shown[-1].namespace if shown and len(rows) > limit else None,
    )


def show(act: Act, name: str) -> NamespaceWithItems:
    """GET /v2/metadefs/namespaces/{namespace}: with all that is in it."""
    row = found(act, name)
    return row, store.items(act.tx, row.id)


def create(act: Act, body: wire.Namespace) -> NamespaceWithItems:
    """POST /v2/metadefs/namespaces: the namespace and all that is in it, or nothing. Raises Conflict."""
    allow(act, policy.ADD_NAMESPACE)
    if store.NAMESPACES.one(act.tx, store.n.namespace == body.namespace) is not None:
        raise Conflict(f"The metadata definition namespace={body.namespace} already exists.")
    row = write(act.tx, body, act.actor.project_id or "", act.now(), act.world.uuid)
    return row, store.items(act.tx, row.id)


def write(tx: Tx, body: wire.Namespace, owner: str, now: float, mint: Any) -> model.Namespace:
    """The rows of a namespace. Raises Invalid when two things of one kind have one name."""
    row = store.NAMESPACES.insert(
        tx,
        id=mint(),
        namespace=body.namespace,
        display_name=body.display_name,
        description=body.description,
        visibility=body.visibility,
        protected=body.protected,
        owner=body.owner if isinstance(body.owner, str) else owner,
        created=now,
        updated=now,
    )
    parts: list[tuple[str, str, dict[str, Any]]] = [
        (model.ASSOCIATION, a.name, _body(a)) for a in body.resource_type_associations
    ]
    parts += [(model.PROPERTY, name, given(p)) for name, p in body.properties.items()]
    parts += [(model.OBJECT, o.name, object_body(o)) for o in body.objects]
    parts += [(model.TAG, t.name, {}) for t in body.tags]
    taken: set[tuple[str, str]] = set()
    for at, (kind, name, inner) in enumerate(parts):
        if (kind, name) in taken or not 0 < len(name) <= 80:
            raise Invalid(f"The {kind} name '{name[:80]}' is empty, too long, or there twice", field=kind)
        taken.add((kind, name))
        if kind == model.ASSOCIATION:
            store.know_type(tx, name, now)
        store.ITEMS.insert(
            tx, id=mint(), namespace_id=row.id, kind=kind, name=name, body=inner, created=now + at / 1e6, updated=now
        )
    return row


def _body(shape: Any) -> dict[str, Any]:
    return {k: v for k, v in given(shape).items() if k != "name"}


def object_body(o: wire.Object) -> dict[str, Any]:
    body: dict[str, Any] = {"required": o.required}
    if o.description is not UNSET:
        body["description"] = o.description
    if isinstance(o.properties, dict):
        body["properties"] = {k: given(v) for k, v in o.properties.items()}
    return body


def update(act: Act, name: str, body: wire.SetNamespace) -> NamespaceWithItems:
    """PUT /v2/metadefs/namespaces/{namespace}: what is not said becomes what it would be in a new one.
    Raises Conflict."""
    row = found(act, name)
    allow(act, policy.MODIFY_NAMESPACE)
    if (
        body.namespace != row.namespace
        and store.NAMESPACES.one(act.tx, store.n.namespace == body.namespace) is not None
    ):
        raise Conflict(f"The metadata definition namespace={body.namespace} already exists.")
    change = given(body) | {"owner": body.owner if isinstance(body.owner, str) else row.owner}
    store.NAMESPACES.put(act.tx, row.id, **change, updated=act.now())
    return found(act, body.namespace), []


def delete(act: Act, name: str) -> None:
    """DELETE /v2/metadefs/namespaces/{namespace}, with all that is in it. Raises Forbidden."""
    row = found(act, name)
    allow(act, policy.DELETE_NAMESPACE)
    if row.protected:
        raise Forbidden(f"Metadata definition namespace {name} is protected and cannot be deleted.")
    store.clear(act.tx, row.id)
    store.NAMESPACES.delete(act.tx, store.n.id == row.id)
