# SPDX-License-Identifier: Apache-2.0
"""Identity's settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token_seconds: Annotated[int, Meta(ge=60, description="How long a token lives")] = 3600
    password_min: Annotated[int, Meta(ge=1, le=128, description="The least length of a new password")] = 1
    region: Annotated[str, Meta(description="The region of this cloud's own endpoints")] = "RegionOne"
    v2: Annotated[bool, Meta(description="Answer v2.0 too, for clients of 2013")] = True
    admin_token: Annotated[str, Meta(description="SERVICE_TOKEN of a first start as in 2013; empty: there is none")] = ""
    bootstrap: Annotated[bool, Meta(description="Make the administrator, the default roles and projects at start")] = True
