# SPDX-License-Identifier: Apache-2.0
"""The table of metadata definitions, a part of the Image API v2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virga.ground.act import Act
from virga.ground.http.call import Call
from virga.ground.http.table import Route
from virga.services.images.metadefs import views, wire
from virga.services.images.metadefs.actions import items, namespaces

ALL = "/v2/metadefs/namespaces"
ONE = ALL + "/{namespace}"


def _document(_: Act) -> None:
    return


def _shown(schema: dict[str, Any]) -> Callable[[None, Call], dict[str, Any]]:
    return lambda _, call: schema


ROUTES = (
    *(
        Route("GET", f"/v2/schemas/metadefs/{name}", _document, view=_shown(s), inline=True)
        for name, s in views.SCHEMAS.items()
    ),
    Route("GET", "/v2/metadefs/resource_types", items.types, view=views.types),
    Route("GET", ALL, namespaces.index, view=views.namespaces, query=wire.NAMESPACES),
    Route("POST", ALL, namespaces.create, body=wire.Namespace, view=views.created, code=201),
    Route("GET", ONE, namespaces.show, view=views.namespace, query=wire.NAMESPACE),
    Route("PUT", ONE, namespaces.update, body=wire.SetNamespace, view=views.namespace),
    Route("DELETE", ONE, namespaces.delete, code=204),
    Route("GET", ONE + "/resource_types", items.associations, view=views.associations, query=wire.ITEMS),
    Route(
        "POST", ONE + "/resource_types", items.add_association, body=wire.Association, view=views.association, code=201
    ),
    Route("DELETE", ONE + "/resource_types/{type}", items.remove_association, code=204),
    Route("GET", ONE + "/objects", items.objects, view=views.objects, query=wire.ITEMS),
    Route("POST", ONE + "/objects", items.add_object, body=wire.Object, view=views.object_, code=201),
    Route("DELETE", ONE + "/objects", items.clear_objects, code=204),
    Route("GET", ONE + "/objects/{object}", items.show_object, view=views.object_),
    Route("PUT", ONE + "/objects/{object}", items.put_object, body=wire.Object, view=views.object_),
    Route("DELETE", ONE + "/objects/{object}", items.remove_object, code=204),
    Route("GET", ONE + "/properties", items.properties, view=views.properties, query=wire.ITEMS),
    Route("POST", ONE + "/properties", items.add_property, body=wire.Property, view=views.property_, code=201),
    Route("DELETE", ONE + "/properties", items.clear_properties, code=204),
    Route("GET", ONE + "/properties/{property}", items.show_property, view=views.property_, query=wire.NAMESPACE),
    Route("PUT", ONE + "/properties/{property}", items.put_property, body=wire.Property, view=views.property_),
    Route("DELETE", ONE + "/properties/{property}", items.remove_property, code=204),
    Route("GET", ONE + "/tags", items.tags, view=views.tags, query=wire.ITEMS),
    Route("POST", ONE + "/tags", items.set_tags, body=wire.Tags, view=views.tags, code=201),
    Route("DELETE", ONE + "/tags", items.clear_tags, code=204),
    Route("GET", ONE + "/tags/{tag}", items.show_tag, view=views.tag),
    Route("POST", ONE + "/tags/{tag}", items.add_tag, view=views.tag, code=201),
    Route("PUT", ONE + "/tags/{tag}", items.put_tag, body=wire.Tag, view=views.tag),
    Route("DELETE", ONE + "/tags/{tag}", items.remove_tag, code=204),
)
