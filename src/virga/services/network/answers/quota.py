# SPDX-License-Identifier: Apache-2.0
"""Quotas as they are shown."""

from __future__ import annotations

from virga.ground.wire import UNSET, Shape, UnsetType


class QuotaShown(Shape):
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


class Used(Shape):
    """How much a project may have and has of a noun."""

    limit: int
    used: int
    reserved: int = 0
    """Use is counted in the writing transaction: nothing is ever reserved."""


class TenantOfQuota(Shape):
    tenant_id: str


class TenantAnswer(Shape):
    """Whose quota it is, in the word of before."""

    tenant: TenantOfQuota


class ProjectOfQuota(Shape):
    project_id: str


class ProjectAnswer(Shape):
    """Whose quota it is."""

    project: ProjectOfQuota


class QuotaDetails(Shape):
    """Limit and use of each noun."""

    network: Used
    subnet: Used
    port: Used
    router: Used
    floatingip: Used
    security_group: Used
    security_group_rule: Used
