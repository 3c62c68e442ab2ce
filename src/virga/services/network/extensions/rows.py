# SPDX-License-Identifier: Apache-2.0
"""Rows of the table that nouns have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from virga.ground import wire as ground_wire
from virga.ground.http.table import Route
from virga.services.network import wire
from virga.services.network.nouns import Noun
from virga.services.network.views.answers import Many, One

Action = Callable[..., Any]


def one(noun: Noun) -> One:
    """The view of one thing, or of what a bulk request made."""
    return One(noun.name, noun.collection, noun.view)


def create(
    noun: Noun,
    action: Action,
    body: type[ground_wire.Wire],
    *,
    bulk: bool = True,
    tx: Literal["none"] | None = None,
) -> Route:
    """POST /v2.0/{collection}"""
    many = noun.collection if bulk else None
    return Route("POST", noun.path, action, body=body, key=noun.name, bulk=many, view=one(noun), code=201, tx=tx)


def index(noun: Noun, action: Action, *, tx: Literal["none"] | None = None) -> Route:
    """GET /v2.0/{collection}"""
    query = wire.listing(noun.words, (*noun.filters, *noun.also))
    return Route("GET", noun.path, action, view=Many(noun.name, noun.collection, noun.view), tx=tx, query=query)


def show(noun: Noun, action: Action) -> Route:
    """GET /v2.0/{collection}/{id}"""
    return Route("GET", f"{noun.path}/{{id}}", action, view=one(noun), query=wire.FIELDS)


def update(noun: Noun, action: Action, body: type[ground_wire.Wire]) -> Route:
    """PUT /v2.0/{collection}/{id}"""
    return Route("PUT", f"{noun.path}/{{id}}", action, body=body, key=noun.name, view=one(noun))


def delete(noun: Noun, action: Action) -> Route:
    """DELETE /v2.0/{collection}/{id}"""
    return Route("DELETE", f"{noun.path}/{{id}}", action, code=204)
