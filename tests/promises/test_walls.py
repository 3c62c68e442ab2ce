# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: no circle, floors, and services that meet at each other's `api.py`. All of it is read from the tree, so that a new
service or a new room is held to it from its first day."""

from __future__ import annotations

from imports import circles, graph


def test_the_search_for_circles_finds_them() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d", "x"}, "f": {"a"}, "g": {"g"}}
    assert circles(edges) == [["a", "b", "c"], ["d", "e"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Neither at the top, nor in a function, nor for types."""
    assert circles(graph()) == []
