# SPDX-License-Identifier: Apache-2.0
"""What was made with lent authority ends with what it was made of, however long the chain is; and the authority of a trust reaches
that trust alone."""

from __future__ import annotations

import pytest

from accounts import S3Key
from services.test_identity_delegation import TOKENS, I, app_credential, by_app, by_trust, login, tenant_of, trust
from sim_cloud import SimCloud, Tenant
from virga.services.identity import store
from virga.services.identity.tokens import Tokens

SERVERS = "/compute/v2.1/servers"


def signed(sim: SimCloud, who: Tenant, owner: Tenant) -> S3Key:
    """A key made with `who`'s authority."""
    return S3Key(sim, Tenant(who.http, who.token, owner.project, who.user))


def opens(sim: SimCloud, key: S3Key) -> bool:
    return bool(sim.http.get("/s3/", headers=key.signed("GET", "/s3/")).status_code == 200)


@pytest.mark.parametrize("end", ["delete", "delete in the middle", "role", "user"])
def test_nothing_outlives_the_application_credential_it_was_made_with(sim: SimCloud, end: str) -> None:
    ann = sim.tenant("ann")
    first = app_credential(ann, name="first", unrestricted=True).json["application_credential"]
    one = tenant_of(sim, by_app(sim, first))
    second = app_credential(one, name="second", unrestricted=True).json["application_credential"]
    two = tenant_of(sim, by_app(sim, second))
    third = app_credential(two, name="third").json["application_credential"]
    three = tenant_of(sim, by_app(sim, third))
    again = tenant_of(sim, login(sim, {"token": {"id": three.token}}))
    key = signed(sim, two, ann)
    assert opens(sim, key) and all(t.ask("GET", SERVERS).code == 200 for t in (one, two, three, again))
    path = f"{I}/users/{ann.user}/application_credentials"
    if end == "role":
        member = sim.admin.get(f"{I}/roles?name=member")["roles"][0]["id"]
        sim.admin.delete(f"{I}/projects/{ann.project}/users/{ann.user}/roles/{member}", 204)
    elif end == "user":
        sim.admin.patch(f"{I}/users/{ann.user}", {"user": {"enabled": False}})
    else:
        ann.delete(f"{path}/{(second if 'middle' in end else first)['id']}", 204)
    derived = [two, three, again] if "middle" in end else [one, two, three, again]
    assert [t.ask("GET", SERVERS).code for t in derived] == [401] * len(derived)
    assert not opens(sim, key)
    assert by_app(sim, third).status_code == 401 and by_app(sim, second).status_code == 401
    assert (by_app(sim, first).status_code == 201) is ("middle" in end)
    if end.startswith("delete"):
        left = [a["name"] for a in ann.get(path)["application_credentials"]]
        assert left == (["first"] if "middle" in end else [])


def test_nothing_outlives_a_trust(sim: SimCloud) -> None:
    ann, bob, cyd = sim.tenant("ann"), sim.tenant("bob"), sim.tenant("cyd")
    t = trust(
        sim,
        ann,
        bob.user,
        impersonation=True,
        allow_redelegation=True,
        redelegation_count=2,
        roles=[{"name": "member"}],
    ).json["trust"]
    acting = tenant_of(sim, by_trust(sim, "bob", t["id"]))
    handed = trust(sim, acting, cyd.user, project_id=ann.project, impersonation=True, roles=[{"name": "member"}]).json[
        "trust"
    ]
    further = tenant_of(sim, by_trust(sim, "cyd", handed["id"]))
    keys = [signed(sim, acting, ann), signed(sim, further, ann)]
    assert all(opens(sim, k) for k in keys)
    ann.delete(f"{I}/OS-TRUST/trusts/{t['id']}", 204)
    assert not any(opens(sim, k) for k in keys)
    assert acting.ask("GET", SERVERS).code == further.ask("GET", SERVERS).code == 401


def test_a_trust_whose_uses_are_counted_makes_no_key(sim: SimCloud) -> None:
    """A trust of one use is spent by its token; a key of it could be used for ever."""
    ann, bob = sim.tenant("ann"), sim.tenant("bob")
    once = trust(sim, ann, bob.user, impersonation=True, remaining_uses=1, roles=[{"name": "member"}]).json["trust"]
    acting = tenant_of(sim, by_trust(sim, "bob", once["id"]))
    got = acting.ask("POST", f"{I}/users/{ann.user}/credentials/OS-EC2", {"tenant_id": ann.project})
    assert got.code == 403 and once["id"] in got.text, got.text
    blob = '{"access": "counted", "secret": "s"}'
    body = {"credential": {"type": "ec2", "project_id": ann.project, "blob": blob}}
    assert acting.ask("POST", f"{I}/credentials", body).code == 403
    open_ = trust(sim, ann, bob.user, impersonation=True, roles=[{"name": "member"}]).json["trust"]
    key = signed(sim, tenant_of(sim, by_trust(sim, "bob", open_["id"])), ann)
    assert opens(sim, key)
    with sim.cloud.db.write() as tx:  # as an older program left it
        store.TRUSTS.put(tx, open_["id"], remaining_uses=1)
        store.grow(tx)
    with sim.cloud.db.read() as tx:
        sim.cloud.registry.use(Tokens).refresh(tx)
    assert not opens(sim, key)


def test_the_authority_of_a_trust_reaches_that_trust_alone(sim: SimCloud) -> None:
    ann, bob, cyd = sim.tenant("ann"), sim.tenant("bob"), sim.tenant("cyd")
    other = trust(sim, ann, cyd.user).json["trust"]
    t = trust(sim, ann, bob.user, impersonation=True, allow_redelegation=True, redelegation_count=2).json["trust"]
    acting = tenant_of(sim, by_trust(sim, "bob", t["id"]))
    handed = trust(sim, acting, cyd.user, project_id=ann.project, impersonation=True).json["trust"]
    role = other["roles"][0]["id"]
    for path in ("", "/roles", f"/roles/{role}"):
        assert acting.ask("GET", f"{I}/OS-TRUST/trusts/{other['id']}{path}").code == 403
        assert acting.ask("GET", f"{I}/OS-TRUST/trusts/{t['id']}{path}").code == 200
        assert acting.ask("GET", f"{I}/OS-TRUST/trusts/{handed['id']}{path}").code == 200
    assert acting.ask("DELETE", f"{I}/OS-TRUST/trusts/{other['id']}").code == 403
    listed = acting.get(f"{I}/OS-TRUST/trusts?trustor_user_id={ann.user}")["trusts"]
    assert {x["id"] for x in listed} == {t["id"], handed["id"]}
    assert {x["id"] for x in ann.get(f"{I}/OS-TRUST/trusts?trustor_user_id={ann.user}")["trusts"]} > {other["id"]}
    acting.delete(f"{I}/OS-TRUST/trusts/{handed['id']}", 204)
    acting.delete(f"{I}/OS-TRUST/trusts/{t['id']}", 204)  # as Heat ends the trust that it works by
    assert acting.ask("GET", TOKENS).code == 401
    ann.get(f"{I}/OS-TRUST/trusts/{other['id']}", 200)


def test_lent_authority_sees_nothing_of_oauth(sim: SimCloud) -> None:
    ann = sim.tenant("ann")
    wide = app_credential(ann, unrestricted=True).json["application_credential"]
    acting = tenant_of(sim, by_app(sim, wide))
    base = f"{I}/users/{ann.user}/OS-OAUTH1/access_tokens"
    for path in (base, f"{base}/x", f"{base}/x/roles", f"{base}/x/roles/y"):
        assert acting.ask("GET", path).code == 403, path
    assert acting.ask("DELETE", f"{base}/x").code == 403
