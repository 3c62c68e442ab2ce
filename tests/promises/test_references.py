# SPDX-License-Identifier: Apache-2.0
"""Every id or name that a body, a query or a header takes is looked up as its sender sees it: a foreign one is answered like one that
never was, a deleted one and nonsense are refused, and nothing of a foreign thing stands in an answer."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

import references
from references import ABSENT, MALFORMED, Case, Reference
from sim_cloud import SimCloud, make
from virga.ground.http.table import Route, Service


def rows() -> list[tuple[str, str]]:
    """Service and key of each route that refers to something."""
    cloud = make()
    try:
        return [
            (service.name, references.key(route))
            for service in cloud.services
            if service.name in references.SERVICES
            for route in service.routes
            if references.references(route, references.spoken(service))
        ]
    finally:
        cloud.stop()


ROWS = rows()


@pytest.fixture(scope="module")
def cases() -> Iterator[Case]:
    cloud = make()
    cloud.start()
    sim = SimCloud(cloud)
    yield Case(sim, sim.tenant("mallory"), sim.tenant("alice"), *references.nouns())
    cloud.stop()


def masked(text: str, foreign: str) -> str:
    """An answer without the ids in it: those of the things that a request was made with, and the one that it asked for."""
    return re.sub(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", "ID", text.replace(foreign, ABSENT))


def route_of(sim: SimCloud, service: str, key: str) -> tuple[Service, Route]:
    found = next(s for s in sim.cloud.services if s.name == service)
    return found, next(r for r in found.routes if references.key(r) == key)


@pytest.mark.parametrize(("service", "key"), ROWS, ids=[f"{s}: {k}" for s, k in ROWS])
def test_a_foreign_thing_is_not_there(cases: Case, service: str, key: str) -> None:
    own, route = route_of(cases.sim, service, key)
    tables = references.module(service)
    version = min(references.spoken(own), route.until)
    headers = {"OpenStack-API-Version": f"{own.versions.service} {version[0]}.{version[1]}"} if any(version) else {}

    def ask(ref: Reference | None, value: str | None) -> tuple[int, str]:
        """The answer to the good request with `value` where `ref` stands."""
        body: Any = None
        sent = dict(headers)
        if route.body is not None:
            assert key in tables.GOOD, f"{key}: GOOD has no good request"
            bodies = tables.GOOD[key](cases)
            if ref is not None and ref.place == "body":
                bodies = [b for b in bodies if references.holds(b, ref.path)]
                assert bodies, f"{key}: no good request holds {ref}"
            body = copy.deepcopy(bodies[0])
        # After the body: a path may name what the body was made with.
        path = own.path + (tables.PATHS[key](cases) if key in tables.PATHS else route.path)
        assert "{" not in path, f"{key}: PATHS has to say what stands in the path"
        if ref is not None and value is not None:
            if ref.place == "body":
                references.put(body, ref.path, value)
            elif ref.place == "query":
                path += f"?{ref.path[0]}={quote(value)}"
            else:
                sent[str(ref.path[0])] = quote(value)
        got = cases.me.ask(route.method, path, body, headers=sent)
        return got.code, got.text

    for ref in references.references(route, version):
        name = f"{key}: {ref}"
        if f"{key} {ref}" in getattr(tables, "REFUSED", {}):
            continue
        if ref.place == "body":
            code, text = ask(ref, None)
            assert code < 300, f"{name}: the good request is refused, so that nothing is shown: {code} {text[:300]}"
        answers = {"absent": ask(ref, ABSENT), "malformed": ask(ref, MALFORMED)}
        foreign = cases.foreign(ref.noun)
        answers["foreign"] = ask(ref, foreign)
        deleted = cases.deleted(ref.noun)
        if deleted is not None:
            answers["deleted"] = ask(ref, deleted)
        for kind, (code, text) in answers.items():
            assert code < 500, f"{name}: {kind} is {code} {text[:300]}"
            if ref.place == "body":
                assert code >= 400, f"{name}: {kind} is taken: {code} {text[:300]}"
        if f"{key} {ref}" not in tables.ALIKE:
            told = [(code, masked(text, foreign)) for code, text in (answers["foreign"], answers["absent"])]
            assert told[0] == told[1], f"{name}: {answers}"


def test_each_service_refers_to_something() -> None:
    assert {service for service, _ in ROWS} == set(references.SERVICES)
