# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/security say what is so: every advisory and every attack stands there once, and is held by a test that exists, does
not apply for a reason, or waits for a room that is still open."""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AREAS = {"volumes", "dashboard", "consoles", "compute", "network", "many machines", "releases"}
YEARS = {
    2011: 1, 2012: 20, 2013: 37, 2014: 41, 2015: 21, 2016: 13, 2017: 6, 2018: 2, 2019: 6, 2020: 8, 2021: 6, 2023: 3, 2024: 5, 2025: 2,
    2026: 12,
}  # fmt: skip
"""How many the public list has of each year, by 8 May 2026; within a year they are counted from 1."""
KINDS = {"A": 14, "B": 15, "C": 6, "D": 14, "E": 10, "F": 17}
EXPECTED = {
    "advisories": [f"OSSA-{year}-{n:03d}" for year, most in YEARS.items() for n in range(1, most + 1)],
    "attacks": [f"{kind}{n}" for kind, most in KINDS.items() for n in range(1, most + 1)],
}


def rows(table: str) -> list[list[str]]:
    """The lines of a table below its head, as cells."""
    lines = (ROOT / f"docs/security/{table}.md").read_text().splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("|---"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[head + 1 :] if line.startswith("|")]


@functools.cache
def functions(file: str) -> frozenset[str]:
    """The tests that a file defines for pytest: at its top, and none that is skipped whatever comes."""
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not any("skip" in ast.unparse(d) or "xfail" in ast.unparse(d) for d in node.decorator_list)
    )


def test_the_lists_are_whole() -> None:
    assert len(EXPECTED["advisories"]) == 183 and len(EXPECTED["attacks"]) == 76
    for table, expected in EXPECTED.items():
        assert [r[0] for r in rows(table)] == expected, table


@pytest.mark.parametrize("table", EXPECTED)
def test_each_line_is_held_does_not_apply_or_waits(table: str) -> None:
    for id, service, title, kind, where in rows(table):
        assert service and len(title) > 5, id
        if kind == "test":
            named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", where)
            assert named and ", ".join(f"`{f}::{n}`" for f, n in named) == where, f"{id}: {where}"
            for file, name in named:
                assert (ROOT / file).exists() and name in functions(file), f"{id}: {file} has no {name}"
        elif kind == "not applicable":
            assert len(where) > 15 and "tests/" not in where.replace("tests/real/test_cloud.py::test_ipv6", ""), id
        else:
            assert kind == "waits", f"{id}: {kind}"
            assert where.partition(":")[0] in AREAS, f"{id}: {where}"


FINDINGS = [
    *(f"C{n}" for n in range(1, 4)),
    *(f"H{n}" for n in range(1, 10)),
    *(f"M{n}" for n in range(1, 14)),
    *(f"L{n}" for n in range(1, 11)),
]
CLASSES = {"delegation", "foreign ids", "bounds", "fairness", "the front", "races"}


def test_each_finding_is_held_and_has_a_class() -> None:
    table = rows("findings")
    assert [r[0] for r in table] == FINDINGS
    for id, _, _, kind, what, where in table:
        assert kind in CLASSES and len(what) > 8, id
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", where)
        assert named and ", ".join(f"`{f}::{n}`" for f, n in named) == where, f"{id}: {where}"
        for file, name in named:
            assert name in functions(file), f"{id}: {file} has no {name}"


def test_tests_of_advisories_stand_in_the_table() -> None:
    """A test that is named by an advisory is named in its line, or holds an attack of the other table."""
    lines = {r[0]: r[4] for r in rows("advisories")}
    held = str([r[4] for r in rows("attacks")])
    for file in sorted((ROOT / "tests/promises").glob("test_advisories_*.py")):
        for name in functions(f"tests/promises/{file.name}"):
            year, number = name.split("_")[1:3]
            assert name in lines[f"OSSA-{year}-{number}"] or name in held, name


def test_the_counts_in_words() -> None:
    """The head of the table says how many there are."""
    assert f", {len(rows('advisories'))} by " in (ROOT / "docs/security/advisories.md").read_text()
    assert (ROOT / "docs/security/attacks.md").read_text().count(f"\n{len(rows('attacks'))} attacks") == 1
    assert Counter(r[3] for r in rows("advisories"))["test"] > 100
