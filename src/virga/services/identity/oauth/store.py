# SPDX-License-Identifier: Apache-2.0
"""OAuth 1's tables."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import metadata
from virga.ground.db.rows import Rows
from virga.services.identity.oauth import model

_id = sa.String(64)


def _secret() -> sa.Column[str]:
    return sa.Column("secret", sa.String(255), nullable=False)


CONSUMERS = Rows(
    sa.Table(
        "oauth_consumers",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _secret(),
        sa.Column("description", sa.Text),
    ),
    model.Consumer,
)
REQUESTS = Rows(
    sa.Table(
        "oauth_requests",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _secret(),
        sa.Column("consumer_id", _id, nullable=False, index=True),
        sa.Column("project_id", _id, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("verifier", sa.String(64)),
        sa.Column("user_id", _id),
        sa.Column("roles", sa.JSON, nullable=False),
    ),
    model.RequestToken,
)
ACCESS = Rows(
    sa.Table(
        "oauth_access",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _secret(),
        sa.Column("consumer_id", _id, nullable=False, index=True),
        sa.Column("user_id", _id, nullable=False, index=True),
        sa.Column("project_id", _id, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("expires", sa.Double),
    ),
    model.AccessToken,
)
