# SPDX-License-Identifier: Apache-2.0
"""Fixtures: databases and clouds."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sim_cloud import SimCloud, make
from virga.services.compute.driver import Hypervisor


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """A PostgreSQL 15 of our own; each call makes a fresh database and gives its URL."""
    initdb = shutil.which("initdb", path="/usr/lib/postgresql/15/bin")
    if initdb is None:
        pytest.fail("PostgreSQL 15 is not installed: 'scripts/deps test' brings it")
    folder = Path(tempfile.mkdtemp(prefix="virga-pg-"))
    root = os.geteuid() == 0
    user = ["runuser", "-u", "postgres", "--"] if root else []
    if root:
        shutil.chown(folder, "postgres", "postgres")
    folder.chmod(0o755)
    bin_, data = Path(initdb).parent, folder / "data"
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run(
        [*user, str(bin_ / "initdb"), "-A", "trust", "-U", "postgres", "-D", str(data), "--no-sync"], **quiet
    )
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"
    subprocess.run(
        [*user, str(bin_ / "pg_ctl"), "-D", str(data), "-o", options, "-w", "-l", str(folder / "log"), "start"], **quiet
    )
    engine = sa.create_engine(f"postgresql+psycopg://postgres@/postgres?host={folder}", isolation_level="AUTOCOMMIT")

    def fresh() -> str:
        name = f"t{uuid.uuid4().hex}"
        with engine.connect() as conn:
            conn.exec_driver_sql(f"create database {name}")
        return f"postgresql+psycopg://postgres@/{name}?host={folder}"

    yield fresh
    engine.dispose()
    subprocess.run([*user, str(bin_ / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"], **quiet)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str | None:
    """The URL of a database: None is SQLite in memory."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")()


@pytest.fixture
def sim(database: str | None) -> Iterator[SimCloud]:
    """A running simulated cloud, on each database."""
    cloud = make(database)
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


@pytest.fixture(scope="module")
def shared() -> Iterator[SimCloud]:
    """One running cloud in memory for tests that do not mind each other."""
    cloud = make()
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


@pytest.fixture
def hypervisor(sim: SimCloud) -> Any:
    return sim.cloud.registry.use(Hypervisor)


@pytest.fixture(autouse=True, scope="session")
def _declared_queries() -> None:
    """A query parameter that an action reads and its route does not declare has no bound: that fails the test that met it."""
    from virga.ground.http import call

    def undeclared(name: str) -> None:
        raise AssertionError(f"the query parameter {name!r} is read and not declared in its route's `query`")

    call.undeclared = undeclared


@pytest.fixture(autouse=True, scope="session")
def _declared_answers() -> None:
    """An answer that is not as its route declares fails the test that met it."""
    from virga.ground import wire
    from virga.ground.http import api_app

    def answered(route: Any, version: wire.Version, answer: Any) -> None:
        what = f"{route.method} {route.path} {route.verb or ''}at {version}"
        assert (answer.code or route.code) in {route.code, *route.codes}, f"{what} answers {answer.code}"
        if answer.body:
            why = wire.hold(route.answer, answer.body, version)
            assert why is None, f"{what} is not what its row declares: {why}\n{answer.body[:2000]!r}"
        else:
            assert {None, type(None), bytes} & set(wire.alternatives(route.answer)), f"{what} answers nothing"

    api_app.answered = answered
