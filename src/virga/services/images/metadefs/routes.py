# SPDX-License-Identifier: Apache-2.0
"""The table of metadata definitions, a part of the Image API v2."""

from __future__ import annotations

from typing import Any

from virga.ground.http.table import Route
from virga.services.images import views as image_views
from virga.services.images.actions import images
from virga.services.images.metadefs import answers, schemas, views, wire
from virga.services.images.metadefs.actions import items, namespaces

ALL = "/v2/metadefs/namespaces"
ONE = ALL + "/{namespace}"

# fmt: off
ROUTES = (
    *(
        Route("GET", f"/v2/schemas/metadefs/{name}", images.document, view=image_views.schema(s), answer=dict[str, Any], inline=True)
        for name, s in schemas.OWN.items()
    ),
    Route("GET", "/v2/metadefs/resource_types", items.types, view=views.types, answer=answers.ResourceTypesAnswer),
    Route("GET", ALL, namespaces.index, view=views.namespaces, answer=answers.NamespacesAnswer, query=wire.NAMESPACES),
    Route("POST", ALL, namespaces.create, body=wire.Namespace, view=views.created, answer=answers.Namespace, sends=answers.MADE, code=201, query=wire.NAMESPACE),
    Route("GET", ONE, namespaces.show, view=views.namespace, answer=answers.Namespace, query=wire.NAMESPACE),
    Route("PUT", ONE, namespaces.update, body=wire.SetNamespace, view=views.namespace, answer=answers.Namespace, query=wire.NAMESPACE),
    Route("DELETE", ONE, namespaces.delete, code=204),
    Route("GET", ONE + "/resource_types", items.associations, view=views.associations, answer=answers.AssociationsAnswer, query=wire.ITEMS),
    Route("POST", ONE + "/resource_types", items.add_association, body=wire.Association, view=views.association, answer=answers.Association, code=201),
    Route("DELETE", ONE + "/resource_types/{type}", items.remove_association, code=204),
    Route("GET", ONE + "/objects", items.objects, view=views.objects, answer=answers.ObjectsAnswer, query=wire.ITEMS),
    Route("POST", ONE + "/objects", items.add_object, body=wire.Object, view=views.object_, answer=answers.Object, code=201),
    Route("DELETE", ONE + "/objects", items.clear_objects, code=204),
    Route("GET", ONE + "/objects/{object}", items.show_object, view=views.object_, answer=answers.Object),
    Route("PUT", ONE + "/objects/{object}", items.put_object, body=wire.Object, view=views.object_, answer=answers.Object),
    Route("DELETE", ONE + "/objects/{object}", items.remove_object, code=204),
    Route("GET", ONE + "/properties", items.properties, view=views.properties, answer=answers.PropertiesAnswer, query=wire.ITEMS),
    Route("POST", ONE + "/properties", items.add_property, body=wire.Property, view=views.property_, answer=answers.Property, code=201),
    Route("DELETE", ONE + "/properties", items.clear_properties, code=204),
    Route("GET", ONE + "/properties/{property}", items.show_property, view=views.property_, answer=answers.Property, query=wire.NAMESPACE),
    Route("PUT", ONE + "/properties/{property}", items.put_property, body=wire.Property, view=views.property_, answer=answers.Property),
    Route("DELETE", ONE + "/properties/{property}", items.remove_property, code=204),
    Route("GET", ONE + "/tags", items.tags, view=views.tags, answer=answers.TagsAnswer, query=wire.ITEMS),
    Route("POST", ONE + "/tags", items.set_tags, body=wire.Tags, view=views.tags, answer=answers.TagsAnswer, code=201),
    Route("DELETE", ONE + "/tags", items.clear_tags, code=204),
    Route("GET", ONE + "/tags/{tag}", items.show_tag, view=views.tag, answer=answers.Tag),
    Route("POST", ONE + "/tags/{tag}", items.add_tag, view=views.tag, answer=answers.Tag, code=201),
    Route("PUT", ONE + "/tags/{tag}", items.put_tag, body=wire.Tag, view=views.tag, answer=answers.Tag),
    Route("DELETE", ONE + "/tags/{tag}", items.remove_tag, code=204),
)
# fmt: on
