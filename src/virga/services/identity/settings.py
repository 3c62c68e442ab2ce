# SPDX-License-Identifier: Apache-2.0
"""Identity's settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from virga.services.identity.directories.settings import Ldap
from virga.services.identity.federation.settings import Oidc, Saml, SamlIssuer


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token_seconds: Annotated[int, Meta(ge=60, description="How long a token lives")] = 3600
    late_seconds: Annotated[
        int, Meta(ge=0, description="How long after its end a service may still check a token (allow_expired)")
    ] = 172800
    receipt_seconds: Annotated[
        int, Meta(ge=30, description="How long a half-done login with several factors may take")
    ] = 300
    rotate_seconds: Annotated[
        int, Meta(ge=0, description="How often a new token key is made; 0: only by 'virga keys rotate'")
    ] = 604800
    list_limit: Annotated[int, Meta(ge=0, description="The most items of a list; 0: no limit")] = 0
    region: Annotated[str, Meta(description="The region of this cloud's own endpoints")] = "RegionOne"
    v2: Annotated[bool, Meta(description="Answer v2.0 too, for clients of 2013")] = True
    admin_token: Annotated[str, Meta(description="SERVICE_TOKEN of a first start as in 2013; empty: there is none")] = (
        ""
    )
    bootstrap: Annotated[bool, Meta(description="Make the administrator, the default roles and projects at start")] = (
        True
    )
    max_depth: Annotated[int, Meta(ge=1, le=16, description="How deep projects may nest, their domain counted")] = 5
    totp_alone: Annotated[
        bool, Meta(description="A time-based passcode logs in by itself, with no other method (Keystone's default)")
    ] = False
    max_redelegations: Annotated[int, Meta(ge=0, description="How many times a trust may be handed on")] = 3
    ec2_seconds: Annotated[int, Meta(ge=1, description="How old a signed EC2 or S3 request may be")] = 900
    password_min: Annotated[int, Meta(ge=1, le=128, description="The least length of a new password")] = 1
    password_regex: Annotated[str, Meta(description="What a new password must match; empty: anything")] = ""
    password_regex_text: Annotated[
        str, Meta(description="The rule of password_regex in words, for those it refuses")
    ] = ""
    password_days: Annotated[int, Meta(ge=0, description="How many days a password is good; 0: for ever")] = 0
    password_min_days: Annotated[int, Meta(ge=0, description="How many days users must keep a new password")] = 0
    password_history: Annotated[
        int, Meta(ge=0, le=100, description="How many old passwords users may not take again, the present one counted")
    ] = 0
    password_first_use: Annotated[bool, Meta(description="Users must change a password that somebody else set")] = False
    lockout_attempts: Annotated[
        int, Meta(ge=0, description="Wrong passwords in a row that lock a user out; 0: never")
    ] = 0
    lockout_seconds: Annotated[int, Meta(ge=1, description="How long a lockout lasts")] = 1800
    inactive_days: Annotated[
        int, Meta(ge=0, description="Users who did not log in for so many days are disabled; 0: never")
    ] = 0
    credential_keys: Annotated[
        str, Meta(description="File of the keys that seal credentials; empty: credential.keys in the state folder")
    ] = ""
    limit_model: Annotated[
        str, Meta(pattern="^(flat|strict_two_level)$", description="How limits of a tree of projects add up")
    ] = "flat"
    ldap: Annotated[
        dict[str, Ldap],
        Meta(description="Directories by domain: [identity.ldap.NAME], with the names of Keystone's [ldap]"),
    ] = {}
    oidc: Annotated[
        dict[str, Oidc], Meta(description="OpenID Connect providers by identity provider: [identity.oidc.NAME]")
    ] = {}
    saml: Annotated[
        dict[str, Saml], Meta(description="SAML 2 providers by identity provider: [identity.saml.NAME]")
    ] = {}
    saml_idp: Annotated[
        SamlIssuer, Meta(description="This cloud as an identity provider of others (Keystone-to-Keystone)")
    ] = SamlIssuer()
    trusted_dashboards: Annotated[
        list[str], Meta(description="Addresses to which a browser's login may be handed (WebSSO)")
    ] = []
