# SPDX-License-Identifier: Apache-2.0
"""Who could give what is asked for."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.http.call import Call
from virga.services.placement import candidates, groups, policy
from virga.services.placement.actions import providers


def index(call: Call) -> tuple[groups.Request, candidates.Found]:
    """GET /allocation_candidates (1.10)"""
    allow(call, policy.CANDIDATES)
    request = groups.parse(call.query.items, call.version)
    providers.known(call, {name for group in request.groups.values() for name in group.resources})
    providers.known_traits(
        call,
        {name for group in request.groups.values() for names in group.required for name in names}
        | {name for group in request.groups.values() for name in group.forbidden}
        | request.root_required
        | request.root_forbidden,
    )
    return request, candidates.find(call.tx, request, nested=call.version >= (1, 29))
