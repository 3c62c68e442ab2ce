# SPDX-License-Identifier: Apache-2.0
"""The cache API: what this node keeps of images, and what it should fetch before it is asked for."""

from __future__ import annotations

from typing import Any

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.services.images import model, policy
from virga.services.images.actions.images import found
from virga.services.images.cache import ImageCache


def state(act: Act) -> tuple[list[Any], list[str]]:
    """GET /v2/cache"""
    allow(act, policy.CACHE_LIST)
    cache = act.use(ImageCache)
    return list(cache.cached()), cache.queued()


def queue(act: Act, id: str) -> None:
    """PUT /v2/cache/{id}: fetched soon. The bytes move after the answer. Raises Invalid."""
    allow(act, policy.CACHE_IMAGE)
    with act.db.read() as tx:
        image = found(act, tx, id)
    if image.status != model.ACTIVE:
        raise Invalid(
            f"Only images with status active can be targeted for queueing; this one is {image.status}.", field="id"
        )
    act.use(ImageCache).want(id)


def drop(act: Act, id: str) -> None:
    """DELETE /v2/cache/{id}: out of the cache and the queue."""
    allow(act, policy.CACHE_DELETE)
    cache = act.use(ImageCache)
    known = [cache.unqueue(id), cache.drop(id)]
    if not any(known):
        with act.db.read() as tx:
            found(act, tx, id)


def clear(call: Call) -> None:
    """DELETE /v2/cache: everything, or what `x-image-cache-clear-target` names. Raises Invalid."""
    allow(call, policy.CACHE_DELETE)
    target = call.request.headers.get("x-image-cache-clear-target", "").lower()
    if target not in {"", "cache", "queue"}:
        raise Invalid(
            "If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.",
            field="x-image-cache-clear-target",
        )
    cache = call.use(ImageCache)
    if target in {"", "queue"}:
        for id in cache.queued():
            cache.unqueue(id)
    if target in {"", "cache"}:
        for entry in cache.cached():
            cache.drop(entry.image_id)


def clean(act: Act) -> None:
    """POST /v2/cache/clean"""
    allow(act, policy.CACHE_CLEAN)
    act.use(ImageCache).clean()


def prune(act: Act) -> tuple[int, int]:
    """POST /v2/cache/prune"""
    allow(act, policy.CACHE_PRUNE)
    return act.use(ImageCache).prune()


def nodes(act: Act, id: str) -> None:
    """GET /v2/cache/nodes/{id}: as upstream without a central record of caches. Raises NotFound, Conflict."""
    allow(act, policy.CACHED_NODES)
    with act.db.read() as tx:
        if found(act, tx, id) is None:
            raise NotFound(f"Image {id} not found.")
    raise Conflict("Centralized caching is not enabled: each node keeps a cache of its own.")
