# SPDX-License-Identifier: Apache-2.0
"""An action is HTTP's only where it reads a request: the rest takes an `Act`, so that a saga, a loop or a start-up does the same without
inventing a request."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import virga

SOURCE = Path(virga.__file__).parent
OF_A_REQUEST = frozenset({"request", "query", "version", "hot", "making", "has"})
"""What a `Call` has beside what an `Act` has."""


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """(where, function, name of the argument that is a `Call`); views are HTTP's by what they are."""
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(SOURCE).as_posix()
        if where.startswith("ground/http/") or "/views" in where:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                    if isinstance(argument.annotation, ast.Name) and argument.annotation.id == "Call":
                        yield f"{where}: {node.name}", node, argument.arg


def needs_a_request(node: ast.AST, call: str) -> bool:
    """Whether `call` is read as a request, or goes on to somebody who may read it so."""
    owners = {child: parent for parent in ast.walk(node) for child in ast.iter_child_nodes(parent)}
    for name in ast.walk(node):
        if isinstance(name, ast.Name) and name.id == call:
            owner = owners[name]
            if not isinstance(owner, ast.Attribute) or owner.attr in OF_A_REQUEST:
                return True
    return False


def test_who_takes_a_call_reads_a_request() -> None:
    found = list(functions())
    assert len(found) > 100
    assert [where for where, node, call in found if not needs_a_request(node, call)] == []


def test_requests_come_from_clients_alone() -> None:
    """No saga, loop or start-up makes a `Call` up."""
    made = set()
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Call":
                made.add(path.relative_to(SOURCE).as_posix())
    assert made == {"ground/http/api_app.py"}
