# SPDX-License-Identifier: Apache-2.0
"""Metadata of servers."""

from __future__ import annotations

from collections.abc import Callable

from virga.authority.rules import Rule
from virga.ground.act import Act
from virga.ground.errors import Forbidden, Invalid, NotFound
from virga.services.compute import limits, policy, store, wire
from virga.services.compute.actions import server_lookup


def check_count(act: Act, project: str, metadata: dict[str, str]) -> None:
    """Raise Forbidden for more items than a server of the project may have."""
    most = limits.metadata_items(act.tx, project)
    if len(metadata) > most:
        raise Forbidden(
            f"Quota exceeded for metadata_items: {len(metadata)} wanted, at most {most}", limit="metadata_items"
        )


def metadata(act: Act, id: str) -> dict[str, str]:
    """GET /servers/{id}/metadata"""
    return server_lookup.readable(act, id, policy.META_INDEX).metadata


def _write_metadata(
    act: Act, id: str, rule: Rule, change: Callable[[dict[str, str]], dict[str, str]]
) -> dict[str, str]:
    server = server_lookup.changeable(act, id, rule)
    values = change(dict(server.metadata))
    check_count(act, server.project_id, values)
    store.SERVERS.put(act.tx, id, metadata=values, updated=act.now())
    return values


def replace_metadata(act: Act, id: str, body: wire.Metadata) -> dict[str, str]:
    """PUT /servers/{id}/metadata"""
    return _write_metadata(act, id, policy.META_REPLACE, lambda _: body.metadata)


def merge_metadata(act: Act, id: str, body: wire.Metadata) -> dict[str, str]:
    """POST /servers/{id}/metadata"""
    return _write_metadata(act, id, policy.META_CREATE, lambda before: before | body.metadata)


def show_meta(act: Act, id: str, key: str) -> dict[str, str]:
    """GET /servers/{id}/metadata/{key}. Raises NotFound."""
    values = server_lookup.readable(act, id, policy.META_SHOW).metadata
    if key not in values:
        raise NotFound("Metadata item was not found")
    return {key: values[key]}


def set_meta(act: Act, id: str, key: str, body: wire.MetaItem) -> dict[str, str]:
    """PUT /servers/{id}/metadata/{key}. Raises Invalid."""
    if key not in body.meta:
        raise Invalid("Request body and URI mismatch", field="meta")
    _write_metadata(act, id, policy.META_UPDATE, lambda before: before | body.meta)
    return body.meta


def delete_meta(act: Act, id: str, key: str) -> None:
    """DELETE /servers/{id}/metadata/{key}"""

    def without(before: dict[str, str]) -> dict[str, str]:
        if key not in before:
            raise NotFound("Metadata item was not found")
        del before[key]
        return before

    _write_metadata(act, id, policy.META_DELETE, without)
