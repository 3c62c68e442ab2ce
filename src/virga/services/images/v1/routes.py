# SPDX-License-Identifier: Apache-2.0
"""The table of the Image API of 2013."""

from __future__ import annotations

from virga.ground.http.table import Route
from virga.services.images.v1 import actions, views

ROUTES = (
    Route("GET", "/v1/images", actions.index, view=views.brief),
    Route("POST", "/v1/images", actions.create, code=201, stream=True),
    Route("GET", "/v1/images/detail", actions.index, view=views.detail),
    Route("HEAD", "/v1/images/{id}", actions.show, view=views.head),
    Route("GET", "/v1/images/{id}", actions.download, stream=True),
    Route("PUT", "/v1/images/{id}", actions.update, stream=True),
    Route("DELETE", "/v1/images/{id}", actions.delete),
    Route("GET", "/v1/images/{id}/members", actions.image_members, view=views.members),
    Route("PUT", "/v1/images/{id}/members/{member}", actions.add_member, code=204),
    Route("DELETE", "/v1/images/{id}/members/{member}", actions.remove_member, code=204),
    Route("GET", "/v1/shared-images/{member}", actions.shared_images, view=views.shared),
)
