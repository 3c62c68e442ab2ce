# SPDX-License-Identifier: Apache-2.0
"""Identity providers, their protocols, mappings, and service providers."""

from __future__ import annotations

import uuid
from typing import Any

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import UNSET, given
from virga.services.identity import store as identity
from virga.services.identity.actions import domains
from virga.services.identity.catalog import Catalog
from virga.services.identity.federation import model, policy, rules, store, wire
from virga.services.identity.tokens import Tokens


def _id(id: str, noun: str) -> str:
    if len(id) > 64:
        raise Invalid(f"Invalid input for field '{noun}_id': at most 64 characters", field=f"{noun}_id")
    return id


# -- identity providers --------------------------------------------------------------------------------------------


def provider(tx: Tx, id: str) -> model.Provider:
    """The identity provider of this id. Raises NotFound."""
    found = store.PROVIDERS.get(tx, id)
    if found is None:
        raise NotFound(f"Could not find Identity Provider: {id}.")
    return found


def _remote_ids_free(tx: Tx, ids: list[str], own: str) -> None:
    """A name by which a provider calls itself is one provider's."""
    for other in store.PROVIDERS.find(tx):
        taken = set(ids) & set(other.remote_ids)
        if other.id != own and taken:
            raise Conflict(
                f"Duplicate remote ID: {', '.join(sorted(taken))} is one of identity provider {other.id}.",
                blocking=[other.id],
            )


def create_provider(act: Act, id: str, body: wire.CreateProvider) -> model.Provider:
    """PUT /v3/OS-FEDERATION/identity_providers/{id}; without a domain the provider's users get one of their own.
    Raises Conflict."""
    allow(act, policy.CREATE_PROVIDER)
    tx, remote = act.tx, list(dict.fromkeys(body.remote_ids or []))
    tx.hold("identity-providers")
    if store.PROVIDERS.get(tx, _id(id, "idp")) is not None:
        raise Conflict(f"Conflict occurred attempting to store identity_provider - Duplicate entry found with ID {id}.")
    _remote_ids_free(tx, remote, id)
    if body.domain_id is not None:
        domains.found(tx, body.domain_id)
        domain_id = body.domain_id
    else:
        domain_id = uuid.uuid4().hex
        text = f"Auto generated federated domain for Identity Provider: {id}"
        identity.DOMAINS.insert(
            tx, id=domain_id, name=domain_id, description=text, enabled=True, extra={}, options={}, tags=[]
        )
    return store.PROVIDERS.insert(
        tx,
        id=id,
        enabled=body.enabled,
        description=body.description,
        domain_id=domain_id,
        authorization_ttl=body.authorization_ttl,
        remote_ids=remote,
    )


def show_provider(act: Act, id: str) -> model.Provider:
    """GET /v3/OS-FEDERATION/identity_providers/{id}"""
    allow(act, policy.GET_PROVIDER)
    return provider(act.tx, id)


def providers(call: Call) -> list[model.Provider]:
    """GET /v3/OS-FEDERATION/identity_providers, by id and enabled."""
    allow(call, policy.LIST_PROVIDERS)
    return store.PROVIDERS.find(call.tx, *_where(call, store.PROVIDERS), order=store.PROVIDERS.c.id)


def _where(call: Call, rows: Any) -> list[Any]:
    out = [rows.c.id == call.query.get("id")] if "id" in call.query else []
    enabled = call.query.yes("enabled")
    return out if enabled is None else [*out, rows.c.enabled.is_(enabled)]


def update_provider(act: Act, id: str, body: wire.UpdateProvider) -> model.Provider:
    """PATCH /v3/OS-FEDERATION/identity_providers/{id}: disabling it ends the tokens of its users. Raises Invalid."""
    allow(act, policy.UPDATE_PROVIDER)
    tx = act.tx
    tx.hold("identity-providers")
    before = provider(tx, id)
    change = given(body)
    if change.get("domain_id", before.domain_id) != before.domain_id:
        raise Invalid("The domain of an identity provider cannot be changed.", field="domain_id")
    if "remote_ids" in change:
        change["remote_ids"] = list(dict.fromkeys(change["remote_ids"] or []))
        _remote_ids_free(tx, change["remote_ids"], id)
    if change:
        store.PROVIDERS.put(tx, id, **change)
    if change.get("enabled") is False:
        act.use(Tokens).bump_generation(tx)
    return provider(tx, id)


def delete_provider(act: Act, id: str) -> None:
    """DELETE /v3/OS-FEDERATION/identity_providers/{id}, with its protocols; its users keep what they have and cannot log in."""
    allow(act, policy.DELETE_PROVIDER)
    provider(act.tx, id)
    store.PROTOCOLS.delete(act.tx, store.PROTOCOLS.c.idp_id == id)
    store.USERS.delete(act.tx, store.USERS.c.idp_id == id)
    store.PROVIDERS.delete(act.tx, store.PROVIDERS.c.id == id)
    act.use(Tokens).bump_generation(act.tx)


# -- mappings ------------------------------------------------------------------------------------------------------


def mapping(tx: Tx, id: str) -> model.Mapping:
    """The mapping of this id. Raises NotFound."""
    found = store.MAPPINGS.get(tx, id)
    if found is None:
        raise NotFound(f"Could not find mapping: {id}.")
    return found


def create_mapping(act: Act, id: str, body: wire.WriteMapping) -> model.Mapping:
    """PUT /v3/OS-FEDERATION/mappings/{id}. Raises Conflict."""
    allow(act, policy.CREATE_MAPPING)
    version = body.schema_version if isinstance(body.schema_version, str) else "1.0"
    rules.check(body.rules, version)
    if store.MAPPINGS.get(act.tx, _id(id, "mapping")) is not None:
        raise Conflict(f"Conflict occurred attempting to store mapping - Duplicate entry found with ID {id}.")
    return store.MAPPINGS.insert(act.tx, id=id, rules=body.rules, schema_version=version)


def show_mapping(act: Act, id: str) -> model.Mapping:
    """GET /v3/OS-FEDERATION/mappings/{id}"""
    allow(act, policy.GET_MAPPING)
    return mapping(act.tx, id)


def mappings(act: Act) -> list[model.Mapping]:
    """GET /v3/OS-FEDERATION/mappings"""
    allow(act, policy.LIST_MAPPINGS)
    return store.MAPPINGS.find(act.tx, order=store.MAPPINGS.c.id)


def update_mapping(act: Act, id: str, body: wire.WriteMapping) -> model.Mapping:
    """PATCH /v3/OS-FEDERATION/mappings/{id}"""
    allow(act, policy.UPDATE_MAPPING)
    before = mapping(act.tx, id)
    version = body.schema_version if isinstance(body.schema_version, str) else before.schema_version
    rules.check(body.rules, version)
    store.MAPPINGS.put(act.tx, id, rules=body.rules, schema_version=version)
    return mapping(act.tx, id)


def delete_mapping(act: Act, id: str) -> None:
    """DELETE /v3/OS-FEDERATION/mappings/{id}: not while a protocol uses it. Raises Conflict."""
    allow(act, policy.DELETE_MAPPING)
    mapping(act.tx, id)
    users = store.PROTOCOLS.find(act.tx, store.PROTOCOLS.c.mapping_id == id)
    if users:
        names = ", ".join(f"{p.idp_id}/{p.id}" for p in users)
        raise Conflict(f"Mapping {id} is used by {names}.", blocking=[p.idp_id for p in users])
    store.MAPPINGS.delete(act.tx, store.MAPPINGS.c.id == id)


# -- protocols -----------------------------------------------------------------------------------------------------


def protocol(tx: Tx, idp: str, id: str) -> model.Protocol:
    """The protocol of this id, of this provider. Raises NotFound."""
    c = store.PROTOCOLS.c
    found = store.PROTOCOLS.one(tx, c.idp_id == idp, c.id == id)
    if found is None:
        raise NotFound(f"Could not find federated protocol {id} for Identity Provider: {idp}.")
    return found


def _mapping_for(tx: Tx, id: str) -> str:
    if store.MAPPINGS.get(tx, id) is None:
        raise Invalid(f"Invalid mapping id: {id}", field="mapping_id")
    return id


def create_protocol(act: Act, idp: str, id: str, body: wire.WriteProtocol) -> model.Protocol:
    """PUT /v3/OS-FEDERATION/identity_providers/{idp}/protocols/{id}. Raises Invalid, Conflict."""
    allow(act, policy.CREATE_PROTOCOL)
    provider(act.tx, idp)
    if not isinstance(body.mapping_id, str):
        raise Invalid("Object missing required field `mapping_id`", field="mapping_id")
    c = store.PROTOCOLS.c
    if store.PROTOCOLS.one(act.tx, c.idp_id == idp, c.id == _id(id, "protocol")) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store federation_protocol - Duplicate entry found with ID {id}."
        )
    attribute = body.remote_id_attribute if isinstance(body.remote_id_attribute, str) else None
    return store.PROTOCOLS.insert(
        act.tx, idp_id=idp, id=id, mapping_id=_mapping_for(act.tx, body.mapping_id), remote_id_attribute=attribute
    )


def show_protocol(act: Act, idp: str, id: str) -> model.Protocol:
    """GET /v3/OS-FEDERATION/identity_providers/{idp}/protocols/{id}"""
    allow(act, policy.GET_PROTOCOL)
    provider(act.tx, idp)
    return protocol(act.tx, idp, id)


def protocols(act: Act, idp: str) -> list[model.Protocol]:
    """GET /v3/OS-FEDERATION/identity_providers/{idp}/protocols"""
    allow(act, policy.LIST_PROTOCOLS)
    provider(act.tx, idp)
    return store.PROTOCOLS.find(act.tx, store.PROTOCOLS.c.idp_id == idp, order=store.PROTOCOLS.c.id)


def update_protocol(act: Act, idp: str, id: str, body: wire.WriteProtocol) -> model.Protocol:
    """PATCH /v3/OS-FEDERATION/identity_providers/{idp}/protocols/{id}"""
    allow(act, policy.UPDATE_PROTOCOL)
    protocol(act.tx, idp, id)
    change = given(body)
    if body.mapping_id is not UNSET:
        _mapping_for(act.tx, str(body.mapping_id))
    if change:
        c = store.PROTOCOLS.c
        store.PROTOCOLS.change(act.tx, c.idp_id == idp, c.id == id, **change)
    return protocol(act.tx, idp, id)


def delete_protocol(act: Act, idp: str, id: str) -> None:
    """DELETE /v3/OS-FEDERATION/identity_providers/{idp}/protocols/{id}: the tokens that came by it end."""
    allow(act, policy.DELETE_PROTOCOL)
    protocol(act.tx, idp, id)
    c = store.PROTOCOLS.c
    store.PROTOCOLS.delete(act.tx, c.idp_id == idp, c.id == id)
    act.use(Tokens).bump_generation(act.tx)


# -- service providers ---------------------------------------------------------------------------------------------


def service_provider(tx: Tx, id: str) -> model.ServiceProvider:
    """The service provider of this id. Raises NotFound."""
    found = store.SERVICE_PROVIDERS.get(tx, id)
    if found is None:
        raise NotFound(f"Could not find Service Provider: {id}.")
    return found


def create_service_provider(act: Act, id: str, body: wire.CreateServiceProvider) -> model.ServiceProvider:
    """PUT /v3/OS-FEDERATION/service_providers/{id}. Raises Conflict."""
    allow(act, policy.CREATE_SERVICE_PROVIDER)
    if store.SERVICE_PROVIDERS.get(act.tx, _id(id, "service_provider")) is not None:
        raise Conflict(f"Conflict occurred attempting to store service_provider - Duplicate entry found with ID {id}.")
    act.use(Catalog).changes(act.tx)
    return store.SERVICE_PROVIDERS.insert(act.tx, id=id, **given(body))


def show_service_provider(act: Act, id: str) -> model.ServiceProvider:
    """GET /v3/OS-FEDERATION/service_providers/{id}"""
    allow(act, policy.GET_SERVICE_PROVIDER)
    return service_provider(act.tx, id)


def service_providers(call: Call) -> list[model.ServiceProvider]:
    """GET /v3/OS-FEDERATION/service_providers, by id and enabled."""
    allow(call, policy.LIST_SERVICE_PROVIDERS)
    return store.SERVICE_PROVIDERS.find(
        call.tx, *_where(call, store.SERVICE_PROVIDERS), order=store.SERVICE_PROVIDERS.c.id
    )


def update_service_provider(act: Act, id: str, body: wire.UpdateServiceProvider) -> model.ServiceProvider:
    """PATCH /v3/OS-FEDERATION/service_providers/{id}"""
    allow(act, policy.UPDATE_SERVICE_PROVIDER)
    service_provider(act.tx, id)
    change = given(body)
    if change:
        store.SERVICE_PROVIDERS.put(act.tx, id, **change)
        act.use(Catalog).changes(act.tx)
    return service_provider(act.tx, id)


def delete_service_provider(act: Act, id: str) -> None:
    """DELETE /v3/OS-FEDERATION/service_providers/{id}"""
    allow(act, policy.DELETE_SERVICE_PROVIDER)
    service_provider(act.tx, id)
    store.SERVICE_PROVIDERS.delete(act.tx, store.SERVICE_PROVIDERS.c.id == id)
    act.use(Catalog).changes(act.tx)
