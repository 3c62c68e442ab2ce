# SPDX-License-Identifier: Apache-2.0
"""Tags of servers."""

from __future__ import annotations

from virga.ground.act import Act
from virga.ground.errors import Invalid, NotFound
from virga.services.compute import policy, store, wire
from virga.services.compute.actions import server_lookup


def tags(act: Act, id: str) -> list[str]:
    """GET /servers/{id}/tags"""
    return server_lookup.readable(act, id, policy.TAGS_INDEX).tags


def replace_tags(act: Act, id: str, body: wire.Tags) -> list[str]:
    """PUT /servers/{id}/tags"""
    server_lookup.changeable(act, id, policy.TAGS_REPLACE)
    fresh = sorted(set(body.tags))
    store.SERVERS.put(act.tx, id, tags=fresh, updated=act.now())
    return fresh


def has_tag(act: Act, id: str, tag: str) -> None:
    """GET /servers/{id}/tags/{tag}. Raises NotFound."""
    if tag not in server_lookup.readable(act, id, policy.TAGS_SHOW).tags:
        raise NotFound(f"Server {id} has no tag '{tag[:60]}'")


def add_tag(act: Act, id: str, tag: str) -> bool:
    """PUT /servers/{id}/tags/{tag}: whether it is new. Raises Invalid."""
    server = server_lookup.changeable(act, id, policy.TAGS_UPDATE)
    if not 0 < len(tag) <= 60 or "," in tag:
        raise Invalid("Invalid input for field 'tag': 1 to 60 characters without a comma", field="tag")
    if tag in server.tags:
        return False
    if len(server.tags) >= 50:
        raise Invalid("The number of tags exceeded the per-server limit 50", field="tag")
    store.SERVERS.put(act.tx, id, tags=sorted({*server.tags, tag}), updated=act.now())
    return True


def remove_tag(act: Act, id: str, tag: str) -> None:
    """DELETE /servers/{id}/tags/{tag}. Raises NotFound."""
    server = server_lookup.changeable(act, id, policy.TAGS_DELETE)
    if tag not in server.tags:
        raise NotFound(f"Server {id} has no tag '{tag[:60]}'")
    store.SERVERS.put(act.tx, id, tags=[t for t in server.tags if t != tag], updated=act.now())


def clear_tags(act: Act, id: str) -> None:
    """DELETE /servers/{id}/tags"""
    server_lookup.changeable(act, id, policy.TAGS_CLEAR)
    store.SERVERS.put(act.tx, id, tags=[], updated=act.now())
