# SPDX-License-Identifier: Apache-2.0
"""Images' settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Images(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    max_bytes: Annotated[int, Meta(ge=1, description="The largest image that is taken")] = 1 << 40
    upload_idle: Annotated[int, Meta(ge=1, description="Seconds without a byte after which an upload is given up")] = 300
