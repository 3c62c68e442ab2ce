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
from undeclared_answers import ALWAYS_REFUSED, PACKAGES, UNSAMPLED, undeclared
from virga.ground.http.table import Route, Service
from virga.roles.parts import described

SERVICES = described()

ROOT = Path(__file__).parents[2] / "src/virga/services"
SPOKEN = [service for service in SERVICES if service.routes]


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
def test_every_operation_has_a_scene_or_stands_in_the_list_that_shrinks(service: Service) -> None:
    if service.name in UNSAMPLED:
        assert service.name not in samples.scenes(), f"{service.name} has scenes: take it out of UNSAMPLED"
        return
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
    rows = [r for r in service.routes if not undeclared(r) and r.name not in ALWAYS_REFUSED]
    assert not [f"{r.method} {r.path}" for r in rows if r.answer is None and not _says_nothing(r)]


def test_packages_in_the_list_still_have_rows_without() -> None:
    rows = [route for service in SPOKEN for route in service.routes]
    for package in PACKAGES:
        own = [r for r in rows if f"{r.action.__module__}.".startswith(package)]
        assert any(r.answer is None and not _says_nothing(r) for r in own), f"{package} is done: take it out"


def _views() -> list[Path]:
    return [
        file
        for file in (*ROOT.rglob("views*.py"), *ROOT.rglob("views/*.py"))
        if not f"virga.services.{'.'.join(file.relative_to(ROOT).with_suffix('').parts)}.".startswith(PACKAGES)
    ]


def test_views_read_no_database_and_know_no_version() -> None:
    for file in _views():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "call":
                assert node.attr not in {"version", "db", "tx", "open"}, f"{file}:{node.lineno} reads call.{node.attr}"
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names} | set((node.module or "").split("."))
                assert "store" not in names, f"{file}:{node.lineno} imports a store"
