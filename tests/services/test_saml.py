# SPDX-License-Identifier: Apache-2.0
"""SAML 2 with a real identity provider (SimpleSAMLphp): browsers, enhanced clients; and from one of our clouds to another."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from directories import free_port
from saml_idp import Browser, SimpleSaml, form
from sim_cloud import SimCloud, Tenant, make, served

FED = "/identity/v3/OS-FEDERATION"
AT = f"{FED}/identity_providers/corp/protocols/saml2"
HOST = "http://dashboard.test/auth/websso/"
RULES = [
    {
        "local": [{"user": {"name": "{0}", "email": "{1}"}}, {"groups": "{2}", "domain": {"name": "Default"}}],
        "remote": [{"type": "uid"}, {"type": "MELLON_mail"}, {"type": "groups", "whitelist": ["engineers", "cooks"]}],
    },
    {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "uid"}, {"type": "uid", "any_one_of": ["bob"]}]},
]
OPENSTACK = Path(__file__).parents[2] / ".venv-clients/bin"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleSaml]:
    idp = SimpleSaml(tmp_path_factory.mktemp("saml"))
    yield idp
    idp.end()


@pytest.fixture(scope="module")
def federated(provider: SimpleSaml) -> Iterator[tuple[SimCloud, SimpleSaml, str]]:
    """A cloud on a socket that trusts the provider."""
    listen = f"127.0.0.1:{free_port()}"
    cloud = make(
        **{
            "server.listen": listen,
            "identity.saml": {"corp": {"metadata": provider.metadata}},
            "identity.trusted_dashboards": [HOST],
        }
    )
    cloud.start()
    sim = SimCloud(cloud)
    a = sim.admin
    for name in ("engineers", "cooks", "guests"):
        a.post("/identity/v3/groups", {"group": {"name": name, "domain_id": "default"}})
    project = a.post("/identity/v3/projects", {"project": {"name": "works"}})["project"]["id"]
    group = a.get("/identity/v3/groups?name=engineers")["groups"][0]["id"]
    member = a.get("/identity/v3/roles?name=member")["roles"][0]["id"]
    a.put(f"/identity/v3/projects/{project}/groups/{group}/roles/{member}", code=204)
    a.put(f"{FED}/mappings/m", {"mapping": {"rules": RULES}}, 201)
    a.put(
        f"{FED}/identity_providers/corp", {"identity_provider": {"enabled": True, "remote_ids": [provider.entity]}}, 201
    )
    a.put(f"{AT}", {"protocol": {"mapping_id": "m"}}, 201)
    with served(cloud) as url:
        provider.trust(f"{url}{AT}/saml2/metadata", f"{url}{AT}/saml2/acs")
        yield sim, provider, url
    cloud.stop()


def test_a_browser_comes_in(federated: tuple[SimCloud, SimpleSaml, str]) -> None:
    sim, _, url = federated
    browser = Browser()
    address, fields = browser.log_in(
        f"{url}/identity/v3/auth/OS-FEDERATION/websso/saml2?origin={quote(HOST)}", "anna", "anna-pw"
    )
    assert address == f"{url}{AT}/saml2/acs"
    page = browser.post(address, fields)
    assert page.status_code == 200 and page.headers["cache-control"] == "no-store", page.text
    target, given = form(page.text)
    assert target == HOST and "script-src 'nonce-" in page.headers["content-security-policy"]
    t = Tenant(sim.http, given["token"])
    token = sim.http.get(
        "/identity/v3/auth/tokens", headers={"X-Auth-Token": t.token, "X-Subject-Token": t.token}
    ).json()["token"]
    assert (token["user"]["name"], token["methods"]) == ("anna", ["saml2"])
    told = token["user"]["OS-FEDERATION"]
    assert told["identity_provider"] == {"id": "corp"} and len(told["groups"]) == 2
    assert [p["name"] for p in t.get("/identity/v3/auth/projects")["projects"]] == ["works"]
    assert sim.admin.get(f"/identity/v3/users/{token['user']['id']}")["user"]["email"] == "anna@corp.test"
    # once: the cookie is gone with it, and the assertion is spent
    assert browser.post(address, fields).status_code == 401
    # another's browser: a victim who is made to post somebody's assertion stays out
    address, fields = browser.log_in(
        f"{url}/identity/v3/auth/OS-FEDERATION/websso/saml2?origin={quote(HOST)}", "bob", "bob-pw"
    )
    assert httpx.post(address, data=fields).status_code == 401
    other = Browser()
    other.http.get(f"{url}/identity/v3/auth/OS-FEDERATION/websso/saml2?origin={quote(HOST)}")
    assert other.post(address, fields).status_code == 401
    assert browser.post(address, fields).status_code == 200
    assert httpx.get(f"{url}/identity/v3/auth/OS-FEDERATION/websso/saml2?origin=http://evil.test/").status_code == 401


def _client(words: list[str], **more: str) -> dict[str, Any]:
    """keystoneauth as people use it: the program `token.py` prints what it got."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")} | more
    done = subprocess.run(
        [str(OPENSTACK / "python"), "-W", "ignore", *words],
        capture_output=True,
        text=True,
        check=False,
        env=env,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


ENHANCED = """
import json, sys
from keystoneauth1 import session
from keystoneauth1.extras._saml2 import V3Saml2Password as Password
url, idp, user, password, project = sys.argv[1:]
auth = Password(auth_url=url, identity_provider="corp", protocol="saml2", identity_provider_url=idp, username=user, password=password,
                project_name=project, project_domain_id="default")
access = auth.get_access(session.Session())
print(json.dumps({"user": access.username, "project": access.project_name, "token": access.auth_token, "roles": access.role_names}))
"""


def test_keystoneauths_enhanced_client_comes_in(federated: tuple[SimCloud, SimpleSaml, str]) -> None:
    """`v3samlpassword`: SAML's ECP profile, from our request over the provider to a scoped token."""
    sim, provider, url = federated
    ecp = f"{provider.url}/saml2/idp/SSOService.php"
    got = _client(["-c", ENHANCED, f"{url}/identity/v3", ecp, "anna", "anna-pw", "works"])
    assert (got["user"], got["project"]) == ("anna", "works") and "member" in got["roles"]
    Tenant(sim.http, got["token"]).get("/compute/v2.1/servers", 200)
    with pytest.raises(AssertionError):
        _client(["-c", ENHANCED, f"{url}/identity/v3", ecp, "anna", "wrong", "works"])
    with pytest.raises(AssertionError):
        _client(["-c", ENHANCED, f"{url}/identity/v3", ecp, "bob", "bob-pw", "works"])


def test_metadata_of_ours(federated: tuple[SimCloud, SimpleSaml, str]) -> None:
    sim, _, url = federated
    own = httpx.get(f"{url}{AT}/saml2/metadata")
    assert own.headers["content-type"].startswith("application/samlmetadata+xml")
    assert f'entityID="{url}{AT}/saml2/metadata"' in own.text and f'Location="{url}{AT}/saml2/acs"' in own.text
    assert sim.http.get(f"{FED}/identity_providers/none/protocols/saml2/saml2/metadata").status_code == 404


# -- from cloud to cloud -------------------------------------------------------------------------------------------

ACROSS = """
import json, sys
from keystoneauth1 import session
from keystoneauth1.identity import v3
url, user, password, project, provider, there = sys.argv[1:]
here = v3.Password(auth_url=url, username=user, password=password, user_domain_id="default", project_name=project, project_domain_id="default")
auth = v3.Keystone2Keystone(here, provider, project_name=there, project_domain_id="default")
access = auth.get_access(session.Session())
print(json.dumps({"user": access.username, "project": access.project_name, "token": access.auth_token, "roles": access.role_names}))
"""
ACROSS_RULES = [
    {
        "local": [{"user": {"name": "{0} of {1}"}}, {"projects": [{"name": "lent", "roles": [{"name": "member"}]}]}],
        "remote": [
            {"type": "openstack_user"},
            {"type": "openstack_user_domain"},
            {"type": "openstack_project", "any_one_of": ["far-project"]},
        ],
    }
]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SimCloud, str, SimCloud, str]]:
    """A cloud with users, and a cloud that trusts it; each on a socket."""
    folder = tmp_path_factory.mktemp("across")
    home = make(**{"server.listen": f"127.0.0.1:{free_port()}"})
    home.start()
    with served(home) as near:
        (folder / "home.xml").write_bytes(httpx.get(f"{near}{FED}/saml2/metadata").content)
        saml = {"home": {"metadata": str(folder / "home.xml"), "unsolicited": True, "audience": False}}
        away = make(**{"server.listen": f"127.0.0.1:{free_port()}", "identity.saml": saml})
        away.start()
        with served(away) as far:
            a, b = SimCloud(home), SimCloud(away)
            a.tenant("far")
            at = f"{far}{FED}/identity_providers/home/protocols/saml2"
            provider = {"auth_url": f"{at}/auth", "sp_url": f"{at}/saml2/acs", "enabled": True}
            a.admin.put(f"{FED}/service_providers/away", {"service_provider": provider}, 201)
            b.admin.put(f"{FED}/mappings/k2k", {"mapping": {"rules": ACROSS_RULES}}, 201)
            issuer = f"{near}{FED}/saml2/metadata"
            b.admin.put(
                f"{FED}/identity_providers/home",
                {"identity_provider": {"enabled": True, "remote_ids": [issuer], "domain_id": "default"}},
                201,
            )
            b.admin.put(f"{FED}/identity_providers/home/protocols/saml2", {"protocol": {"mapping_id": "k2k"}}, 201)
            yield a, near, b, far
        away.stop()
    home.stop()


def test_a_user_goes_to_another_cloud(two: tuple[SimCloud, str, SimCloud, str]) -> None:
    """keystoneauth's Keystone2Keystone, between two of our clouds."""
    _, near, b, _ = two
    got = _client(["-c", ACROSS, f"{near}/identity/v3", "far", "pw", "far-project", "away", "lent"])
    assert (got["user"], got["project"]) == ("far of Default", "lent") and "member" in got["roles"]
    Tenant(b.http, got["token"]).get("/compute/v2.1/servers", 200)
    with pytest.raises(AssertionError):
        _client(["-c", ACROSS, f"{near}/identity/v3", "admin", "admin", "admin", "away", "lent"])


def _wanted(token: str, provider: str = "away") -> dict[str, Any]:
    return {
        "auth": {
            "identity": {"methods": ["token"], "token": {"id": token}},
            "scope": {"service_provider": {"id": provider}},
        }
    }


def test_the_assertion_and_its_refusals(two: tuple[SimCloud, str, SimCloud, str]) -> None:
    a, near, _, far = two
    t = a.login("far", "pw", "far-project")
    listed = a.http.get(
        "/identity/v3/auth/tokens", headers={"X-Auth-Token": t.token, "X-Subject-Token": t.token}
    ).json()["token"]
    at = f"{far}{FED}/identity_providers/home/protocols/saml2"
    assert listed["service_providers"] == [{"id": "away", "auth_url": f"{at}/auth", "sp_url": f"{at}/saml2/acs"}]
    for path in ("", "/ecp"):
        got = httpx.post(f"{near}/identity/v3/auth/OS-FEDERATION/saml2{path}", json=_wanted(t.token))
        assert got.status_code == 200 and got.headers["content-type"].startswith("text/xml"), got.text
        assert (got.headers["x-sp-url"], got.headers["x-auth-url"]) == (f"{at}/saml2/acs", f"{at}/auth")
        assert "openstack_project_domain" in got.text and ">far-project<" in got.text
    ecp = got.content
    first = httpx.post(f"{at}/saml2/acs", content=ecp, headers={"Content-Type": "application/vnd.paos+xml"})
    assert first.status_code == 201 and first.headers["x-subject-token"], first.text
    again = httpx.post(f"{at}/saml2/acs", content=ecp, headers={"Content-Type": "application/vnd.paos+xml"})
    assert again.status_code == 401 and "used before" in again.text
    changed = ecp.replace(b">far<", b">admin<")
    assert (
        httpx.post(f"{at}/saml2/acs", content=changed, headers={"Content-Type": "application/vnd.paos+xml"}).status_code
        == 401
    )
    unscoped = a.auth("far", "pw", None).headers["x-subject-token"]
    post = "/identity/v3/auth/OS-FEDERATION/saml2"
    refused = a.http.post(post, json=_wanted(unscoped))
    assert refused.status_code == 403 and "project scoped token" in refused.text
    assert a.http.post(post, json=_wanted(t.token, "none")).status_code == 404
    assert a.http.post(post, json=_wanted("x" * 200)).status_code == 404
    app = t.post(
        f"/identity/v3/users/{t.user}/application_credentials",
        {"application_credential": {"name": "a", "unrestricted": True}},
        201,
    )["application_credential"]
    way = {"methods": ["application_credential"], "application_credential": {"id": app["id"], "secret": app["secret"]}}
    lent = a.http.post("/identity/v3/auth/tokens", json={"auth": {"identity": way}}).headers["x-subject-token"]
    assert a.http.post(post, json=_wanted(lent)).status_code == 403, "delegated authority stays here"
    a.admin.patch(f"{FED}/service_providers/away", {"service_provider": {"enabled": False}})
    off = a.http.post(post, json=_wanted(t.token))
    assert off.status_code == 403 and "disabled" in off.text
    gone = a.http.get("/identity/v3/auth/tokens", headers={"X-Auth-Token": t.token, "X-Subject-Token": t.token}).json()[
        "token"
    ]
    assert "service_providers" not in gone
    a.admin.patch(f"{FED}/service_providers/away", {"service_provider": {"enabled": True}})
