# SPDX-License-Identifier: Apache-2.0
"""Identity's things that other services refer to (see the package)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from houses import House, Tenant
from references import Case

MAKE: dict[str, Callable[[House, Tenant], str]] = {
    "project": lambda house, who: who.project,
    "user": lambda house, who: who.user,
}
DROP: dict[str, Callable[[House, Tenant, str], None]] = {}
GOOD: dict[str, Callable[[Case], list[dict[str, Any]]]] = {}
PATHS: dict[str, Callable[[Case], str]] = {}
ALIKE: dict[str, str] = {}
