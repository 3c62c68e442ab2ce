# SPDX-License-Identifier: Apache-2.0
"""OpenAPI 3.1 of one service at one microversion, made from its routes and shapes: what is in it is what is served."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from virga.ground import wire
from virga.ground.http.faults import SHAPES, TITLES, KeystoneFault
from virga.ground.http.table import Route, Service
from virga.ground.wire import Version

REF = "#/components/schemas/{name}"
JSON = "application/json"
LONGEST_SEGMENT = 1024
"""Of a path, in characters: a longer one is not found."""
WORDS = {
    200: "It is as asked.",
    201: "It is made.",
    202: "It is begun.",
    203: "It is as asked.",
    204: "It is done.",
    206: "A part, as asked.",
    300: "There are several.",
    302: "It goes on elsewhere.",
    400: "It is refused.",
    401: "Who asks is not known, or not yet well enough.",
}


class _Shapes:
    """What the document needs schemas of: they are asked for while it is made, and put in when all are known."""

    def __init__(self) -> None:
        self._kinds: list[Any] = []
        self._places: list[dict[str, Any]] = []

    def of(self, kind: Any) -> dict[str, Any]:
        """A place that will hold the schema of `kind`."""
        place: dict[str, Any] = {}
        self._kinds.append(kind)
        self._places.append(place)
        return place

    def filled(self, version: Version) -> dict[str, Any]:
        """Fill all places; gives the components."""
        found, components = wire.schemas(self._kinds, version, REF)
        for place, schema in zip(self._places, found, strict=True):
            place.update(schema)
        return components


def rows_at(service: Service, version: Version) -> list[Route]:
    """The rows that live at `version`: of several for one operation the first, as requests find them."""
    found: dict[tuple[str, str, str | None], Route] = {}
    for row in service.routes:
        if row.since <= version <= row.until:
            found.setdefault((row.method, row.path, row.verb), row)
    return list(found.values())


def document(service: Service, version: Version) -> dict[str, Any]:
    """The description of `service` at `version`. Raises ValueError for a microversion that it does not speak."""
    spoken = service.versions
    if not spoken.low <= version <= spoken.high:
        raise ValueError(f"{service.name} speaks {_text(spoken.low)} to {_text(spoken.high)}")
    shapes, paths = _Shapes(), dict[str, dict[str, Any]]()
    names: set[str] = set()
    known: dict[str, str] = {}
    for path, rows in _by_path(rows_at(service, version)).items():
        shown = known.setdefault(re.sub(r"{\w+}", "{}", path), path)
        item = paths.setdefault(shown, {})
        parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", shown)]
        if parameters:
            item["parameters"] = parameters
        for method in sorted({row.method for row in rows}):
            several = [row for row in rows if row.method == method]
            item[method.lower()] = _operation(service, several, shapes, names, version)
    error, unknown = shapes.of(SHAPES[service.faults.body]), shapes.of(KeystoneFault)
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": f"{service.name} of Virga",
            "version": _text(version) if spoken.service else "0",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": service.path}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {},
            "parameters": _version_parameters(service, version),
            "responses": {
                f"Error{code}": {
                    "description": title,
                    "content": {JSON: {"schema": unknown if code == 401 else error}},
                }
                for code, title in TITLES.items()
            },
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }
    made["components"]["schemas"] = shapes.filled(version)
    return made


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def _by_path(rows: Iterable[Route]) -> dict[str, list[Route]]:
    out: dict[str, list[Route]] = {}
    for row in rows:
        out.setdefault(row.path, []).append(row)
    return out


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_SEGMENT}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _version_parameters(service: Service, version: Version) -> dict[str, Any]:
    """The header that asks for this version."""
    if not service.versions.service:
        return {}
    requested = f"{service.versions.service} {_text(version)}"
    schema = {"type": "string", "const": requested}
    needed = version != service.versions.default
    return {
        "version": {"name": "OpenStack-API-Version", "in": "header", "required": needed, "schema": schema},
    }


def _operation(
    service: Service, rows: list[Route], shapes: _Shapes, names: set[str], version: Version
) -> dict[str, Any]:
    """One method of a path; several rows are the verbs of an action."""
    first = rows[0]
    name = f"{first.name.partition('.')[0]}.action" if first.verb is not None else first.name
    out: dict[str, Any] = {"operationId": _unique(name, first, names)}
    told = (first.action.__doc__ or "").strip().partition("\n")[0] if first.verb is None else "One of the actions."
    if told:
        out["summary"] = told
    parameters = [{"$ref": "#/components/parameters/version"}] if service.versions.service else []
    for row in rows:
        parameters += _parameters(row)
    if parameters:
        out["parameters"] = parameters
    body = _body(rows, shapes)
    if body is not None:
        out["requestBody"] = body
    out["responses"] = _answers(service, rows, shapes, version) | {
        str(code): {"$ref": f"#/components/responses/Error{code}"} for code in sorted(_refusals(service, first))
    }
    if first.public:
        out["security"] = [{}, {"token": []}]
    return out


def _unique(name: str, row: Route, names: set[str]) -> str:
    """A name that no other operation of the document has: where two share an action, their paths tell them apart."""
    if name in names:
        parts = [part.strip("{}") for part in row.path.split("/") if part]
        name = f"{name}.{row.method.lower()}.{'.'.join(parts)}"
    names.add(name)
    return name


def _parameters(row: Route) -> list[dict[str, Any]]:
    out = []
    for place, declared, bounds in (
        ("query", row.query, row.query_bounds),
        ("header", row.headers, row.header_bounds),
    ):
        if declared is None:
            continue
        for name in declared:
            characters, repeats = (bounds or {})[name]
            text: dict[str, Any] = {"type": "string", "maxLength": characters}
            if name == "*":
                schema: dict[str, Any] = {"type": "object", "additionalProperties": text}
                out.append({"name": "others", "in": place, "style": "form", "explode": True, "schema": schema})
                continue
            if repeats > 1 and _times(declared[name]):
                text = {"type": "array", "items": text, "maxItems": repeats}
            out.append({"name": name, "in": place, "schema": text})
    return out


def _times(kind: Any) -> bool:
    """Whether the row says how often the parameter may be given."""
    return any(isinstance(mark, wire.times) for mark in getattr(kind, "__metadata__", ()))


def _body(rows: list[Route], shapes: _Shapes) -> dict[str, Any] | None:
    if rows[0].verb is not None:
        verbs = [
            {
                "title": row.verb,
                "type": "object",
                "properties": {row.verb: shapes.of(row.body) if row.body is not None else {}},
                "required": [row.verb],
                "additionalProperties": False,
            }
            for row in rows
        ]
        return {"required": True, "content": {JSON: {"schema": {"oneOf": verbs}}}}
    row = rows[0]
    if row.stream and row.method in {"PUT", "POST", "PATCH"}:
        return {"content": {"*/*": {}}}
    if row.body is None:
        return None
    schema = shapes.of(row.body)
    if row.key is not None:
        schema = _under(row.key, schema)
    if row.bulk is not None:
        many = {"type": "array", "items": shapes.of(row.body), "maxItems": row.most}
        schema = {"oneOf": [schema, _under(row.bulk, many)]}
    return {"required": True, "content": {kind: {"schema": schema} for kind in row.accepts}}


def _under(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {key: schema}, "required": [key], "additionalProperties": False}


def _answers(service: Service, rows: list[Route], shapes: _Shapes, version: Version) -> dict[str, Any]:
    """By code, what is answered when it went well, or by a refusal that says more than others."""
    out: dict[str, Any] = {}
    for row in rows:
        for code in (row.code, *row.codes):
            told = out.setdefault(str(code), {"description": WORDS.get(code, "It went well.")})
            refused = (SHAPES[service.faults.body],) if code >= 400 else ()
            for kind in (*wire.alternatives(row.answer), *refused):
                if kind is bytes:
                    told.setdefault("content", {})["*/*"] = {}
                elif kind not in (None, type(None)) and code != 204:
                    place = told.setdefault("content", {}).setdefault(JSON, {"schema": {"anyOf": []}})
                    place["schema"]["anyOf"].append(shapes.of(kind))
            for name, kind in (row.sends or {}).items():
                if wire.lives(kind, version):
                    told.setdefault("headers", {})[name] = {"schema": {"type": "string"}}
    for told in out.values():
        for content in told.get("content", {}).values():
            if len(content.get("schema", {}).get("anyOf", ())) == 1:
                content["schema"] = content["schema"]["anyOf"][0]
    return out


def _refusals(service: Service, row: Route) -> set[int]:
    """The codes of what may be refused, by what the row takes."""
    codes = {429, 500, 503}
    if not row.public:
        codes |= {401, 403}
    if row.body is not None or row.verb is not None or row.query or row.headers:
        codes |= {400}
    if row.body is not None or row.verb is not None or row.stream:
        codes |= {413, 415}
    if "{" in row.path:
        codes |= {404}
    if service.versions.service:
        codes |= {400, 406}
    if row.method not in {"GET", "HEAD"}:
        codes |= {409, service.faults.over_quota}
    return codes & set(TITLES)


def requested(services: Iterable[Service], text: str) -> tuple[Service, Version]:
    """`compute@2.96`, `identity`: the service, and the version (without one, the newest). Raises ValueError with what there is."""
    name, _, number = text.partition("@")
    by_name = {each.name: each for each in services if each.routes}
    service = by_name.get(name) or next((s for s in by_name.values() if s.type == name), None)
    if service is None:
        raise ValueError(f"there is no service '{name}'; there are: {', '.join(sorted(by_name))}")
    spoken = service.versions
    if not number:
        return service, spoken.high
    if not spoken.service:
        raise ValueError(f"{service.name} has no microversions")
    if number == "latest":
        return service, spoken.high
    major, _, minor = number.partition(".")
    if not (major.isdecimal() and minor.isdecimal() and len(number) < 12):
        raise ValueError(f"'{number}' is not a microversion such as {_text(spoken.high)}")
    version = (int(major), int(minor))
    if not spoken.low <= version <= spoken.high:
        raise ValueError(f"{service.name} speaks {_text(spoken.low)} to {_text(spoken.high)}, not {number}")
    return service, version
