# SPDX-License-Identifier: Apache-2.0
"""Lists in pages: limit, marker, order, and the links to the next page in each service's way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

from virga.ground.errors import Invalid
from virga.ground.http.call import Call

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Items and, when more follow, the id of the last one."""

    items: list[T]
    marker: str | None = None


@dataclass(frozen=True)
class PageRequest:
    """What the caller asked of a list."""

    limit: int
    marker: str | None
    sort: tuple[tuple[str, str], ...]
    reverse: bool = False


def page_request(
    call: Call,
    *,
    sortable: dict[str, str],
    default: tuple[tuple[str, str], ...],
    most: int = 1000,
    default_way: str = "desc",
) -> PageRequest:
    """Read limit, marker, sort_key/sort_dir (repeated, or Glance's and Keystone's `sort=name:asc,id`) from the query.
    `sortable`: name on the wire → column. A key counts once, where it stands first, so there are never more keys than columns.
    Raises Invalid for a key that is not in `sortable` and for a direction that is none."""
    q = call.query
    limit = q.whole("limit", most, low=0)
    keys, ways = list(q.all("sort_key")), list(q.all("sort_dir"))
    both = q.get("sort")
    if both is not None:
        keys, ways = [], []
        for part in both.split(","):
            name, _, way = part.strip().partition(":")
            keys.append(name)
            ways.append(way or "asc")
    sort: list[tuple[str, str]] = []
    for n, key in enumerate(keys):
        way = ways[n] if n < len(ways) else (ways[-1] if ways else default_way)
        if key not in sortable:
            raise Invalid(
                f"Invalid input for query parameter 'sort_key': '{key[:64]}' is not one of {', '.join(sorted(sortable))}",
                field="sort_key",
            )
        if way not in {"asc", "desc"}:
            raise Invalid(
                f"Invalid input for query parameter 'sort_dir': '{way[:64]}' is not asc or desc", field="sort_dir"
            )
        if all(column != sortable[key] for column, _ in sort):
            sort.append((sortable[key], way))
    return PageRequest(
        min(limit if limit is not None else most, most),
        q.get("marker"),
        tuple(sort) or default,
        bool(q.yes("page_reverse", False)),
    )


def paginate(items: list[T], page: PageRequest) -> Page[T]:
    """Turn `limit + 1` rows into a page."""
    if len(items) <= page.limit:
        return Page(items)
    shown = items[: page.limit]
    return Page(shown, getattr(shown[-1], "id", None) if shown else None)


def next_link(call: Call, marker: str, **more: Any) -> str:
    """The address of the page after `marker`, with the rest of the query as it was."""
    pairs = [(k, v) for k, v in parse_qsl(call.request.raw_query, keep_blank_values=True) if k != "marker"]
    pairs += [("marker", marker), *((k, str(v)) for k, v in more.items())]
    return f"{call.request.base}{call.request.path}?{urlencode(pairs)}"
