# SPDX-License-Identifier: Apache-2.0
"""The scheduler hint `query`: conditions on hosts as a JSON list, `["and", [">=", "$free_ram_mb", 1024], ["=", "$vcpus_total", 8]]`
(Nova, "Compute schedulers", JsonFilter). Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from virga.ground.errors import Invalid

Query = list[Any]
"""An operator, and what it is asked of: queries, numbers, words; a word that begins with `$` is what a host has of that name."""
DEEPEST, MOST_TERMS = 8, 256


def _compared(test: Callable[[Any, Any], Any]) -> Callable[[list[Any]], Any]:
    """Whether the first of the terms stands so to all the others; nothing is true of one alone, nor of what cannot be compared."""

    def holds(terms: list[Any]) -> bool:
        try:
            return len(terms) > 1 and all(test(terms[0], other) for other in terms[1:])
        except TypeError:
            return False

    return holds


OPERATORS: dict[str, Callable[[list[Any]], Any]] = {
    "=": _compared(operator.eq),
    "<": _compared(operator.lt),
    ">": _compared(operator.gt),
    "<=": _compared(operator.le),
    ">=": _compared(operator.ge),
    "in": lambda terms: len(terms) > 1 and terms[0] in terms[1:],
    "not": lambda terms: [not term for term in terms],
    "or": any,
    "and": all,
}


def parse(text: str) -> Query:
    """Raises Invalid for what is no query, names no operator that there is, or is larger than DEEPEST and MOST_TERMS."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise _bad("it is not JSON") from None
    if not isinstance(found, list):
        raise _bad("a list is needed, with an operator first")
    _check(found, 1, [0])
    return found


def _check(query: Query, depth: int, seen: list[int]) -> None:
    if depth > DEEPEST:
        raise _bad(f"nested deeper than {DEEPEST} levels")
    if not query:
        return
    if not isinstance(query[0], str) or query[0] not in OPERATORS:
        raise _bad(f"{str(query[0])[:40]!r} is no operator; there are {', '.join(OPERATORS)}")
    for term in query[1:]:
        seen[0] += 1
        if seen[0] > MOST_TERMS:
            raise _bad(f"more than {MOST_TERMS} terms")
        if isinstance(term, list):
            _check(term, depth + 1, seen)
        elif isinstance(term, dict):
            raise _bad("a map is no term")


def _bad(why: str) -> Invalid:
    return Invalid(f"Invalid input for field 'os:scheduler_hints.query': {why}", field="query")


def holds(query: Query, host: Mapping[str, Any]) -> bool:
    """Whether a host with these attributes is what a (parsed) query asks for."""
    answer = _answer(query, host)
    return any(answer) if isinstance(answer, list) else bool(answer)


def _answer(query: Query, host: Mapping[str, Any]) -> Any:
    if not query:
        return True
    terms = [_term(each, host) for each in query[1:]]
    return OPERATORS[query[0]]([term for term in terms if term is not None])


def _term(term: Any, host: Mapping[str, Any]) -> Any:
    """What a term stands for; None for an attribute that the host has not, which then counts as not written."""
    if isinstance(term, list):
        return _answer(term, host)
    if not isinstance(term, str) or not term.startswith("$"):
        return term or None if isinstance(term, str) else term
    value: Any = host
    for part in term[1:].split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
