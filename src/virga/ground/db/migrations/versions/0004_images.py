# SPDX-License-Identifier: Apache-2.0
"""Images, whole: members, stores, tasks, metadata definitions."""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None: ...
