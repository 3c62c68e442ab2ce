# SPDX-License-Identifier: Apache-2.0
"""The APIs: any number of processes may answer them on one database. What they begin, a control process carries through."""

from __future__ import annotations

from virga.roles.parts import PARTS
from virga.roles.role import Role

API = Role(name="api", parts=PARTS, serves=frozenset(part.name for part in PARTS))
