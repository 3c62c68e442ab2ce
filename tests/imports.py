# SPDX-License-Identifier: Apache-2.0
"""Who imports whom in `virga`, read from the source: imports at the top, in functions, and those for types alone."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


@functools.cache
def modules() -> dict[str, Path]:
    """Every module of the program by its dotted name."""
    found = {}
    for path in sorted((SOURCE / "virga").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str) -> frozenset[str]:
    """What a module imports: whole names of our own modules, and of others the first part. `from package import module` is the module."""
    ours, out = modules(), set()
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        if isinstance(node, ast.Import):
            out |= {a.name if a.name in ours else a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                known = whole if whole in ours else node.module if node.module in ours else None
                out.add(known or node.module.partition(".")[0])
    return frozenset(out - {name})


@functools.cache
def graph() -> dict[str, frozenset[str]]:
    """Module → what it imports."""
    return {name: imported(name) for name in modules()}


def circles(edges: Mapping[str, Set[str]]) -> list[list[str]]:
    """The sets of nodes that reach each other (Tarjan's strongly connected components of more than one node), sorted."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    held: set[str] = set()
    out: list[list[str]] = []
    for root in edges:
        if root in order:
            continue
        work: list[tuple[str, Iterator[str]]] = []

        def enter(node: str) -> None:
            order[node] = low[node] = len(order)
            path.append(node)
            held.add(node)
            work.append((node, iter(sorted(edges.get(node, ())))))  # noqa: B023 - called within this round

        enter(root)
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    at = path.index(node)
                    held.difference_update(path[at:])
                    if len(path) - at > 1:
                        out.append(sorted(path[at:]))
                    del path[at:]
            elif following in held:
                low[node] = min(low[node], order[following])
            elif following not in order and following in edges:
                enter(following)
    return sorted(out)
