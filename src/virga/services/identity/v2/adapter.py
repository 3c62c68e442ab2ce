# SPDX-License-Identifier: Apache-2.0
"""From a call of v2.0 to one that v3's actions understand, and who the admin token is."""

from __future__ import annotations

import hmac
from dataclasses import replace

from virga.ground.act import Act, Actor
from virga.ground.errors import Invalid
from virga.ground.http.call import Call, Query
from virga.services.identity import settings

DOMAIN = "default"
NAME = "The admin token"


def as_v3(call: Call, *, subject: str | None = None, **query: str) -> Call:
    """The same call with v3's query, and `subject` as the token that is asked about."""
    headers = dict(call.request.headers)
    if subject is not None:
        headers["x-subject-token"] = subject
    return replace(
        call, request=replace(call.request, query=Query({k: [v] for k, v in query.items()}), headers=headers)
    )


def admit(act: Act, token: str) -> Actor | None:
    """The holder of the admin token: an administrator of identity without a name, for a first start as in 2013. Off unless
    `identity.admin_token` is set; no other service knows it."""
    secret = act.use(settings.Identity).admin_token
    if not secret or not hmac.compare_digest(secret.encode(), token.encode("utf-8", "surrogateescape")):
        return None
    return Actor(user_id="", user_name=NAME, user_domain_id=DOMAIN, roles=frozenset({"admin"}))


def page_slice(call: Call, rows: list[str]) -> slice:
    """`limit` and `marker` of v2.0's lists, as a slice of `rows` (ids). Raises Invalid."""
    marker, limit = call.query.get("marker"), call.query.whole("limit")
    start = 0
    if marker is not None:
        if marker not in rows:
            raise Invalid("Marker could not be found", field="marker")
        start = rows.index(marker) + 1
    return slice(start, None if limit is None else start + limit)
