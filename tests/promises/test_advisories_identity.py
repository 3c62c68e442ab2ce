# SPDX-License-Identifier: Apache-2.0
"""Advisories of Keystone that no other test holds, each as an attack on us. docs/security/advisories.md is the whole list."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

from services.test_identity_delegation import by_trust, tenant_of, trust
from services.test_identity_groups import access_key, signed_v4
from sim_cloud import SimCloud, Tenant
from virga.services.identity import api

I = "/identity/v3"  # noqa: E741 - identity
V2 = "/identity/v2.0"


def role(sim: SimCloud, name: str) -> str:
    return str(sim.admin.get(f"{I}/roles?name={name}")["roles"][0]["id"])


def test_2012_013_a_default_project_gives_no_role(shared: SimCloud) -> None:
    """Refused or not, naming a project as the user's default never lets the user in there."""
    t, a = shared.tenant("i12013"), shared.admin
    assert t.ask("PATCH", f"{I}/users/{t.user}", {"user": {"default_project_id": a.project}}).code == 403
    body = {"user": {"id": t.user, "tenantId": a.project}}
    for token in (t.token, "", None):
        headers = {} if token is None else {"X-Auth-Token": token}
        got = shared.http.put(f"{V2}/users/{t.user}/OS-KSADM/tenant", json=body, headers=headers)
        assert got.status_code in {401, 403}
    assert shared.auth("i12013", "pw", "admin").status_code == 401
    a.patch(f"{I}/users/{t.user}", {"user": {"default_project_id": a.project}})
    assert shared.auth("i12013", "pw", "admin").status_code == 401, "not by an administrator's word either"
    assert a.get(f"{I}/role_assignments?user.id={t.user}&scope.project.id={a.project}")["role_assignments"] == []


def test_2012_015_2013s_api_asks_who_it_is(shared: SimCloud) -> None:
    """Every administrators' verb of v2.0 without a token, with an empty one and with a made-up one."""
    service = next(s for s in shared.cloud.services if s.name == "identity")
    tried = 0
    for route in service.routes:
        if not route.path.startswith("/v2.0/") or route.public:
            continue
        path = "/identity" + "/".join("x" if p.startswith("{") else p for p in route.path.split("/"))
        for headers in ({}, {"X-Auth-Token": ""}, {"X-Auth-Token": "made-up"}):
            got = shared.http.request(route.method, path, json={}, headers=headers)
            assert got.status_code == 401, f"{route.method} {path}: {got.status_code}"
            tried += 1
    assert tried > 90


def test_2013_028_taking_a_role_that_is_not_held_gives_none(shared: SimCloud) -> None:
    t, a = shared.tenant("i13028"), shared.admin
    for base, kind in ((I, f"projects/{t.project}"), (I, "domains/default"), (f"{I}/OS-INHERIT", "domains/default")):
        tail = "/inherited_to_projects" if "INHERIT" in base else ""
        path = f"{base}/{kind}/users/{t.user}/roles/{role(shared, 'manager')}{tail}"
        assert a.ask("DELETE", path).code == 404
        assert a.ask("HEAD", path).code == 404
    roles = shared.auth("i13028", "pw", "i13028-project").json()["token"]["roles"]
    assert {r["name"] for r in roles} == {"member", "reader"}


def test_2014_006_what_ends_the_trustee_ends_its_tokens_of_trusts(shared: SimCloud) -> None:
    """A token that acts as the trustor dies with its trustee's password, and while the trustee is disabled."""
    t, helper, a = shared.tenant("i14006"), shared.tenant("i14006b"), shared.admin
    made = trust(shared, t, helper.user, project_id=t.project, impersonation=True, roles=[{"name": "member"}])
    assert made.code == 201, made.text
    id = made.json["trust"]["id"]
    for change, back in (({"password": "changed"}, {"password": "pw"}), ({"enabled": False}, {"enabled": True})):
        acting = tenant_of(shared, by_trust(shared, "i14006b", id))
        assert acting.ask("GET", "/compute/v2.1/servers").code == 200
        a.patch(f"{I}/users/{helper.user}", {"user": change})
        assert acting.ask("GET", "/compute/v2.1/servers").code == 401, change
        got = a.ask("GET", f"{I}/auth/tokens", headers={"X-Subject-Token": acting.token})
        assert got.code == 404
        a.patch(f"{I}/users/{helper.user}", {"user": back})
    assert t.ask("GET", "/compute/v2.1/servers").code == 200, "the trustor's own goes on"


def test_2014_007_nobody_is_taken_for_another_under_load(shared: SimCloud) -> None:
    """Twelve people ask at once, again and again: everybody is told about himself."""
    people = [shared.tenant(f"i14007-{n}") for n in range(12)]
    wrong: list[str] = []

    def ask(t: Tenant) -> None:
        for _ in range(25):
            answer = t.ask("GET", f"{I}/auth/tokens", headers={"X-Subject-Token": t.token})
            if answer.code != 200 or answer.json["token"]["user"]["id"] != t.user:
                wrong.append(answer.text)
            nets = t.ask("GET", "/network/v2.0/security-groups")
            if nets.code != 200 or {g["project_id"] for g in nets.json["security_groups"]} != {t.project}:
                wrong.append(nets.text)

    threads = [threading.Thread(target=ask, args=(t,)) for t in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_2014_022_trusts_are_not_for_2013s_api(shared: SimCloud) -> None:
    """v2.0 takes no trust at all, so none outside of its project: refused, or the trustee's own token and no more."""
    t, helper, a = shared.tenant("i14022"), shared.tenant("i14022b"), shared.admin
    other = a.post(f"{I}/projects", {"project": {"name": "i14022-other"}})["project"]["id"]
    a.put(f"{I}/projects/{other}/users/{t.user}/roles/{role(shared, 'member')}")
    made = trust(shared, t, helper.user, project_id=t.project, impersonation=True, roles=[{"name": "member"}])
    id = made.json["trust"]["id"]
    secret = {"username": "i14022b", "password": "pw"}
    for who in ({"passwordCredentials": secret}, {"token": {"id": helper.token}}):
        for where in (other, t.project):
            got = shared.http.post(f"{V2}/tokens", json={"auth": who | {"trust_id": id, "tenantId": where}})
            assert got.status_code in {400, 401, 403}, got.text
    acting = tenant_of(shared, by_trust(shared, "i14022b", id))
    got = shared.http.post(f"{V2}/tokens", json={"auth": {"token": {"id": acting.token}, "tenantId": other}})
    assert got.status_code in {400, 401, 403}, got.text


def test_2014_029_addresses_in_the_catalogue_give_nothing_away(shared: SimCloud) -> None:
    """Of what an endpoint's address may name, only the caller's own project is filled in."""
    a, t = shared.admin, shared.tenant("i14029")
    service = a.post(f"{I}/services", {"service": {"name": "leak", "type": "leak"}})["service"]["id"]
    words = ("admin_token", "password", "database", "state", "secret", "__class__", "settings", "user_id.__init__")
    forms = ("$({})s", "%({})s", "{{{}}}", "$({})r")
    urls = [f"http://x/{form.format(word)}" for word in words for form in forms]
    for url in [*urls, "http://x/%s/%d/%", "http://x/$(project_id)s"]:
        got = a.ask("POST", f"{I}/endpoints", {"endpoint": {"service_id": service, "interface": "public", "url": url}})
        assert got.code in {201, 400}, got.text
    for catalogue in (t.get(f"{I}/auth/catalog")["catalog"], _v2(shared)):
        answer = [e for c in catalogue if c["type"] == "leak" for e in c["endpoints"]]
        seen = {e.get("url", e.get("publicURL")) for e in answer}
        assert seen, "it is there"
        assert seen <= {*urls, "http://x/%s/%d/%", f"http://x/{t.project}"}, "nothing else was filled in"


def _v2(sim: SimCloud) -> Any:
    auth = {"passwordCredentials": {"username": "i14029", "password": "pw"}, "tenantName": "i14029-project"}
    return sim.http.post(f"{V2}/tokens", json={"auth": auth}).json()["access"]["serviceCatalog"]


def test_2018_002_only_ones_own_projects_are_listed(shared: SimCloud) -> None:
    t = shared.tenant("i18002", "reader")
    for path in ("OS-FEDERATION/projects", "auth/projects"):
        for query in ("", "?name=admin", f"?id={shared.admin.project}", "?enabled=true"):
            names = [p["name"] for p in t.get(f"{I}/{path}{query}")["projects"]]
            assert set(names) <= {"i18002-project"}, (path, query)
    for path in ("OS-FEDERATION/domains", "auth/domains"):
        assert t.get(f"{I}/{path}")["domains"] == []


def test_2012_018_keys_end_with_the_membership(shared: SimCloud) -> None:
    """Who leaves a project signs for it no more: neither at identity's API nor at the object store's."""
    t, a = shared.tenant("i12018"), shared.admin
    key = access_key(shared, t)
    now = dt.datetime.fromtimestamp(shared.cloud.world.now(), dt.UTC)

    def signs() -> int:
        body = {"credentials": signed_v4(key["secret"], key["access"], now)}
        return int(a.ask("POST", f"{I}/ec2tokens", body).code)

    assert signs() == 200 and api.access_key(shared.cloud.registry, key["access"]) is not None
    a.delete(f"{I}/projects/{t.project}/users/{t.user}/roles/{role(shared, 'member')}", 204)
    assert signs() == 401 and api.access_key(shared.cloud.registry, key["access"]) is None
