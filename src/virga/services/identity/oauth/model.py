# SPDX-License-Identifier: Apache-2.0
"""OAuth 1's nouns as rows. Secrets are sealed: a signature is checked with the secret itself."""

from __future__ import annotations

from virga.ground.db.rows import Row


class Consumer(Row, frozen=True):
    """A program that may ask users for authority."""

    id: str
    secret: str
    description: str | None


class RequestToken(Row, frozen=True):
    """A wish for authority on a project; `verifier`, `user_id` and `roles` are there once somebody has granted it."""

    id: str
    secret: str
    consumer_id: str
    project_id: str
    expires: float
    verifier: str | None
    user_id: str | None
    roles: list[str]


class AccessToken(Row, frozen=True):
    """Authority that a user handed to a consumer: `roles` on a project."""

    id: str
    secret: str
    consumer_id: str
    user_id: str
    project_id: str
    roles: list[str]
    expires: float | None
