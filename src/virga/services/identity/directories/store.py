# SPDX-License-Identifier: Apache-2.0
"""The table of directories' entries."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import metadata
from virga.ground.db.rows import Rows
from virga.services.identity.directories import model

ENTRIES = Rows(
    sa.Table(
        "dir_entries",
        metadata,
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("domain_id", sa.String(64), nullable=False, index=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("local_id", sa.String(255), nullable=False),
        sa.Column("gone", sa.Double),
    ),
    model.Entry,
)
