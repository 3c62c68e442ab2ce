# SPDX-License-Identifier: Apache-2.0
"""The list of images, with Glance's filters, order and pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from virga.authority.rules import allow, is_admin
from virga.ground.errors import Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.services.images import model, policy, store

KEYS = {
    "name": "name",
    "status": "status",
    "container_format": "container_format",
    "disk_format": "disk_format",
    "size": "size",
    "id": "id",
    "created_at": "created",
    "updated_at": "updated",
}
LISTS = frozenset({"name", "status", "disk_format", "container_format", "id"})
PLAIN = (
    "name",
    "status",
    "disk_format",
    "container_format",
    "id",
    "owner",
    "checksum",
    "os_hash_value",
    "os_hash_algo",
)
OTHERS = frozenset(
    {
        *PLAIN,
        "size",
        "size_min",
        "size_max",
        "min_disk",
        "min_ram",
        "protected",
        "tag",
        "visibility",
        "os_hidden",
        "limit",
        "marker",
        "sort",
        "sort_key",
        "sort_dir",
        "member_status",
        "created_at",
        "updated_at",
    }
)
MEMBER_STATUS = ("pending", "accepted", "rejected", "all")
DEFAULT, MOST, MANY = 25, 1000, 50


def index(call: Call) -> Page[model.Image]:
    """GET /v2/images. Names that are no column are properties and compared as strings. Raises NotFound, Invalid."""
    if call.request.path.endswith("/"):
        raise NotFound("The resource could not be found.")  # an image without an id, not the list
    allow(call, policy.GET_IMAGES)
    q = call.query
    visibility = q.get("visibility")
    if visibility is not None and visibility not in (*model.VISIBILITIES, "all"):
        raise Invalid(f"Invalid visibility value: {visibility[:40]}", field="visibility")
    status = q.get("member_status", "accepted") or ""
    if status not in MEMBER_STATUS:
        raise Invalid(f"Invalid status: {status[:40]}; it is one of {', '.join(MEMBER_STATUS)}", field="member_status")
    if "changes-since" in q:
        raise Invalid('The "changes-since" filter is no longer available on v2.', field="changes-since")
    where = [store.listed_to(call.actor.project_id, is_admin(call.actor), visibility, status), *_filters(call)]
    limit = min(_limit(call), MOST)
    if limit == 0:
        return Page([])
    marker = q.get("marker")
    if marker is not None and store.seen(call.tx, marker, call.actor.project_id, is_admin(call.actor)) is None:
        raise Invalid(f"marker [{marker[:64]}] not found", field="marker")
    # The marker was looked up above among what the caller may know of, which is more than one list shows.
    rows = store.IMAGES.page(call.tx, *where, seen=None, sort=order(call), marker=marker, limit=limit + 1)
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def _limit(call: Call) -> int:
    """Glance's words for a limit that is none."""
    text = call.query.get("limit")
    if text is None:
        return DEFAULT
    if not text.lstrip("-").isdecimal() or len(text) > 12:
        raise Invalid("limit param must be an integer", field="limit")
    if int(text) < 0:
        raise Invalid("limit param must be positive", field="limit")
    return int(text)


def order(call: Call) -> list[tuple[str, str]]:
    """`sort=name:asc,size` or `sort_key` and `sort_dir` (one for all, or one each); downwards unless told otherwise.
    Raises Invalid."""
    q = call.query
    keys, ways = list(q.all("sort_key")), list(q.all("sort_dir"))
    both = q.get("sort")
    if both is not None:
        if keys or ways:
            raise Invalid("Old and new sorting syntax cannot be combined", field="sort")
        pairs = [part.strip().partition(":") for part in both.strip().split(",")]
        keys, ways = [p[0].strip() for p in pairs], [p[2].strip() or "desc" for p in pairs]
    if len(ways) > 1 and len(ways) != len(keys):
        raise Invalid("Number of sort dirs does not match the number of sort keys", field="sort_dir")
    for key in keys:
        if key not in KEYS:
            raise Invalid(
                f"Invalid sort key: {key[:64]}. It must be one of the following: {', '.join(KEYS)}.", field="sort_key"
            )
    for way in ways:
        if way not in {"asc", "desc"}:
            raise Invalid(f"Invalid sort direction: {way[:64]}", field="sort_dir")
    ways = ways or ["desc"]
    out = [(KEYS[key], ways[n] if n < len(ways) else ways[0]) for n, key in enumerate(keys or ["created_at"])]
    if all(column != "created" for column, _ in out) and all(column != "id" for column, _ in out):
        out.append(("created", ways[0]))
    return out


def _filters(call: Call) -> list[Any]:
    q, c = call.query, store.c
    where: list[Any] = [c.os_hidden.is_(_flag(call, "os_hidden", "false"))]
    for name in PLAIN:
        if name in q:
            text = q.get(name) or ""
            where.append(
                c[name].in_(quoted(text[3:], name)) if name in LISTS and text.startswith("in:") else c[name] == text
            )
    for name, column, least in (("size_min", c.size, True), ("size_max", c.size, False)):
        number = q.whole(name, high=2**62)
        if number is not None:
            where.append(column >= number if least else column <= number)
    for name in ("min_disk", "min_ram", "size"):
        number = q.whole(name, high=2**62)
        if number is not None:
            where.append(c[name] == number)
    for name, column in (("created_at", c.created), ("updated_at", c.updated)):
        for text in q.all(name):
            where.append(_when(column, text, name))
    if "protected" in q:
        where.append(c.protected.is_(_flag(call, "protected", "")))
    where += [store.tagged(tag) for tag in sorted({tag.strip() for tag in q.all("tag")})]
    where += properties({k: v[-1] for k, v in q.items.items() if k not in OTHERS})
    return where


def properties(filters: Mapping[str, str]) -> list[Any]:
    """The images that have all these properties. Each is a condition that the database must read: raises Invalid for more than MANY."""
    if len(filters) > MANY:
        raise Invalid(
            f"The query asks for {len(filters)} properties, at most {MANY} in one request",
            field=sorted(filters)[0][:64],
        )
    return [store.having(name, value) for name, value in filters.items()]


def _flag(call: Call, name: str, default: str) -> bool:
    text = (call.query.get(name) or default).lower()
    if text not in {"true", "false"}:
        raise Invalid(
            f"Invalid value '{text[:40]}' for '{name}' filter. Valid values are 'true' or 'false'.", field=name
        )
    return text == "true"


def _when(column: Any, text: str, name: str) -> Any:
    """`gte:2026-01-02T03:04:05Z`; times are whole seconds, as they are shown."""
    operator, _, rest = text.partition(":")
    compare = {
        "gt": lambda t: column >= t + 1,
        "gte": lambda t: column >= t,
        "lt": lambda t: column < t,
        "lte": lambda t: column < t + 1,
        "eq": lambda t: (column >= t) & (column < t + 1),
        "neq": lambda t: (column < t) | (column >= t + 1),
    }
    if operator not in compare:
        operator, rest = "eq", text
    try:
        when = dt.datetime.fromisoformat(rest)
    except ValueError:
        raise Invalid(f"Invalid time format: {rest[:40]}", field=name) from None
    return compare[operator]((when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp() // 1)


def quoted(text: str, name: str) -> list[str]:
    """`a,"b,c",d` → a; b,c; d. A quote inside of a word, or one that is not closed, is the caller's error.
    Raises Invalid."""
    out: list[str] = []
    at = 0
    while at <= len(text):
        if text[at : at + 1] == '"':
            end = text.find('"', at + 1)
            if end < 0 or text[end + 1 : end + 2] not in {"", ","}:
                raise Invalid(
                    f"Invalid filter value {text[:80]}. The quote is not closed, or a comma is missing after it.",
                    field=name,
                )
            out.append(text[at + 1 : end])
            at = end + 2
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            if '"' in text[at:end]:
                raise Invalid(
                    f"Invalid filter value {text[:80]}. There is no comma before opening quotation mark.", field=name
                )
            out.append(text[at:end].strip())
            at = end + 1
    return out
