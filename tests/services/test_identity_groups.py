# SPDX-License-Identifier: Apache-2.0
"""Groups, what their members may by them, and credentials: stories."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant
from virga.services.identity import api
from virga.services.identity.secrets import Vault

I = "/identity/v3"  # noqa: E741 - identity


def role_id(sim: SimCloud, name: str) -> str:
    return str(sim.admin.get(f"{I}/roles?name={name}")["roles"][0]["id"])


def group(sim: SimCloud, name: str, *users: str) -> str:
    made = sim.admin.post(f"{I}/groups", {"group": {"name": name, "description": "d", "colour": "red"}}, 201)["group"]
    assert made["colour"] == "red" and made["links"]["self"].endswith(f"/groups/{made['id']}")
    for user in users:
        sim.admin.put(f"{I}/groups/{made['id']}/users/{user}", code=204)
    return str(made["id"])


def test_a_group_gives_and_takes(sim: SimCloud) -> None:
    a = sim.admin
    user = a.post(f"{I}/users", {"user": {"name": "gina", "password": "pw"}})["user"]["id"]
    project = a.post(f"{I}/projects", {"project": {"name": "by-group"}})["project"]["id"]
    g, member = group(sim, "crew", user), role_id(sim, "member")
    assert sim.auth("gina", "pw", "by-group").status_code == 401, "no role yet"
    a.put(f"{I}/projects/{project}/groups/{g}/roles/{member}", code=204)
    assert a.ask("HEAD", f"{I}/projects/{project}/groups/{g}/roles/{member}").code == 204
    gina = sim.login("gina", "pw", "by-group")
    assert [r["id"] for r in a.get(f"{I}/projects/{project}/groups/{g}/roles")["roles"]] == [member]
    assert [x["id"] for x in a.get(f"{I}/users/{user}/groups")["groups"]] == [g]
    assert [x["id"] for x in gina.get(f"{I}/users/{user}/groups")["groups"]] == [g], "one's own groups"
    assert [x["name"] for x in a.get(f"{I}/groups/{g}/users")["users"]] == ["gina"]
    assert [p["name"] for p in gina.get(f"{I}/auth/projects")["projects"]] == ["by-group"]
    effective = a.get(f"{I}/role_assignments?user.id={user}&effective&include_names=true")["role_assignments"]
    assert {(e["role"]["name"], e["scope"]["project"]["name"]) for e in effective} == {
        ("member", "by-group"),
        ("reader", "by-group"),
    }
    assert all(e["links"]["membership"].endswith(f"/groups/{g}/users/{user}") for e in effective)
    plain = a.get(f"{I}/role_assignments?group.id={g}")["role_assignments"]
    assert [e["group"]["id"] for e in plain] == [g] and "user" not in plain[0]
    a.delete(f"{I}/groups/{g}/users/{user}", 204)
    assert gina.ask("GET", "/compute/v2.1/servers").code == 401, "out of the group, out of the project"
    assert a.ask("HEAD", f"{I}/groups/{g}/users/{user}").code == 404


def test_deleting_a_group_ends_what_it_gave(sim: SimCloud) -> None:
    a = sim.admin
    user = a.post(f"{I}/users", {"user": {"name": "gus", "password": "pw"}})["user"]["id"]
    project = a.post(f"{I}/projects", {"project": {"name": "pg"}})["project"]["id"]
    g = group(sim, "brief", user)
    a.put(f"{I}/projects/{project}/groups/{g}/roles/{role_id(sim, 'member')}", code=204)
    gus = sim.login("gus", "pw", "pg")
    gus.get("/compute/v2.1/servers")
    a.delete(f"{I}/groups/{g}", 204)
    assert gus.ask("GET", "/compute/v2.1/servers").code == 401


def test_group_and_user_ids_never_stand_for_each_other(sim: SimCloud) -> None:
    """A grant to the group with an id is none to the user with the same id."""
    from virga.services.identity import store

    a = sim.admin
    user = a.post(f"{I}/users", {"user": {"name": "clash", "password": "pw"}})["user"]["id"]
    project = a.post(f"{I}/projects", {"project": {"name": "clash"}})["project"]["id"]
    with sim.cloud.db.write() as tx:
        store.GROUPS.insert(tx, id=user, name="clash", domain_id="default", description="", extra={})
    a.put(f"{I}/projects/{project}/groups/{user}/roles/{role_id(sim, 'member')}", code=204)
    assert sim.auth("clash", "pw", "clash").status_code == 401


@pytest.mark.parametrize(
    ("target", "who"), [(t, w) for t in ("project", "domain", "system") for w in ("user", "group")]
)
def test_grants_everywhere(sim: SimCloud, target: str, who: str) -> None:
    a, reader = sim.admin, role_id(sim, "reader")
    user = a.post(f"{I}/users", {"user": {"name": "gr", "password": "pw"}})["user"]["id"]
    actor = group(sim, "gg", user) if who == "group" else user
    project = a.post(f"{I}/projects", {"project": {"name": "gp"}})["project"]["id"]
    where = {"project": f"projects/{project}", "domain": "domains/default", "system": "system"}[target]
    path = f"{I}/{where}/{who}s/{actor}/roles"
    assert a.get(path)["roles"] == []
    assert a.ask("HEAD", f"{path}/{reader}").code == 404
    a.put(f"{path}/{reader}", code=204)
    a.put(f"{path}/{reader}", code=204)
    assert [r["name"] for r in a.get(path)["roles"]] == ["reader"]
    assert a.ask("HEAD", f"{path}/{reader}").code == 204
    scope: dict[str, Any] = {"domain": {"id": "default"}} if target == "domain" else {"system": {"all": True}}

    def login() -> Any:
        return sim.auth("gr", "pw", "gp") if target == "project" else sim.auth("gr", "pw", None, **scope)

    got = login()
    assert got.status_code == 201, got.text
    assert [r["name"] for r in got.json()["token"]["roles"]] == ["reader"]
    a.delete(f"{path}/{reader}", 204)
    a.delete(f"{path}/{reader}", 404)
    assert login().status_code == 401


def test_inherited_grants_reach_the_tree_below_and_not_the_root(sim: SimCloud) -> None:
    a, member = sim.admin, role_id(sim, "member")
    user = a.post(f"{I}/users", {"user": {"name": "heir", "password": "pw"}})["user"]["id"]
    top = a.post(f"{I}/projects", {"project": {"name": "top"}})["project"]["id"]
    mid = a.post(f"{I}/projects", {"project": {"name": "mid", "parent_id": top}})["project"]["id"]
    low = a.post(f"{I}/projects", {"project": {"name": "low", "parent_id": mid}})["project"]["id"]
    path = f"{I}/OS-INHERIT/projects/{top}/users/{user}/roles/{member}/inherited_to_projects"
    a.put(path, code=204)
    assert a.ask("HEAD", path).code == 204
    assert sim.auth("heir", "pw", "top").status_code == 401
    assert sim.auth("heir", "pw", "mid").status_code == sim.auth("heir", "pw", "low").status_code == 201
    effective = a.get(f"{I}/role_assignments?user.id={user}&effective=true&role.id={member}")["role_assignments"]
    assert {e["scope"]["project"]["id"] for e in effective} == {mid, low}
    assert all(e["links"]["assignment"].endswith(path.removeprefix("/identity")) for e in effective)
    a.delete(path, 204)
    assert sim.auth("heir", "pw", "low").status_code == 401


def signed_v4(secret: str, access: str, when: dt.datetime) -> dict[str, Any]:
    """The parts of a SigV4 request, signed here by the book (AWS General Reference)."""
    stamp, day = when.strftime("%Y%m%dT%H%M%SZ"), when.strftime("%Y%m%d")
    body = hashlib.sha256(b"").hexdigest()
    lines = f"host:ec2.example\nx-amz-date:{stamp}\n"
    request = f"GET\n/\nAction=DescribeInstances\n{lines}\nhost;x-amz-date\n{body}"
    scope = f"{day}/RegionOne/ec2/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (day, "RegionOne", "ec2", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
    )
    return {
        "access": access,
        "signature": signature,
        "host": "ec2.example",
        "verb": "GET",
        "path": "/",
        "params": {"Action": "DescribeInstances"},
        "headers": {"Host": "ec2.example", "X-Amz-Date": stamp, "Authorization": authorization},
        "body_hash": body,
    }


def signed_s3(secret: str, access: str, when: dt.datetime) -> dict[str, Any]:
    stamp, day = when.strftime("%Y%m%dT%H%M%SZ"), when.strftime("%Y%m%d")
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{day}/RegionOne/s3/aws4_request\n{'0' * 64}"
    key = f"AWS4{secret}".encode()
    for part in (day, "RegionOne", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return {
        "access": access,
        "token": base64.urlsafe_b64encode(text.encode()).decode(),
        "signature": hmac.new(key, text.encode(), hashlib.sha256).hexdigest(),
    }


def service_user(sim: SimCloud) -> Tenant:
    return sim.tenant("svc", "service")


def access_key(sim: SimCloud, t: Tenant) -> dict[str, Any]:
    return dict(t.post(f"{I}/users/{t.user}/credentials/OS-EC2", {"tenant_id": t.project}, 201)["credential"])


def now(sim: SimCloud) -> dt.datetime:
    return dt.datetime.fromtimestamp(sim.cloud.world.now(), dt.UTC)


def test_ec2_credentials(sim: SimCloud) -> None:
    t = sim.tenant("ann")
    key = access_key(sim, t)
    assert set(key) == {"user_id", "tenant_id", "access", "secret", "trust_id", "links"}
    path = f"{I}/users/{t.user}/credentials/OS-EC2"
    assert t.get(f"{path}/{key['access']}")["credential"] == key
    assert [c["access"] for c in t.get(path)["credentials"]] == [key["access"]]
    whole = t.get(f"{I}/credentials?type=ec2")["credentials"]
    assert json.loads(whole[0]["blob"])["secret"] == key["secret"]
    svc = service_user(sim)
    got = svc.ask("POST", f"{I}/ec2tokens", {"credentials": signed_v4(key["secret"], key["access"], now(sim))})
    assert (
        got.code == 200
        and got.json["token"]["user"]["id"] == t.user
        and got.json["token"]["methods"] == ["ec2credential"]
    )
    assert Tenant(sim.http, got.headers["x-subject-token"]).ask("GET", "/compute/v2.1/servers").code == 200
    got = svc.ask("POST", f"{I}/s3tokens", {"credentials": signed_s3(key["secret"], key["access"], now(sim))})
    assert got.code == 200 and got.json["token"]["project"]["id"] == t.project
    assert "x-subject-token" not in got.headers, "a signature buys no token"
    t.delete(f"{path}/{key['access']}", 204)
    t.get(f"{path}/{key['access']}", 404)


def test_the_door_for_other_services(sim: SimCloud) -> None:
    """A service takes the secret and the actor of an access key; what ends the user's authority ends that too."""
    t = sim.tenant("bob")
    key = access_key(sim, t)
    found = api.access_key(sim.cloud.registry, key["access"])
    assert found is not None and found.secret == key["secret"]
    assert (found.actor.user_id, found.actor.project_id, "member" in found.actor.roles) == (t.user, t.project, True)
    assert api.access_key(sim.cloud.registry, "nobody") is None
    sim.admin.patch(f"{I}/users/{t.user}", {"user": {"enabled": False}})
    assert api.access_key(sim.cloud.registry, key["access"]) is None


def test_credentials_lie_sealed(sim: SimCloud) -> None:
    t = sim.tenant("cleo")
    key = access_key(sim, t)
    with sim.cloud.db.read() as tx:
        raw = tx.conn.exec_driver_sql("select blob from id_credentials").scalar_one()
    assert key["secret"] not in raw and key["access"] not in raw
    assert key["secret"] in sim.cloud.registry.use(Vault).open(raw)


def test_credentials_of_any_type(sim: SimCloud) -> None:
    t, a = sim.tenant("carol"), sim.admin
    body = {"type": "cert", "blob": "pem", "user_id": t.user, "project_id": t.project}
    made = t.post(f"{I}/credentials", {"credential": body}, 201)["credential"]
    assert made["blob"] == "pem" and made["type"] == "cert"
    assert t.patch(f"{I}/credentials/{made['id']}", {"credential": {"blob": "other"}})["credential"]["blob"] == "other"
    other = sim.tenant("dan")
    other.get(f"{I}/credentials/{made['id']}", 403)
    other.get(f"{I}/credentials/nowhere", 403)
    other.patch(f"{I}/credentials/{made['id']}", {"credential": {"user_id": other.user}}, 403)
    t.patch(f"{I}/credentials/{made['id']}", {"credential": {"user_id": other.user}}, 403)
    assert other.get(f"{I}/credentials")["credentials"] == []
    assert made["id"] in {c["id"] for c in a.get(f"{I}/credentials")["credentials"]}
    a.post(
        f"{I}/credentials",
        {"credential": {"type": "ec2", "blob": "{}", "user_id": t.user, "project_id": t.project}},
        400,
    )
    t.delete(f"{I}/credentials/{made['id']}", 204)
    a.get(f"{I}/credentials/{made['id']}", 404)


def test_what_outside_judges_found(sim: SimCloud) -> None:
    """Access rules in the order given, an EC2 blob to the letter, a domain's own role on another domain, a tree from a domain down."""
    a, t = sim.admin, sim.tenant("judged")
    rules = [
        {"service": "compute", "method": m, "path": p}
        for m, p in (("POST", "/z"), ("GET", "/a"), ("DELETE", "/m"), ("GET", "/b"))
    ]
    app = t.post(
        f"{I}/users/{t.user}/application_credentials",
        {"application_credential": {"name": "a", "access_rules": rules}},
        201,
    )
    shown = t.get(f"{I}/users/{t.user}/application_credentials/{app['application_credential']['id']}")[
        "application_credential"
    ]
    for found in (app["application_credential"], shown):
        assert [{k: r[k] for k in ("service", "method", "path")} for r in found["access_rules"]] == rules
    listed = t.get(f"{I}/users/{t.user}/access_rules")["access_rules"]
    assert [r["path"] for r in listed] == ["/z", "/a", "/m", "/b"]
    blob = '{"secret":"s",  "access":"abc" }'
    made = a.post(
        f"{I}/credentials",
        {"credential": {"type": "ec2", "blob": blob, "project_id": t.project, "user_id": t.user}},
        201,
    )["credential"]
    assert made["blob"] == blob == a.get(f"{I}/credentials/{made['id']}")["credential"]["blob"]
    one, two = (a.post(f"{I}/domains", {"domain": {"name": n}}, 201)["domain"]["id"] for n in ("one", "two"))
    role = a.post(f"{I}/roles", {"role": {"name": "own", "domain_id": one}}, 201)["role"]["id"]
    for domain in (one, two):
        a.put(f"{I}/domains/{domain}/users/{t.user}/roles/{role}", code=204)
    far = a.post(f"{I}/projects", {"project": {"name": "far", "domain_id": two}}, 201)["project"]["id"]
    assert a.ask("PUT", f"{I}/projects/{far}/users/{t.user}/roles/{role}").code == 403, (
        "the domain of project and role must match"
    )
    assert a.ask("PUT", f"{I}/system/users/{t.user}/roles/{role}").code == 400
    member = a.get(f"{I}/roles?name=member")["roles"][0]["id"]
    a.put(f"{I}/projects/{far}/users/{t.user}/roles/{member}", code=204)
    tree = a.get(f"{I}/role_assignments?scope.project.id={two}&include_subtree=true&include_names")["role_assignments"]
    assert [(x["role"]["name"], x["scope"]["project"]["name"]) for x in tree] == [("member", "far")]
    assert t.ask("GET", f"{I}/role_assignments?scope.project.id={two}&include_subtree=true").code == 403
    assert t.ask("GET", f"{I}/roles/none").code == 404 and t.ask("GET", f"{I}/roles/{role}").code == 403
