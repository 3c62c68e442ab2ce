# SPDX-License-Identifier: Apache-2.0
"""What most nouns have beside their own, and how lists are read."""

from __future__ import annotations

from virga.ground.http.table import Route
from virga.services.network import answers, nouns, wire
from virga.services.network.actions import tag
from virga.services.network.extensions.extension import Extension
from virga.services.network.nouns import Noun
from virga.services.network.views import tag as views

TAGGED = tuple(noun for noun in nouns.ALL if noun is not nouns.RULE)


def _tags(noun: Noun) -> tuple[Route, ...]:
    verbs, path = tag.verbs(noun.path.removeprefix("/v2.0/")), f"{noun.path}/{{id}}/tags"
    return (
        Route("GET", path, verbs["index"], view=views.tags, answer=answers.TagsAnswer),
        Route("GET", f"{path}/{{tag}}", verbs["has"], code=204),
        Route("PUT", path, verbs["put"], body=wire.Tags, view=views.tags, answer=answers.TagsAnswer),
        Route("DELETE", path, verbs["clear"], code=204),
        Route("PUT", f"{path}/{{tag}}", verbs["add"], code=201),
        Route("DELETE", f"{path}/{{tag}}", verbs["remove"], code=204),
    )


EXTENSIONS = (
    Extension(
        alias="project-id",
        name="project_id field enabled",
        description="The owner by today's word beside yesterday's",
        updated="2016-09-09T09:09:09-09:09",
        fields=dict.fromkeys((*nouns.ALL, nouns.QUOTA), ("project_id",)),
    ),
    Extension(
        alias="standard-attr-description",
        name="standard-attr-description",
        description="A description of every noun",
        updated="2016-02-10T10:00:00-00:00",
        fields=dict.fromkeys(nouns.ALL, ("description",)),
    ),
    Extension(
        alias="standard-attr-revisions",
        name="Resource revision numbers",
        description="How often a noun was changed",
        updated="2016-04-11T10:00:00-00:00",
        fields=dict.fromkeys(nouns.ALL, ("revision_number",)),
    ),
    Extension(
        alias="standard-attr-timestamp",
        name="Resource timestamps",
        description="When a noun was made and last changed",
        updated="2016-09-12T10:00:00-00:00",
        fields=dict.fromkeys(nouns.ALL, ("created_at", "updated_at")),
    ),
    Extension(
        alias="standard-attr-tag",
        name="Tag support for resources with standard attribute",
        description="Tags, and lists by them",
        updated="2017-01-01T00:00:00-00:00",
        fields=dict.fromkeys(TAGGED, ("tags",)),
        filters=dict.fromkeys(TAGGED, wire.TAGS),
        routes=tuple(row for noun in TAGGED for row in _tags(noun)),
    ),
    Extension(
        alias="pagination",
        name="Pagination support",
        description="Lists in pages",
        updated="2016-06-12T00:00:00-00:00",
        filters=dict.fromkeys(nouns.ALL, wire.PAGES),
    ),
    Extension(
        alias="sorting",
        name="Sorting support",
        description="Lists in the order that is asked for",
        updated="2016-06-12T00:00:00-00:00",
        filters=dict.fromkeys(nouns.ALL, wire.ORDERS),
    ),
)
