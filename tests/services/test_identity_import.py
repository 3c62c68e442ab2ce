# SPDX-License-Identifier: Apache-2.0
"""A team moves in from a Keystone: its database, made by a real one, as SQLite, PostgreSQL and as mysqldump writes it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from sim_cloud import SimCloud, Tenant, make
from virga.cli.main import main as virga
from virga.ground.db.engine import Database
from virga.services.identity import store
from virga.services.identity.imports import source

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def keystone() -> Path:
    """keystone.db of a real Keystone."""
    made = subprocess.run([ROOT / "scripts/keystone-db"], capture_output=True, text=True, check=False, timeout=580)
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip()) / "keystone.db"


def run(state: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(virga, ["--state", str(state), "identity", *words], env={"VIRGA_ADMIN_PASSWORD": "admin"})
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def moved(keystone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimCloud:
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    assert "made" in run(tmp_path, "import", str(keystone))
    run(tmp_path, "bootstrap")
    return SimCloud(make(state=tmp_path))


def log_in(sim: SimCloud, name: str, password: str, domain: str, project: str | None = None, **scope: Any) -> Any:
    user = {"name": name, "domain": {"name": domain}, "password": password}
    body: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if project:
        scope = {"project": {"name": project, "domain": {"name": "corp"}}}
    if scope:
        body["scope"] = scope
    return sim.http.post("/identity/v3/auth/tokens", json={"auth": body})


def test_everybody_logs_in_as_before(moved: SimCloud) -> None:
    """bcrypt, scrypt and pbkdf2; the newest password of two; disabled stays disabled; no password stays none."""
    got = log_in(moved, "anna", "anna-second", "corp", "research")
    assert got.status_code == 201 and {r["name"] for r in got.json()["token"]["roles"]} == {"member", "reader"}
    Tenant(moved.http, got.headers["x-subject-token"]).get("/compute/v2.1/servers", 200)
    assert log_in(moved, "anna", "anna-secret", "corp").status_code == 401, "an older password"
    assert log_in(moved, "bert", "bert-secret", "corp").status_code == 401, "disabled"
    assert log_in(moved, "nopw", "", "Default").status_code == 401
    for kind in ("scrypt", "pbkdf2_sha512"):
        assert log_in(moved, kind, f"{kind}-secret", "Default", "research").status_code == 201, kind
        assert log_in(moved, kind, "wrong", "Default", "research").status_code == 401
    got = log_in(moved, "anna", "anna-second", "corp", "lab")
    assert {r["name"] for r in got.json()["token"]["roles"]} == {"cook", "reader"}, (
        "by the group, with what the role implies, and inherited"
    )
    assert log_in(moved, "carla", "carla-secret", "Default", system={"all": True}).status_code == 201
    assert log_in(moved, "carla", "carla-secret", "Default").json()["token"]["project"]["name"] == "lab", (
        "the default project"
    )


def test_everything_is_as_it_was(moved: SimCloud, keystone: Path) -> None:
    a, db = moved.admin, sqlite3.connect(keystone)
    ids = {r[0] for r in db.execute("select id from project where is_domain = 0")}
    assert ids <= {p["id"] for p in a.get("/identity/v3/projects")["projects"]}
    lab = a.get("/identity/v3/projects?name=lab")["projects"][0]
    research = a.get("/identity/v3/projects?name=research")["projects"][0]
    assert (lab["parent_id"], lab["cost"], research["tags"]) == (research["id"], "7", ["blue", "green"])
    assert a.get("/identity/v3/projects?name=closed")["projects"][0]["enabled"] is False
    anna = a.get("/identity/v3/users?name=anna")["users"][0]
    assert (
        anna["email"] == "anna@corp"
        and anna["id"] == db.execute("select user_id from local_user where name = 'anna'").fetchone()[0]
    )
    assert a.get("/identity/v3/users?name=carla")["users"][0]["options"] == {"ignore_password_expiry": True}
    assert a.get(f"/identity/v3/users/{anna['id']}/groups")["groups"][0]["name"] == "team"
    grants = a.get("/identity/v3/role_assignments")["role_assignments"]
    assert (
        len(grants)
        >= db.execute("select (select count(*) from assignment) + (select count(*) from system_assignment)").fetchone()[
            0
        ]
    )
    assert any("OS-INHERIT:inherited_to" in g["scope"] for g in grants)
    services = {s["type"]: s for s in a.get("/identity/v3/services")["services"]}
    assert services["dns"]["name"] == "designate" and services["compute"]["name"] != "nova", "our own stay ours"
    regions = {r["id"]: r for r in a.get("/identity/v3/regions")["regions"]}
    assert regions["Two"]["parent_region_id"] == "RegionOne"


def counts(state: Path) -> dict[str, int]:
    db = Database(f"sqlite:///{state / 'virga.db'}")
    rows = (
        store.DOMAINS,
        store.PROJECTS,
        store.USERS,
        store.ROLES,
        store.GROUPS,
        store.GRANTS,
        store.GROUP_GRANTS,
        store.SERVICES,
        store.ENDPOINTS,
    )
    with db.read() as tx:
        out = {r.table.name: r.count(tx) for r in rows}  # type: ignore[attr-defined]
    db.close()
    return out


def test_again_and_dry(keystone: Path, tmp_path: Path) -> None:
    answer = run(tmp_path, "import", "--dry-run", str(keystone))
    assert (
        "would be made; nothing was written" in answer
        and "users: 7 new" in answer
        and "this cloud runs its own" in answer
    )
    assert counts(tmp_path)["id_users"] == 0
    answer = run(tmp_path, "import", str(keystone))
    before = counts(tmp_path)
    assert before["id_users"] == 7 and before["id_projects"] == 4
    assert run(tmp_path, "import", str(keystone)).rstrip().endswith("Nothing to do.")
    assert counts(tmp_path) == before


def test_conflicts_are_named_and_nothing_is_written(keystone: Path, tmp_path: Path) -> None:
    run(tmp_path, "bootstrap")
    before = counts(tmp_path)
    answer = run(tmp_path, "import", str(keystone), code=1)
    assert (
        "users 'admin'" in answer
        and "projects 'admin'" in answer
        and "nothing was written" in answer
        and "--keep-ours" in answer
    )
    assert "roles" not in answer, "roles are what they are called"
    assert counts(tmp_path) == before
    run(tmp_path, "import", "--keep-ours", str(keystone))
    assert counts(tmp_path)["id_users"] == 7 and counts(tmp_path)["id_roles"] == before["id_roles"] + 2


def test_from_postgresql(keystone: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The same tables in a PostgreSQL."""
    url = request.getfixturevalue("postgres")()
    there, here = sa.create_engine(f"sqlite:///{keystone}"), sa.create_engine(url)
    meta = sa.MetaData()
    meta.reflect(there, only=[t for t in source.WANTED if sa.inspect(there).has_table(t)])
    for table in meta.tables.values():
        for constraint in list(table.constraints):
            if isinstance(constraint, (sa.ForeignKeyConstraint, sa.CheckConstraint)):
                table.constraints.discard(constraint)
        for column in table.columns:
            column.foreign_keys.clear()
            column.server_default = None
            column.type = column.type.as_generic()
    meta.create_all(here)
    with there.connect() as a, here.begin() as b:
        for table in meta.tables.values():
            rows = [dict(r._mapping) for r in a.execute(sa.select(table))]
            if rows:
                b.execute(sa.insert(table), rows)
    here.dispose()
    run(tmp_path / "pg", "import", url)
    run(tmp_path / "lite", "import", str(keystone))
    assert counts(tmp_path / "pg") == counts(tmp_path / "lite")


def dump(keystone: Path, to: Path) -> None:
    """What mysqldump would have written of the same database: its CREATE TABLEs, escapes and long INSERTs."""
    db = sqlite3.connect(keystone)

    def text(value: object) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, (int, float)):
            return str(value)
        escaped = (
            str(value)
            .replace("\\", "\\\\")
            .replace("'", "\\'")
            .replace("\n", "\\n")
            .replace('"', '\\"')
            .replace("\0", "\\0")
        )
        return f"'{escaped}'"

    out = ["-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)", "/*!40101 SET NAMES utf8mb4 */;"]
    for (name,) in db.execute(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite%'"
    ).fetchall():
        columns = [r[1] for r in db.execute(f'pragma table_info("{name}")')]
        out += [f"DROP TABLE IF EXISTS `{name}`;", f"CREATE TABLE `{name}` ("]
        out += [f"  `{c}` varchar(255) DEFAULT NULL," for c in columns] + [
            "  KEY `ix` (`id`)",
            ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;",
        ]
        rows = db.execute(f'select * from "{name}"').fetchall()
        if rows:
            values = ",".join("(" + ",".join(text(v) for v in r) + ")" for r in rows)
            out += [f"LOCK TABLES `{name}` WRITE;", f"INSERT INTO `{name}` VALUES {values};", "UNLOCK TABLES;"]
    to.write_text("\n".join(out) + "\n")


def test_from_a_mysql_dump(keystone: Path, tmp_path: Path) -> None:
    mine = tmp_path / "keystone.db"
    shutil.copy(keystone, mine)
    db = sqlite3.connect(mine)
    hostile = 'O\'Brien \\ "q" ); DROP TABLE `user`; (\n1,2),(3'
    db.execute("update project set description = ? where name = 'lab'", (hostile,))
    db.commit()
    db.close()
    dump(mine, tmp_path / "dump.sql")
    run(tmp_path / "my", "import", str(tmp_path / "dump.sql"))
    run(tmp_path / "lite", "import", str(mine))
    assert counts(tmp_path / "my") == counts(tmp_path / "lite")
    own = Database(f"sqlite:///{tmp_path / 'my' / 'virga.db'}")
    with own.read() as tx:
        lab = store.PROJECTS.one(tx, store.PROJECTS.c.name == "lab")
        assert lab is not None and lab.description == hostile and lab.extra == {"cost": "7"}
    own.close()


def test_what_is_no_keystone(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    sqlite3.connect(tmp_path / "empty.db").execute("create table t (x)")
    (tmp_path / "broken.sql").write_text("CREATE TABLE `user` (\n  `id` int\n);\nINSERT INTO `user` VALUES ('a\n")
    for answer in ("nothing", "text", "empty.db", "broken.sql"):
        assert "Error" in run(tmp_path / "s", "import", str(tmp_path / answer), code=1), answer
    assert "could not be read" in run(tmp_path / "s", "import", "postgresql+psycopg://nobody@127.0.0.1:1/x", code=1)
