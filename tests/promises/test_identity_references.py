# SPDX-License-Identifier: Apache-2.0
"""References of identity that the sweep of references does not send as a member."""

from __future__ import annotations

import re
from typing import Any

import pytest

from references import ABSENT, MALFORMED, Case, identity, nouns
from sim_cloud import SimCloud

I = "/identity/v3"  # noqa: E741


@pytest.mark.parametrize("place", ["domain", "project"])
def test_a_domain_to_log_in_to_is_not_there(sim: SimCloud, place: str) -> None:
    """A foreign scope reads as one that never was, and as one that is disabled."""
    mallory, alice = sim.tenant("mallory"), sim.tenant("alice")
    foreign = identity.domain(sim, alice) if place == "domain" else alice.project
    off = sim.admin.post(f"{I}/{place}s", {place: {"name": "off", "enabled": False}})[place]["id"]
    answer: list[tuple[int, str]] = []
    for id in (foreign, ABSENT, off, MALFORMED):
        method = {"methods": ["token"], "token": {"id": mallory.token}}
        body: dict[str, Any] = {"auth": {"identity": method, "scope": {place: {"id": id}}}}
        got = mallory.ask("POST", f"{I}/auth/tokens", body)
        answer.append((got.code, got.text.replace(id, ABSENT)))
    assert answer[0] == answer[1] == answer[2] and answer[0][0] == 401 and answer[3][0] in {400, 401}, answer


def test_a_trust_is_for_somebody_who_is_there(sim: SimCloud) -> None:
    mallory, alice = sim.tenant("mallory"), sim.tenant("alice")
    body = {"trustor_user_id": mallory.user, "impersonation": False, "roles": []}
    mallory.post(f"{I}/OS-TRUST/trusts", {"trust": body | {"trustee_user_id": alice.user}}, 201)
    for id in (ABSENT, MALFORMED):
        assert mallory.ask("POST", f"{I}/OS-TRUST/trusts", {"trust": body | {"trustee_user_id": id}}).code == 404


def test_others_projects_are_not_named_in_keys(sim: SimCloud) -> None:
    """Whether a project exists is not to be learnt by making a key or a trust for it."""
    case = Case(sim, sim.tenant("mallory"), sim.tenant("alice"), *nouns())
    for path, body in (
        (f"{I}/users/{case.me.user}/credentials/OS-EC2", lambda id: {"tenant_id": id}),
        (
            f"{I}/credentials",
            lambda id: {"credential": identity.credentials(case)[0]["credential"] | {"project_id": id}},
        ),
        (f"{I}/OS-TRUST/trusts", lambda id: {"trust": identity.trusts(case)[0]["trust"] | {"project_id": id}}),
    ):
        got = [case.me.ask("POST", path, body(id)) for id in (case.other.project, ABSENT)]
        assert [g.code for g in got] == [404, 404], (path, [g.text for g in got])
        assert len({re.sub(r"project: \S+", "", g.text) for g in got}) == 1
