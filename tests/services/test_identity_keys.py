# SPDX-License-Identifier: Apache-2.0
"""What lies in the database sealed, and what may be used once in a whole cloud of processes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sim_cloud import SimCloud, make
from virga.cli.main import main as virga
from virga.ground.db.engine import Database
from virga.ground.errors import Broken
from virga.ground.loops.loop import Round
from virga.ground.world import VirtualClock
from virga.services.identity import loops, store
from virga.services.identity.secrets import TOKEN_KEY, Vault
from virga.services.identity.tokens import Tokens

I = "/identity/v3"  # noqa: E741


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")


def _secrets(db: Database) -> list[str]:
    with db.read() as tx:
        return [k.secret for k in store.KEYS.find(tx, order=store.KEYS.c.number)]


def test_token_keys_are_sealed_and_old_ones_become_so(database: str | None, tmp_path: Path) -> None:
    """A key that an older program left bare is sealed at the next start, and its tokens go on."""
    first = make(database, tmp_path)
    token = SimCloud(first).admin.token
    url = first.db.url
    (sealed,) = _secrets(first.db)
    bare = Vault(tmp_path / "credential.keys").open(sealed, TOKEN_KEY)
    assert len(base64.b64decode(bare)) == 32 and bare not in sealed
    with first.db.write() as tx:
        store.KEYS.change(tx, store.KEYS.c.number == 1, secret=bare)
    first.db.close()
    again = make(database, tmp_path)
    assert again.db.url == url
    (now,) = _secrets(again.db)
    assert now not in {bare, sealed} and again.registry.use(Tokens).open(token) is not None
    assert Vault(tmp_path / "credential.keys").open(now, TOKEN_KEY) == bare
    with pytest.raises(Broken, match="A credential was sealed with a key"):
        Vault(tmp_path / "credential.keys").open(now)
    again.db.close()


def test_without_the_key_file_the_database_makes_no_token(tmp_path: Path) -> None:
    make(None, tmp_path).db.close()
    (tmp_path / "credential.keys").unlink()
    with pytest.raises(
        Broken, match=r"token key was sealed with a key that is not in the credential key file \(.*credential.keys\)"
    ):
        make(None, tmp_path)
    words = ["--state", str(tmp_path), "up", "--sim", "--listen", "127.0.0.1:1"]
    answer = CliRunner().invoke(virga, words)
    assert answer.exit_code == 1 and "Restore that file" in answer.output and "Traceback" not in answer.output, (
        answer.output
    )
    (tmp_path / "virga.pid").unlink(missing_ok=True)
    assert CliRunner().invoke(virga, ["--state", str(tmp_path), "keys", "forget"]).exit_code == 0
    again = make(None, tmp_path)
    assert SimCloud(again).admin.token
    again.db.close()


def test_two_processes_read_each_others_tokens(postgres: Any, tmp_path: Path) -> None:
    """One database, one key file: a key made by either opens in both, before and after a rotation; both begin at once on an empty folder."""
    vaults = [Vault(tmp_path / "credential.keys") for _ in range(2)]
    assert vaults[1].open(vaults[0].seal("x")) == "x"
    url = postgres()
    one, two = make(url, tmp_path), make(url, tmp_path)
    a, b = SimCloud(one), SimCloud(two)
    for here, there in ((a, b), (b, a)):
        assert there.http.get(f"{I}/users", headers={"X-Auth-Token": here.admin.token}).status_code == 200
    with one.db.write() as tx:
        one.registry.use(Tokens).rotate(tx)
    with two.db.read() as tx:
        assert two.registry.use(Tokens).refresh(tx)
    assert all(len(s) > 64 for s in _secrets(one.db)) and len(_secrets(one.db)) == 2
    assert (
        b.http.get(f"{I}/users", headers={"X-Auth-Token": a.login("admin", "admin", "admin").token}).status_code == 200
    )
    one.db.close()
    two.db.close()


def test_the_key_file_is_changed(tmp_path: Path) -> None:
    cloud = make(None, tmp_path)
    token, before, file = SimCloud(cloud).admin.token, _secrets(cloud.db), (tmp_path / "credential.keys").read_text()
    cloud.db.close()
    done = CliRunner().invoke(virga, ["--state", str(tmp_path), "keys", "credentials"])
    assert done.exit_code == 0 and "1 secrets" in done.output, done.output
    assert (tmp_path / "credential.keys").read_text() != file
    again = make(None, tmp_path)
    assert _secrets(again.db) != before and again.registry.use(Tokens).open(token) is not None
    again.db.close()


def _passcode(secret: bytes, now: float) -> str:
    digest = hmac.new(secret, struct.pack(">Q", int(now // 30)), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


def test_a_passcode_works_once_in_the_whole_cloud(postgres: Any, tmp_path: Path) -> None:
    """Two processes on one database: what one took, the other refuses; the next half minute's is taken by either."""
    url, clock = postgres(), VirtualClock()
    alone = {"identity.totp_alone": True}
    one, two = make(url, tmp_path, clock=clock, **alone), make(url, tmp_path, clock=clock, **alone)
    a, b = SimCloud(one), SimCloud(two)
    secret = os.urandom(20)
    user = a.admin.post(f"{I}/users", {"user": {"name": "t", "password": "pw"}})["user"]["id"]
    a.admin.post(
        f"{I}/credentials",
        {"credential": {"type": "totp", "user_id": user, "blob": base64.b32encode(secret).decode()}},
        201,
    )

    def enter(sim: SimCloud) -> int:
        way = {"methods": ["totp"], "totp": {"user": {"id": user, "passcode": _passcode(secret, clock.now())}}}
        return int(sim.http.post(f"{I}/auth/tokens", json={"auth": {"identity": way}}).status_code)

    assert [enter(a), enter(b), enter(a)] == [201, 401, 401]
    clock.advance(30)
    assert [enter(b), enter(a), enter(b)] == [201, 401, 401]
    with one.db.read() as tx:
        assert store.SPENT.count(tx, store.SPENT.c.what.startswith("totp:")) == 2
        tries = store.SPENT.count(tx, store.SPENT.c.what.startswith("totp-try:"))
    assert tries == 6
    clock.advance(600)
    assert loops.expire(Round(one.db, one.world, one.registry)) == 2 + tries, (
        "what cannot be used any more is forgotten"
    )
    one.db.close()
    two.db.close()
