# SPDX-License-Identifier: Apache-2.0
"""A domain's own configuration by the API, against a real slapd over TLS; and who is disabled in a directory loses the tokens at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from directories import ADMIN, SECRET, SUFFIX, Slapd, free_port
from sim_cloud import SimCloud, Tenant, make
from virga.client import wait
from virga.services.identity.directories.model import public_id

I = "/identity/v3"  # noqa: E741


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    server = Slapd(tmp_path_factory.mktemp("slapd"))
    yield server
    server.stop()


@pytest.fixture
def living(database: str | None) -> Iterator[SimCloud]:
    cloud = make(database)
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


def config(slapd: Slapd, **over: Any) -> dict[str, Any]:
    ldap = {
        "url": slapd.secure,
        "tls_cacertfile": str(slapd.ca),
        "user": ADMIN,
        "password": SECRET,
        "suffix": SUFFIX,
        "user_name_attribute": "cn",
        "group_name_attribute": "cn",
        "user_enabled_attribute": "employeeType",
        "use_pool": True,
        "pool_size": 3,
        "query_scope": "sub",
    } | over
    return {"config": {"identity": {"driver": "ldap"}, "ldap": ldap}}


def log_in(sim: SimCloud, name: str, domain: str, password: str, project: str | None = None) -> Any:
    user = {"name": name, "domain": {"id": domain}, "password": password}
    body: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if project:
        body["scope"] = {"project": {"id": project}}
    return sim.http.post(f"{I}/auth/tokens", json={"auth": body})


def test_a_domain_gets_its_directory_by_the_api(living: SimCloud, slapd: Slapd, tmp_path: Path) -> None:
    """PUT, PATCH and DELETE /v3/domains/{id}/config: ldaps with the right certificate, StartTLS, and back again, without a restart."""
    a, n = living.admin, time.monotonic_ns()
    slapd.user(f"own{n}", "pw")
    domain = a.post(f"{I}/domains", {"domain": {"name": f"d{n}"}}, 201)["domain"]["id"]
    assert log_in(living, f"own{n}", domain, "pw").status_code == 401
    shown = a.put(f"{I}/domains/{domain}/config", config(slapd), 201)["config"]
    assert shown["ldap"]["url"] == slapd.secure and "password" not in shown["ldap"]
    assert wait(lambda: log_in(living, f"own{n}", domain, "pw").status_code == 201, 8, every=0.1), (
        "within the loop's two seconds"
    )
    assert log_in(living, f"own{n}", domain, "wrong").status_code == 401
    assert wait(lambda: bool(a.get(f"{I}/users?domain_id={domain}&name=own{n}")["users"]), 8, every=0.1)
    a.patch(f"{I}/domains/{domain}/config", {"config": {"ldap": {"url": slapd.url, "use_tls": True}}})
    assert wait(lambda: log_in(living, f"own{n}", domain, "pw").status_code == 201, 8, every=0.1), "StartTLS"
    # a certificate that another signed: nobody comes in, and the answer says why
    other = tmp_path / "other.pem"
    from saml_idp import key_and_certificate

    other.write_bytes(key_and_certificate(tmp_path, "other")[1])
    a.patch(f"{I}/domains/{domain}/config/ldap/tls_cacertfile", {"config": {"tls_cacertfile": str(other)}})
    assert wait(lambda: log_in(living, f"own{n}", domain, "pw").status_code == 503, 8, every=0.1)
    assert living.auth("admin", "admin", "admin").status_code == 201
    a.delete(f"{I}/domains/{domain}/config", 204)
    assert wait(lambda: log_in(living, f"own{n}", domain, "pw").status_code == 401, 8, every=0.1)


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"query_scope": "deep"}, "query_scope"),
        ({"page_size": "many"}, "page_size"),
        ({"tls_req_cert": "maybe"}, "tls_req_cert"),
        ({"tls_cacertfile": "/nonexistent/ca.pem"}, "tls_cacertfile"),
        ({"user_id_attribute": "cn)(uid=*"}, "user_id_attribute"),
        ({"use_tls": "perhaps"}, "use_tls"),
    ],
)
def test_what_is_no_configuration_is_said_at_once(
    shared: SimCloud, slapd: Slapd, over: dict[str, Any], field: str
) -> None:
    a = shared.admin
    domain = a.post(f"{I}/domains", {"domain": {"name": f"bad{time.monotonic_ns()}"}}, 201)["domain"]["id"]
    for method, path, body in (
        ("PUT", f"{I}/domains/{domain}/config", config(slapd, **over)),
        ("PATCH", f"{I}/domains/{domain}/config", {"config": {"ldap": over, "identity": {"driver": "ldap"}}}),
    ):
        got = a.ask(method, path, body)
        assert got.code == 400 and f"config.ldap.{field}" in got.json["error"]["message"], got.text
        assert a.ask("GET", f"{I}/domains/{domain}/config").code == 404, "nothing was kept"


def test_an_address_that_is_none_is_said_at_the_login(living: SimCloud, slapd: Slapd) -> None:
    a = living.admin
    domain = a.post(f"{I}/domains", {"domain": {"name": "odd"}}, 201)["domain"]["id"]
    a.put(f"{I}/domains/{domain}/config", config(slapd, url="somewhere"), 201)
    assert wait(lambda: log_in(living, "x", domain, "x").status_code == 503, 10, every=0.1)
    assert "configuration is wrong" in log_in(living, "x", domain, "x").text
    assert (
        a.get(f"{I}/users?domain_id={domain}")["users"] == []
        and living.auth("admin", "admin", "admin").status_code == 201
    )
    made = a.ask("POST", f"{I}/users", {"user": {"name": "x", "domain_id": domain}})
    assert made.code == 503 and "url" in made.text
    a.patch(f"{I}/domains/{domain}/config/ldap/url", {"config": {"url": slapd.secure}})
    assert wait(lambda: log_in(living, "x", domain, "x").status_code == 401, 10, every=0.1)


def test_a_wrong_directory_locks_no_administrator_out(living: SimCloud, slapd: Slapd) -> None:
    """The administrator's own domain gets a directory that is not there: ours go on, and can take it back."""
    a = living.admin
    a.put(f"{I}/domains/default/config", config(slapd, url=f"ldap://127.0.0.1:{free_port()}", tls_cacertfile=None), 201)
    assert wait(lambda: log_in(living, "nobody", "default", "x").status_code == 503, 10, every=0.1), (
        "strangers hear that it is away"
    )
    began = time.monotonic()
    assert living.auth("admin", "admin", "admin").status_code == 201 and time.monotonic() - began < 2
    assert a.get(f"{I}/users?name=admin")["users"][0]["enabled"] is True
    a.delete(f"{I}/domains/default/config", 204)
    assert wait(lambda: log_in(living, "nobody", "default", "x").status_code == 401, 10, every=0.1)


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_who_is_disabled_there_is_out_here_at_once(database: str | None, slapd: Slapd, how: str) -> None:
    """A token in use ends within about a second of the directory's change, long before the shadows are renewed."""
    n = time.monotonic_ns()
    dns = [slapd.user(f"{who}{n}", "pw") for who in ("quick", "other")]
    own = {
        "url": slapd.url,
        "user": ADMIN,
        "password": SECRET,
        "suffix": SUFFIX,
        "user_name_attribute": "cn",
        "group_name_attribute": "cn",
        "user_enabled_attribute": "employeeType",
        "sync_seconds": 3600,
    }
    cloud = make(database, **{"identity.ldap": {"corp": own}})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        a = sim.admin
        domain = a.get(f"{I}/domains?name=corp")["domains"][0]["id"]
        project = a.post(f"{I}/projects", {"project": {"name": "p", "domain_id": domain}})["project"]["id"]
        member = a.get(f"{I}/roles?name=member")["roles"][0]["id"]
        tokens = []
        for who in ("quick", "other"):
            assert wait(lambda who=who: log_in(sim, f"{who}{n}", domain, "pw").status_code == 201, 10, every=0.1)
            a.put(f"{I}/projects/{project}/users/{public_id(domain, 'user', f'{who}{n}')}/roles/{member}", code=204)
            tokens.append(Tenant(sim.http, log_in(sim, f"{who}{n}", domain, "pw", project).headers["x-subject-token"]))
        assert [t.ask("GET", "/compute/v2.1/servers").code for t in tokens] == [200, 200]
        time_of_change = time.monotonic()
        if how == "disabled":
            slapd.change(f"dn: {dns[0]}\nchangetype: modify\nadd: employeeType\nemployeeType: FALSE\n")
        else:
            slapd.change(f"dn: {dns[0]}\nchangetype: delete\n")
        assert wait(lambda: tokens[0].ask("GET", "/compute/v2.1/servers").code == 401, 10, every=0.02)
        assert time.monotonic() - time_of_change < 3.0, "about a second, on a busy machine"
        assert tokens[1].ask("GET", "/compute/v2.1/servers").code == 200
        assert a.get(f"{I}/users/{public_id(domain, 'user', f'quick{n}')}")["user"]["enabled"] is False
    finally:
        cloud.stop()
