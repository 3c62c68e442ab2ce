# SPDX-License-Identifier: Apache-2.0
"""What a part of an authority reaches: every route × every kind of delegated or partial credential, as text. `make matrix` writes
docs/delegation-matrix.txt.

A letter stands for a kind of credential that a route does not refuse (401, 403), on what is the lender's own and on what is somebody
else's; `.` where it refuses. The lender is an administrator and lends the role admin, so that no rule of a role refuses anything: what
is refused is refused because the authority is lent. Every request runs to its end and is then taken back.

u the user in person (password)        g a token made of that token           p password and passcode (TOTP)
f a federated login (OIDC, SAML, or another cloud's Keystone)
t a trust, as the trustee              i a trust with impersonation
a an application credential            A an unrestricted one                  2 OAuth 2 (client credentials)
o OAuth 1                              k a token that a service got for a signature of an access key (EC2, S3)
r a receipt of a half-done login, sent as a token                              s a presigned address of S3, asked of the route"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import policy_matrix
from accounts import S3Key
from services.test_identity_delegation import app_credential, by_app, by_trust, login, tenant_of, trust
from services.test_oauth import O1, ask, sign
from sim_cloud import SimCloud, Tenant, make
from virga.ground.db.engine import Database, Tx
from virga.ground.http.table import Route, Service
from virga.services.identity import model
from virga.services.identity.actions import ec2
from virga.services.identity.actions.login import passcode
from virga.services.identity.tokens import Tokens, audit_id

FILE = Path(__file__).parents[1] / "docs/delegation-matrix.txt"
I = "/identity/v3"  # noqa: E741 - identity
SECRET = "JBSWY3DPEHPK3PXP"
NOTHING = policy_matrix.NOTHING


class Undo(Exception):
    """What was asked is answered, and taken back."""


@contextlib.contextmanager
def dry(db: Database) -> Iterator[None]:
    """Nothing that is written meanwhile stays."""
    real = db.write

    @contextlib.contextmanager
    def write() -> Iterator[Tx]:
        try:
            with real() as tx:
                yield tx
                raise Undo
        except Undo:
            pass

    db.write = write  # type: ignore[method-assign]
    try:
        yield
    finally:
        db.write = real  # type: ignore[method-assign]


class Lender:
    """An administrator with one thing of each kind, and a token of each kind of the authority that can be lent."""

    def __init__(self, sim: SimCloud, name: str) -> None:
        self.sim, self.name = sim, name
        self.me = sim.tenant(name, "admin")
        me = self.me
        self.project, self.user = me.project, me.user
        self.helper = sim.tenant(f"{name}-helper")
        self.key = S3Key(sim, me)
        body = {"type": "totp", "blob": SECRET, "user_id": me.user}
        self.totp = me.post(f"{I}/credentials", {"credential": body}, 201)["credential"]["id"]
        self.trust = self._trust(False)
        self.app = app_credential(me, name="narrow", roles=[{"name": "admin"}]).json["application_credential"]
        rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
        ruled = app_credential(me, name="ruled", access_rules=rules).json["application_credential"]
        self.rule = ruled["access_rules"][0]["id"]
        consumer = me.post(f"{O1}/consumers", {"consumer": {"description": name}}, 201)["consumer"]
        self.consumer, self.consumer_secret = consumer["id"], consumer["secret"]
        self.access_token = ""

    def _trust(self, impersonation: bool) -> str:
        made = trust(self.sim, self.me, self.helper.user, impersonation=impersonation, roles=[{"name": "admin"}])
        return str(made.json["trust"]["id"])

    def things(self) -> dict[str, str]:
        """The segment of a path before an id → the lender's own."""
        return {
            "users": self.user,
            "projects": self.project,
            "tenants": self.project,
            "credentials": self.totp,
            "OS-EC2": self.key.access,
            "trusts": self.trust,
            "application_credentials": self.app["id"],
            "access_rules": self.rule,
            "consumers": self.consumer,
            "access_tokens": self.access_token or NOTHING,
            "os-quota-sets": self.project,
            "quotas": self.project,
        }

    def tokens(self) -> dict[str, str]:
        """letter → a token of that kind."""
        sim, me = self.sim, self.me
        scope = {"project": {"id": self.project}}
        made = passcode(SECRET, int(sim.cloud.world.now() // 30))
        assert made is not None
        both = {
            "password": {"user": {"id": self.user, "password": "pw"}},
            "totp": {"user": {"id": self.user, "passcode": made.decode()}},
        }
        open_app = app_credential(me, name="wide", unrestricted=True, roles=[{"name": "admin"}])
        two = ask(sim, self.app["id"], self.app["secret"])
        assert two.status_code == 200, two.text
        return {
            "u": me.token,
            "g": tenant_of(sim, login(sim, {"token": {"id": me.token}}, scope)).token,
            "p": tenant_of(sim, login(sim, both, scope)).token,
            "f": self._federated(),
            "t": tenant_of(sim, by_trust(sim, f"{self.name}-helper", self.trust)).token,
            "i": tenant_of(sim, by_trust(sim, f"{self.name}-helper", self._trust(True))).token,
            "a": tenant_of(sim, by_app(sim, self.app)).token,
            "A": tenant_of(sim, by_app(sim, open_app.json["application_credential"])).token,
            "2": two.json()["access_token"],
            "o": self._oauth(),
            "k": self._keyed(),
            "r": self._receipt(),
        }

    def _federated(self) -> str:
        """A token as a login by an identity provider makes it: the walks to it are in the stories of federation."""
        fed, a = f"{I}/OS-FEDERATION", self.sim.admin
        rule = {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-sub"}]}
        a.put(
            f"{fed}/identity_providers/{self.name}",
            {"identity_provider": {"remote_ids": [self.name], "enabled": True}},
            201,
        )
        a.put(f"{fed}/mappings/{self.name}", {"mapping": {"rules": [rule]}}, 201)
        path = f"{fed}/identity_providers/{self.name}/protocols/openid"
        a.put(path, {"protocol": {"mapping_id": self.name}}, 201)
        now = self.sim.cloud.world.now()
        payload = model.Payload(
            self.user, self.project, None, False, ["openid"], now, now + 3600, [audit_id()], via=(self.name, "openid")
        )
        return self.sim.cloud.registry.use(Tokens).issue(payload)[0]

    def _oauth(self) -> str:
        sim, wanted = self.sim, {"Requested-Project-Id": self.project}
        consumer = (self.consumer, self.consumer_secret)
        request = dict(parse_qsl(sign(sim, f"{O1}/request_token", *consumer, headers=wanted, callback_uri="oob").text))
        roles = self.me.get(f"{I}/roles?name=admin")["roles"]
        body = {"roles": [{"id": roles[0]["id"]}]}
        pin = self.me.put(f"{O1}/authorize/{request['oauth_token']}", body)["token"]["oauth_verifier"]
        pair = (request["oauth_token"], request["oauth_token_secret"])
        access = dict(parse_qsl(sign(sim, f"{O1}/access_token", *consumer, *pair, verifier=pin).text))
        self.access_token = access["oauth_token"]
        pair = (access["oauth_token"], access["oauth_token_secret"])
        way = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}
        got = sign(sim, f"{I}/auth/tokens", *consumer, *pair, body=way)
        assert got.status_code == 201, got.text
        return str(got.headers["x-subject-token"])

    def _keyed(self) -> str:
        with self.sim.cloud.db.read() as tx:
            found = ec2.payload(tx, self.sim.cloud.registry, self.key.access)
        assert found is not None
        return self.sim.cloud.registry.use(Tokens).issue(found[0])[0]

    def _receipt(self) -> str:
        now = self.sim.cloud.world.now()
        tokens = self.sim.cloud.registry.use(Tokens)
        return tokens.seal_receipt(model.Receipt(self.user, ["password"], now, now + 300))


LETTERS = "ugpftiaA2okrs"
STREAMS = {"PUT /v2/images/{id}/file", "PUT /v2/images/{id}/stage"}
"""Bodies of bytes: what is asked of them is in the policy matrix."""


def path_of(route: Route, things: dict[str, str]) -> str:
    """The path of a route with ids of somebody's things, and of nothing where there are none."""
    parts, before = [], ""
    for part in route.path.split("/"):
        parts.append(things.get(before, NOTHING) if part.startswith("{") else part)
        before = part
    return "/".join(parts)


def request(service: Service, route: Route) -> tuple[Any, dict[str, str]]:
    """Body and headers of a request of the right shape."""
    content: Any = None
    if route.verb is not None:
        content = {route.verb: policy_matrix.body(route.body) if route.body is not None else None}
    elif route.body is not None:
        inner = policy_matrix.body(route.body)
        content = {route.key: inner} if route.key else inner
    headers = {}
    if service.versions.service:
        low = max(route.since, service.versions.default)
        headers["OpenStack-API-Version"] = f"{service.versions.service} {low[0]}.{low[1]}"
    return content, headers


def owned(content: Any, who: Tenant) -> Any:
    """The body with its ids of users and projects made `who`'s."""
    if isinstance(content, dict):
        out = {}
        for name, value in content.items():
            if name in {"user_id", "trustor_user_id"}:
                out[name] = who.user
            elif name in {"project_id", "tenant_id", "tenantId"} and isinstance(value, str):
                out[name] = who.project
            else:
                out[name] = owned(value, who)
        return out
    return [owned(each, who) for each in content] if isinstance(content, list) else content


def passes(sim: SimCloud, service: Service, route: Route, letter: str, token: str, whose: Lender, key: S3Key) -> bool:
    """Whether the route does not refuse this kind of credential on `whose` things."""
    content, headers = request(service, route)
    path = service.path + path_of(route, whose.things())
    body = owned(content, whose.me)
    if letter == "s":
        headers |= key.signed(route.method, path)
        return sim.http.request(route.method, path, json=body, headers=headers).status_code not in {401, 403}
    headers |= {"X-Auth-Token": token, "X-Subject-Token": whose.me.token if route.method != "DELETE" else "x" * 60}
    headers["OpenStack-Identity-Access-Rules"] = "1.0"
    got = sim.http.request(route.method, path, json=body, headers=headers)
    return got.status_code not in {401, 403}


def lines(sim: SimCloud) -> Iterator[str]:
    mine, theirs = Lender(sim, "lender"), Lender(sim, "stranger")
    tokens = mine.tokens()
    for service in sim.cloud.services:
        yield f"# {service.name}"
        for route in service.routes:
            name = f"{route.method} {route.path}{f' {route.verb}' if route.verb else ''}"
            if route.public or route.stream or name in STREAMS:
                continue
            found = []
            # Only identity keeps what is lent: elsewhere its own and foreign things are the policy matrix's.
            for whose in (mine, theirs) if service.name == "identity" else (mine,):
                with dry(sim.cloud.db):
                    found.append(
                        "".join(
                            letter
                            if passes(sim, service, route, letter, tokens.get(letter, ""), whose, mine.key)
                            else "."
                            for letter in LETTERS
                        )
                    )
            yield f"{name:88} own {found[0]}" + "".join(f"   other {each}" for each in found[1:])


def text(sim: SimCloud) -> str:
    head = re.sub(r"^.*?\n\n", "", __doc__ or "", count=1, flags=re.S).strip()
    intro = ["# Written by 'make matrix'; a test compares it.", *(f"# {line}" for line in head.splitlines()), ""]
    return "\n".join([*intro, *lines(sim)]) + "\n"


def write() -> None:
    cloud = make()
    cloud.start()
    FILE.write_text(text(SimCloud(cloud)))
    cloud.stop()


if __name__ == "__main__":
    write()
