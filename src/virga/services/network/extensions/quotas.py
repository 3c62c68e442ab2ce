# SPDX-License-Identifier: Apache-2.0
"""Quotas."""

from __future__ import annotations

from virga.ground.http.table import Route
from virga.services.network import answers, nouns, wire
from virga.services.network.actions import quota
from virga.services.network.extensions import rows
from virga.services.network.extensions.extension import Extension
from virga.services.network.views import quota as views
from virga.services.network.views.wrapped import One

_ONE = "/{project}"
EXTENSIONS = (
    Extension(
        alias="quotas",
        name="Quota management support",
        description="How much a project may have",
        updated="2012-07-29T10:00:00-00:00",
        routes=(
            Route(
                "GET",
                nouns.QUOTA.path,
                quota.index,
                view=rows.one(nouns.QUOTA),
                answer=answers.many("quotas", answers.QuotaShown, pages=False),
                query=wire.FIELDS,
            ),
            Route("GET", f"{nouns.QUOTA.path}/tenant", quota.tenant, view=views.tenant, answer=answers.TenantAnswer),
            Route("GET", f"{nouns.QUOTA.path}/project", quota.tenant, view=views.project, answer=answers.ProjectAnswer),
            rows.show(nouns.QUOTA, quota.show, path=_ONE),
            rows.show(nouns.QUOTA, quota.default, path=f"{_ONE}/default"),
            rows.update(nouns.QUOTA, quota.update, wire.Quota, path=_ONE),
            rows.delete(nouns.QUOTA, quota.reset, path=_ONE),
        ),
    ),
    Extension(
        alias="quota-check-limit",
        name="Quota engine limit check",
        description="A limit that is less than what is used is refused where that is asked for",
        updated="2021-09-08T16:00:00-00:00",
        takes={nouns.QUOTA: ("check_limit", "force")},
        needs=("quotas",),
    ),
    Extension(
        alias="quota_details",
        name="Quota details management support",
        description="How much a project has of what it may",
        updated="2017-02-10T10:00:00-00:00",
        routes=(
            Route(
                "GET",
                f"{nouns.QUOTA.path}{_ONE}/details",
                quota.details,
                view=One("quota", nouns.QUOTA.collection, views.details),
                answer=answers.one("quota", answers.QuotaDetails),
                query=wire.FIELDS,
            ),
        ),
        needs=("quotas",),
    ),
)
