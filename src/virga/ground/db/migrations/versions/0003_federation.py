# SPDX-License-Identifier: Apache-2.0
"""Directories and federation."""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None: ...
