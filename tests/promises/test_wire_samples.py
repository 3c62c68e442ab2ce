# SPDX-License-Identifier: Apache-2.0
"""What is on the wire stays as it is: every row declares what it answers, and every operation has a sample at each version that
changes it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import samples
from sim_cloud import SimCloud
from virga.ground.http.table import Route, Service
from virga.roles.parts import described

SERVICES = described()

ROOT = Path(__file__).parents[2] / "src/virga/services"
SPOKEN = [service for service in SERVICES if service.routes]
ALWAYS_REFUSED = frozenset({"auth.pki", "caching.clean", "caching.nodes", "users.no_tenant"})
"""Rows that never answer with a body, and say 200 by no word of theirs: bytes are swept, or the thing is refused."""


def test_the_samples_are_as_reviewed(shared: SimCloud) -> None:
    made = dict(samples.all_samples(shared))
    stored = {
        str(file.relative_to(samples.FOLDER)).removesuffix(".json"): json.loads(file.read_text())
        for file in samples.FOLDER.rglob("*.json")
    }
    assert set(made) == set(stored), "run 'make wire' and read the difference"
    for label, value in made.items():
        assert value == stored[label], f"{label}: run 'make wire' and read the difference"


@pytest.mark.parametrize("service", SPOKEN, ids=lambda s: s.name)
def test_every_operation_has_a_scene(service: Service) -> None:
    prefix, scenes = samples.scenes()[service.name]
    assert set(scenes) == set(samples.operations(service, prefix))


def _says_nothing(route: Route) -> bool:
    """Whether the row can do without a body: it says so by its code, or by the header that tells where the new thing is, or its path
    says already all that there is to tell."""
    return (
        bool({202, 204} & {route.code, *route.codes})
        or "location" in (route.sends or {})
        or route.method in {"DELETE", "HEAD"}
        or (route.method == "PUT" and route.body is None)
        or route.stream
    )


@pytest.mark.parametrize("service", SPOKEN, ids=lambda s: s.name)
def test_every_row_that_answers_says_what(service: Service) -> None:
    rows = [r for r in service.routes if r.name not in ALWAYS_REFUSED]
    assert not [f"{r.method} {r.path}" for r in rows if r.answer is None and not _says_nothing(r)]


def _views() -> list[Path]:
    return [*ROOT.rglob("views*.py"), *ROOT.rglob("views/*.py")]


def test_views_read_no_database_and_know_no_version() -> None:
    for file in _views():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "call":
                assert node.attr not in {"version", "db", "tx", "open"}, f"{file}:{node.lineno} reads call.{node.attr}"
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names} | set((node.module or "").split("."))
                assert "store" not in names, f"{file}:{node.lineno} imports a store"
