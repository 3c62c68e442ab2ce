# SPDX-License-Identifier: Apache-2.0
"""Federation: mapping rules, and OpenID Connect with a real, certified provider and the client library that people use."""

from __future__ import annotations

import base64
import hmac
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from directories import free_port
from sim_cloud import SimCloud, Tenant, make, served
from virga.client import wait
from virga.ground.errors import Invalid, Unauthorized
from virga.ground.world import VirtualClock
from virga.services.identity.federation import rules
from virga.services.identity.federation.oidc import OidcProvider, assertion
from virga.services.identity.federation.settings import Oidc

ROOT = Path(__file__).parents[2]
FED = "/identity/v3/OS-FEDERATION"
MAPPING = [
    {
        "local": [
            {"user": {"name": "{0}", "email": "{1}"}},
            {"groups": "{2}", "domain": {"name": "Default"}},
        ],
        "remote": [
            {"type": "OIDC-sub"},
            {"type": "OIDC-email"},
            {"type": "OIDC-groups", "whitelist": ["engineers", "cooks"]},
        ],
    },
    {
        "local": [{"user": {"name": "{0}"}}],
        "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-sub", "any_one_of": ["virga", "bob"]}],
    },
]

# -- rules, by themselves ------------------------------------------------------------------------------------------


def who(local: Any, remote: Any, claims: dict[str, list[str]], version: str = "1.0") -> rules.Who:
    return rules.process(rules.check([{"local": local, "remote": remote}], version), claims, version)


SAID = {"name": ["anna"], "mail": ["a@x"], "groups": ["admins", "dev", "ops"], "kind": ["staff"]}


def test_values_come_to_their_places() -> None:
    got = who([{"user": {"name": "{0} of {1}"}}], [{"type": "name"}, {"type": "mail"}], SAID)
    assert (got.user.name, got.user.type) == ("anna of a@x", "ephemeral")
    for kind, names in (("whitelist", ["dev", "ops"]), ("blacklist", ["admins"])):
        local = [{"user": {"name": "{0}"}}, {"groups": "{1}", "domain": {"name": "D"}}]
        got = who(local, [{"type": "name"}, {"type": "groups", kind: ["dev", "ops"]}], SAID)
        assert [g[0] for g in got.groups] == names
    got = who(
        [{"user": {"name": "{0}"}}, {"group_ids": "{1}"}, {"group": {"id": "fix"}}],
        [{"type": "name"}, {"type": "groups"}],
        SAID,
    )
    assert set(got.group_ids) == {"admins", "dev", "ops", "fix"}


@pytest.mark.parametrize(
    ("remote", "applies"),
    [
        ({"type": "kind", "any_one_of": ["staff"]}, True),
        ({"type": "kind", "any_one_of": ["guest"]}, False),
        ({"type": "kind", "not_any_of": ["guest"]}, True),
        ({"type": "kind", "not_any_of": ["staff"]}, False),
        ({"type": "kind", "any_one_of": ["^st"], "regex": True}, True),
        ({"type": "kind", "any_one_of": ["^st"]}, False),
        ({"type": "kind", "not_any_of": ["aff$"], "regex": True}, False),
        ({"type": "missing", "not_any_of": ["x"]}, False),
        ({"type": "missing"}, False),
    ],
)
def test_whom_a_rule_is_for(remote: dict[str, Any], applies: bool) -> None:
    local = [{"user": {"name": "{0}"}}]
    if applies:
        assert who(local, [{"type": "name"}, remote], SAID).user.name == "anna"
    else:
        with pytest.raises(Unauthorized):
            who(local, [{"type": "name"}, remote], SAID)


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [{"local": [], "remote": []}],
        [{"remote": [{"type": "x"}]}],
        [{"local": [{"user": {"nane": "x"}}], "remote": [{"type": "x"}]}],
        [{"local": [{"groups": "{0}"}], "remote": [{"type": "x"}]}],
        [{"local": [{"group": {"name": "x"}}], "remote": [{"type": "x"}]}],
        [{"local": [], "remote": [{"type": "x", "any_one_of": ["a"], "not_any_of": ["b"]}]}],
        [{"local": [], "remote": [{"type": "x", "any_one_of": ["("], "regex": True}]}],
        [{"local": [], "remote": [{"type": "x", "regex": True}]}],
        [{"local": [{"projects": [{"name": "p", "roles": [], "domain": {"id": "d"}}]}], "remote": [{"type": "x"}]}],
        [{"local": [{"projects_json": "{0}"}], "remote": [{"type": "x"}]}],
        [{"local": [{"user": {"type": "root"}}], "remote": [{"type": "x"}]}],
    ],
)
def test_rules_that_are_none(bad: Any) -> None:
    with pytest.raises(Invalid):
        rules.check(bad, "1.0")


def test_what_users_write_is_only_ever_a_value() -> None:
    """No splitting at semicolons, no formats, no attributes, no second substitution, no groups without a rule for them."""
    local = [{"user": {"name": "{0}"}}, {"groups": "{1}", "domain": {"name": "D"}}]
    remote = [{"type": "name"}, {"type": "groups", "whitelist": ["dev"]}]
    for hostile in ("x;dev", "{1}", "{0.__class__}", "{0!r}", "['dev']", "%s", '"]} , {"group"'):
        got = who(local, remote, {"name": [hostile], "groups": [hostile, "dev;admins"]})
        assert got.user.name == hostile and got.groups == () and got.group_ids == ()
    got = who([{"user": {"name": "{0}"}}], [{"type": "name"}], {"name": ["n"], "groups": ["admins"]})
    assert got.groups == () and got.group_ids == () and got.projects == ()
    with pytest.raises(Unauthorized):
        who([{"user": {"name": "{3}"}}], [{"type": "name"}], SAID)


@given(st.dictionaries(st.sampled_from(["name", "groups", "kind"]), st.lists(st.text(max_size=30), max_size=5)))
def test_nobody_gets_a_group_that_no_rule_gives(claims: dict[str, list[str]]) -> None:
    made = rules.check(
        [
            {
                "local": [{"user": {"name": "{0}"}}, {"groups": "{1}", "domain": {"id": "d"}}],
                "remote": [
                    {"type": "name"},
                    {"type": "groups", "whitelist": ["dev"]},
                    {"type": "kind", "any_one_of": ["staff"]},
                ],
            }
        ],
        "1.0",
    )
    try:
        got = rules.process(made, claims, "1.0")
    except Unauthorized:
        return
    assert (
        "staff" in claims["kind"]
        and {g[0] for g in got.groups} <= {"dev"} & set(claims["groups"])
        and got.group_ids == ()
    )


def test_domains_and_projects_by_version() -> None:
    local = [
        {
            "user": {"name": "{0}"},
            "domain": {"name": "D"},
            "projects": [{"name": "of {0}", "roles": [{"name": "member"}]}],
        }
    ]
    remote = [{"type": "name"}, {"type": "json"}]
    claims = {"name": ["anna"], "json": [json.dumps([{"name": "q", "roles": [{"name": "reader"}]}])]}
    one, two = who(local, remote, claims, "1.0"), who(local, remote, claims, "2.0")
    assert (
        not isinstance(one.user.domain, rules.DomainRef)
        and isinstance(two.user.domain, rules.DomainRef)
        and two.user.domain.name == "D"
    )
    assert two.projects[0].name == "of anna" and isinstance(two.projects[0].domain, rules.DomainRef)
    three = who([local[0] | {"projects_json": "{1}"}], remote, claims, "3.0")
    assert [p.name for p in three.projects] == ["of anna", "q"]
    with pytest.raises(Unauthorized):
        who([local[0] | {"projects_json": "{1}"}], remote, claims | {"json": ["[[["]}, "3.0")


# -- a provider ----------------------------------------------------------------------------------------------------


class Idp:
    """oidc-provider as our child."""

    def __init__(self, modules: Path, redirects: list[str]) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        words = ["node", str(ROOT / "tests/oidc/provider.mjs"), str(self.port), str(modules), *redirects]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout is not None and b"ready" in self.process.stdout.readline()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def token(self, user: str = "anna", client: str = "virga", scope: str = "openid email groups") -> dict[str, str]:
        form = {"grant_type": "password", "username": user, "password": f"{user}-pw", "scope": scope}
        return dict(httpx.post(f"{self.issuer}/token", data=form, auth=(client, f"{client}-secret")).json())

    def of_client(self, client: str, resource: str | None = None) -> str:
        form = {"grant_type": "client_credentials", "scope": "openid"} | ({"resource": resource} if resource else {})
        return str(
            httpx.post(f"{self.issuer}/token", data=form, auth=(client, f"{client}-secret")).json()["access_token"]
        )


@pytest.fixture(scope="module")
def modules() -> Path:
    made = subprocess.run([ROOT / "scripts/oidc-provider"], capture_output=True, text=True, check=False, timeout=300)
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip()) / "node_modules"


CODE = "http://127.0.0.1:9/take-the-code"


@pytest.fixture(scope="module")
def federated(modules: Path) -> Iterator[tuple[SimCloud, Idp, str]]:
    """A cloud on a port, its provider, and what a dashboard would be."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    idp = Idp(modules, [CODE, f"{url}/identity/v3/auth/OS-FEDERATION/oidc/callback"])
    own = {
        "issuer": idp.issuer,
        "client_id": "virga",
        "client_secret": "virga-secret",
        "audiences": ["virga", "urn:virga"],
        "scopes": "openid email groups",
    }
    over = {"server.listen": f"127.0.0.1:{port}", "identity.trusted_dashboards": ["http://dash.test/auth/websso/"]}
    cloud = make(**(over | {"identity.oidc": {"corp": own, "second": own | {"issuer": "http://127.0.0.1:9/none"}}}))
    cloud.start()
    sim = SimCloud(cloud)
    a = sim.admin
    domain = "default"
    for name in ("engineers", "cooks", "guests"):
        a.post("/identity/v3/groups", {"group": {"name": name, "domain_id": domain}})
    project = a.post("/identity/v3/projects", {"project": {"name": "works"}})["project"]["id"]
    group = a.get("/identity/v3/groups?name=engineers")["groups"][0]["id"]
    member = a.get("/identity/v3/roles?name=member")["roles"][0]["id"]
    a.put(f"/identity/v3/projects/{project}/groups/{group}/roles/{member}", code=204)
    a.put(f"{FED}/mappings/m", {"mapping": {"rules": MAPPING}}, 201)
    a.put(f"{FED}/identity_providers/corp", {"identity_provider": {"enabled": True, "remote_ids": [idp.issuer]}}, 201)
    a.put(f"{FED}/identity_providers/corp/protocols/openid", {"protocol": {"mapping_id": "m"}}, 201)
    with served(cloud):
        yield sim, idp, url
    cloud.stop()
    idp.end()


def arrive(sim: SimCloud, bearer: str, idp: str = "corp", protocol: str = "openid") -> Any:
    return sim.http.post(
        f"{FED}/identity_providers/{idp}/protocols/{protocol}/auth",
        headers={"Authorization": f"Bearer {bearer}".encode()},
    )


def test_a_user_comes_in(federated: tuple[SimCloud, Idp, str]) -> None:
    sim, idp, _ = federated
    got = arrive(sim, idp.token()["access_token"])
    assert got.status_code == 201, got.text
    token = got.json()["token"]
    assert token["user"]["name"] == "anna" and token["methods"] == ["openid"]
    told = token["user"]["OS-FEDERATION"]
    assert (told["identity_provider"], told["protocol"], len(told["groups"])) == ({"id": "corp"}, {"id": "openid"}, 2)
    t = Tenant(sim.http, got.headers["x-subject-token"])
    assert [p["name"] for p in t.get(f"{FED}/projects")["projects"]] == ["works"]
    assert t.get(f"{FED}/domains")["domains"] == []
    project = t.get("/identity/v3/auth/projects")["projects"][0]["id"]
    body = {
        "auth": {"identity": {"methods": ["token"], "token": {"id": t.token}}, "scope": {"project": {"id": project}}}
    }
    scoped = sim.http.post("/identity/v3/auth/tokens", json=body)
    assert scoped.status_code == 201 and scoped.json()["token"]["expires_at"] <= token["expires_at"]
    assert scoped.json()["token"]["user"]["OS-FEDERATION"]["identity_provider"]["id"] == "corp"
    s = Tenant(sim.http, scoped.headers["x-subject-token"])
    s.get("/compute/v2.1/servers", 200)
    again = arrive(sim, idp.token()["id_token"])
    assert again.status_code == 201 and again.json()["token"]["user"]["id"] == token["user"]["id"]
    direct = {
        "identity": {"methods": ["mapped"], "mapped": {"identity_provider": "corp", "protocol": "openid"}},
        "scope": {"project": {"id": project}},
    }
    by_method = sim.http.post(
        "/identity/v3/auth/tokens",
        json={"auth": direct},
        headers={"Authorization": f"Bearer {idp.token()['id_token']}"},
    )
    assert by_method.status_code == 201 and by_method.json()["token"]["project"]["id"] == project
    assert sim.admin.get(f"/identity/v3/users/{token['user']['id']}")["user"]["email"] == "anna@corp.test"
    # disabled there is disabled here: the provider's switch ends every token that came by it
    sim.admin.patch(f"{FED}/identity_providers/corp", {"identity_provider": {"enabled": False}})
    assert s.ask("GET", "/compute/v2.1/servers").code == 401 and arrive(sim, idp.token()["id_token"]).status_code == 403
    sim.admin.patch(f"{FED}/identity_providers/corp", {"identity_provider": {"enabled": True}})
    assert s.ask("GET", "/compute/v2.1/servers").code == 200


def test_a_user_whom_no_rule_knows(federated: tuple[SimCloud, Idp, str]) -> None:
    sim, idp, _ = federated
    got = arrive(sim, idp.token("bob")["access_token"]).json()["token"]
    assert got["user"]["OS-FEDERATION"]["groups"] == [], "groups that no rule gives are not given"
    assert arrive(sim, idp.token("anna", scope="openid")["access_token"]).status_code == 401, (
        "the mapping needs more than a name"
    )


def signed_by_secret(claims: dict[str, Any], secret: bytes, kid: str) -> str:
    """HS256 with what everybody knows as the secret."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = part(json.dumps({"alg": "HS256", "kid": kid}).encode()) + "." + part(json.dumps(claims).encode())
    return head + "." + part(hmac.digest(secret, head.encode(), "sha256"))


def test_tokens_that_are_not_for_us(federated: tuple[SimCloud, Idp, str]) -> None:
    """Audience mix-up, no signature, another key, another issuer, too late, changed: all the same refusal."""
    sim, idp, _ = federated
    good = idp.token()["id_token"]
    assert arrive(sim, good).status_code == 201
    assert arrive(sim, idp.token(client="other")["id_token"]).status_code == 401, "for another client"
    assert arrive(sim, idp.token(client="other")["access_token"]).status_code == 401, "an opaque one of another client"
    assert arrive(sim, idp.of_client("virga", "urn:else")).status_code == 401, "for another resource"
    claims = jwt.decode(good, options={"verify_signature": False})
    kid = jwt.get_unverified_header(good)["kid"]
    own = rsa.generate_private_key(65537, 2048)
    public = httpx.get(f"{idp.issuer}/jwks").json()
    bad = [
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "x" * 64, algorithm="HS256", headers={"kid": kid}),
        signed_by_secret(claims, json.dumps(public["keys"][0]).encode(), kid),
        jwt.encode(claims, own, algorithm="RS256", headers={"kid": kid}),
        jwt.encode(claims, own, algorithm="RS256", headers={"kid": "mine", "jku": "http://evil.test/jwks"}),
        jwt.encode(claims, own, algorithm="RS256"),
        good[:-6] + "AAAAAA",
        ".".join(
            [
                good.split(".")[0],
                base64.urlsafe_b64encode(json.dumps(claims | {"sub": "bob"}).encode()).rstrip(b"=").decode(),
                good.split(".")[2],
            ]
        ),
        good.rsplit(".", 1)[0] + ".",
        "a.b.c",
        "x",
        "",
        "é" * 40,
        "x" * 20000,
    ]
    for token in bad:
        got = arrive(sim, token)
        assert got.status_code == 401, (got.status_code, token[:60])
    assert sim.http.post(f"{FED}/identity_providers/corp/protocols/openid/auth").status_code == 401
    assert arrive(sim, good, "second").status_code == 404
    assert arrive(sim, good, protocol="saml2").status_code == 404


def test_issuer_expiry_and_nonce(federated: tuple[SimCloud, Idp, str]) -> None:
    _, idp, _ = federated
    own = Oidc(issuer=idp.issuer, client_id="virga", client_secret="virga-secret", leeway_seconds=0)
    provider = OidcProvider("corp", own)
    token = idp.token()["id_token"]
    assert provider.claims(token)["sub"] == "anna"
    with pytest.raises(Unauthorized):
        provider.verified(token, ["virga"], nonce="another")
    other = OidcProvider(
        "corp", Oidc(issuer="http://127.0.0.1:9/else", client_id="virga", jwks_uri=f"{idp.issuer}/jwks")
    )
    with pytest.raises(Unauthorized):
        other.claims(token)
    short = idp.of_client("virga", "urn:virga:short")
    late = OidcProvider(
        "corp", Oidc(issuer=idp.issuer, client_id="virga", audiences=["urn:virga:short"], leeway_seconds=0)
    )
    assert late.claims(short)["sub"] == "virga"

    def over() -> bool:
        try:
            late.claims(short)
        except Unauthorized:
            return True
        return False

    assert wait(over, 12, every=0.1)


def test_keys_are_kept(modules: Path) -> None:
    """Once known, they serve while the provider is away; unknown ones do not make us ask again and again."""
    idp = Idp(modules, [CODE])
    provider = OidcProvider("corp", Oidc(issuer=idp.issuer, client_id="virga", client_secret="virga-secret", timeout=1))
    tokens = idp.token()
    assert provider.claims(tokens["id_token"])["sub"] == "anna"
    idp.end()
    assert provider.claims(tokens["id_token"])["sub"] == "anna"
    forged = jwt.encode({"sub": "x"}, "k" * 64, algorithm="HS256")
    with pytest.raises(Unauthorized):
        provider.claims(forged)
    began = time.perf_counter()
    for n in range(50):
        token = jwt.encode({"sub": "x"}, rsa_key(), algorithm="RS256", headers={"kid": f"new{n}"})
        with pytest.raises((Unauthorized, Exception)):
            provider.claims(token)
    assert time.perf_counter() - began < 5


_key: list[Any] = []


def rsa_key() -> Any:
    if not _key:
        _key.append(rsa.generate_private_key(65537, 2048))
    return _key[0]


def test_a_dead_provider(federated: tuple[SimCloud, Idp, str]) -> None:
    sim, idp, _ = federated
    a = sim.admin
    a.put(f"{FED}/identity_providers/second", {"identity_provider": {"enabled": True}}, 201)
    a.put(f"{FED}/identity_providers/second/protocols/openid", {"protocol": {"mapping_id": "m"}}, 201)
    assert arrive(sim, idp.token()["id_token"], "second").status_code == 503
    assert arrive(sim, idp.token()["id_token"]).status_code == 201
    a.delete(f"{FED}/identity_providers/second", 204)


def test_lent_memberships_end() -> None:
    """By the clock, and by a login that no longer brings them."""
    from virga.ground.act import NOBODY, Act
    from virga.ground.loops.loop import Round
    from virga.services.identity.federation.actions import federated_login
    from virga.services.identity.federation.loops import take_back

    clock = VirtualClock()
    cloud = make(clock=clock)
    sim = SimCloud(cloud)
    a = sim.admin
    for name in ("engineers", "cooks"):
        a.post("/identity/v3/groups", {"group": {"name": name, "domain_id": "default"}})
    a.put(f"{FED}/mappings/m", {"mapping": {"rules": MAPPING}}, 201)
    a.put(f"{FED}/identity_providers/corp", {"identity_provider": {"enabled": True, "authorization_ttl": 120}}, 201)
    a.put(f"{FED}/identity_providers/corp/protocols/openid", {"protocol": {"mapping_id": "m"}}, 201)
    act = Act(actor=NOBODY, registry=cloud.registry, db=cloud.db)

    def come(*groups: str) -> str:
        claims = assertion({"sub": "anna", "email": "a@x", "groups": list(groups), "iss": "i"})
        return federated_login.by_assertion(act, "corp", "openid", claims).id

    user = come("engineers", "cooks")

    def names() -> set[str]:
        return {g["name"] for g in a.get(f"/identity/v3/users/{user}/groups")["groups"]}

    assert names() == {"engineers", "cooks"}
    come("engineers")
    assert names() == {"engineers"}
    clock.advance(7000)
    sim.admin = a = sim.login("admin", "admin", "admin")
    take_back(Round(cloud.db, cloud.world, cloud.registry))
    assert names() == {"engineers"}
    clock.advance(300)
    take_back(Round(cloud.db, cloud.world, cloud.registry))
    assert names() == set()
    cloud.db.close()


# -- keystoneauth --------------------------------------------------------------------------------------------------

CLIENT = """
import json, sys
from keystoneauth1 import loading, session
said = json.load(sys.stdin)
plugin = loading.get_plugin_loader(said.pop("plugin")).load_from_options(**said)
s = session.Session(auth=plugin)
print(json.dumps({"token": s.get_token(), "project": s.get_project_id(), "user": s.get_user_id(),
                  "servers": s.get("/servers", endpoint_filter={"service_type": "compute"}).status_code}))
"""


def by_keystoneauth(url: str, plugin: str, **more: str) -> dict[str, Any]:
    python = ROOT / ".venv-clients/bin/python"
    if not python.exists():
        pytest.fail("'make clients' brings keystoneauth")
    answer = {
        "plugin": plugin,
        "auth_url": f"{url}/identity/v3",
        "identity_provider": "corp",
        "protocol": "openid",
        "client_id": "virga",
        "client_secret": "virga-secret",
        "project_name": "works",
        "project_domain_id": "default",
    } | more
    done = subprocess.run(
        [python, "-c", CLIENT], input=json.dumps(answer), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("kind", ["access_token", "id_token"])
def test_v3oidcpassword(federated: tuple[SimCloud, Idp, str], kind: str) -> None:
    _, idp, url = federated
    got = by_keystoneauth(
        url,
        "v3oidcpassword",
        username="anna",
        password="anna-pw",
        scope="openid email groups",
        access_token_type=kind,
        discovery_endpoint=f"{idp.issuer}/.well-known/openid-configuration",
    )
    assert got["servers"] == 200 and got["project"]


def browse(url: str, **answers: str) -> httpx.Response:
    """A browser that logs in as anna, up to the address that is no provider's any more."""
    jar = httpx.Client(follow_redirects=False, timeout=20)
    start = urlsplit(url).netloc
    got = jar.get(url)
    for _ in range(12):
        if got.status_code not in {302, 303}:
            return got
        to = httpx.URL(got.request.url).join(got.headers["location"])
        if to.host == "127.0.0.1" and to.port == 9:
            return got
        if "/interaction/" in str(to) and answers:
            to = to.copy_merge_params(answers)
        got = jar.get(to)
    raise AssertionError(f"{start}: too many hops")


def test_v3oidcauthcode(federated: tuple[SimCloud, Idp, str]) -> None:
    _, idp, url = federated
    got = browse(
        f"{idp.issuer}/auth?response_type=code&client_id=virga&redirect_uri={CODE}&scope=openid%20email%20groups"
    )
    code = parse_qs(urlsplit(got.headers["location"]).query)["code"][0]
    answer = by_keystoneauth(
        url,
        "v3oidcauthcode",
        code=code,
        redirect_uri=CODE,
        discovery_endpoint=f"{idp.issuer}/.well-known/openid-configuration",
    )
    assert answer["servers"] == 200


def test_v3oidcclientcredentials(federated: tuple[SimCloud, Idp, str]) -> None:
    """A program's own token: a user by the second rule, with a role of its own."""
    sim, idp, url = federated
    arrived = arrive(sim, idp.of_client("virga", "urn:virga"))
    assert arrived.status_code == 201, arrived.text
    user, a = arrived.json()["token"]["user"]["id"], sim.admin
    project = a.get("/identity/v3/projects?name=works")["projects"][0]["id"]
    a.put(
        f"/identity/v3/projects/{project}/users/{user}/roles/{a.get('/identity/v3/roles?name=reader')['roles'][0]['id']}",
        code=204,
    )
    answer = by_keystoneauth(
        url,
        "v3oidcclientcredentials",
        scope="openid",
        discovery_endpoint=f"{idp.issuer}/.well-known/openid-configuration",
    )
    assert answer["user"] == user and answer["servers"] == 200


# -- WebSSO --------------------------------------------------------------------------------------------------------


def test_websso(federated: tuple[SimCloud, Idp, str]) -> None:
    sim, _, url = federated
    dash = "http://dash.test/auth/websso/"
    for path in ("websso/openid", "identity_providers/corp/protocols/openid/websso"):
        got = browse(f"{url}/identity/v3/auth/OS-FEDERATION/{path}?origin={dash}")
        assert got.status_code == 200, got.text
        assert f'action="{dash}"' in got.text and got.headers["content-security-policy"].startswith(
            "default-src 'none'"
        )
        token = re.search(r'name="token" value="([^"]+)"', got.text)
        assert token is not None
        assert [p["name"] for p in Tenant(sim.http, token[1]).get("/identity/v3/auth/projects")["projects"]] == [
            "works"
        ]


def test_websso_gives_nothing_away(federated: tuple[SimCloud, Idp, str]) -> None:
    _, _, url = federated
    sso, dash = f"{url}/identity/v3/auth/OS-FEDERATION", "http://dash.test/auth/websso/"
    for origin in (
        "http://evil.test/",
        "http://dash.test/auth/websso",
        dash + "@evil.test",
        "//dash.test/auth/websso/",
        "javascript:alert(1)",
    ):
        assert httpx.get(f"{sso}/websso/openid", params={"origin": origin}).status_code == 401, origin
    assert httpx.get(f"{sso}/websso/openid").status_code == 400
    assert httpx.get(f"{sso}/websso/saml2", params={"origin": dash}).status_code == 404
    begun = httpx.get(f"{sso}/websso/openid", params={"origin": dash})
    assert "HttpOnly" in begun.headers["set-cookie"]
    query = parse_qs(urlsplit(begun.headers["location"]).query)
    assert {"nonce", "state", "code_challenge"} <= set(query)
    for state in (
        query["state"][0],
        query["state"][0][:-4],
        "",
        "x" * 500,
    ):  # without the cookie, the state is somebody else's
        assert httpx.get(f"{sso}/oidc/callback", params={"state": state, "code": "c"}).status_code == 401
    denied = browse(f"{sso}/websso/openid?origin={dash}", deny="1")
    assert denied.status_code == 401


# -- the API of providers, mappings, protocols ---------------------------------------------------------------------


def test_life_of_providers(sim: SimCloud) -> None:
    a = sim.admin
    made = a.put(
        f"{FED}/identity_providers/acme", {"identity_provider": {"description": "d", "remote_ids": ["http://r1"]}}, 201
    )["identity_provider"]
    assert made["enabled"] is False and made["links"]["protocols"].endswith("/identity_providers/acme/protocols")
    assert a.get(f"/identity/v3/domains/{made['domain_id']}")["domain"]["name"] == made["domain_id"]
    a.put(f"{FED}/identity_providers/acme", {"identity_provider": {}}, 409)
    a.put(f"{FED}/identity_providers/b", {"identity_provider": {"remote_ids": ["http://r1"]}}, 409)
    a.put(f"{FED}/identity_providers/b", {"identity_provider": {"domain_id": "nope"}}, 404)
    a.patch(
        f"{FED}/identity_providers/acme",
        {"identity_provider": {"enabled": True, "remote_ids": ["http://r2", "http://r2"]}},
    )
    assert a.get(f"{FED}/identity_providers/acme")["identity_provider"]["remote_ids"] == ["http://r2"]
    assert a.ask("PATCH", f"{FED}/identity_providers/acme", {"identity_provider": {"domain_id": "default"}}).code == 400
    assert [p["id"] for p in a.get(f"{FED}/identity_providers?enabled=true")["identity_providers"]] == ["acme"]
    a.put(f"{FED}/mappings/m", {"mapping": {"rules": []}}, 400)
    assert a.put(f"{FED}/mappings/m", {"mapping": {"rules": MAPPING}}, 201)["mapping"]["schema_version"] == "1.0"
    a.put(f"{FED}/identity_providers/acme/protocols/oidc", {"protocol": {"mapping_id": "none"}}, 400)
    a.put(f"{FED}/identity_providers/acme/protocols/oidc", {"protocol": {"mapping_id": "m"}}, 201)
    a.put(f"{FED}/identity_providers/acme/protocols/oidc", {"protocol": {"mapping_id": "m"}}, 409)
    assert a.get(f"{FED}/identity_providers/acme/protocols")["protocols"][0]["mapping_id"] == "m"
    a.patch(f"{FED}/identity_providers/acme/protocols/oidc", {"protocol": {"remote_id_attribute": "X"}})
    a.delete(f"{FED}/mappings/m", 409)
    a.delete(f"{FED}/identity_providers/acme/protocols/oidc", 204)
    a.delete(f"{FED}/mappings/m", 204)
    a.delete(f"{FED}/identity_providers/acme", 204)
    a.get(f"{FED}/identity_providers/acme", 404)
    sp = {"auth_url": "https://b/v3", "sp_url": "https://b/saml"}
    a.put(f"{FED}/service_providers/b", {"service_provider": sp}, 201)
    assert (
        a.patch(f"{FED}/service_providers/b", {"service_provider": {"enabled": True}})["service_provider"]["enabled"]
        is True
    )
    assert a.get(f"{FED}/service_providers")["service_providers"][0]["relay_state_prefix"] == "ss:mem:"
    a.delete(f"{FED}/service_providers/b", 204)
    t = sim.tenant("meg")
    for noun in ("identity_providers", "mappings", "service_providers"):
        assert t.ask("GET", f"{FED}/{noun}").code == 403
        assert t.ask("DELETE", f"{FED}/{noun}/x").code == 403
