# SPDX-License-Identifier: Apache-2.0
"""Images' table (Image API v2)."""

from __future__ import annotations

from virga.ground.http.faults import Faults, glance
from virga.ground.http.table import Route, Service
from virga.services.images import schemas, views, wire
from virga.services.images.actions import caching, data, images, imports, info, listing, locations, members, patch
from virga.services.images.metadefs import routes as metadefs
from virga.services.images.v1 import routes as v1

ROUTES = (
    Route("GET", "/", images.document, view=views.versions, public=True, inline=True),
    Route("GET", "/versions", images.document, view=views.versions_ok, public=True, inline=True),
    Route("GET", "/v2", images.document, view=views.versions_ok, public=True, inline=True),
    *(
        Route("GET", f"/v2/schemas/{name}", images.document, view=views.schema(s), inline=True)
        for name, s in schemas.OWN.items()
    ),
    Route("POST", "/v2/images", images.create, body=wire.CreateImage, view=views.created, code=201),
    Route("GET", "/v2/images", listing.index, view=views.images, query=wire.IMAGES),
    Route("DELETE", "/v2/images", images.delete_nothing),
    Route("GET", "/v2/images/{id}", images.show, view=views.with_locations),
    Route("PATCH", "/v2/images/{id}", patch.update, view=views.with_locations),
    Route("DELETE", "/v2/images/{id}", images.delete, code=204),
    Route("PUT", "/v2/images/{id}/file", data.upload, code=204, stream=True, headers=wire.STORE),
    Route("GET", "/v2/images/{id}/file", data.download, stream=True),
    Route("PUT", "/v2/images/{id}/stage", data.stage, code=204, stream=True, headers=wire.STORE),
    Route(
        "POST",
        "/v2/images/{id}/import",
        imports.start_import,
        body=wire.Import,
        code=202,
        tx="none",
        headers=wire.STORE,
    ),
    Route("GET", "/v2/images/{id}/tasks", info.image_tasks, view=views.image_tasks),
    Route("POST", "/v2/images/{id}/actions/deactivate", images.deactivate, code=204),
    Route("POST", "/v2/images/{id}/actions/reactivate", images.reactivate, code=204),
    Route("PUT", "/v2/images/{id}/tags/{tag}", images.add_tag, code=204),
    Route("DELETE", "/v2/images/{id}/tags/{tag}", images.remove_tag, code=204),
    Route("GET", "/v2/images/{id}/members", members.index, view=views.members),
    Route("POST", "/v2/images/{id}/members", members.create, body=wire.AddMember, view=views.member),
    Route("GET", "/v2/images/{id}/members/{member}", members.show, view=views.member),
    Route("PUT", "/v2/images/{id}/members/{member}", members.update, body=wire.SetMember, view=views.member),
    Route("DELETE", "/v2/images/{id}/members/{member}", members.delete, code=204),
    Route("GET", "/v2/images/{id}/locations", locations.index, view=views.locations),
    Route("POST", "/v2/images/{id}/locations", locations.add, body=wire.AddLocation, code=202, tx="none"),
    Route("DELETE", "/v2/stores/{store}/{id}", locations.delete_from_store, code=204),
    Route("GET", "/v2/info/import", info.methods, view=views.methods, tx="none"),
    Route("GET", "/v2/info/stores", info.stores, view=views.stores, tx="none"),
    Route("GET", "/v2/info/stores/detail", info.stores_detail, view=views.stores_detail, tx="none"),
    Route("GET", "/v2/info/usage", info.usage, view=views.usage),
    Route("GET", "/v2/tasks", info.tasks, view=views.tasks, query=wire.TASKS),
    Route("POST", "/v2/tasks", info.create_task, body=wire.CreateTask),
    Route("GET", "/v2/tasks/{id}", info.task, view=views.task),
    Route("DELETE", "/v2/tasks/{id}", info.delete_task),
    Route("GET", "/v2/cache", caching.state, view=views.cache, tx="none"),
    Route("DELETE", "/v2/cache", caching.clear, code=204, tx="none"),
    Route("POST", "/v2/cache/clean", caching.clean, tx="none"),
    Route("POST", "/v2/cache/prune", caching.prune, view=views.pruned, tx="none"),
    Route("PUT", "/v2/cache/{id}", caching.queue, code=202, tx="none"),
    Route("DELETE", "/v2/cache/{id}", caching.drop, code=204, tx="none"),
    Route("GET", "/v2/cache/nodes/{id}", caching.nodes, tx="none"),
    *metadefs.ROUTES,
    *v1.ROUTES,
)

SERVICE = Service(
    name="image",
    type="image",
    path="/image",
    ports=(9292,),
    catalog="/image",
    routes=ROUTES,
    faults=Faults(glance, over_quota=413),
    # glanceclient to 0.14 asks at the root, whatever the path of the endpoint
    roots=frozenset({"v1/images", "v1/shared-images", "v2/images", "v2/schemas"}),
)
