# SPDX-License-Identifier: Apache-2.0
"""Images' table (Image API v2)."""

from __future__ import annotations

from typing import Any

from virga.ground.http.faults import Faults, glance
from virga.ground.http.table import Route, Service
from virga.services.images import answers, schemas, views, wire
from virga.services.images.actions import caching, data, images, imports, info, listing, locations, members, patch
from virga.services.images.metadefs import routes as metadefs
from virga.services.images.v1 import routes as v1

# fmt: off
ROUTES = (
    Route("GET", "/", images.document, view=views.versions, answer=answers.VersionsAnswer, code=300, public=True, inline=True),
    Route("GET", "/versions", images.document, view=views.versions, answer=answers.VersionsAnswer, public=True, inline=True),
    Route("GET", "/v2", images.document, view=views.versions, answer=answers.VersionsAnswer, public=True, inline=True),
    *(
        Route("GET", f"/v2/schemas/{name}", images.document, view=views.schema(s), answer=dict[str, Any], inline=True)
        for name, s in schemas.OWN.items()
    ),
    Route("POST", "/v2/images", images.create_whole, body=wire.CreateImage, view=views.created, answer=answers.Image, sends=answers.MADE, code=201),
    Route("GET", "/v2/images", listing.index, view=views.images, answer=answers.ImagesAnswer, query=wire.IMAGES),
    Route("DELETE", "/v2/images", images.delete_nothing),
    Route("GET", "/v2/images/{id}", images.show_whole, view=views.image, answer=answers.Image),
    Route("PATCH", "/v2/images/{id}", patch.update, view=views.image, answer=answers.Image),
    Route("DELETE", "/v2/images/{id}", images.delete, code=204),
    Route("PUT", "/v2/images/{id}/file", data.upload, code=204, stream=True, headers=wire.STORE),
    Route("GET", "/v2/images/{id}/file", data.download, answer=bytes, stream=True),
    Route("PUT", "/v2/images/{id}/stage", data.stage, code=204, stream=True, headers=wire.STORE),
    Route("POST", "/v2/images/{id}/import", imports.start_import, body=wire.Import, code=202, tx="none", headers=wire.STORE),
    Route("GET", "/v2/images/{id}/tasks", info.image_tasks, view=views.image_tasks, answer=answers.ImageTasksAnswer),
    Route("POST", "/v2/images/{id}/actions/deactivate", images.deactivate, code=204),
    Route("POST", "/v2/images/{id}/actions/reactivate", images.reactivate, code=204),
    Route("PUT", "/v2/images/{id}/tags/{tag}", images.add_tag, code=204),
    Route("DELETE", "/v2/images/{id}/tags/{tag}", images.remove_tag, code=204),
    Route("GET", "/v2/images/{id}/members", members.index, view=views.members, answer=answers.MembersAnswer),
    Route("POST", "/v2/images/{id}/members", members.create, body=wire.AddMember, view=views.member, answer=answers.Member),
    Route("GET", "/v2/images/{id}/members/{member}", members.show, view=views.member, answer=answers.Member),
    Route("PUT", "/v2/images/{id}/members/{member}", members.update, body=wire.SetMember, view=views.member, answer=answers.Member),
    Route("DELETE", "/v2/images/{id}/members/{member}", members.delete, code=204),
    Route("GET", "/v2/images/{id}/locations", locations.index, view=views.locations, answer=list[answers.Location]),
    Route("POST", "/v2/images/{id}/locations", locations.add, body=wire.AddLocation, code=202, tx="none"),
    Route("DELETE", "/v2/stores/{store}/{id}", locations.delete_from_store, code=204),
    Route("GET", "/v2/info/import", info.methods, view=views.methods, answer=answers.MethodsAnswer, tx="none"),
    Route("GET", "/v2/info/stores", info.stores, view=views.stores, answer=answers.StoresAnswer, tx="none"),
    Route("GET", "/v2/info/stores/detail", info.stores_detail, view=views.stores_detail, answer=answers.StoresDetailAnswer, tx="none"),
    Route("GET", "/v2/info/usage", info.usage, view=views.usage, answer=answers.UsageAnswer),
    Route("GET", "/v2/tasks", info.tasks, view=views.tasks, answer=answers.TasksAnswer, query=wire.TASKS),
    Route("POST", "/v2/tasks", info.create_task, body=wire.CreateTask, code=204),  # always refused
    Route("GET", "/v2/tasks/{id}", info.task, view=views.task, answer=answers.Task),
    Route("DELETE", "/v2/tasks/{id}", info.delete_task),
    Route("GET", "/v2/cache", caching.state, view=views.cache, answer=answers.CacheAnswer, tx="none"),
    Route("DELETE", "/v2/cache", caching.clear, code=204, tx="none"),
    Route("POST", "/v2/cache/clean", caching.clean, tx="none"),
    Route("POST", "/v2/cache/prune", caching.prune, view=views.pruned, answer=answers.PrunedAnswer, tx="none"),
    Route("PUT", "/v2/cache/{id}", caching.queue, code=202, tx="none"),
    Route("DELETE", "/v2/cache/{id}", caching.drop, code=204, tx="none"),
    Route("GET", "/v2/cache/nodes/{id}", caching.nodes, tx="none"),
    *metadefs.ROUTES,
    *v1.ROUTES,
)
# fmt: on

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
