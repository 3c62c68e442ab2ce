# SPDX-License-Identifier: Apache-2.0
"""The OpenID Connect providers of the settings, each with its kept keys."""

from __future__ import annotations

from collections.abc import Mapping

from virga.services.identity.federation.oidc import OidcProvider
from virga.services.identity.federation.settings import Oidc


class Providers:
    def __init__(self, own: Mapping[str, Oidc]) -> None:
        self._found = {idp: OidcProvider(idp, one) for idp, one in own.items()}

    def of(self, idp: str) -> OidcProvider | None:
        return self._found.get(idp)

    def ids(self) -> set[str]:
        return set(self._found)
