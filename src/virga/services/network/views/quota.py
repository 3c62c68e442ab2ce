# SPDX-License-Identifier: Apache-2.0
"""Quotas as Neutron prints them."""

from __future__ import annotations

from typing import Any

from virga.ground.http.call import Call
from virga.services.network import answers, model


def quota(amounts: dict[str, Any], _: bool) -> answers.QuotaShown:
    """Amounts, by the names of limits; `project_id` where a list needs it."""
    return answers.QuotaShown(**amounts)


def details(amounts: dict[str, model.Used], _: bool) -> answers.QuotaDetails:
    """Limit and use, by the names of limits."""
    return answers.QuotaDetails(**{name: answers.Used(limit=u.limit, used=u.used) for name, u in amounts.items()})


def tenant(id: str, _: Call) -> answers.TenantAnswer:
    """Whose quota it is, in the word of before."""
    return answers.TenantAnswer(tenant=answers.TenantOfQuota(tenant_id=id))


def project(id: str, _: Call) -> answers.ProjectAnswer:
    """Whose quota it is."""
    return answers.ProjectAnswer(project=answers.ProjectOfQuota(project_id=id))
