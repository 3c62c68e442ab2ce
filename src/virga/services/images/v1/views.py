# SPDX-License-Identifier: Apache-2.0
"""Images as Glance v1 prints them."""

from __future__ import annotations

from typing import Any

from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page
from virga.services.images import model
from virga.services.images.v1 import headers

SHORT = ("id", "name", "disk_format", "container_format", "checksum", "size")


def brief(page: Page[model.Image], _: Call) -> dict[str, Any]:
    return {"images": [{k: v for k, v in headers.meta(i).items() if k in SHORT} for i in page.items]}


def detail(page: Page[model.Image], _: Call) -> dict[str, Any]:
    return {"images": [headers.meta(i) for i in page.items]}


def head(i: model.Image, _: Call) -> Answer:
    return Answer(b"", 200, headers.written(i) | {"etag": i.checksum or ""})


def members(rows: list[model.Member], _: Call) -> dict[str, Any]:
    return {"members": [{"member_id": m.member_id, "can_share": False} for m in rows]}


def shared(rows: list[model.Member], _: Call) -> dict[str, Any]:
    return {"shared_images": [{"image_id": m.image_id, "can_share": False} for m in rows]}
