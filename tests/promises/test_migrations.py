# SPDX-License-Identifier: Apache-2.0
"""Migrations: many processes start at once, one of them dies in the middle, an older one works beside a newer schema."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import schemas
import virga.app  # noqa: F401 - every store registers its tables
from sim_cloud import SimCloud, make
from virga.cli.main import main
from virga.ground.db import migrate as migrations
from virga.ground.db.engine import Database

WIDER = """
import sqlalchemy as sa
from alembic import op

def upgrade():
    op.add_column("keypairs", sa.Column("colour", sa.String(16), nullable=True))
    op.create_table("colours", sa.Column("name", sa.String(16), primary_key=True))
"""
NARROWER = """
from alembic import op

def upgrade():
    op.drop_table("colours")
"""
DIES = """
import os
import sqlalchemy as sa
from alembic import op

def upgrade():
    op.create_table("halves", sa.Column("name", sa.String(16), primary_key=True))
    if os.environ.get("DIE"):
        os._exit(9)
"""


@pytest.fixture
def url(request: pytest.FixtureRequest, database: str | None, tmp_path: Path) -> str:
    """An empty database that outlives its process."""
    return database or f"sqlite:///{tmp_path / 'virga.db'}"


def program(tmp_path: Path, **more: str) -> Path:
    """The migrations of a program that has `more` (file name without .py → text)."""
    folder = tmp_path / ("versions-" + "-".join(sorted(more)) if more else "versions")
    shutil.copytree(migrations.HERE, folder, dirs_exist_ok=True)
    for name, text in more.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def tables(db: Database) -> set[str]:
    return set(sa.inspect(db.engine).get_table_names())


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")


def run(code: str, *args: object, **env: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    path = f"{Path(__file__).parents[1]}"
    return subprocess.Popen(
        words,
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "VIRGA_ADMIN_PASSWORD": "admin"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


FIRST_RELEASE = "0018"
"""Until then nobody runs an older process beside a newer one, and a migration may do both halves at once."""


def test_names_say_what_a_migration_does() -> None:
    """Since the first release a migration is an expansion or a contraction, and an expansion only adds what older programs need not know."""
    mine = migrations.known()
    numbers = [m.number for m in mine]
    assert numbers == sorted(set(numbers)), "two migrations of one number"
    for migration in mine:
        if migration.number <= FIRST_RELEASE and migration.kind == "plain":
            continue
        assert migration.kind != "plain", f"{migration.path.name}: call it NNNN_expand_… or NNNN_contract_…"
        if migration.kind == "contract":
            continue
        for node in ast.walk(ast.parse(migration.path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                assert not name.startswith(("drop_", "alter_", "rename_")), (
                    f"{migration.path.name}: {name} is no expansion"
                )


def test_six_processes_start_at_once(url: str, tmp_path: Path) -> None:
    """On an empty database: one makes the schema and the first rows, all are ready, nothing is there twice."""
    code = """
        import sys
        from pathlib import Path
        from sim_cloud import make
        cloud = make(None if sys.argv[1].startswith("sqlite") else sys.argv[1], Path(sys.argv[2]))
        with cloud.db.read() as tx:
            print(tx.conn.exec_driver_sql("select count(*) from id_users").scalar_one())
        cloud.stop()
    """
    started = [run(code, url, tmp_path) for _ in range(6)]
    answer = [p.communicate(timeout=120)[0] for p in started]
    assert [p.returncode for p in started] == [0] * 6, "\n".join(answer)
    assert len({text.split()[-1] for text in answer}) == 1, answer
    sim = SimCloud(make(None if url.startswith("sqlite") else url, tmp_path))
    for path, key in (("projects", "projects"), ("users", "users"), ("roles", "roles"), ("endpoints", "endpoints")):
        found = sim.admin.get(f"/identity/v3/{path}")[key]
        seen = [(x.get("name"), x.get("domain_id"), x.get("service_id"), x.get("interface")) for x in found]
        assert len(seen) == len(set(seen)), path
    assert len(sim.admin.get("/network/v2.0/networks?router:external=true")["networks"]) == 1
    sim.cloud.stop()


def test_six_processes_migrate_at_once(url: str, tmp_path: Path) -> None:
    """An older database: each migration runs once."""
    db = Database(url)
    migrations.upgrade(db, program(tmp_path))
    newer = program(tmp_path, **{"9001_expand_colours": WIDER})
    code = """
        import sys
        from pathlib import Path
        import virga.app
        from virga.ground.db import migrate
        from virga.ground.db.engine import Database
        print(migrate.migrate(Database(sys.argv[1]), folder=Path(sys.argv[2])))
    """
    started = [run(code, url, newer) for _ in range(6)]
    answer = sorted(p.communicate(timeout=120)[0].strip() for p in started)
    assert answer == ["current"] * 5 + ["migrated"], answer
    assert migrations.status(db, newer).expand == ()
    db.close()


def test_an_older_program_beside_a_newer_schema(url: str, tmp_path: Path) -> None:
    """It starts and works while the schema is only expanded, is told so once it is contracted, and never takes anything back."""
    shared = None if url.startswith("sqlite") else url
    old = make(shared, tmp_path)
    sim = SimCloud(old)
    sim.admin.post("/compute/v2.1/os-keypairs", {"keypair": {"name": "one"}})
    newer = program(tmp_path, **{"9001_expand_colours": WIDER, "9002_contract_colours": NARROWER})
    other = Database(url)
    assert migrations.migrate(other, contract=False, folder=newer) == "migrated"
    assert [m.number for m in migrations.status(other, newer).contract] == ["9002"]
    with other.write() as tx:
        tx.conn.exec_driver_sql("update keypairs set colour = 'red'")
    # the process that ran all along, and one that starts now
    sim.admin.post("/compute/v2.1/os-keypairs", {"keypair": {"name": "two"}})
    again = SimCloud(make(shared, tmp_path))
    assert len(again.admin.get("/compute/v2.1/os-keypairs")["keypairs"]) == 2
    assert migrations.migrate(again.cloud.db) == "newer"
    assert migrations.status(again.cloud.db).unknown == ("9001",)
    with other.read() as tx:
        stored = tx.conn.exec_driver_sql("select colour from keypairs where name = 'one'").scalar()
        # what a program of before 0015 looks at: an expansion is not there
        floor = max(m.number for m in migrations.known() if m.kind != "expand")
        assert tx.conn.exec_driver_sql("select version_num from alembic_version").scalar() == floor
    assert stored == "red"
    assert migrations.migrate(other, expand=False, folder=newer) == "migrated"
    assert migrations.migrate(other, folder=newer) == "current"
    with pytest.raises(SystemExit, match=r"9002.*start the newer program"):
        migrations.migrate(again.cloud.db)
    for cloud in (old, again.cloud):
        cloud.stop()
    other.close()


def test_a_contraction_waits_for_the_expansions(url: str, tmp_path: Path) -> None:
    db = Database(url)
    migrations.upgrade(db, program(tmp_path))
    newer = program(tmp_path, **{"9001_expand_colours": WIDER, "9002_contract_colours": NARROWER})
    with pytest.raises(SystemExit, match="9001"):
        migrations.migrate(db, expand=False, folder=newer)
    assert "colours" not in tables(db)
    assert migrations.migrate(db, folder=newer) == "migrated"
    assert "colours" not in tables(db)
    assert [migrations.status(db, newer).applied[n] for n in (-2, -1)] == ["9001", "9002"]
    db.close()


def test_a_migration_killed_in_the_middle(url: str, tmp_path: Path) -> None:
    """What ran before it stays, it itself has not begun, and the next start does the rest."""
    db = Database(url)
    migrations.upgrade(db, program(tmp_path))
    newer = program(tmp_path, **{"9001_expand_colours": WIDER, "9002_expand_halves": DIES})
    code = """
        import sys
        from pathlib import Path
        import virga.app
        from virga.ground.db import migrate
        from virga.ground.db.engine import Database
        migrate.migrate(Database(sys.argv[1]), folder=Path(sys.argv[2]))
    """
    died = run(code, url, newer, DIE="1")
    answer = died.communicate(timeout=60)[0]
    assert died.returncode == 9, answer
    at = migrations.status(db, newer)
    assert at.applied[-1] == "9001" and [m.number for m in at.expand] == ["9002"]
    assert "halves" not in tables(db) and "colours" in tables(db)
    assert migrations.migrate(db, folder=newer) == "migrated"
    assert "halves" in tables(db) and migrations.status(db, newer).expand == ()
    db.close()


def test_a_database_of_before_there_was_a_history(url: str, tmp_path: Path) -> None:
    """Made by 0014: what ran is known from then on, and is not run again."""
    db = Database(url)
    schemas.at(db, "0014")
    assert "schema_history" not in tables(db)
    assert migrations.status(db).applied[-1] == "0014"
    assert migrations.migrate(db) == "migrated"
    at = migrations.status(db)
    assert at.applied == tuple(m.number for m in migrations.known()) and not at.unknown
    with db.read() as tx:
        kinds = dict(tx.conn.execute(sa.select(migrations.HISTORY.c.number, migrations.HISTORY.c.kind)).all())
    assert kinds["0014"] == "plain" and kinds["0015"] == "expand"
    db.close()


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Callable[[], str]) -> None:
    for n, url in enumerate(("", postgres())):
        monkeypatch.setenv("VIRGA_DATABASE_URL", url)
        state = ["--state", str(tmp_path / f"state{n}")]

        def virga(*words: str, state: list[str] = state) -> tuple[int, str]:
            done = CliRunner().invoke(main, [*state, "db", *words])
            return done.exit_code, done.output

        assert virga("status") == (
            1,
            "The database is empty: the first start, or 'virga db migrate', makes the schema.\n",
        )
        assert virga("migrate") == (0, "The schema is made.\n")
        code, answer = virga("status")
        assert (
            code == 0 and answer == f"schema    {migrations.known()[-1].number}, {len(migrations.known())} migrations\n"
        )
        newer = program(tmp_path, **{"9001_expand_colours": WIDER, "9002_contract_colours": NARROWER})
        with monkeypatch.context() as m:
            m.setattr(migrations, "HERE", newer)
            code, answer = virga("status")
            assert code == 1 and "expand    9001 colours: to be run" in answer and "contract  9002" in answer
            code, answer = virga("migrate", "--contract")
            assert code == 1 and "9001" in answer
            code, answer = virga("migrate", "--expand")
            assert code == 0 and "virga db migrate --contract" in answer
        code, answer = virga("status")
        assert code == 0 and "newer     9001: ran by a newer program" in answer
        with monkeypatch.context() as m:
            m.setattr(migrations, "HERE", newer)
            assert virga("migrate") == (0, "The schema is migrated.\n")
        code, answer = virga("status")
        assert code == 2 and "too old" in answer
