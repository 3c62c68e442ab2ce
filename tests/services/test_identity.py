# SPDX-License-Identifier: Apache-2.0
"""Identity's stories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant
from virga.ground.http.call import Authenticator, Call, Cold, Query, Request
from virga.ground.wire import Shape, Wire
from virga.services.identity.actions import auth
from virga.services.identity.catalog import Catalog
from virga.services.identity.routes import SERVICE


def test_token_says_who_and_where(sim: SimCloud) -> None:
    answer = sim.auth("admin", "admin", "admin")
    token = answer.json()["token"]
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    assert token["project"]["name"] == "admin" and token["user"]["domain"]["id"] == "default"
    assert {"admin", "manager", "member", "reader"} == {r["name"] for r in token["roles"]}
    assert {s["type"] for s in token["catalog"]} >= {"identity", "image", "network", "compute", "object-store", "s3"}
    assert all(e["url"].startswith("http://127.0.0.1:8700/") for s in token["catalog"] for e in s["endpoints"])


def test_scopes(sim: SimCloud) -> None:
    assert "project" not in sim.auth("admin", "admin", None).json()["token"]
    assert sim.auth("admin", "admin", None, system={"all": True}).json()["token"]["system"] == {"all": True}
    assert sim.auth("admin", "admin", None, domain={"id": "default"}).status_code == 401, "no role on the domain"
    unscoped = sim.auth("admin", "admin", None).headers["x-subject-token"]
    scope = {"project": {"name": "admin", "domain": {"name": "Default"}}}
    again = sim.http.post(
        "/identity/v3/auth/tokens",
        json={"auth": {"identity": {"methods": ["token"], "token": {"id": unscoped}}, "scope": scope}},
    )
    assert again.status_code == 201
    body = again.json()["token"]
    assert body["methods"] == ["token"] or set(body["methods"]) == {"password", "token"}
    assert len(body["audit_ids"]) == 2
    first = sim.http.get(
        "/identity/v3/auth/tokens", headers={"X-Auth-Token": unscoped, "X-Subject-Token": unscoped}
    ).json()["token"]
    assert body["expires_at"] <= first["expires_at"], "a rescoped token lives no longer than the first"


def test_wrong_password_and_unknown_user_read_the_same(sim: SimCloud) -> None:
    wrong, unknown = sim.auth("admin", "nope", "admin"), sim.auth("nobody", "nope", "admin")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.json() == unknown.json()


def _dead(t: Tenant) -> bool:
    return t.ask("GET", "/compute/v2.1/servers").code == 401


@pytest.mark.parametrize("how", ["revoke", "disable user", "disable project", "take role", "password", "delete user"])
def test_what_is_taken_is_gone_at_once(sim: SimCloud, how: str) -> None:
    t, a = sim.tenant("carl"), sim.admin
    t.get("/compute/v2.1/servers")
    if how == "revoke":
        sim.http.delete("/identity/v3/auth/tokens", headers={"X-Auth-Token": t.token, "X-Subject-Token": t.token})
    elif how == "disable user":
        a.patch(f"/identity/v3/users/{t.user}", {"user": {"enabled": False}})
    elif how == "disable project":
        a.patch(f"/identity/v3/projects/{t.project}", {"project": {"enabled": False}})
    elif how == "take role":
        role = a.get("/identity/v3/roles?name=member")["roles"][0]["id"]
        a.delete(f"/identity/v3/projects/{t.project}/users/{t.user}/roles/{role}", 204)
    elif how == "password":
        body = {"user": {"original_password": "pw", "password": "other"}}
        assert sim.http.post(f"/identity/v3/users/{t.user}/password", json=body).status_code == 204
    else:
        a.delete(f"/identity/v3/users/{t.user}", 204)
    assert _dead(t)
    assert not _dead(a)


def test_a_tampered_token_is_nobodys(shared: SimCloud) -> None:
    token = shared.admin.token
    for bad in (token[:-2] + "AA", token[1:], "x" * 200, "", "é" * 60, token * 20):
        got = shared.http.get("/identity/v3/users", headers={"X-Auth-Token": bad.encode()})
        assert got.status_code == 401, bad[:20]


READS = [
    "/identity/v3/users",
    "/identity/v3/projects",
    "/identity/v3/domains",
    "/identity/v3/roles",
    "/identity/v3/services",
    "/identity/v3/endpoints",
    "/identity/v3/regions",
    "/identity/v3/role_assignments",
]


def test_a_member_reads_no_directory(shared: SimCloud) -> None:
    t = shared.tenant("dora")
    for path in READS:
        got = t.ask("GET", path)
        if path.rpartition("/")[2] in {"regions"}:
            assert got.code == 200
        else:
            assert got.code == 403, path
            assert "identity:" in got.json["error"]["message"], "the refusal names the rule"


WRITES = [
    ("POST", "/identity/v3/projects", {"project": {"name": "p"}}),
    ("POST", "/network/v2.0/networks", {"network": {"name": "n"}}),
    ("POST", "/network/v2.0/routers", {"router": {"name": "n"}}),
    ("POST", "/network/v2.0/security-groups", {"security_group": {"name": "n"}}),
    ("POST", "/image/v2/images", {"name": "i"}),
    ("POST", "/compute/v2.1/flavors", {"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1}}),
    ("POST", "/compute/v2.1/servers", {"server": {"name": "s", "imageRef": "0", "flavorRef": "42"}}),
]


def test_a_reader_writes_nothing(shared: SimCloud) -> None:
    r = shared.tenant("rita", "reader")
    for method, path, body in WRITES:
        got = r.ask(method, path, body)
        assert got.code == 403, f"{path}: {got.code} {got.text}"
    assert r.get("/compute/v2.1/servers")["servers"] == []


@pytest.mark.parametrize(
    ("noun", "body", "change"),
    [
        ("users", {"name": "u1", "password": "x", "email": "a@b.c", "shoe": 43}, {"enabled": False, "shoe": 44}),
        ("projects", {"name": "p1", "description": "d", "flag": True}, {"description": "e"}),
        ("domains", {"name": "d1"}, {"enabled": False}),
        ("roles", {"name": "r1"}, {"name": "r2"}),
        ("regions", {"id": "R2"}, {"description": "e"}),
        ("services", {"type": "dns", "name": "designate"}, {"name": "x"}),
    ],
)
def test_nouns_live(sim: SimCloud, noun: str, body: dict[str, Any], change: dict[str, Any]) -> None:
    a, one = sim.admin, noun.removesuffix("s")
    made = a.post(f"/identity/v3/{noun}", {one: body}, 201)[one]
    assert made["links"]["self"].endswith(f"/identity/v3/{noun}/{made['id']}")
    assert all(made[k] == v for k, v in body.items() if k != "password")
    assert "password" not in made
    assert made["id"] in {x["id"] for x in a.get(f"/identity/v3/{noun}")[noun]}
    changed = a.patch(f"/identity/v3/{noun}/{made['id']}", {one: change})[one]
    assert all(changed[k] == v for k, v in change.items())
    if noun in {"users", "projects", "domains", "roles"}:
        a.post(f"/identity/v3/{noun}", {one: body | ({"name": changed["name"]})}, 409)
    a.delete(f"/identity/v3/{noun}/{made['id']}", 204)
    a.get(f"/identity/v3/{noun}/{made['id']}", 404)


def test_pages(shared: SimCloud) -> None:
    a = shared.admin
    for n in range(5):
        a.post("/identity/v3/users", {"user": {"name": f"page{n}"}})
    seen, url = [], "/identity/v3/users?limit=2"
    while url:
        page = a.get(url)
        assert len(page["users"]) <= 2
        seen += [u["name"] for u in page["users"]]
        url = (page["links"]["next"] or "").removeprefix("http://127.0.0.1:8700")
    assert len(seen) == len(set(seen)) >= 6


def test_host_header_decides_the_catalogue_only_if_it_is_ours(shared: SimCloud) -> None:
    def urls(host: str) -> set[str]:
        got = shared.http.get("/identity/v3", headers={"Host": host})
        return {got.json()["version"]["links"][0]["href"]}

    assert urls("localhost:9999") == {"http://localhost:9999/identity/v3/"}
    assert urls("evil.example") == {"http://127.0.0.1:8700/identity/v3/"}


def test_every_shape_of_the_api_has_a_name_of_its_own() -> None:
    """v3, v2.0 and the extensions stand in one description: of two shapes of one name one would not be seen."""

    def below(kind: type[Any]) -> Iterator[type[Any]]:
        for each in kind.__subclasses__():
            yield each
            yield from below(each)

    assert SERVICE.routes
    shapes = {each for kind in (Wire, Shape) for each in below(kind)}
    names = [each.__name__ for each in shapes if each.__module__.startswith("virga.services.identity.")]
    assert len(names) > 200
    assert not [name for name, times in Counter(names).items() if times > 1]


def test_a_token_is_checked_on_the_event_loop_only_when_all_of_it_is_in_memory(sim: SimCloud) -> None:
    registry, base = sim.cloud.registry, "http://127.0.0.1:8700"
    actor = registry.use(Authenticator).cold(sim.admin.token)
    assert actor is not None
    request = Request(
        id="req-1",
        method="GET",
        path="/identity/v3/auth/tokens",
        service_path="/identity",
        query=Query({}),
        raw_query="",
        headers={"x-subject-token": sim.admin.token},
        base=base,
        client="",
    )
    call = Call(actor=actor, registry=registry, db=sim.cloud.db, request_id="req-1", version=(0, 0), request=request)
    registry.use(Catalog).forget()
    call.hot = True
    with pytest.raises(Cold):
        auth.show(call)
    call.hot = False
    found = auth.show(call)
    assert found.carried.services is not None and base.encode() in found.carried.services
    call.hot = True
    assert auth.show(call).carried is found.carried
