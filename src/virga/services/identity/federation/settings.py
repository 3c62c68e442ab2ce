# SPDX-License-Identifier: Apache-2.0
"""The OpenID Connect and SAML providers that this cloud trusts, each under the id of its identity provider in the API."""

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


class Saml(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One SAML 2 identity provider."""

    metadata: Annotated[str, Meta(min_length=1)]
    """A file, or an address."""
    entity: str = ""
    """The provider's name, where the metadata describe several."""
    own_entity: str = ""
    """What the provider calls this cloud; the address of our metadata if empty."""
    unsolicited: bool = False
    """Whether assertions are taken that answer no request of ours: a Keystone sends such."""
    audience: bool = True
    """Whether an assertion must name its audience; a Keystone's does not."""
    sha1: bool = False
    """Whether signatures with SHA-1 are taken, as a Keystone makes them."""
    cacert: str = ""
    timeout: Annotated[float, Meta(gt=0, le=60)] = 5.0
    metadata_seconds: Annotated[float, Meta(ge=1)] = 3600.0


class SamlIssuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This cloud as an identity provider of others (Keystone's section [saml])."""

    idp_entity_id: Annotated[
        str, Meta(description="This cloud's name in assertions; empty: the address of its metadata")
    ] = ""
    assertion_expiration_time: Annotated[
        int, Meta(ge=10, le=86400, description="How many seconds an assertion is good")
    ] = 3600
    keyfile: Annotated[
        str,
        Meta(
            description="PEM with the key that signs assertions, and its certificate; empty: saml.pem in the state folder"
        ),
    ] = ""
