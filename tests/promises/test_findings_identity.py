# SPDX-License-Identifier: Apache-2.0
"""What an attacker found in identity: keys that were tokens, parts of an authority that became the whole, patterns that stopped the
process. Each test is named by its finding."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from accounts import S3Key
from services.test_identity_delegation import TOKENS, I, app_credential, by_app, by_trust, login, tenant_of, trust
from sim_cloud import SimCloud, Tenant, make
from virga.ground.world import VirtualClock
from virga.services.identity import model
from virga.services.identity.actions.login import TOTP_TRIES, TOTP_WINDOW, passcode

SECRET = "JBSWY3DPEHPK3PXP"


def test_c1_an_access_keys_id_is_no_token(sim: SimCloud) -> None:
    """A key that a request has just named lies in memory; nothing that can be made of its id is found as a token."""
    key = S3Key(sim)
    good = sim.http.get("/s3/", headers=key.signed("GET", "/s3/"))
    assert good.status_code == 200
    bad = key.signed("GET", "/s3/") | {"authorization": key.signed("GET", "/s3/")["authorization"][:-64] + "0" * 64}
    assert sim.http.get("/s3/", headers=bad).status_code == 403
    from virga.services.identity.actions.credentials import key_id

    for token in (key.access, f"ec2:{key.access}", key_id(key.access), key.secret, sim.admin.user):
        for path in (f"{I}/users", "/compute/v2.1/servers", "/network/v2.0/networks", "/image/v2/images"):
            assert sim.http.get(path, headers={"X-Auth-Token": token}).status_code == 401, (token, path)
        shown = sim.admin.ask("GET", TOKENS, headers={"X-Subject-Token": token})
        assert shown.code == 404
        assert login(sim, {"token": {"id": token}}).status_code in {401, 404}


def totp(who: Tenant, **more: Any) -> Any:
    body = {"type": "totp", "blob": SECRET, "user_id": who.user} | more
    return who.ask("POST", f"{I}/credentials", {"credential": body})


def delegates(sim: SimCloud, name: str) -> dict[str, Tenant]:
    """Tokens that hold a part of a user's authority: by kind."""
    owner, trustee = sim.tenant(name), sim.tenant(f"{name}-trustee")
    made = trust(sim, owner, trustee.user, impersonation=True).json["trust"]
    plain = trust(sim, owner, trustee.user).json["trust"]
    narrow = app_credential(owner).json["application_credential"]
    wide = app_credential(owner, name="wide", unrestricted=True).json["application_credential"]
    return {
        "owner": owner,
        "trust": tenant_of(sim, by_trust(sim, f"{name}-trustee", made["id"])),
        "trust without impersonation": tenant_of(sim, by_trust(sim, f"{name}-trustee", plain["id"])),
        "application credential": tenant_of(sim, by_app(sim, narrow)),
        "unrestricted application credential": tenant_of(sim, by_app(sim, wide)),
    }


def test_c2_delegated_authority_keeps_away_from_passcodes(sim: SimCloud) -> None:
    people = delegates(sim, "c2")
    owner = people.pop("owner")
    own = totp(owner)
    assert own.code == 201
    id = own.json["credential"]["id"]
    for kind, who in people.items():
        for project in (owner.project, None):
            assert totp(who, user_id=owner.user, project_id=project).code == 403, kind
        assert who.ask("GET", f"{I}/credentials/{id}").code == 403, kind
        assert who.ask("PATCH", f"{I}/credentials/{id}", {"credential": {"blob": "x"}}).code == 403, kind
        assert who.ask("DELETE", f"{I}/credentials/{id}").code == 403, kind
        assert who.get(f"{I}/credentials")["credentials"] == [], kind
        key = who.ask("POST", f"{I}/users/{who.user}/credentials/OS-EC2", {"tenant_id": owner.project})
        if key.code == 201:
            from virga.services.identity.actions.credentials import key_id

            turned = {"credential": {"type": "totp", "blob": SECRET}}
            got = who.ask("PATCH", f"{I}/credentials/{key_id(key.json['credential']['access'])}", turned)
            assert got.code == 403, kind


def code(sim: SimCloud) -> str:
    made = passcode(SECRET, int(sim.cloud.world.now() // 30))
    assert made is not None
    return made.decode()


def test_c2_a_passcode_alone_logs_nobody_in() -> None:
    clock = VirtualClock(1_800_000_000.0)
    for alone in (False, True):
        cloud = make(clock=clock, **{"identity.totp_alone": alone})
        cloud.start()
        sim = SimCloud(cloud)
        t = sim.tenant("alone")
        assert totp(t).code == 201
        way = {"totp": {"user": {"id": t.user, "passcode": code(sim)}}}
        got = login(sim, way, {"project": {"id": t.project}})
        assert got.status_code == (201 if alone else 401), got.text
        if not alone:
            assert "totp_alone" in got.text
            clock.advance(30)
            both = {
                "password": {"user": {"id": t.user, "password": "pw"}},
                "totp": {"user": {"id": t.user, "passcode": code(sim)}},
            }
            assert login(sim, both, {"project": {"id": t.project}}).status_code == 201
        cloud.stop()


def test_c3_a_trusts_id_in_ones_own_key_opens_nothing(sim: SimCloud) -> None:
    ann, bob, eve = sim.tenant("ann"), sim.tenant("bob"), sim.tenant("eve")
    once = trust(sim, ann, bob.user, impersonation=True, remaining_uses=1).json["trust"]
    for who in (eve, bob, ann):
        for name in ("trust_id", "app_cred_id", "access_token_id", "access_id"):
            blob = {"access": f"{name}-{who.user[:8]}", "secret": "s", name: once["id"]}
            body = {"type": "ec2", "project_id": ann.project, "blob": json.dumps(blob)}
            got = who.ask("POST", f"{I}/credentials", {"credential": body})
            assert got.code == 400 and name in got.text, got.text


def test_c3_a_key_of_a_trust_is_for_the_trusts_user_and_project(sim: SimCloud) -> None:
    """Even a blob that lies in the database already (an older program took it) gives no more than its user was lent."""
    from virga.services.identity import store
    from virga.services.identity.actions.credentials import key_id
    from virga.services.identity.secrets import Vault

    ann, bob, eve = sim.tenant("ann"), sim.tenant("bob"), sim.tenant("eve")
    other = sim.admin.post(f"{I}/projects", {"project": {"name": "anns-other"}})["project"]["id"]
    role = sim.admin.get(f"{I}/roles?name=member")["roles"][0]["id"]
    sim.admin.put(f"{I}/projects/{other}/users/{ann.user}/roles/{role}")
    lent = trust(sim, ann, bob.user).json["trust"]
    for user, project, works in (
        (eve.user, ann.project, False),
        (bob.user, other, False),
        (ann.user, ann.project, False),
        (bob.user, ann.project, True),
    ):
        blob = json.dumps({"access": f"{user}{project}", "secret": "s", "trust_id": lent["id"]})
        with sim.cloud.db.write() as tx:
            store.CREDENTIALS.insert(
                tx,
                id=key_id(f"{user}{project}"),
                type="ec2",
                user_id=user,
                project_id=project,
                blob=sim.cloud.registry.use(Vault).seal(blob),
                extra={},
            )
        key = S3Key(sim, ann)
        key.access, key.secret = f"{user}{project}", "s"
        got = sim.http.get("/s3/", headers=key.signed("GET", "/s3/"))
        assert (got.status_code == 200) is works, got.text


def test_h1_access_rules_are_matched_in_linear_time(sim: SimCloud) -> None:
    t = sim.tenant("h1")
    path = "/v2.0/networks/**x**x**x**x**x**x**x**x**x**x**x**x**xy"
    rules = [{"service": "network", "method": "GET", "path": path}]
    made = app_credential(t, access_rules=rules).json["application_credential"]
    acting = tenant_of(sim, by_app(sim, made))
    acting.ask("GET", "/network/v2.0/networks/y")
    began = time.process_time()
    assert acting.ask("GET", "/network/v2.0/networks/" + "x" * 1000).code == 401
    assert time.process_time() - began < 0.5  # of the whole process; it was hours


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("/v2.1/servers", "/v2.1/servers", True),
        ("/v2.1/servers", "/v2.1/servers/x", False),
        ("/v2.1/servers/*", "/v2.1/servers/x", True),
        ("/v2.1/servers/*", "/v2.1/servers/", False),
        ("/v2.1/servers/*", "/v2.1/servers/x/y", False),
        ("/v2.1/{kind}/*/ips", "/v2.1/servers/x/ips", True),
        ("/v2.1/**", "/v2.1/a/b/c", True),
        ("/v2.1/**", "/v2.1/", True),
        ("/**/ips", "/v2.1/servers/x/ips", True),
        ("/a.c", "/abc", False),
        ("/a+(b)", "/a+(b)", True),
        ("/é*", "/éa", True),
        ("/a**", "/a\nb", True),
    ],
)
def test_h1_what_an_access_rule_covers(pattern: str, path: str, covered: bool) -> None:
    rule = model.AccessRule("i", "u", "compute", "GET", pattern)
    assert rule.covers("compute", "GET", (path,)) is covered
    assert not rule.covers("network", "GET", (path,)) and not rule.covers("compute", "POST", (path,))


def test_h4_delegated_authority_reaches_keys_of_its_own_alone(sim: SimCloud) -> None:
    people = delegates(sim, "h4")
    owner = people.pop("owner")
    mine = S3Key(sim, owner)
    listed = f"{I}/users/{owner.user}/credentials/OS-EC2"
    from virga.services.identity.actions.credentials import key_id

    id = key_id(mine.access)
    for kind, who in people.items():
        assert who.ask("GET", f"{I}/credentials/{id}").code == 403, kind
        assert who.ask("DELETE", f"{I}/credentials/{id}").code == 403, kind
        assert who.ask("PATCH", f"{I}/credentials/{id}", {"credential": {"project_id": owner.project}}).code == 403
        assert who.ask("GET", f"{listed}/{mine.access}").code == 403, kind
        assert who.ask("DELETE", f"{listed}/{mine.access}").code == 403, kind
        shown = who.ask("GET", listed)
        assert shown.code == 403 or shown.json["credentials"] == [], kind
        assert who.get(f"{I}/credentials")["credentials"] == [], kind
        assert mine.secret not in shown.text
        own = who.ask("POST", f"{I}/users/{who.user}/credentials/OS-EC2", {"tenant_id": owner.project})
        if own.code == 201:  # what it made itself it sees, and ends
            path = f"{I}/users/{who.user}/credentials/OS-EC2/{own.json['credential']['access']}"
            assert who.get(path)["credential"]["secret"] == own.json["credential"]["secret"]
            for other, them in people.items():
                if other != kind:
                    assert them.ask("GET", path).code == 403, (kind, other)
            who.delete(path, 204)
    assert owner.get(f"{listed}/{mine.access}")["credential"]["secret"] == mine.secret


def test_h4_a_token_of_an_access_key_is_no_more_than_the_key(sim: SimCloud) -> None:
    """What a service has a signature exchanged for reaches no other project and no other secret, and ends with the key."""
    from virga.services.identity.actions import ec2
    from virga.services.identity.tokens import Tokens

    t = sim.tenant("keyed")
    key = S3Key(sim, t)
    with sim.cloud.db.read() as tx:
        found = ec2.payload(tx, sim.cloud.registry, key.access)
    assert found is not None
    token, _ = sim.cloud.registry.use(Tokens).issue(found[0])
    acting = Tenant(sim.http, token, t.project, t.user)
    acting.get("/compute/v2.1/servers")
    assert login(sim, {"token": {"id": token}}, {"project": {"id": t.project}}).status_code == 403
    assert totp(acting, user_id=t.user).code == 403
    assert app_credential(acting).code == 403
    assert trust(sim, acting, sim.admin.user).code == 403
    assert acting.ask("POST", f"{I}/users/{t.user}/credentials/OS-EC2", {"tenant_id": t.project}).code == 403
    assert acting.get(f"{I}/credentials")["credentials"] == []
    t.delete(f"{I}/users/{t.user}/credentials/OS-EC2/{key.access}", 204)
    assert acting.ask("GET", "/compute/v2.1/servers").code == 401


def test_an_application_credential_made_by_another_ends_no_later(sim: SimCloud) -> None:
    t = sim.tenant("lent")
    wide = app_credential(t, unrestricted=True, expires_at="2100-01-01T00:00:00.000000Z").json["application_credential"]
    acting = tenant_of(sim, by_app(sim, wide))
    for more in ({}, {"expires_at": "2200-01-01T00:00:00.000000Z"}):
        made = app_credential(acting, name=f"child{len(more)}", **more)
        assert made.code == 201 and made.json["application_credential"]["expires_at"].startswith("2100-01-01"), (
            made.text
        )


def test_m10_a_time_that_cannot_be_printed_is_refused(sim: SimCloud) -> None:
    ann, bob = sim.tenant("ann"), sim.tenant("bob")
    for text in ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00"):
        assert trust(sim, ann, bob.user, expires_at=text).code == 400
        assert app_credential(ann, expires_at=text).code == 400
    assert trust(sim, ann, bob.user, expires_at="9999-12-31T23:59:59Z").code == 201
    assert sim.admin.ask("GET", f"{I}/OS-TRUST/trusts").code == 200
    assert ann.ask("GET", f"{I}/users/{ann.user}/application_credentials").code == 200


def test_l1_numbers_that_no_column_holds(sim: SimCloud) -> None:
    ann, bob = sim.tenant("ann"), sim.tenant("bob")
    for field in ("remaining_uses", "redelegation_count"):
        got = trust(sim, ann, bob.user, **{field: 2**70})
        assert got.code == 400 and field in got.text


def test_l9_passcodes_are_not_guessed(moving: tuple[SimCloud, VirtualClock]) -> None:
    """Ten tries in five minutes, then not even the right one; who has the password is not kept out by who has not."""
    sim, clock = moving
    t = sim.tenant("guessed")
    assert totp(t).code == 201
    scope = {"project": {"id": t.project}}

    def guess(number: str, **more: Any) -> int:
        return int(login(sim, {**more, "totp": {"user": {"id": t.user, "passcode": number}}}, scope).status_code)

    wrong = ["000000", "111111", "222222", "333333"]
    assert [guess(wrong[n % 4]) for n in range(TOTP_TRIES + 5)] == [401] * (TOTP_TRIES + 5)
    password = {"password": {"user": {"id": t.user, "password": "pw"}}}
    assert guess(code(sim), **password) == 201
    clock.advance(31)
    assert [guess(wrong[n % 4], **password) for n in range(TOTP_TRIES)] == [401] * TOTP_TRIES
    assert guess(code(sim), **password) == 401, "the tries are used up, whatever the code"
    clock.advance(TOTP_WINDOW)
    assert guess(code(sim), **password) == 201


@pytest.fixture
def moving(database: str | None) -> Any:
    clock = VirtualClock(1_800_000_000.0)
    cloud = make(database, clock=clock)
    cloud.start()
    yield SimCloud(cloud), clock
    cloud.stop()


def test_the_secret_of_the_tests_is_one() -> None:
    assert base64.b32decode(SECRET)
