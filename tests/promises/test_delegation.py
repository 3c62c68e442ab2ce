# SPDX-License-Identifier: Apache-2.0
"""Delegated authority: the matrix as it was reviewed, and that no chain of uses of a credential leads to more than it was given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import delegation_matrix
from delegation_matrix import I, Lender
from services.test_identity_delegation import TOKENS, app_credential, by_app, by_trust, login, tenant_of, trust
from sim_cloud import SimCloud, Tenant, make
from virga.ground.act import Actor
from virga.services.identity.actions import delegation, ec2
from virga.services.identity.tokens import Tokens


@pytest.fixture(scope="module")
def sim() -> Iterator[SimCloud]:
    cloud = make()
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


def test_the_matrix_is_as_reviewed(shared: SimCloud) -> None:
    assert delegation_matrix.FILE.read_text() == delegation_matrix.text(shared), (
        "run 'make matrix' and read the difference"
    )


def test_no_lent_authority_reaches_the_secrets_of_a_user() -> None:
    """What must never stand in the file, whoever writes it: a letter of lent authority where credentials of the user in person are
    made, shown, changed or ended; anything at all for a receipt or a presigned address."""
    lent, half = set("tiaA2ok"), set("rs")
    personal = (
        "POST /v3/credentials",
        "GET /v3/credentials/",
        "PATCH /v3/credentials/",
        "DELETE /v3/credentials/",
        "GET /v3/users/{id}/credentials/OS-EC2/",
        "DELETE /v3/users/{id}/credentials/OS-EC2/",
        "GET /v2.0/users/{user}/credentials/OS-EC2/",
        "DELETE /v2.0/users/{user}/credentials/OS-EC2/",
        "PUT /v3/OS-OAUTH1/authorize/",
    )
    seen = 0
    for line in delegation_matrix.FILE.read_text().splitlines():
        name, own, rest = line.partition(" own ")
        if not own or line.startswith("#"):
            continue
        letters = set(rest.replace("other", " ")) - {" ", "."}
        assert not letters & half, line
        if name.strip().startswith(personal):
            seen += 1
            assert not letters & lent, line
    assert seen >= len(personal)


def test_every_action_on_credentials_asks_what_is_delegated(sim: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class: a route that makes, shows, changes or ends a secret of a user asks `delegation.reaches`; the next one that is written
    must, too."""
    lender = Lender(sim, "asked")
    requested: list[str] = []
    real = delegation.reaches

    def reaches(actor: Actor, type: str, project_id: str | None, blob: str) -> bool:
        requested.append(type)
        return real(actor, type, project_id, blob)

    monkeypatch.setattr(delegation, "reaches", reaches)
    identity = next(s for s in sim.cloud.services if s.name == "identity")
    tried = 0
    for route in identity.routes:
        if "/credentials" not in route.path or "OS-CREDENTIALS" in route.path:
            continue
        requested.clear()
        with delegation_matrix.dry(sim.cloud.db):
            delegation_matrix.passes(sim, identity, route, "u", lender.me.token, lender, lender.key)
        assert requested, f"{route.method} {route.path} does not ask what delegated authority reaches"
        tried += 1
    assert tried >= 13


WAYS = (
    "trust",
    "trust as oneself",
    "application credential",
    "open application credential",
    "access key",
    "key by blob",
    "rescope",
    "unscoped",
    "other project",
    "passcode",
    "read credentials",
)


class Walk:
    """A user with two projects, one of them lent from; and what each way makes of a token."""

    def __init__(self, sim: SimCloud, n: int) -> None:
        self.sim = sim
        self.root, self.helper = sim.tenant(f"walk{n}"), sim.tenant(f"walker{n}")
        self.name = f"walker{n}"
        a = sim.admin
        self.other = a.post(f"{I}/projects", {"project": {"name": f"walk{n}-other"}})["project"]["id"]
        admin = a.get(f"{I}/roles?name=admin")["roles"][0]["id"]
        a.put(f"{I}/projects/{self.other}/users/{self.root.user}/roles/{admin}")
        key = self.root.post(f"{I}/users/{self.root.user}/credentials/OS-EC2", {"tenant_id": self.other})["credential"]
        body = {"type": "totp", "blob": "JBSWY3DPEHPK3PXP", "user_id": self.root.user}
        self.root.post(f"{I}/credentials", {"credential": body}, 201)
        self.secrets = {key["secret"], "JBSWY3DPEHPK3PXP"}
        self.count = 0

    def step(self, at: Tenant, way: str) -> Tenant | None:
        self.count += 1
        sim, root = self.sim, self.root
        me = Tenant(at.http, at.token, at.project, at.user)
        if way in {"trust", "trust as oneself"}:
            body = {
                "trustor_user_id": at.user,
                "project_id": at.project,
                "impersonation": way == "trust as oneself",
                "roles": [{"name": "reader"}],
                "allow_redelegation": True,
            }
            made = trust(sim, me, self.helper.user, **body)
            got = by_trust(sim, self.name, made.json["trust"]["id"]) if made.code == 201 else None
            return tenant_of(sim, got) if got is not None and got.status_code == 201 else None
        if way in {"application credential", "open application credential"}:
            made = app_credential(me, name=f"app{self.count}", unrestricted=way.startswith("open"))
            return tenant_of(sim, by_app(sim, made.json["application_credential"])) if made.code == 201 else None
        if way == "access key":
            made = me.ask("POST", f"{I}/users/{at.user}/credentials/OS-EC2", {"tenant_id": at.project})
            return self._signed(made.json["credential"]["access"], at) if made.code == 201 else None
        if way == "key by blob":
            blob = json.dumps({"access": f"walk{self.count}{root.user}", "secret": "s"})
            body = {"type": "ec2", "project_id": at.project, "user_id": at.user, "blob": blob}
            made = me.ask("POST", f"{I}/credentials", {"credential": body})
            return self._signed(f"walk{self.count}{root.user}", at) if made.code == 201 else None
        if way == "passcode":
            body = {"type": "totp", "blob": "JBSWY3DPEHPK3PXP", "user_id": at.user, "project_id": at.project}
            me.ask("POST", f"{I}/credentials", {"credential": body})
            return None
        if way == "read credentials":
            for path in (f"{I}/credentials", f"{I}/users/{at.user}/credentials/OS-EC2"):
                text = me.ask("GET", path).text
                if self.delegated(at):
                    assert not any(secret in text for secret in self.secrets), f"secrets of the user by {path}"
            return None
        scope: Any = {"rescope": {"project": {"id": at.project}}, "other project": {"project": {"id": self.other}}}.get(way, "unscoped")  # fmt: skip
        got = login(sim, {"token": {"id": at.token}}, scope)
        return tenant_of(sim, got) if got.status_code == 201 else None

    def _signed(self, access: str, at: Tenant) -> Tenant | None:
        with self.sim.cloud.db.read() as tx:
            found = ec2.payload(tx, self.sim.cloud.registry, access)
        if found is None:
            return None
        try:
            token, session = self.sim.cloud.registry.use(Tokens).issue(found[0])
        except Exception:
            return None
        return Tenant(self.sim.http, token, str(session.payload.project_id), session.payload.user_id)

    def look(self, t: Tenant) -> dict[str, Any]:
        own = {"X-Subject-Token": t.token, "OpenStack-Identity-Access-Rules": "1.0"}
        return dict(t.ask("GET", TOKENS, headers=own).json["token"])

    def delegated(self, t: Tenant) -> bool:
        found = self.sim.cloud.registry.use(Tokens).session(t.token)
        assert found is not None
        return found[1].delegated


NUMBER = iter(range(10_000))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(st.lists(st.sampled_from(WAYS), min_size=2, max_size=6))
def test_no_chain_of_credentials_gains_anything(sim: SimCloud, chain: list[str]) -> None:
    """Use a credential to make or read another, again and again: once authority is lent, roles, project and end never grow, nothing
    that is lent becomes a user in person, and no secret of the user is read on the way."""
    walk = Walk(sim, next(NUMBER))
    at, lent = walk.root, False
    before = walk.look(at)
    for way in chain:
        following = walk.step(at, way)
        if following is None:
            continue
        after = walk.look(following)
        if lent:
            assert walk.delegated(following), f"{chain}: {way} made a user in person of lent authority"
            assert {r["name"] for r in after.get("roles", [])} <= {r["name"] for r in before.get("roles", [])}, chain
            assert after.get("project", {}).get("id") == before.get("project", {}).get("id"), f"{chain}: {way}"
        lent = lent or walk.delegated(following)
        at, before = following, after


@pytest.mark.parametrize("parent", ["trust", "application credential", "access key"])
def test_what_is_derived_ends_with_its_parent(sim: SimCloud, parent: str) -> None:
    lender = Lender(sim, f"ends-{parent.replace(' ', '-')}")
    tokens = lender.tokens()
    letter, path = {
        "trust": ("t", f"{I}/OS-TRUST/trusts/{lender.trust}"),
        "application credential": ("a", f"{I}/users/{lender.user}/application_credentials/{lender.app['id']}"),
        "access key": ("k", f"{I}/users/{lender.user}/credentials/OS-EC2/{lender.key.access}"),
    }[parent]
    acting = Tenant(sim.http, tokens[letter], lender.project)
    assert acting.ask("GET", "/compute/v2.1/servers").code == 200
    lender.me.delete(path, 204)
    assert acting.ask("GET", "/compute/v2.1/servers").code == 401


def test_a_mark_is_what_the_cloud_wrote() -> None:
    assert delegation.carried('{"access": "a", "trust_id": null, "app_cred_id": "x"}') == {"app_cred_id": "x"}
    assert delegation.carried("no json") == {} == delegation.carried("[]")
