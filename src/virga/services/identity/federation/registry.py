# SPDX-License-Identifier: Apache-2.0
"""The providers of the settings: OpenID Connect, each with its kept keys, and SAML, each with its kept metadata."""

from __future__ import annotations

from collections.abc import Mapping

from virga.services.identity.federation.oidc import OidcProvider
from virga.services.identity.federation.saml.provider import SamlProvider
from virga.services.identity.federation.settings import Oidc, Saml


class Providers:
    def __init__(self, oidc: Mapping[str, Oidc], saml: Mapping[str, Saml]) -> None:
        self._oidc = {idp: OidcProvider(idp, one) for idp, one in oidc.items()}
        self._saml = {idp: SamlProvider(idp, one) for idp, one in saml.items()}

    def of(self, idp: str) -> OidcProvider | None:
        return self._oidc.get(idp)

    def saml(self, idp: str) -> SamlProvider | None:
        return self._saml.get(idp)

    def ids(self) -> set[str]:
        return set(self._oidc) | set(self._saml)
