# SPDX-License-Identifier: Apache-2.0
"""What a token that came in from outside still stands on: asked of the database whenever a token is resolved, never of a network."""

from __future__ import annotations

from virga.ground.db.engine import Tx
from virga.ground.errors import Unauthorized
from virga.services.identity import model
from virga.services.identity import store as identity
from virga.services.identity.federation import store as federation
from virga.services.identity.oauth import store as oauth


def lent(tx: Tx, payload: model.Payload) -> tuple[str, ...]:
    """The groups that the login by an identity provider brought. Raises Unauthorized when the provider is disabled or gone."""
    assert payload.via is not None
    idp, protocol = payload.via
    provider, c = federation.PROVIDERS.get(tx, idp), federation.PROTOCOLS.c
    if (
        provider is None
        or not provider.enabled
        or federation.PROTOCOLS.one(tx, c.idp_id == idp, c.id == protocol) is None
    ):
        raise Unauthorized(f"Identity provider {idp}, by which the user came in, is disabled or gone.")
    x = federation.LENT.c
    return tuple(sorted(m.group_id for m in federation.LENT.find(tx, x.user_id == payload.user_id, x.idp_id == idp)))


def ends(tx: Tx, user_id: str) -> dict[str, float]:
    """When the memberships end that identity providers lent to a user, by group."""
    return {m.group_id: m.expires for m in federation.LENT.every(tx, user_id=user_id)}


def providers(tx: Tx) -> list[dict[str, str]]:
    """The service providers that are enabled, in the form that tokens show."""
    rows = federation.SERVICE_PROVIDERS.find(
        tx, federation.SERVICE_PROVIDERS.c.enabled.is_(True), order=federation.SERVICE_PROVIDERS.c.id
    )
    return [{"id": r.id, "auth_url": r.auth_url, "sp_url": r.sp_url} for r in rows]


def handed(tx: Tx, payload: model.Payload, roles: list[model.Role], now: float) -> list[model.Role]:
    """Of the user's roles those that were handed to an OAuth 1 consumer. Raises Unauthorized when that was taken back."""
    assert payload.oauth is not None
    access = oauth.ACCESS.get(tx, payload.oauth[1])
    if access is None or (access.consumer_id, access.user_id, access.project_id) != (
        payload.oauth[0],
        payload.user_id,
        payload.project_id,
    ):
        raise Unauthorized("What the token was handed by OAuth has been taken back.")
    if access.expires is not None and access.expires <= now:
        raise Unauthorized("What the token was handed by OAuth has ended.")
    role_ids = identity.all_implied(tx, access.roles)
    return [r for r in roles if r.id in role_ids]
