# SPDX-License-Identifier: Apache-2.0
"""An application credential's access rules hold in every service."""

from __future__ import annotations

from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant


def narrowed(sim: SimCloud, owner: Tenant, rules: list[dict[str, str]]) -> Tenant:
    """A token of an application credential with these access rules."""
    body: dict[str, Any] = {"name": f"app-{len(rules)}-{rules[0]['service']}", "access_rules": rules}
    app = owner.post(f"/identity/v3/users/{owner.user}/application_credentials", {"application_credential": body}, 201)[
        "application_credential"
    ]
    method = {"id": app["id"], "secret": app["secret"]}
    answer = sim.http.post(
        "/identity/v3/auth/tokens",
        json={"auth": {"identity": {"methods": ["application_credential"], "application_credential": method}}},
    )
    assert answer.status_code == 201, answer.text
    return Tenant(sim.http, answer.headers["x-subject-token"], owner.project, owner.user)


@pytest.mark.parametrize("service", ["identity", "image", "network", "compute", "object-store"])
def test_access_rules_hold_in_every_service(shared: SimCloud, service: str) -> None:
    t = shared.tenant(f"ruled-{service}")
    role = shared.admin.get("/identity/v3/roles?name=SwiftOperator")["roles"] if service == "object-store" else []
    for r in role:
        shared.admin.put(f"/identity/v3/projects/{t.project}/users/{t.user}/roles/{r['id']}")
    inside = {
        "identity": "/v3/auth/projects",
        "image": "/v2/images",
        "network": "/v2.0/networks",
        "compute": "/v2.1/servers",
        "object-store": f"/v1/AUTH_{t.project}",
    }
    mounts = {
        "identity": "/identity",
        "image": "/image",
        "network": "/network",
        "compute": "/compute",
        "object-store": "/object-store",
    }
    narrow = narrowed(shared, t, [{"service": service, "method": "GET", "path": inside[service]}])
    for each, path in inside.items():
        got = narrow.ask("GET", mounts[each] + path)
        assert got.code in ({200, 204} if each == service else {401}), f"{each}: {got.code} {got.text[:200]}"
    assert narrow.ask("POST", mounts[service] + inside[service], {}).code in {401, 405}, "another method is not covered"
