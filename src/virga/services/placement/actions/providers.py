# SPDX-License-Identifier: Apache-2.0
"""Resource providers, and the trees they stand in."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.rows import Where
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.placement import groups, model, policy, store, wire


def found(act: Act, id: str, purpose: str = "") -> model.Provider:
    """The provider. Raises NotFound, which says for what purpose it was looked for."""
    row = store.PROVIDERS.get(act.tx, groups.plain(id) if groups.is_uuid(id) else "")
    if row is None:
        raise NotFound(
            f"No resource provider with uuid {id[:64]} found{purpose}", code="placement.resource_provider.not_found"
        )
    return row


def changed(act: Act, provider: model.Provider, generation: int | None = None) -> model.Provider:
    """Count one more change of a provider, if its generation still is `generation` (else whatever it is). Raises Conflict."""
    expected = provider.generation if generation is None else generation
    if not store.touch(act.tx, provider.id, act.now(), expected):
        raise Conflict(
            "resource provider generation conflict: Resource provider's generation already changed. Please update the "
            f"generation and try again. Provider {provider.id} is at generation {provider.generation}, the request says {expected}",
            code="placement.concurrent_update",
        )
    return found(act, provider.id)


def create(act: Act, body: wire.CreateProvider) -> model.Provider:
    """POST /resource_providers. Raises Conflict."""
    allow(act, policy.CREATE_PROVIDER)
    id = groups.plain(body.uuid) if isinstance(body.uuid, str) else act.world.uuid()
    parent = _parent(act, body.parent_provider_uuid, id)
    _free_name(act, body.name, id)
    if store.PROVIDERS.get(act.tx, id) is not None:
        raise Conflict(f"Conflicting resource provider uuid: {id} already exists.", code="placement.duplicate_name")
    now = act.now()
    return store.PROVIDERS.insert(
        act.tx,
        id=id,
        name=body.name,
        generation=0,
        root_id=parent.root_id if parent is not None else id,
        parent_id=parent.id if parent is not None else None,
        created=now,
        updated=now,
    )


def _parent(act: Act, given: object, id: str) -> model.Provider | None:
    if not isinstance(given, str):
        return None
    parent = store.PROVIDERS.get(act.tx, groups.plain(given))
    if parent is None:
        raise Invalid(f"parent provider UUID does not exist: {given}", field="parent_provider_uuid")
    if parent.id == id:
        raise Invalid("parent provider UUID cannot be same as UUID.", field="parent_provider_uuid")
    return parent


def _free_name(act: Act, name: str, id: str) -> None:
    other = store.PROVIDERS.by(act.tx, name=name)
    if other is not None and other.id != id:
        raise Conflict(f"Conflicting resource provider name: {name} already exists.", code="placement.duplicate_name")


def show(act: Act, id: str) -> model.Provider:
    """GET /resource_providers/{uuid}"""
    allow(act, policy.SHOW_PROVIDER)
    return found(act, id)


def update(call: Call, id: str, body: wire.UpdateProvider) -> model.Provider:
    """PUT /resource_providers/{uuid}: its name, and its place. Before 1.37 a provider with a parent keeps it; one without may be put
    under one."""
    allow(call, policy.UPDATE_PROVIDER)
    provider = found(call, id)
    _free_name(call, body.name, provider.id)
    store.PROVIDERS.put(call.tx, provider.id, name=body.name, updated=call.now())
    if body.parent_provider_uuid is not UNSET:
        _move(call, provider, _parent(call, body.parent_provider_uuid, provider.id))
    return found(call, id)


def _move(call: Call, provider: model.Provider, parent: model.Provider | None) -> None:
    wanted = parent.id if parent is not None else None
    if wanted == provider.parent_id:
        return
    if provider.parent_id is not None and call.version < (1, 37):
        word = "un-parenting" if wanted is None else "re-parenting"
        raise Invalid(f"{word} a provider is not currently allowed.", field="parent_provider_uuid")
    family = {row.id: row for row in store.PROVIDERS.every(call.tx, root_id=provider.root_id)}
    below, grown = {provider.id}, True
    while grown:
        more = {id for id, row in family.items() if row.parent_id in below} - below
        below |= more
        grown = bool(more)
    if wanted in below:
        raise Invalid("creating loop in the provider tree is not allowed.", field="parent_provider_uuid")
    root = parent.root_id if parent is not None else provider.id
    store.PROVIDERS.put(call.tx, provider.id, parent_id=wanted)
    for member in sorted(below):
        store.PROVIDERS.put(call.tx, member, root_id=root, updated=call.now())


def delete(act: Act, id: str) -> None:
    """DELETE /resource_providers/{uuid}: not while something is allocated from it, nor while it has children.
    Raises Conflict."""
    allow(act, policy.DELETE_PROVIDER)
    provider = found(act, id, " for delete")
    if store.PROVIDERS.by(act.tx, parent_id=provider.id) is not None:
        raise Conflict(
            f"Unable to delete parent resource provider {provider.id}: It has child resource providers.",
            code="placement.resource_provider.cannot_delete_parent",
        )
    users = store.ALLOCATIONS.every(act.tx, provider_id=provider.id, limit=20)
    if users:
        raise Conflict(
            f"Unable to delete resource provider {provider.id}: Resource provider has allocations. Consumers: "
            f"{', '.join(sorted({row.consumer_id for row in users}))}.",
            code="placement.resource_provider.inuse",
            blocking=sorted({row.consumer_id for row in users}),
        )
    store.INVENTORIES.delete(act.tx, store.i.provider_id == provider.id)
    store.PROVIDER_TRAITS.delete(act.tx, store.t.provider_id == provider.id)
    store.PROVIDER_AGGREGATES.delete(act.tx, store.g.provider_id == provider.id)
    store.PROVIDERS.delete(act.tx, store.p.id == provider.id)


def index(call: Call) -> list[model.Provider]:
    """GET /resource_providers, with placement's filters."""
    allow(call, policy.LIST_PROVIDERS)
    q, version, where = call.query, call.version, list[Where]()
    for name in q.items:
        first = FILTERS.get(name)
        if first is None or version < first:
            raise groups.bad(f"Invalid query string parameters: Additional properties are not allowed ('{name[:64]}' was unexpected)", name[:64])  # fmt: skip
    if "name" in q:
        where.append(store.p.name == q.get("name"))
    if "uuid" in q:
        where.append(store.p.id == _id(q.get("uuid") or "", "uuid"))
    if "in_tree" in q:
        inside = store.PROVIDERS.get(call.tx, _id(q.get("in_tree") or "", "in_tree"))
        where.append(store.p.root_id == (inside.root_id if inside is not None else ""))
    if "member_of" in q:
        needed, excluded = groups.aggregates(q.all("member_of"), version)
        where += [store.in_aggregate(store.p.id, ids) for ids in needed]
        if excluded:
            where.append(~store.in_aggregate(store.p.id, excluded))
    if "resources" in q:
        amounts = groups.resources(q.get("resources") or "")
        known(call, amounts)
        where += store.with_room(amounts, store.p.id)
    if "required" in q:
        given = q.all("required") if version >= (1, 39) else q.all("required")[-1:]  # before, the last one counts
        required, forbidden = groups.traits(given, version, forbids=version >= (1, 22))
        known_traits(call, {name for names in required for name in names} | forbidden)
        where += [store.has_trait(store.p.id, names) for names in required]
        if forbidden:
            where.append(~store.has_trait(store.p.id, forbidden))
    return store.PROVIDERS.find(call.tx, *where, order=[store.p.created, store.p.id])


FILTERS = {
    "name": (1, 0),
    "uuid": (1, 0),
    "member_of": (1, 3),
    "resources": (1, 4),
    "in_tree": (1, 14),
    "required": (1, 18),
}


def _id(text: str, field: str) -> str:
    if not groups.is_uuid(text):
        raise groups.bad(f"Invalid query string parameters: '{text[:80]}' is not a 'uuid'", field)
    return groups.plain(text)


def known(act: Act, names: dict[str, int] | set[str]) -> None:
    """Raise Invalid for a resource class that there is not."""
    own = set(names) - set(model.standard_classes())
    there = {row.name for row in store.CLASSES.within(act.tx, "name", own)}
    if own - there:
        raise Invalid(
            f"Invalid resource class in resources parameter: No such resource class {', '.join(sorted(own - there))[:200]}.",
            field="resources",
        )


def known_traits(act: Act, names: set[str]) -> None:
    """Raise Invalid for a trait that there is not."""
    own = names - model.standard_traits()
    there = {row.name for row in store.TRAITS.within(act.tx, "name", own)}
    if own - there:
        raise Invalid(f"No such trait(s): {', '.join(sorted(own - there))[:200]}.", field="required")
