# SPDX-License-Identifier: Apache-2.0
"""Quotas on the wire."""

from __future__ import annotations

import msgspec

from virga.ground.wire import UNSET, UnsetType
from virga.services.network.wire.shapes import Most, Wire


class Quota(Wire):
    network: Most | UnsetType = UNSET
    subnet: Most | UnsetType = UNSET
    port: Most | UnsetType = UNSET
    router: Most | UnsetType = UNSET
    floatingip: Most | UnsetType = UNSET
    security_group: Most | UnsetType = UNSET
    security_group_rule: Most | UnsetType = UNSET
    check_limit: bool = False
    force: bool = False


class QuotaShown(msgspec.Struct, frozen=True, kw_only=True):
    """How much a project may have, of each noun; -1 is no limit. `project_id` is said in lists."""

    network: int
    subnet: int
    port: int
    router: int
    floatingip: int
    security_group: int
    security_group_rule: int
    rbac_policy: int
    subnetpool: int
    project_id: str | UnsetType = UNSET
    tenant_id: str | UnsetType = UNSET


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """How much a project may have and has of a noun."""

    limit: int
    used: int
    reserved: int = 0
    """Use is counted in the writing transaction: nothing is ever reserved."""


class QuotaDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Limit and use of each noun."""

    network: Used
    subnet: Used
    port: Used
    router: Used
    floatingip: Used
    security_group: Used
    security_group_rule: Used
