# SPDX-License-Identifier: Apache-2.0
"""Objects: accounts, containers, objects."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None: ...
