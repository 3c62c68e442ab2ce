# SPDX-License-Identifier: Apache-2.0
"""Our OpenAPI beside the descriptions of OpenStack's own APIs: which parameters, body fields and answer fields differ.

`python tests/upstream.py SPECS` reads the descriptions in the folder SPECS (`compute/v2.104.yaml`, …), keeps the names of what our
operations have there in `upstream_facts.json`, and writes what differs to `upstream_differences.txt`, for people to read."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from virga import openapi
from virga.ground.wire import Version
from virga.roles.parts import described

SERVICES = described()

HERE = Path(__file__).parent
FACTS, DIFFERENCES = HERE / "upstream_facts.json", HERE / "upstream_differences.txt"
NONE: Version = (0, 0)
COMPARED: dict[str, tuple[str, tuple[Version, ...]]] = {
    "compute": ("compute/v2.104.yaml", ((2, 1), (2, 47), (2, 96))),
    "placement": ("placement/v1.39.yaml", ((1, 39),)),
    "identity": ("identity/v3.14.yaml", (NONE,)),
    "image": ("image/v2.16.yaml", (NONE,)),
    "network": ("network/v2.29.yaml", (NONE,)),
}
METHODS = ("get", "put", "post", "patch", "delete")
DEPTH = 6
Facts = dict[str, list[str]]
"""`query`, `body`, `answer` → names, those inside others behind dots; `[]` a list, `*` any name."""


class _Document:
    """An OpenAPI document whose references are followed, and of whose versions one is looked at."""

    def __init__(self, document: dict[str, Any], version: Version) -> None:
        self.document, self.version = document, version

    def at(self, value: Any) -> Any:
        while isinstance(value, dict) and "$ref" in value:
            found: Any = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    def live(self, schema: Any) -> bool:
        marks = schema.get("x-openstack", {}) if isinstance(schema, dict) else {}
        if self.version == NONE:
            return True
        low, high = (marks.get(name) for name in ("min-ver", "max-ver"))
        return (low is None or _version(low) <= self.version) and (high is None or self.version <= _version(high))

    def names(self, schema: Any, depth: int = DEPTH) -> set[str]:
        """The names in a schema."""
        schema = self.at(schema)
        if not isinstance(schema, dict) or not self.live(schema) or not depth:
            return set()
        out: set[str] = set()
        for kind in ("oneOf", "anyOf", "allOf"):
            for each in schema.get(kind, ()):
                out |= self.names(each, depth)
        parts = dict(schema.get("properties", {}))
        if isinstance(schema.get("additionalProperties"), dict):
            parts["*"] = schema["additionalProperties"]
        for each in schema.get("patternProperties", {}).values():
            parts["*"] = each
        for name, inner in parts.items():
            out.add(name)
            out |= {f"{name}.{each}" for each in self.names(inner, depth - 1)}
        if "items" in schema:
            out |= {f"[].{each}" for each in self.names(schema["items"], depth)}
        return {name.replace(".[]", "[]") for name in out}

    def action_names(self, schema: Any) -> dict[str, set[str]]:
        """Of the body of an action: verb → the names inside it."""
        out: dict[str, set[str]] = {}
        for each in self.at(schema).get("oneOf", ()):
            names = self.names(each)
            for verb in {name.partition(".")[0].partition("[")[0] for name in names}:
                inner = {n.removeprefix(f"{verb}.") for n in names if n.startswith(f"{verb}.")}
                out.setdefault(verb, set()).update(inner)
        return out


def _version(text: str) -> Version:
    major, _, minor = str(text).partition(".")
    return int(major), int(minor or 0)


def facts_of(document: dict[str, Any], version: Version) -> dict[str, Facts]:
    """`GET /servers/{}` or `POST /servers/{}/action verb` → its names."""
    look, out = _Document(document, version), dict[str, Facts]()
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            operation = item[method]
            key = f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path.rstrip('/') or '/')}"
            parameters = [look.at(p) for p in (*item.get("parameters", ()), *operation.get("parameters", ()))]
            query = {p["name"] for p in parameters if p["in"] == "query" and look.live(p)}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if path.endswith("/action"):
                for verb, names in look.action_names(body).items():
                    out[f"{key} {verb}"] = {"query": [], "body": sorted(names), "answer": []}
                continue
            answers: set[str] = set()
            for code, answer in operation.get("responses", {}).items():
                if code.startswith("2"):
                    content = look.at(answer).get("content", {}).get("application/json", {})
                    answers |= look.names(content.get("schema", {}))
            out[key] = {"query": sorted(query), "body": sorted(look.names(body)), "answer": sorted(answers)}
    return out


def ours(service: str, version: Version) -> dict[str, Facts]:
    """The same of our own document."""
    which = next(s for s in SERVICES if s.name == service)
    return facts_of(json.loads(json.dumps(openapi.document(which, version))), version)


def stored_facts(specs: Path) -> dict[str, dict[str, Facts]]:
    """`service@version` → what the descriptions in `specs` say of the operations that we have."""
    import yaml

    out = {}
    for service, (file, versions) in COMPARED.items():
        document = yaml.load((specs / file).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for version in versions:
            found, have = facts_of(document, version), ours(service, version)
            out[_label(service, version)] = {
                k: {part: names for part, names in v.items() if names} for k, v in found.items() if k in have
            }
    return out


def _label(service: str, version: Version) -> str:
    return service if version == NONE else f"{service}@{version[0]}.{version[1]}"


def differences(facts: dict[str, dict[str, Facts]]) -> Iterable[str]:
    """A line for each operation, and each part of it, that is not the same in both."""
    for service, (_, versions) in COMPARED.items():
        for version in versions:
            label = _label(service, version)
            theirs = facts[label]
            yield f"# {label}"
            for key, mine in sorted(ours(service, version).items()):
                if key not in theirs:
                    yield f"{key}: not in the description"
                    continue
                for part in ("query", "body", "answer"):
                    if part == "answer" and key.rpartition("/")[2].startswith("action "):
                        continue
                    have, want = set(mine[part]), set(theirs[key].get(part, ()))
                    less, more = _tops(want - have), _tops(have - want)
                    if less:
                        yield f"{key}: {part} lacks {', '.join(less)}"
                    if more:
                        yield f"{key}: {part} has besides {', '.join(more)}"


def _tops(names: set[str]) -> list[str]:
    """Without what is inside something that is named itself."""
    return sorted(n for n in names if not any(n.startswith((f"{m}.", f"{m}[")) for m in names if m != n))


def _dump(facts: dict[str, dict[str, Facts]]) -> str:
    lines = []
    for label, operations in facts.items():
        inner = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(operations.items()))
        lines.append(f"{json.dumps(label)}: {{\n{inner}\n}}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


HEAD = """# What our OpenAPI and the descriptions of OpenStack's own APIs do not have alike. Written by `python tests/upstream.py SPECS`; a test
# keeps it true. "lacks": the description names it and we do not; "has besides": the other way round.
"""


def text(facts: dict[str, dict[str, Facts]]) -> str:
    """The file of differences."""
    return HEAD + "\n".join(differences(facts)) + "\n"


if __name__ == "__main__":
    found = stored_facts(Path(sys.argv[1]))
    FACTS.write_text(_dump(found))
    DIFFERENCES.write_text(text(found))
