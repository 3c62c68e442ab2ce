# SPDX-License-Identifier: Apache-2.0
"""Images' table (Image API v2)."""

from __future__ import annotations

from virga.ground.http.faults import Faults, glance
from virga.ground.http.table import Route, Service
from virga.services.images import views, wire
from virga.services.images.actions import data, images

ROUTES = (
    Route("GET", "/", images.document, view=views.versions, public=True, inline=True),
    Route("GET", "/versions", images.document, view=views.versions_ok, public=True, inline=True),
    Route("GET", "/v2", images.document, view=views.versions_ok, public=True, inline=True),
    Route("GET", "/v2/schemas/image", images.document, view=views.image_schema, inline=True),
    Route("GET", "/v2/schemas/images", images.document, view=views.images_schema, inline=True),
    Route("POST", "/v2/images", images.create, body=wire.CreateImage, view=views.created, code=201),
    Route("GET", "/v2/images", images.index, view=views.images),
    Route("GET", "/v2/images/{id}", images.show, view=views.image),
    Route("PATCH", "/v2/images/{id}", images.update, view=views.image),
    Route("DELETE", "/v2/images/{id}", images.delete, code=204),
    Route("PUT", "/v2/images/{id}/file", data.upload, code=204, stream=True),
    Route("GET", "/v2/images/{id}/file", data.download, stream=True),
    Route("PUT", "/v2/images/{id}/tags/{tag}", images.add_tag, code=204),
    Route("DELETE", "/v2/images/{id}/tags/{tag}", images.remove_tag, code=204),
)

SERVICE = Service(
    name="image", type="image", path="/image", ports=(9292,), catalog="/image", routes=ROUTES, faults=Faults(glance, over_quota=413)
)
