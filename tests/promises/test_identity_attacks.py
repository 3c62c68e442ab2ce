# SPDX-License-Identifier: Apache-2.0
"""Attacks on identity, each as somebody tried it somewhere (OSSA numbers in the docstrings). D13 is in test_policy; D12 belongs to
federation."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import random
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import policy_matrix
from services.test_identity_delegation import app_credential, by_app, by_trust, login, tenant_of, trust
from services.test_identity_groups import access_key, signed_s3, signed_v4
from sim_cloud import SimCloud, Tenant, make
from virga.ground.world import VirtualClock

I = "/identity/v3"  # noqa: E741 - identity
TOKENS = f"{I}/auth/tokens"
SERVERS = "/compute/v2.1/servers"


@pytest.fixture
def moving() -> Iterator[tuple[SimCloud, VirtualClock]]:
    clock = VirtualClock(1_800_000_000.0)
    cloud = make(clock=clock)
    cloud.start()
    yield SimCloud(cloud), clock
    cloud.stop()


def now(sim: SimCloud) -> dt.datetime:
    return dt.datetime.fromtimestamp(sim.cloud.world.now(), dt.UTC)


def test_d1_a_body_never_changes_the_decision(shared: SimCloud) -> None:
    """LP 2148398: keys of the body (`target`, `user_id`, `domain_id`) are not what a rule looks at."""
    t = shared.tenant("d1")
    lies = {
        "target": {
            "user": {"domain_id": "default", "id": t.user},
            "project": {"id": t.project},
            "credential": {"user_id": t.user},
        },
        "target.user.domain_id": "default",
        "user_id": t.user,
        "project_id": t.project,
        "domain_id": "default",
        "roles": ["admin"],
        "is_admin": True,
    }
    identity = next(s for s in shared.cloud.services if s.name == "identity")
    tried = 0
    for route in identity.routes:
        if (
            route.method in {"GET", "HEAD"}
            or route.public
            or "application_credentials" in route.path
            or route.path == "/v3/credentials"
        ):
            continue
        path = "/identity" + "/".join(policy_matrix.NOTHING if p.startswith("{") else p for p in route.path.split("/"))
        inner = policy_matrix.body(route.body) if route.body is not None else {}
        plain = {route.key: inner} if route.key else inner
        answer = {route.key: inner | lies} if route.key else inner | lies
        honest, lying = t.ask(route.method, path, plain), t.ask(route.method, path, answer | lies)
        assert lying.code == honest.code or lying.code == 400, (
            f"{route.method} {path}: {honest.code} became {lying.code}"
        )
        assert lying.code >= 400, path
        tried += 1
    assert tried > 60


def test_d2_identity_headers_from_outside(shared: SimCloud) -> None:
    """OSSA-2026-001: X-Roles and its relatives say nothing, in no spelling, in no service."""
    t = shared.tenant("d2")
    forged = {}
    for name, value in {
        "Roles": "admin",
        "User-Id": shared.admin.user,
        "Project-Id": shared.admin.project,
        "Is-Admin-Project": "True",
        "Tenant-Id": shared.admin.project,
        "Identity-Status": "Confirmed",
        "System-Scope": "all",
        "Domain-Id": "default",
        "Service-Roles": "service",
        "Service-Identity-Status": "Confirmed",
    }.items():
        forged |= {f"X-{name}": value, f"X_{name.replace('-', '_')}": value}
    for path in ("/identity/v3/users", "/compute/v2.1/flavors", "/network/v2.0/networks", "/image/v2/images"):
        assert shared.http.get(path, headers=forged).status_code == 401, path
        assert t.ask("GET", path, headers=forged).code == t.ask("GET", path).code, path
    assert t.ask("GET", "/identity/v3/users", headers=forged).code == 403


def test_d3_signatures_are_for_services_to_check(shared: SimCloud) -> None:
    """OSSA-2025-002: who once saw a signed address cannot turn it into a token."""
    t = shared.tenant("d3")
    key = access_key(shared, t)
    body = {"credentials": signed_v4(key["secret"], key["access"], now(shared))}
    s3 = {"credentials": signed_s3(key["secret"], key["access"], now(shared))}
    for path, signed in ((f"{I}/ec2tokens", body), (f"{I}/s3tokens", s3)):
        assert shared.http.post(path, json=signed).status_code == 401
        assert t.ask("POST", path, signed).code == 403, "the owner's own token is no service's"
        assert (
            shared.tenant("d3r", "reader").ask("POST", path, signed).code == 403 if path.endswith("ec2tokens") else True
        )
    got = shared.admin.ask("POST", f"{I}/s3tokens", s3)
    assert got.code == 200 and "x-subject-token" not in got.headers


def test_d4_replays_and_disabled_owners(moving: tuple[SimCloud, VirtualClock]) -> None:
    """OSSA-2020-003, 2013-005: an old signature, one without a time, and one of somebody disabled are refused."""
    sim, clock = moving
    t, a = sim.tenant("d4"), sim.admin
    key = access_key(sim, t)

    def tries(body: dict[str, Any], s3: bool = False) -> int:
        return int(a.ask("POST", f"{I}/{'s3tokens' if s3 else 'ec2tokens'}", {"credentials": body}).code)

    good, s3 = signed_v4(key["secret"], key["access"], now(sim)), signed_s3(key["secret"], key["access"], now(sim))
    assert (tries(good), tries(s3, True)) == (200, 200)
    assert tries(good | {"signature": "0" * 64}) == tries(s3 | {"signature": "0" * 64}, True) == 401
    assert tries(signed_v4("guess", key["access"], now(sim))) == 401
    assert tries({k: v for k, v in good.items() if k != "signature"}) == 401
    undated = base64.b64encode(b"GET\n\n\n\n/x").decode()
    import hashlib
    import hmac

    signature = base64.b64encode(hmac.new(key["secret"].encode(), b"GET\n\n\n\n/x", hashlib.sha1).digest()).decode()
    assert tries({"access": key["access"], "token": undated, "signature": signature}, True) == 401, "no time, no entry"
    clock.advance(901)
    assert (tries(good), tries(s3, True)) == (401, 401)
    ahead = now(sim) + dt.timedelta(hours=2)
    assert tries(signed_v4(key["secret"], key["access"], ahead)) == 401
    for path, body in (
        (f"{I}/users/{t.user}", {"user": {"enabled": False}}),
        (f"{I}/projects/{t.project}", {"project": {"enabled": False}}),
    ):
        a.patch(path, body)
        assert tries(signed_v4(key["secret"], key["access"], now(sim))) == 401
        a.patch(path, {k: {"enabled": True} for k in body})
        assert tries(signed_v4(key["secret"], key["access"], now(sim))) == 200
    for junk in (
        {},
        {"access": 5},
        {"access": key["access"], "params": 5, "headers": [], "signature": "x"},
        good | {"headers": {"Authorization": "AWS4-HMAC-SHA256 x"}},
    ):
        assert tries(junk) in {400, 401, 404}, junk


def test_d5_delegated_authority_never_grows(shared: SimCloud) -> None:
    """OSSA-2013-032, 2014-018, 2020-004, 2026-005: for every chain of trusts, application credentials, EC2 keys and rescoped tokens up
    to four long, what comes out may no more than what went in."""
    root, helper = shared.tenant("d5"), shared.tenant("d5b")

    def derive(t: Tenant, way: str, n: int) -> Tenant | None:
        if way == "trust":
            body = {
                "project_id": root.project,
                "impersonation": True,
                "roles": [{"name": "reader"}],
                "allow_redelegation": True,
                "trustor_user_id": root.user,
            }
            made = trust(shared, t, helper.user, **body)
            return tenant_of(shared, by_trust(shared, "d5b", made.json["trust"]["id"])) if made.code == 201 else None
        if way in {"app", "open app"}:
            made = app_credential(
                Tenant(t.http, t.token, t.project, root.user), name=f"{way}{n}", unrestricted=way == "open app"
            )
            return tenant_of(shared, by_app(shared, made.json["application_credential"])) if made.code == 201 else None
        if way == "ec2":
            made = t.ask("POST", f"{I}/users/{root.user}/credentials/OS-EC2", {"tenant_id": root.project})
            if made.code != 201:
                return None
            key = made.json["credential"]
            got = shared.admin.ask(
                "POST", f"{I}/ec2tokens", {"credentials": signed_v4(key["secret"], key["access"], now(shared))}
            )
            return (
                Tenant(shared.http, got.headers["x-subject-token"], root.project, root.user)
                if got.code == 200
                else None
            )
        answer = login(
            shared, {"token": {"id": t.token}}, {"project": {"id": root.project}} if way == "rescope" else None
        )
        return tenant_of(shared, answer) if answer.status_code == 201 else None

    def look(t: Tenant) -> dict[str, Any]:
        own = {"X-Subject-Token": t.token, "OpenStack-Identity-Access-Rules": "1.0"}
        return dict(t.ask("GET", TOKENS, headers=own).json["token"])

    ways = ("trust", "app", "open app", "ec2", "rescope", "again")
    worked, whole = 0, look(root)
    for n, chain in enumerate(c for length in (1, 2, 3) for c in itertools.product(ways, repeat=length)):
        at, before = root, look(root)
        for step, way in enumerate(chain):
            following = derive(at, way, n * 10 + step)
            if following is None:
                break
            after = look(following)
            bound = "OS-TRUST:trust" in before or "application_credential" in before
            most = before if bound else whole  # an unscoped token of one's own may be scoped to all that one has
            assert {r["name"] for r in after.get("roles", [])} <= {r["name"] for r in most.get("roles", [])}, chain
            assert after.get("project", {"id": root.project})["id"] == root.project, chain
            if way in {"rescope", "again"}:
                assert after["expires_at"] <= before["expires_at"], chain
            held = before.get("application_credential", {}).get("restricted")
            if held:
                assert way in {"again"}, f"{chain}: a restricted application credential made something by {way}"
            if "OS-TRUST:trust" in before:
                assert way in {"trust", "ec2"}, f"{chain}: a trust's token made something by {way}"
                assert "OS-TRUST:trust" in after, f"{chain}: the trust was lost on the way"
            if "application_credential" in before:
                assert "application_credential" in after or way in {"open app"}, (
                    f"{chain}: the bond to the application credential was lost"
                )
            at, before, worked = following, after, worked + 1
        if n > 90:
            break
    assert worked > 40


def test_d5_delegated_tokens_keep_away_from_other_secrets(shared: SimCloud) -> None:
    """LP 2150089: a delegated token reads no secret that belongs to the user alone, nor those of another project."""
    t = shared.tenant("d5s")
    totp = t.post(
        f"{I}/credentials", {"credential": {"type": "totp", "blob": "JBSWY3DPEHPK3PXP", "user_id": t.user}}, 201
    )["credential"]
    made = app_credential(t, unrestricted=True).json["application_credential"]
    acting = tenant_of(shared, by_app(shared, made))
    assert acting.get(f"{I}/credentials")["credentials"] == []
    for method in ("GET", "PATCH", "DELETE"):
        got = acting.ask(
            method, f"{I}/credentials/{totp['id']}", {"credential": {"blob": "x"}} if method == "PATCH" else None
        )
        assert got.code == 403, method
    body = {"type": "totp", "blob": "x", "user_id": t.user}
    acting.post(f"{I}/credentials", {"credential": body}, 403)


def test_d6_credentials_of_others(shared: SimCloud) -> None:
    """OSSA-2019-006, 2020-004: not listed, read, changed, taken over or ended."""
    mine, other = shared.tenant("d6a"), shared.tenant("d6b", "manager")
    c = mine.post(f"{I}/credentials", {"credential": {"type": "cert", "blob": "s3cret", "user_id": mine.user}}, 201)[
        "credential"
    ]
    path = f"{I}/credentials/{c['id']}"
    for method, body in (
        ("GET", None),
        ("PATCH", {"credential": {"blob": "x"}}),
        ("PATCH", {"credential": {"user_id": other.user}}),
        ("DELETE", None),
    ):
        got = other.ask(method, path, body)
        assert got.code == 403 and "s3cret" not in got.text
    for query in ("", f"?user_id={mine.user}", "?type=cert"):
        assert "s3cret" not in other.ask("GET", f"{I}/credentials{query}").text
    other.post(f"{I}/credentials", {"credential": {"type": "cert", "blob": "x", "user_id": mine.user}}, 403)
    assert mine.get(path)["credential"]["blob"] == "s3cret"


CHANGES = (
    "role",
    "group role",
    "membership",
    "group",
    "inherited",
    "user off",
    "user gone",
    "project off",
    "domain off",
    "domain grant",
    "password",
    "role gone",
    "implied",
    "revoke",
    "revoke parent",
)


@pytest.mark.parametrize("how", CHANGES)
def test_d7_what_is_taken_ends_every_older_token(shared: SimCloud, how: str) -> None:
    """OSSA-2012-010 … 2016-008, LP 2122615: in every service, for the token and those made from it."""
    a, name = shared.admin, f"d7-{how.replace(' ', '-')}"
    role = a.post(f"{I}/roles", {"role": {"name": name}}, 201)["role"]["id"]
    member = a.get(f"{I}/roles?name=member")["roles"][0]["id"]
    a.put(f"{I}/roles/{role}/implies/{member}", code=201)
    domain = a.post(f"{I}/domains", {"domain": {"name": name}}, 201)["domain"]["id"]
    project = a.post(f"{I}/projects", {"project": {"name": name, "domain_id": domain}}, 201)["project"]["id"]
    user = a.post(f"{I}/users", {"user": {"name": name, "domain_id": domain, "password": "pw"}}, 201)["user"]["id"]
    group = a.post(f"{I}/groups", {"group": {"name": name, "domain_id": domain}}, 201)["group"]["id"]
    a.put(f"{I}/groups/{group}/users/{user}", code=204)
    grants = {
        "group role": f"{I}/projects/{project}/groups/{group}/roles/{role}",
        "membership": f"{I}/projects/{project}/groups/{group}/roles/{role}",
        "group": f"{I}/projects/{project}/groups/{group}/roles/{role}",
        "domain grant": f"{I}/domains/{domain}/users/{user}/roles/{role}",
        "inherited": f"{I}/OS-INHERIT/domains/{domain}/users/{user}/roles/{role}/inherited_to_projects",
    }
    grant = grants.get(how, f"{I}/projects/{project}/users/{user}/roles/{role}")
    a.put(grant, code=204)
    scope = {"domain": {"id": domain}} if how == "domain grant" else {"project": {"id": project}}
    first = login(shared, {"password": {"user": {"id": user, "password": "pw"}}}, scope)
    old = tenant_of(shared, first)
    child = tenant_of(shared, login(shared, {"token": {"id": old.token}}, scope))
    paths = (
        [SERVERS, "/network/v2.0/networks", "/image/v2/images", f"{I}/auth/projects"]
        if how != "domain grant"
        else [f"{I}/auth/projects"]
    )
    if how != "implied":
        assert all(x.ask("GET", p).code == 200 for x in (old, child) for p in paths)
    steps: dict[str, tuple[str, str, Any]] = {
        "membership": ("DELETE", f"{I}/groups/{group}/users/{user}", None),
        "group": ("DELETE", f"{I}/groups/{group}", None),
        "user off": ("PATCH", f"{I}/users/{user}", {"user": {"enabled": False}}),
        "user gone": ("DELETE", f"{I}/users/{user}", None),
        "project off": ("PATCH", f"{I}/projects/{project}", {"project": {"enabled": False}}),
        "role gone": ("DELETE", f"{I}/roles/{role}", None),
        "domain off": ("PATCH", f"{I}/domains/{domain}", {"domain": {"enabled": False}}),
        "password": ("PATCH", f"{I}/users/{user}", {"user": {"password": "new"}}),
        "implied": ("DELETE", f"{I}/roles/{role}/implies/{member}", None),
    }
    if how.startswith("revoke"):
        target = old.token
        got = a.ask("DELETE", TOKENS, headers={"X-Subject-Token": target})
    else:
        method, path, body = steps.get(how, ("DELETE", grant, None))
        got = a.ask(method, path, body)
    assert got.code < 300, got.text
    if how == "implied":
        assert old.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}}).code == 403, (
            "no longer a member by implication"
        )
        return
    for who in (old, child):
        for path in paths:
            assert who.ask("GET", path).code == 401, f"{how}: {path}"
        assert a.ask("GET", TOKENS, headers={"X-Subject-Token": who.token}).code == 404


def test_d7_other_processes_obey_within_a_second(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes on one database: what one takes, the other no longer honours a second later."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    one = make(state=tmp_path)
    one.start()
    two = make(state=tmp_path)
    two.loops.start()
    try:
        sim, other = SimCloud(one), SimCloud(two)
        t = sim.tenant("d7p")
        there = Tenant(other.http, t.token)
        assert there.ask("GET", SERVERS).code == 200
        sim.admin.patch(f"{I}/users/{t.user}", {"user": {"enabled": False}})
        deadline = time.monotonic() + 1.0
        while there.ask("GET", SERVERS).code != 401 and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        assert there.ask("GET", SERVERS).code == 401
    finally:
        two.loops.stop()
        one.stop()


def test_d8_rescoping_never_lengthens_a_life(moving: tuple[SimCloud, VirtualClock]) -> None:
    """OSSA-2012-019."""
    sim, clock = moving
    t = sim.tenant("d8")
    end = t.ask("GET", TOKENS, headers={"X-Subject-Token": t.token}).json["token"]["expires_at"]
    at = t.token
    for _ in range(4):
        clock.advance(600)
        got = login(sim, {"token": {"id": at}}, {"project": {"id": t.project}})
        body = got.json()["token"]
        assert body["expires_at"] <= end and len(body["audit_ids"]) == 2
        at = got.headers["x-subject-token"]
    clock.advance(1300)
    assert sim.http.get(SERVERS, headers={"X-Auth-Token": at}).status_code == 401
    sim.admin = sim.login("admin", "admin", "admin")
    svc = sim.tenant("d8s", "service")
    late = svc.ask("GET", f"{TOKENS}?allow_expired=1", headers={"X-Subject-Token": at})
    assert late.code == 200, "a service may finish what an ended token began"
    assert svc.ask("GET", TOKENS, headers={"X-Subject-Token": at}).code == 404


def test_d9_random_role_graphs(shared: SimCloud) -> None:
    """LP 2148398, OSSA-2014-015: what a user may is what a plain model of the grants says, for random trees, groups and grants; and a
    domain's manager touches nothing of another domain, nor grants what is above a manager."""
    a, dice = shared.admin, random.Random(9)
    roles = {r["name"]: r["id"] for r in a.get(f"{I}/roles")["roles"]}
    domain = a.post(f"{I}/domains", {"domain": {"name": "d9"}}, 201)["domain"]["id"]
    tree: dict[str, str | None] = {}
    for n in range(8):
        parent = dice.choice([None, *[p for p in tree if depth(tree, p) < 3]])
        made = a.post(
            f"{I}/projects",
            {"project": {"name": f"d9-{n}", "domain_id": domain} | ({"parent_id": parent} if parent else {})},
            201,
        )["project"]["id"]
        tree[made] = parent
    users = [
        a.post(f"{I}/users", {"user": {"name": f"d9-{n}", "domain_id": domain, "password": "pw"}}, 201)["user"]["id"]
        for n in range(4)
    ]
    groups = [
        a.post(f"{I}/groups", {"group": {"name": f"d9-{n}", "domain_id": domain}}, 201)["group"]["id"] for n in range(3)
    ]
    inside = {g: {u for u in users if dice.random() < 0.5} for g in groups}
    for g, members in inside.items():
        for u in members:
            a.put(f"{I}/groups/{g}/users/{u}", code=204)
    grants: list[tuple[str, str, str, bool]] = []
    for _ in range(14):
        actor, target = dice.choice(users + groups), dice.choice([*tree, domain])
        role, inherited = dice.choice(["member", "reader", "manager"]), dice.random() < 0.5
        kind = f"domains/{domain}" if target == domain else f"projects/{target}"
        who = f"{'users' if actor in users else 'groups'}/{actor}"
        base, tail = (f"{I}/OS-INHERIT", "/inherited_to_projects") if inherited else (I, "")
        a.put(f"{base}/{kind}/{who}/roles/{roles[role]}{tail}", code=204)
        grants.append((actor, target, role, inherited))
    implied = {"manager": {"manager", "member", "reader"}, "member": {"member", "reader"}, "reader": {"reader"}}
    for u, p in itertools.product(users, tree):
        above, at = {domain}, tree[p]
        while at is not None:
            above, at = above | {at}, tree[at]
        mine = {u} | {g for g in groups if u in inside[g]}
        want: set[str] = set()
        for actor, target, role, inherited in grants:
            if actor in mine and ((target == p and not inherited) or (target in above and inherited)):
                want |= implied[role]
        got = login(shared, {"password": {"user": {"id": u, "password": "pw"}}}, {"project": {"id": p}})
        have = {r["name"] for r in got.json()["token"]["roles"]} if got.status_code == 201 else set()
        assert have == want, (u, p, grants)


def depth(tree: dict[str, str | None], p: str) -> int:
    n, at = 1, tree[p]
    while at is not None:
        n, at = n + 1, tree[at]
    return n


def test_d9_a_domains_manager_cannot_climb(shared: SimCloud) -> None:
    a = shared.admin
    roles = {r["name"]: r["id"] for r in a.get(f"{I}/roles")["roles"]}
    domain = a.post(f"{I}/domains", {"domain": {"name": "d9m"}}, 201)["domain"]["id"]
    boss = a.post(f"{I}/users", {"user": {"name": "boss", "domain_id": domain, "password": "pw"}}, 201)["user"]["id"]
    a.put(f"{I}/domains/{domain}/users/{boss}/roles/{roles['manager']}", code=204)
    m = tenant_of(
        shared, login(shared, {"password": {"user": {"id": boss, "password": "pw"}}}, {"domain": {"id": domain}})
    )
    project = m.post(f"{I}/projects", {"project": {"name": "own", "domain_id": domain}}, 201)["project"]["id"]
    user = m.post(f"{I}/users", {"user": {"name": "own", "domain_id": domain, "password": "pw"}}, 201)["user"]["id"]
    m.put(f"{I}/projects/{project}/users/{user}/roles/{roles['member']}", code=204)
    m.put(f"{I}/projects/{project}/users/{user}/roles/{roles['admin']}", code=403)
    m.put(f"{I}/projects/{project}/users/{boss}/roles/{roles['admin']}", code=403)
    m.put(f"{I}/system/users/{boss}/roles/{roles['reader']}", code=403)
    m.put(f"{I}/projects/{shared.admin.project}/users/{boss}/roles/{roles['member']}", code=403)
    m.put(f"{I}/domains/default/users/{boss}/roles/{roles['member']}", code=403)
    m.put(f"{I}/projects/{project}/users/{shared.admin.user}/roles/{roles['member']}", code=403)
    m.put(f"{I}/OS-INHERIT/domains/default/users/{boss}/roles/{roles['member']}/inherited_to_projects", code=403)
    m.post(f"{I}/users", {"user": {"name": "x", "domain_id": "default"}}, 403)
    m.patch(f"{I}/users/{shared.admin.user}", {"user": {"password": "taken"}}, 403)
    m.patch(f"{I}/projects/{shared.admin.project}", {"project": {"description": "x"}}, 403)
    m.post(f"{I}/domains", {"domain": {"name": "x"}}, 403)
    m.post(f"{I}/roles", {"role": {"name": "x"}}, 403)
    m.put(f"{I}/roles/{roles['manager']}/implies/{roles['service']}", code=403)
    assert {u["domain_id"] for u in m.get(f"{I}/users")["users"]} == {domain}
    assert {p["domain_id"] for p in m.get(f"{I}/projects")["projects"]} == {domain}
    assert [d["id"] for d in m.get(f"{I}/domains")["domains"]] == [domain]
    scopes = {
        r["scope"].get("project", r["scope"].get("domain", {})).get("id")
        for r in m.get(f"{I}/role_assignments")["role_assignments"]
    }
    assert scopes <= {domain, project}


def test_d10_nobody_and_a_wrong_password_look_alike(shared: SimCloud) -> None:
    """OSSA-2021-003: same body, same work; a member cannot tell the ids of others from none."""
    shared.tenant("d10")
    bodies, times = set(), {"d10": [], "d10-nobody": []}  # type: ignore[var-annotated]
    for n in range(24):
        for user, took in times.items():
            began = time.perf_counter()
            got = shared.auth(user, f"wrong{n}", None)
            took.append(time.perf_counter() - began)
            bodies.add((got.status_code, got.text))
    assert len(bodies) == 1
    there, nobody = (statistics.median(t) for t in times.values())
    assert 0.4 < there / nobody < 2.5, f"{there:.4f} against {nobody:.4f}"
    t = shared.tenant("d10c")
    for path in ("users", "projects", "groups", "domains"):
        known = {"users": shared.admin.user, "projects": shared.admin.project}.get(path)
        if known:
            real, none = t.ask("GET", f"{I}/{path}/{known}"), t.ask("GET", f"{I}/{path}/{'0' * 32}")
            assert real.code == none.code == 403


def test_d11_long_passwords_and_many_methods(shared: SimCloud) -> None:
    """OSSA-2012-002, 2014-013, 2013-003."""
    began = time.perf_counter()
    assert shared.auth("admin", "x" * (1 << 20), None).status_code == 413
    assert shared.auth("admin", "x" * 4096, None).status_code == 401
    assert time.perf_counter() - began < 2
    password = {"user": {"name": "admin", "domain": {"id": "default"}, "password": "wrong"}}
    many = {"identity": {"methods": ["password"] * 5000, "password": password}}
    assert shared.http.post(TOKENS, json={"auth": many}).status_code == 400
    some = {"identity": {"methods": ["password"] * 8, "password": password}}
    began = time.perf_counter()
    assert shared.http.post(TOKENS, json={"auth": some}).status_code == 401
    assert time.perf_counter() - began < 1, "the same method counts once"


def test_d11_a_login_flood_starves_nobody(shared: SimCloud) -> None:
    """While forty logins wait for their hashes, other requests go on."""
    t = shared.tenant("d11")
    stop = threading.Event()

    def flood(n: int) -> None:
        while not stop.is_set():
            shared.auth("admin", f"wrong{n}", None)

    threads = [threading.Thread(target=flood, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    try:
        took = []
        for _ in range(20):
            began = time.perf_counter()
            assert t.ask("GET", SERVERS).code == 200
            took.append(time.perf_counter() - began)
        assert statistics.median(took) < 0.5, took
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_d14_the_right_parent_and_another_tenants_child(shared: SimCloud) -> None:
    """Own user or project in the path, somebody else's thing below it: not found or refused, never served."""
    mine, other = shared.tenant("d14a"), shared.tenant("d14b")
    key = access_key(shared, other)
    app = app_credential(other, access_rules=[{"service": "compute", "method": "GET", "path": "/x"}]).json[
        "application_credential"
    ]
    rule = other.get(f"{I}/users/{other.user}/access_rules")["access_rules"][0]["id"]
    for path in (f"credentials/OS-EC2/{key['access']}", f"application_credentials/{app['id']}", f"access_rules/{rule}"):
        for method in ("GET", "DELETE"):
            got = mine.ask(method, f"{I}/users/{mine.user}/{path}")
            assert got.code in {403, 404} and key["secret"] not in got.text, f"{method} {path}: {got.code}"
            if (
                "OS-EC2" not in path
            ):  # an access key is found by itself and ruled by whose it is; administrators may name any user before it
                assert shared.admin.ask(method, f"{I}/users/{mine.user}/{path}").code in {403, 404}, (
                    "not below that parent"
                )
    assert other.get(f"{I}/users/{other.user}/credentials/OS-EC2")["credentials"]
    assert other.get(f"{I}/users/{other.user}/access_rules")["access_rules"]
