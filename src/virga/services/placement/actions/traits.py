# SPDX-License-Identifier: Apache-2.0
"""Traits: what a provider is like."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.services.placement import groups, model, policy, store, wire
from virga.services.placement.actions import providers

Held = tuple[model.Provider, list[str]]


def index(call: Call) -> list[str]:
    """GET /traits, by `name=in:A,B` or `name=startswith:CUSTOM`, `associated=true|false`."""
    allow(call, policy.LIST_TRAITS)
    groups.only(call.query.items, wire.LIST_TRAITS)
    names: set[str] = set(model.standard_traits()) | {row.name for row in store.TRAITS.find(call.tx)}
    if "name" in call.query:
        kind, colon, rest = (call.query.get("name") or "").partition(":")
        if not colon or kind not in {"in", "startswith"}:
            raise groups.bad("Badly formatted name parameter. Expected name query string parameter in form: ?name=[in|startswith]:[name1,name2|prefix]. Got: " + (call.query.get("name") or "")[:200], "name")  # fmt: skip
        requested = set(rest.split(","))
        names = {n for n in names if (n in requested if kind == "in" else n.startswith(rest))}
    if "associated" in call.query:
        text = (call.query.get("associated") or "").lower()
        if text not in {"true", "false"}:
            raise groups.bad(f"The query parameter \"associated\" only accepts \"true\" or \"false\". Got: {text[:40]}", "associated")  # fmt: skip
        carried = {row.trait for row in store.PROVIDER_TRAITS.find(call.tx)}
        names = {n for n in names if (n in carried) == (text == "true")}
    return sorted(names)


def _there(act: Act, name: str) -> bool:
    return name in model.standard_traits() or store.TRAITS.by(act.tx, name=name) is not None


def show(act: Act, name: str) -> None:
    """GET /traits/{name}: 204 when there is one. Raises NotFound."""
    allow(act, policy.SHOW_TRAIT)
    if not _there(act, name):
        raise NotFound(f"No such trait(s): {name[:80]}.")


def put(act: Act, name: str) -> tuple[str, bool]:
    """PUT /traits/{name}: there is one from now on; says whether it is new. Raises Invalid."""
    allow(act, policy.UPDATE_TRAIT)
    if model.CUSTOM.fullmatch(name) is None:
        raise Invalid(
            f"The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "
            f'"CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_". Got: {name[:80]}',
            field="name",
        )
    if store.TRAITS.by(act.tx, name=name) is not None:
        return name, False
    store.TRAITS.insert(act.tx, name=name, created=act.now())
    return name, True


def delete(act: Act, name: str) -> None:
    """DELETE /traits/{name}: a custom one that nothing carries. Raises Invalid, NotFound, Conflict."""
    allow(act, policy.DELETE_TRAIT)
    if name in model.standard_traits():
        raise Invalid(f"Cannot delete standard trait {name[:80]}.", field="name")
    if store.TRAITS.by(act.tx, name=name) is None:
        raise NotFound(f"No such trait(s): {name[:80]}.")
    users = store.PROVIDER_TRAITS.every(act.tx, trait=name, limit=20)
    if users:
        raise Conflict(
            f"The trait {name} is in use by a resource provider. Providers: {', '.join(row.provider_id for row in users)}.",
            blocking=[row.provider_id for row in users],
        )
    store.TRAITS.delete(act.tx, store.TRAITS.c.name == name)


def of_provider(act: Act, id: str) -> Held:
    """GET /resource_providers/{uuid}/traits"""
    allow(act, policy.LIST_PROVIDER_TRAITS)
    provider = providers.found(act, id)
    return provider, sorted(store.traits_of(act.tx, [provider.id]).get(provider.id, ()))


def set_of_provider(act: Act, id: str, body: wire.ProviderTraits) -> Held:
    """PUT /resource_providers/{uuid}/traits: these, and no others. Raises Invalid."""
    allow(act, policy.UPDATE_PROVIDER_TRAITS)
    wanted = set(body.traits)
    own = wanted - model.standard_traits()
    unknown = own - {row.name for row in store.TRAITS.within(act.tx, "name", own)}
    if unknown:
        raise Invalid(f"No such trait {', '.join(sorted(unknown))[:200]}", field="traits")
    provider = providers.changed(act, providers.found(act, id), body.resource_provider_generation)
    _write(act, provider, wanted)
    return provider, sorted(wanted)


def _write(act: Act, provider: model.Provider, wanted: set[str]) -> None:
    store.PROVIDER_TRAITS.delete(act.tx, store.t.provider_id == provider.id)
    store.PROVIDER_TRAITS.insert_many(act.tx, [{"provider_id": provider.id, "trait": name} for name in sorted(wanted)])


def clear_provider(act: Act, id: str) -> None:
    """DELETE /resource_providers/{uuid}/traits"""
    allow(act, policy.DELETE_PROVIDER_TRAITS)
    provider = providers.changed(act, providers.found(act, id))
    _write(act, provider, set())
