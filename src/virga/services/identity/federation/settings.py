# SPDX-License-Identifier: Apache-2.0
"""The OpenID Connect providers that this cloud trusts, each under the id of its identity provider in the API."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures by a key pair only: what a shared secret signs, every client of the provider could sign."""


class Oidc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One provider. What is not said is asked at the issuer's `/.well-known/openid-configuration` (OpenID Connect Discovery 1.0)."""

    issuer: Annotated[str, Meta(pattern="^https?://", max_length=2048)]
    client_id: Annotated[str, Meta(min_length=1)]
    client_secret: str = ""
    audiences: list[str] = []
    """Whom an access token must be for; the client's own id if empty."""
    scopes: str = "openid email profile"
    algorithms: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    jwks_uri: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    introspection_endpoint: str = ""
    userinfo_endpoint: str = ""
    cacert: str = ""
    timeout: Annotated[float, Meta(gt=0, le=60)] = 5.0
    keys_seconds: Annotated[float, Meta(ge=1)] = 3600.0
    leeway_seconds: Annotated[float, Meta(ge=0, le=300)] = 10.0
