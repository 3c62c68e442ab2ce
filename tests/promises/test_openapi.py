# SPDX-License-Identifier: Apache-2.0
"""What we say of our APIs in OpenAPI is a document that others can read, and differs from what OpenStack says of its own only where
`tests/upstream_differences.txt` says so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from openapi_spec_validator import OpenAPIV31SpecValidator

import upstream
from virga import openapi
from virga.cli.main import main
from virga.ground import wire
from virga.ground.http.table import Service
from virga.roles.parts import described

SERVICES = described()

DOCUMENTS = ("compute@2.96", "identity", "image", "network", "placement@1.0", "placement@1.39")


def _document(text: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(openapi.document(*openapi.requested(SERVICES, text))))
    return made


@pytest.mark.parametrize("text", DOCUMENTS)
def test_a_description_is_openapi(text: str) -> None:
    errors = [
        f"{list(e.absolute_path)}: {e.message[:300]}" for e in OpenAPIV31SpecValidator(_document(text)).iter_errors()
    ]
    assert not errors


@pytest.mark.parametrize("text", ["compute@2.1", "compute@2.46", "compute@2.53", "placement@1.12"])
def test_every_reference_leads_somewhere(text: str) -> None:
    made = _document(text)

    def follow(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                found = made
                for part in value["$ref"].removeprefix("#/").split("/"):
                    found = found[part]
            for each in value.values():
                follow(each)
        elif isinstance(value, list):
            for each in value:
                follow(each)

    follow(made)


def test_a_description_has_each_operation_once_with_its_answers_and_refusals() -> None:
    made = _document("compute@2.96")
    ids = [
        operation["operationId"]
        for item in made["paths"].values()
        for m, operation in item.items()
        if m != "parameters"
    ]
    assert len(ids) == len(set(ids))
    show = made["paths"]["/v2.1/servers/{id}"]["get"]
    assert show["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ServerAnswer"
    }
    assert {"401", "403", "404", "429", "503"} <= set(show["responses"])
    assert "requestBody" not in show
    made_server = made["paths"]["/v2.1/servers"]["post"]["responses"]["202"]["content"]["application/json"]["schema"]
    assert len(made_server["anyOf"]) == 2
    actions = made["paths"]["/v2.1/servers/{id}/action"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"reboot", "lock", "createImage"} <= {each["title"] for each in actions["oneOf"]}
    assert "addFloatingIp" not in {each["title"] for each in actions["oneOf"]}, "it ended with 2.43"
    assert made["paths"]["/v2.1/"]["get"]["security"] == [{}, {"token": []}]


def test_a_field_is_there_from_the_version_that_has_it() -> None:
    def fields(version: str) -> set[str]:
        return set(_document(f"compute@{version}")["components"]["schemas"]["Server"]["properties"])

    before, after = fields("2.72"), fields("2.73")
    assert after - before == {"locked_reason"} and not before - after
    name = _document("compute@2.96")["components"]["schemas"]["CreateServer"]["properties"]["name"]
    assert name == {"type": "string", "minLength": 1, "maxLength": 255}


def test_the_command_prints_a_description_and_says_what_there_is() -> None:
    printed = CliRunner().invoke(main, ["openapi", "placement"])
    assert printed.exit_code == 0 and json.loads(printed.output)["info"]["version"] == "1.39"
    for text, words in (
        ("cinder", "there is no service 'cinder'; there are: compute, identity"),
        ("compute@2.97", "compute speaks 2.1 to 2.96, not 2.97"),
        ("compute@new", "'new' is not a microversion"),
        ("identity@3.14", "identity has no microversions"),
    ):
        refused = CliRunner().invoke(main, ["openapi", text])
        assert refused.exit_code == 1 and words in refused.output, refused.output


def test_what_differs_from_the_descriptions_of_openstack_is_written_down() -> None:
    assert upstream.DIFFERENCES.read_text() == upstream.text(json.loads(upstream.FACTS.read_text())), (
        "run `python tests/upstream.py SPECS` and read what changed"
    )


def test_the_facts_are_those_of_the_descriptions() -> None:
    folder = os.environ.get("VIRGA_SPECS")
    if not folder:
        pytest.skip("VIRGA_SPECS names no folder with the descriptions of OpenStack's APIs")
    assert json.loads(upstream.FACTS.read_text()) == upstream.stored_facts(Path(folder))


@pytest.mark.parametrize("service", [s for s in SERVICES if s.routes], ids=lambda s: s.name)
def test_shapes_have_names_of_their_own(service: Service) -> None:
    """In a description a shape is known by its name: two bodies, or two answers, of one name would be one."""
    shapes = wire._structs([kind for row in service.routes for kind in (row.body, row.answer)], set())
    for body in (True, False):
        names = [shape.__name__ for shape in shapes if issubclass(shape, wire.Wire) == body]
        assert sorted(names) == sorted(set(names)), {name for name in names if names.count(name) > 1}
