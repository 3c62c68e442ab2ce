# SPDX-License-Identifier: Apache-2.0
"""The table of OS-FEDERATION."""

from __future__ import annotations

from typing import Annotated, Any

from virga.ground.http.table import Route
from virga.ground.wire import Meta, Query, Wire, times
from virga.services.identity import model as identity_model
from virga.services.identity import views as identity_views
from virga.services.identity import wire as identity_wire
from virga.services.identity.actions import auth, login
from virga.services.identity.answers import SUBJECT, TokenAnswer
from virga.services.identity.federation import answers, model, views, wire
from virga.services.identity.federation.actions import federated_login, providers, saml_login, websso

BASE = "/v3/OS-FEDERATION"
SSO = "/v3/auth/OS-FEDERATION"
login.METHODS["mapped"] = federated_login.mapped


def _noun(
    path: str,
    key: str,
    noun: type[Any],
    *,
    create: type[Wire],
    update: type[Wire],
    actions: tuple[Any, ...],
    query: Query | None = None,
) -> tuple[Route, ...]:
    """PUT makes, as everything here has the id that its maker gives it."""
    make, index, show, change, delete = actions
    one = f"{path}/{{id}}"
    return (
        Route("GET", path, index, **views.many(noun), query=query),
        Route("PUT", one, make, body=create, key=key, **views.one(noun), code=201),
        Route("GET", one, show, **views.one(noun)),
        Route("PATCH", one, change, body=update, key=key, **views.one(noun)),
        Route("DELETE", one, delete, code=204),
    )


_NAMED: Query = identity_wire.query_params("id", flags=("enabled",))
_ORIGIN: Query = {"origin": Annotated[str, Meta(max_length=2048), times(8)]}
_BACK: Query = {name: Annotated[str, Meta(max_length=4095), times(8)] for name in ("state", "code")}
_NO_CATALOG: Query = identity_wire.query_params(flags=("nocatalog",))
_AUTH: dict[str, Any] = {
    "view": views.entered, "answer": TokenAnswer | bytes, "sends": SUBJECT, "query": _NO_CATALOG, "code": 201, "codes": (200,), "tx": "none", "slow": True, "public": True,
}  # fmt: skip
_SSO: dict[str, Any] = {
    "view": views.elsewhere, "sends": answers.ELSEWHERE, "code": 302, "tx": "none", "slow": True, "public": True,
}  # fmt: skip
_AT = "/identity_providers/{idp}/protocols/{protocol}"
ROUTES = (
    *_noun(
        f"{BASE}/identity_providers", "identity_provider", model.Provider, create=wire.CreateProvider, update=wire.UpdateProvider,
        actions=(providers.create_provider, providers.providers, providers.show_provider, providers.update_provider, providers.delete_provider),
        query=_NAMED,
    ),
    *_noun(
        f"{BASE}/identity_providers/{{idp}}/protocols", "protocol", model.Protocol, create=wire.WriteProtocol, update=wire.WriteProtocol,
        actions=(providers.create_protocol, providers.protocols, providers.show_protocol, providers.update_protocol, providers.delete_protocol),
    ),
    *_noun(
        f"{BASE}/mappings", "mapping", model.Mapping, create=wire.WriteMapping, update=wire.WriteMapping,
        actions=(providers.create_mapping, providers.mappings, providers.show_mapping, providers.update_mapping, providers.delete_mapping),
    ),
    *_noun(
        f"{BASE}/service_providers", "service_provider", model.ServiceProvider, create=wire.CreateServiceProvider, update=wire.UpdateServiceProvider,
        actions=(
            providers.create_service_provider, providers.service_providers, providers.show_service_provider, providers.update_service_provider,
            providers.delete_service_provider,
        ),
        query=_NAMED,
    ),
    Route("GET", f"{BASE}/projects", auth.projects, **identity_views.many(identity_model.Project)),
    Route("GET", f"{BASE}/domains", auth.domains, **identity_views.many(identity_model.Domain)),
    Route("GET", f"{BASE}{_AT}/auth", websso.authenticate, **_AUTH),
    Route("POST", f"{BASE}{_AT}/auth", websso.authenticate, **_AUTH),
    Route("POST", f"{BASE}{_AT}/saml2/acs", saml_login.consume, **_AUTH),
    Route("GET", f"{BASE}{_AT}/saml2/metadata", saml_login.own_metadata, answer=bytes, tx="none", slow=True, public=True),
    Route("GET", f"{BASE}/saml2/metadata", saml_login.issuer_metadata, answer=bytes, tx="none", slow=True, public=True),
    Route("POST", f"{SSO}/saml2", saml_login.assertion, body=saml_login.AssertionRequest, key="auth", answer=bytes, tx="none", slow=True, public=True),
    Route("POST", f"{SSO}/saml2/ecp", saml_login.enveloped_assertion, body=saml_login.AssertionRequest, key="auth", answer=bytes, tx="none", slow=True, public=True),
    Route("GET", f"{SSO}/websso/{{protocol}}", websso.websso, **_SSO, query=_ORIGIN),
    Route("POST", f"{SSO}/websso/{{protocol}}", websso.websso, **_SSO, query=_ORIGIN),
    Route("GET", f"{SSO}{_AT}/websso", websso.websso_by, **_SSO, query=_ORIGIN),
    Route("POST", f"{SSO}{_AT}/websso", websso.websso_by, **_SSO, query=_ORIGIN),
    Route("GET", f"{SSO}/oidc/callback", federated_login.callback, view=views.handed_over, answer=bytes, tx="none", slow=True, public=True, query=_BACK),
)  # fmt: skip
