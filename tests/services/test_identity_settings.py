# SPDX-License-Identifier: Apache-2.0
"""What the operator's settings of identity and users' options do, each once."""

from __future__ import annotations

from typing import Any

from sim_cloud import SimCloud, make
from virga.ground.loops.loop import Round
from virga.ground.world import VirtualClock
from virga.services.identity import loops

I = "/identity/v3"  # noqa: E741
DAY = 86400


def test_limits_of_two_levels() -> None:
    """A child's limit stays within its parent's, or within the registered one; a parent's is never below its children's."""
    cloud = make(**{"identity.limit_model": "strict_two_level"})
    try:
        a = SimCloud(cloud).admin
        assert a.get(f"{I}/limits/model")["model"]["name"] == "strict_two_level"
        service = a.get(f"{I}/services?type=network")["services"][0]["id"]
        a.post(
            f"{I}/registered_limits",
            {"registered_limits": [{"service_id": service, "resource_name": "thing", "default_limit": 10}]},
            201,
        )
        top = a.post(f"{I}/projects", {"project": {"name": "top"}}, 201)["project"]["id"]
        low = a.post(f"{I}/projects", {"project": {"name": "low", "parent_id": top}}, 201)["project"]["id"]

        def limit(project: str, most: int) -> Any:
            body = {
                "limits": [
                    {"service_id": service, "resource_name": "thing", "resource_limit": most, "project_id": project}
                ]
            }
            return a.ask("POST", f"{I}/limits", body)

        refused = limit(low, 11)
        assert refused.code == 403 and "more than the 10" in refused.text, (
            "the registered limit stands for a parent that has none"
        )
        assert limit(top, 8).code == 201
        assert limit(low, 9).code == 403
        made = limit(low, 6)
        assert made.code == 201
        above = next(x["id"] for x in a.get(f"{I}/limits?project_id={top}")["limits"])
        lowered = a.ask("PATCH", f"{I}/limits/{above}", {"limit": {"resource_limit": 5}})
        assert lowered.code == 403 and "less than the 6" in lowered.text
        assert a.get(f"{I}/limits/{above}")["limit"]["resource_limit"] == 8, "nothing was changed"
        a.patch(f"{I}/limits/{made.json['limits'][0]['id']}", {"limit": {"resource_limit": 5}})
        a.patch(f"{I}/limits/{above}", {"limit": {"resource_limit": 5}})
    finally:
        cloud.db.close()


def test_users_options() -> None:
    """lock_password, ignore_user_inactivity and the rest of the inactive; ignore_lockout_failure_attempts."""
    clock = VirtualClock()
    cloud = make(
        clock=clock,
        **{"identity.inactive_days": 30, "identity.lockout_attempts": 2, "identity.token_seconds": 100 * DAY},
    )
    try:
        sim = SimCloud(cloud)
        a = sim.admin

        def user(name: str, **options: bool) -> str:
            return str(
                a.post(f"{I}/users", {"user": {"name": name, "password": "pw", "options": options}}, 201)["user"]["id"]
            )

        locked = user("locked", lock_password=True)
        body = {"user": {"original_password": "pw", "password": "new"}}
        got = sim.http.post(f"{I}/users/{locked}/password", json=body)
        assert got.status_code == 400 and "locked" in got.text
        assert a.ask("PATCH", f"{I}/users/{locked}", {"user": {"password": "pw2"}}).code == 200, "an administrator may"
        away, stored = user("away"), user("kept", ignore_user_inactivity=True)
        stubborn = user("stubborn", ignore_lockout_failure_attempts=True)
        for name in ("away", "stubborn"):
            assert [sim.auth(name, "no", None).status_code for _ in range(3)] == [401] * 3
        assert sim.auth("stubborn", "pw", None).status_code == 201 and sim.auth("away", "pw", None).status_code == 401
        a.patch(f"{I}/users/{a.user}", {"user": {"options": {"ignore_user_inactivity": True}}})
        clock.advance(31 * DAY)
        assert loops.idle(Round(cloud.db, cloud.world, cloud.registry)) >= 1
        states = {id: a.get(f"{I}/users/{id}")["user"]["enabled"] for id in (away, stored, stubborn)}
        assert states == {away: False, stored: True, stubborn: False}
        a.patch(f"{I}/users/{away}", {"user": {"enabled": True}})
        assert sim.auth("kept", "pw", None).status_code == 201
    finally:
        cloud.db.close()


def test_how_often_a_trust_is_handed_on() -> None:
    cloud = make(**{"identity.max_redelegations": 1})
    try:
        sim = SimCloud(cloud)
        t = sim.tenant("giver")
        role = [{"name": "member"}]

        def trust(count: int) -> Any:
            wanted = {
                "trustor_user_id": t.user,
                "trustee_user_id": sim.admin.user,
                "project_id": t.project,
                "impersonation": True,
                "roles": role,
                "allow_redelegation": True,
                "redelegation_count": count,
            }
            return t.ask("POST", f"{I}/OS-TRUST/trusts", {"trust": wanted})

        assert trust(1).code == 201 and trust(2).code == 403
    finally:
        cloud.db.close()


def test_a_token_without_the_catalogue(shared: SimCloud) -> None:
    way = {
        "methods": ["password"],
        "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": "admin"}},
    }
    body = {"auth": {"identity": way, "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}}
    with_it, without = (shared.http.post(f"{I}/auth/tokens{q}", json=body).json()["token"] for q in ("", "?nocatalog"))
    assert with_it["catalog"] and "catalog" not in without and without["roles"]
