# SPDX-License-Identifier: Apache-2.0
"""Control: sagas, the loops of which a cloud needs one, the talk with nodes, the schema."""

from __future__ import annotations

from virga.roles.parts import PARTS
from virga.roles.role import Role

CONTROL = Role(name="control", parts=PARTS, control=True)
