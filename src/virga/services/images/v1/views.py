# SPDX-License-Identifier: Apache-2.0
"""Images as Glance v1 prints them."""

from __future__ import annotations

from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page
from virga.services.images import model
from virga.services.images.v1 import answers, headers


def brief(page: Page[model.Image], _: Call) -> answers.V1BriefImagesAnswer:
    return answers.V1BriefImagesAnswer(
        images=[
            answers.V1BriefImage(
                id=i.id,
                name=i.name,
                disk_format=i.disk_format,
                container_format=i.container_format,
                size=i.size or 0,
                checksum=i.checksum,
            )
            for i in page.items
        ]
    )


def detail(page: Page[model.Image], _: Call) -> answers.V1ImagesAnswer:
    return answers.V1ImagesAnswer(images=[headers.meta(i) for i in page.items])


def head(i: model.Image, _: Call) -> Answer:
    return Answer(b"", 200, headers.written(i) | {"etag": i.checksum or ""})


def members(rows: list[model.Member], _: Call) -> answers.V1MembersAnswer:
    return answers.V1MembersAnswer(members=[answers.V1Member(member_id=m.member_id, can_share=False) for m in rows])


def shared(rows: list[model.Member], _: Call) -> answers.SharedImagesAnswer:
    return answers.SharedImagesAnswer(
        shared_images=[answers.SharedImage(image_id=m.image_id, can_share=False) for m in rows]
    )
