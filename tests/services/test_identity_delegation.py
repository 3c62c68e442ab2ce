# SPDX-License-Identifier: Apache-2.0
"""Delegated authority: trusts, application credentials and their access rules; several factors; what passwords must be like."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant, make
from virga.ground.world import VirtualClock
from virga.services.identity.actions.login import passcode

I = "/identity/v3"  # noqa: E741 - identity
TOKENS = f"{I}/auth/tokens"
SERVERS = "/compute/v2.1/servers"


@pytest.fixture
def moving(database: str | None) -> Iterator[tuple[SimCloud, VirtualClock]]:
    """A running cloud whose time the test moves."""
    clock = VirtualClock(1_800_000_000.0)
    cloud = make(database, clock=clock)
    cloud.start()
    yield SimCloud(cloud), clock
    cloud.stop()


def login(sim: SimCloud, methods: dict[str, Any], scope: Any = None, receipt: str | None = None) -> Any:
    body: dict[str, Any] = {"identity": {"methods": list(methods), **methods}}
    if scope is not None:
        body["scope"] = scope
    return sim.http.post(TOKENS, json={"auth": body}, headers={"OpenStack-Auth-Receipt": receipt} if receipt else {})


def tenant_of(sim: SimCloud, answer: Any) -> Tenant:
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    return Tenant(
        sim.http, answer.headers["x-subject-token"], token.get("project", {}).get("id", ""), token["user"]["id"]
    )


def trust(sim: SimCloud, trustor: Tenant, trustee: str, **more: Any) -> Any:
    body = {
        "trustor_user_id": trustor.user,
        "trustee_user_id": trustee,
        "project_id": trustor.project,
        "impersonation": False,
        "roles": [{"name": "reader"}],
    } | more
    return trustor.ask("POST", f"{I}/OS-TRUST/trusts", {"trust": body})


def by_trust(sim: SimCloud, name: str, id: str) -> Any:
    user = {"name": name, "domain": {"id": "default"}, "password": "pw"}
    return login(sim, {"password": {"user": user}}, {"OS-TRUST:trust": {"id": id}})


def test_a_trust(sim: SimCloud) -> None:
    ann, bob = sim.tenant("ann"), sim.tenant("bob")
    made = trust(sim, ann, bob.user)
    assert made.code == 201
    t = made.json["trust"]
    assert (
        [r["name"] for r in t["roles"]] == ["reader"] and t["remaining_uses"] is None and t["redelegation_count"] == 0
    )
    got = by_trust(sim, "bob", t["id"])
    body = got.json()["token"]
    assert body["user"]["id"] == bob.user and body["project"]["id"] == ann.project
    assert [r["name"] for r in body["roles"]] == ["reader"]
    assert body["OS-TRUST:trust"] == {
        "id": t["id"],
        "impersonation": False,
        "trustor_user": {"id": ann.user},
        "trustee_user": {"id": bob.user},
    }
    acting = tenant_of(sim, got)
    acting.get(SERVERS, 200)
    acting.post("/network/v2.0/networks", {"network": {"name": "n"}}, 403)
    for who, path in ((ann, f"?trustor_user_id={ann.user}"), (bob, f"?trustee_user_id={bob.user}")):
        assert [x["id"] for x in who.get(f"{I}/OS-TRUST/trusts{path}")["trusts"]] == [t["id"]]
    carl = sim.tenant("carl")
    carl.get(f"{I}/OS-TRUST/trusts/{t['id']}", 403)
    assert by_trust(sim, "carl", t["id"]).status_code == 403, "not the trustee"
    ann.delete(f"{I}/OS-TRUST/trusts/{t['id']}", 204)
    assert acting.ask("GET", SERVERS).code == 401
    ann.get(f"{I}/OS-TRUST/trusts/{t['id']}", 404)


def test_impersonation_uses_and_lost_roles(sim: SimCloud) -> None:
    ann, bob = sim.tenant("ann"), sim.tenant("bob")
    t = trust(sim, ann, bob.user, impersonation=True, remaining_uses=2, roles=[{"name": "member"}]).json["trust"]
    acting = tenant_of(sim, by_trust(sim, "bob", t["id"]))
    assert acting.user == ann.user
    acting.get(SERVERS, 200)
    assert by_trust(sim, "bob", t["id"]).status_code == 201
    assert by_trust(sim, "bob", t["id"]).status_code == 403, "both uses are spent"
    member = sim.admin.get(f"{I}/roles?name=member")["roles"][0]["id"]
    sim.admin.delete(f"{I}/projects/{ann.project}/users/{ann.user}/roles/{member}", 204)
    assert acting.ask("GET", SERVERS).code == 401, "what the trustor lost is lost to the trustee"


def test_redelegation_never_widens(sim: SimCloud) -> None:
    ann, bob, cyd = sim.tenant("ann"), sim.tenant("bob"), sim.tenant("cyd")
    end = dt.datetime.fromtimestamp(sim.cloud.world.now() + 3600, dt.UTC).isoformat()
    t = trust(
        sim, ann, bob.user, impersonation=True, allow_redelegation=True, redelegation_count=2, expires_at=end
    ).json["trust"]
    acting = tenant_of(sim, by_trust(sim, "bob", t["id"]))
    late = dt.datetime.fromtimestamp(sim.cloud.world.now() + 7200, dt.UTC).isoformat()
    for wrong in (
        {"roles": [{"name": "member"}]},
        {"remaining_uses": 1},
        {"expires_at": late},
        {"project_id": cyd.project},
    ):
        got = trust(sim, acting, cyd.user, **{"project_id": ann.project, "impersonation": True} | wrong)
        assert got.code in {403, 404}, f"{wrong}: {got.code} {got.text}"
    second = trust(sim, acting, cyd.user, project_id=ann.project, impersonation=True, allow_redelegation=True)
    assert second.code == 201, second.text
    s = second.json["trust"]
    assert s["redelegated_trust_id"] == t["id"] and s["redelegation_count"] == 1 and s["expires_at"] is not None
    third_actor = tenant_of(sim, by_trust(sim, "cyd", s["id"]))
    last = trust(sim, third_actor, bob.user, project_id=ann.project, impersonation=True, allow_redelegation=True).json[
        "trust"
    ]
    assert last["redelegation_count"] == 0
    end_actor = tenant_of(sim, by_trust(sim, "bob", last["id"]))
    assert trust(sim, end_actor, cyd.user, project_id=ann.project, impersonation=True).code == 403
    ann.delete(f"{I}/OS-TRUST/trusts/{t['id']}", 204)
    assert third_actor.ask("GET", SERVERS).code == end_actor.ask("GET", SERVERS).code == 401, "the whole chain ends"


def app_credential(t: Tenant, **more: Any) -> Any:
    return t.ask(
        "POST", f"{I}/users/{t.user}/application_credentials", {"application_credential": {"name": "app"} | more}
    )


def by_app(sim: SimCloud, made: Any) -> Any:
    return login(sim, {"application_credential": {"id": made["id"], "secret": made["secret"]}})


def test_an_application_credential(sim: SimCloud) -> None:
    ann = sim.tenant("ann")
    made = app_credential(ann, roles=[{"name": "reader"}], description="d").json["application_credential"]
    assert len(made["secret"]) > 80 and made["project_id"] == ann.project and made["unrestricted"] is False
    shown = ann.get(f"{I}/users/{ann.user}/application_credentials/{made['id']}")["application_credential"]
    assert "secret" not in shown and [r["name"] for r in shown["roles"]] == ["reader"]
    acting = tenant_of(sim, by_app(sim, made))
    acting.get(SERVERS, 200)
    acting.post("/network/v2.0/networks", {"network": {"name": "n"}}, 403)
    named = {"name": "app", "user": {"name": "ann", "domain": {"id": "default"}}, "secret": made["secret"]}
    assert login(sim, {"application_credential": named}).status_code == 201
    assert login(sim, {"application_credential": named | {"secret": "no"}}).status_code == 401
    assert (
        login(
            sim, {"application_credential": {"id": made["id"], "secret": made["secret"]}}, {"system": {"all": True}}
        ).status_code
        == 401
    )
    assert app_credential(ann).code == 409
    sim.tenant("eve").get(f"{I}/users/{ann.user}/application_credentials/{made['id']}", 403)
    ann.delete(f"{I}/users/{ann.user}/application_credentials/{made['id']}", 204)
    assert acting.ask("GET", SERVERS).code == 401
    assert by_app(sim, made).status_code == 401


def test_access_rules_hold_in_every_service(sim: SimCloud) -> None:
    ann = sim.tenant("ann")
    rules = [
        {"service": "compute", "method": "GET", "path": "/v2.1/servers"},
        {"service": "network", "method": "GET", "path": "/v2.0/*"},
        {"service": "image", "method": "GET", "path": "/v2/**"},
        {"service": "identity", "method": "GET", "path": "/v3/auth/projects"},
    ]
    made = app_credential(ann, access_rules=rules).json["application_credential"]
    acting = tenant_of(sim, by_app(sim, made))
    for path in (
        SERVERS,
        f"/compute/v2.1/{ann.project}/servers",
        "/network/v2.0/networks",
        "/image/v2/images",
        f"{I}/auth/projects",
    ):
        assert acting.ask("GET", path).code == (401 if ann.project in path else 200), path
    nothing = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    for method, path in (
        ("GET", f"{SERVERS}/detail"),
        ("POST", SERVERS),
        ("GET", f"/network/v2.0/networks/{nothing}"),
        ("DELETE", f"/network/v2.0/networks/{nothing}"),
        ("GET", f"{I}/auth/domains"),
        ("POST", "/image/v2/images"),
        ("GET", "/compute/v2.1/flavors"),
        ("GET", f"{SERVERS}/../flavors"),
        ("HEAD", SERVERS),
    ):
        got = acting.ask(method, path, {} if method == "POST" else None)
        assert got.code in {401, 404}, f"{method} {path}: {got.code}"
        if got.code == 401 and method != "HEAD":
            assert "access rules" in got.text
    own = {"X-Subject-Token": acting.token, "OpenStack-Identity-Access-Rules": "1.0"}
    shown = acting.ask("GET", TOKENS, headers=own)
    assert shown.code == 200 and len(shown.json["token"]["application_credential"]["access_rules"]) == 4
    stored = ann.get(f"{I}/users/{ann.user}/access_rules")["access_rules"]
    assert len(stored) == 4
    ann.delete(f"{I}/users/{ann.user}/access_rules/{stored[0]['id']}", 403)
    ann.delete(f"{I}/users/{ann.user}/application_credentials/{made['id']}", 204)
    ann.delete(f"{I}/users/{ann.user}/access_rules/{stored[0]['id']}", 204)


def test_several_factors(moving: tuple[SimCloud, VirtualClock]) -> None:
    """Password alone gives a receipt; the passcode with the receipt, or both at once, a token; a passcode works once."""
    sim, clock = moving
    ann = sim.tenant("ann")
    secret = base64.b32encode(b"0123456789").decode()
    ann.post(f"{I}/credentials", {"credential": {"type": "totp", "blob": secret, "user_id": ann.user}}, 201)
    options = {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["password", "totp"]]}
    sim.admin.patch(f"{I}/users/{ann.user}", {"user": {"options": options}})
    password = {"user": {"id": ann.user, "password": "pw"}}
    scope = {"project": {"id": ann.project}}

    def code(window: int = 0) -> dict[str, Any]:
        digits = passcode(secret, int(clock.now() // 30) + window)
        assert digits is not None
        return {"user": {"id": ann.user, "passcode": digits.decode()}}

    half = login(sim, {"password": password}, scope)
    assert half.status_code == 401
    assert half.json()["required_auth_methods"] == [["password", "totp"]] and half.json()["receipt"]["methods"] == [
        "password"
    ]
    receipt = half.headers["openstack-auth-receipt"]
    assert sim.http.get(SERVERS, headers={"X-Auth-Token": receipt}).status_code == 401, "a receipt is no token"
    wrong = {"user": {"id": ann.user, "passcode": "000000"}}
    assert login(sim, {"totp": wrong}, scope, receipt).status_code == 401
    done = login(sim, {"totp": code()}, scope, receipt)
    assert done.status_code == 201 and set(done.json()["token"]["methods"]) == {"password", "totp"}
    assert login(sim, {"totp": code()}, scope, receipt).status_code == 401, "the same passcode again"
    clock.advance(60)
    assert login(sim, {"password": password, "totp": code()}, scope).status_code == 201
    clock.advance(60)
    other = sim.tenant("bob")
    assert login(sim, {"password": {"user": {"id": other.user, "password": "pw"}}}, None, receipt).status_code == 401, (
        "another user's"
    )
    clock.advance(300)
    assert login(sim, {"totp": code()}, scope, receipt).status_code == 401, "the receipt has ended"


def test_keys_rotate_and_nobody_is_logged_out(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of old keys and revocations survive rotations and a restart; keys go when no token needs them."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    clock = VirtualClock(1_800_000_000.0)
    over = {"identity.token_seconds": 3600, "identity.late_seconds": 0, "identity.rotate_seconds": 600}
    first = make(state=tmp_path, clock=clock, **over)
    sim = SimCloud(first)
    old, revoked = sim.admin.token, sim.auth("admin", "admin", "admin").headers["x-subject-token"]
    sim.http.delete(TOKENS, headers={"X-Auth-Token": old, "X-Subject-Token": revoked})
    seen = {old[:3]}
    for _ in range(3):
        clock.advance(700)
        first.loops.once("identity.rotate")
        clock.advance(10)
        seen.add(sim.auth("admin", "admin", "admin").headers["x-subject-token"][:3])
    assert len(seen) == 4, "each rotation seals with a new key"
    assert sim.http.get(SERVERS, headers={"X-Auth-Token": old}).status_code == 200
    first.stop() if first.node else first.db.close()
    second = make(state=tmp_path, clock=clock, **over)
    again = SimCloud(second)
    assert again.http.get(SERVERS, headers={"X-Auth-Token": old}).status_code == 200
    assert again.http.get(SERVERS, headers={"X-Auth-Token": revoked}).status_code == 401
    clock.advance(8000)
    second.loops.once("identity.rotate")
    with second.db.read() as tx:
        assert tx.conn.exec_driver_sql("select count(*) from id_keys").scalar_one() <= 2
    second.db.close()


def change(sim: SimCloud, user: str, old: str, new: str) -> Any:
    return sim.http.post(f"{I}/users/{user}/password", json={"user": {"original_password": old, "password": new}})


def test_what_passwords_must_be_like(database: str | None) -> None:
    clock = VirtualClock(1_800_000_000.0)
    cloud = make(
        database,
        clock=clock,
        **{
            "identity.password_regex": r"^(?=.*\d).{4,}$",
            "identity.password_regex_text": "four characters, one a digit",
            "identity.password_history": 3,
            "identity.password_min_days": 1,
            "identity.lockout_attempts": 3,
            "identity.lockout_seconds": 60,
            "identity.inactive_days": 30,
        },
    )
    try:
        sim = SimCloud(cloud)
        a = sim.admin
        refused = a.ask("POST", f"{I}/users", {"user": {"name": "w", "password": "abc"}})
        assert refused.code == 400 and "four characters, one a digit" in refused.text
        user = a.post(f"{I}/users", {"user": {"name": "w", "password": "pass0"}})["user"]["id"]
        assert "day(s) left" in change(sim, user, "pass0", "pass1").text
        clock.advance(2 * 86400)
        assert "four characters" in change(sim, user, "pass0", "nope").text
        assert change(sim, user, "pass0", "pass1").status_code == 204
        for n in (1, 2):
            clock.advance(2 * 86400)
            assert change(sim, user, f"pass{n}", f"pass{n}").status_code == 400, "the present one"
            assert change(sim, user, f"pass{n}", f"pass{n + 1}").status_code == 204
        clock.advance(2 * 86400)
        assert "unique is 3" in change(sim, user, "pass3", "pass1").text
        assert change(sim, user, "pass3", "pass0").status_code == 204, "old enough"
        for _ in range(3):
            assert sim.auth("w", "wrong", None).status_code == 401
        locked = sim.auth("w", "pass0", None)
        assert locked.status_code == 401 and locked.json() == sim.auth("nobody", "x", None).json(), (
            "a lockout does not tell"
        )
        clock.advance(61)
        assert sim.auth("w", "pass0", None).status_code == 201
        clock.advance(31 * 86400)
        assert sim.auth("w", "pass0", None).status_code == 401, "away for too long"
        cloud.loops.once("identity.idle")
        with cloud.db.read() as tx:
            assert not tx.conn.exec_driver_sql("select enabled from id_users where name = 'w'").scalar_one()
    finally:
        cloud.db.close()


def test_a_password_ends(database: str | None) -> None:
    clock = VirtualClock(1_800_000_000.0)
    cloud = make(database, clock=clock, **{"identity.password_days": 2, "identity.password_first_use": True})
    try:
        sim = SimCloud(cloud)
        made = sim.admin.post(f"{I}/users", {"user": {"name": "e", "password": "one"}})["user"]
        assert made["password_expires_at"] is not None
        first = sim.auth("e", "one", None)
        assert first.status_code == 401 and "needs to be changed" in first.text, (
            "set by somebody else: to be changed at first use"
        )
        assert change(sim, made["id"], "one", "two").status_code == 204
        assert sim.auth("e", "two", None).status_code == 201
        clock.advance(2 * 86400 + 1)
        assert "needs to be changed" in sim.auth("e", "two", None).text
        assert (
            sim.auth("e", "wrong", None).json()["error"]["message"]
            != sim.auth("e", "two", None).json()["error"]["message"]
        )
    finally:
        cloud.db.close()


def test_hashes_of_a_keystone_verify() -> None:
    """bcrypt, bcrypt-sha256, scrypt and pbkdf2-sha512 as Keystone (passlib) stores them."""
    import hashlib
    import hmac

    import bcrypt

    from virga.services.identity.passwords import Passwords

    def plain64(raw: bytes) -> str:
        return base64.b64encode(raw).decode().rstrip("=").replace("+", ".")

    word = b"correct horse"
    salt = bcrypt.gensalt(4)
    mac = base64.b64encode(hmac.new(salt[7:], word, hashlib.sha256).digest())
    hashes = [
        bcrypt.hashpw(word, salt).decode(),
        f"$bcrypt-sha256$v=2,t=2b,r=4${salt[7:].decode()}${bcrypt.hashpw(mac, salt)[29:].decode()}",
        f"$scrypt$ln=10,r=8,p=1${plain64(b'saltsalt')}${plain64(hashlib.scrypt(word, salt=b'saltsalt', n=1024, r=8, p=1, dklen=32))}",
        f"$pbkdf2-sha512$1000${plain64(b'saltsalt')}${plain64(hashlib.pbkdf2_hmac('sha512', word, b'saltsalt', 1000))}",
    ]
    passwords = Passwords()
    for stored in hashes:
        assert passwords.verify(stored, "correct horse"), stored
        assert not passwords.verify(stored, "wrong horse"), stored
    for junk in ("", "x", "$", "$2b$", "$scrypt$ln=40,r=8,p=1$YQ$YQ", "$nothing$a$b", "$bcrypt-sha256$x$y$z"):
        assert not passwords.verify(junk, "x")


def test_passwords_are_argon2id_at_a_setting_of_owasps() -> None:
    """What is stored is the PHC string that every argon2 library reads, and strings of other makers verify; one that asks for more
    memory than a login may take does not."""
    import re

    from virga.services.identity.passwords import Passwords

    equal = {(47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5)}
    passwords = Passwords()
    made = passwords.hash("pa55 wörd")
    found = re.fullmatch(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}", made)
    assert found is not None and (int(found[1]), int(found[2])) in equal
    theirs = (
        "$argon2id$v=19$m=7168,t=5,p=1$QH613yeRVP4zgoXwecrnpQ$oT0pFm/BBoD1zmWyBy9iFPHjcbeLy8z2KWiRbbCDFDk",
        "$argon2id$v=19$m=1024,t=2,p=2$lkNRPC61j/WKXB3f4bMT3Q$01n12FZ8ACWRrcR7U5Kq4Y6cF86hPPnkMH2Sky8vJXg",
    )
    for stored in (made, *theirs):
        assert passwords.verify(stored, "pa55 wörd"), stored
        assert not passwords.verify(stored, "pa55 word"), stored
    for greedy in ("m=99999999,t=1,p=1", "m=1024,t=9999,p=1", "m=1024,t=2", "m=-1,t=2,p=1"):
        assert not passwords.verify(
            f"$argon2id$v=19${greedy}$lkNRPC61j/WKXB3f4bMT3Q$01n12FZ8ACWRrcR7U5Kq4Y6cF86hPPnkMH2Sky8vJXg", "pa55 wörd"
        )


def test_unified_limits_count(sim: SimCloud) -> None:
    """A registered limit is every project's, a project's own is its own; both bound what our services make."""
    a, t = sim.admin, sim.tenant("limited")
    service = next(s["id"] for s in a.get(f"{I}/services?type=network")["services"])
    made = a.post(
        f"{I}/registered_limits",
        {"registered_limits": [{"service_id": service, "resource_name": "network", "default_limit": 1}]},
        201,
    )
    registered = made["registered_limits"][0]
    t.post("/network/v2.0/networks", {"network": {"name": "one"}}, 201)
    refused = t.ask("POST", "/network/v2.0/networks", {"network": {"name": "two"}})
    assert refused.code == 409 and "already used 1 of 1" in refused.text
    body = {
        "limits": [{"project_id": t.project, "service_id": service, "resource_name": "network", "resource_limit": 2}]
    }
    limit = a.post(f"{I}/limits", body, 201)["limits"][0]
    t.post("/network/v2.0/networks", {"network": {"name": "two"}}, 201)
    assert t.ask("POST", "/network/v2.0/networks", {"network": {"name": "three"}}).code == 409
    assert [x["id"] for x in t.get(f"{I}/limits")["limits"]] == [limit["id"]]
    assert sim.tenant("elsewhere").get(f"{I}/limits")["limits"] == []
    a.delete(f"{I}/registered_limits/{registered['id']}", 403)
    a.patch(f"{I}/limits/{limit['id']}", {"limit": {"resource_limit": 5}})
    t.post("/network/v2.0/networks", {"network": {"name": "three"}}, 201)
    a.delete(f"{I}/limits/{limit['id']}", 204)
    a.delete(f"{I}/registered_limits/{registered['id']}", 204)
    assert a.get(f"{I}/limits/model")["model"]["name"] == "flat"


def test_the_json_home_tells_the_truth(shared: SimCloud) -> None:
    """Every address of the document is a row of the table."""
    import re

    got = shared.http.get(I, headers={"Accept": "application/json-home"})
    assert got.headers["content-type"] == "application/json-home"
    identity = next(s for s in shared.cloud.services if s.name == "identity")
    rows = {re.sub(r"{\w+}", "{}", r.path) for r in identity.routes}
    for name, resource in got.json()["resources"].items():
        path = resource.get("href") or resource["href-template"]
        assert re.sub(r"{\w+}", "{}", f"/v3{path}") in rows, name
    assert "version" in shared.http.get(I).json()


def test_lists_are_filtered_sorted_and_cut(database: str | None) -> None:
    cloud = make(database, **{"identity.list_limit": 4})
    try:
        sim = SimCloud(cloud)
        a = sim.admin
        for name in ("Alpha", "alphabet", "beta_x", "beta%y", "gamma"):
            a.post(f"{I}/users", {"user": {"name": name, "enabled": name != "gamma"}}, 201)

        def names(query: str) -> list[str]:
            return [u["name"] for u in a.get(f"{I}/users?{query}")["users"]]

        assert names("name=gamma") == ["gamma"] and names("name=nobody") == []
        assert names("name__icontains=ALPHA") == ["Alpha", "alphabet"]
        assert names("name__contains=lpha") == ["Alpha", "alphabet"] and names("name__contains=LPHA") == []
        assert (
            names("name__startswith=Al") == ["Alpha"]
            and names("name__endswith=A") == []
            and names("name__endswith=a")[0] == "Alpha"
        )
        assert names("name__iequals=ALPHA") == ["Alpha"] and names("name__istartswith=AL") == ["Alpha", "alphabet"]
        assert names("name__startswith=beta%25") == ["beta%y"], "a wildcard is a letter"
        assert names("name__endswith=_x") == ["beta_x"]
        assert names("enabled=false") == ["gamma"]
        assert names("enabled=true&name__startswith=al&name__endswith=bet") == ["alphabet"]
        whole = a.get(f"{I}/users")
        assert whole["truncated"] is True and len(whole["users"]) == 4
        short = a.get(f"{I}/users?limit=2")
        assert "truncated" not in short and len(short["users"]) == 2 and short["links"]["next"]
        assert names("sort_key=name&sort_dir=desc&limit=1") == ["gamma"]
    finally:
        cloud.db.close()


def test_projects_make_trees(shared: SimCloud) -> None:
    a = shared.admin
    top = a.post(f"{I}/projects", {"project": {"name": "tree", "tags": ["red", "blue"]}}, 201)["project"]
    mid = a.post(f"{I}/projects", {"project": {"name": "tree-mid", "parent_id": top["id"], "tags": ["red"]}}, 201)[
        "project"
    ]
    low = a.post(f"{I}/projects", {"project": {"name": "tree-low", "parent_id": mid["id"]}}, 201)["project"]
    assert a.get(f"{I}/projects/{top['id']}?subtree_as_ids")["project"]["subtree"] == {mid["id"]: {low["id"]: None}}
    assert a.get(f"{I}/projects/{low['id']}?parents_as_ids")["project"]["parents"] == {
        mid["id"]: {top["id"]: {"default": None}}
    }
    a.get(f"{I}/projects/{low['id']}?parents_as_ids&parents_as_list", 400)
    a.delete(f"{I}/projects/{mid['id']}", 403)
    a.patch(f"{I}/projects/{top['id']}", {"project": {"enabled": False}}, 403)
    a.patch(f"{I}/projects/{low['id']}", {"project": {"parent_id": top["id"]}}, 403)

    def tagged(query: str) -> set[str]:
        return {p["name"] for p in a.get(f"{I}/projects?name__startswith=tree&{query}")["projects"]}

    assert tagged("tags=red") == {"tree", "tree-mid"} and tagged("tags=red,blue") == {"tree"}
    assert (
        tagged("tags-any=blue,red") == {"tree", "tree-mid"}
        and tagged("not-tags=red") == {"tree-low"}
        and tagged("not-tags-any=blue") == {"tree-mid", "tree-low"}
    )
    for n, parent in enumerate((low["id"], None, None)):
        if parent:
            four = a.post(f"{I}/projects", {"project": {"name": "tree-4", "parent_id": parent}}, 201)["project"]["id"]
            five = a.post(f"{I}/projects", {"project": {"name": "tree-5", "parent_id": four}}, 201)["project"]["id"]
            a.post(f"{I}/projects", {"project": {"name": f"tree-6{n}", "parent_id": five}}, 403)
    a.patch(f"{I}/projects/{five}", {"project": {"options": {"immutable": True}}})
    a.delete(f"{I}/projects/{five}", 403)
    a.patch(f"{I}/projects/{five}", {"project": {"name": "other"}}, 403)
    a.patch(f"{I}/projects/{five}", {"project": {"options": {"immutable": False}}})
    a.delete(f"{I}/projects/{five}", 204)
    domain = a.get(f"{I}/projects/default")["project"]
    assert domain["is_domain"] is True and domain["domain_id"] is None
    assert "default" in {p["id"] for p in a.get(f"{I}/projects?is_domain=true")["projects"]}
