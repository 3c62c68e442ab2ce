# SPDX-License-Identifier: Apache-2.0
"""Swift and S3 in processes of their own: identity is there to know who asks, and nothing else of the cloud is."""

from __future__ import annotations

from virga.roles.role import Role
from virga.services.identity.part import PART as IDENTITY
from virga.services.objects.part import PART

OBJECTS = Role(name="objects", parts=(IDENTITY, PART), serves=frozenset({PART.name}))
