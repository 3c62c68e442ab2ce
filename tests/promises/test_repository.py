# SPDX-License-Identifier: Apache-2.0
"""The repository itself: schema, documents, contracts, licence lines."""

from __future__ import annotations

import ast
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from sim_cloud import SimCloud, Tenant, make
from virga import golden
from virga.ground import errors
from virga.ground.bus import LocalBus
from virga.ground.db.engine import Database
from virga.ground.db.migrate import upgrade
from virga.ground.errors import Unavailable
from virga.settings import SettingsError, load, sample

ROOT = Path(__file__).parents[2]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_schema_is_golden() -> None:
    assert golden.FILE.read_text() == golden.text(), "run 'make schema' and read the difference"


def test_migrations_make_what_the_program_declares(
    database: str | None, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """An empty database migrated step by step equals one made in one go."""
    made = make(database)
    other = f"sqlite:///{tmp_path / 'm.db'}" if database is None else request.getfixturevalue("postgres")()
    migrated = Database(other)
    upgrade(migrated)
    assert golden.shape(migrated.engine) == golden.shape(made.db.engine)
    only = golden.shape(made.db.engine)["saga_resources"]["index uq_saga_resources_exclusive"]
    assert only.endswith(("unique hold = 'exclusive'", "unique ((hold)::text = 'exclusive'::text)"))
    made.db.close()
    migrated.close()


def test_architecture_names_what_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    paths = set(re.findall(r"`((?:src|tests|docs|scripts|requirements)/[\w./-]+?)`", text))
    assert len(paths) > 15
    for path in paths:
        assert (ROOT / path).exists(), path
    walks = re.findall(r"^## The walk of (.+)$\n((?:.*\n)*?)(?=^## )", text, re.M)
    assert [title for title, _ in walks] == ['"create server"', '"a node\'s report"']
    for title, steps in walks:
        hops = re.findall(r"^\d\. `([\w/.]+)`: `(\w+)`", steps, re.M)
        assert 4 <= len(hops) <= 8, f"the walk of {title} has at most eight hops"
        for path, name in hops:
            source = (ROOT / "src/virga" / path).read_text()
            assert re.search(rf"^\s*(?:async )?(?:def|class) {name}\b|^{name} = ", source, re.M), (
                f"{path} has no {name}"
            )


def test_every_file_has_its_licence_line_and_modules_say_why() -> None:
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        text = path.read_text()
        if path.stat().st_size:
            assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n"), path
            assert text.split("\n", 1)[1].lstrip().startswith('"""'), f"{path} has no module docstring"


def test_no_function_takes_more_than_six_things_by_position() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                names = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in {"self", "cls"}]
                assert len(names) <= 6, f"{path}:{node.lineno} {node.name}: say the rest by keyword, or as one value"


def _raised(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The domain errors that a function raises itself, not what functions in it do."""
    found, rest = set[str](), list[ast.AST](function.body)
    while rest:
        node = rest.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func).rpartition(".")[2])
        rest += ast.iter_child_nodes(node)
    return found & {name for name, kind in vars(errors).items() if isinstance(kind, type)}


def test_public_functions_say_which_domain_errors_they_raise() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        tree = ast.parse(path.read_text())
        inner = {f for o in ast.walk(tree) if isinstance(o, FUNCTIONS) for f in ast.walk(o) if f is not o}
        for node in ast.walk(tree):
            if isinstance(node, FUNCTIONS) and not node.name.startswith("_") and node not in inner:
                words = ast.get_docstring(node) or ""
                lacking = sorted(name for name in _raised(node) if name not in words)
                assert not lacking, f"{path}:{node.lineno} {node.name} does not say that it raises {', '.join(lacking)}"


def test_no_path_of_a_machine_and_no_index_in_what_ships() -> None:
    for path in (ROOT / "requirements").glob("*"):
        assert "://" not in path.read_text(), path


def test_settings(tmp_path: Path) -> None:
    (tmp_path / "virga.toml").write_text('[server]\nlisten = "127.0.0.1:1"\n')
    assert load(env={}, state=str(tmp_path)).server.listen == "127.0.0.1:1"
    assert load(env={"VIRGA_SERVER_LISTEN": "127.0.0.1:2"}, state=str(tmp_path)).server.listen == "127.0.0.1:2"
    (tmp_path / "virga.toml").write_text("[server]\nlisen = 1\n")
    with pytest.raises(SettingsError, match="lisen"):
        load(env={}, state=str(tmp_path))
    with pytest.raises(SettingsError, match="VIRGA_SERVER_WORKERS"):
        load(env={"VIRGA_SERVER_WORKERS": "many"}, state=str(tmp_path / "x"))
    for line in sample().splitlines():
        assert not re.match(r"^#\s+$", line), "a setting has no description"


def test_bus_contract() -> None:
    bus, got = LocalBus(), []
    leave = bus.subscribe("a", got.append)
    bus.subscribe("a", lambda _: (_ for _ in ()).throw(RuntimeError("a bad handler hurts nobody")))
    bus.publish("a", {"n": 1})
    bus.publish("nobody", {"n": 1})
    leave()
    bus.publish("a", {"n": 2})
    assert got == [{"n": 1}]
    with pytest.raises(Unavailable):
        bus.call("nobody")
    bus.serve("echo", lambda answer: {"said": answer})
    assert bus.call("echo", {"x": [1, None]}) == {"said": {"x": [1, None]}}
    with pytest.raises(TypeError):
        bus.call("echo", {"x": object()})


def test_quota_under_a_stampede(sim: SimCloud) -> None:
    """Fifty requests at once at a quota of five: never six."""
    t = sim.tenant("stampede")
    sim.admin.put(f"/network/v2.0/quotas/{t.project}", {"quota": {"network": 5}})
    codes: list[int] = []

    def one() -> None:
        codes.append(t.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}}).code)

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [201] * 5 + [409] * 45
    assert len(t.get("/network/v2.0/networks")["networks"]) - 1 == 5, "five of ours and the external one"


def test_every_route_answers_or_refuses_without_breaking(shared: SimCloud) -> None:
    """Each row of each table, called by nobody and by a member with nonsense: never a 5xx."""
    t = shared.tenant("sweeper")
    for service in shared.cloud.services:
        for route in service.routes:
            path = service.path + re.sub(r"{\w+}", "00000000-0000-0000-0000-000000000000", route.path)
            body: Any = {route.verb: None} if route.verb else {} if route.body is not None else None
            low = max(route.since, service.versions.default)
            spoken = service.versions.service
            headers = {"OpenStack-API-Version": f"{spoken} {low[0]}.{low[1]}"} if spoken else {}
            nobody = Tenant(shared.http, "").ask(route.method, path, body, headers=headers)
            assert nobody.code == 401 if not route.public else nobody.code < 500, (
                f"{route.method} {path}: {nobody.code}"
            )
            got = t.ask(route.method, path, body, headers=headers)
            assert got.code < 500, f"{route.method} {path}: {got.code} {got.text[:300]}"


def test_simulated_time() -> None:
    """`--sim-clock`: a token expires when the test says so, and machines take their time."""
    cloud = make(**{"sim.clock": True, "identity.token_seconds": 600})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        assert sim.http.post("/sim/clock", json={"advance": 500}).status_code == 200
        sim.admin.get("/compute/v2.1/servers", 200)
        assert sim.http.post("/sim/clock", json={"advance": -1}).status_code == 400
        sim.http.post("/sim/clock", json={"advance": 200})
        sim.admin.get("/compute/v2.1/servers", 401)
    finally:
        cloud.stop()


def test_no_simulated_time_elsewhere(shared: SimCloud) -> None:
    assert shared.http.post("/sim/clock", json={"advance": 5}).status_code == 404


def test_the_state_folder_keeps_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users of the machine may pass through the folder (the hypervisor does) and read nothing in it."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    cloud = make(state=tmp_path)
    cloud.start()
    try:
        SimCloud(cloud).image()
        for path in tmp_path.iterdir():
            mode = path.stat().st_mode & 0o777
            assert mode & 0o066 == 0 or path.name == "objects", f"{path.name}: {mode:o}"
        assert (tmp_path / "objects/blobs").stat().st_mode & 0o077 == 0
    finally:
        cloud.stop()
