# SPDX-License-Identifier: Apache-2.0
"""Ways into federation: which way in, by what the settings say of the identity provider and by what the client can."""

from __future__ import annotations

from virga.ground.errors import Invalid, NotFound
from virga.ground.http.call import Answer, Call
from virga.services.identity import model as rows
from virga.services.identity.federation import store
from virga.services.identity.federation.actions import federated_login, saml_login
from virga.services.identity.federation.oidc import assertion
from virga.services.identity.federation.registry import Providers


def authenticate(call: Call, idp: str, protocol: str) -> tuple[str, rows.Session] | Answer:
    """GET or POST /v3/OS-FEDERATION/identity_providers/{idp}/protocols/{protocol}/auth: an unscoped token for the bearer of an access
    or ID token; for an enhanced client of SAML the request that it carries to the provider."""
    federated_login.known(call, idp, protocol)
    if call.use(Providers).saml(idp) is not None and saml_login.is_enhanced(call):
        return saml_login.enhanced(call, idp, protocol)
    claims = federated_login.trusted(call, idp).claims(federated_login.bearer(call))
    return federated_login.issue(
        call, federated_login.by_assertion(call, idp, protocol, assertion(claims)), idp, protocol
    )


def websso(call: Call, protocol: str) -> tuple[str, str]:
    """GET /v3/auth/OS-FEDERATION/websso/{protocol}?origin=…, with the one provider that has this protocol.
    Raises NotFound, Invalid."""
    with call.db.read() as tx:
        ids = {p.idp_id for p in store.PROTOCOLS.find(tx, store.PROTOCOLS.c.id == protocol)} & call.use(Providers).ids()
    if not ids:
        raise NotFound(f"Could not find federated protocol {protocol}.")
    if len(ids) > 1:
        raise Invalid(
            f"Several identity providers have protocol {protocol}: {', '.join(sorted(ids))}. Name one in the path.",
            field="protocol",
        )
    return websso_by(call, ids.pop(), protocol)


def websso_by(call: Call, idp: str, protocol: str) -> tuple[str, str]:
    """GET /v3/auth/OS-FEDERATION/identity_providers/{idp}/protocols/{protocol}/websso?origin=…: off to the provider."""
    return (
        saml_login.begin(call, idp, protocol)
        if call.use(Providers).saml(idp) is not None
        else federated_login.begin(call, idp, protocol)
    )
