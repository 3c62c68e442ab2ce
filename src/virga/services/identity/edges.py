# SPDX-License-Identifier: Apache-2.0
"""What a token that came in from outside still stands on: asked of the database whenever a token is resolved, never of a network."""

from __future__ import annotations

from virga.ground.db.engine import Tx
from virga.ground.errors import Unauthorized
from virga.services.identity import model
from virga.services.identity.federation import store as federation


def lent(tx: Tx, payload: model.Payload) -> tuple[str, ...]:
    """The groups that the login by an identity provider brought. Raises Unauthorized when the provider is disabled or gone."""
    assert payload.via is not None
    idp, protocol = payload.via
    provider, c = federation.PROVIDERS.get(tx, idp), federation.PROTOCOLS.c
    if provider is None or not provider.enabled or federation.PROTOCOLS.one(tx, c.idp_id == idp, c.id == protocol) is None:
        raise Unauthorized(f"Identity provider {idp}, by which the user came in, is disabled or gone.")
    x = federation.LENT.c
    return tuple(sorted(m.group_id for m in federation.LENT.find(tx, x.user_id == payload.user_id, x.idp_id == idp)))
