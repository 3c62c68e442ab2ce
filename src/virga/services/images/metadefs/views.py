# SPDX-License-Identifier: Apache-2.0
"""Metadata definitions as Glance prints them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET
from virga.ground.world import iso
from virga.services.images.metadefs import answers, model

BASE = "/v2/metadefs/namespaces"
SCHEMAS = "/v2/schemas/metadefs"
NamespaceWithItems = tuple[model.Namespace, list[model.Item]]
One = tuple[model.Namespace, model.Item]


def _path(*parts: str) -> str:
    return "/".join([BASE, *(quote(p, safe=":") for p in parts)])


def _of(items: list[model.Item], kind: str) -> list[model.Item]:
    return [i for i in items if i.kind == kind]


def namespace(both: NamespaceWithItems, call: Call) -> answers.Namespace:
    """With all that is in it. With `resource_type` the names of properties have that type's prefix."""
    row, items = both
    types = [_association(i) for i in _of(items, model.ASSOCIATION)]
    prefix = _prefix(types, call.query.get("resource_type"))
    properties = {prefix + i.name: _property(i, prefix) for i in _of(items, model.PROPERTY)}
    objects = [_object(row, i, prefix) for i in _of(items, model.OBJECT)]
    tags = [answers.TagName(name=i.name) for i in _of(items, model.TAG)]
    return answers.Namespace(
        namespace=row.namespace,
        visibility=row.visibility,
        protected=row.protected,
        owner=row.owner,
        self_=_path(row.namespace),
        schema=f"{SCHEMAS}/namespace",
        created_at=iso(row.created),
        updated_at=iso(row.updated),
        display_name=row.display_name if row.display_name is not None else UNSET,
        description=row.description if row.description is not None else UNSET,
        resource_type_associations=types or UNSET,
        properties=properties or UNSET,
        objects=objects or UNSET,
        tags=tags or UNSET,
    )


def _prefix(types: list[answers.Association], wanted: str | None) -> str:
    for each in types:
        if each.name == wanted and each.prefix is not UNSET:
            return each.prefix
    return ""


def created(both: NamespaceWithItems, call: Call) -> Answer:
    return Answer(namespace(both, call), 201, {"location": _path(both[0].namespace)})


def namespaces(page: Page[NamespaceWithItems], call: Call) -> answers.NamespacesAnswer:
    pairs = [(k, v) for k, v in parse_qsl(call.request.raw_query) if k != "marker"]
    return answers.NamespacesAnswer(
        namespaces=[namespace(b, call) for b in page.items],
        schema=f"{SCHEMAS}/namespaces",
        first=BASE + (f"?{urlencode(pairs)}" if pairs else ""),
        next=f"{BASE}?" + urlencode([*pairs, ("marker", page.marker)]) if page.marker else UNSET,
    )


def _object(row: model.Namespace, i: model.Item, prefix: str = "") -> answers.Object:
    body: dict[str, Any] = dict(i.body)
    if "properties" in body:
        body["properties"] = {prefix + k: answers.Described(**v) for k, v in body["properties"].items()}
    return answers.Object(
        **body,
        name=i.name,
        self_=_path(row.namespace, "objects", i.name),
        schema=f"{SCHEMAS}/object",
        created_at=iso(i.created),
        updated_at=iso(i.updated),
    )


def object_(both: One, _: Call) -> answers.Object:
    return _object(*both)


def objects(both: NamespaceWithItems, _: Call) -> answers.ObjectsAnswer:
    return answers.ObjectsAnswer(objects=[_object(both[0], i) for i in both[1]], schema=f"{SCHEMAS}/objects")


def _property(i: model.Item, prefix: str = "") -> answers.Property:
    return answers.Property(**i.body, name=prefix + i.name)


def property_(both: One, _: Call) -> answers.Property:
    return _property(both[1])


def properties(both: NamespaceWithItems, _: Call) -> answers.PropertiesAnswer:
    return answers.PropertiesAnswer(properties={i.name: _property(i) for i in both[1]})


def tag(both: One, _: Call) -> answers.Tag:
    i = both[1]
    return answers.Tag(name=i.name, created_at=iso(i.created), updated_at=iso(i.updated))


def tags(both: NamespaceWithItems, _: Call) -> answers.TagsAnswer:
    return answers.TagsAnswer(tags=[answers.TagName(name=i.name) for i in both[1]])


def _association(i: model.Item) -> answers.Association:
    return answers.Association(name=i.name, **i.body, created_at=iso(i.created), updated_at=iso(i.updated))


def association(both: One, _: Call) -> answers.Association:
    return _association(both[1])


def associations(both: NamespaceWithItems, _: Call) -> answers.AssociationsAnswer:
    return answers.AssociationsAnswer(resource_type_associations=[_association(i) for i in both[1]])


def types(rows: list[model.ResourceType], _: Call) -> answers.ResourceTypesAnswer:
    return answers.ResourceTypesAnswer(
        resource_types=[
            answers.ResourceType(name=t.name, created_at=iso(t.created), updated_at=iso(t.updated)) for t in rows
        ]
    )
