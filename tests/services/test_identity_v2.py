# SPDX-License-Identifier: Apache-2.0
"""Identity v2.0: stories over HTTP, and the guide's own commands with the clients of their time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant, make, served
from virga.ground.db.engine import Database
from virga.services.identity import store

ROOT = Path(__file__).parents[2]
V2 = "/identity/v2.0"


def log_in(sim: SimCloud, user: str, password: str, **more: Any) -> Any:
    body = {"auth": {"passwordCredentials": {"username": user, "password": password}} | more}
    return sim.http.post(f"{V2}/tokens", json=body)


def test_a_token_in_the_access_form(sim: SimCloud) -> None:
    got = log_in(sim, "admin", "admin", tenantName="admin")
    assert got.status_code == 200
    access = got.json()["access"]
    assert access["token"]["tenant"] == {"id": sim.admin.project, "name": "admin", "enabled": True} | {
        "description": "Bootstrap project for initializing the cloud."
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", access["token"]["expires"])
    assert {"name": "admin"} in access["user"]["roles"] and access["user"]["username"] == "admin"
    by_type = {s["type"]: s["endpoints"][0] for s in access["serviceCatalog"]}
    assert by_type["identity"]["adminURL"] == "http://127.0.0.1:8700/identity/v2.0"
    assert set(by_type["compute"]) == {"region", "id", "publicURL", "internalURL", "adminURL"}
    who = Tenant(sim.http, access["token"]["id"])
    who.get("/compute/v2.1/servers", 200)
    again = sim.http.post(f"{V2}/tokens", json={"auth": {"token": {"id": who.token}, "tenantId": sim.admin.project}})
    assert again.json()["access"]["token"]["tenant"]["name"] == "admin"
    assert again.json()["access"]["token"]["expires"] <= access["token"]["expires"]
    unscoped = log_in(sim, "admin", "admin").json()["access"]
    assert "tenant" not in unscoped["token"] and unscoped["serviceCatalog"] == [] and unscoped["user"]["roles"] == []


def test_who_may_not(sim: SimCloud) -> None:
    assert log_in(sim, "admin", "wrong").status_code == 401
    assert log_in(sim, "nobody", "wrong").json() == log_in(sim, "admin", "wrong").json()
    assert log_in(sim, "admin", "admin", tenantName="nowhere").status_code == 401
    for bad in (
        {},
        {"passwordCredentials": {"password": "x"}},
        {"passwordCredentials": {"username": "x"}},
        {"token": {}},
        {"token": 5},
    ):
        assert sim.http.post(f"{V2}/tokens", json={"auth": bad}).status_code == 400, bad
    t = sim.tenant("ed")
    for path in (
        "/users",
        "/OS-KSADM/roles",
        "/OS-KSADM/services",
        "/endpoints",
        f"/users/{sim.admin.user}",
        f"/tokens/{sim.admin.token}",
    ):
        assert t.ask("GET", V2 + path).code == 403, path
    assert [x["name"] for x in t.get(f"{V2}/tenants")["tenants"]] == ["ed-project"], "the own ones"
    assert t.ask("POST", f"{V2}/tenants", {"tenant": {"name": "n"}}).code == 403
    assert sim.admin.ask("POST", f"{V2}/tenants", {"tenant": {"name": "n", "id": "x"}}).code == 400


def test_other_domains_are_not_there(sim: SimCloud) -> None:
    a = sim.admin
    domain = a.post("/identity/v3/domains", {"domain": {"name": "else"}})["domain"]["id"]
    project = a.post("/identity/v3/projects", {"project": {"name": "p", "domain_id": domain}})["project"]["id"]
    user = a.post("/identity/v3/users", {"user": {"name": "u", "domain_id": domain, "password": "pw"}})["user"]["id"]
    a.get(f"{V2}/tenants/{project}", 404)
    a.get(f"{V2}/users/{user}", 404)
    assert project not in str(a.get(f"{V2}/tenants")) and user not in str(a.get(f"{V2}/users"))
    body = {"auth": {"passwordCredentials": {"userId": user, "password": "pw"}}}
    assert sim.http.post(f"{V2}/tokens", json=body).status_code == 401
    system = sim.auth("admin", "admin", None, system={"all": True}).headers["x-subject-token"]
    assert a.ask("GET", f"{V2}/tokens/{system}").code == 401


def test_life_of_tenants_users_and_roles(sim: SimCloud) -> None:
    a = sim.admin
    tenant = a.post(f"{V2}/tenants", {"tenant": {"name": "t", "description": None, "enabled": True}}, 200)["tenant"]
    assert tenant == {"id": tenant["id"], "name": "t", "description": None, "enabled": True}
    user = a.post(
        f"{V2}/users",
        {"user": {"name": "u", "password": "pw", "email": "u@x", "tenantId": tenant["id"], "enabled": True}},
        200,
    )["user"]
    assert user == {"id": user["id"], "name": "u", "email": "u@x", "enabled": True, "tenantId": tenant["id"]}
    assert a.get(f"{V2}/users?name=u")["user"]["id"] == user["id"]
    assert [u["name"] for u in a.get(f"{V2}/tenants/{tenant['id']}/users")["users"]] == ["u"]
    assert {r["name"] for r in a.get(f"{V2}/tenants/{tenant['id']}/users/{user['id']}/roles")["roles"]} >= {"member"}
    u = log_in(sim, "u", "pw", tenantName="t").json()["access"]
    role = a.post(f"{V2}/OS-KSADM/roles", {"role": {"name": "cook"}}, 200)["role"]
    assert role == {"id": role["id"], "name": "cook"}
    path = f"{V2}/tenants/{tenant['id']}/users/{user['id']}/roles/OS-KSADM/{role['id']}"
    assert a.put(path, code=200)["role"]["name"] == "cook"
    refs = a.get(f"{V2}/users/{user['id']}/roleRefs")["roles"]
    assert role["id"] in {r["roleId"] for r in refs}
    a.delete(path, 204)
    a.delete(path, 404)
    a.put(f"{V2}/users/{user['id']}/OS-KSADM/password", {"user": {"id": user["id"], "password": "new"}}, 200)
    assert Tenant(sim.http, u["token"]["id"]).ask("GET", "/compute/v2.1/servers").code == 401, "an older token"
    mine = log_in(sim, "u", "new", tenantName="t").json()["access"]["token"]["id"]
    own = Tenant(sim.http, mine)
    got = own.patch(f"{V2}/OS-KSCRUD/users/{user['id']}", {"user": {"original_password": "new", "password": "newer"}})
    Tenant(sim.http, got["access"]["token"]["id"]).get("/compute/v2.1/servers", 200)
    assert own.ask("GET", "/compute/v2.1/servers").code == 401
    a.put(f"{V2}/users/{user['id']}/OS-KSADM/enabled", {"user": {"id": user["id"], "enabled": False}}, 200)
    assert log_in(sim, "u", "newer").status_code == 401
    assert (
        a.post(f"{V2}/tenants/{tenant['id']}", {"tenant": {"id": tenant["id"], "name": "t2"}})["tenant"]["name"] == "t2"
    )
    assert a.ask("PUT", f"{V2}/tenants/{tenant['id']}", {"tenant": {"id": "other"}}).code == 400
    a.delete(f"{V2}/users/{user['id']}", 204)
    a.delete(f"{V2}/tenants/{tenant['id']}", 204)
    a.delete(f"{V2}/OS-KSADM/roles/{role['id']}", 204)


def test_services_and_endpoints(sim: SimCloud) -> None:
    a = sim.admin
    before = len(a.get(f"{V2}/endpoints")["endpoints"])
    made = a.post(
        f"{V2}/OS-KSADM/services", {"OS-KSADM:service": {"name": "volume", "type": "volume", "description": "d"}}, 200
    )
    service = made["OS-KSADM:service"]
    body = {
        "region": "Else",
        "service_id": service["id"],
        "publicurl": "http://h:8776/v1/$(tenant_id)s",
        "adminurl": None,
    }
    one = a.post(f"{V2}/endpoints", {"endpoint": body | {"internalurl": "http://i:8776/v1/%(tenant_id)s"}}, 200)[
        "endpoint"
    ]
    assert (one["publicurl"], one["adminurl"]) == (body["publicurl"], None)
    listed = {e["id"]: e for e in a.get(f"{V2}/endpoints")["endpoints"]}
    assert listed[one["id"]]["internalurl"] == "http://i:8776/v1/%(tenant_id)s" and len(listed) == before + 1
    v3 = [e for e in a.get("/identity/v3/endpoints")["endpoints"] if e["service_id"] == service["id"]]
    assert {e["interface"] for e in v3} == {"public", "internal"}
    access = log_in(sim, "admin", "admin", tenantName="admin").json()["access"]
    volume = next(s for s in access["serviceCatalog"] if s["type"] == "volume")["endpoints"][0]
    assert volume["publicURL"] == f"http://h:8776/v1/{sim.admin.project}" == volume["adminURL"]
    a.delete(f"{V2}/endpoints/{one['id']}", 204)
    assert not [e for e in a.get("/identity/v3/endpoints")["endpoints"] if e["service_id"] == service["id"]]
    own = next(e for e in listed.values() if "/identity" in e["publicurl"])
    assert a.ask("DELETE", f"{V2}/endpoints/{own['id']}").code == 409
    a.delete(f"{V2}/OS-KSADM/services/{service['id']}", 204)


def test_tokens_are_looked_at_and_ended(sim: SimCloud) -> None:
    t = sim.tenant("fay")
    assert sim.admin.get(f"{V2}/tokens/{t.token}")["access"]["user"]["name"] == "fay"
    assert sim.admin.ask("HEAD", f"{V2}/tokens/{t.token}").code == 200
    assert sim.admin.ask("GET", f"{V2}/tokens/{t.token}?belongsTo=other").code == 401
    assert sim.admin.get(f"{V2}/tokens/{t.token}/endpoints")["endpoints"]
    sim.admin.delete(f"{V2}/tokens/{t.token}", 204)
    sim.admin.get(f"{V2}/tokens/{t.token}", 404)
    assert t.ask("GET", "/compute/v2.1/servers").code == 401


def test_documents(sim: SimCloud) -> None:
    got = sim.http.get("/identity/")
    assert got.status_code == 300
    assert [v["id"] for v in got.json()["versions"]["values"]] == ["v3.14", "v2.0"]
    assert sim.http.get(V2 + "/").json()["version"]["links"][0]["href"] == "http://127.0.0.1:8700/identity/v2.0/"
    assert {e["alias"] for e in sim.http.get(V2 + "/extensions").json()["extensions"]["values"]} == {
        "OS-KSADM",
        "OS-KSCRUD",
        "OS-EC2",
    }
    assert sim.http.get(V2 + "/extensions/OS-EC2").json()["extension"]["alias"] == "OS-EC2"
    assert sim.http.get(V2 + "/extensions/OS-NO").status_code == 404


def test_the_switch() -> None:
    cloud = make(**{"identity.v2": False})
    sim = SimCloud(cloud)
    assert log_in(sim, "admin", "admin").status_code == 404
    assert [v["id"] for v in sim.http.get("/identity/").json()["versions"]["values"]] == ["v3.14"]
    cloud.db.close()


def test_the_admin_token_is_off_and_belongs_to_identity_alone() -> None:
    cloud = make()
    sim = SimCloud(cloud)
    for token in ("", "AdminToken", "None"):
        assert sim.http.get(f"{V2}/users", headers={"X-Auth-Token": token}).status_code == 401
    cloud.db.close()
    cloud = make(**{"identity.admin_token": "AdminToken"})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        holder = Tenant(sim.http, "AdminToken")
        assert [u["name"] for u in holder.get(f"{V2}/users")["users"]] == ["admin"]
        assert holder.get("/identity/v3/users")["users"]
        for path in ("/compute/v2.1/servers", "/network/v2.0/networks", "/image/v2/images"):
            assert holder.ask("GET", path).code == 401, path
        for wrong in ("admintoken", "AdminTokenn", "\u00e9"):
            sent = {"X-Auth-Token": wrong.encode()}
            assert sim.http.get(f"{V2}/users", headers=sent).status_code == 401
        for path in (
            "/identity/v3/auth/projects",
            "/identity/v3/auth/catalog",
            "/identity/v3/auth/domains",
            "/identity/v3/auth/system",
        ):
            assert holder.ask("GET", path).code < 500, path
        assert (
            holder.ask("PATCH", f"{V2}/OS-KSCRUD/users/x", {"user": {"original_password": "a", "password": "b"}}).code
            == 403
        )
    finally:
        cloud.stop()


# -- the guide -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clients() -> Path:
    """The folder with 2013's and 2015's clients."""
    made = subprocess.run([ROOT / "scripts/legacy-clients"], capture_output=True, text=True, check=False, timeout=500)
    if made.returncode == 3:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())


class Shell:
    """`keystone` of one year against a cloud."""

    def __init__(self, program: Path, **env: str) -> None:
        self.program, self.env = program, {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"} | env

    def __call__(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [self.program, *words], env=self.env, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr


def table(text: str) -> dict[str, str]:
    """Property → value of a printed table."""
    return {
        m[1].strip(): m[2].strip()
        for m in re.finditer(r"^\|([^|]*)\|([^|]*)\|$", text, re.M)
        if m[1].strip() != "Property"
    }


@pytest.fixture(params=["havana", "mid"])
def guide(request: pytest.FixtureRequest, clients: Path, tmp_path: Path) -> Iterator[tuple[Shell, str, Any]]:
    """A cloud before its first user, with the guide's token, and the client of one year that knows it."""
    cloud = make(
        state=tmp_path / "cloud",
        **{"identity.admin_token": "AdminToken", "identity.bootstrap": False, "server.listen": "127.0.0.1:0"},
    )
    cloud.start()
    try:
        with served(cloud) as url:
            program = clients / request.param / "bin/keystone"
            yield Shell(program, SERVICE_TOKEN="AdminToken", SERVICE_ENDPOINT=f"{url}/identity/v2.0"), url, cloud
    finally:
        cloud.stop()


def test_the_guides_own_commands(guide: tuple[Shell, str, Any]) -> None:
    """Chapter Keystone of the guide, word for word, but for the ids that it copies by hand."""
    keystone, url, _ = guide
    hexadecimal = re.compile(r"[0-9a-f]{32}")
    made: dict[str, dict[str, str]] = {}
    for tenant, user, role in (("admin", "admin", "admin"), ("test", "tester", "Member")):
        t = made["tenant " + tenant] = table(keystone("tenant-create", f"--name={tenant}"))
        assert set(t) == {"description", "enabled", "id", "name"} and hexadecimal.fullmatch(t["id"])
        assert (t["description"], t["enabled"], t["name"]) == ("", "True", tenant)
        u = made["user " + user] = table(
            keystone("user-create", f"--name={user}", "--pass=cl0udAdmin", "--email=cloud@admin.com")
        )
        assert set(u) == {"email", "enabled", "id", "name", "tenantId"} and hexadecimal.fullmatch(u["id"])
        assert (u["email"], u["enabled"], u["name"], u["tenantId"]) == ("cloud@admin.com", "True", user, "")
        r = table(keystone("role-create", f"--name={role}"))
        assert set(r) == {"id", "name"} and r["name"] == role
        assert keystone("user-role-add", "--user-id", u["id"], "--role-id", r["id"], "--tenant-id", t["id"]) == ""
    listed = keystone("user-list")
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in listed.splitlines() if line.startswith("|")]
    assert rows == [
        ["id", "name", "enabled", "email"],
        [made["user admin"]["id"], "admin", "True", "cloud@admin.com"],
        [made["user tester"]["id"], "tester", "True", "cloud@admin.com"],
    ]
    assert listed.splitlines()[0] == "+" + "+".join("-" * n for n in (34, 8, 9, 17)) + "+", "the guide's own frame"
    # what the accounts are for
    env = {
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "cl0udAdmin",
        "OS_TENANT_NAME": "admin",
        "OS_AUTH_URL": f"{url}/identity/v2.0",
    }
    admin = Shell(keystone.program, **env)
    assert table(admin("token-get"))["tenant_id"] == made["tenant admin"]["id"]
    assert "tester" in admin("user-list") and "test" in admin("tenant-list")
    assert "http://" in admin("catalog", "--service", "compute")
    tester = Shell(keystone.program, **(env | {"OS_USERNAME": "tester", "OS_TENANT_NAME": "test"}))
    assert table(tester("token-get"))["user_id"] == made["user tester"]["id"]
    assert "403" in tester("user-list", code=1)


def test_every_other_command_of_the_time(guide: tuple[Shell, str, Any]) -> None:
    keystone = guide[0]
    tenant = table(keystone("tenant-create", "--name", "t", "--description", "words"))["id"]
    user = table(keystone("user-create", "--name", "u", "--pass", "pw", "--tenant", "t"))["id"]
    keystone("role-create", "--name", "cook")
    keystone("tenant-update", "t", "--name", "t2", "--enabled", "false")
    assert table(keystone("tenant-get", "t2"))["enabled"] == "False"
    keystone("tenant-update", "t2", "--enabled", "true")
    keystone("user-update", "u", "--email", "u@x")
    assert table(keystone("user-get", "u"))["email"] == "u@x"
    keystone("user-password-update", "u", "--pass", "new")
    keystone("user-role-add", "--user", "u", "--role", "cook", "--tenant", "t2")
    assert "cook" in keystone("user-role-list", "--user", "u", "--tenant", "t2")
    keystone("user-role-remove", "--user", "u", "--role", "cook", "--tenant", "t2")
    assert "cook" not in keystone("user-role-list", "--user", "u", "--tenant", "t2")
    assert user in keystone("user-list", "--tenant", "t2")
    made = table(keystone("ec2-credentials-create", "--user-id", user, "--tenant-id", tenant))
    assert made["tenant_id"] == tenant and re.fullmatch("[0-9a-f]{32}", made["secret"])
    assert (
        table(keystone("ec2-credentials-get", "--user-id", user, "--access", made["access"]))["secret"]
        == made["secret"]
    )
    assert made["access"] in keystone("ec2-credentials-list", "--user-id", user)
    assert "deleted" in keystone("ec2-credentials-delete", "--user-id", user, "--access", made["access"])
    assert made["access"] not in keystone("ec2-credentials-list", "--user-id", user)
    keystone("service-create", "--name", "vol", "--type", "volume", "--description", "d")
    assert table(keystone("service-get", "vol"))["type"] == "volume"
    made = keystone(
        "endpoint-create",
        "--region",
        "R",
        "--service",
        "vol",
        "--publicurl",
        "http://h:1/$(tenant_id)s",
        "--adminurl",
        "http://h:2",
    )
    endpoint = table(made)["id"]
    assert endpoint in keystone("endpoint-list")
    assert "deleted" in keystone("endpoint-delete", endpoint)
    keystone("service-delete", "vol")
    keystone("role-get", "cook")
    keystone("role-delete", "cook")
    keystone("user-delete", "u")
    keystone("tenant-delete", "t2")
    assert tenant not in keystone("tenant-list")
    assert "No tenant" in keystone("tenant-get", "t2", code=1)


def virga(state: Path, *words: str, code: int = 0, **env: str) -> str:
    """`virga` on a folder of its own."""
    words = (sys.executable, "-m", "virga", "--state", str(state), *words)
    done = subprocess.run(
        words, env=os.environ | {"VIRGA_SERVER_LOG_LEVEL": "error"} | env, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_guides_catalogue_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ROOT / "tests/services/files/default_catalog.templates"
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    virga(tmp_path, "identity", "bootstrap")
    assert "would be made" in virga(tmp_path, "identity", "catalog", "--dry-run", str(file))
    answer = virga(tmp_path, "identity", "catalog", str(file))
    assert "service volume: made" in answer
    assert "identity public in RegionOne: http://195.208.117.140:5000/v2.0, was /identity" in answer
    assert virga(tmp_path, "identity", "catalog", str(file)) == "Nothing to do.\n"
    bad = tmp_path / "bad"
    for line, why in (
        ("catalog.R.compute = x", "line 2"),
        ("catalog.R.compute.publicURL = ftp://x", "line 2"),
        ("catalog.R.c.color = x", "color"),
        ("catalog.R.c.publicURL = http://h:$(osapi_port)s/", "osapi_port"),
    ):
        bad.write_text(f"# a comment\n{line}\n")
        assert why in virga(tmp_path, "identity", "catalog", str(bad), code=1)
    cloud = make(state=tmp_path)
    sim = SimCloud(cloud)
    access = log_in(sim, "admin", "admin", tenantName="admin").json()["access"]
    by_type = {s["type"]: s for s in access["serviceCatalog"]}
    assert set(by_type) == {
        "identity",
        "compute",
        "volume",
        "ec2",
        "image",
        "network",
        "object-store",
        "placement",
        "s3",
    }
    assert by_type["identity"]["name"] == "Identity Service"
    p, e = sim.admin.project, {k: s["endpoints"][0] for k, s in by_type.items()}
    assert e["compute"]["publicURL"] == f"http://195.208.117.140:8774/v1.1/{p}"
    assert e["object-store"]["publicURL"] == f"http://195.208.117.140:8080/v1/AUTH_{p}"
    assert e["object-store"]["adminURL"] == "http://195.208.117.140:8080/"
    assert e["ec2"]["adminURL"] == "http://195.208.117.140:8773/services/Admin"
    cloud.db.close()


def test_bootstrap_may_be_repeated(tmp_path: Path) -> None:
    env = {"VIRGA_ADMIN_PASSWORD": "first"}
    answer = virga(tmp_path, "identity", "bootstrap", **env)
    assert "1 users" in answer and "5 roles" in answer
    assert virga(tmp_path, "identity", "bootstrap", **env) == "Nothing to do.\n"
    assert "the password of admin" in virga(tmp_path, "identity", "bootstrap", VIRGA_ADMIN_PASSWORD="second")
    answer = virga(tmp_path, "identity", "bootstrap", "--username", "root", "--project", "ops", **env)
    assert "1 users" in answer and "1 projects" in answer
    db = Database(f"sqlite:///{tmp_path / 'virga.db'}")
    with db.read() as tx:
        assert {u.name for u in store.USERS.find(tx)} == {"admin", "root"}
        assert len(store.GRANTS.find(tx)) == 4
    db.close()
