# SPDX-License-Identifier: Apache-2.0
"""Rows of the table that nouns have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from virga.ground import wire as ground_wire
from virga.ground.http.table import Route
from virga.services.network import answers, wire
from virga.services.network.nouns import Noun
from virga.services.network.views.wrapped import Many, One

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
    answer: Any = answers.one(noun.name, noun.answer)
    if bulk:
        answer |= answers.many(noun.collection, noun.answer, pages=False)
    return Route(
        "POST",
        noun.path,
        action,
        body=body,
        key=noun.name,
        bulk=noun.collection if bulk else None,
        view=one(noun),
        answer=answer,
        query=wire.FIELDS,
        code=201,
        tx=tx,
    )


def index(noun: Noun, action: Action, *, tx: Literal["none"] | None = None) -> Route:
    """GET /v2.0/{collection}"""
    return Route(
        "GET",
        noun.path,
        action,
        view=Many(noun.name, noun.collection, noun.view),
        answer=answers.many(noun.collection, noun.answer, pages=True),
        query=wire.listing(noun.words, (*noun.filters, *noun.also)),
        tx=tx,
    )


def show(noun: Noun, action: Action, *, path: str = "/{id}") -> Route:
    """GET /v2.0/{collection}/{id}, or what else is one below the collection."""
    answer = answers.one(noun.name, noun.answer)
    return Route("GET", f"{noun.path}{path}", action, view=one(noun), answer=answer, query=wire.FIELDS)


def update(noun: Noun, action: Action, body: type[ground_wire.Wire], *, path: str = "/{id}") -> Route:
    """PUT /v2.0/{collection}/{id}"""
    return Route(
        "PUT",
        f"{noun.path}{path}",
        action,
        body=body,
        key=noun.name,
        view=one(noun),
        answer=answers.one(noun.name, noun.answer),
        query=wire.FIELDS,
    )


def delete(noun: Noun, action: Action, *, path: str = "/{id}") -> Route:
    """DELETE /v2.0/{collection}/{id}"""
    return Route("DELETE", f"{noun.path}{path}", action, code=204)
