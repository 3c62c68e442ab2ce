# SPDX-License-Identifier: Apache-2.0
"""The table of the Image API of 2013."""

from __future__ import annotations

from typing import Annotated

from virga.ground.http.table import Route
from virga.ground.wire import Meta, refers
from virga.services.images import wire
from virga.services.images.v1 import actions, answers, views

QUERY = {name: kind for name, kind in wire.IMAGES.items() if name not in {"tag", "visibility", "member_status"}} | {
    "is_public": wire.Word
}
HEADERS = {
    "x-image-meta-owner": Annotated[wire.Word, refers("project", may="set_image_owner")],
    "x-image-meta-id": wire.Word,
    "x-image-meta-location": Annotated[str, Meta(max_length=2048)],
    "x-glance-api-copy-from": Annotated[str, Meta(max_length=2048)],
    "x-image-meta-copy-from": Annotated[str, Meta(max_length=2048)],
}
"""Headers that take ids and addresses; the others are bounded as the fields of v2 are."""

# fmt: off
ROUTES = (
    Route("GET", "/v1/images", actions.index, view=views.brief, answer=answers.V1BriefImagesAnswer, query=QUERY),
    Route("POST", "/v1/images", actions.create, answer=answers.V1ImageAnswer, sends=answers.MADE, code=201, stream=True, headers=HEADERS),
    Route("GET", "/v1/images/detail", actions.index, view=views.detail, answer=answers.V1ImagesAnswer, query=QUERY),
    Route("HEAD", "/v1/images/{id}", actions.show, view=views.head, sends=answers.HELD),
    Route("GET", "/v1/images/{id}", actions.download, answer=bytes, sends=answers.HELD, stream=True),
    Route("PUT", "/v1/images/{id}", actions.update, answer=answers.V1ImageAnswer, stream=True, headers=HEADERS),
    Route("DELETE", "/v1/images/{id}", actions.delete),
    Route("GET", "/v1/images/{id}/members", actions.image_members, view=views.members, answer=answers.V1MembersAnswer),
    Route("PUT", "/v1/images/{id}/members/{member}", actions.add_member, code=204),
    Route("DELETE", "/v1/images/{id}/members/{member}", actions.remove_member, code=204),
    Route("GET", "/v1/shared-images/{member}", actions.shared_images, view=views.shared, answer=answers.SharedImagesAnswer),
)
# fmt: on
