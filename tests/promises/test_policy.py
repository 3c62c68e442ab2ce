# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the matrix as it was reviewed, readers that write nothing, the operator's own rules, and the language they are in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import policy_matrix
from accounts import Account, S3Key
from sim_cloud import SimCloud, Tenant, make
from virga.authority.language import LanguageError, parse
from virga.authority.overrides import Overrides, PolicyError
from virga.authority.rules import REGISTRY, Facts, may
from virga.ground.act import Actor
from virga.services.identity import policy

I = "/identity/v3"  # noqa: E741 - identity
OWN_AFFAIRS = {
    "identity:create_credential", "identity:update_credential", "identity:delete_credential", "identity:create_application_credential",
    "identity:delete_application_credential", "identity:delete_access_rule", "identity:create_trust", "identity:delete_trust", "identity:revoke_token",
    "os_compute_api:os-keypairs:create", "os_compute_api:os-keypairs:delete",
}  # fmt: skip
"""What Keystone and Nova let every user do with the user's own secrets and keys, whatever the role; it touches nobody else."""


def test_the_matrix_is_as_reviewed(shared: SimCloud) -> None:
    assert policy_matrix.FILE.read_text() == policy_matrix.text(shared), "run 'make matrix' and read the difference"


def writing_rules(sim: SimCloud) -> set[str]:
    found: set[str] = set()
    for service in sim.cloud.services:
        for route in service.routes:
            if route.method not in {"GET", "HEAD"}:
                found |= set(policy_matrix.rules_asked(sim, service, route) or policy_matrix.written(route))
        for request in policy_matrix.BYTES.get(service.name, ()):
            if request.partition(" ")[0] not in {"GET", "HEAD"}:
                requested = set(policy_matrix.dialect(sim, service, request))
                assert requested and requested != {"objects:read"}, f"{request} asks no rule of a write"
                found |= requested
    return found


def test_d13_every_write_names_a_registered_rule_and_a_reader_passes_none(shared: SimCloud) -> None:
    """No rule of a write lets a reader through, on anything, in any scope, own secrets aside; no rule is missing."""
    reads = {
        name
        for name in REGISTRY
        if re.search(r"(^|[:_])(get|list|check|validate)_", name) or name.endswith(("index", "show"))
    }
    reads |= {"objects:read"}  # a copy reads its source
    for name in sorted(writing_rules(shared) - OWN_AFFAIRS - reads):
        rule = REGISTRY[name]
        for scope in ("system", "domain", "project", "unscoped"):
            for own in (True, False):
                assert not may(policy_matrix.caller(("reader",), scope), rule, **policy_matrix.facts(own)), (
                    f"{name}: a reader, {scope}"
                )
    for name in OWN_AFFAIRS:
        assert not may(policy_matrix.caller(("reader",), "project"), REGISTRY[name], **policy_matrix.facts(False)), name


def test_an_unknown_rule_decides_nothing() -> None:
    with pytest.raises(LanguageError, match="no rule 'nowhere'"):
        parse("rule:nowhere", {})


ADMIN = Actor("u", "u", "d", frozenset({"admin"}), "p")
MEMBER = Actor("u", "u", "d", frozenset({"member"}), "p")


@pytest.mark.parametrize(
    ("expression", "admin", "member"),
    [
        ("", True, True), ("@", True, True), ("!", False, False), ("role:admin", True, False), ("role:ADMIN", True, False), ("not role:admin", False, True),
        ("role:admin or role:member", True, True), ("role:admin and role:member", False, False), ("(role:admin or role:member) and not role:admin", False, True),
        ("role:nobody or role:member and project_id:%(project_id)s", False, True), ("role:member and role:nobody or role:admin", True, False),
        ("user_id:%(user_id)s", True, True), ("user_id:%(missing)s", False, False), ("domain_id:%(project_id)s", False, False), ("'p':%(project_id)s", True, True),
        ("None:%(target.x)s", True, True), ("domain_id:None", True, True), ("not domain_id:None", False, False), ("rule:a", True, False),
        ("rule:b", False, True), ("system_scope:all", False, False), ([["role:admin"], ["role:member", "project_id:%(project_id)s"]], True, True), ([], True, True),
    ],
)  # fmt: skip
def test_the_language(expression: object, admin: bool, member: bool) -> None:
    check = parse(expression, {"a": "role:admin", "b": "not rule:a"})
    facts = Facts("p", "u", None, {"target.x": None})
    assert (check.holds(ADMIN, facts), check.holds(MEMBER, facts)) == (admin, member)


@pytest.mark.parametrize(
    "wrong",
    [
        "role:a or",
        "(role:a",
        "role:a)",
        "role",
        "and role:a",
        "http://x/%(y)s",
        "rule:loop",
        "role:a role:b",
        5,
        {"a": 1},
        "(" * 500,
    ],
)
def test_what_is_not_the_language(wrong: object) -> None:
    with pytest.raises(LanguageError):
        parse(wrong, {"loop": "rule:loop"})


def test_rules_agree_with_oslo_policys_parser() -> None:
    """Each default says the same when it is written out and read again."""
    for rule in REGISTRY.values():
        again = parse(rule.source, {**policy.NAMES, **rule.names})
        for letters in policy_matrix.ROLES.values():
            for scope in policy_matrix.SCOPES:
                for own in (True, False):
                    known = policy_matrix.facts(own)
                    facts = Facts(known["project_id"], known["user_id"], known["domain_id"], known["target"])
                    actor = policy_matrix.caller(letters, scope)
                    assert again.holds(actor, facts) == rule.check.holds(actor, facts), f"{rule.name}: {rule.source}"


def test_an_operators_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """policy.yaml opens and closes rules of every service; a change is obeyed without a restart, a broken file changes nothing."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    file = tmp_path / "policy.yaml"
    file.write_text('"identity:list_users": "role:auditor or rule:admin_required"\n"create_network": "role:netops"\n')
    cloud = make(state=tmp_path)
    cloud.start()
    try:
        sim = SimCloud(cloud)
        sim.admin.post(f"{I}/roles", {"role": {"name": "auditor"}}, 201)
        auditor, member = sim.tenant("audit", "auditor"), sim.tenant("mem")
        auditor.get(f"{I}/users", 200)
        refused = member.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}})
        assert refused.code == 403 and "create_network" in refused.text and "role netops" in refused.text
        file.write_text('"identity:list_users": "rule:admin_required"\n')
        cloud.loops.once("identity.follow")
        auditor.get(f"{I}/users", 403)
        assert member.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}}).code == 201
        file.write_text('"identity:list_users": "role:everybody or"\n')
        cloud.loops.once("identity.follow")
        auditor.get(f"{I}/users", 403)
        file.write_text('"admin_required": "role:auditor"\n')
        cloud.loops.once("identity.follow")
        auditor.get(f"{I}/users", 200)
        sim.admin.get(f"{I}/users", 403)
    finally:
        cloud.stop()


def test_an_operators_rules_reach_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both dialects ask the same rules: an auditor of all accounts, members who only read, a reseller by the fact."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    file = tmp_path / "policy.yaml"
    file.write_text('"objects:status": "role:nobody"\n')
    cloud = make(state=tmp_path)
    cloud.start()
    try:
        sim = SimCloud(cloud)
        sim.admin.post(f"{I}/roles", {"role": {"name": "auditor"}}, 201)
        owner, auditor = Account(sim.tenant("owner")), sim.tenant("watch", "auditor")
        key, watch = (
            S3Key(sim, owner.who),
            S3Key(sim, Tenant(sim.http, sim.admin.token, auditor.project, auditor.user)),
        )
        theirs = Account(auditor, owner.who.project)
        key("PUT", "/kept-box", code=200)
        owner("PUT", "/kept-box/o", b"body", 201)
        theirs("GET", "/kept-box/o", code=403)
        watch("GET", "/kept-box/o", code=403)
        assert sim.admin.ask("GET", "/object-store/housekeeping").code == 403
        file.write_text(
            '"objects:read": "role:auditor or (role:member and project_id:%(project_id)s) or True:%(reseller)s"\n"objects:write": "role:auditor"\n'
        )
        cloud.loops.once("identity.follow")
        assert (
            theirs("GET", "/kept-box/o", code=200).content == b"body"
            and watch("GET", "/kept-box/o", code=200).content == b"body"
        )
        told = owner("PUT", "/kept-box/p", b"x", 403)
        assert "objects:write" in told.text and "role auditor" in told.text
        key("PUT", "/kept-box/p", b"x", 403)
        key("PUT", "/second-box", code=403)
        theirs("PUT", "/kept-box/p", b"x", 201)
        assert sim.admin.ask("GET", "/object-store/housekeeping").code == 200
        Account(sim.tenant("sales", "ResellerAdmin"), owner.who.project)("GET", "/kept-box/o", code=200)
        file.write_text('"objects:read": ""\n')
        cloud.loops.once("identity.follow")
        Account(Tenant(sim.http, ""), owner.who.project)(
            "GET", "/kept-box/o", code=401
        )  # a rule lets nobody in without a token
    finally:
        cloud.stop()


def test_a_broken_file_stops_the_start_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text('"identity:list_users": "role:x or"\n')
    with pytest.raises(PolicyError, match=r"policy\.yaml: identity:list_users"):
        Overrides(tmp_path).load()
    (tmp_path / "policy.yaml").write_text("- a list\n")
    with pytest.raises(PolicyError, match="mapping"):
        Overrides(tmp_path).load()
