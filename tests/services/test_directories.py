# SPDX-License-Identifier: Apache-2.0
"""Domains whose users live in a real LDAP directory; one story for them and for domains of our own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from directories import ADMIN, SECRET, SUFFIX, Slapd, free_port
from sim_cloud import SimCloud, Tenant, make
from virga.client import wait
from virga.ground.loops.loop import Round
from virga.services.identity.directories.loops import renew
from virga.services.identity.directories.model import public_id
from virga.services.identity.directories.registry import Directories

SQL, LDAP = "sql", "ldap"


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    server = Slapd(tmp_path_factory.mktemp("slapd"))
    yield server
    server.stop()


def directory(slapd: Slapd, **over: Any) -> dict[str, Any]:
    return {
        "url": slapd.url,
        "user": ADMIN,
        "password": SECRET,
        "suffix": SUFFIX,
        "user_name_attribute": "cn",
        "group_name_attribute": "cn",
        "user_enabled_attribute": "employeeType",
        "writable": True,
        "sync_seconds": 3600,
        "retry_seconds": 0,
        "connection_timeout": 1,
        "timeout": 2,
    } | over


@pytest.fixture
def corp(database: str | None, slapd: Slapd) -> Iterator[SimCloud]:
    """A cloud with three domains: `corp` is a directory that may be written, `look` the same one read only, `dead` one that is away."""
    ldap = {
        "corp": directory(slapd),
        "look": directory(slapd, writable=False),
        "dead": directory(slapd, url=f"ldap://127.0.0.1:{free_port()}", retry_seconds=30),
    }
    cloud = make(database, **{"identity.ldap": ldap})
    cloud.start()
    sim = SimCloud(cloud)
    assert wait(lambda: len(sim.admin.get("/identity/v3/domains")["domains"]) >= 4, 10, every=0.05)
    yield sim
    cloud.stop()


def domain_of(sim: SimCloud, name: str) -> str:
    return str(sim.admin.get(f"/identity/v3/domains?name={name}")["domains"][0]["id"])


def log_in(sim: SimCloud, user: dict[str, Any], password: str, project: str | None = None) -> Any:
    body: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user | {"password": password}}}}
    if project:
        body["scope"] = {"project": {"id": project}}
    return sim.http.post("/identity/v3/auth/tokens", json={"auth": body})


@pytest.mark.parametrize("kind", [SQL, LDAP])
def test_one_contract(corp: SimCloud, kind: str) -> None:
    """Whatever keeps a domain's users, the API answers the same."""
    a, name = corp.admin, f"u-{kind}-{time.monotonic_ns()}"
    domain = (
        domain_of(corp, "corp")
        if kind == LDAP
        else a.post("/identity/v3/domains", {"domain": {"name": f"own{time.monotonic_ns()}"}})["domain"]["id"]
    )
    user = a.post(
        "/identity/v3/users", {"user": {"name": name, "domain_id": domain, "password": "first", "email": "u@x"}}, 201
    )["user"]
    assert (user["name"], user["domain_id"], user["enabled"], user["email"]) == (name, domain, True, "u@x")
    a.post("/identity/v3/users", {"user": {"name": name, "domain_id": domain, "password": "x"}}, 409)
    assert a.get(f"/identity/v3/users/{user['id']}")["user"] == user
    assert [u["id"] for u in a.get(f"/identity/v3/users?domain_id={domain}&name={name}")["users"]] == [user["id"]]
    by_name = {"name": name, "domain": {"id": domain}}
    assert log_in(corp, by_name, "first").status_code == 201
    assert log_in(corp, {"id": user["id"]}, "first").status_code == 201
    wrong, unknown = log_in(corp, by_name, "wrong"), log_in(corp, {"name": "nobody", "domain": {"id": domain}}, "wrong")
    assert wrong.status_code == unknown.status_code == 401 and wrong.json() == unknown.json()
    for odd in ("", "*", "first\0"):
        assert log_in(corp, by_name, odd).status_code in {400, 401}, odd
    assert a.patch(f"/identity/v3/users/{user['id']}", {"user": {"email": "new@x"}})["user"]["email"] == "new@x"
    # groups and what they bring
    group = a.post(
        "/identity/v3/groups", {"group": {"name": f"g-{name}", "domain_id": domain, "description": "d"}}, 201
    )["group"]
    a.post("/identity/v3/groups", {"group": {"name": f"g-{name}", "domain_id": domain}}, 409)
    a.put(f"/identity/v3/groups/{group['id']}/users/{user['id']}", code=204)
    a.put(f"/identity/v3/groups/{group['id']}/users/{user['id']}", code=204)
    assert a.ask("HEAD", f"/identity/v3/groups/{group['id']}/users/{user['id']}").code == 204
    assert [u["id"] for u in a.get(f"/identity/v3/groups/{group['id']}/users")["users"]] == [user["id"]]
    assert [g["id"] for g in a.get(f"/identity/v3/users/{user['id']}/groups")["groups"]] == [group["id"]]
    project = a.post("/identity/v3/projects", {"project": {"name": f"p-{name}", "domain_id": domain}})["project"]["id"]
    member = a.get("/identity/v3/roles?name=member")["roles"][0]["id"]
    a.put(f"/identity/v3/projects/{project}/groups/{group['id']}/roles/{member}", code=204)
    got = log_in(corp, by_name, "first", project)
    assert got.status_code == 201 and {r["name"] for r in got.json()["token"]["roles"]} == {"member", "reader"}
    t = Tenant(corp.http, got.headers["x-subject-token"])
    t.get("/compute/v2.1/servers", 200)
    a.delete(f"/identity/v3/groups/{group['id']}/users/{user['id']}", 204)
    a.delete(f"/identity/v3/groups/{group['id']}/users/{user['id']}", 404)
    assert t.ask("GET", "/compute/v2.1/servers").code == 401, "what the group brought is gone"
    a.put(f"/identity/v3/groups/{group['id']}/users/{user['id']}", code=204)
    assert a.patch(f"/identity/v3/groups/{group['id']}", {"group": {"description": "e"}})["group"]["description"] == "e"
    # the own password
    body = {"user": {"original_password": "first", "password": "second"}}
    t = Tenant(corp.http, log_in(corp, by_name, "first", project).headers["x-subject-token"])
    wrong_body = {"user": body["user"] | {"original_password": "no"}}
    assert corp.http.post(f"/identity/v3/users/{user['id']}/password", json=wrong_body).status_code == 401
    assert corp.http.post(f"/identity/v3/users/{user['id']}/password", json=body).status_code == 204
    assert t.ask("GET", "/compute/v2.1/servers").code == 401
    assert log_in(corp, by_name, "first").status_code == 401
    t = Tenant(corp.http, log_in(corp, by_name, "second", project).headers["x-subject-token"])
    # by an administrator
    a.patch(f"/identity/v3/users/{user['id']}", {"user": {"password": "third"}})
    assert t.ask("GET", "/compute/v2.1/servers").code == 401 and log_in(corp, by_name, "third").status_code == 201
    assert a.patch(f"/identity/v3/users/{user['id']}", {"user": {"enabled": False}})["user"]["enabled"] is False
    assert log_in(corp, by_name, "third").status_code == 401
    a.delete(f"/identity/v3/groups/{group['id']}", 204)
    a.get(f"/identity/v3/groups/{group['id']}", 404)
    a.delete(f"/identity/v3/users/{user['id']}", 204)
    a.get(f"/identity/v3/users/{user['id']}", 404)
    a.delete(f"/identity/v3/users/{user['id']}", 404)


def renewed(sim: SimCloud) -> None:
    """One round of the loop, now."""
    for id in sim.cloud.registry.use(Directories).due:
        sim.cloud.registry.use(Directories).due[id] = 0.0
    renew(Round(sim.cloud.db, sim.cloud.world, sim.cloud.registry))


def test_the_shadow_follows(corp: SimCloud, slapd: Slapd) -> None:
    """What changes in the directory changes here: tokens of who is disabled, removed from a group, or gone, end."""
    n = time.monotonic_ns()
    dns = [slapd.user(f"{name}{n}", "pw") for name in ("ann", "ben", "cat")]
    slapd.group(f"inner{n}", *dns)
    slapd.group(f"outer{n}", f"cn=inner{n},ou=UserGroups,{SUFFIX}")
    renewed(corp)
    a, domain = corp.admin, domain_of(corp, "look")
    assert {u["name"] for u in a.get(f"/identity/v3/users?domain_id={domain}")["users"]} >= {
        f"ann{n}",
        f"ben{n}",
        f"cat{n}",
    }
    ids = {name: public_id(domain, "user", f"{name}{n}") for name in ("ann", "ben", "cat")}
    group = public_id(domain, "group", f"outer{n}")
    assert a.get(f"/identity/v3/groups/{group}/users")["users"][0]["id"] in ids.values(), "a group in a group"
    project = a.post("/identity/v3/projects", {"project": {"name": f"p{n}", "domain_id": domain}})["project"]["id"]
    member = a.get("/identity/v3/roles?name=member")["roles"][0]["id"]
    a.put(f"/identity/v3/projects/{project}/groups/{group}/roles/{member}", code=204)
    tokens = {
        name: Tenant(corp.http, log_in(corp, {"id": id}, "pw", project).headers["x-subject-token"])
        for name, id in ids.items()
    }
    assert all(t.ask("GET", "/compute/v2.1/servers").code == 200 for t in tokens.values())
    slapd.change(f"dn: {dns[0]}\nchangetype: modify\nadd: employeeType\nemployeeType: FALSE\n")
    slapd.change(f"dn: cn=inner{n},ou=UserGroups,{SUFFIX}\nchangetype: modify\ndelete: member\nmember: {dns[1]}\n")
    slapd.change(f"dn: {dns[2]}\nchangetype: delete\n")
    assert log_in(corp, {"id": ids["ann"]}, "pw").status_code == 401, "at a login the directory itself is asked"
    renewed(corp)
    assert [t.ask("GET", "/compute/v2.1/servers").code for t in tokens.values()] == [401, 401, 401]
    assert a.get(f"/identity/v3/users/{ids['cat']}")["user"]["enabled"] is False, "gone there, disabled here"
    slapd.user(f"cat{n}", "pw2")
    assert log_in(corp, {"id": ids["cat"]}, "pw2").status_code == 201, "and back again"


def test_read_only(corp: SimCloud, slapd: Slapd) -> None:
    n = time.monotonic_ns()
    slapd.user(f"ro{n}", "pw")
    a, domain = corp.admin, domain_of(corp, "look")
    user = log_in(corp, {"name": f"ro{n}", "domain": {"name": "look"}}, "pw").json()["token"]["user"]["id"]
    for method, path, body in (
        ("POST", "/identity/v3/users", {"user": {"name": "x", "domain_id": domain}}),
        ("PATCH", f"/identity/v3/users/{user}", {"user": {"email": "x"}}),
        ("PATCH", f"/identity/v3/users/{user}", {"user": {"password": "x"}}),
        ("PATCH", f"/identity/v3/users/{user}", {"user": {"enabled": False}}),
        ("DELETE", f"/identity/v3/users/{user}", None),
        ("POST", "/identity/v3/groups", {"group": {"name": "x", "domain_id": domain}}),
        ("POST", f"/identity/v3/users/{user}/password", {"user": {"original_password": "pw", "password": "x"}}),
    ):
        got = a.ask(method, path, body)
        assert got.code == 403 and "write" in got.text, f"{method} {path}: {got.code} {got.text}"
    project = a.post("/identity/v3/projects", {"project": {"name": f"p{n}"}})["project"]["id"]
    assert (
        a.patch(f"/identity/v3/users/{user}", {"user": {"default_project_id": project}})["user"]["default_project_id"]
        == project
    )
    t = corp.tenant(f"mia{n}")
    assert t.ask("POST", "/identity/v3/users", {"user": {"name": "x", "domain_id": domain}}).code == 403


def test_a_dead_directory_harms_its_own_domain_alone(corp: SimCloud) -> None:
    began = time.perf_counter()
    codes = {log_in(corp, {"name": "x", "domain": {"name": "dead"}}, "pw").status_code for _ in range(10)}
    assert codes == {503} and time.perf_counter() - began < 5
    got = log_in(corp, {"name": "x", "domain": {"name": "dead"}}, "pw")
    assert "dead" in got.json()["error"]["message"] and got.headers["retry-after"]
    assert corp.auth("admin", "admin", "admin").status_code == 201
    assert corp.admin.get("/identity/v3/users")["users"]
    assert (
        corp.admin.ask("POST", "/identity/v3/users", {"user": {"name": "x", "domain_id": domain_of(corp, "dead")}}).code
        == 503
    )


def test_an_emptied_directory_is_not_believed(corp: SimCloud, slapd: Slapd, tmp_path: Path) -> None:
    """A wrong filter, a half-restored server: nobody is disabled by it."""
    own = Slapd(tmp_path / "own")
    own.user("eve", "pw")
    cloud = make(**{"identity.ldap": {"mine": directory(own)}})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        assert wait(lambda: log_in(sim, {"name": "eve", "domain": {"name": "mine"}}, "pw").status_code == 201, 10)
        own.change(f"dn: cn=eve,ou=Users,{SUFFIX}\nchangetype: delete\n")
        renewed(sim)
        assert sim.admin.get("/identity/v3/users?name=eve")["users"][0]["enabled"] is True
    finally:
        cloud.stop()
        own.stop()
