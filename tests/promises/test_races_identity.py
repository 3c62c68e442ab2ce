# SPDX-License-Identifier: Apache-2.0
"""Many at once for the same: of each thing that must be one the database keeps one, and who came late reads why. On both databases."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from services.test_identity_delegation import TOKENS, I, app_credential, trust
from sim_cloud import BASE, SimCloud, Tenant, make
from virga.ground.world import VirtualClock
from virga.services.identity import store
from virga.services.identity.actions.login import passcode

MANY = 6


def at_once(sim: SimCloud, ask: Callable[[Tenant, int], Any], who: Tenant | None = None, many: int = MANY) -> list[Any]:
    """What `ask` gave each of many threads that begin together, each with a client of its own."""
    begin, out, who = threading.Barrier(many), [None] * many, who or sim.admin

    def one(n: int) -> None:
        own = Tenant(TestClient(sim.cloud.api_app, base_url=BASE), who.token, who.project, who.user)
        begin.wait()
        try:
            out[n] = ask(own, n)
        except BaseException as e:
            out[n] = e

    threads = [threading.Thread(target=one, args=(n,)) for n in range(many)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for each in out:
        if isinstance(each, BaseException):
            raise each
    return out


def codes(answers: list[Any]) -> Counter[int]:
    return Counter(a.code for a in answers)


@pytest.mark.parametrize(
    ("noun", "more"),
    [("user", {}), ("project", {}), ("group", {}), ("domain", {}), ("role", {}), ("role", {"domain_id": "default"})],
    ids=["user", "project", "group", "domain", "role", "role of a domain"],
)
def test_one_of_a_name(sim: SimCloud, noun: str, more: dict[str, Any]) -> None:
    for turn in range(3):
        name = f"twin{turn}"
        body = {noun: {"name": name} | more}
        got = at_once(sim, lambda who, n, body=body: who.ask("POST", f"{I}/{noun}s", body))
        assert codes(got) == {201: 1, 409: MANY - 1}, [a.text for a in got]
        assert all("UNIQUE" not in a.text and "constraint" not in a.text for a in got)
        query = "&".join([f"name={name}", *(f"{k}={v}" for k, v in more.items())])
        assert len(sim.admin.get(f"{I}/{noun}s?{query}")[f"{noun}s"]) == 1


def test_a_global_roles_name_is_held_by_the_database(sim: SimCloud) -> None:
    """Whatever an action looked up before: two rows of one name and no domain are refused."""
    with sim.cloud.db.write() as tx:
        store.ROLES.insert(tx, id="a" * 32, name="held", domain_id=None, description=None, extra={}, options={})
    with pytest.raises(Exception, match="taken"), sim.cloud.db.write() as tx:
        store.ROLES.insert(tx, id="b" * 32, name="held", domain_id=None, description=None, extra={}, options={})
    with sim.cloud.db.write() as tx:
        store.ROLES.insert(tx, id="c" * 32, name="held", domain_id="default", description=None, extra={}, options={})


def test_what_is_put_is_put_for_all(sim: SimCloud) -> None:
    """A grant, a membership, an implied role, an endpoint shown to a project: PUT is idempotent, so nobody is refused."""
    a, t = sim.admin, sim.tenant("put")
    role = a.post(f"{I}/roles", {"role": {"name": "prior"}})["role"]["id"]
    implied = a.post(f"{I}/roles", {"role": {"name": "later"}})["role"]["id"]
    group = a.post(f"{I}/groups", {"group": {"name": "g"}})["group"]["id"]
    endpoint = a.get(f"{I}/endpoints")["endpoints"][0]["id"]
    filters = {"endpoint_group": {"name": "eg", "filters": {"interface": "public"}}}
    bundle = a.post(f"{I}/OS-EP-FILTER/endpoint_groups", filters)["endpoint_group"]["id"]
    for path, good in (
        (f"projects/{t.project}/users/{t.user}/roles/{role}", 204),
        (f"projects/{t.project}/groups/{group}/roles/{role}", 204),
        (f"system/users/{t.user}/roles/{role}", 204),
        (f"OS-INHERIT/domains/default/users/{t.user}/roles/{role}/inherited_to_projects", 204),
        (f"groups/{group}/users/{t.user}", 204),
        (f"roles/{role}/implies/{implied}", 201),
        (f"OS-EP-FILTER/projects/{t.project}/endpoints/{endpoint}", 204),
        (f"OS-EP-FILTER/endpoint_groups/{bundle}/projects/{t.project}", 204),
    ):
        got = at_once(sim, lambda who, n, path=path: who.ask("PUT", f"{I}/{path}"))
        assert codes(got) == {good: MANY}, (path, [x.text for x in got])
    held = a.get(f"{I}/role_assignments?user.id={t.user}&role.id={role}&scope.project.id={t.project}")
    assert len(held["role_assignments"]) == 1


def test_implied_roles_make_no_circle(sim: SimCloud) -> None:
    a = sim.admin
    for turn in range(3):
        one, other = (a.post(f"{I}/roles", {"role": {"name": f"{n}{turn}"}})["role"]["id"] for n in ("x", "y"))
        pairs = [(one, other), (other, one)]
        got = at_once(
            sim, lambda who, n, p=pairs: who.ask("PUT", f"{I}/roles/{p[n % 2][0]}/implies/{p[n % 2][1]}"), many=2
        )
        assert codes(got) == {201: 1, 403: 1}, [x.text for x in got]


def test_one_credential_of_an_access_key(sim: SimCloud) -> None:
    t = sim.tenant("key")
    blob = json.dumps({"access": "the-same", "secret": "s"})
    body = {"credential": {"type": "ec2", "project_id": t.project, "blob": blob}}
    got = at_once(sim, lambda who, n: who.ask("POST", f"{I}/credentials", body), t)
    assert codes(got) == {201: 1, 409: MANY - 1}
    assert len(t.get(f"{I}/credentials")["credentials"]) == 1


def test_one_application_credential_of_a_name_and_one_rule_of_a_kind(sim: SimCloud) -> None:
    t = sim.tenant("app")
    rule = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}
    got = at_once(sim, lambda who, n: app_credential(who, name=f"app{n % 2}", access_rules=[rule]), t)
    assert codes(got) == {201: 2, 409: MANY - 2}, [x.text for x in got]
    assert len(t.get(f"{I}/users/{t.user}/access_rules")["access_rules"]) == 1


def by_trust(sim: SimCloud, name: str, id: str) -> Callable[[Tenant, int], Any]:
    user = {"name": name, "domain": {"id": "default"}, "password": "pw"}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"OS-TRUST:trust": {"id": id}}}}
    return lambda who, n: who.ask("POST", TOKENS, body)


def test_a_trusts_uses_are_spent_once_each(sim: SimCloud) -> None:
    ann, bob = sim.tenant("ann"), sim.tenant("bob")
    made = trust(sim, ann, bob.user, remaining_uses=2).json["trust"]
    got = at_once(sim, by_trust(sim, "bob", made["id"]))
    assert codes(got) == {201: 2, 403: MANY - 2}, [x.text for x in got]


@pytest.fixture
def moving(database: str | None) -> Any:
    clock = VirtualClock(1_800_000_000.0)
    cloud = make(database, clock=clock, **{"identity.lockout_attempts": 50})
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


def test_a_passcode_works_once_whatever_receipts_say(moving: SimCloud) -> None:
    """A receipt may be shown again while it is good: it is the passcode that is used up."""
    sim, secret = moving, "JBSWY3DPEHPK3PXP"
    t = sim.tenant("mfa")
    t.post(f"{I}/credentials", {"credential": {"type": "totp", "blob": secret, "user_id": t.user}})
    options = {"multi_factor_auth_rules": [["password", "totp"]], "multi_factor_auth_enabled": True}
    sim.admin.patch(f"{I}/users/{t.user}", {"user": {"options": options}})
    first = {"identity": {"methods": ["password"], "password": {"user": {"id": t.user, "password": "pw"}}}}
    half = t.ask("POST", TOKENS, {"auth": first})
    assert half.code == 401
    receipt = half.headers["openstack-auth-receipt"]
    number = passcode(secret, int(sim.cloud.world.now() // 30))
    assert number is not None
    second = {"identity": {"methods": ["totp"], "totp": {"user": {"id": t.user, "passcode": number.decode()}}}}
    shown = {"OpenStack-Auth-Receipt": receipt}
    got = at_once(sim, lambda who, n: who.ask("POST", TOKENS, {"auth": second}, headers=shown))
    assert codes(got) == {201: 1, 401: MANY - 1}, [x.text for x in got]


def test_every_wrong_password_is_counted(moving: SimCloud) -> None:
    t = moving.tenant("locked")
    user = {"id": t.user, "password": "wrong"}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    for turn in (1, 2):
        assert codes(at_once(moving, lambda who, n: who.ask("POST", TOKENS, body))) == {401: MANY}
        with moving.cloud.db.read() as tx:
            found = store.USERS.get(tx, t.user)
        assert found is not None and found.failures == turn * MANY


def test_limits_and_policies_are_one_of_a_kind(sim: SimCloud) -> None:
    a = sim.admin
    service = a.get(f"{I}/services?type=compute")["services"][0]["id"]
    endpoint = a.get(f"{I}/endpoints")["endpoints"][0]["id"]
    kind = {"service_id": service, "resource_name": "things"}
    registered = {"registered_limits": [kind | {"default_limit": 5}]}
    got = at_once(sim, lambda who, n: who.ask("POST", f"{I}/registered_limits", registered))
    assert codes(got) == {201: 1, 409: MANY - 1}, [x.text for x in got]
    own = {"limits": [kind | {"resource_limit": 3, "project_id": a.project}]}
    got = at_once(sim, lambda who, n: who.ask("POST", f"{I}/limits", own))
    assert codes(got) == {201: 1, 409: MANY - 1}, [x.text for x in got]
    ids = [a.post(f"{I}/policies", {"policy": {"blob": "{}", "type": "t"}})["policy"]["id"] for _ in range(MANY)]
    use = f"OS-ENDPOINT-POLICY/endpoints/{endpoint}"
    got = at_once(sim, lambda who, n: who.ask("PUT", f"{I}/policies/{ids[n]}/{use}"))
    assert codes(got) == {204: MANY}, [x.text for x in got]
    assert sum(a.ask("GET", f"{I}/policies/{id}/{use}").code == 204 for id in ids) == 1


def test_tags_that_come_at_once_are_all_kept(sim: SimCloud) -> None:
    a = sim.admin
    at_once(sim, lambda who, n: who.ask("PUT", f"{I}/projects/{a.project}/tags/tag{n}"))
    assert sorted(a.get(f"{I}/projects/{a.project}/tags")["tags"]) == [f"tag{n}" for n in range(MANY)]


def test_a_token_is_ended_once(sim: SimCloud) -> None:
    t = sim.tenant("ended")
    shown = {"X-Subject-Token": t.token}
    got = at_once(sim, lambda who, n: who.ask("DELETE", TOKENS, headers=shown))
    assert set(codes(got)) <= {204, 404} and codes(got)[204] >= 1, [x.text for x in got]
    assert t.ask("GET", "/compute/v2.1/servers").code == 401


def test_a_wish_of_oauth_is_granted_once(sim: SimCloud) -> None:
    """Two administrators who both may: the second does not take the place of the first."""
    from virga.services.identity.oauth import store as oauth

    with sim.cloud.db.write() as tx:
        oauth.CONSUMERS.insert(tx, id="consumer", secret="x", description=None)
        oauth.REQUESTS.insert(
            tx,
            id="wish",
            secret="x",
            consumer_id="consumer",
            project_id=sim.admin.project,
            expires=sim.cloud.world.now() + 600,
            verifier=None,
            user_id=None,
            roles=[],
        )
    role = sim.admin.get(f"{I}/roles?name=reader")["roles"][0]["id"]
    body = {"roles": [{"id": role}]}
    got = at_once(sim, lambda who, n: who.ask("PUT", f"{I}/OS-OAUTH1/authorize/wish", body))
    assert codes(got) == {200: 1, 403: MANY - 1}, [x.text for x in got]
