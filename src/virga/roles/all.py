# SPDX-License-Identifier: Apache-2.0
"""One process that is a whole cloud: what `virga up` runs."""

from __future__ import annotations

from virga.roles.api import API
from virga.roles.control import CONTROL
from virga.roles.node import NODE
from virga.roles.role import Role

ALL: Role = API | CONTROL | NODE
