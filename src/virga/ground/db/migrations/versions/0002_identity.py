# SPDX-License-Identifier: Apache-2.0
"""Identity, whole: groups, credentials, trusts, application credentials, limits."""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None: ...
