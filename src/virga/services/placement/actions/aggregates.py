# SPDX-License-Identifier: Apache-2.0
"""The aggregates that a provider is in: names that group providers, from wherever they are minted."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from virga.authority.rules import allow
from virga.ground import typed
from virga.ground.act import Act
from virga.ground.errors import Invalid
from virga.ground.http.call import Call
from virga.services.placement import groups, model, policy, store, wire
from virga.services.placement.actions import providers

Held = tuple[model.Provider, list[str]]


def index(act: Act, id: str) -> Held:
    """GET /resource_providers/{uuid}/aggregates"""
    allow(act, policy.LIST_AGGREGATES)
    provider = providers.found(act, id)
    return provider, sorted(store.aggregates_of(act.tx, [provider.id]).get(provider.id, ()))


def replace(act: Act, id: str, body: wire.Aggregates) -> Held:
    """PUT /resource_providers/{uuid}/aggregates (1.19)"""
    allow(act, policy.UPDATE_AGGREGATES)
    provider = providers.changed(act, providers.found(act, id), body.resource_provider_generation)
    return provider, _write(act, provider, body.aggregates)


def replace_bare(call: Call, id: str) -> Held:
    """PUT /resource_providers/{uuid}/aggregates before 1.19: the body is the list, and no generation is looked at.
    Raises Invalid."""
    allow(call, policy.UPDATE_AGGREGATES)
    try:
        ids = typed.decode(call.request.body, list[str])
    except msgspec.MsgspecError as e:
        raise Invalid(f"The body is not a list of UUIDs: {e}", field="body") from None
    if len(ids) > wire.MOST_AGGREGATES:
        raise Invalid(f"{len(ids)} aggregates, at most {wire.MOST_AGGREGATES} are taken", field="body")
    bad = next((id for id in ids if not groups.is_uuid(id)), None)
    if bad is not None:
        raise Invalid(f"JSON does not validate: '{bad[:80]}' is not a 'uuid'", field="body")
    provider = providers.found(call, id)
    return provider, _write(call, provider, ids)


def _write(act: Act, provider: model.Provider, ids: Iterable[str]) -> list[str]:
    wanted = [groups.plain(id) for id in ids]
    if len(set(wanted)) < len(wanted):
        raise Invalid("JSON does not validate: aggregates has non-unique elements", field="aggregates")
    store.PROVIDER_AGGREGATES.delete(act.tx, store.g.provider_id == provider.id)
    store.PROVIDER_AGGREGATES.insert_many(act.tx, [{"provider_id": provider.id, "aggregate_id": id} for id in wanted])
    return wanted
