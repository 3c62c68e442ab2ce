# SPDX-License-Identifier: Apache-2.0
"""What OS-OAUTH1 and OS-OAUTH2 answer, as shapes."""

from __future__ import annotations

from virga.ground.wire import UNSET, Shape, UnsetType, field
from virga.services.identity.answers import Links, Self


class Consumer(Shape):
    """`secret` is told once, to whoever makes it."""

    id: str
    description: str | None
    links: Self
    secret: str | UnsetType = UNSET


class ConsumerAnswer(Shape):
    consumer: Consumer


class ConsumersAnswer(Shape):
    consumers: list[Consumer]
    links: Links


class Verifier(Shape):
    oauth_verifier: str


class VerifierAnswer(Shape):
    token: Verifier


class AccessTokenLinks(Shape):
    self_: str = field(name="self")
    roles: str


class AccessToken(Shape):
    id: str
    consumer_id: str
    project_id: str
    authorizing_user_id: str
    expires_at: str | None
    links: AccessTokenLinks


class AccessTokenAnswer(Shape):
    access_token: AccessToken


class AccessTokensAnswer(Shape):
    access_tokens: list[AccessToken]
    links: Links


class AccessTokenRole(Shape):
    id: str
    name: str
    domain_id: str | None
    links: Self


class AccessTokenRoleAnswer(Shape):
    role: AccessTokenRole


class AccessTokenRolesAnswer(Shape):
    roles: list[AccessTokenRole]
    links: Links


class BearerAnswer(Shape):
    """RFC 6749, 5.1"""

    access_token: str
    expires_in: int
    token_type: str


class RefusedAnswer(Shape):
    """RFC 6749, 5.2"""

    error: str
    error_description: str
